use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use crate::tls;

/// Documents are on no other port: what listens elsewhere need not be a web server.
pub(super) const HTTPS_PORT: u16 = 443;

/// The network, as far as documents are fetched over it. Tests have one of their own.
pub trait Internet: Debug + Send + Sync {
    /// All that a name stands for. It may take its time.
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;

    /// The addresses of this machine.
    fn own_addresses(&self) -> io::Result<Vec<IpAddr>>;

    /// Where to connect to for HTTPS at an address that was found good.
    fn door_of(&self, address: IpAddr) -> SocketAddr;

    /// PEM files of the authorities that vouch for names.
    fn authorities(&self) -> Vec<PathBuf>;
}

/// The one that there is.
#[derive(Debug, Clone, Copy)]
pub struct PublicInternet;

impl Internet for PublicInternet {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok((host, HTTPS_PORT).to_socket_addrs()?.map(|found| found.ip()).collect())
    }

    fn own_addresses(&self) -> io::Result<Vec<IpAddr>> {
        Ok(if_addrs::get_if_addrs()?.into_iter().map(|interface| interface.ip()).collect())
    }

    fn door_of(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, HTTPS_PORT)
    }

    fn authorities(&self) -> Vec<PathBuf> {
        tls::system_authorities()
    }
}
