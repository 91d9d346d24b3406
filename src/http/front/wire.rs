use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::rt::net::TcpStream as Plain;
use actix_web::web::Bytes;
use futures_util::stream::Stream as Pieces;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// How much of HTTP/1 is read ahead of what is asked for. actix takes apart whatever was read, and then a
/// request that waits for the one before it takes nearly 7 KB, however few bytes it had: those of a full
/// buffer of 128 KiB took 25 MB.
const AHEAD: usize = 2 * 1024;

/// A connection as HTTP is spoken on it, which knows whether its client takes what is written.
///
/// HTTP/2 buffers up to 400 KiB of each answer, however many there are, and takes more requests while
/// it cannot write. What is made for such a connection has to look at its [`Flow`] first.
///
/// HTTP/1 reads whatever comes while an answer goes on. So it is given only so much ahead, until that
/// answer is over or its request waits for its body.
#[allow(missing_debug_implementations, reason = "the stream of actix-tls has no Debug")]
pub struct Wire {
    stream: Stream,
    /// HTTP/2 has a window of its own, and frames that belong to no request.
    has_window: bool,
    flow: Rc<Flow>,
}

enum Stream {
    Plain(Plain),
    Encrypted(Box<TlsStream<Plain>>),
}

/// How a connection goes on: whether it takes what is written to it, how often something came, and
/// whether more of it is wanted. Shared by the connection, its requests and its answers.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// HTTP/2 is spoken.
    is_multiplexed: bool,
    reads: Cell<u64>,
    /// Bytes that were read since somebody wanted more.
    ahead: Cell<usize>,
    /// Requests and answers that go on.
    going_on: Cell<usize>,
    /// Who reads on when more is wanted.
    reader: RefCell<Option<Waker>>,
    /// Since when it takes nothing.
    stopped: Cell<Option<Instant>>,
    waiting: RefCell<Vec<Waker>>,
    /// The client sends no more, or the connection has ended.
    has_left: Cell<bool>,
    left: Notify,
}

/// Says that a request or an answer goes on, until it is dropped.
#[derive(Debug)]
pub(super) struct GoesOn(Rc<Flow>);

/// The body of a request, whose connection reads on when somebody waits for more of it.
struct Awaited {
    body: Payload,
    flow: Rc<Flow>,
}

impl Wire {
    #[must_use]
    pub fn plain(stream: Plain) -> Self {
        Self { stream: Stream::Plain(stream), has_window: false, flow: Rc::default() }
    }

    #[must_use]
    pub fn encrypted(stream: TlsStream<Plain>) -> Self {
        // What client and server agreed on.
        let has_window = stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
        let flow = if has_window { Rc::new(Flow::multiplexed()) } else { Rc::default() };
        Self { stream: Stream::Encrypted(Box::new(stream)), has_window, flow }
    }

    #[must_use]
    pub fn speaks_http2(&self) -> bool {
        self.has_window
    }

    pub(super) fn socket(&self) -> &Plain {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Encrypted(stream) => stream.get_ref().0,
        }
    }

    pub(super) fn flow(&self) -> Rc<Flow> {
        Rc::clone(&self.flow)
    }

    fn poll_read_ahead(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = self.flow.room_ahead(context);
        if room == 0 {
            return Poll::Pending;
        }
        let room = room.min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        let read = self.stream.reader().poll_read(context, &mut part);
        let bytes = part.filled().len();
        buffer.advance(bytes);
        self.flow.ahead.set(self.flow.ahead.get().saturating_add(bytes));
        read
    }
}

/// Whoever waits for a connection that ends must not wait for ever.
impl Drop for Wire {
    fn drop(&mut self) {
        self.flow.go_on();
        self.flow.leave();
    }
}

impl Flow {
    /// Of a connection on which HTTP/2 is spoken.
    pub(super) fn multiplexed() -> Self {
        Self { is_multiplexed: true, ..Self::default() }
    }

    pub(super) fn is_multiplexed(&self) -> bool {
        self.is_multiplexed
    }

    /// How often something came. Nothing is known of a connection that is no [`Wire`].
    pub(super) fn reads(&self) -> Option<u64> {
        Some(self.reads.get()).filter(|reads| *reads > 0)
    }

    /// Notes a request or an answer.
    pub(super) fn begin(self: &Rc<Self>) -> GoesOn {
        self.going_on.set(self.going_on.get().saturating_add(1));
        GoesOn(Rc::clone(self))
    }

    /// The body of a request of HTTP/1 that comes on this connection.
    pub(super) fn awaited(self: &Rc<Self>, body: Payload) -> Payload {
        match body {
            Payload::None => Payload::None,
            body => {
                let payload = Box::pin(Awaited { body, flow: Rc::clone(self) });
                Payload::Stream { payload }
            }
        }
    }

    /// How many bytes may be read now. If none, the reader is woken when it should ask again.
    fn room_ahead(&self, context: &Context<'_>) -> usize {
        let room = AHEAD.saturating_sub(self.ahead.get());
        if room > 0 {
            return room;
        }
        if self.going_on.get() > 0 {
            self.reader.replace(Some(context.waker().clone()));
        } else {
            // First it is seen what was read: that may be more than enough.
            self.ahead.set(0);
            context.waker().wake_by_ref();
        }
        0
    }

    fn want_more(&self) {
        self.ahead.set(0);
        self.wake_reader();
    }

    fn wake_reader(&self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    pub(super) fn stopped(&self) -> Option<Instant> {
        self.stopped.get()
    }

    /// Comes back when the connection takes what is written.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        if self.stopped.get().is_none() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|known| known.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn note<T>(&self, written: &Poll<T>) {
        if written.is_ready() {
            self.go_on();
        } else if self.stopped.get().is_none() {
            self.stopped.set(Some(Instant::now()));
        }
    }

