use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CACHE_CONTROL, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::actors::CallError;
use crate::auth::oauth::{OauthError, Pairs, TooMany};
use crate::auth::{RandomnessFailed, TokenError};
use crate::error::{Code, Error};
use crate::http::body::has_media_type;

/// No form of a client is as long.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// An answer that pages of any origin may read, and nobody keeps.
pub(super) fn told(status: StatusCode, told: &Value) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(told)
}

/// A refusal in the shape of RFC 6749, 5.2. Nothing of the request stands in it.
pub(super) fn refused(error: OauthError) -> HttpResponse {
    let status = match error {
        OauthError::InvalidClient => StatusCode::UNAUTHORIZED,
        OauthError::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        OauthError::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    told(status, &json!({ "error": error.word(), "error_description": error.to_string() }))
}

/// The same for a client that showed who it is in a header.
pub(super) fn refused_as_asked(error: OauthError, is_basic: bool) -> HttpResponse {
    let mut response = refused(error);
    if is_basic && error == OauthError::InvalidClient {
        let challenge = HeaderValue::from_static(r#"Basic realm="memoryd""#);
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

pub(super) fn too_many(TooMany { retry_after }: TooMany) -> HttpResponse {
    let error = OauthError::TemporarilyUnavailable.word();
    let about = format!("too much from this address; try again in {retry_after} s");
    let body = json!({ "error": error, "error_description": about });
    let mut response = told(StatusCode::TOO_MANY_REQUESTS, &body);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
    response
}

/// Reads a form, which is all that the token endpoint takes.
pub(super) fn form(request: &HttpRequest, body: &[u8]) -> Result<Pairs, OauthError> {
    let is_form = |kind: &str| kind == "application/x-www-form-urlencoded";
    if !has_media_type(request.headers(), is_form) || body.len() > MAX_FORM_BYTES {
        return Err(OauthError::InvalidRequest(
            "send application/x-www-form-urlencoded, 16 KiB at most",
        ));
    }
    let text = std::str::from_utf8(body).ok().and_then(Pairs::parse);
    text.ok_or(OauthError::InvalidRequest("the form is not UTF-8"))
}

pub(super) fn authorization(request: &HttpRequest) -> Option<&str> {
    request.headers().get(AUTHORIZATION).and_then(|line| line.to_str().ok())
}

/// What a client is told of a failure of ours, which the log has.
pub(super) fn failed(error: CallError) -> OauthError {
    if matches!(error, CallError::Token(TokenError::UnknownGrant)) {
        return OauthError::InvalidGrant;
    }
    let error = Error::from(error);
    error.log();
    if error.code() == Code::Internal {
        OauthError::ServerError
    } else {
        OauthError::TemporarilyUnavailable
    }
}

pub(super) fn no_randomness(error: RandomnessFailed) -> OauthError {
    failed(TokenError::from(error).into())
}
