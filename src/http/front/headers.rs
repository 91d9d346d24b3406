use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::{Client, RequestId, names};
use crate::actors::Verdict;

/// The same on every response, whatever became of the request.
static ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::X_XSS_PROTECTION, HeaderValue::from_static("1; mode=block")),
    (header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin")),
];

/// What a page may load and where its forms go: itself, and nothing else. No script and no style stands
/// in a page, and no script makes markup out of text.
pub const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// What a policy says of frames, and what it says where a page of the same host may have one of ours in it.
const NO_FRAME: &str = "frame-ancestors 'none'";
const OWN_FRAME: &str = "frame-ancestors 'self'";

/// What a page wears besides. With `no-referrer` a browser would send its own forms with `Origin: null`.
static OF_PAGES: [(HeaderName, HeaderValue); 4] = [
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), microphone=(), geolocation=()"),
    ),
];

static HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// The headers that every response wears.
#[derive(Debug)]
pub(super) struct DefaultHeaders {
    server: HeaderValue,
}

impl DefaultHeaders {
    /// `server` was checked when the settings were read.
    pub(super) fn new(server: &str) -> Self {
        let plain = HeaderValue::from_static("memoryd");
        Self { server: HeaderValue::from_str(server).unwrap_or(plain) }
    }

    /// Whatever is answered below `/ui`, and a page elsewhere, which is known by its policy, wears
    /// what pages wear. In a frame may be what came through it, but for what is allowed to clients.
    pub(super) fn apply(
        &self,
        headers: &mut HeaderMap,
        id: &RequestId,
        client: Client,
        path: &str,
        is_framed: bool,
    ) {
        for (name, value) in &ALWAYS {
            headers.insert(name.clone(), value.clone());
        }
        if is_of_pages(path) || headers.contains_key(header::CONTENT_SECURITY_POLICY) {
            dress_as_page(headers);
            if is_of_sign_in(path) {
                // A page that opened a window for this waits for what its own page in there says.
                headers.remove("cross-origin-opener-policy");
            }
        }
        if is_framed && (path == "/" || is_of_pages(path)) {
            let_be_framed(headers);
        }
        headers.insert(header::SERVER, self.server.clone());
        headers.insert(names::X_REQUEST_ID.clone(), id.header());
        if client.is_https {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS.clone());
        }
        if is_json(headers) && !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

fn is_of_pages(path: &str) -> bool {
    path == "/ui" || path.starts_with("/ui/")
}

/// Where a browser may be in a window that the page of a client opened.
fn is_of_sign_in(path: &str) -> bool {
    path == "/ui/login" || path.starts_with("/authorize")
}

fn dress_as_page(headers: &mut HeaderMap) {
    for (name, value) in &OF_PAGES {
        headers.insert(name.clone(), value.clone());
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let policy = HeaderValue::from_static(PAGE_POLICY);
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn let_be_framed(headers: &mut HeaderMap) {
    let policy = headers.get(header::CONTENT_SECURITY_POLICY);
    let policy = policy.and_then(|policy| policy.to_str().ok());
    let policy =
        policy.map_or_else(|| OWN_FRAME.to_owned(), |all| all.replace(NO_FRAME, OWN_FRAME));
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers.remove(header::X_FRAME_OPTIONS);
    }
}

/// Tells a client how much it may still ask.
pub(super) fn put_quota(headers: &mut HeaderMap, verdict: &Verdict) {
    headers.insert(names::RATELIMIT_LIMIT.clone(), HeaderValue::from(verdict.limit));
    headers.insert(names::RATELIMIT_REMAINING.clone(), HeaderValue::from(verdict.remaining));
    headers.insert(names::RATELIMIT_RESET.clone(), HeaderValue::from(verdict.reset));
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json") || kind.contains("+json"))
}
