//! What clients mean although they write it otherwise, as long as it can mean nothing else.
//!
//! - An empty list where MCP wants an object is an empty object: PHP writes both the same way.
//! - `arguments` may be a text that is a JSON object: function calls of model APIs carry it so.
//!
//! Whatever else does not fit is left alone, and refused by whoever reads it.

use serde_json::{Map, Value};

use super::meta::{META_CAPABILITIES, META_CLIENT};
use crate::model::json;

type Object = Map<String, Value>;

/// Where MCP wants an object, among parameters and in `_meta`.
const OBJECTS: [&str; 9] = [
    "_meta",
    "arguments",
    "capabilities",
    "clientInfo",
    "context",
    "inputResponses",
    "notifications",
    META_CAPABILITIES,
    META_CLIENT,
];

/// Objects of objects of objects, such as `{"elicitation":{"form":{}}}`.
const CAPABILITIES: [&str; 2] = ["capabilities", META_CAPABILITIES];
const DEPTH_OF_CAPABILITIES: usize = 2;

/// Makes parameters what their client meant.
pub(super) fn mend(params: &mut Object) {
    read_arguments(params);
    mend_objects(params);
    for name in ["_meta", "context"] {
        if let Some(inner) = params.get_mut(name).and_then(Value::as_object_mut) {
            mend_objects(inner);
        }
    }
}

/// Whether PHP may have meant an object by it.
pub(super) fn is_empty_list(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

fn read_arguments(params: &mut Object) {
    let Some(Value::String(text)) = params.get("arguments") else { return };
    let read = match text.trim() {
        "" => Some(Value::Object(Object::new())),
        text => json::read(text.as_bytes()).ok(),
    };
    if let Some(read) = read.filter(|read| read.is_object() || is_empty_list(read)) {
        params.insert("arguments".to_owned(), read);
    }
}

fn mend_objects(object: &mut Object) {
    for name in OBJECTS {
        if let Some(value) = object.get_mut(name) {
            mend_object(value);
        }
    }
    for name in CAPABILITIES {
        if let Some(value) = object.get_mut(name) {
            mend_members(value, DEPTH_OF_CAPABILITIES);
        }
    }
}

fn mend_members(value: &mut Value, depth: usize) {
    let members = value.as_object_mut().filter(|_| depth > 0);
    for member in members.into_iter().flat_map(Object::values_mut) {
        mend_object(member);
        mend_members(member, depth.saturating_sub(1));
    }
}

fn mend_object(value: &mut Value) {
    if is_empty_list(value) {
        *value = Value::Object(Object::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mended(mut params: Value) -> Value {
        mend(params.as_object_mut().unwrap());
        params
    }

    #[test]
    fn an_empty_list_is_an_object_wherever_mcp_wants_one() {
        let written = json!({
            "name": "x", "arguments": [], "clientInfo": [],
            "capabilities": { "elicitation": { "form": [] }, "roots": [] },
            "_meta": { META_CAPABILITIES: [], META_CLIENT: [] },
            "context": { "arguments": [] },
        });
        let meant = json!({
            "name": "x", "arguments": {}, "clientInfo": {},
            "capabilities": { "elicitation": { "form": {} }, "roots": {} },
            "_meta": { META_CAPABILITIES: {}, META_CLIENT: {} },
            "context": { "arguments": {} },
        });

        assert_eq!(mended(written), meant);
        assert_eq!(mended(json!({ "_meta": [] })), json!({ "_meta": {} }));
    }

    #[test]
    fn lists_that_mean_lists_are_left_alone() {
        let params = json!({
            "arguments": { "tags": [], "ids": [1] },
            "capabilities": { "roots": [1] },
            "_meta": [1],
        });

        assert_eq!(mended(params.clone()), params);
    }

    #[test]
    fn arguments_may_be_the_text_of_an_object() {
        let meant = |text: &str| mended(json!({ "arguments": text }))["arguments"].clone();

        assert_eq!(meant(r#"{"query":"tea"}"#), json!({ "query": "tea" }));
        assert_eq!((meant(" "), meant("[]")), (json!({}), json!({})));
        for other in ["tea", "5", "[1]", r#"{"a":1,"a":2}"#, "{"] {
            assert_eq!(meant(other), json!(other));
        }
    }
}
