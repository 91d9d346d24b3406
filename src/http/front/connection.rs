//! How many connections there are, and how long each may stay without use.
//!
//! A connection costs descriptors, and an answer that nobody reads costs memory, both without a
//! key. So, from the outside to the inside:
//!
//! 1. actix takes no more connections than [`ConnectionBounds::total`], and the rest wait in the
//!    kernel's queue. The store keeps its descriptors.
//! 2. [`Connections::welcome`] runs once for each, on the thread that will serve it, after the TLS
//!    handshake and before the first byte of HTTP. One address has so many; what is beyond is shut.
//! 3. A request and its answer are an [`Exchange`]. HTTP/1 has one at a time, HTTP/2 as many as the
//!    client likes, because actix does not let us announce a limit; the ones beyond ours are
//!    answered with an empty 503.
//! 4. An answer goes out in pieces ([`send_off`]). While a piece waits for its reader the next one
//!    is not asked for, so nobody polls the body, and no timer in it would ever run. Hence one
//!    watch a connection: if a piece waits for longer than [`ConnectionBounds::patience`], or if
//!    there was no request for [`ConnectionBounds::idle`], the connection is shut.
//!
//! actix owns the socket and gives nobody a handle to end it. The watch has a second descriptor of
//! the same socket for that, so each connection counts for two.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt;
use actix_web::rt::net::TcpStream as Plain;
use ipnet::IpNet;
use slab::Slab;

use crate::actors::ClientKey;

/// Descriptors for the store, the log, and what else is opened now and then.
const RESERVE: u64 = 128;
/// More would only queue for the workers.
const MOST: usize = 8192;
/// A household, even on a machine that allows next to nothing.
const LEAST: usize = 16;
/// Browsers open six and agents a few; this leaves room for a house behind one address.
const MOST_PER_ADDRESS: usize = 256;
const LEAST_PER_ADDRESS: usize = 8;
/// RFC 9113 asks for at least 100 on one HTTP/2 connection.
const MOST_EXCHANGES: usize = 128;
/// Requests that wait for an answer. HTTP/2 lets a client ask for thousands before the first of them
/// is looked at, and each takes memory.
const MOST_WAITING: usize = 2 * MOST_EXCHANGES;
/// Answers without a body between two looks of the watch. They do not wait for their reader, so
/// they would pile up behind one who does not read.
const MOST_BARE: u32 = 5_000;

/// What is allowed of connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionBounds {
    /// All connections together.
    pub total: usize,
    /// Those of one address; this machine and trusted proxies speak for many and are not counted.
    pub per_address: usize,
    /// How long a piece of an answer may wait for its reader.
    pub patience: Duration,
    /// How long a connection may stay without a request.
    pub idle: Duration,
}

/// Counts the connections of each address. One for all workers.
#[derive(Debug)]
pub struct Connections {
    bounds: ConnectionBounds,
    proxies: Vec<IpNet>,
    by_address: Mutex<HashMap<ClientKey, usize>>,
}

/// One connection, which lives as long as anything of it does.
pub(super) struct Connection {
    socket: TcpStream,
    bounds: ConnectionBounds,
    /// What is going on, and since when its next piece waits for the reader.
    exchanges: RefCell<Slab<Option<Instant>>>,
    waiting: Cell<usize>,
    is_shut: Cell<bool>,
    bare: Cell<u32>,
    last_used: Cell<Instant>,
    _place: Place,
}

/// A request that waits for its answer.
pub(super) struct Waiting {
    connection: Rc<Connection>,
}

/// One request and its answer, up to the last piece of it.
pub(super) struct Exchange {
    connection: Rc<Connection>,
    number: usize,
}

/// A connection's place among those of its address. Given back when dropped.
struct Place {
    connections: Arc<Connections>,
    client: Option<ClientKey>,
}

impl ConnectionBounds {
    /// As many as leave the store half of the open files and a reserve.
    #[must_use]
    pub fn within(open_files: u64, patience: Duration, idle: Duration) -> Self {
        // Two descriptors each.
        let total = (open_files / 2).saturating_sub(RESERVE) / 2;
        let total = usize::try_from(total).unwrap_or(MOST).clamp(LEAST, MOST);
        let per_address = (total / 4).clamp(LEAST_PER_ADDRESS, MOST_PER_ADDRESS);
        Self { total, per_address, patience, idle }
    }
}

