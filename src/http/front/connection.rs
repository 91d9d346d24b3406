//! How many connections there are, and how long each may stay without use.
//!
//! A connection costs descriptors, and an answer that nobody reads costs memory, both without a
//! key. So, from the outside to the inside:
//!
//! 1. actix takes no more connections than [`ConnectionBounds::total`], and the rest wait in the
//!    kernel's queue. The store keeps its descriptors.
//! 2. One address has so many; what is beyond is shut. A TLS handshake has its place among them
//!    ([`Connections::take_place`]), and afterwards the connection: [`Connections::welcome`] runs once
//!    for each, on the thread that will serve it, before the first byte of HTTP.
//! 3. A request and its answer are an [`Exchange`]. HTTP/1 has one at a time, HTTP/2 as many as the
//!    client likes, because actix does not let us announce a limit; the ones beyond ours are
//!    answered with an empty 503. None begins while the connection takes nothing ([`Flow`]).
//! 4. Answers lie in memory until they are read, so all together have a limit ([`Unread`]), and those
//!    of one connection a quarter of it. Beyond it a large answer gives way to a 503, and a connection
//!    whose answers wait begins no other.
//!    Likewise a request that waits for another costs memory, and HTTP/1 takes them apart as they come:
//!    while one goes on hardly more is read than it waits for ([`Flow`]).
//! 5. An answer goes out in pieces ([`send_off`]). While a piece waits for its reader the next one
//!    is not asked for, so nobody polls the body, and no timer in it would ever run. Hence one
//!    watch a connection: if a piece waits for longer than [`ConnectionBounds::patience`], or if
//!    there was no request for [`ConnectionBounds::idle`], the connection is shut.
//!
//! 6. When the server stops, actix tells HTTP/1 so, but waits until the clients of HTTP/2 leave, as
//!    long as it may. The watch ends those connections on which nothing goes on.
//!
//! actix owns the socket and gives nobody a handle to end it. The watch has a second descriptor of
//! the same socket for that, so each connection counts for two.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::net::{Shutdown, TcpStream};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::BodySize;
use actix_web::dev::Payload;
use actix_web::rt;
use slab::Slab;
use tokio::sync::watch::Receiver;

use super::ConnectionBounds;
use super::connections::ConnectionPlace;
use super::unread::Unread;
use super::wire::{Flow, GoesOn};

/// What nearly every answer of a write fits into. It is always given: what was carried out should not
/// look as if it was refused.
const ALWAYS_GIVEN: usize = 64 * 1024;
/// Answers without a body between two looks of the watch. They do not wait for their reader, so
/// they would pile up behind one who does not read.
const MOST_BARE: u32 = 5_000;
/// How long after an answer its connection may end: the last piece is given to actix, and not yet to
/// the kernel. Far below what a stop waits for connections.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// One connection, which lives as long as anything of it does.
pub(super) struct Connection {
    socket: TcpStream,
    flow: Rc<Flow>,
    bounds: ConnectionBounds,
    /// What is going on, and since when its next piece waits for the reader.
    exchanges: RefCell<Slab<Option<Instant>>>,
    waiting: Cell<usize>,
    is_shut: Cell<bool>,
    bare: Cell<u32>,
    last_used: Cell<Instant>,
    /// How often something had come when the last answer with a body began.
    answered_at: Cell<Option<u64>>,
    /// Bytes of answers that wait for the reader.
    held: Cell<usize>,
    place: ConnectionPlace,
}

/// A request that waits for its answer.
pub(super) struct Waiting {
    connection: Rc<Connection>,
    _goes_on: GoesOn,
}

/// One request and its answer, up to the last piece of it.
pub(super) struct Exchange {
    connection: Rc<Connection>,
    number: usize,
    /// The part of what its connection holds that is of this answer.
    held: Cell<usize>,
    /// A piece was given out, and nothing else had its turn since.
    has_given: Cell<bool>,
    _goes_on: GoesOn,
}

