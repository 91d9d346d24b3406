use actix_cors::Cors;
use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN};
use actix_web::middleware::Condition;
use actix_web::{HttpMessage, HttpRequest};

use super::hosts::{address_of, host_of, is_loopback, name_of};
use super::{Client, names};
use crate::config::{AllowedOrigins, Config, HostPattern};
use crate::error::Error;

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// What a page may read besides what every page may.
const RESPONSE_HEADERS: &[&str] = &[
    "x-request-id",
    "retry-after",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "www-authenticate",
];

/// How long a browser may remember a preflight, in seconds: not much longer than it takes to see
/// that an origin that was taken off the list is shut out.
const PREFLIGHT_AGE: usize = 600;

/// Which web pages may call.
#[derive(Debug)]
pub(super) struct OriginRule {
    is_enabled: bool,
    allowed: AllowedOrigins,
    named_hosts: Vec<HostPattern>,
    /// Of `server.public_url`.
    public_origin: Option<String>,
}

impl OriginRule {
    pub(super) fn new(config: &Config) -> Self {
        let hosts = config.http.trusted_hosts.iter();
        let named_hosts = hosts.filter(|host| **host != HostPattern::Any).cloned().collect();
        let public_url = config.server.public_url.as_deref();
        Self {
            is_enabled: config.cors.enabled,
            allowed: config.cors.allowed_origins.clone(),
            named_hosts,
            public_origin: public_url.and_then(origin_of),
        }
    }

    /// Lets requests of other programs pass, which send no `Origin`, and those of allowed pages.
    pub(super) fn check(&self, head: &RequestHead, is_https: bool) -> Result<(), Error> {
        for origin in head.headers().get_all(ORIGIN) {
            let origin = origin.to_str().map_err(|_| Error::OriginRefused)?;
            let is_fine = self.allows(origin)
                || host_of(head)?.is_some_and(|host| self.is_own(origin, host, is_https));
            if !is_fine {
                return Err(Error::OriginRefused);
            }
        }
        Ok(())
    }

    /// Answers preflights, and tells browsers which answers a page may read.
    pub(super) fn layer(&self) -> Condition<Cors> {
        let cors = Cors::default()
            .allowed_methods(METHODS.iter().copied())
            // Whom an origin may name itself as is decided; browsers' clients name headers of
            // their own, and none of them is a danger.
            .allow_any_header()
            .expose_headers(RESPONSE_HEADERS.iter().copied())
            .max_age(PREFLIGHT_AGE);
        let cors = match self.allowed {
            AllowedOrigins::Any => cors.allow_any_origin().send_wildcard(),
            AllowedOrigins::Own | AllowedOrigins::These(_) => {
                cors.allowed_origin_fn(|_, _| true).supports_credentials()
            }
        };
        Condition::new(self.is_enabled, cors)
    }

    /// Whether a request is a preflight that the layer answers.
    pub(super) fn answers_preflight(&self, head: &RequestHead) -> bool {
        self.is_enabled
            && head.method == Method::OPTIONS
            && head.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    fn allows(&self, origin: &str) -> bool {
        let is_public = self.public_origin.as_deref().is_some_and(|own| is_same(own, origin));
        is_public
            || self.is_enabled
                && match &self.allowed {
                    AllowedOrigins::Any => true,
                    AllowedOrigins::These(list) => list.iter().any(|known| is_same(known, origin)),
                    AllowedOrigins::Own => is_loopback_origin(origin),
                }
    }

    /// Whether the page was served by this server, under the name that the request uses.
    ///
    /// The name must be one that no stranger can point at us (DNS rebinding): an address, a name
    /// of the local network, or one that the settings vouch for. Behind a proxy that hides TLS
    /// from us the scheme is not known, so only a page that is less safe than the call is refused.
    fn is_own(&self, origin: &str, host: &str, is_https: bool) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        let is_safe = scheme == "https" || (scheme == "http" && !is_https);
        is_safe && authority.eq_ignore_ascii_case(host) && self.is_believable(name_of(host))
    }

    fn is_believable(&self, name: &str) -> bool {
        let bare = name.trim_end_matches('.');
        is_loopback(name)
            || address_of(name).is_some()
            || !bare.contains('.')
            || bare.to_ascii_lowercase().ends_with(".local")
            || self.named_hosts.iter().any(|pattern| pattern.matches(name))
    }
}

/// Whether a page of another site made a browser send this as it loads an image or follows a link,
/// without an `Origin` that could be looked at. Such a request brings no key and its answer cannot
/// be read, so all that it could do is to use up what somebody else may ask.
///
/// ```text
/// GET /mcp HTTP/1.1
/// Sec-Fetch-Site: cross-site
/// Sec-Fetch-Dest: image
/// ```
pub(super) fn is_foreign_fetch(head: &RequestHead) -> bool {
    let headers = head.headers();
    let site = headers.get(&names::SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    matches!(site, Some(b"cross-site" | b"same-site")) && !headers.contains_key(ORIGIN)
}

/// The origin of the pages of this server, under the name that a request used.
#[must_use]
pub fn origin_of_request(request: &HttpRequest) -> Option<String> {
    let is_https = request.extensions().get::<Client>()?.is_https;
    let host = host_of(request.head()).ok()??;
    Some(format!("{}://{host}", if is_https { "https" } else { "http" }))
}

fn is_same(known: &str, origin: &str) -> bool {
    known.eq_ignore_ascii_case(origin)
}

fn is_loopback_origin(origin: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| is_loopback(name_of(authority)))
}

/// Cuts the URL of the settings down to its origin, which has one spelling there.
fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    Some(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allowed: AllowedOrigins) -> OriginRule {
        OriginRule {
            is_enabled: true,
            allowed,
            named_hosts: vec![HostPattern::Below("home.lan".to_owned())],
            public_origin: origin_of("https://memory.example.com/base"),
        }
    }

    #[test]
    fn without_a_list_loopback_and_the_public_url_pass() {
        let rule = rule(AllowedOrigins::Own);

        for fine in [
            "http://localhost:5173",
            "http://127.0.0.1",
            "https://[::1]:8",
            "https://memory.example.com",
        ] {
            assert!(rule.allows(fine), "{fine}");
        }
        for odd in
            ["null", "https://evil.example", "http://localhost.evil.example", "localhost", ""]
        {
            assert!(!rule.allows(odd), "{odd}");
        }
    }

    #[test]
    fn a_list_is_matched_as_a_whole() {
        let rule = rule(AllowedOrigins::These(vec!["https://claude.ai".to_owned()]));

        assert!(rule.allows("https://claude.ai") && rule.allows("HTTPS://Claude.ai"));
        for odd in ["http://claude.ai", "https://claude.ai:8443", "https://claude.ai.evil.example"]
        {
            assert!(!rule.allows(odd), "{odd}");
        }
        assert!(!rule.allows("http://localhost:5173"));
    }

    #[test]
    fn a_page_of_our_own_passes_unless_a_stranger_could_own_its_name() {
        let rule = rule(AllowedOrigins::Own);

        assert!(rule.is_own("http://192.0.2.1:3000", "192.0.2.1:3000", false));
        assert!(rule.is_own("http://nas:3000", "nas:3000", false));
        assert!(rule.is_own("https://mem.home.lan", "mem.home.lan", false));
        assert!(!rule.is_own("http://mem.home.lan", "mem.home.lan", true), "a plain page");
        assert!(!rule.is_own("http://evil.example:3000", "evil.example:3000", false), "rebinding");
        assert!(!rule.is_own("http://nas:3001", "nas:3000", false));
    }
}
