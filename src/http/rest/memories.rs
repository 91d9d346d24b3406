use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::actors::Sessions;
use crate::engine::{Add, AddStatus, Delete, Get, History, List, Related, Restore, Update};
use crate::error::Error;
use crate::http::ask::Ask;
use crate::http::body::JsonBody;
use crate::http::front::PathId;
use crate::model::Caller;

/// Lists memories, newest first unless `sort` and `order` say otherwise.
#[utoipa::path(
    get,
    path = "/api/v1/memories",
    tag = "memories",
    params(crate::http::openapi::ListQuery),
    responses((status = 200, description = "One page", body = ref("#/components/schemas/list_memories.output")))
)]
pub(in crate::http) async fn list(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_query(&request)?;
    let answer = ask.run::<List>(&sessions, &caller).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// Stores a memory. 201 when it is new, 200 when the same text was there.
#[utoipa::path(
    post,
    path = "/api/v1/memories",
    tag = "memories",
    request_body(content = ref("#/components/schemas/add_memory.input")),
    responses(
        (status = 201, description = "Stored", body = ref("#/components/schemas/add_memory.output")),
        (status = 200, description = "There already", body = ref("#/components/schemas/add_memory.output")),
        (status = 422, description = "Fields that do not fit", body = ref("#/components/schemas/error")),
    )
)]
pub(in crate::http) async fn add(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    body: JsonBody,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_body(&request, body.0)?;
    let answer = ask.run::<Add>(&sessions, &caller).await?;
    let is_new = answer.status != AddStatus::Duplicate;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(HttpResponse::build(status).json(answer))
}

/// Reads one memory; with `history=true` also the versions before it.
#[utoipa::path(
    get,
    path = "/api/v1/memories/{id}",
    tag = "memories",
    params(crate::http::openapi::IdPath, crate::http::openapi::UserQuery),
    responses(
        (status = 200, description = "The memory", body = ref("#/components/schemas/get_memory.output")),
        (status = 404, description = "No such memory", body = ref("#/components/schemas/error")),
    )
)]
pub(in crate::http) async fn get(
    request: HttpRequest,
    id: PathId,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_query(&request)?.with("id", id);
    let answer = ask.run::<Get>(&sessions, &caller).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// Changes some fields of a memory; `null` clears one.
#[utoipa::path(
    patch,
    path = "/api/v1/memories/{id}",
    tag = "memories",
    params(crate::http::openapi::IdPath, crate::http::openapi::UserQuery),
    request_body(content = ref("#/components/schemas/update_memory.input")),
    responses(
        (status = 200, description = "Changed", body = ref("#/components/schemas/update_memory.output")),
        (status = 409, description = "Not at `if_version`", body = ref("#/components/schemas/error")),
    )
)]
pub(in crate::http) async fn update(
    request: HttpRequest,
    id: PathId,
    caller: Caller,
    sessions: web::Data<Sessions>,
    body: JsonBody,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_body(&request, body.0)?.with("id", id).with_nulls_that_clear();
    let answer = ask.run::<Update>(&sessions, &caller).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// Deletes a memory. It can be restored for a while, unless `purge=true`.
#[utoipa::path(
    delete,
    path = "/api/v1/memories/{id}",
    tag = "memories",
    params(crate::http::openapi::IdPath, crate::http::openapi::UserQuery),
    responses((status = 200, description = "Deleted", body = ref("#/components/schemas/delete_memory.output")))
)]
pub(in crate::http) async fn delete(
    request: HttpRequest,
    id: PathId,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_query(&request)?.with("id", id);
    let answer = ask.run::<Delete>(&sessions, &caller).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// Reads every version of a memory, also of a deleted one.
#[utoipa::path(
    get,
    path = "/api/v1/memories/{id}/history",
    tag = "memories",
    params(crate::http::openapi::IdPath, crate::http::openapi::UserQuery),
    responses((status = 200, description = "The memory and its history", body = ref("#/components/schemas/get_memory.output")))
)]
pub(in crate::http) async fn history(
    request: HttpRequest,
    id: PathId,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_query(&request)?.with("id", id);
    let answer = ask.run::<History>(&sessions, &caller).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// Brings back a deleted, archived, superseded or expired memory.
#[utoipa::path(
    post,
    path = "/api/v1/memories/{id}/restore",
    tag = "memories",
    params(crate::http::openapi::IdPath, crate::http::openapi::UserQuery),
    responses((status = 200, description = "Active again", body = ref("#/components/schemas/update_memory.output")))
)]
pub(in crate::http) async fn restore(
    request: HttpRequest,
    id: PathId,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_query(&request)?.with("id", id);
    let answer = ask.run::<Restore>(&sessions, &caller).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// Finds what speaks of the same things as one memory.
#[utoipa::path(
    get,
    path = "/api/v1/memories/{id}/related",
    tag = "memories",
    params(crate::http::openapi::IdPath, crate::http::openapi::UserQuery),
    responses((status = 200, description = "Best first", body = ref("#/components/schemas/search_memories.output")))
)]
pub(in crate::http) async fn related(
    request: HttpRequest,
    id: PathId,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_query(&request)?.with("id", id);
    let answer = ask.run::<Related>(&sessions, &caller).await?;
    Ok(HttpResponse::Ok().json(answer))
}
