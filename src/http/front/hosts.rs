use std::net::IpAddr;

use actix_web::dev::RequestHead;
use actix_web::http::Version;
use actix_web::http::header::HOST;

use crate::config::{Config, HostPattern};
use crate::error::Error;

/// Which `Host` the server answers to.
#[derive(Debug)]
pub(super) struct HostRule {
    trusted: Vec<HostPattern>,
    /// Without credentials a page could reach us under its own name, by pointing that name at
    /// 127.0.0.1. So only names that no page can have are answered to.
    needs_loopback: bool,
}

impl HostRule {
    pub(super) fn new(config: &Config, is_open_to_all: bool) -> Self {
        let trusted = config.http.trusted_hosts.clone();
        let needs_loopback = is_open_to_all && trusted.contains(&HostPattern::Any);
        Self { trusted, needs_loopback }
    }

    pub(super) fn check(&self, head: &RequestHead) -> Result<(), Error> {
        let answers = match host_of(head)? {
            Some(host) => self.answers_to(name_of(host)),
            // HTTP/1.0 knows no Host. HTTP/1.1 must name one, and HTTP/2 in its authority.
            None => {
                let is_old = head.version < Version::HTTP_11;
                is_old && !self.needs_loopback && self.trusted.contains(&HostPattern::Any)
            }
        };
        if answers { Ok(()) } else { Err(Error::HostRefused) }
    }

    fn answers_to(&self, name: &str) -> bool {
        if self.needs_loopback {
            is_loopback(name)
        } else {
            self.trusted.iter().any(|pattern| pattern.matches(name))
        }
    }
}

/// The authority that a request names, port included.
pub(super) fn host_of(head: &RequestHead) -> Result<Option<&str>, Error> {
    let mut lines = head.headers().get_all(HOST);
    let line =
        lines.next().map(|line| line.to_str().map_err(|_| Error::HostRefused)).transpose()?;
    let authority = head.uri.authority().map(|authority| authority.as_str());
    let disagrees = || line.zip(authority).is_some_and(|(a, b)| !a.eq_ignore_ascii_case(b));
    let host = line.or(authority);
    if lines.next().is_some() || disagrees() || host.is_some_and(|host| host.contains('@')) {
        return Err(Error::HostRefused);
    }
    Ok(host)
}

/// Takes the port off. An IPv6 address keeps its brackets.
pub(super) fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && is_whole(name) => name,
        _ => host,
    }
}

/// Whether no colon is left outside of brackets, as in the middle of an IPv6 address.
fn is_whole(name: &str) -> bool {
    !name.contains(':') || (name.starts_with('[') && name.ends_with(']'))
}

/// The address that a name is, if it is one.
pub(super) fn address_of(name: &str) -> Option<IpAddr> {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Whether a name means this machine, whoever looks it up (RFC 6761 for `localhost`).
pub(super) fn is_loopback(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let is_below = || name.len() > 10 && name.to_ascii_lowercase().ends_with(".localhost");
    name.eq_ignore_ascii_case("localhost")
        || address_of(name).is_some_and(|address| address.is_loopback())
        || is_below()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_http_1_0_may_leave_the_host_out() {
        let rule = HostRule { trusted: vec![HostPattern::Any], needs_loopback: false };
        let is_answered = |uri: &str, version| {
            let request = TestRequest::with_uri(uri).version(version).to_srv_request();
            rule.check(request.head()).is_ok()
        };

        assert!(is_answered("/", Version::HTTP_10));
        assert!(!is_answered("/", Version::HTTP_11) && !is_answered("/", Version::HTTP_2));
        assert!(is_answered("https://localhost:3000/", Version::HTTP_2));
    }

    #[test]
    fn a_port_is_taken_off_and_an_address_is_left_whole() {
        for (host, name) in [
            ("example.com:3000", "example.com"),
            ("example.com", "example.com"),
            ("[::1]:3000", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("127.0.0.1:", "127.0.0.1"),
        ] {
            assert_eq!(name_of(host), name);
        }
    }

    #[test]
    fn loopback_is_told_from_what_looks_like_it() {
        for name in ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "[::1]", "app.localhost"]
        {
            assert!(is_loopback(name), "{name}");
        }
        for name in ["localhost.example.com", "127.0.0.1.nip.io", "0.0.0.0", "[::2]", ".localhost"]
        {
            assert!(!is_loopback(name), "{name}");
        }
    }
}
