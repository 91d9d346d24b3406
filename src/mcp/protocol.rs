use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::{Arc, OnceLock};

use rmcp::model::{
    ClientCapabilities, ClientJsonRpcMessage, ClientRequest, ErrorData, Extensions, GetExtensions,
    GetMeta, Implementation, InitializeRequestParams, NumberOrString, ServerJsonRpcMessage,
    ServerResult,
};
use rmcp::service::{
    Peer, RequestContext, RunningService, RxJsonRpcMessage, Service, TxJsonRpcMessage,
    serve_directly,
};
use rmcp::transport::{OneshotTransport, Transport};
use rmcp::{RoleServer, ServerHandler};
use serde_json::Value;
use tokio::sync::mpsc;

use super::about;
use super::handler::Memory;
use super::message::{Body, ErrorBody, INVALID_PARAMS, METHOD_NOT_FOUND, Refusal, Request, line};
use super::request::{self, Uncallable};
use super::subscriptions::Beginning;
use super::tools::ToolSets;
use super::version::Version;
use crate::actors::Sessions;
use crate::model::{Caller, Secret};

#[cfg(feature = "conformance")]
type Handler = super::fixtures::Fixtures;
#[cfg(not(feature = "conformance"))]
type Handler = Memory;

/// The protocol over one set of sessions. Cheap to clone; every clone is the same.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "rmcp's peers hide what they hold")]
pub struct Protocol {
    handler: Arc<Handler>,
    /// For requests that send nothing before their answer, by revision.
    deaf: Arc<OnceLock<[Peer<RoleServer>; Version::ALL.len()]>>,
}

/// One request that got through the door.
#[derive(Debug)]
pub struct Ask {
    pub caller: Caller,
    pub version: Version,
    pub request: Request,
    /// Whether the transport can carry messages before the answer.
    pub may_stream: bool,
}

/// Who asks, for the handlers.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) caller: Caller,
}

/// What comes back.
#[allow(missing_debug_implementations, reason = "rmcp's services hide what they hold")]
pub enum Reply {
    Whole(Outcome),
    Stream(Box<Messages>),
}

/// One message on its way out, as a line of JSON.
#[derive(Debug)]
pub struct Outcome {
    pub line: String,
    /// The JSON-RPC error code, if it is an error.
    pub code: Option<i32>,
    /// The word for an error of ours, such as `insufficient_scope`.
    pub word: Option<String>,
}

/// The messages of one request: notifications, then the answer. Dropping it cancels the request.
#[allow(missing_debug_implementations, reason = "rmcp's services hide what they hold")]
pub struct Messages {
    id: Value,
    version: Version,
    first: Option<ServerJsonRpcMessage>,
    rest: mpsc::Receiver<ServerJsonRpcMessage>,
    is_done: bool,
    _running: RunningService<RoleServer, Arc<Handler>>,
}

impl Protocol {
    /// `secret` seals what clients carry for us between two requests; 32 bytes or more.
    #[must_use]
    pub fn new(sessions: Sessions, listed: ToolSets, secret: &Secret) -> Self {
        let memory = Memory::new(sessions, listed, secret);
        #[cfg(feature = "conformance")]
        let memory = super::fixtures::Fixtures::around(memory, secret);
        Self { handler: Arc::new(memory), deaf: Arc::default() }
    }

    /// Puts the session of a user to sleep until its next call.
    pub async fn disconnect(&self, caller: &Caller) {
        if let Err(error) = self.handler.sessions().sleep(&caller.user).await {
            log::debug!("a session was not put to sleep: cause={error}");
        }
    }

    /// Answers one request. A failure is part of the answer.
    pub async fn answer(&self, ask: Ask) -> Reply {
        let Ask { caller, version, request: Request { id, method, params }, may_stream } = ask;
        let mut request = match request::build(&method, params, version) {
            Ok(request) => request,
            Err(uncallable) => return Reply::Whole(uncallable.into_outcome(id, &method)),
        };
        if let ClientRequest::SubscriptionsListenRequest(listen) = &mut request {
            let wish = &listen.params.notifications;
            let beginning = Beginning::of(self.handler.memory(), &caller, wish).await;
            beginning.map(|beginning| listen.extensions.insert(beginning));
        }
        request.extensions_mut().insert(Asker { caller });
        if may_stream && self.may_speak_first(&request) {
            return self.stream(id, version, request).await;
        }
        let context = self.context(&id, version, &mut request);
        let result = self.handler.handle_request(request, context).await;
        Reply::Whole(Outcome::of(&id, version, result))
    }

    /// Answers the requests of a batch one after the other, so that a batch cannot do more at once
    /// than a request. The answers are one list.
    pub async fn answer_all(&self, asks: Vec<Result<Ask, Refusal>>) -> String {
        let mut lines = Vec::with_capacity(asks.len());
        for ask in asks {
            match ask {
                Err(refusal) => lines.push(refusal.to_line()),
                Ok(ask) => match self.answer(Ask { may_stream: false, ..ask }).await {
                    Reply::Whole(outcome) => lines.push(outcome.line),
                    // It was not allowed to.
                    Reply::Stream(_) => {}
                },
            }
        }
        format!("[{}]", lines.join(","))
    }

