//! JSON-RPC: what a body or a line holds, the codes of errors, and how an answer is written.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use super::lenient::{is_empty_list, mend};
use super::methods::is_known;
use crate::model::json::{self, Unreadable};

/// Named values, as JSON-RPC carries them.
pub type Params = Map<String, Value>;

/// What one body or one line held.
#[derive(Debug)]
pub enum Incoming {
    One(RpcMessage),
    /// Only revision 2025-03-26 knows these.
    Batch(Vec<Result<RpcMessage, Refusal>>),
}

/// One JSON-RPC message that is well formed. What it asks for is not checked yet.
#[derive(Debug)]
pub enum RpcMessage {
    Request(RpcRequest),
    Notification {
        method: String,
        params: Params,
    },
    /// An answer to something nobody asked: there are no requests from server to client.
    Response,
}

/// A message that wants an answer.
#[derive(Debug)]
pub struct RpcRequest {
    /// A string or an integer; null if the request came without one.
    pub id: Value,
    pub method: String,
    pub params: Params,
}

/// Why a message got no further than the door.
#[derive(Debug, Clone)]
pub struct Refusal(Box<Reason>);

#[derive(Debug, Clone)]
struct Reason {
    id: Value,
    code: i32,
    message: Cow<'static, str>,
    data: Option<Value>,
}

/// The body is not JSON.
pub(super) const PARSE_ERROR: i32 = -32700;
/// It is JSON, but no message.
pub(super) const INVALID_REQUEST: i32 = -32600;
pub const METHOD_NOT_FOUND: i32 = -32601;
pub(super) const INVALID_PARAMS: i32 = -32602;
/// The server is to blame.
pub const INTERNAL_ERROR: i32 = -32603;
/// A header says something else than the body, or stands twice.
pub const HEADER_MISMATCH: i32 = -32020;
/// The client did not declare what the call needs. rmcp's own error.
pub const MISSING_CAPABILITY: i32 = -32021;
pub const UNSUPPORTED_VERSION: i32 = -32022;

/// They are answered one after the other, and all answers are held until the last. Each counts at
/// the rate limiter.
const BATCH_LIMIT: usize = 20;
/// As many as anybody's ids have: a UUID has 36.
pub(super) const ID_BYTES: usize = 200;
const BAD_ID: &str = "id must be an integer or a string of up to 200 bytes";
pub(super) const NO_BATCHES: &str = "only revision 2025-03-26 has batches";

impl Incoming {
    /// Reads one body. `has_batches` says whether the transport speaks a revision with batches. A
    /// message, with an answer and an error beside it as they go out:
    /// ```json
    /// {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_context"}}
    /// {"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"..."}]}}
    /// {"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"..."}}
    /// ```
    pub fn parse(bytes: &[u8], has_batches: bool) -> Result<Self, Refusal> {
        let value = json::read(bytes).map_err(|unreadable| match unreadable {
            Unreadable::NotJson => Refusal::nobody(PARSE_ERROR, "the body is not JSON"),
            Unreadable::Twice => {
                Refusal::nobody(INVALID_REQUEST, "a name stands twice in one object")
            }
        })?;
        match value {
            Value::Array(items) if has_batches => batch(items),
            Value::Array(_) => Err(Refusal::nobody(INVALID_REQUEST, NO_BATCHES)),
            value => RpcMessage::parse(value).map(Self::One),
        }
    }
}

impl RpcMessage {
    fn parse(value: Value) -> Result<Self, Refusal> {
        let Value::Object(mut object) = value else {
            return Err(Refusal::nobody(INVALID_REQUEST, "expected a JSON-RPC object"));
        };
        let id = object.shift_remove("id");
        if id.as_ref().is_some_and(|id| !is_id(id)) {
            return Err(Refusal::nobody(INVALID_REQUEST, BAD_ID));
        }
        let refuse = |id: &Option<Value>, message: &'static str| {
            Err(Refusal::new(id.clone().unwrap_or_default(), INVALID_REQUEST, message))
        };
        if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return refuse(&id, "jsonrpc must be \"2.0\"");
        }
        let is_answer = object.contains_key("result") || object.contains_key("error");
        let method = match object.shift_remove("method") {
            Some(Value::String(method)) if !is_answer => method,
            None if is_answer => return Ok(Self::Response),
            _ => return refuse(&id, "expected a method that is a string"),
        };
        let mut params = match object.shift_remove("params") {
            None | Some(Value::Null) => Params::new(),
            Some(Value::Object(params)) => params,
            Some(list) if is_empty_list(&list) => Params::new(),
            Some(_) => {
                let id = id.unwrap_or_default();
                return Err(Refusal::new(id, INVALID_PARAMS, "params must be an object"));
            }
        };
        mend(&mut params);
        Ok(Self::sort(id, method, params))
    }

    /// Older guides send requests without an id and wait for the answer.
    fn sort(id: Option<Value>, method: String, params: Params) -> Self {
        match id {
            Some(id) => Self::Request(RpcRequest { id, method, params }),
            None if is_known(&method) => {
                Self::Request(RpcRequest { id: Value::Null, method, params })
            }
            None => Self::Notification { method, params },
        }
    }
}

