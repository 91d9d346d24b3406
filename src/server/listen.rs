use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use super::StartError;
use crate::config::{Host, Port, ServerSection};

/// Where `auto` looks for a port.
const AUTO_PORTS: std::ops::RangeInclusive<u16> = 8501..=8999;

/// Takes the port of the settings.
pub(super) fn bind(server: &ServerSection) -> Result<TcpListener, StartError> {
    match server.port {
        Port::Number(port) => bind_to(&server.host, port).map_err(|source| {
            let address = match &server.host {
                Host::Address(address) => SocketAddr::new(*address, port).to_string(),
                Host::Name(name) => format!("{name}:{port}"),
            };
            StartError::cannot_bind(address, source)
        }),
        Port::Auto => {
            let mut free = AUTO_PORTS.filter_map(|port| bind_to(&server.host, port).ok());
            free.next().ok_or(StartError::NoFreePort)
        }
    }
}

fn bind_to(host: &Host, port: u16) -> io::Result<TcpListener> {
    let addresses: Vec<SocketAddr> = match host {
        Host::Address(address) => vec![SocketAddr::new(*address, port)],
        Host::Name(name) => {
            let found = (name.as_str(), port).to_socket_addrs()?;
            // A name that counts as loopback must not lead anywhere else, whatever a resolver says.
            let must_be_loopback = host.is_loopback();
            let mut found: Vec<_> =
                found.filter(|found| !must_be_loopback || found.ip().is_loopback()).collect();
            // Clients try IPv4 first, and so do the guides.
            found.sort_by_key(SocketAddr::is_ipv6);
            found
        }
    };
    TcpListener::bind(addresses.as_slice())
}
