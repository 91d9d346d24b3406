use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream as Plain;
use ipnet::IpNet;
use tokio::sync::watch;

use super::ConnectionBounds;
use super::connection::Connection;
use super::trusted::TrustedProxies;
use super::unread::Unread;
use super::wire::{Flow, Wire};
use crate::actors::ClientKey;

/// Counts the connections of each address. One for all workers.
#[derive(Debug)]
pub struct Connections {
    bounds: ConnectionBounds,
    proxies: TrustedProxies,
    by_address: Mutex<HashMap<ClientKey, usize>>,
    unread: Unread,
    /// Turns true when the server is about to stop.
    stopping: watch::Receiver<bool>,
}

/// A connection's place among those of its address. Given back when dropped.
#[derive(Debug)]
pub struct ConnectionPlace {
    connections: Arc<Connections>,
    client: Option<ClientKey>,
}

impl Connections {
    #[must_use]
    pub fn new(
        bounds: ConnectionBounds,
        proxies: &[IpNet],
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let unread = Unread::new(bounds.unread_bytes);
        let proxies = TrustedProxies::new(proxies);
        Arc::new(Self { bounds, proxies, by_address: Mutex::default(), unread, stopping })
    }

    /// Notes a new connection in its data, or shuts it if its address has too many. For
    /// [`actix_web::HttpServer::on_connect`].
    pub fn welcome(self: &Arc<Self>, served: &dyn Any, data: &mut Extensions) {
        let Some((stream, flow)) = parts_of(served) else {
            log::error!("a connection is of a kind that cannot be bounded");
            return;
        };
        match self.open(stream, flow) {
            Ok(Some(connection)) => drop(data.insert(connection)),
            Ok(None) => log::debug!("a connection was shut: its address has too many"),
            // Whoever resets early has no address any more, and could fill the log.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                log::debug!("a connection was gone before it was served");
            }
            Err(error) => {
                log::warn!("a connection was shut, for it cannot be bounded: {error}");
                if let Err(error) = rustix::net::shutdown(stream, rustix::net::Shutdown::Both) {
                    log::debug!("a connection was closed already: {error}");
                }
            }
        }
    }

    fn open(
        self: &Arc<Self>,
        stream: &Plain,
        flow: Rc<Flow>,
    ) -> io::Result<Option<Rc<Connection>>> {
        let address = stream.peer_addr()?.ip();
        let socket = TcpStream::from(stream.as_fd().try_clone_to_owned()?);
        let Some(place) = self.take_place(address) else {
            socket.shutdown(Shutdown::Both)?;
            return Ok(None);
        };
        // The same bound for what the kernel holds already, as when the reader is gone without a
        // word.
        let patience = u32::try_from(self.bounds.patience.as_millis()).unwrap_or(u32::MAX);
        rustix::net::sockopt::set_tcp_user_timeout(&socket, patience)?;
        Ok(Some(Connection::open(socket, flow, place)))
    }

    /// Takes a place for one more connection of an address, if one is free.
    pub fn take_place(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionPlace> {
        let address = address.to_canonical();
        if address.is_loopback() || self.proxies.has(address) {
            return Some(ConnectionPlace { connections: Arc::clone(self), client: None });
        }
        let client = ClientKey::of(address);
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client).or_default();
        if *count >= self.bounds.per_address {
            return None;
        }
        *count += 1;
        Some(ConnectionPlace { connections: Arc::clone(self), client: Some(client) })
    }
}

impl ConnectionPlace {
    pub(super) fn bounds(&self) -> ConnectionBounds {
        self.connections.bounds
    }

    /// Turns true when the server is about to stop.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.connections.stopping.clone()
    }

    /// What waits to be read on all connections.
    pub(super) fn unread(&self) -> &Unread {
        &self.connections.unread
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let counts = &self.connections.by_address;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&client);
            }
        }
    }
}

/// The socket below what actix serves, and whether it takes what is written.
fn parts_of(served: &dyn Any) -> Option<(&Plain, Rc<Flow>)> {
    let wire = served.downcast_ref::<Wire>().map(|wire| (wire.socket(), wire.flow()));
    wire.or_else(|| served.downcast_ref::<Plain>().map(|stream| (stream, Rc::default())))
}

#[cfg(test)]
mod tests {
    use super::super::bounds::tests::bounds;
    use super::*;

    #[test]
    fn one_address_has_so_many_connections_and_gives_them_back() {
        let few = ConnectionBounds { per_address: 2, ..bounds(1_024, &[]) };
        let (_, stopping) = watch::channel(false);
        let connections = Connections::new(few, &["10.0.0.0/8".parse().unwrap()], stopping);
        let take = |address: &str| connections.take_place(address.parse().unwrap());

        let (first, second) = (take("192.0.2.1"), take("192.0.2.1"));
        assert!(first.is_some() && second.is_some() && take("192.0.2.1").is_none());
        assert!(take("192.0.2.2").is_some(), "another address");
        drop(first);
        assert!(take("192.0.2.1").is_some());
        for many in ["127.0.0.1", "::1", "10.1.2.3"] {
            let places: Vec<_> = (0..9).map(|_| take(many)).collect();
            assert!(places.iter().all(Option::is_some), "{many}");
        }
        drop(second);
        assert!(connections.by_address.lock().unwrap().is_empty());
    }
}
