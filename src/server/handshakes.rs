//! TLS handshakes: so many at a time, and none for ever.
//!
//! A handshake that began and does not go on costs its client nothing, so there may be thousands. Each
//! has a place among the connections of its address; from its first byte on it waits for its turn, in the
//! order of coming; then it has a few seconds, and longer where nobody waits behind it. Whatever it is
//! that takes longer than the settings allow, the connection is closed and everything is given back.
//!
//! actix-tls has a bound of its own, but only one of those who wait for it is woken. It is not asked.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_service::{Service, ServiceFactory};
use actix_tls::accept::rustls_0_23::reexports::ServerConfig;
use actix_tls::accept::rustls_0_23::{Acceptor, AcceptorService};
use actix_web::rt::net::TcpStream;
use actix_web::rt::time::timeout;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::http::front::{Connections, Wire};

/// Handshakes that go on at a time, on all workers. Each holds some 10 KiB.
const AT_A_TIME: usize = 1024;

/// How long one may take when it has its turn and others may wait for one. It is two round trips, and
/// leaves those who wait behind a thousand that stand still enough of their time.
const ALONE: Duration = Duration::from_secs(3);

/// How much is read of what cannot be answered, so that the refusal is not lost with it.
const READ_ON: usize = 64 << 10;

/// What it takes to speak TLS. One for all workers.
#[derive(Clone)]
pub(super) struct Tls {
    config: ServerConfig,
    turns: Arc<Turns>,
    connections: Arc<Connections>,
    /// For a whole handshake, the waiting included.
    patience: Duration,
}

/// What of it belongs to one worker.
pub(super) struct TlsDoor {
    tls: Tls,
    acceptor: AcceptorService,
}

/// The turns of those who wait, in the order of their coming.
struct Turns {
    free: Semaphore,
    alone: Duration,
}

impl Tls {
    pub(super) fn new(
        mut config: ServerConfig,
        connections: Arc<Connections>,
        patience: Duration,
    ) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let turns = Arc::new(Turns { free: Semaphore::new(AT_A_TIME), alone: ALONE });
        Self { config, turns, connections, patience }
    }

    /// Must be called on the worker's own thread.
    pub(super) async fn door(&self) -> Result<TlsDoor, ()> {
        let mut acceptor = Acceptor::new(self.config.clone());
        // Ours come first.
        acceptor.set_handshake_timeout(self.patience.max(ALONE));
        let acceptor = ServiceFactory::<TcpStream>::new_service(&acceptor, ()).await?;
        Ok(TlsDoor { tls: self.clone(), acceptor })
    }
}

impl TlsDoor {
    /// Carries out the handshake of a connection; nothing if none comes about in time.
    pub(super) async fn open(&self, io: TcpStream) -> Option<Wire> {
        let address = io.peer_addr().ok()?.ip();
        let Some(_place) = self.tls.connections.take_place(address) else {
            log::debug!("a connection of {address} was shut: its address has too many");
            return None;
        };
        let handshake = async {
            let io = only_tls(io).await?;
            let made = self.tls.turns.take(async { self.acceptor.call(io).await }).await?;
            made.inspect_err(|error| log::debug!("no TLS with {address}: {error:?}")).ok()
        };
        let made = timeout(self.tls.patience, handshake).await.ok().flatten();
        made.map(Wire::encrypted)
    }
}

impl Turns {
    /// Carries something out when its turn comes. Nothing if it takes too long while others may wait.
    async fn take<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        // Nobody closes it.
        let _turn = self.free.acquire().await.ok()?;
        let mut work = pin!(work);
        loop {
            match timeout(self.alone, &mut work).await {
                Ok(done) => return Some(done),
                Err(_) if self.free.available_permits() == 0 => return None,
                Err(_) => {}
            }
        }
    }
}

/// Lets a connection on which a handshake begins go on. HTTP without TLS is refused in words.
async fn only_tls(mut io: TcpStream) -> Option<TcpStream> {
    let mut first = [0];
    match io.peek(&mut first).await {
        Ok(1) if !first[0].is_ascii_uppercase() => return Some(io),
        Ok(1) => {}
        // The client has gone.
        _ => return None,
    }
    let refused = Error::PlainHttp;
    let body = serde_json::to_string(&refused.body()).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let told = async {
        io.write_all(answer.as_bytes()).await?;
        io.shutdown().await?;
        // What lies unread when a connection is closed takes the answer with it.
        let mut rest = io.take(READ_ON as u64);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    if let Err(error) = told.await {
        log::debug!("a client without TLS was gone before it was told: {error}");
    }
    None
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use actix_web::rt::time::sleep;

    use super::*;

    /// Long enough for any machine; no test waits for it to pass.
    const SURELY: Duration = Duration::from_secs(60);

    #[actix_web::test]
    async fn many_that_never_end_hold_up_nobody_for_ever_and_leave_nothing_behind() {
        let alone = Duration::from_millis(20);
        let turns = Arc::new(Turns { free: Semaphore::new(2), alone });
        let halves = (0..9).map(|_| {
            let turns = Arc::clone(&turns);
            // Whoever is left alone has its turn for longer.
            let half = async move { timeout(20 * alone, turns.take(pending::<u8>())).await };
            actix_web::rt::spawn(async move { half.await.ok().flatten() })
        });
        let halves: Vec<_> = halves.collect();
        while turns.free.available_permits() > 0 {
            tokio::task::yield_now().await;
        }

        let whole = timeout(SURELY, turns.take(async { 7 })).await;

        assert_eq!(whole, Ok(Some(7)), "it waits for ever");
        for half in halves {
            assert_eq!(half.await.unwrap(), None);
        }
        assert_eq!(turns.free.available_permits(), 2);
    }

    #[actix_web::test]
    async fn a_slow_one_has_its_time_where_nobody_waits_behind_it() {
        let alone = Duration::from_millis(1);
        let turns = Turns { free: Semaphore::new(2), alone };
        let slow = async {
            sleep(20 * alone).await;
            7
        };

        assert_eq!(turns.take(slow).await, Some(7));
    }

    #[actix_web::test]
    async fn who_gives_up_waiting_takes_no_turn_with_it() {
        let turns = Turns { free: Semaphore::new(1), alone: SURELY };
        let mut held = Box::pin(turns.take(pending::<()>()));
        assert!(timeout(Duration::ZERO, &mut held).await.is_err());

        let waits = timeout(Duration::from_millis(20), turns.take(async {})).await;

        assert!(waits.is_err(), "there was no turn");
        drop(held);
        assert_eq!(turns.take(async { 7 }).await, Some(7));
    }
}