impl Connection {
    pub(super) fn open(socket: TcpStream, flow: Rc<Flow>, place: ConnectionPlace) -> Rc<Self> {
        let bounds = place.bounds();
        let connection = Rc::new(Self {
            socket,
            flow,
            bounds,
            exchanges: RefCell::default(),
            waiting: Cell::new(0),
            is_shut: Cell::new(false),
            bare: Cell::new(0),
            last_used: Cell::new(Instant::now()),
            answered_at: Cell::new(None),
            held: Cell::new(0),
            place,
        });
        let is_multiplexed = connection.flow.is_multiplexed();
        let stopping = is_multiplexed.then(|| connection.place.stopping());
        // Ends by itself at the first look after the connection did.
        rt::spawn(watch(Rc::downgrade(&connection), bounds.patience / 4, stopping));
        connection
    }

    /// Notes a request at the moment of its arrival. Nothing if the connection is shut, as it is
    /// when too many wait.
    pub(super) fn arrive(self: &Rc<Self>) -> Option<Waiting> {
        // HTTP/2 lets a client ask for thousands before the first of them is looked at, and each takes
        // memory.
        let most = self.bounds.streams.saturating_mul(2);
        if !self.is_shut.get() && self.waiting.get() >= most {
            self.shut("it asks for more than can be answered");
        }
        if self.is_shut.get() {
            return None;
        }
        self.waiting.set(self.waiting.get() + 1);
        Some(Waiting { connection: Rc::clone(self), _goes_on: self.flow.begin() })
    }

    /// The body of a request of HTTP/1, of which more is read when somebody waits for it.
    pub(super) fn awaited(&self, body: Payload) -> Payload {
        self.flow.awaited(body)
    }

    /// Says that an answer begins which may have a body.
    pub(super) fn note_answer(&self) {
        self.answered_at.set(self.flow.reads());
    }

    /// Shuts the connection if a `HEAD` of HTTP/1 was read before the answer ahead of it began. actix
    /// then takes the body off that answer, which announced it, and all that follows would be taken
    /// for the body.
    pub(super) fn refuse_if_ahead(&self) {
        if self.answered_at.get().is_some_and(|at| Some(at) == self.flow.reads()) {
            self.shut("it asks with HEAD before its last answer began");
        }
    }

    /// Comes back when the connection takes what is written to it, or has ended.
    pub(super) async fn until_it_takes_more(&self) {
        poll_fn(|context| self.flow.poll(context)).await;
    }

    /// Comes back when the client sends no more, or has gone.
    pub(super) async fn until_it_leaves(&self) {
        self.flow.until_left().await;
    }

    /// Starts an exchange, unless there are too many on this connection already.
    pub(super) fn begin(self: &Rc<Self>) -> Option<Exchange> {
        if self.is_shut.get() {
            return None;
        }
        if self.exchanges.borrow().len() >= self.bounds.streams {
            self.count_bare();
            return None;
        }
        let number = self.exchanges.borrow_mut().insert(None);
        let (held, has_given) = (Cell::new(0), Cell::new(false));
        let (connection, goes_on) = (Rc::clone(self), self.flow.begin());
        Some(Exchange { connection, number, held, has_given, _goes_on: goes_on })
    }

    fn unread(&self) -> &Unread {
        self.place.unread()
    }

    fn count_bare(&self) {
        self.bare.set(self.bare.get().saturating_add(1));
        if self.bare.get() >= MOST_BARE {
            self.shut("it asks for more than it can read");
        }
    }

    fn is_stuck(&self, now: Instant) -> bool {
        let is_tight = self.unread().is_tight();
        let patience = if is_tight { self.bounds.patience / 4 } else { self.bounds.patience };
        let is_over = |since: Instant| now.duration_since(since) >= patience;
        self.flow.stopped().is_some_and(is_over)
            || self.exchanges.borrow().iter().filter_map(|(_, since)| *since).any(is_over)
    }

