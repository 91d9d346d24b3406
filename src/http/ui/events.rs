use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, HeaderName};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

use super::sessions::{BrowserSession, BrowserSessions, StreamSeat};
use super::text::PageText;
use crate::actors::{ChangeNotice, Sessions};
use crate::error::Error;
use crate::http::front::departure;
use crate::model::Scope;

/// Of one change so many memories are named; of more it is only said that something has changed.
const NAMED: usize = 32;
/// Says that something has changed, and not what.
const RESYNC: &str = "event: resync\ndata: {}\n\n";
/// Proxies close a connection on which nothing moves; and a session may have ended by time.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

static X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Tells the pages of a browser which memories have changed, never what they say, and that it was signed
/// out. When its pages show somebody else it ends. Who comes back is told to look anew if something was
/// missed. A browser with streams enough is told to stop asking.
pub(in crate::http) async fn events(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
) -> Result<HttpResponse, Error> {
    let Some(seat) = browsers.seat(&session).await else {
        return Ok(HttpResponse::NoContent().finish());
    };
    let user = &session.caller.user;
    let changes = sessions.changes(user).await?;
    let last = sessions.last_change(user).await?;
    let feed = Feed {
        greeting: Some(greeting(&request, last)),
        // Who may know of one project only, or read nothing, learns only that something has changed.
        names_them: session.caller.bound.is_none() && session.may(Scope::Read),
        changes,
        stopping: sessions.stopping(),
        endings: browsers.endings(),
        knocks: browsers.knocks(),
        tokens: sessions.accounts().book().changes(),
        browsers: browsers.get_ref().clone(),
        session,
        _seat: seat,
    };
    let events = stream::unfold(Some(feed), |feed| async move { feed?.next().await });
    let events = events.take_until(departure(&request));
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_ACCEL_BUFFERING.clone(), "no"))
        .streaming(events))
}

/// What a stream begins with: the number of the last change, which the browser shows when it comes back;
/// and a word if that is not the one that it has heard of.
fn greeting(request: &HttpRequest, last: u64) -> String {
    let shown = request.headers().get(&LAST_EVENT_ID).and_then(|shown| shown.to_str().ok());
    let has_missed = shown.is_some_and(|shown| shown != last.to_string());
    let word = if has_missed { RESYNC } else { "\n" };
    format!("retry: 5000\n: listening\nid: {last}\n{word}")
}

/// The events of a change, one for each memory.
fn told(change: &ChangeNotice, names_them: bool) -> String {
    let number = change.number;
    if change.memories.len() > NAMED {
        return format!("id: {number}\n{RESYNC}");
    }
    let event = |data: serde_json::Value| format!("id: {number}\nevent: memory\ndata: {data}\n\n");
    if !names_them {
        return event(json!({ "id": null, "op": "changed", "project": null, "client": null }));
    }
    let shown = |text: &str| PageText::of(text).to_string();
    let client = change.client.as_deref().map(shown);
    let memories = change.memories.iter().map(|memory| {
        let project = memory.project.as_ref().map(|project| shown(project.as_str()));
        let id = memory.id.to_string();
        event(json!({ "id": id, "op": memory.op, "project": project, "client": client }))
    });
    memories.collect()
}

struct Feed {
    /// Nothing once it is said.
    greeting: Option<String>,
    /// Whether it says which memories have changed.
    names_them: bool,
    changes: broadcast::Receiver<ChangeNotice>,
    stopping: watch::Receiver<bool>,
    endings: watch::Receiver<u64>,
    knocks: watch::Receiver<u64>,
    tokens: watch::Receiver<u64>,
    browsers: BrowserSessions,
    session: BrowserSession,
    _seat: StreamSeat,
}

/// What woke a stream.
enum Woken {
    /// Nothing if there were too many to tell.
    Changed(Option<ChangeNotice>),
    Ended,
    /// A sign-in or a token has ended, or pages show somebody else; maybe it is this one.
    Look,
    Quiet,
}

type Event = (Result<Bytes, Infallible>, Option<Feed>);

impl Feed {
    /// The next piece of the stream; nothing when the server stops.
    async fn next(mut self) -> Option<Event> {
        if let Some(greeting) = self.greeting.take() {
            return Some((Ok(Bytes::from(greeting)), Some(self)));
        }
        loop {
            let woken = self.wait().await;
            if !self.browsers.is_open(&self.session) {
                let ended = Bytes::from_static(b"event: session-ended\ndata: {}\n\n");
                return Some((Ok(ended), None));
            }
            if !self.browsers.still_shows(&self.session) {
                // The page looks anew, and comes back for a stream of whom it shows by then.
                return Some((Ok(Bytes::from_static(RESYNC.as_bytes())), None));
            }
            let text = match woken {
                Woken::Ended => return None,
                Woken::Look => continue,
                Woken::Quiet => ": still here\n\n".to_owned(),
                Woken::Changed(Some(change)) => told(&change, self.names_them),
                Woken::Changed(None) => RESYNC.to_owned(),
            };
            return Some((Ok(Bytes::from(text)), Some(self)));
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
            // What is written shows whether anybody hears it.
            _ = self.knocks.changed() => Woken::Quiet,
            change = timeout(KEEP_ALIVE, self.changes.recv()) => match change {
                Err(_) => Woken::Quiet,
                Ok(Ok(change)) => Woken::Changed(Some(change)),
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => Woken::Changed(None),
                Ok(Err(broadcast::error::RecvError::Closed)) => Woken::Ended,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::MemoryChange;
    use crate::model::MemoryId;
    use actix_web::test::TestRequest;

    #[test]
    fn who_comes_back_is_told_if_something_was_missed() {
        let greet = |shown: Option<&str>| {
            let request = TestRequest::get();
            let request = match shown {
                Some(shown) => request.insert_header(("Last-Event-ID", shown)),
                None => request,
            };
            greeting(&request.to_http_request(), 7)
        };

        let quiet = "retry: 5000\n: listening\nid: 7\n\n";
        assert_eq!(greet(None), quiet);
        assert_eq!(greet(Some("7")), quiet);
        for missed in ["6", "8", "odd"] {
            assert!(greet(Some(missed)).ends_with("id: 7\nevent: resync\ndata: {}\n\n"));
        }
    }

    #[test]
    fn a_change_is_told_by_its_memories_to_who_may_know_them() {
        let ended = |count: usize| ChangeNotice {
            memories: (0..count).map(|_| MemoryChange::ended(MemoryId::LAST)).collect(),
            client: Some("a\n\u{202e}b".into()),
            number: 7,
        };

        let two = told(&ended(2), true);
        assert_eq!(two.matches("id: 7\nevent: memory\ndata: {").count(), 2, "{two}");
        assert!(two.contains(&MemoryId::LAST.to_string()) && two.contains("\"op\":\"ended\""));
        assert!(two.contains("a\\n\u{27e6}U+202E\u{27e7}b"), "{two}");
        let bound = told(&ended(2), false);
        assert!(bound.contains("\"id\":null") && bound.contains("\"client\":null"), "{bound}");
        assert_eq!(bound.matches("event:").count(), 1);
        assert_eq!(told(&ended(NAMED + 1), true), "id: 7\nevent: resync\ndata: {}\n\n");
    }
}
