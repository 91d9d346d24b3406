//! `/openapi.json`, made from the route table and from what verbs say of their arguments.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use super::front::Guard;
use super::route::{BodyWords, Content, Row, Words};
use super::table::table;
use crate::engine::{Field, Shape, USER_ID};
use crate::error::Code;
use crate::mcp;

const TITLE: &str = "Memories of AI assistants, on hardware of their owner. Every route but those \
                     with an empty `security` needs a key.";
const USER_ABOUT: &str = "Another user's memories, for credentials with the scope `admin`";

/// `GET /openapi.json`.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(super) async fn openapi() -> HttpResponse {
    static DESCRIPTION: LazyLock<Value> = LazyLock::new(description);
    HttpResponse::Ok().json(&*DESCRIPTION)
}

pub(super) fn description() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for row in table().into_iter().filter(|row| !row.is_page()) {
        let methods = paths.entry(plain(row.path)).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(row.method.as_str().to_ascii_lowercase(), operation(&row));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "memoryd",
            "version": env!("CARGO_PKG_VERSION"),
            "description": TITLE,
        },
        "security": [{ "bearer": [] }, { "key": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "key": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
            },
            "schemas": schemas(),
        },
    })
}

/// `/mcp` and `/mcp/` are one place.
fn plain(path: &str) -> String {
    if path == "/mcp/" { "/mcp".to_owned() } else { path.to_owned() }
}

fn operation(row: &Row) -> Value {
    let words = &row.words;
    let mut operation = Map::new();
    operation.insert("tags".to_owned(), json!([words.tag]));
    operation.insert("summary".to_owned(), json!(words.summary));
    match row.guard {
        Guard::Open(why) => {
            operation.insert("description".to_owned(), json!(format!("Open to everybody: {why}.")));
            operation.insert("security".to_owned(), json!([]));
        }
        Guard::Monitoring | Guard::Probe(_) => {
            // An empty requirement beside the others makes the credential optional.
            operation.insert("security".to_owned(), json!([{}, { "bearer": [] }, { "key": [] }]));
        }
        Guard::Key | Guard::Scope(_) | Guard::Browser | Guard::Visitor(_) => {}
    }
    operation.insert("parameters".to_owned(), Value::Array(parameters(row)));
    if let Some(body) = &words.body {
        operation.insert("requestBody".to_owned(), request_body(row.path, body, words.takes_user));
    }
    operation.insert("responses".to_owned(), responses(row));
    Value::Object(operation)
}

/// The names in the braces of a path.
fn path_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

