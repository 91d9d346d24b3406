use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::dev::RequestHead;
use actix_web::http::header::{HeaderMap, HeaderValue};

use super::names;
use super::trusted::TrustedProxies;

/// Headers by which a proxy says that it forwards for somebody else, besides all that begin with
/// [`X_FORWARDED`].
const FORWARDING: [&str; 9] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-ingress-path",
];
const X_FORWARDED: &str = "x-forwarded";

/// Marks a connection over the local socket, which only its owner can open.
#[derive(Debug, Clone, Copy)]
pub struct LocalSocket;

/// Where a request comes from, as far as it can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    pub address: IpAddr,
    /// From this machine, and nothing says that it was forwarded.
    pub is_local: bool,
    /// From this machine, for somebody else: a proxy is between.
    pub is_proxied: bool,
    /// Over TLS, to us or to a trusted proxy.
    pub is_https: bool,
    /// Over the local socket, which only its owner can open.
    pub is_owner: bool,
}

impl Client {
    pub(super) fn of(head: &RequestHead, proxies: &TrustedProxies, is_tls: bool) -> Self {
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let peer = head.peer_addr.map_or(unknown, |peer| peer.ip().to_canonical());
        Self::behind(peer, head.headers(), proxies, is_tls)
    }

    /// Whoever comes over the local socket is on this machine.
    pub(super) fn over_socket(head: &RequestHead, proxies: &TrustedProxies) -> Self {
        let client = Self::behind(Ipv4Addr::LOCALHOST.into(), head.headers(), proxies, false);
        Self { is_owner: client.is_local, ..client }
    }

    /// Whom headers speak for that came from a trusted proxy, one a line.
    #[cfg(feature = "fuzzing")]
    pub(super) fn told_by(lines: &[u8]) -> Self {
        use actix_web::http::header::{HeaderName, HeaderValue};
        let mut headers = HeaderMap::new();
        for line in lines.split(|byte| *byte == b'\n') {
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let name = parts.next().and_then(|name| HeaderName::from_bytes(name).ok());
            let value = parts.next().and_then(|value| HeaderValue::from_bytes(value).ok());
            if let (Some(name), Some(value)) = (name, value) {
                headers.append(name, value);
            }
        }
        let proxies = TrustedProxies::new(&[IpAddr::from(Ipv4Addr::LOCALHOST).into()]);
        Self::behind(Ipv4Addr::LOCALHOST.into(), &headers, &proxies, false)
    }

    fn behind(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies, is_tls: bool) -> Self {
        let is_proxied = peer.is_loopback() && is_forwarded(headers);
        let is_local = peer.is_loopback() && !is_proxied;
        let direct =
            Self { address: peer, is_local, is_proxied, is_https: is_tls, is_owner: false };
        if !proxies.has(peer) {
            return direct;
        }
        let address = forwarded_for(headers, peer, proxies);
        Self { address, is_https: is_tls || says_https(headers), ..direct }
    }
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    let says_so = |name: &str| name.starts_with(X_FORWARDED) || FORWARDING.contains(&name);
    headers.keys().any(|name| says_so(name.as_str()))
}

/// Walks back from the peer over proxies that are trusted, to the first address that is not. An
/// entry that cannot be read ends the walk: what stands before it could be anybody's invention.
fn forwarded_for(headers: &HeaderMap, peer: IpAddr, proxies: &TrustedProxies) -> IpAddr {
    let lines: Vec<&HeaderValue> = headers.get_all(&names::X_FORWARDED_FOR).collect();
    let mut last = peer;
    for line in lines.iter().rev() {
        let Ok(line) = line.to_str() else {
            return last;
        };
        for entry in line.rsplit(',') {
            match parse_address(entry) {
                None => return last,
                Some(address) if proxies.has(address) => last = address,
                Some(address) => return address,
            }
        }
    }
    real_ip(headers).unwrap_or(last)
}

fn real_ip(headers: &HeaderMap) -> Option<IpAddr> {
    let mut lines = headers.get_all(&names::X_REAL_IP);
    let line = lines.next()?;
    // Two lines: one of them is not the proxy's.
    lines.next().is_none().then(|| line.to_str().ok().and_then(parse_address)).flatten()
}

