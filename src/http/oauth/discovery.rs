//! Where clients read how to sign in.

use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL};
use actix_web::{HttpResponse, web};
use serde_json::Value;

use super::OauthFace;

/// Tells who gives out tokens for the protocol.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn resource(face: web::Data<OauthFace>) -> HttpResponse {
    document(&face.issuer.resource_document())
}

/// Tells how they are had.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn server(face: web::Data<OauthFace>) -> HttpResponse {
    document(&face.issuer.server_document(face.fetches_clients()))
}

fn document(told: &Value) -> HttpResponse {
    HttpResponse::Ok()
        // Not for long: a client that remembers what is no longer so does not come in.
        .insert_header((CACHE_CONTROL, "max-age=300"))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .json(told)
}
