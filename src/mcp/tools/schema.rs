//! Small pieces of JSON Schema. Clients reject `$ref` and lists of types, so neither occurs.

use std::sync::Arc;

use rmcp::model::{JsonObject, ToolAnnotations};
use serde_json::{Value, json};

use crate::engine::Field;

/// The schema of the arguments that a verb declares, in its order.
pub(super) fn input(fields: &[&Field]) -> JsonObject {
    let properties = fields.iter().map(|field| (field.name.to_owned(), field.schema()));
    let required: Vec<&str> =
        fields.iter().filter(|field| field.is_required).map(|field| field.name).collect();
    object(properties.collect(), &required)
}

/// Says that a tool changes nothing.
pub(super) fn reading() -> ToolAnnotations {
    ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false)
}

/// Says that a tool writes, and adds only.
pub(super) fn adding() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).destructive(false).idempotent(true).open_world(false)
}

/// Says that a tool writes, and that doing it twice is not doing it once.
pub(super) fn changing() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(false)
}

/// Says that a tool takes away.
pub(super) fn destroying() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).destructive(true).idempotent(true).open_world(false)
}

/// The schema of an object with these properties.
fn object(properties: JsonObject, required: &[&str]) -> JsonObject {
    let mut schema = map(json!({ "type": "object" }));
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// The schema of an answer. Nothing is required: a failed call answers with `error` alone, and
/// some clients check that against this schema as well.
pub(super) fn output(properties: Value) -> Arc<JsonObject> {
    Arc::new(object(map(properties), &[]))
}

/// Takes the object out of a `json!` literal.
fn map(value: Value) -> JsonObject {
    match value {
        Value::Object(map) => map,
        _ => JsonObject::new(),
    }
}

pub(super) fn string() -> Value {
    json!({ "type": "string" })
}

pub(super) fn text(description: &str) -> Value {
    described(string(), description)
}

pub(super) fn integer() -> Value {
    json!({ "type": "integer" })
}

pub(super) fn boolean() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn one_of(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

pub(super) fn list_of(items: Value) -> Value {
    let mut schema = map(json!({ "type": "array" }));
    schema.insert("items".to_owned(), items);
    Value::Object(schema)
}

pub(super) fn described(mut schema: Value, description: &str) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(description));
    }
    schema
}

/// A whole memory. Fields that explain themselves are left to the answer.
pub(super) fn memory() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": string(),
            "content": string(),
            "kind": string(),
            "tags": list_of(string()),
            "created_at": string(),
            "updated_at": string(),
            "status": string(),
            "version": integer(),
        },
        "required": ["id"],
    })
}

/// Memories in a list, whole or as a snippet.
pub(super) fn memories() -> Value {
    list_of(json!({
        "type": "object",
        "properties": { "id": string(), "kind": string(), "content": string() },
        "required": ["id"],
    }))
}

/// Which memories stand in a text.
pub(super) fn views() -> Value {
    list_of(json!({
        "type": "object",
        "properties": { "id": string(), "kind": string(), "snippet": string() },
        "required": ["id"],
    }))
}