/// The last value is the one that the nearest proxy put there.
fn says_https(headers: &HeaderMap) -> bool {
    let last =
        headers.get_all(&names::X_FORWARDED_PROTO).last().and_then(|line| line.to_str().ok());
    let proto = last.and_then(|line| line.rsplit(',').next());
    proto.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}

/// Reads `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:80`.
fn parse_address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn client(peer: &str, headers: &[(&str, &str)]) -> Client {
        let networks =
            ["127.0.0.0/8", "10.0.0.0/8"].map(|text| text.parse::<ipnet::IpNet>().unwrap());
        let proxies = TrustedProxies::new(&networks);
        let mut request = TestRequest::get().peer_addr(SocketAddr::new(peer.parse().unwrap(), 1));
        for header in headers {
            request = request.append_header(*header);
        }
        Client::of(request.to_srv_request().head(), &proxies, false)
    }

    fn address(peer: &str, headers: &[(&str, &str)]) -> String {
        client(peer, headers).address.to_string()
    }

    #[test]
    fn only_a_trusted_proxy_may_speak_for_others() {
        let forged = [("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-Proto", "https")];

        assert_eq!(address("203.0.113.9", &forged), "203.0.113.9");
        assert!(!client("203.0.113.9", &forged).is_https);
        assert_eq!(address("127.0.0.1", &forged), "198.51.100.7");
        assert!(client("127.0.0.1", &forged).is_https);
        assert!(client("::ffff:127.0.0.1", &forged).is_https);
    }

    #[test]
    fn the_rightmost_untrusted_entry_is_the_client() {
        for (lines, found) in [
            (&["1.1.1.1, 198.51.100.7, 10.0.0.2"][..], "198.51.100.7"),
            (&["1.1.1.1", "198.51.100.7", "10.0.0.2,10.0.0.3"], "198.51.100.7"),
            (&["[2001:db8::1]:443"], "2001:db8::1"),
            (&["198.51.100.7:8080"], "198.51.100.7"),
            (&["10.0.0.2"], "10.0.0.2"),
            (&["198.51.100.7, nonsense, 10.0.0.2"], "10.0.0.2"),
            (&["198.51.100.7, "], "127.0.0.1"),
            (&["198.51.100.7\u{e9}"], "127.0.0.1"),
        ] {
            let headers: Vec<_> = lines.iter().map(|line| ("X-Forwarded-For", *line)).collect();
            assert_eq!(address("127.0.0.1", &headers), found, "{lines:?}");
        }
    }

    #[test]
    fn x_real_ip_counts_where_nothing_better_is_said() {
        let real = ("X-Real-IP", "198.51.100.7");

        assert_eq!(address("127.0.0.1", &[real]), "198.51.100.7");
        assert_eq!(address("127.0.0.1", &[real, ("X-Real-IP", "1.1.1.1")]), "127.0.0.1");
        assert_eq!(address("127.0.0.1", &[real, ("X-Forwarded-For", "1.1.1.1")]), "1.1.1.1");
        assert_eq!(address("203.0.113.9", &[real]), "203.0.113.9");
    }

    #[test]
    fn the_nearest_proxy_says_which_scheme() {
        let proto = |line| client("127.0.0.1", &[("X-Forwarded-Proto", line)]).is_https;

        assert!(proto("HTTPS") && proto("http, https"));
        assert!(!proto("https, http") && !proto("http"));
    }

    #[test]
    fn a_forwarded_request_is_never_local() {
        assert!(client("127.0.0.1", &[]).is_local && client("::1", &[]).is_local);
        assert!(!client("10.0.0.1", &[]).is_local);
        assert!(!client("127.0.0.1", &[("X-Request-Id", "1")]).is_proxied);
        for name in FORWARDING.iter().chain(&["X-Forwarded-Proto", "X-Forwarded-Anything"]) {
            let forwarded = client("127.0.0.1", &[(*name, "127.0.0.1")]);
            assert!(!forwarded.is_local && forwarded.is_proxied, "{name}");
            assert!(!client("10.0.0.1", &[(*name, "127.0.0.1")]).is_proxied, "{name}");
        }
    }
}