impl Connections {
    #[must_use]
    pub fn new(bounds: ConnectionBounds, proxies: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { bounds, proxies, by_address: Mutex::default() })
    }

    /// Notes a new connection in its data, or shuts it if its address has too many. For
    /// [`actix_web::HttpServer::on_connect`].
    pub fn welcome(self: &Arc<Self>, served: &dyn Any, data: &mut Extensions) {
        let Some(stream) = socket_of(served) else {
            log::error!("a connection is of a kind that cannot be bounded");
            return;
        };
        match self.open(stream) {
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

    fn open(self: &Arc<Self>, stream: &Plain) -> io::Result<Option<Rc<Connection>>> {
        let address = stream.peer_addr()?.ip().to_canonical();
        let socket = TcpStream::from(stream.as_fd().try_clone_to_owned()?);
        let Some(place) = self.take_place(address) else {
            socket.shutdown(Shutdown::Both)?;
            return Ok(None);
        };
        // The same bound for what the kernel holds already, as when the reader is gone without a
        // word.
        let patience = u32::try_from(self.bounds.patience.as_millis()).unwrap_or(u32::MAX);
        rustix::net::sockopt::set_tcp_user_timeout(&socket, patience)?;
        Ok(Some(Connection::open(socket, self.bounds, place)))
    }

    /// Takes a place for one more connection of an address, if one is free.
    fn take_place(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let speaks_for_many =
            address.is_loopback() || self.proxies.iter().any(|proxies| proxies.contains(&address));
        if speaks_for_many {
            return Some(Place { connections: Arc::clone(self), client: None });
        }
        let client = ClientKey::of(address);
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client).or_default();
        if *count >= self.bounds.per_address {
            return None;
        }
        *count += 1;
        Some(Place { connections: Arc::clone(self), client: Some(client) })
    }
}

impl Drop for Place {
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

impl Connection {
    fn open(socket: TcpStream, bounds: ConnectionBounds, place: Place) -> Rc<Self> {
        let connection = Rc::new(Self {
            socket,
            bounds,
            exchanges: RefCell::default(),
            waiting: Cell::new(0),
            is_shut: Cell::new(false),
            bare: Cell::new(0),
            last_used: Cell::new(Instant::now()),
            _place: place,
        });
        // Ends by itself at the first look after the connection did.
        rt::spawn(watch(Rc::downgrade(&connection), bounds.patience / 4));
        connection
    }

    /// Notes a request at the moment of its arrival. Nothing if the connection is shut, as it is
    /// when too many wait.
    pub(super) fn arrive(self: &Rc<Self>) -> Option<Waiting> {
        if !self.is_shut.get() && self.waiting.get() >= MOST_WAITING {
            self.shut("it asks for more than can be answered");
        }
        if self.is_shut.get() {
            return None;
        }
        self.waiting.set(self.waiting.get() + 1);
        Some(Waiting { connection: Rc::clone(self) })
    }

    /// Starts an exchange, unless there are too many on this connection already.
    pub(super) fn begin(self: &Rc<Self>) -> Option<Exchange> {
        if self.exchanges.borrow().len() >= MOST_EXCHANGES {
            self.count_bare();
            return None;
        }
        let number = self.exchanges.borrow_mut().insert(None);
        Some(Exchange { connection: Rc::clone(self), number })
    }

    fn count_bare(&self) {
        self.bare.set(self.bare.get().saturating_add(1));
        if self.bare.get() >= MOST_BARE {
            self.shut("it asks for more than it can read");
        }
    }

    fn is_stuck(&self, now: Instant) -> bool {
        let waits = |since: &Instant| now.duration_since(*since) >= self.bounds.patience;
        self.exchanges.borrow().iter().filter_map(|(_, waits)| waits.as_ref()).any(waits)
    }

    fn is_idle(&self, now: Instant) -> bool {
        let unused = now.duration_since(self.last_used.get());
        self.exchanges.borrow().is_empty() && unused >= self.bounds.idle
    }

    fn shut(&self, why: &str) {
        if self.is_shut.replace(true) {
            return;
        }
        log::debug!("a connection was shut: {why}");
        if let Err(error) = self.socket.shutdown(Shutdown::Both) {
            // The other side was faster.
            log::debug!("a connection was closed already: {error}");
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let waiting = &self.connection.waiting;
        waiting.set(waiting.get().saturating_sub(1));
    }
}

impl Exchange {
    /// Says that a piece of the answer was given out, and that it is up to the reader now.
    pub(super) fn wait_for_reader(&self) {
        self.set(Some(Instant::now()));
    }

