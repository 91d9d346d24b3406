//! Tokens, grants and the audit, for administrators.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Map;

use crate::actors::{AdminRequest, Sessions, TokenChange};
use crate::engine::Arguments;
use crate::error::Error;
use crate::http::ask::query;
use crate::http::body::{RawBody, parse_object};
use crate::model::{Caller, UserId};

pub(in crate::http) async fn create_token(
    caller: Caller,
    sessions: web::Data<Sessions>,
    body: RawBody,
) -> Result<HttpResponse, Error> {
    let request = AdminRequest::CreateToken(arguments(&body)?);
    Ok(HttpResponse::Created().json(sessions.administer(&caller, request).await?))
}

pub(in crate::http) async fn list_tokens(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let arguments = Arguments::new(query(&request, |_| false)?);
    let tokens = sessions.administer(&caller, AdminRequest::ListTokens(arguments)).await?;
    Ok(HttpResponse::Ok().json(tokens))
}

pub(in crate::http) async fn rotate_token(
    caller: Caller,
    sessions: web::Data<Sessions>,
    which: web::Path<String>,
    body: RawBody,
) -> Result<HttpResponse, Error> {
    let arguments = arguments(&body)?;
    let request = AdminRequest::RotateToken { which: which.into_inner(), arguments };
    Ok(HttpResponse::Created().json(sessions.administer(&caller, request).await?))
}

pub(in crate::http) async fn revoke_token(
    caller: Caller,
    sessions: web::Data<Sessions>,
    which: web::Path<String>,
) -> Result<HttpResponse, Error> {
    change(&sessions, &caller, which.into_inner(), TokenChange::Revoke).await
}

pub(in crate::http) async fn enable_token(
    caller: Caller,
    sessions: web::Data<Sessions>,
    which: web::Path<String>,
) -> Result<HttpResponse, Error> {
    change(&sessions, &caller, which.into_inner(), TokenChange::Enable).await
}

pub(in crate::http) async fn delete_token(
    caller: Caller,
    sessions: web::Data<Sessions>,
    which: web::Path<String>,
) -> Result<HttpResponse, Error> {
    change(&sessions, &caller, which.into_inner(), TokenChange::Delete).await
}

pub(in crate::http) async fn list_grants(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let arguments = Arguments::new(query(&request, |_| false)?);
    let grants = sessions.administer(&caller, AdminRequest::ListGrants(arguments)).await?;
    Ok(HttpResponse::Ok().json(grants))
}

pub(in crate::http) async fn end_grants(
    caller: Caller,
    sessions: web::Data<Sessions>,
    which: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let request = AdminRequest::EndGrants { which: which.into_inner() };
    Ok(HttpResponse::Ok().json(sessions.administer(&caller, request).await?))
}

pub(in crate::http) async fn audit(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let arguments = Arguments::new(query(&request, |_| false)?);
    let told = sessions.administer(&caller, AdminRequest::Audit(arguments)).await?;
    Ok(HttpResponse::Ok().json(told))
}

pub(in crate::http) async fn list_users(
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(sessions.administer(&caller, AdminRequest::ListUsers).await?))
}

pub(in crate::http) async fn erase_user(
    caller: Caller,
    sessions: web::Data<Sessions>,
    user: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let user = UserId::parse(&user).map_err(|_| Error::NoRoute)?;
    let request = AdminRequest::EraseUser(user);
    Ok(HttpResponse::Ok().json(sessions.administer(&caller, request).await?))
}

pub(in crate::http) async fn create_backup(
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let made = sessions.administer(&caller, AdminRequest::CreateBackup).await?;
    Ok(HttpResponse::Created().json(made))
}

pub(in crate::http) async fn list_backups(
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(sessions.administer(&caller, AdminRequest::ListBackups).await?))
}

async fn change(
    sessions: &Sessions,
    caller: &Caller,
    which: String,
    change: TokenChange,
) -> Result<HttpResponse, Error> {
    let request = AdminRequest::ChangeToken { which, change };
    Ok(HttpResponse::Ok().json(sessions.administer(caller, request).await?))
}

/// Every argument may be left out, and with them the body.
fn arguments(RawBody(body): &RawBody) -> Result<Arguments, Error> {
    if body.trim_ascii().is_empty() {
        return Ok(Arguments::new(Map::new()));
    }
    Ok(Arguments::new(parse_object(body)?))
}
