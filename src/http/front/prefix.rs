//! What a proxy has taken off the front of a path, so that links of pages lead back to it.

use actix_web::dev::RequestHead;
use actix_web::http::header::HeaderName;
use actix_web::{HttpMessage, HttpRequest};

use super::trusted::TrustedProxies;
use super::{Front, names};
use crate::config::base_path;

/// Marks a request that came through a page of the same host, as the ingress of Home Assistant is, which
/// shows ours in a frame. Holds the path at which that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingress(String);

impl Ingress {
    /// The frame that a request came through, if it did.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    #[must_use]
    pub fn path(&self) -> &str {
        &self.0
    }
}

impl Front {
    /// What stands before `/ui/` where a browser is: what a trusted proxy tells, else the setting.
    /// Nothing for who comes from this machine without a proxy.
    #[must_use]
    pub fn base_path(&self, request: &HttpRequest) -> String {
        if let Some(Ingress(path)) = Ingress::of(request) {
            return path;
        }
        if let Some(told) = told(request.head(), &self.proxies, &names::X_FORWARDED_PREFIX) {
            return told;
        }
        if self.client(request).is_local { String::new() } else { self.base_path.clone() }
    }

    /// Whether a trusted proxy says that a request came through a frame, where the settings allow one.
    pub(super) fn ingress(&self, head: &RequestHead) -> Option<Ingress> {
        let path = told(head, &self.proxies, &names::X_INGRESS_PATH);
        path.filter(|_| self.takes_ingress).map(Ingress)
    }
}

/// Of two lines one is not the proxy's, so neither counts.
fn told(head: &RequestHead, proxies: &TrustedProxies, name: &HeaderName) -> Option<String> {
    if !proxies.sent(head) {
        return None;
    }
    let mut lines = head.headers().get_all(name);
    let line = lines.next()?.to_str().ok()?;
    if lines.next().is_some() { None } else { base_path(line) }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_a_trusted_proxy_says_what_stands_before_a_path() {
        let proxies = TrustedProxies::new(&["10.0.0.0/8".parse().unwrap()]);
        for name in [&names::X_FORWARDED_PREFIX, &names::X_INGRESS_PATH] {
            let of = |peer: &str, lines: &[&str]| {
                let peer = SocketAddr::new(peer.parse().unwrap(), 1);
                let mut request = TestRequest::get().peer_addr(peer);
                for line in lines {
                    request = request.append_header((name.clone(), *line));
                }
                told(request.to_srv_request().head(), &proxies, name)
            };

            assert_eq!(of("10.0.0.2", &["/memory/"]), Some("/memory".to_owned()));
            assert_eq!(of("::ffff:10.0.0.2", &["/a/b"]), Some("/a/b".to_owned()));
            assert_eq!(of("203.0.113.9", &["/memory"]), None);
            for odd in [
                &["/a", "/b"][..],
                &["//evil"],
                &["https://evil"],
                &["/a\" x=\""],
                &["/a; Domain=evil"],
                &["/.."],
                &["/"],
                &[],
            ] {
                assert_eq!(of("10.0.0.2", odd), None, "{odd:?}");
            }
        }
    }
}