    fn is_idle(&self, now: Instant) -> bool {
        let unused = now.duration_since(self.last_used.get());
        self.exchanges.borrow().is_empty() && unused >= self.bounds.idle
    }

    /// Whether nothing goes on, and nothing is left to be written.
    fn is_at_rest(&self, now: Instant) -> bool {
        let unused = now.duration_since(self.last_used.get());
        self.waiting.get() == 0
            && self.exchanges.borrow().is_empty()
            && self.flow.stopped().is_none()
            && unused >= LAST_WORDS
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
    /// Whether another answer may be made, before anything is done for it. A connection whose answers
    /// are read is never refused for those of others.
    pub(super) fn has_room(&self) -> bool {
        let (unread, held) = (self.connection.unread(), self.connection.held.get());
        held == 0 || held < unread.share() && !unread.is_full()
    }

    /// Notes an answer that lies ready as a whole, which it does until its last piece is read. A large
    /// one may be more than there is room for, and is refused then.
    pub(super) fn hold(&self, size: BodySize) -> bool {
        let BodySize::Sized(bytes) = size else { return true };
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let (unread, others) = (self.connection.unread(), self.connection.held.get());
        if bytes <= ALWAYS_GIVEN {
            unread.take(bytes);
        } else if others > 0 && others.saturating_add(bytes) > unread.share()
            || !unread.try_take(bytes)
        {
            return false;
        }
        self.note_held(bytes);
        true
    }

    /// Notes what the source of a stream gave out.
    pub(super) fn hold_part(&self, bytes: usize) {
        self.connection.unread().take(bytes);
        self.note_held(bytes);
    }

    fn note_held(&self, bytes: usize) {
        self.held.set(self.held.get().saturating_add(bytes));
        let held = &self.connection.held;
        held.set(held.get().saturating_add(bytes));
    }

    /// Says that what was held is read, or given up.
    pub(super) fn let_go(&self) {
        let bytes = self.held.take();
        let held = &self.connection.held;
        held.set(held.get().saturating_sub(bytes));
        self.connection.unread().give_back(bytes);
    }

    /// Comes back when there is room for another part of a stream.
    pub(super) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        self.connection.unread().poll_room(context)
    }

    /// Comes back when the connection takes another piece. After each piece the connection has its
    /// turn: HTTP/2 would take hundreds of KiB of each answer before it tried to write the first.
    pub(super) fn poll_turn(&self, context: &Context<'_>) -> Poll<()> {
        if self.has_given.take() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.connection.flow.stopped().is_some() {
            self.keep_waiting();
        }
        self.connection.flow.poll(context)
    }

    /// Says that a piece of the answer was given out, and that it is up to the reader now.
    pub(super) fn wait_for_reader(&self) {
        self.has_given.set(true);
        self.set(Some(Instant::now()));
    }

    /// Says that the next piece has to wait for the reader, who may be waited for already.
    fn keep_waiting(&self) {
        if let Some(since) = self.connection.exchanges.borrow_mut().get_mut(self.number) {
            since.get_or_insert_with(Instant::now);
        }
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
        self.let_go();
        self.connection.exchanges.borrow_mut().try_remove(self.number);
        self.connection.last_used.set(Instant::now());
    }
}

