use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderName};
use actix_web::web::{self, Bytes};
use futures_util::stream;
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

use super::sessions::{BrowserSession, BrowserSessions, StreamSeat};
use crate::actors::{ChangeNotice, Sessions};
use crate::error::Error;

/// Proxies close a connection on which nothing moves; and a session may have ended by time.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

static X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Tells the pages of a browser that something has changed, never what it says, and that it was signed
/// out. A browser with streams enough is told to stop asking.
pub(in crate::http) async fn events(
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
) -> Result<HttpResponse, Error> {
    let Some(seat) = browsers.take_seat(&session) else {
        return Ok(HttpResponse::NoContent().finish());
    };
    let feed = Feed {
        changes: sessions.changes(&session.caller.user).await?,
        stopping: sessions.stopping(),
        endings: browsers.endings(),
        tokens: sessions.accounts().book().changes(),
        browsers: browsers.get_ref().clone(),
        session,
        is_new: true,
        _seat: seat,
    };
    let events = stream::unfold(Some(feed), |feed| async move { feed?.next().await });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_ACCEL_BUFFERING.clone(), "no"))
        .streaming(events))
}

struct Feed {
    changes: broadcast::Receiver<ChangeNotice>,
    stopping: watch::Receiver<bool>,
    endings: watch::Receiver<u64>,
    tokens: watch::Receiver<u64>,
    browsers: BrowserSessions,
    session: BrowserSession,
    is_new: bool,
    _seat: StreamSeat,
}

/// What woke a stream.
enum Woken {
    Changed,
    Ended,
    /// A sign-in or a token has ended, maybe this one.
    Look,
    Quiet,
}

type Event = (Result<Bytes, Infallible>, Option<Feed>);

impl Feed {
    /// The next piece of the stream; nothing when the server stops.
    async fn next(mut self) -> Option<Event> {
        if self.is_new {
            self.is_new = false;
            return Some((Ok(Bytes::from_static(b"retry: 5000\n: listening\n\n")), Some(self)));
        }
        loop {
            let woken = self.wait().await;
            if !self.browsers.is_open(&self.session) {
                let ended = Bytes::from_static(b"event: session-ended\ndata: {}\n\n");
                return Some((Ok(ended), None));
            }
            let text: &'static [u8] = match woken {
                Woken::Ended => return None,
                Woken::Look => continue,
                Woken::Quiet => b": still here\n\n",
                Woken::Changed => b"event: change\ndata: {}\n\n",
            };
            return Some((Ok(Bytes::from_static(text)), Some(self)));
        }
    }

    async fn wait(&mut self) -> Woken {
        let looked = |turned: Result<(), watch::error::RecvError>| match turned {
            Ok(()) => Woken::Look,
            Err(_) => Woken::Ended,
        };
        tokio::select! {
            _ = self.stopping.wait_for(|is_stopping| *is_stopping) => Woken::Ended,
            turned = self.endings.changed() => looked(turned),
            turned = self.tokens.changed() => looked(turned),
            change = timeout(KEEP_ALIVE, self.changes.recv()) => match change {
                Err(_) => Woken::Quiet,
                Ok(Ok(_) | Err(broadcast::error::RecvError::Lagged(_))) => Woken::Changed,
                Ok(Err(broadcast::error::RecvError::Closed)) => Woken::Ended,
            },
        }
    }
}
