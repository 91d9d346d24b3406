//! One request from the door to its answer.
//!
//! | type | made by | consumed by |
//! |---|---|---|
//! | [`RpcRequest`] | `Incoming::parse`, from bytes | `judge`, then [`Ask`] |
//! | [`Version`] | `judge`, from the request and its label | [`Ask`] |
//! | [`Ask`] | a transport, once it knows caller and revision | [`Protocol::answer`] |
//! | rmcp's `ClientRequest` | `request::build`, from method and parameters | the [`Dispatcher`] |
//! | rmcp's `RequestContext` | [`Protocol::answer`], with a deaf peer | the handler's methods |
//! | [`Asker`], [`Beginning`] | [`Protocol::answer`], into the extensions | the handler |
//! | [`Written`] | a tool, beside its result | [`ReplyLine`], as it is |
//! | rmcp's `ServerResult` | the handler | [`ReplyLine`], dressed for the revision |
//! | [`Messages`] | [`Protocol::answer`], for a request that may speak first | a transport |
//! | [`Reply`] | [`Protocol::answer`] | a transport |
//! | [`Refusal`] | whoever finds out that a message gets no further | a transport, as a line |
//!
//! A request that may speak before its answer runs as an rmcp service of its own, on a transport
//! that carries that one message; all others are dispatched directly. Dropping the future or the
//! [`Messages`] cancels the request; a write that a session has taken is then still carried out.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorData, Extensions, GetExtensions, GetMeta,
    NumberOrString, ServerJsonRpcMessage, ServerResult,
};
use rmcp::service::{RequestContext, RunningService, Service, serve_directly};
use rmcp::transport::OneshotTransport;
use serde_json::Value;
use tokio::sync::mpsc;

use super::about;
use super::context::{Asker, McpContext, Written};
use super::deaf::{DeafPeers, peer_info};
use super::dispatcher::Dispatcher;
use super::fixtures::Fixtures;
use super::handler::Handler;
use super::message::{
    AnswerBody, INVALID_PARAMS, METHOD_NOT_FOUND, Refusal, RpcErrorBody, RpcRequest, line,
    line_with,
};
use super::request::{self, Uncallable};
use super::subscriptions::Beginning;
use super::tool_lists::line_of_tools;
use super::tool_sets::ToolSets;
use super::tools;
use super::version::Version;
use crate::actors::Sessions;
use crate::model::foreign::shortened;
use crate::model::{Caller, Secret};

/// How a handler becomes a dispatcher in this process, if not plainly.
static DISPATCHING: OnceLock<fn(Handler, &Secret) -> Dispatcher> = OnceLock::new();

/// Puts the fixtures of the conformance suite around every handler that is made from now on. The
/// linker leaves them out of a program that does not call this.
pub fn add_fixtures() {
    DISPATCHING.get_or_init(|| {
        |handler, secret| {
            Dispatcher::new(Fixtures::around(handler, secret), Fixtures::speaks_unasked)
        }
    });
}

/// The protocol over one set of sessions. Cheap to clone; every clone is the same.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "rmcp's peers hide what they hold")]
pub struct Protocol {
    mcp: Arc<McpContext>,
    dispatcher: Dispatcher,
    /// For requests that send nothing before their answer.
    deaf: Arc<DeafPeers>,
}

/// One request that got through the door.
#[derive(Debug)]
pub struct Ask {
    pub caller: Caller,
    pub version: Version,
    pub request: RpcRequest,
    /// Whether the transport can carry messages before the answer.
    pub may_stream: bool,
}

/// What comes back.
#[allow(missing_debug_implementations, reason = "rmcp's services hide what they hold")]
pub enum Reply {
    Whole(ReplyLine),
    Stream(Box<Messages>),
}

/// One message on its way out, as a line of JSON.
#[derive(Debug)]
pub struct ReplyLine {
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
    written: Written,
    first: Option<ServerJsonRpcMessage>,
    rest: mpsc::Receiver<ServerJsonRpcMessage>,
    is_done: bool,
    _running: RunningService<RoleServer, Dispatcher>,
}

impl Protocol {
    /// `secret` seals what clients carry for us between two requests; 32 bytes or more.
    #[must_use]
    pub fn new(sessions: Sessions, listed: ToolSets, secret: &Secret) -> Self {
        let mcp = Arc::new(McpContext::new(sessions, listed, secret));
        let handler = Handler::new(Arc::clone(&mcp));
        let dispatch =
            DISPATCHING.get().copied().unwrap_or(|handler, _| Dispatcher::new(handler, |_| false));
        let dispatcher = dispatch(handler, secret);
        Self { mcp, dispatcher, deaf: Arc::default() }
    }

