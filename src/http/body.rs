//! Reading a request's body: within its limit, in time, and as what it says it is.

use std::pin::pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value};

use crate::error::Error;

/// Announcing a large body must not be enough to get the memory for it.
const FIRST_BUFFER: usize = 64 * 1024;

/// How much a body may bring, and how long it may take. Kept in the app's data.
#[derive(Debug, Clone, Copy)]
pub struct BodyRules {
    pub limit: usize,
    pub timeout: Duration,
}

/// The bytes of a body, whatever they are.
#[derive(Debug)]
pub struct RawBody(pub Bytes);

/// A body that is a JSON object.
#[derive(Debug)]
pub struct JsonBody(pub Map<String, Value>);

impl FromRequest for RawBody {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { read(&request, payload).await.map(Self) })
    }
}

impl FromRequest for JsonBody {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            if !may_be_json(request.content_type()) {
                return Err(Error::UnsupportedType);
            }
            parse_object(&read(&request, payload).await?).map(Self)
        })
    }
}

/// Reads a body to its end. Nothing beyond the limit is kept, or even asked for.
pub async fn read(request: &HttpRequest, payload: Payload) -> Result<Bytes, Error> {
    let rules = request.app_data::<BodyRules>().copied().unwrap_or_default();
    refuse_encoding(request)?;
    let announced = announced(request);
    if announced.is_some_and(|len| len > rules.limit) {
        return Err(Error::BodyTooLarge { limit: rules.limit });
    }
    let collected = collect(payload, announced.unwrap_or_default(), rules.limit);
    tokio::time::timeout(rules.timeout, collected).await.map_err(|_| Error::BodyTimeout)?
}

/// Reads a JSON object. serde_json stops at a depth of 128 by itself.
pub fn parse_object(body: &[u8]) -> Result<Map<String, Value>, Error> {
    if body.trim_ascii().is_empty() {
        return Err(Error::EmptyBody);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Error::NotAnObject),
        Err(error) => Err(Error::NotJson { line: error.line(), column: error.column() }),
    }
}

async fn collect(payload: Payload, announced: usize, limit: usize) -> Result<Bytes, Error> {
    let mut payload = pin!(payload);
    let mut body = BytesMut::with_capacity(announced.min(FIRST_BUFFER));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|broken| match broken {
            PayloadError::Overflow => Error::BodyTooLarge { limit },
            _ => Error::BodyBroken,
        })?;
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(Error::BodyTooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// A small body can unfold to gigabytes, so it has to come as it is.
pub(super) fn refuse_encoding(request: &HttpRequest) -> Result<(), Error> {
    let mut encodings = request.headers().get_all(CONTENT_ENCODING);
    let is_plain = encodings.all(|line| {
        line.to_str().is_ok_and(|line| {
            line.split(',').all(|encoding| encoding.trim().eq_ignore_ascii_case("identity"))
        })
    });
    if is_plain { Ok(()) } else { Err(Error::UnsupportedEncoding) }
}

fn announced(request: &HttpRequest) -> Option<usize> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Scripts often leave the type out; what they send is JSON then, or refused as such.
fn may_be_json(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    let is_suffixed = kind.starts_with("application/") && kind.ends_with("+json");
    kind.is_empty() || kind == "application/json" || is_suffixed
}

impl Default for BodyRules {
    fn default() -> Self {
        Self { limit: 2 * 1024 * 1024, timeout: Duration::from_secs(30) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_is_taken() {
        assert_eq!(parse_object(br#" {"a": 1} "#).unwrap()["a"], 1);
        assert!(matches!(parse_object(b" \n"), Err(Error::EmptyBody)));
        for odd in [&b"null"[..], b"[]", b"\"x\"", b"1"] {
            assert!(matches!(parse_object(odd), Err(Error::NotAnObject)));
        }
        let deep = "[".repeat(100_000);
        for odd in [&b"{"[..], b"{nope", b"{}{}", b"\x00\xff", b"{\"a\":1e999}", deep.as_bytes()] {
            assert!(matches!(parse_object(odd), Err(Error::NotJson { .. })));
        }
    }

    #[test]
    fn json_has_several_names() {
        for json in ["", "application/json", "Application/JSON", "application/merge-patch+json"] {
            assert!(may_be_json(json), "{json}");
        }
        for other in ["text/plain", "application/x-www-form-urlencoded", "text/json+json"] {
            assert!(!may_be_json(other), "{other}");
        }
    }
}
