use actix_web::http::StatusCode;
use actix_web::http::header::VARY;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::actors::Sessions;
use crate::http::{Face, McpFace, ui};
use crate::model::{Caller, Scope};

/// Says that the server is there, and nothing about what it holds. A browser is led to the pages.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn root(request: HttpRequest) -> HttpResponse {
    if ui::is_meant_for_a_person(&request) {
        return ui::page::see_other(&format!("{}/ui/", ui::base_of(&request)));
    }
    HttpResponse::Ok().insert_header((VARY, "Accept")).json(json!({
        "status": "running",
        "service": "memoryd",
        "version": env!("CARGO_PKG_VERSION"),
        "endpoints": { "mcp": "/mcp", "api": "/api/v1", "health": "/health" },
    }))
}

/// Says whether the server can do its work; 503 when the store cannot write. Administrators are told
/// more.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn health(
    request: HttpRequest,
    face: web::Data<Face>,
    sessions: web::Data<Sessions>,
) -> HttpResponse {
    let is_writable = sessions.is_writable();
    let extensions = request.extensions();
    let is_admin = extensions.get::<Caller>().is_some_and(|caller| caller.may(Scope::Admin));
    if !is_admin {
        return state(&face, is_writable, "healthy", Value::Null);
    }
    let more = json!({
        "storage": { "writable": is_writable, "problem": sessions.storage_problem() },
        "clock": { "doubt": sessions.clock_doubt() },
        "certificate": face.certificate.as_ref().map(|certificate| certificate()),
        "backup": { "age_seconds": sessions.backups().age().map(|age| age.as_secs()) },
    });
    state(&face, is_writable, "healthy", more)
}

/// The same for a supervisor that waits before it sends traffic.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn ready(
    face: web::Data<Face>,
    sessions: web::Data<Sessions>,
) -> HttpResponse {
    state(&face, sessions.is_writable(), "ready", Value::Null)
}

/// Lists the MCP tools with their schemas: those that `tools/list` shows to the same caller.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn tools(caller: Caller, mcp: web::Data<McpFace>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "tools": mcp.protocol.tools_of(&caller) }))
}

/// Says that the server is there, and as whom one came.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn status(
    face: web::Data<Face>,
    caller: Caller,
    sessions: web::Data<Sessions>,
    mcp: web::Data<McpFace>,
) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "status": if sessions.is_writable() { "running" } else { "read-only" },
        "service": "memoryd",
        "version": env!("CARGO_PKG_VERSION"),
        "timestamp": face.clock.now(),
        "authentication_enabled": face.is_guarded,
        "user_id": caller.user,
        "credential": caller.credential,
        "scopes": caller.scopes,
        "tools": mcp.protocol.tools_of(&caller).len(),
    }))
}

fn state(face: &Face, is_writable: bool, well: &str, more: Value) -> HttpResponse {
    let (code, status) = if is_writable {
        (StatusCode::OK, well)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable")
    };
    let is_guarded = face.is_guarded;
    let mut told = json!({
        "status": status,
        "service": "memoryd",
        "version": env!("CARGO_PKG_VERSION"),
        "timestamp": face.clock.now(),
        "authentication": if is_guarded { "enabled" } else { "disabled" },
        "authentication_enabled": is_guarded,
        "auth_required": is_guarded,
    });
    if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
        told.extend(more);
    }
    HttpResponse::build(code).json(told)
}
