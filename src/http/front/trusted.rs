use std::net::IpAddr;

use actix_web::dev::RequestHead;
use ipnet::IpNet;

/// The proxies that are believed what they say of their clients.
#[derive(Debug, Clone)]
pub(super) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub(super) fn new(networks: &[IpNet]) -> Self {
        Self(networks.to_vec())
    }

    /// Whether an address is one of theirs, however it is written.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether one of them is at the other end of a request's connection. Over the local socket it is nobody.
    pub(super) fn sent(&self, head: &RequestHead) -> bool {
        head.peer_addr.is_some_and(|peer| self.has(peer.ip()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_proxy_is_trusted_by_its_address_however_it_is_written() {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse::<IpNet>().unwrap());
        let proxies = TrustedProxies::new(&networks);
        let sent = |peer: &str| {
            let peer = SocketAddr::new(peer.parse().unwrap(), 1);
            proxies.sent(TestRequest::get().peer_addr(peer).to_srv_request().head())
        };

        assert!(sent("10.1.2.3") && sent("::ffff:10.1.2.3") && sent("fd00::1"));
        assert!(!sent("11.0.0.1") && !sent("::ffff:11.0.0.1") && !sent("fe80::1"));
        assert!(!proxies.sent(TestRequest::get().to_srv_request().head()), "nobody is known");
    }
}
