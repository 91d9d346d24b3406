//! Registration of clients (RFC 7591), and its management (RFC 7592).

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::OauthFace;
use super::answers::{authorization, failed, no_randomness, refused, told, too_many};
use super::face::asked_from;
use crate::auth::oauth::{
    Door, OauthError, Registered, Registration, client_document, manages_client,
};
use crate::http::body::{RawBody, parse_object};
use crate::model::OauthClient;

/// Registers a client. Some do so whenever they look whether the server is there, so that it costs next to
/// nothing and is forgotten soon.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn register(
    request: HttpRequest,
    face: web::Data<OauthFace>,
    RawBody(body): RawBody,
) -> HttpResponse {
    if let Err(refusal) = face.enter(Door::Register, &request) {
        return too_many(refusal);
    }
    match registered(&face, &body) {
        Ok(made) => told(StatusCode::CREATED, &made.document(&face.issuer)),
        Err(error) => refused(error),
    }
}

fn registered(face: &OauthFace, body: &[u8]) -> Result<Registered, OauthError> {
    let metadata = parse_object(body)
        .map_err(|_| OauthError::InvalidClientMetadata("the body is not a JSON object"))?;
    let made = Registration::parse(&metadata)?.register(face.now()).map_err(no_randomness)?;
    face.lobby().register(made.client.clone(), face.now());
    Ok(made)
}

/// Tells a client what it registered.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn show(
    request: HttpRequest,
    face: web::Data<OauthFace>,
    id: web::Path<String>,
) -> HttpResponse {
    match managed(&face, &request, &id) {
        Some(client) => told(StatusCode::OK, &client_document(&client, &face.issuer)),
        None => refused(OauthError::InvalidClient),
    }
}

/// Removes a client, with all that it was allowed.
pub(in crate::http) async fn remove(
    request: HttpRequest,
    face: web::Data<OauthFace>,
    id: web::Path<String>,
) -> HttpResponse {
    let Some(client) = managed(&face, &request, &id) else {
        return refused(OauthError::InvalidClient);
    };
    match face.accounts.end_grants_of_client(&client.id, asked_from(&request)).await {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(error) => refused(failed(error)),
    }
}

/// The client of this id, if whoever asks registered it.
fn managed(face: &OauthFace, request: &HttpRequest, id: &str) -> Option<OauthClient> {
    face.client(id).filter(|client| manages_client(client, authorization(request)))
}
