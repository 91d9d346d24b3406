//! Every failure a caller can see, and how it looks from outside.
//!
//! Rooms below have their own error types and know nothing of HTTP or JSON-RPC. [`Error::face`] is
//! the only place where a failure meets a status code.

use std::borrow::Cow;

use serde::Serialize;

use crate::actors::CallError;
use crate::auth::AuthError;
use crate::engine::{EngineError, FieldProblem, InvalidArguments};
use crate::store::StoreError;

/// Why a request got no answer of the kind it asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Auth(#[from] AuthError),

    #[error(transparent)]
    Call(#[from] CallError),

    #[error("this server does not answer to that Host; see http.trusted_hosts (TRUSTED_HOSTS)")]
    HostRefused,

    #[error("this server answers over HTTPS only")]
    HttpsRequired,

    #[error("pages of this origin may not call; see cors.allowed_origins (ALLOWED_ORIGINS)")]
    OriginRefused,

    #[error("the preflight names no origin, or a method or header that is not allowed")]
    PreflightRefused,

    #[error("too many requests from this address; try again in {retry_after} s")]
    RateLimited { retry_after: u64 },

    #[error("too many failed attempts from this address; try again in {retry_after} s")]
    TooManyFailures { retry_after: u64 },

    #[error("this credential has {limit} streams open already; close one first")]
    TooManyStreams { limit: usize },

    #[error("the rate limiter does not answer; try again with a valid credential or later")]
    LimiterDown,

    #[error("the header {name} cannot be read, or stands there twice with different values")]
    BadHeader { name: &'static str },

    #[error("send application/json in Content-Type")]
    UnsupportedType,

    #[error("send the body without Content-Encoding")]
    UnsupportedEncoding,

    #[error("the body is empty")]
    EmptyBody,

    #[error("the body is not valid JSON (line {line}, column {column})")]
    NotJson { line: usize, column: usize },

    #[error("the body is not a JSON object")]
    NotAnObject,

    #[error("a name stands twice in one object of the body")]
    NameTwice,

    #[error("the body is larger than the limit of {limit} bytes")]
    BodyTooLarge { limit: usize },

    #[error("the body did not arrive in time")]
    BodyTimeout,

    #[error("the body broke off")]
    BodyBroken,

    #[error("the query string cannot be read")]
    BadQuery,

    /// For the routes of older servers: the text stands in `error`, word for word.
    #[error("{problem}")]
    BadRequest { problem: String },

    #[error("there is nothing at this path")]
    NoRoute,

    #[error("this path does not take that method; see the header Allow")]
    WrongMethod,

    #[error("there is no memory with this id")]
    UnknownMemory,

    /// Both are what the caller sent, and nothing else.
    #[error("Access denied: Memory {id} does not belong to user {user}")]
    ForeignMemory { id: String, user: String },

    #[error("a request handler panicked")]
    Panicked,
}

/// How one failure looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Face {
    /// HTTP status, for REST and for MCP 2026-07-28.
    pub status: u16,
    /// JSON-RPC error code. Ours are the status times ten, outside the range JSON-RPC reserves.
    pub rpc: i32,
    /// A word that clients may match on. Part of the API: never renamed.
    pub code: &'static str,
    /// The text of `error`. Part of the API as well: clients of older servers compare it.
    pub title: &'static str,
}

