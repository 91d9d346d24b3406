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

    pub(super) fn apply(&self, headers: &mut HeaderMap, id: &RequestId, client: Client) {
        for (name, value) in &ALWAYS {
            headers.insert(name.clone(), value.clone());
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
