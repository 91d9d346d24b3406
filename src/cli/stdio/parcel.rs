use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::mcp::{
    INTERNAL_ERROR, Incoming, Params, Refusal, RpcMessage, RpcRequest, client_of, tool_list,
};

/// One line on its way to a server, and what the headers beside it must say.
pub(super) struct Parcel {
    /// Null where there is none.
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Params,
    /// The revision that the message itself names. Older ones name it in the handshake only.
    pub(super) declared: Option<String>,
    /// False for notifications, whatever the server says to them.
    pub(super) wants_answer: bool,
    pub(super) body: Vec<u8>,
}

const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

impl Parcel {
    /// Looks at a line. One that is no message is answered here, as the server would.
    pub(super) fn wrap(body: Vec<u8>) -> Result<Self, Refusal> {
        Ok(match Incoming::parse(&body, true)? {
            Incoming::One(RpcMessage::Request(RpcRequest { id, method, params })) => {
                let declared = params.get("_meta").and_then(|meta| meta.get(META_VERSION));
                let declared = declared.and_then(Value::as_str).map(in_header);
                Self { id, method, params, declared, wants_answer: true, body }
            }
            Incoming::One(RpcMessage::Notification { method, params }) => {
                Self { method, params, ..Self::unnamed(body, false) }
            }
            Incoming::One(RpcMessage::Response) => Self::unnamed(body, false),
            Incoming::Batch(_) => Self::unnamed(body, true),
        })
    }

    fn unnamed(body: Vec<u8>, wants_answer: bool) -> Self {
        let (id, method, params) = (Value::Null, String::new(), Params::new());
        Self { id, method, params, declared: None, wants_answer, body }
    }

    /// What the header `Mcp-Name` must repeat.
    pub(super) fn name(&self) -> Option<&str> {
        let field = match self.method.as_str() {
            "tools/call" | "prompts/get" => "name",
            "resources/read" => "uri",
            _ => return None,
        };
        self.params.get(field).and_then(Value::as_str)
    }

    /// Whether it asks to be told how far the work has got.
    pub(super) fn wants_progress(&self) -> bool {
        self.params.get("_meta").is_some_and(|meta| meta.get("progressToken").is_some())
    }

    /// How the client calls itself, if it says so here.
    pub(super) fn client(&self) -> Option<String> {
        let (method, params) = (self.method.clone(), self.params.clone());
        let client = client_of(&RpcRequest { id: Value::Null, method, params })?;
        client.is_ascii().then_some(client)
    }

    /// Whether doing it twice is as good as doing it once: what only reads, and what adds, because
    /// a text that is there already is not added again.
    pub(super) fn may_be_repeated(&self) -> bool {
        match self.method.as_str() {
            "tools/call" => self.name().is_some_and(is_repeatable_tool),
            // A batch may hold anything.
            "" => !self.wants_answer,
            _ => true,
        }
    }

    /// Whether a message of a stream is the answer to this one.
    pub(super) fn is_answered_by(&self, message: &str) -> bool {
        let message: Value = serde_json::from_str(message).unwrap_or_default();
        message.get("method").is_none() && message.get("id") == Some(&self.id)
    }

    /// The answer to a message that did not get through.
    pub(super) fn failure(&self, told: &str) -> String {
        let error = json!({ "code": INTERNAL_ERROR, "message": told });
        json!({ "jsonrpc": "2.0", "id": self.id, "error": error }).to_string()
    }
}

/// The tool itself says so, to clients as well.
fn is_repeatable_tool(name: &str) -> bool {
    let tools = tool_list();
    let tool = tools.iter().find(|tool| tool.get("name").and_then(Value::as_str) == Some(name));
    let says = |hint: &str| {
        let annotations = tool.and_then(|tool| tool.get("annotations"));
        annotations.and_then(|all| all.get(hint)).and_then(Value::as_bool)
    };
    says("readOnlyHint") == Some(true)
        || (says("idempotentHint") == Some(true) && says("destructiveHint") == Some(false))
}

/// Writes a text so that it fits into a header: as it is, or as `=?base64?...?=`.
pub(super) fn in_header(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let is_bare = text.trim() == text && !(text.starts_with("=?base64?") && text.ends_with("?="));
    if is_plain && is_bare {
        return text.to_owned();
    }
    format!("=?base64?{}?=", STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modern_message_says_what_its_headers_must_say() {
        let line = json!({
            "jsonrpc": "2.0", "id": "a", "method": "resources/read",
            "params": { "uri": "memory://tag/x", "_meta": { META_VERSION: "2026-07-28" } },
        });

        let parcel = Parcel::wrap(line.to_string().into_bytes()).unwrap();

        assert_eq!(parcel.declared.as_deref(), Some("2026-07-28"));
        assert_eq!((parcel.name(), &parcel.id), (Some("memory://tag/x"), &json!("a")));
        assert!(parcel.wants_answer);
    }

    #[test]
    fn what_no_header_can_hold_is_encoded() {
        assert_eq!(in_header("add_memory"), "add_memory");
        assert_eq!(in_header("caf\u{e9}"), "=?base64?Y2Fmw6k=?=");
        assert_eq!(in_header(" x"), "=?base64?IHg=?=");
    }

    #[test]
    fn what_reads_or_adds_may_be_repeated_and_nothing_else() {
        let call = |method: &str, params: Value| {
            let line = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
            Parcel::wrap(line.to_string().into_bytes()).unwrap().may_be_repeated()
        };
        let tool = |name: &str| call("tools/call", json!({ "name": name, "arguments": {} }));

        for name in ["search_memories", "get_memory", "list_memories", "get_context", "add_memory"]
        {
            assert!(tool(name), "{name}");
        }
        for name in ["update_memory", "delete_memory", "no_such_tool"] {
            assert!(!tool(name), "{name}");
        }
        assert!(call("tools/list", json!({})) && call("initialize", json!({})));
        let batch = br#"[{"jsonrpc":"2.0","id":1,"method":"tools/call"}]"#.to_vec();
        assert!(!Parcel::wrap(batch).unwrap().may_be_repeated());
    }

    #[test]
    fn an_answer_is_told_from_what_comes_before_it() {
        let line = br#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"x"}}"#;
        let parcel = Parcel::wrap(line.to_vec()).unwrap();

        assert!(parcel.is_answered_by(r#"{"jsonrpc":"2.0","id":"a","result":{}}"#));
        assert!(!parcel.is_answered_by(r#"{"jsonrpc":"2.0","id":"b","result":{}}"#));
        assert!(!parcel.is_answered_by(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#));
        assert!(!parcel.is_answered_by(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#));
    }

    #[test]
    fn only_requests_want_an_answer() {
        let note = br#"{"jsonrpc":"2.0","method":"notifications/x"}"#.to_vec();

        assert!(!Parcel::wrap(note).unwrap().wants_answer);
        assert_eq!(Parcel::wrap(b"not json".to_vec()).map(|_| ()).unwrap_err().code(), -32700);
    }
}