/// The one error body of REST.
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    pub error: Cow<'a, str>,
    pub message: Cow<'a, str>,
    pub detail: Cow<'a, str>,
    pub code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<&'a [FieldProblem]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Error {
    #[must_use]
    pub fn face(&self) -> Face {
        match self {
            Self::Auth(denied) | Self::Call(CallError::Denied(denied)) => auth_face(denied),
            Self::Call(CallError::Refused(refused)) => engine_face(refused),
            Self::Call(CallError::Busy) => face(503, "busy", "Server busy"),
            Self::Call(CallError::Stopped) => face(503, "stopping", "Server stopping"),
            Self::HostRefused => face(400, "host_refused", "Host not allowed"),
            Self::HttpsRequired => face(403, "https_required", "HTTPS required"),
            Self::OriginRefused => face(403, "origin_refused", "Origin not allowed"),
            Self::PreflightRefused => face(400, "preflight_refused", "Preflight not allowed"),
            Self::RateLimited { .. } | Self::TooManyFailures { .. } => {
                face(429, "rate_limited", "Rate limit exceeded")
            }
            Self::TooManyStreams { .. } => face(429, "too_many_streams", "Too many streams"),
            Self::LimiterDown => face(503, "busy", "Server busy"),
            Self::BadHeader { .. } => face(400, "invalid_header", "Invalid header"),
            Self::UnsupportedType => face(415, "unsupported_type", "Unsupported media type"),
            Self::UnsupportedEncoding => face(415, "unsupported_encoding", "Unsupported encoding"),
            Self::EmptyBody | Self::NotJson { .. } => {
                rpc(400, -32700, "invalid_json", "Invalid JSON")
            }
            Self::NotAnObject => rpc(400, -32600, "not_an_object", "Invalid JSON"),
            Self::NameTwice => rpc(400, -32600, "name_twice", "Invalid JSON"),
            Self::BodyTooLarge { .. } => face(413, "body_too_large", "Request body too large"),
            Self::BodyTimeout => face(408, "body_timeout", "Request timeout"),
            Self::BodyBroken => face(400, "body_broken", "Incomplete request body"),
            Self::BadQuery => face(400, "invalid_query", "Invalid query string"),
            Self::BadRequest { .. } => rpc(400, -32602, "validation_error", "Bad request"),
            Self::NoRoute => rpc(404, -32601, "no_route", "Not found"),
            Self::WrongMethod => face(405, "method_not_allowed", "Method not allowed"),
            Self::UnknownMemory => face(404, "not_found", MEMORY_NOT_FOUND),
            Self::ForeignMemory { .. } => face(403, "access_denied", "Access denied"),
            Self::Call(CallError::Panicked) | Self::Panicked => INTERNAL,
        }
    }

    /// What the caller is told. The cause of a server fault goes to the log, never to the wire.
    #[must_use]
    pub fn told(&self) -> Cow<'static, str> {
        if self.face().status == INTERNAL.status {
            return Cow::Borrowed("the server failed to carry this out; its log says why");
        }
        match self {
            Self::Call(CallError::Refused(EngineError::Store(StoreError::Unavailable {
                ..
            }))) => Cow::Borrowed("the store cannot write at the moment; reading goes on"),
            told => Cow::Owned(told.to_string()),
        }
    }

    #[must_use]
    pub fn body(&self) -> Body<'_> {
        let (face, told) = (self.face(), self.told());
        let error = match self {
            Self::BadRequest { problem } => Cow::Borrowed(problem.as_str()),
            _ => Cow::Borrowed(face.title),
        };
        let (fields, retry_after) = (self.fields(), self.retry_after());
        Body { error, message: told.clone(), detail: told, code: face.code, fields, retry_after }
    }

    /// What is wrong with each field, if fields are what is wrong.
    #[must_use]
    pub fn fields(&self) -> Option<&[FieldProblem]> {
        match self {
            Self::Call(CallError::Refused(EngineError::Invalid(invalid))) => Some(&invalid.fields),
            _ => None,
        }
    }

    /// Seconds until another try makes sense.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after } | Self::TooManyFailures { retry_after } => {
                Some(*retry_after)
            }
            Self::Call(CallError::Busy | CallError::Stopped)
            | Self::LimiterDown
            | Self::TooManyStreams { .. } => Some(1),
            Self::Call(CallError::Refused(EngineError::Store(StoreError::Busy))) => Some(1),
            _ => None,
        }
    }

    /// Logs a server fault. Called once, where the failure is answered.
    pub fn log(&self) {
        let Face { status, code, .. } = self.face();
        if status == INTERNAL.status {
            log::error!("request failed: code={code} cause={self}");
        } else if status > INTERNAL.status {
            log::warn!("request refused: code={code} cause={self}");
        }
    }
}

impl Face {
    /// The word for a failed tool call, which knows only six of them.
    #[must_use]
    pub fn tool_code(&self) -> &'static str {
        match self.status {
            401 | 403 => "access_denied",
            404 => "not_found",
            409 => "conflict",
            413 | 429 | 507 => "limit_exceeded",
            500.. => "storage_unavailable",
            _ => "validation_error",
        }
    }
}

