use std::convert::Infallible;
use std::time::Duration;

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

use crate::actors::{ChangeNotice, Sessions};
use crate::error::Error;
use crate::http::OpenStreams;
use crate::http::ask::acting;
use crate::http::front::departure;
use crate::model::Caller;

/// Proxies close a connection on which nothing moves; a comment now and then keeps it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Tells of every write to a user's memories as it happens, as server-sent events.
pub(in crate::http) async fn events(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    streams: web::Data<OpenStreams>,
) -> Result<HttpResponse, Error> {
    let caller = acting(&request, &sessions, &caller)?;
    let place = streams.open(&caller)?;
    let changes = sessions.changes(&caller.user).await?;
    // Who may know of one project only learns that something has changed.
    let names_them = caller.bound.is_none();
    let stopping = sessions.stopping();
    let opening = Some(Feed { changes, stopping, names_them, is_new: true });
    let events = stream::unfold(opening, |feed| async move { feed?.next().await });
    let events = events.take_until(departure(&request));
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(place.held_by(events)))
}

struct Feed {
    changes: broadcast::Receiver<ChangeNotice>,
    stopping: watch::Receiver<bool>,
    /// Whether it says which memories have changed.
    names_them: bool,
    is_new: bool,
}

type Event = (Result<Bytes, Infallible>, Option<Feed>);

impl Feed {
    /// The next piece of the stream; nothing when the server stops.
    async fn next(mut self) -> Option<Event> {
        if self.is_new {
            self.is_new = false;
            return Some((Ok(Bytes::from_static(b": listening\n\n")), Some(self)));
        }
        let change = tokio::select! {
            _ = self.stopping.wait_for(|is_stopping| *is_stopping) => return None,
            change = timeout(KEEP_ALIVE, self.changes.recv()) => change,
        };
        let text = match change {
            Err(_) => ": still here\n\n".to_owned(),
            Ok(Ok(change)) if self.names_them => {
                format!("event: change\ndata: {}\n\n", json!({ "memories": change.ids() }))
            }
            // The listener was too slow to hear all of it: anything may have changed.
            Ok(Ok(_) | Err(broadcast::error::RecvError::Lagged(_))) => {
                "event: change\ndata: {\"memories\":[]}\n\n".to_owned()
            }
            Ok(Err(broadcast::error::RecvError::Closed)) => return None,
        };
        Some((Ok(Bytes::from(text)), Some(self)))
    }
}
