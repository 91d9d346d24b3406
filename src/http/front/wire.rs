use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::rt::net::TcpStream as Plain;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection as HTTP is spoken on it, which knows whether its client takes what is written.
///
/// HTTP/2 buffers up to 400 KiB of each answer, however many there are, and takes more requests while
/// it cannot write. What is made for such a connection has to look at its [`Flow`] first.
#[allow(missing_debug_implementations, reason = "the stream of actix-tls has no Debug")]
pub struct Wire {
    stream: Stream,
    flow: Rc<Flow>,
}

enum Stream {
    Plain(Plain),
    Encrypted(Box<TlsStream<Plain>>),
}

/// How a connection goes on: whether it takes what is written to it, and how often something came.
/// Shared by the connection and its answers.
#[derive(Debug, Default)]
pub(super) struct Flow {
    reads: Cell<u64>,
    /// Since when it takes nothing.
    stopped: Cell<Option<Instant>>,
    waiting: RefCell<Vec<Waker>>,
}

impl Wire {
    #[must_use]
    pub fn plain(stream: Plain) -> Self {
        Self { stream: Stream::Plain(stream), flow: Rc::default() }
    }

    #[must_use]
    pub fn encrypted(stream: TlsStream<Plain>) -> Self {
        Self { stream: Stream::Encrypted(Box::new(stream)), flow: Rc::default() }
    }

    /// Whether client and server agreed on HTTP/2.
    #[must_use]
    pub fn speaks_http2(&self) -> bool {
        match &self.stream {
            Stream::Plain(_) => false,
            Stream::Encrypted(stream) => {
                stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice())
            }
        }
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
}

/// Whoever waits for a connection that ends must not wait for ever.
impl Drop for Wire {
    fn drop(&mut self) {
        self.flow.go_on();
    }
}

impl Flow {
    /// How often something came. Nothing is known of a connection that is no [`Wire`].
    pub(super) fn reads(&self) -> Option<u64> {
        Some(self.reads.get()).filter(|reads| *reads > 0)
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
        let read = wire.stream.reader().poll_read(context, buffer);
        if read.is_ready() {
            wire.flow.reads.set(wire.flow.reads.get().saturating_add(1));
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
    use tokio::io::AsyncWriteExt;
    use tokio::time::timeout;

    use super::*;

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
}