impl From<EngineError> for Error {
    fn from(refused: EngineError) -> Self {
        Self::Call(CallError::Refused(refused))
    }
}

impl From<InvalidArguments> for Error {
    fn from(invalid: InvalidArguments) -> Self {
        EngineError::Invalid(invalid).into()
    }
}

const MEMORY_NOT_FOUND: &str = "Memory not found";
const INTERNAL: Face = rpc(500, -32603, "internal", "Internal server error");

fn auth_face(denied: &AuthError) -> Face {
    match denied {
        AuthError::Missing => {
            face(401, "unauthenticated", "Missing or invalid Authorization header")
        }
        AuthError::Rejected => face(401, "invalid_credential", "Invalid authentication token"),
        AuthError::UserMismatch => face(401, "user_mismatch", "User ID mismatch"),
        AuthError::Forbidden { .. } => face(403, "insufficient_scope", "Insufficient scope"),
        AuthError::NotOwner { .. } => face(403, "access_denied", "Access denied"),
    }
}

fn engine_face(refused: &EngineError) -> Face {
    match refused {
        EngineError::Invalid(_) => rpc(422, -32602, "validation_error", "Validation failed"),
        EngineError::NotFound { .. } => face(404, "not_found", MEMORY_NOT_FOUND),
        EngineError::Conflict { .. } => face(409, "conflict", "Version conflict"),
        EngineError::TooLarge { .. } => face(413, "limit_exceeded", "Content too large"),
        EngineError::Denied { .. } => face(403, "insufficient_scope", "Insufficient scope"),
        EngineError::Store(broken) => store_face(broken),
    }
}

fn store_face(broken: &StoreError) -> Face {
    match broken {
        StoreError::Unavailable { .. } => face(503, "storage_unavailable", "Storage unavailable"),
        StoreError::Busy => face(503, "busy", "Server busy"),
        StoreError::TooLarge { .. } => face(413, "limit_exceeded", "Content too large"),
        StoreError::TooManySessions { .. } => face(507, "limit_exceeded", "Too many users"),
        StoreError::Damaged { .. }
        | StoreError::Locked { .. }
        | StoreError::NewerFormat { .. }
        | StoreError::Unrecoverable { .. }
        | StoreError::Disk { .. } => INTERNAL,
    }
}

const fn face(status: u16, code: &'static str, title: &'static str) -> Face {
    Face { status, rpc: status as i32 * 10, code, title }
}

const fn rpc(status: u16, rpc: i32, code: &'static str, title: &'static str) -> Face {
    Face { status, rpc, code, title }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_server_fault_stays_in_the_log() {
        let reason = "sled said: /var/lib/memoryd is full".to_owned();
        let full = Error::from(EngineError::from(StoreError::Unavailable { reason }));

        let body = serde_json::to_string(&full.body()).unwrap();

        assert_eq!(full.face().code, "storage_unavailable");
        assert!(full.to_string().contains("sled") && !body.contains("sled"), "{body}");
    }

    #[test]
    fn the_texts_that_older_clients_compare_stand() {
        let error = |error: Error| serde_json::to_value(error.body()).unwrap()["error"].clone();

        assert_eq!(error(AuthError::Missing.into()), "Missing or invalid Authorization header");
        assert_eq!(error(AuthError::Rejected.into()), "Invalid authentication token");
        assert_eq!(error(AuthError::UserMismatch.into()), "User ID mismatch");
        assert_eq!(error(Error::RateLimited { retry_after: 1 }), "Rate limit exceeded");
        assert_eq!(error(Error::UnknownMemory), "Memory not found");
        assert_eq!(error(Error::BadRequest { problem: "Missing x".to_owned() }), "Missing x");
    }

    #[test]
    fn field_problems_are_listed() {
        let body = Error::from(InvalidArguments::one("limit", "is required"));

        let body = serde_json::to_value(body.body()).unwrap();

        assert_eq!(body["fields"][0]["field"], "limit");
        assert_eq!(body["code"], "validation_error");
        assert!(body.get("retry_after").is_none());
    }
}
