use actix_web::{HttpRequest, HttpResponse, web};

use crate::actors::Sessions;
use crate::engine::{Context, Projects, Search, Stats, Tags};
use crate::error::Error;
use crate::http::ask::Ask;
use crate::http::body::JsonBody;
use crate::mcp;
use crate::model::Caller;

/// Finds memories that answer a question.
#[utoipa::path(
    post,
    path = "/api/v1/search",
    tag = "search",
    request_body(content = ref("#/components/schemas/search_memories.input")),
    responses((status = 200, description = "Best first", body = ref("#/components/schemas/search_memories.output")))
)]
pub(in crate::http) async fn search(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    body: JsonBody,
) -> Result<HttpResponse, Error> {
    find(Ask::of_body(&request, body.0)?, &caller, &sessions).await
}

/// The same with the arguments in the query string.
#[utoipa::path(
    get,
    path = "/api/v1/search",
    tag = "search",
    params(crate::http::openapi::SearchQuery),
    responses((status = 200, description = "Best first", body = ref("#/components/schemas/search_memories.output")))
)]
pub(in crate::http) async fn search_by_query(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    find(Ask::of_query(&request)?, &caller, &sessions).await
}

async fn find(ask: Ask, caller: &Caller, sessions: &Sessions) -> Result<HttpResponse, Error> {
    let answer = ask.run::<Search>(sessions, caller).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// Puts together what an assistant should know at the start of a conversation.
#[utoipa::path(
    get,
    path = "/api/v1/context",
    tag = "search",
    params(crate::http::openapi::ContextQuery),
    responses((status = 200, description = "A text and its parts", body = ref("#/components/schemas/get_context.output")))
)]
pub(in crate::http) async fn context(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_query(&request)?;
    let answer = ask.run::<Context>(&sessions, &caller).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// Lists the tags in use, the most used first.
#[utoipa::path(
    get,
    path = "/api/v1/tags",
    tag = "search",
    params(crate::http::openapi::UserQuery),
    responses((status = 200, description = "`{tags: [{name, count, updated_at}]}`"))
)]
pub(in crate::http) async fn tags(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_query(&request)?;
    let answer = ask.run::<Tags>(&sessions, &caller).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// Lists the projects in use, the most used first.
#[utoipa::path(
    get,
    path = "/api/v1/projects",
    tag = "search",
    params(crate::http::openapi::UserQuery),
    responses((status = 200, description = "`{projects: [{name, count, updated_at}]}`"))
)]
pub(in crate::http) async fn projects(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_query(&request)?;
    let answer = ask.run::<Projects>(&sessions, &caller).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// Counts what a user has stored.
#[utoipa::path(
    get,
    path = "/api/v1/stats",
    tag = "search",
    params(crate::http::openapi::UserQuery),
    responses((status = 200, description = "Numbers of memories by status"))
)]
pub(in crate::http) async fn totals(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_query(&request)?;
    let answer = ask.run::<Stats>(&sessions, &caller).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// Lists the MCP tools with their schemas.
#[utoipa::path(
    get,
    path = "/api/v1/tools",
    tag = "search",
    responses((status = 200, description = "`{tools: [...]}` as `tools/list` gives it"))
)]
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn tools(_caller: Caller) -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "tools": mcp::tool_list() }))
}