    /// Puts the session of a user to sleep until its next call.
    pub async fn disconnect(&self, caller: &Caller) {
        if let Err(error) = self.mcp.sessions().sleep(&caller.user).await {
            log::debug!("a session was not put to sleep: cause={error}");
        }
    }

    /// The tools that a caller is shown, as `tools/list` has them.
    #[must_use]
    pub fn tools_of(&self, caller: &Caller) -> Vec<Value> {
        tools::as_json(&tools::shown_to(caller, self.mcp.listed()))
    }

    /// Answers one request. A failure is part of the answer.
    pub async fn answer(&self, ask: Ask) -> Reply {
        let Ask { caller, version, request: RpcRequest { id, method, params }, may_stream } = ask;
        let mut request = match request::build(&method, params, version) {
            Ok(request) => request,
            Err(uncallable) => return Reply::Whole(uncallable.into_line(id, &method)),
        };
        if let ClientRequest::SubscriptionsListenRequest(listen) = &mut request {
            let wish = &listen.params.notifications;
            let beginning = Beginning::of(&self.mcp, &caller, wish).await;
            beginning.map(|beginning| listen.extensions.insert(beginning));
        }
        let written = Written::default();
        request.extensions_mut().insert(Asker { caller, written: written.clone() });
        if may_stream && self.may_speak_first(&request) {
            return self.stream(id, version, request, written).await;
        }
        let context = self.context(&id, version, &mut request);
        let result = self.dispatcher.handle_request(request, context).await;
        Reply::Whole(ReplyLine::of(&id, version, result, &written))
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
                    || self.dispatcher.speaks_unasked(&call.params.name)
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
        let mut context = RequestContext::new(rmcp_id(id), self.deaf.of(version));
        context.meta = std::mem::take(request.get_meta_mut());
        context.extensions = std::mem::replace(request.extensions_mut(), Extensions::new());
        context
    }

    async fn stream(
        &self,
        id: Value,
        version: Version,
        request: ClientRequest,
        written: Written,
    ) -> Reply {
        let message = ClientJsonRpcMessage::request(request, rmcp_id(&id));
        let (transport, rest) = OneshotTransport::<RoleServer>::new(message);
        let running = serve_directly(self.dispatcher.clone(), transport, peer_info(version));
        let mut messages =
            Messages { id, version, written, first: None, rest, is_done: false, _running: running };
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
    pub async fn next(&mut self) -> Option<ReplyLine> {
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

    fn dress(&self, message: ServerJsonRpcMessage) -> ReplyLine {
        match message {
            ServerJsonRpcMessage::Response(answer) => {
                ReplyLine::of(&self.id, self.version, Ok(answer.result), &self.written)
            }
            ServerJsonRpcMessage::Error(answer) => {
                ReplyLine::of(&self.id, self.version, Err(answer.error), &self.written)
            }
            other => {
                let line = serde_json::to_string(&other).unwrap_or_default();
                ReplyLine { line, code: None, word: None }
            }
        }
    }
}

impl ReplyLine {
    fn of(
        id: &Value,
        version: Version,
        result: Result<ServerResult, ErrorData>,
        written: &Written,
    ) -> Self {
        match result {
            Ok(mut result) => {
                about::dress(&mut result, version);
                let line = match (&result, written.get()) {
                    (ServerResult::ListToolsResult(list), _) => line_of_tools(id, list),
                    (result, Some(structured)) => line_with(id, result, structured),
                    (result, None) => line(id, AnswerBody::Result(result)),
                };
                Self { line, code: None, word: None }
            }
            Err(error) => {
                let data = error.data.as_ref();
                let word = data.and_then(|data| data.get("code")).and_then(Value::as_str);
                let body = RpcErrorBody { code: error.code.0, message: &error.message, data };
                let line = line::<()>(id, AnswerBody::Error(&body));
                Self { line, code: Some(error.code.0), word: word.map(str::to_owned) }
            }
        }
    }
}

impl Uncallable {
    fn into_line(self, id: Value, method: &str) -> ReplyLine {
        let (code, told) = match self {
            Self::Unknown => {
                let told = format!("unknown method {:?}", shortened(method));
                (METHOD_NOT_FOUND, Cow::Owned(told))
            }
            Self::Malformed(told) => {
                (INVALID_PARAMS, Cow::Owned(format!("invalid params: {told}")))
            }
        };
        let line = Refusal::new(id, code, told).to_line();
        ReplyLine { line, code: Some(code), word: None }
    }
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