impl Refusal {
    pub(super) fn new(id: Value, code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Reason { id, code, message: message.into(), data: None }))
    }

    pub(super) fn with_data(mut self, data: Value) -> Self {
        self.0.data = Some(data);
        self
    }

    #[must_use]
    #[cfg(test)]
    pub fn code(&self) -> i32 {
        self.0.code
    }

    /// Refuses a message whose sender cannot be told apart from others.
    pub(super) fn nobody(code: i32, message: &'static str) -> Self {
        Self::new(Value::Null, code, message)
    }

    /// The answer on the wire, without a line break.
    #[must_use]
    pub fn to_line(&self) -> String {
        let Reason { id, code, message, data } = &*self.0;
        line::<()>(
            id,
            AnswerBody::Error(&RpcErrorBody { code: *code, message, data: data.as_ref() }),
        )
    }
}

/// One answer on the wire.
#[derive(Serialize)]
struct AnswerLine<'a, R> {
    jsonrpc: &'static str,
    id: &'a Value,
    #[serde(flatten)]
    body: AnswerBody<'a, R>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnswerBody<'a, R> {
    Result(&'a R),
    Error(&'a RpcErrorBody<'a>),
}

#[derive(Serialize)]
pub(super) struct RpcErrorBody<'a> {
    pub(super) code: i32,
    pub(super) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a Value>,
}

/// Writes an answer with the id exactly as it came.
pub(super) fn line<R: Serialize>(id: &Value, body: AnswerBody<'_, R>) -> String {
    serde_json::to_string(&AnswerLine { jsonrpc: "2.0", id, body }).unwrap_or_default()
}

/// The same of a tool's result, with its structured content, which is JSON already. That goes in as the
/// last field of the result: serde_json's own way (`RawValue`) would have it read a name of its own in
/// whatever a client sends.
pub(super) fn line_with<R: Serialize>(id: &Value, result: &R, structured: &str) -> String {
    const END: &str = "}}";
    let mut line = line(id, AnswerBody::Result(result));
    // A result of a tool is an object with `content`, so the two braces are its own and the line's.
    if let Some(end) = line.strip_suffix(END).map(str::len) {
        line.truncate(end);
        line.push_str(",\"structuredContent\":");
        line.push_str(structured);
        line.push_str(END);
    }
    line
}

fn batch(items: Vec<Value>) -> Result<Incoming, Refusal> {
    if items.is_empty() || items.len() > BATCH_LIMIT {
        return Err(Refusal::nobody(INVALID_REQUEST, "a batch holds 1 to 20 messages"));
    }
    Ok(Incoming::Batch(items.into_iter().map(RpcMessage::parse).collect()))
}

/// An id comes back with every answer and every message before it, so it has an end.
fn is_id(id: &Value) -> bool {
    id.as_str().is_some_and(|id| id.len() <= ID_BYTES) || id.is_i64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(body: &str) -> Result<Incoming, Refusal> {
        Incoming::parse(body.as_bytes(), true)
    }

    #[test]
    fn a_request_without_an_id_is_told_from_a_notification() {
        let asked = parse(r#"{"jsonrpc":"2.0","method":"tools/list"}"#).unwrap();
        let told = parse(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).unwrap();

        assert!(matches!(
            asked,
            Incoming::One(RpcMessage::Request(RpcRequest { id: Value::Null, .. }))
        ));
        assert!(matches!(told, Incoming::One(RpcMessage::Notification { .. })));
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_reason() {
        for (body, code, id) in [
            ("", -32700, json!(null)),
            ("[]", -32600, json!(null)),
            ("null", -32600, json!(null)),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600, json!(null)),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600, json!(null)),
            (r#"{"jsonrpc":"2.0","id":1e999,"method":"ping"}"#, -32700, json!(null)),
            (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, -32600, json!(7)),
            (r#"{"jsonrpc":"2.0","id":7,"method":5}"#, -32600, json!(7)),
            (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}"#, -32602, json!(7)),
        ] {
            let refusal = parse(body).unwrap_err();
            assert_eq!((refusal.code(), &refusal.0.id), (code, &id), "{body}");
        }
    }

    #[test]
    fn an_id_has_an_end() {
        let asked = |len: usize| {
            parse(&json!({ "jsonrpc": "2.0", "id": "x".repeat(len), "method": "ping" }).to_string())
        };

        assert!(asked(ID_BYTES).is_ok());
        let refusal = asked(ID_BYTES + 1).unwrap_err();
        assert_eq!((refusal.code(), &refusal.0.id), (INVALID_REQUEST, &json!(null)));
        assert!(refusal.to_line().len() < ID_BYTES);
    }

    #[test]
    fn an_empty_list_is_no_parameters_at_all() {
        let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":[]}"#;
        let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"arguments":[]}}"#;

        let params = |body| match parse(body).unwrap() {
            Incoming::One(RpcMessage::Request(request)) => Value::Object(request.params),
            other => panic!("{other:?}"),
        };

        assert_eq!(params(body), json!({}));
        assert_eq!(params(call), json!({ "arguments": {} }));
    }

    #[test]
    fn what_is_written_already_goes_into_the_line_as_it_is() {
        let result = json!({ "content": [{ "type": "text", "text": "}}" }], "_meta": { "a": {} } });

        let line = line_with(&json!(7), &result, r#"{"score":0.731}"#);

        assert!(line.ends_with(r#","structuredContent":{"score":0.731}}}"#), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["result"]["_meta"], json!({ "a": {} }));
        assert_eq!(read["result"]["structuredContent"], json!({ "score": 0.731 }));
    }

    #[test]
    fn only_one_revision_has_batches() {
        let body = br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},5]"#;

        let Ok(Incoming::Batch(items)) = Incoming::parse(body, true) else { panic!("refused") };
        assert!(items[0].is_ok() && items[1].is_err());
        assert_eq!(Incoming::parse(body, false).unwrap_err().code(), INVALID_REQUEST);
    }
}