/// Looks at a connection now and then, and shuts it when nobody is at the other end. One of HTTP/2 is
/// told when the server stops.
async fn watch(
    connection: Weak<Connection>,
    interval: Duration,
    mut stopping: Option<Receiver<bool>>,
) {
    loop {
        tokio::select! {
            () = rt::time::sleep(interval) => {}
            () = told_to_stop(&mut stopping) => return leave(&connection).await,
        }
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

async fn told_to_stop(stopping: &mut Option<Receiver<bool>>) {
    let is_told = match stopping {
        Some(stopping) => stopping.wait_for(|is_stopping| *is_stopping).await.is_ok(),
        None => false,
    };
    if !is_told {
        pending::<()>().await;
    }
}

/// Shuts a connection as soon as nothing goes on any more.
async fn leave(connection: &Weak<Connection>) {
    loop {
        let Some(open) = connection.upgrade() else { return };
        if open.is_at_rest(Instant::now()) {
            return open.shut("the server stops");
        }
        drop(open);
        rt::time::sleep(LAST_WORDS / 4).await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use tokio::sync::watch::{Sender, channel};

    use super::super::Connections;
    use super::super::bounds::tests::bounds;
    use super::*;

    #[actix_web::test]
    async fn one_connection_has_so_many_exchanges_at_a_time() {
        let (connection, mut peer) = pair();

        let streams = connection.bounds.streams;
        let mut going_on: Vec<_> = (0..streams).map(|_| connection.begin().unwrap()).collect();
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

        let most = connection.bounds.streams * 2;
        let mut waiting: Vec<_> = (0..most).map(|_| connection.arrive().unwrap()).collect();
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

    #[actix_web::test]
    async fn large_answers_have_a_limit_and_small_ones_are_always_given() {
        let (connection, _peer) = pair();
        let begin = || connection.begin().unwrap();
        let (first, second, third, small) = (begin(), begin(), begin(), begin());
        let mebibytes = |n: u64| BodySize::Sized(n << 20);

        assert!(first.hold(mebibytes(1)) && second.hold(BodySize::Stream));
        assert!(!third.hold(mebibytes(2)), "more than the share of one connection");
        assert!(third.hold(mebibytes(1)) && !third.has_room());
        assert!(small.hold(BodySize::Sized(ALWAYS_GIVEN as u64)));
        drop((first, third, small));
        assert_eq!(connection.held.get(), 0);
        assert!(second.has_room());

        let alone = begin();
        assert!(alone.hold(mebibytes(7)), "who asks for one at a time gets it");
        second.hold_part(1 << 20);
        assert!(!second.has_room() && connection.unread().is_full());
        let now = Instant::now();
        alone.wait_for_reader();
        let patience = connection.bounds.patience;
        assert!(connection.is_stuck(now + patience / 2), "waited for less long");
        drop(alone);
        second.wait_for_reader();
        assert!(!connection.is_stuck(now + patience / 2));
    }

    #[actix_web::test]
    async fn one_of_http2_on_which_nothing_goes_on_ends_when_the_server_stops() {
        let (connection, mut peer, stop) = pair_of(Flow::multiplexed());
        let later = || connection.last_used.get() + LAST_WORDS;

        let (waiting, exchange) = (connection.arrive().unwrap(), connection.begin().unwrap());
        assert!(!connection.is_at_rest(later()));
        drop(waiting);
        assert!(!connection.is_at_rest(later()), "its answer goes on");
        drop(exchange);
        let last = connection.last_used.get();
        assert!(!connection.is_at_rest(last), "its answer may not be written yet");
        assert!(connection.is_at_rest(later()));

        stop.send_replace(true);
        let end = rt::task::spawn_blocking(move || peer.read(&mut [0])).await.unwrap();
        assert_eq!(end.unwrap(), 0);
        assert!(connection.begin().is_none());
    }

    /// A connection, and the other end of it.
    fn pair() -> (Rc<Connection>, TcpStream) {
        let (connection, peer, _) = pair_of(Flow::default());
        (connection, peer)
    }

    /// The same, with what tells that the server stops.
    fn pair_of(flow: Flow) -> (Rc<Connection>, TcpStream, Sender<bool>) {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, address) = listener.accept().unwrap();
        let few = [("HTTP_UNREAD_BYTES", "8 MiB")];
        let (stop, stopping) = channel(false);
        let connections = Connections::new(bounds(1_024, &few), &[], stopping);
        let place = connections.take_place(address.ip()).unwrap();
        (Connection::open(socket, Rc::new(flow), place), peer, stop)
    }
}
