//! The AI-memory server. Its answers are `{success, data, message}`, and so are its failures.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::actors::Sessions;
use crate::engine::List;
use crate::error::Error;
use crate::http::ask::Ask;
use crate::http::body::JsonBody;
use crate::model::Caller;
use crate::older::OlderCall;

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

/// Carries out a call with the arguments of the query.
pub(in crate::http) async fn by_query(
    call: &'static OlderCall,
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> HttpResponse {
    let ask = Ask::of_older_query(call, &request);
    answer(call, ask, &caller, &sessions).await
}

/// The same with the arguments in a JSON body.
pub(in crate::http) async fn by_body(
    call: &'static OlderCall,
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    body: Result<JsonBody, Error>,
) -> HttpResponse {
    let ask = body.and_then(|body| Ask::of_body(&request, body));
    answer(call, ask, &caller, &sessions).await
}

async fn answer(
    call: &'static OlderCall,
    ask: Result<Ask, Error>,
    caller: &Caller,
    sessions: &Sessions,
) -> HttpResponse {
    let told = match ask {
        Ok(ask) => ask.run_older(call, sessions, caller).await,
        Err(error) => Err(error),
    };
    match told {
        Ok(told) => HttpResponse::Ok().json(told),
        Err(error) => failure(&error),
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
