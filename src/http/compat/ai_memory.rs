//! The AI-memory server. Its answers are `{success, data, message}`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use crate::actors::Sessions;
use crate::engine::List;
use crate::error::Error;
use crate::model::Caller;

/// As many as one page holds; the older server had no pages.
const LIMIT: usize = 100;

/// Lists the newest memories. Arguments that the older server did not know are passed over, as
/// there.
#[utoipa::path(
    get,
    path = "/api/memory/list",
    tag = "ai-memory",
    responses((status = 200, description = "`{success, data: [memories], total, message}`"))
)]
pub(in crate::http) async fn list(caller: Caller, sessions: web::Data<Sessions>) -> HttpResponse {
    match newest(&caller, &sessions).await {
        Ok((memories, total)) => HttpResponse::Ok().json(json!({
            "success": true,
            "message": format!("{total} memories"),
            "data": memories,
            "total": total,
        })),
        Err(error) => failure(&error),
    }
}

async fn newest(caller: &Caller, sessions: &Sessions) -> Result<(Value, usize), Error> {
    let listed = sessions.ask(caller, List { limit: LIMIT, ..List::default() }).await?;
    Ok((json!(listed.memories), listed.total))
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
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).json(json!({
        "success": false,
        "error": { "code": code, "message": told },
        "message": told,
        "detail": told,
        "code": error.code(),
    }))
}