    /// Says that the reader wants more, and that it is up to us.
    pub(super) fn wait_for_source(&self) {
        self.set(None);
    }

    /// Says that the answer has no body.
    pub(super) fn note_bare(&self) {
        self.connection.count_bare();
    }

    fn set(&self, waits: Option<Instant>) {
        if let Some(exchange) = self.connection.exchanges.borrow_mut().get_mut(self.number) {
            *exchange = waits;
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.connection.exchanges.borrow_mut().try_remove(self.number);
        self.connection.last_used.set(Instant::now());
    }
}

/// Looks at a connection now and then, and shuts it when nobody is at the other end.
async fn watch(connection: Weak<Connection>, interval: Duration) {
    loop {
        rt::time::sleep(interval).await;
        let Some(open) = connection.upgrade() else { return };
        open.bare.set(0);
        let now = Instant::now();
        if open.is_stuck(now) {
            return open.shut("nobody reads its answer");
        }
        if open.is_idle(now) {
            return open.shut("it brings no request");
        }
    }
}

/// The socket below what actix serves.
fn socket_of(served: &dyn Any) -> Option<&Plain> {
    let encrypted = served.downcast_ref::<TlsStream<Plain>>();
    encrypted.map(|stream| stream.get_ref().0).or_else(|| served.downcast_ref::<Plain>())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn bounds(open_files: u64) -> ConnectionBounds {
        ConnectionBounds::within(open_files, Duration::from_secs(60), Duration::from_secs(85))
    }

    #[test]
    fn the_store_always_keeps_half_of_the_open_files() {
        for open_files in [1_024, 4_096, 20_000, 1 << 20, u64::MAX] {
            let taken = u64::try_from(bounds(open_files).total).unwrap() * 2;
            assert!(taken + RESERVE <= open_files / 2, "{open_files}: {taken}");
        }
        assert_eq!((bounds(1_024).total, bounds(1_024).per_address), (192, 48));
        assert_eq!((bounds(64).total, bounds(u64::MAX).total), (LEAST, MOST));
    }

    #[test]
    fn one_address_has_so_many_connections_and_gives_them_back() {
        let few = ConnectionBounds { per_address: 2, ..bounds(1_024) };
        let connections = Connections::new(few, vec!["10.0.0.0/8".parse().unwrap()]);
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

    #[actix_web::test]
    async fn one_connection_has_so_many_exchanges_at_a_time() {
        let (connection, mut peer) = pair();

        let mut going_on: Vec<_> =
            (0..MOST_EXCHANGES).map(|_| connection.begin().unwrap()).collect();
        assert!(connection.begin().is_none());
        drop(going_on.pop());
        going_on.push(connection.begin().unwrap());

        let refused = (1..MOST_BARE).filter(|_| connection.begin().is_none()).count();
        assert_eq!(refused + 1, usize::try_from(MOST_BARE).unwrap());
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "who goes on asking is shut out");
        drop(going_on);
        assert!(connection.exchanges.borrow().is_empty());
    }

    #[actix_web::test]
    async fn who_asks_and_asks_before_any_answer_is_shut_out() {
        let (connection, mut peer) = pair();

        let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| connection.arrive().unwrap()).collect();
        drop(waiting.pop());
        waiting.push(connection.arrive().unwrap());
        assert!(connection.arrive().is_none());

        drop(waiting);
        assert!(connection.arrive().is_none(), "it stays shut");
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    }

    #[actix_web::test]
    async fn only_a_piece_that_waits_for_its_reader_counts_as_stuck() {
        let (connection, _peer) = pair();
        let later = Instant::now() + Duration::from_secs(3_600);

        assert!(connection.is_idle(later) && !connection.is_stuck(later));
        let exchange = connection.begin().unwrap();
        assert!(!connection.is_idle(later) && !connection.is_stuck(later));
        exchange.wait_for_reader();
        assert!(connection.is_stuck(later) && !connection.is_stuck(Instant::now()));
        exchange.wait_for_source();
        assert!(!connection.is_stuck(later));
    }

    /// A connection, and the other end of it.
    fn pair() -> (Rc<Connection>, TcpStream) {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, address) = listener.accept().unwrap();
        let connections = Connections::new(bounds(1_024), Vec::new());
        let place = connections.take_place(address.ip()).unwrap();
        (Connection::open(socket, bounds(1_024), place), peer)
    }
}
