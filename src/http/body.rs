//! Reading a request's body: within its limit, in time, and as what it says it is.

use std::pin::pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::model::json::{self, Unreadable};

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
            if !is_json(request.headers()) {
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

/// Reads a JSON object, in which no name may stand twice: two readers could understand two things.
/// serde_json stops at a depth of 128 by itself.
pub fn parse_object(body: &[u8]) -> Result<Map<String, Value>, Error> {
    if body.trim_ascii().is_empty() {
        return Err(Error::EmptyBody);
    }
    match json::read(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Error::NotAnObject),
        Err(Unreadable::Twice) => Err(Error::NameTwice),
        Err(Unreadable::NotJson) => Err(not_json(body)),
    }
}

/// Says where a body stops being JSON, by reading it once more.
fn not_json(body: &[u8]) -> Error {
    let place = serde_json::from_slice::<Value>(body).err();
    let (line, column) = place.map_or((1, 1), |error| (error.line(), error.column()));
    Error::NotJson { line, column }
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

/// Whether a body says that it is JSON, which is always UTF-8 (RFC 8259). Scripts often leave the
/// type out; what they send is JSON then, or refused as such. Another type is refused, because a
/// browser sends those across origins without asking.
///
/// ```text
/// Content-Type: application/merge-patch+json; charset=utf-8
/// ```
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    has_media_type(headers, |kind| {
        let is_suffixed = kind.starts_with("application/") && kind.ends_with("+json");
        kind == "application/json" || is_suffixed
    })
}

/// Whether a body says that it is of a type, in UTF-8, or says nothing. Types are in small letters.
pub(super) fn has_media_type(headers: &HeaderMap, is_wanted: impl Fn(&str) -> bool) -> bool {
    let mut lines = headers.get_all(CONTENT_TYPE);
    let Some(line) = lines.next() else { return true };
    let (Ok(line), None) = (line.to_str(), lines.next()) else { return false };
    let line = line.to_ascii_lowercase();
    let mut parts = line.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let is_utf8 = parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
        name.trim() != "charset" || matches!(value.trim().trim_matches('"'), "utf-8" | "utf8")
    });
    is_utf8 && (kind.is_empty() || is_wanted(kind))
}

impl Default for BodyRules {
    fn default() -> Self {
        Self { limit: 2 * 1024 * 1024, timeout: Duration::from_secs(30) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

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
    fn a_name_stands_once() {
        for twice in [&br#"{"a":1,"a":1}"#[..], br#"{"a":{"b":1,"b":2}}"#, br#"{"a":1,"\u0061":2}"#]
        {
            assert!(matches!(parse_object(twice), Err(Error::NameTwice)));
        }
        assert!(matches!(
            parse_object(b"{\n\"a\": x}"),
            Err(Error::NotJson { line: 2, column: 6 })
        ));
    }

    #[test]
    fn json_has_several_names_and_one_charset() {
        let says_json = |line: &str| {
            let request = TestRequest::post().insert_header(("Content-Type", line));
            is_json(request.to_http_request().headers())
        };

        assert!(is_json(TestRequest::post().to_http_request().headers()));
        for json in [
            "",
            "application/json",
            "Application/JSON;charset=UTF-8",
            "application/merge-patch+json; charset=\"utf-8\"",
            "application/json; profile=x",
        ] {
            assert!(says_json(json), "{json}");
        }
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "text/json+json",
            "x/y+json",
            "text/html;charset=utf-16",
            "application/json;charset=utf-16",
            "application/json; Charset = latin1",
        ] {
            assert!(!says_json(other), "{other}");
        }
    }
}
