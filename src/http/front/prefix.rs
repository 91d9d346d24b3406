//! What a proxy has taken off the front of a path, so that links of pages lead back to it.

use actix_web::HttpRequest;
use actix_web::dev::RequestHead;

use super::trusted::TrustedProxies;
use super::{Front, names};
use crate::config::base_path;

impl Front {
    /// What stands before `/ui/` where a browser is: what a trusted proxy tells, else the setting.
    /// Nothing for who comes from this machine without a proxy.
    #[must_use]
    pub fn base_path(&self, request: &HttpRequest) -> String {
        if let Some(told) = told(request.head(), &self.proxies) {
            return told;
        }
        if self.client(request).is_local { String::new() } else { self.base_path.clone() }
    }
}

/// Of two lines one is not the proxy's, so neither counts.
fn told(head: &RequestHead, proxies: &TrustedProxies) -> Option<String> {
    if !proxies.sent(head) {
        return None;
    }
    let mut lines = head.headers().get_all(&names::X_FORWARDED_PREFIX);
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
        let of = |peer: &str, lines: &[&str]| {
            let peer = SocketAddr::new(peer.parse().unwrap(), 1);
            let mut request = TestRequest::get().peer_addr(peer);
            for line in lines {
                request = request.append_header(("X-Forwarded-Prefix", *line));
            }
            told(request.to_srv_request().head(), &proxies)
        };

        assert_eq!(of("10.0.0.2", &["/memory/"]), Some("/memory".to_owned()));
        assert_eq!(of("::ffff:10.0.0.2", &["/a/b"]), Some("/a/b".to_owned()));
        assert_eq!(of("203.0.113.9", &["/memory"]), None);
        for odd in
            [&["/a", "/b"][..], &["//evil"], &["https://evil"], &["/a\" x=\""], &["/.."], &[]]
        {
            assert_eq!(of("10.0.0.2", odd), None, "{odd:?}");
        }
    }
}
