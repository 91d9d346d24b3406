use actix_web::dev::{RequestHead, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpMessage, HttpResponse};

use super::trusted::TrustedProxies;
use super::{caller, hosts, names};
use crate::auth::oauth::Issuer;
use crate::config::Config;
use crate::model::{Caller, TokenPrefix};

/// The one name under which clients are told to sign in with OAuth. Under every other one there is no word
/// of it: some clients drop the key that they were given as soon as they hear of a sign-in.
#[derive(Debug, Clone)]
pub(super) struct PublicHost {
    issuer: Issuer,
    proxies: TrustedProxies,
}

/// Marks a request that came under that name.
#[derive(Debug, Clone, Copy)]
pub struct OnPublicHost;

/// What pages of any origin may ask, without credentials: it holds nothing of anybody's, or takes a secret
/// that the page has itself.
const OPEN_TO_PAGES: [&str; 2] = ["/register", "/token"];
const METADATA: &str = "/.well-known/oauth-";
/// How long a browser may remember that, in seconds.
const PREFLIGHT_AGE: &str = "600";

/// How a refusal of the protocol is to be worded for whoever may sign in.
#[derive(Debug)]
pub(super) struct Invitation {
    unauthorized: HeaderValue,
    forbidden: HeaderValue,
}

impl PublicHost {
    /// Nothing where OAuth is off.
    pub(super) fn new(config: &Config) -> Option<Self> {
        let url = config.server.public_url.as_deref().filter(|_| config.oauth.enabled)?;
        let proxies = TrustedProxies::new(&config.http.trusted_proxies);
        Some(Self { issuer: Issuer::of(url), proxies })
    }

    /// Whether a request came under this name, or a trusted proxy says that it did.
    pub(super) fn is_meant(&self, head: &RequestHead) -> bool {
        let forwarded = head.headers().get_all(&names::X_FORWARDED_HOST).last();
        let host = match forwarded.filter(|_| self.proxies.sent(head)) {
            // The last value is the one that the nearest proxy put there.
            Some(line) => line.to_str().ok().and_then(|line| line.rsplit(',').next()),
            None => hosts::host_of(head).ok().flatten(),
        };
        host.is_some_and(|host| self.issuer.is_host(host.trim()))
    }

    /// What whoever asks for the protocol without a key is told, besides that it is refused. Who brought a
    /// key hears that the key is wrong, and nothing of a sign-in.
    pub(super) fn invitation(&self, request: &ServiceRequest) -> Option<Invitation> {
        let is_protocol = request.path().trim_end_matches('/') == "/mcp";
        if !is_protocol || !request.extensions().contains::<OnPublicHost>() {
            return None;
        }
        let presented = caller::presented(request.headers());
        if !presented.may_sign_in() {
            return None;
        }
        let error = presented.is_attempt().then_some("invalid_token");
        let worded = |error| HeaderValue::try_from(self.issuer.challenge(error)).ok();
        Some(Invitation {
            unauthorized: worded(error)?,
            forbidden: worded(Some("insufficient_scope"))?,
        })
    }
}

impl Invitation {
    /// Words the refusal anew. A call that needs more than is ever offered over OAuth is no reason to sign
    /// in again.
    pub(super) fn put<B>(self, response: &mut ServiceResponse<B>) {
        let status = response.status();
        let is_grant = {
            let extensions = response.request().extensions();
            let caller = extensions.get::<Caller>();
            caller.and_then(|caller| caller.token.as_ref()).is_some_and(TokenPrefix::is_of_grant)
        };
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, self.unauthorized);
        } else if status == StatusCode::FORBIDDEN
            && is_grant
            && headers.contains_key(WWW_AUTHENTICATE)
        {
            headers.insert(WWW_AUTHENTICATE, self.forbidden);
        }
    }
}

/// Answers the preflight of a page for what is open to all pages, and lets the page's request pass as if it
/// came from none; its answer says that any page may read it.
pub(super) fn welcome_page(request: &mut ServiceRequest) -> Option<HttpResponse> {
    let path = request.path();
    let is_open = OPEN_TO_PAGES.contains(&path) || path.starts_with(METADATA);
    if !is_open || !request.extensions().contains::<OnPublicHost>() {
        return None;
    }
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if is_preflight {
        let answer = HttpResponse::NoContent()
            .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, OPTIONS"))
            .insert_header((
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "content-type, authorization, mcp-protocol-version",
            ))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE))
            .finish();
        return Some(answer);
    }
    request.headers_mut().remove(ORIGIN);
    None
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_request_is_under_our_name_by_its_host_or_by_the_word_of_a_trusted_proxy() {
        let host = PublicHost {
            issuer: Issuer::of("https://memory.example.com"),
            proxies: TrustedProxies::new(&["10.0.0.0/8".parse().unwrap()]),
        };
        let is_meant = |peer: &str, lines: &[(&str, &str)]| {
            let peer = SocketAddr::new(peer.parse().unwrap(), 1);
            let mut request = TestRequest::with_uri("/mcp").peer_addr(peer);
            for line in lines {
                request = request.append_header(*line);
            }
            host.is_meant(request.to_srv_request().head())
        };
        let (own, told) = ("memory.example.com", "X-Forwarded-Host");

        assert!(is_meant("203.0.113.9", &[("Host", own)]));
        assert!(is_meant("203.0.113.9", &[("Host", "Memory.Example.com:443")]));
        assert!(is_meant("10.0.0.1", &[("Host", "127.0.0.1:3000"), (told, own)]));
        assert!(is_meant("10.0.0.1", &[("Host", "x"), (told, "evil.example, memory.example.com")]));
        assert!(!is_meant("10.0.0.1", &[("Host", own), (told, "nas.lan")]));
        assert!(
            !is_meant("203.0.113.9", &[("Host", "127.0.0.1"), (told, own)]),
            "a stranger's word"
        );
        assert!(!is_meant("203.0.113.9", &[("Host", "nas.lan:3000")]));
    }
}
