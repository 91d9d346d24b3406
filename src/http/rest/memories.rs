use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::actors::Sessions;
use crate::engine::{Add, AddStatus};
use crate::error::Error;
use crate::http::ask::Ask;
use crate::http::body::JsonBody;
use crate::model::Caller;

/// Stores a memory. 201 when it is new, 200 when the same text was there.
pub(in crate::http) async fn add(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    body: JsonBody,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_body(&request, body)?;
    ask.run::<Add, _>(&sessions, &caller, |added| {
        let is_new = added.answer.status != AddStatus::Duplicate;
        let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        HttpResponse::build(status).json(added)
    })
    .await
}
