use actix_web::HttpResponse;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, Modify, OpenApi};

use super::compat::ai_memory;
use super::rest::described;
use crate::mcp;

/// The description of the REST API, collected from its handlers. The schemas of memories and of
/// their arguments are those of the MCP tools, so that both faces are described once.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "memoryd",
        description = "Memories of AI assistants, on hardware of their owner. Every route but `/`, \
                       `/health` and `/ready` needs a key."
    ),
    paths(
        described::root, described::health, described::ready,
        described::list, described::add, described::get, described::update, described::delete,
        described::history, described::restore, described::related,
        described::search, described::search_by_query, described::context,
        described::tags, described::projects, described::totals, described::tools,
        described::events, described::export, described::import,
        described::sessions, described::stats, described::metrics,
        ai_memory::list,
    ),
    modifiers(&Credentials),
)]
struct Description;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{
            ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        };
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let header = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("key", SecurityScheme::ApiKey(header));
        let either = ["bearer", "key"].map(|name| SecurityRequirement::new(name, [""; 0]));
        api.security = Some(either.into());
    }
}

/// One memory.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "it only describes")]
pub(super) struct IdPath {
    /// The memory's id, a ULID.
    id: String,
}

/// Whose memories are meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it only describes")]
pub(super) struct UserQuery {
    /// Another user's, for credentials with the scope `admin`.
    user_id: Option<String>,
}

/// Which memories to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it only describes")]
pub(super) struct ListQuery {
    user_id: Option<String>,
    /// With commas, or several times.
    tags: Option<String>,
    /// `all` (default) or `any`.
    tag_match: Option<String>,
    kind: Option<String>,
    category: Option<String>,
    project: Option<String>,
    /// `project` or `user`.
    scope: Option<String>,
    since: Option<String>,
    until: Option<String>,
    /// The state at that moment.
    as_of: Option<String>,
    /// `active` (default), `archived`, `superseded`, `deleted`.
    status: Option<String>,
    pinned: Option<bool>,
    /// `created_at` (default), `updated_at`, `event_at`, `priority`.
    sort: Option<String>,
    /// `desc` (default) or `asc`.
    order: Option<String>,
    /// 1 to 100; 20 unless given.
    limit: Option<u32>,
    cursor: Option<String>,
}

/// What to look for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it only describes")]
pub(super) struct SearchQuery {
    query: String,
    user_id: Option<String>,
    tags: Option<String>,
    kind: Option<String>,
    project: Option<String>,
    /// 1 to 100; 10 unless given.
    limit: Option<u32>,
    /// `full` (default) or `brief`.
    detail: Option<String>,
    max_tokens: Option<u32>,
    mode: Option<String>,
    cursor: Option<String>,
}

/// What the context is for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it only describes")]
pub(super) struct ContextQuery {
    user_id: Option<String>,
    project: Option<String>,
    /// What the conversation is about.
    query: Option<String>,
    /// 1500 unless given.
    max_tokens: Option<u32>,
}

/// `GET /openapi.json`.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().json(description())
}

fn description() -> Value {
    let mut described = serde_json::to_value(Description::openapi()).unwrap_or_default();
    let mut schemas = Map::new();
    schemas.insert("error".to_owned(), error_schema());
    for tool in mcp::tool_list() {
        let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
        for (part, field) in [("input", "inputSchema"), ("output", "outputSchema")] {
            if let Some(schema) = tool.get(field) {
                schemas.insert(format!("{name}.{part}"), schema.clone());
            }
        }
    }
    if let Some(components) = described.pointer_mut("/components").and_then(Value::as_object_mut) {
        components.insert("schemas".to_owned(), Value::Object(schemas));
    }
    described
}

fn error_schema() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["error", "message", "detail", "code"],
        "properties": {
            "error": text, "message": text, "detail": text, "code": text,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        let described = description();
        let text = described.to_string();

        let references =
            text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next());
        let mut count = 0;
        for reference in references {
            count += 1;
            assert!(described.pointer(reference).is_some(), "{reference} leads nowhere");
        }
        assert!(count > 10, "only {count} references");
        assert!(described.pointer("/paths/~1api~1v1~1memories/post").is_some());
    }
}