    /// Whether anything can be sent before the answer.
    fn may_speak_first(&self, request: &ClientRequest) -> bool {
        match request {
            ClientRequest::SubscriptionsListenRequest(_) => true,
            ClientRequest::CallToolRequest(call) => {
                request.get_meta().get_progress_token().is_some()
                    || Handler::speaks_unasked(&call.params.name)
            }
            _ => false,
        }
    }

    /// What rmcp would put together for a request it read itself.
    fn context(
        &self,
        id: &Value,
        version: Version,
        request: &mut ClientRequest,
    ) -> RequestContext<RoleServer> {
        let peers = self.deaf.get_or_init(|| Version::ALL.map(deaf_peer));
        let [oldest, ..] = peers;
        let place = Version::ALL.iter().position(|served| *served == version);
        let peer = place.and_then(|place| peers.get(place)).unwrap_or(oldest);
        let mut context = RequestContext::new(rmcp_id(id), peer.clone());
        context.meta = std::mem::take(request.get_meta_mut());
        context.extensions = std::mem::replace(request.extensions_mut(), Extensions::new());
        context
    }

    async fn stream(&self, id: Value, version: Version, request: ClientRequest) -> Reply {
        let message = ClientJsonRpcMessage::request(request, rmcp_id(&id));
        let (transport, rest) = OneshotTransport::<RoleServer>::new(message);
        let running = serve_directly(Arc::clone(&self.handler), transport, peer_info(version));
        let mut messages =
            Messages { id, version, first: None, rest, is_done: false, _running: running };
        match messages.rest.recv().await {
            Some(first) if is_last(&first) => Reply::Whole(messages.dress(first)),
            first => {
                messages.first = first;
                Reply::Stream(Box::new(messages))
            }
        }
    }
}

impl Messages {
    /// The next message; nothing after the answer.
    pub async fn next(&mut self) -> Option<Outcome> {
        if self.is_done {
            return None;
        }
        let message = match self.first.take() {
            Some(first) => first,
            None => self.rest.recv().await?,
        };
        self.is_done = is_last(&message);
        Some(self.dress(message))
    }

    fn dress(&self, message: ServerJsonRpcMessage) -> Outcome {
        match message {
            ServerJsonRpcMessage::Response(answer) => {
                Outcome::of(&self.id, self.version, Ok(answer.result))
            }
            ServerJsonRpcMessage::Error(answer) => {
                Outcome::of(&self.id, self.version, Err(answer.error))
            }
            other => {
                let line = serde_json::to_string(&other).unwrap_or_default();
                Outcome { line, code: None, word: None }
            }
        }
    }
}

impl Outcome {
    fn of(id: &Value, version: Version, result: Result<ServerResult, ErrorData>) -> Self {
        match result {
            Ok(mut result) => {
                about::dress(&mut result, version);
                Self { line: line(id, Body::Result(&result)), code: None, word: None }
            }
            Err(error) => {
                let data = error.data.as_ref();
                let word = data.and_then(|data| data.get("code")).and_then(Value::as_str);
                let body = ErrorBody { code: error.code.0, message: &error.message, data };
                let line = line::<()>(id, Body::Error(&body));
                Self { line, code: Some(error.code.0), word: word.map(str::to_owned) }
            }
        }
    }
}

impl Uncallable {
    fn into_outcome(self, id: Value, method: &str) -> Outcome {
        let (code, told) = match self {
            Self::Unknown => {
                let shown: String = method.chars().take(64).collect();
                (METHOD_NOT_FOUND, Cow::Owned(format!("unknown method {shown:?}")))
            }
            Self::Malformed(told) => {
                (INVALID_PARAMS, Cow::Owned(format!("invalid params: {told}")))
            }
        };
        let line = Refusal::new(id, code, told).to_line();
        Outcome { line, code: Some(code), word: None }
    }
}

/// A transport that has ended before it began.
struct Ended;

impl Transport<RoleServer> for Ended {
    type Error = Infallible;

    fn send(
        &mut self,
        _: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        ready(Ok(()))
    }

    fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<RoleServer>>> + Send {
        ready(None)
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Infallible>> + Send {
        ready(Ok(()))
    }
}

/// Stands in where nothing but the answer is sent.
struct Nobody;

impl ServerHandler for Nobody {}

/// A peer that knows its revision and can be told nothing. rmcp hands out peers only with a
/// running service, and one service per request would cost more than most requests.
fn deaf_peer(version: Version) -> Peer<RoleServer> {
    serve_directly(Nobody, Ended, peer_info(version)).peer().clone()
}

/// What a handshake would have left behind; without one, requests speak for themselves.
fn peer_info(version: Version) -> Option<InitializeRequestParams> {
    if version.is_modern() {
        return None;
    }
    let client = Implementation::new("unknown", "unknown");
    let info = InitializeRequestParams::new(ClientCapabilities::default(), client);
    Some(info.with_protocol_version(version.to_rmcp()))
}

/// rmcp wants an id where there may be none; the answer bears the one that came.
fn rmcp_id(id: &Value) -> NumberOrString {
    match id {
        Value::String(id) => NumberOrString::String(id.as_str().into()),
        id => NumberOrString::Number(id.as_i64().unwrap_or_default()),
    }
}

fn is_last(message: &ServerJsonRpcMessage) -> bool {
    matches!(message, ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_))
}
