use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::actors::Sessions;
use crate::http::Face;
use crate::mcp;
use crate::model::Caller;

/// Says that the server is there, and nothing about what it holds.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn root() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "status": "running",
        "service": "memoryd",
        "version": env!("CARGO_PKG_VERSION"),
        "endpoints": { "mcp": "/mcp", "api": "/api/v1", "health": "/health" },
    }))
}

/// Says whether the server can do its work; 503 when the store cannot write.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn health(
    face: web::Data<Face>,
    sessions: web::Data<Sessions>,
) -> HttpResponse {
    state(&face, sessions.is_writable(), "healthy")
}

/// The same for a supervisor that waits before it sends traffic.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn ready(
    face: web::Data<Face>,
    sessions: web::Data<Sessions>,
) -> HttpResponse {
    state(&face, sessions.is_writable(), "ready")
}

/// Lists the MCP tools with their schemas.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn tools() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "tools": mcp::tool_list() }))
}

/// Says that the server is there, and as whom one came.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn status(
    face: web::Data<Face>,
    caller: Caller,
    sessions: web::Data<Sessions>,
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
        "tools": mcp::tool_list().len(),
    }))
}

fn state(face: &Face, is_writable: bool, well: &str) -> HttpResponse {
    let (code, status) = if is_writable {
        (StatusCode::OK, well)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable")
    };
    let is_guarded = face.is_guarded;
    HttpResponse::build(code).json(json!({
        "status": status,
        "service": "memoryd",
        "version": env!("CARGO_PKG_VERSION"),
        "timestamp": face.clock.now(),
        "authentication": if is_guarded { "enabled" } else { "disabled" },
        "authentication_enabled": is_guarded,
        "auth_required": is_guarded,
    }))
}
