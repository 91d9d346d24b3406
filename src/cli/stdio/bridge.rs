use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, USER_AGENT};
use actix_web::http::{Method, StatusCode};
use actix_web::rt;
use actix_web::web::Bytes;
use awc::error::{PayloadError, SendRequestError};
use awc::{ClientRequest, ClientResponse};
use futures_util::{Stream, StreamExt};
use serde_json::Value;

use super::parcel::{Parcel, in_header};
use super::seat::{Seat, Seats};
use crate::cli::daemon::ANSWER_LIMIT;
use crate::config::{Config, ProjectMode};
use crate::mcp::Version;
use crate::mcp::stdio::{Job, LineResponder, Outbox, Taken, cancelled, is_endless};

/// A subscription lasts as long as its client, and a call that tells its progress as long as it
/// takes; this is as good as for ever.
const PATIENCE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How often one message is sent: the store may change hands twice while a server is restarted.
const TRIES: u32 = 5;
/// After so long the count begins anew.
const LONG: Duration = Duration::from_secs(10);
/// Before a server elsewhere is tried again; longer each time.
const PAUSE: Duration = Duration::from_millis(250);

/// Passes lines on to whoever has the store open, each as a request of its own.
pub(super) struct Bridge(Rc<Line>);

/// The way there, and what a handshake left behind.
struct Line {
    seats: Rc<Seats>,
    settled: Cell<Option<Version>>,
    client: RefCell<Option<String>>,
    folder: Option<HeaderValue>,
    /// Whether also a server elsewhere is to know the folder.
    tells_folder: bool,
}

/// Why a message has no answer.
enum Lost {
    /// It never arrived, so it can be sent again.
    Unsent(String),
    /// It may have arrived, and may have been carried out.
    Broken(String),
    /// It arrived, and another try would end the same way.
    Refused(String),
}

impl Bridge {
    pub(super) fn new(seats: Rc<Seats>, config: &Config) -> Self {
        Self(Rc::new(Line {
            seats,
            settled: Cell::new(None),
            client: RefCell::new(None),
            folder: folder(),
            tells_folder: config.project.mode == ProjectMode::Auto,
        }))
    }
}

/// The folder that the client was opened in. One whose name no header can hold names no project.
fn folder() -> Option<HeaderValue> {
    let folder = std::env::current_dir().ok()?;
    let folder = folder.to_str().filter(|path| !path.chars().any(char::is_control))?;
    HeaderValue::from_bytes(folder.as_bytes()).ok()
}

impl LineResponder for Bridge {
    fn take(&self, line: Vec<u8>, out: &Outbox) -> Taken {
        let parcel = match Parcel::wrap(line) {
            Ok(parcel) => parcel,
            Err(refusal) => return Taken::Answer(refusal.to_line()),
        };
        if let Some(id) = cancelled(&parcel.method, &parcel.params) {
            return Taken::GiveUp(id);
        }
        let (line, out) = (Rc::clone(&self.0), out.clone());
        let (id, is_endless) = (parcel.id.clone(), is_endless(&parcel.method));
        let work = Box::pin(async move { line.carry(&parcel, &out).await });
        Taken::Work(Job { id, is_endless, work })
    }
}

impl Line {
    /// Carries a message to the server and what it answers back. A failure is an answer, too.
    async fn carry(&self, parcel: &Parcel, out: &Outbox) {
        self.note_handshake(parcel);
        let Err(told) = self.carry_patiently(parcel, out).await else { return };
        if parcel.wants_answer {
            // A closed outbox means that nobody wants to know.
            let _ = out.send(parcel.failure(&told)).await;
        }
    }

    /// Goes on with the next one if whoever has the store open is gone. What may have been carried
    /// out is sent again only if that makes no difference.
    async fn carry_patiently(&self, parcel: &Parcel, out: &Outbox) -> Result<(), String> {
        let mut tries = 1;
        loop {
            let start = Instant::now();
            let seat = self.seats.take().await.map_err(|failed| failed.to_string())?;
            let told = match self.send(&seat, parcel, out).await {
                Ok(()) => return Ok(()),
                Err(Lost::Refused(told)) => return Err(told),
                Err(Lost::Unsent(told)) => told,
                Err(Lost::Broken(told)) if parcel.may_be_repeated() => told,
                Err(Lost::Broken(told)) => {
                    self.seats.leave(&seat);
                    return Err(format!(
                        "{told}; the call may have been carried out: look before you repeat it"
                    ));
                }
            };
            self.seats.leave(&seat);
            // A subscription may outlive many servers.
            tries = if start.elapsed() > LONG { 1 } else { tries + 1 };
            if tries > TRIES {
                return Err(told);
            }
            if !seat.is_local {
                // Nothing here tells when a server elsewhere is there again.
                rt::time::sleep(PAUSE * tries).await;
            }
        }
    }

