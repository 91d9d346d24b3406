//! The AI-memory server. Its answers are `{success, data, message}`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::actors::Sessions;
use crate::engine::List;
use crate::error::Error;
use crate::model::Caller;

/// As many as one page holds; the older server had no pages.
const LIMIT: usize = 100;

/// Lists the newest memories. Arguments that the older server did not know are passed over, as
/// there.
pub(in crate::http) async fn list(caller: Caller, sessions: web::Data<Sessions>) -> HttpResponse {
    let newest = List { limit: LIMIT, ..List::default() };
    match sessions.ask(&caller, newest).await {
        Ok(listed) => HttpResponse::Ok().json(json!({
            "success": true,
            "message": format!("{} memories", listed.total),
            "data": listed.memories,
            "total": listed.total,
        })),
        Err(failed) => failure(&Error::from(failed)),
    }
}

/// That server's errors, beside the flat fields of ours.
fn failure(error: &Error) -> HttpResponse {
    error.log();
    let (told, status) = (error.told(), error.code().status());
    let code = match status {
        404 => "NOT_FOUND",
        400..=499 => "VALIDATION_ERROR",
        _ => "DATABASE_ERROR",
    };
    let answered = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(answered).json(json!({
        "success": false,
        "error": { "code": code, "message": told },
        "message": told,
        "detail": told,
        "code": error.code(),
    }))
}
