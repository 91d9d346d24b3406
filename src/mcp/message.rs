use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use super::request::is_known;
use super::strict::{self, Unreadable};
use super::version::Version;

/// Named values, as JSON-RPC carries them.
pub type Params = Map<String, Value>;

/// What one body or one line held.
#[derive(Debug)]
pub enum Incoming {
    One(Message),
    /// Only revision 2025-03-26 knows these.
    Batch(Vec<Result<Message, Refusal>>),
}

/// One JSON-RPC message that is well formed. What it asks for is not checked yet.
#[derive(Debug)]
pub enum Message {
    Request(Request),
    Notification {
        method: String,
        params: Params,
    },
    /// An answer to something nobody asked: there are no requests from server to client.
    Response,
}

/// A message that wants an answer.
#[derive(Debug)]
pub struct Request {
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

pub(super) const PARSE_ERROR: i32 = -32700;
pub(super) const INVALID_REQUEST: i32 = -32600;
pub(super) const METHOD_NOT_FOUND: i32 = -32601;
pub(super) const INVALID_PARAMS: i32 = -32602;

/// More would let one request stand for any number of them at the rate limiter.
const BATCH_LIMIT: usize = 20;

impl Incoming {
    /// Reads one body. `version` is what the transport says; a batch needs the one that has them.
    pub fn parse(bytes: &[u8], version: Option<Version>) -> Result<Self, Refusal> {
        let value = strict::read(bytes).map_err(|unreadable| match unreadable {
            Unreadable::NotJson => Refusal::nobody(PARSE_ERROR, "the body is not JSON"),
            Unreadable::Twice => {
                Refusal::nobody(INVALID_REQUEST, "a name stands twice in one object")
            }
        })?;
        match value {
            Value::Array(items) => batch(items, version.unwrap_or(Version::UNSAID)),
            value => Message::parse(value).map(Self::One),
        }
    }
}

impl Message {
    fn parse(value: Value) -> Result<Self, Refusal> {
        let Value::Object(mut object) = value else {
            return Err(Refusal::nobody(INVALID_REQUEST, "expected a JSON-RPC object"));
        };
        let id = object.shift_remove("id");
        if id.as_ref().is_some_and(|id| !is_id(id)) {
            return Err(Refusal::nobody(INVALID_REQUEST, "id must be a string or an integer"));
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
        let params = match object.shift_remove("params") {
            None | Some(Value::Null) => Params::new(),
            Some(Value::Object(params)) => params,
            Some(_) => {
                let id = id.unwrap_or_default();
                return Err(Refusal::new(id, INVALID_PARAMS, "params must be an object"));
            }
        };
        Ok(Self::sort(id, method, params))
    }

    /// Older guides send requests without an id and wait for the answer.
    fn sort(id: Option<Value>, method: String, params: Params) -> Self {
        match id {
            Some(id) => Self::Request(Request { id, method, params }),
            None if is_known(&method) => Self::Request(Request { id: Value::Null, method, params }),
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
        line::<()>(id, Body::Error(&ErrorBody { code: *code, message, data: data.as_ref() }))
    }
}

/// One answer on the wire.
#[derive(Serialize)]
struct Answer<'a, R> {
    jsonrpc: &'static str,
    id: &'a Value,
    #[serde(flatten)]
    body: Body<'a, R>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Body<'a, R> {
    Result(&'a R),
    Error(&'a ErrorBody<'a>),
}

#[derive(Serialize)]
pub(super) struct ErrorBody<'a> {
    pub(super) code: i32,
    pub(super) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a Value>,
}

/// Writes an answer with the id exactly as it came.
pub(super) fn line<R: Serialize>(id: &Value, body: Body<'_, R>) -> String {
    serde_json::to_string(&Answer { jsonrpc: "2.0", id, body }).unwrap_or_default()
}

fn batch(items: Vec<Value>, version: Version) -> Result<Incoming, Refusal> {
    let refuse = |message| Err(Refusal::nobody(INVALID_REQUEST, message));
    if version != Version::V2025_03_26 {
        return refuse("only revision 2025-03-26 has batches");
    }
    if items.is_empty() || items.len() > BATCH_LIMIT {
        return refuse("a batch holds 1 to 20 messages");
    }
    Ok(Incoming::Batch(items.into_iter().map(Message::parse).collect()))
}

fn is_id(id: &Value) -> bool {
    id.is_string() || id.is_i64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(body: &str) -> Result<Incoming, Refusal> {
        Incoming::parse(body.as_bytes(), None)
    }

    #[test]
    fn a_request_without_an_id_is_told_from_a_notification() {
        let asked = parse(r#"{"jsonrpc":"2.0","method":"tools/list"}"#).unwrap();
        let told = parse(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).unwrap();

        assert!(matches!(asked, Incoming::One(Message::Request(Request { id: Value::Null, .. }))));
        assert!(matches!(told, Incoming::One(Message::Notification { .. })));
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
            (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#, -32602, json!(7)),
        ] {
            let refusal = parse(body).unwrap_err();
            assert_eq!((refusal.code(), &refusal.0.id), (code, &id), "{body}");
        }
    }

    #[test]
    fn only_one_revision_has_batches() {
        let body = br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},5]"#;

        let Ok(Incoming::Batch(items)) = Incoming::parse(body, None) else { panic!("refused") };
        assert!(items[0].is_ok() && items[1].is_err());
        assert!(Incoming::parse(body, Some(Version::V2025_11_25)).is_err());
    }
}