    async fn send(&self, seat: &Seat, parcel: &Parcel, out: &Outbox) -> Result<(), Lost> {
        if !self.seats.is_still_there(seat).await {
            return Err(Lost::Unsent("memoryd does not answer".to_owned()));
        }
        let request = self.addressed(seat, parcel);
        let response =
            request.send_body(parcel.body.clone()).await.map_err(|error| match error {
                SendRequestError::Connect(_) => {
                    Lost::Unsent(format!("memoryd does not answer: {error}"))
                }
                _ => Lost::Broken(format!("the connection to memoryd broke: {error}")),
            })?;
        match response.status() {
            StatusCode::UNAUTHORIZED if seat.has_own_key => {
                Err(Lost::Refused("memoryd refused the key".to_owned()))
            }
            // The token of a server that was started anew is another one.
            StatusCode::UNAUTHORIZED => Err(Lost::Unsent("memoryd refused the key".to_owned())),
            StatusCode::ACCEPTED => Ok(()),
            _ if is_stream(&response) => match relay(response, parcel, out).await? {
                Ended::Answered => Ok(()),
                Ended::Cut => Err(Lost::Broken("memoryd stopped before it answered".to_owned())),
            },
            status => self.pass_on(parcel, status, whole(response).await?, out).await,
        }
    }

    fn addressed(&self, seat: &Seat, parcel: &Parcel) -> ClientRequest {
        let mut request = seat
            .channel
            .request(Method::POST, "/mcp")
            .insert_header((ACCEPT, "application/json, text/event-stream"))
            .insert_header((CONTENT_TYPE, "application/json"));
        if is_endless(&parcel.method) || parcel.wants_progress() {
            request = request.timeout(PATIENCE);
        }
        if seat.is_local {
            // A connection that was kept may be dead, and then nobody knows what was carried out.
            request = request.force_close();
        }
        if let Some(folder) = self.folder.as_ref().filter(|_| seat.is_local || self.tells_folder) {
            request = request.insert_header(("X-Project-Dir", folder.clone()));
        }
        if let Some(client) = self.client.borrow().as_deref() {
            request = request.insert_header((USER_AGENT, client));
        }
        match (&parcel.declared, self.settled.get()) {
            (Some(version), _) => {
                request = request
                    .insert_header(("MCP-Protocol-Version", version.as_str()))
                    .insert_header(("Mcp-Method", in_header(&parcel.method)));
                if let Some(name) = parcel.name() {
                    request = request.insert_header(("Mcp-Name", in_header(name)));
                }
            }
            (None, Some(settled)) if parcel.method != "initialize" => {
                request = request.insert_header(("MCP-Protocol-Version", settled.as_str()));
            }
            (None, _) => {}
        }
        request
    }

    fn note_handshake(&self, parcel: &Parcel) {
        if parcel.method == "initialize" && parcel.declared.is_none() {
            self.settled.set(Some(Version::settle_handshake(&parcel.params)));
            self.client.replace(parcel.client());
        }
    }

    async fn pass_on(
        &self,
        parcel: &Parcel,
        status: StatusCode,
        body: Vec<u8>,
        out: &Outbox,
    ) -> Result<(), Lost> {
        if !parcel.wants_answer {
            return Ok(());
        }
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let is_message = answer.is_array() || answer.get("jsonrpc").is_some();
        if !is_message {
            let told = answer.get("message").and_then(Value::as_str).unwrap_or_default();
            return Err(Lost::Refused(format!("memoryd answered {status}: {told}")));
        }
        let _ = out.send(answer.to_string()).await;
        Ok(())
    }
}

fn is_stream<S>(response: &ClientResponse<S>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

async fn whole<S>(mut response: ClientResponse<S>) -> Result<Vec<u8>, Lost>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let mut body = Vec::new();
    while let Some(chunk) = response.next().await {
        body.extend_from_slice(&chunk.map_err(broken)?);
        if body.len() > ANSWER_LIMIT {
            return Err(Lost::Refused("the answer is too large".to_owned()));
        }
    }
    Ok(body)
}

/// How a stream came to its end.
enum Ended {
    Answered,
    /// Without an answer, as when a server stops.
    Cut,
}

/// Passes on the messages of a stream as they come. Our own server puts each on one line.
async fn relay<S>(
    mut response: ClientResponse<S>,
    parcel: &Parcel,
    out: &Outbox,
) -> Result<Ended, Lost>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let mut ended = Ended::Cut;
    let mut rest = Vec::new();
    while let Some(chunk) = response.next().await {
        rest.extend_from_slice(&chunk.map_err(broken)?);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let Some(message) = line.strip_prefix("data:").map(str::trim) else { continue };
            if parcel.is_answered_by(message) {
                ended = Ended::Answered;
            }
            if out.send(message.to_owned()).await.is_err() {
                return Ok(Ended::Answered);
            }
        }
    }
    Ok(ended)
}

#[allow(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn broken(error: PayloadError) -> Lost {
    Lost::Broken(format!("the connection to memoryd broke: {error}"))
}