fn parameters(row: &Row) -> Vec<Value> {
    let Words { query, body, takes_user, .. } = &row.words;
    let fields: &[&Field] = match body {
        Some(BodyWords::Fields(fields)) => fields,
        Some(BodyWords::Other(_)) | None => query,
    };
    let in_path = path_names(row.path).map(|name| {
        let field = fields.iter().find(|field| field.name == name);
        let schema = field.map_or_else(|| json!({ "type": "string" }), |field| field.schema());
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let in_query = query.iter().filter(|field| !is_in_path(row.path, field));
    let user = takes_user.then(|| {
        let schema = json!({ "type": "string" });
        json!({ "name": USER_ID.name, "in": "query", "description": USER_ABOUT, "schema": schema })
    });
    in_path.chain(in_query.map(|field| parameter(field))).chain(user).collect()
}

fn is_in_path(path: &str, field: &Field) -> bool {
    path_names(path).any(|name| name == field.name)
}

fn parameter(field: &Field) -> Value {
    let mut parameter = json!({
        "name": field.name,
        "in": "query",
        "required": field.is_required,
        "schema": field.schema(),
    });
    if let Some(parameter) = parameter.as_object_mut() {
        if !field.about.is_empty() {
            parameter.insert("description".to_owned(), json!(field.about));
        }
        if field.is_list() {
            // One name several times; commas are taken, too.
            parameter.insert("style".to_owned(), json!("form"));
            parameter.insert("explode".to_owned(), json!(true));
        }
    }
    parameter
}

fn request_body(path: &str, body: &BodyWords, takes_user: bool) -> Value {
    match body {
        BodyWords::Fields(fields) => {
            let fields = fields.iter().copied().filter(|field| !is_in_path(path, field));
            let schema = object_of(fields, takes_user);
            json!({ "required": true, "content": { "application/json": { "schema": schema } } })
        }
        BodyWords::Other(media) => {
            let mut content = Map::new();
            content.insert((*media).to_owned(), json!({}));
            json!({ "required": true, "content": content })
        }
    }
}

fn object_of<'a>(fields: impl Iterator<Item = &'a Field>, takes_user: bool) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in fields {
        properties.insert(field.name.to_owned(), field.schema());
        if field.is_required {
            required.push(field.name);
        }
    }
    if takes_user {
        let user = json!({ "type": "string", "description": USER_ABOUT });
        properties.insert(USER_ID.name.to_owned(), user);
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

/// What the route promises, and every refusal that stands before or within it.
fn responses(row: &Row) -> Value {
    let mut told: BTreeMap<u16, Value> = BTreeMap::new();
    for promise in &row.words.answers {
        let mut answer = json!({ "description": promise.about });
        if let (Some(parts), Some(held)) = (answer.as_object_mut(), content(&promise.content)) {
            parts.insert("content".to_owned(), held);
        }
        told.insert(promise.status, answer);
    }
    for (status, about) in refusals(row) {
        told.entry(status).or_insert_with(|| refusal(about, row.words.has_own_errors));
    }
    let mut all: Map<String, Value> =
        told.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect();
    all.insert("default".to_owned(), refusal("Any other failure", row.words.has_own_errors));
    Value::Object(all)
}

fn refusals(row: &Row) -> Vec<(u16, &'static str)> {
    let words = &row.words;
    let mut refusals = vec![
        (400, "The host is not ours, or a header, the query or the body cannot be read"),
        (403, "Pages of this origin may not call, or the credential lacks a scope"),
    ];
    if !matches!(row.guard, Guard::Open(_) | Guard::Probe(_)) {
        refusals.extend([
            (401, "No credential, or one that is not valid"),
            (429, "Too many requests; see `Retry-After`"),
            (503, "Too busy, or the store cannot write"),
        ]);
    }
    let of_body: &[&Field] = match &words.body {
        Some(BodyWords::Fields(fields)) => fields,
        _ => &[],
    };
    let takes_fields = matches!(words.body, Some(BodyWords::Fields(_)));
    let is_id = |field: &&Field| field.shape == Shape::Id || field.name == "id";
    let has_name_in_path = path_names(row.path).next().is_some();
    if has_name_in_path || words.query.iter().any(is_id) || of_body.iter().any(is_id) {
        refusals.push((404, "No such memory"));
    }
    let takes_anything = words.takes_user || words.body.is_some() || !words.query.is_empty();
    if takes_anything || has_name_in_path {
        refusals.push((422, "Arguments that do not fit; `fields` names them"));
    }
    if words.body.is_some() {
        refusals.extend([
            (408, "The body did not arrive in time"),
            (413, "The body, or a text in it, is too large"),
            (415, "Another media type, charset or encoding than is taken"),
        ]);
    }
    if takes_fields {
        refusals.extend([
            (409, "Not at the version that the call names"),
            (507, "There are too many users"),
        ]);
    }
    refusals
}

fn refusal(about: &str, is_own: bool) -> Value {
    if is_own {
        return json!({ "description": about });
    }
    let schema = json!({ "$ref": "#/components/schemas/error" });
    json!({ "description": about, "content": { "application/json": { "schema": schema } } })
}

fn content(content: &Content) -> Option<Value> {
    let json_of = |schema: &Value| Some(json!({ "application/json": { "schema": schema } }));
    match content {
        Content::Tool(name) => json_of(&json!({ "$ref": format!("#/components/schemas/{name}") })),
        Content::Json(schema) => json_of(schema),
        Content::Text(media) => {
            let mut content = Map::new();
            content.insert((*media).to_owned(), json!({ "schema": { "type": "string" } }));
            Some(Value::Object(content))
        }
        Content::Nothing => None,
    }
}

/// The answers of the tools describe those of REST, and there is one body for all refusals.
fn schemas() -> Map<String, Value> {
    let mut schemas = Map::new();
    schemas.insert("error".to_owned(), error_schema());
    for tool in mcp::tool_list() {
        let name = tool.get("name").and_then(Value::as_str);
        if let (Some(name), Some(schema)) = (name, tool.get("outputSchema")) {
            schemas.insert(name.to_owned(), schema.clone());
        }
    }
    schemas
}

fn error_schema() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["error", "message", "detail", "code"],
        "properties": {
            "error": text,
            "message": text,
            "detail": text,
            "code": { "type": "string", "enum": Code::ALL },
            "fields": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": { "field": text, "problem": text },
                },
            },
            "retry_after": { "type": "integer", "description": "Seconds." },
        },
    })
}