    fn go_on(&self) {
        if self.stopped.take().is_some() {
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Comes back when the client sends no more, or when the connection has ended.
    pub(super) async fn until_left(&self) {
        // Behind a head that took all that may be read ahead nobody would look.
        self.want_more();
        while !self.has_left.get() {
            self.left.notified().await;
        }
    }

    fn leave(&self) {
        if !self.has_left.replace(true) {
            self.left.notify_waiters();
        }
    }
}

impl Drop for GoesOn {
    fn drop(&mut self) {
        let Self(flow) = self;
        flow.going_on.set(flow.going_on.get().saturating_sub(1));
        if flow.going_on.get() == 0 {
            flow.wake_reader();
        }
    }
}

impl Pieces for Awaited {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let awaited = self.get_mut();
        let piece = Pin::new(&mut awaited.body).poll_next(context);
        // Also after the last one: while the answer is made, it is to be seen whether its client leaves.
        if !matches!(piece, Poll::Ready(Some(Ok(_)))) {
            awaited.flow.want_more();
        }
        piece
    }
}

impl Stream {
    fn reader(&mut self) -> Pin<&mut (dyn AsyncRead + Unpin)> {
        match self {
            Self::Plain(stream) => Pin::new(stream),
            Self::Encrypted(stream) => Pin::new(&mut **stream),
        }
    }

    fn writer(&mut self) -> Pin<&mut (dyn AsyncWrite + Unpin)> {
        match self {
            Self::Plain(stream) => Pin::new(stream),
            Self::Encrypted(stream) => Pin::new(&mut **stream),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let room = buffer.remaining();
        let read = if wire.has_window {
            wire.stream.reader().poll_read(context, buffer)
        } else {
            wire.poll_read_ahead(context, buffer)
        };
        if read.is_ready() {
            wire.flow.reads.set(wire.flow.reads.get().saturating_add(1));
            // Either its end was read, or an error, and then nothing was read either.
            if room > 0 && buffer.remaining() == room {
                wire.flow.leave();
            }
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let written = wire.stream.writer().poll_write(context, bytes);
        wire.flow.note(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let written = wire.stream.writer().poll_write_vectored(context, parts);
        wire.flow.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Encrypted(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.writer().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.writer().poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::Duration;

    use actix_web::rt::net::TcpListener;
    use futures_util::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;

    #[actix_web::test]
    async fn only_so_much_is_read_ahead_until_more_is_wanted() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut peer = Plain::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut wire = Wire::plain(listener.accept().await.unwrap().0);
        let flow = wire.flow();
        let all = [b'x'; 4 * AHEAD];
        peer.write_all(&all).await.unwrap();

        let going_on = [flow.begin(), flow.begin()];
        let mut read = vec![0; AHEAD];
        wire.read_exact(&mut read).await.unwrap();
        let mut piece = [0; 64];
        assert!(timeout(Duration::ZERO, wire.read(&mut piece)).await.is_err());

        let mut body = flow.awaited(Payload::from(b"all of it".to_vec()));
        assert!(body.next().await.unwrap().is_ok());
        assert!(timeout(Duration::ZERO, wire.read(&mut piece)).await.is_err());
        assert!(body.next().await.is_none(), "now somebody waits for more");
        wire.read_exact(&mut read).await.unwrap();

        let rest = actix_web::rt::spawn(async move {
            let mut rest = vec![0; 2 * AHEAD];
            wire.read_exact(&mut rest).await.map(|_| rest)
        });
        tokio::task::yield_now().await;
        assert!(!rest.is_finished());
        drop(going_on);
        assert_eq!(rest.await.unwrap().unwrap(), vec![b'x'; 2 * AHEAD]);
    }

    #[actix_web::test]
    async fn a_connection_that_takes_nothing_is_known_until_it_does_or_ends() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut peer = Plain::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut wire = Wire::plain(listener.accept().await.unwrap().0);
        let flow = wire.flow();

        // Until a write has to wait.
        let fill = |context: &mut Context<'_>| {
            while Pin::new(&mut wire).poll_write(context, &[0; 65_536]).is_ready() {}
            Poll::Ready(())
        };
        poll_fn(fill).await;
        let mut waits = pin!(poll_fn(|context| flow.poll(context)));
        assert!(flow.stopped().is_some());
        assert!(timeout(Duration::ZERO, &mut waits).await.is_err());

        actix_web::rt::spawn(
            async move { tokio::io::copy(&mut peer, &mut tokio::io::sink()).await },
        );
        wire.write_all(b"read on").await.unwrap();
        waits.await;
        assert!(flow.stopped().is_none());

        flow.note(&Poll::<()>::Pending);
        drop(wire);
        poll_fn(|context| flow.poll(context)).await;
    }

    #[actix_web::test]
    async fn who_has_left_is_known_at_once() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut peer = Plain::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut wire = Wire::plain(listener.accept().await.unwrap().0);
        let flow = wire.flow();
        let goes_on = flow.begin();
        peer.write_all(&[b'x'; AHEAD]).await.unwrap();
        let mut read = vec![0; AHEAD];
        wire.read_exact(&mut read).await.unwrap();

        let mut left = pin!(flow.until_left());
        assert!(timeout(Duration::ZERO, &mut left).await.is_err());
        drop(peer);
        assert_eq!(wire.read(&mut read).await.unwrap(), 0);
        left.await;
        drop(goes_on);

        let ended = Wire::plain(Plain::connect(listener.local_addr().unwrap()).await.unwrap());
        let flow = ended.flow();
        drop(ended);
        flow.until_left().await;
    }
}
