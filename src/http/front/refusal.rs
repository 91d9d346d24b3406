use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};

use super::log_line::Event;
use crate::actors::CallError;
use crate::auth::AuthError;
use crate::error::Error;

/// The face of a failure, as a response.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        let mut response = HttpResponse::build(self.status_code()).json(self.body());
        if let Some(event) = Event::of_refusal(self) {
            response.extensions_mut().insert(event);
        }
        let headers = response.headers_mut();
        if let Some(challenge) = challenge(self) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What a client must bring next time (RFC 6750).
fn challenge(error: &Error) -> Option<HeaderValue> {
    match error.code().status() {
        401 => Some(HeaderValue::from_static(r#"Bearer realm="memoryd""#)),
        403 => match error {
            Error::Auth(AuthError::Forbidden { needed })
            | Error::Call(CallError::Denied(AuthError::Forbidden { needed })) => {
                let challenge = format!(
                    r#"Bearer realm="memoryd", error="insufficient_scope", scope="{needed}""#
                );
                HeaderValue::try_from(challenge).ok()
            }
            _ => None,
        },
        _ => None,
    }
}
