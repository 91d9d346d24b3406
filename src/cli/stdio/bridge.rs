use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use actix_web::web::Bytes;
use awc::error::{PayloadError, SendRequestError};
use awc::{Client, ClientRequest, ClientResponse};
use futures_util::{Stream, StreamExt};
use serde_json::Value;

use super::parcel::{Parcel, in_header};
use crate::cli::Failed;
use crate::cli::daemon::{ANSWER_LIMIT, Daemon};
use crate::config::Config;
use crate::mcp::Version;
use crate::mcp::stdio::{Job, LineResponder, Outbox, Taken, cancelled, is_endless};

/// A subscription lasts as long as its client; this is as good as for ever.
const PATIENCE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Passes lines on to a running server, each as a request of its own.
pub(super) struct Bridge(Rc<Line>);

/// The way to the server, and what a handshake left behind.
struct Line {
    server: RefCell<Server>,
    /// Where to look for the server when it is not where it was; nothing if somebody named it.
    config: Option<Config>,
    settled: Cell<Option<Version>>,
    client: RefCell<Option<String>>,
}

#[derive(Clone)]
struct Server {
    url: String,
    http: Client,
}

/// Why a message did not get through.
enum Lost {
    /// It never arrived, so it can be sent again.
    Unsent(String),
    Broken(String),
}

impl Server {
    fn new(daemon: &Daemon) -> Result<Self, Failed> {
        Ok(Self { url: format!("{}/mcp", daemon.url), http: daemon.client()? })
    }
}

impl Bridge {
    pub(super) fn new(daemon: &Daemon, config: Option<Config>) -> Result<Self, Failed> {
        Ok(Self(Rc::new(Line {
            server: RefCell::new(Server::new(daemon)?),
            config,
            settled: Cell::new(None),
            client: RefCell::new(None),
        })))
    }
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
        let mut carried = self.send(parcel, out).await;
        if matches!(carried, Err(Lost::Unsent(_))) && self.find_server() {
            carried = self.send(parcel, out).await;
        }
        if let Err(Lost::Unsent(told) | Lost::Broken(told)) = carried
            && parcel.wants_answer
        {
            // A closed outbox means that nobody wants to know.
            let _ = out.send(parcel.failure(&told)).await;
        }
    }

    /// The server may have been started anew, with another token and perhaps another port.
    fn find_server(&self) -> bool {
        let found = self.config.as_ref().and_then(Daemon::find);
        match found.map(|daemon| Server::new(&daemon)) {
            Some(Ok(server)) => {
                self.server.replace(server);
                true
            }
            _ => false,
        }
    }

    async fn send(&self, parcel: &Parcel, out: &Outbox) -> Result<(), Lost> {
        let server = self.server.borrow().clone();
        let request = self.addressed(&server, parcel);
        let response =
            request.send_body(parcel.body.clone()).await.map_err(|error| match error {
                SendRequestError::Connect(_) => {
                    Lost::Unsent(format!("memoryd does not answer: {error}"))
                }
                _ => Lost::Broken(format!("the connection to memoryd broke: {error}")),
            })?;
        match response.status() {
            StatusCode::UNAUTHORIZED => Err(Lost::Unsent("memoryd refused the key".to_owned())),
            StatusCode::ACCEPTED => Ok(()),
            _ if is_stream(&response) => relay(response, out).await,
            status => self.pass_on(parcel, status, whole(response).await?, out).await,
        }
    }

    fn addressed(&self, server: &Server, parcel: &Parcel) -> ClientRequest {
        let mut request = server
            .http
            .post(&server.url)
            .timeout(PATIENCE)
            .insert_header((ACCEPT, "application/json, text/event-stream"))
            .insert_header((CONTENT_TYPE, "application/json"));
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
            return Err(Lost::Broken(format!("memoryd answered {status}: {told}")));
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
            return Err(Lost::Broken("the answer is too large".to_owned()));
        }
    }
    Ok(body)
}

/// Passes on the messages of a stream as they come. Our own server puts each on one line.
async fn relay<S>(mut response: ClientResponse<S>, out: &Outbox) -> Result<(), Lost>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let mut rest = Vec::new();
    while let Some(chunk) = response.next().await {
        rest.extend_from_slice(&chunk.map_err(broken)?);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if let Some(message) = line.strip_prefix("data:")
                && out.send(message.trim().to_owned()).await.is_err()
            {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn broken(error: PayloadError) -> Lost {
    Lost::Broken(format!("the connection to memoryd broke: {error}"))
}
