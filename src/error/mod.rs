//! Every failure a caller can see, and how it looks from outside.
//!
//! Rooms below have their own error types and know nothing of HTTP or JSON-RPC. [`Error::code`] is
//! the only place where a failure meets its [`Code`], and the table of codes the only one where a
//! code meets a status. Begin reading at `code.rs`.
//!
//! It refuses to tell the cause of a fault of ours to anybody but the log.

mod code;

use std::borrow::Cow;

use serde::Serialize;

use crate::actors::CallError;
use crate::auth::{AuthError, TokenError};
use crate::engine::{EngineError, FieldProblem, InvalidArguments};
use crate::store::StoreError;
pub use code::Code;

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

    #[error(
        "this server runs without keys, and answers nobody through a proxy; see auth.disabled (DISABLE_AUTH)"
    )]
    ForwardedRefused,

    #[error("this port speaks HTTPS; begin the URL with https://")]
    PlainHttp,

    #[error("pages of this origin may not call; see cors.allowed_origins (ALLOWED_ORIGINS)")]
    OriginRefused,

    #[error(
        "this form is too old, or came from another page; load the page anew and send it again"
    )]
    FormRefused,

    #[error("the preflight names no origin, or a method or header that is not allowed")]
    PreflightRefused,

    #[error("too many requests from this address; try again in {retry_after} s")]
    RateLimited { retry_after: u64 },

    #[error("too many failed attempts from this address; try again in {retry_after} s")]
    TooManyFailures { retry_after: u64 },

    #[error("this credential has {limit} streams open already; close one first")]
    TooManyStreams { limit: usize },

    #[error("a file of this user's is being imported already; send this one when that is done")]
    UploadGoesOn,

    #[error(
        "too many answers wait to be read; read them, or try again later. What was asked may be done"
    )]
    AnswersUnread,

    #[error("the header {name} cannot be read, or stands there twice with different values")]
    BadHeader { name: &'static str },

    #[error("send application/json in Content-Type")]
    UnsupportedType,

    #[error("send application/x-ndjson in Content-Type")]
    NotJsonLines,

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

    /// For the routes of older servers and for files of other products: the text stands in `error`, word
    /// for word.
    #[error("{problem}")]
    BadRequest { problem: String },

    #[error("there is nothing at this path")]
    NoRoute,

    #[error("this path does not take that method; see the header Allow")]
    WrongMethod,

    #[error("there is no memory with this id")]
    UnknownMemory,

    #[error("a request handler panicked")]
    Panicked,
}

/// The one error body of REST.
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    pub error: Cow<'a, str>,
    pub message: Cow<'a, str>,
    pub detail: Cow<'a, str>,
    pub code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<&'a [FieldProblem]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Error {
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Auth(denied) | Self::Call(CallError::Denied(denied)) => code_of_denial(denied),
            Self::Call(CallError::Refused(refused)) => code_of_refusal(refused),
            Self::Call(CallError::Foreign { .. }) => Code::AccessDenied,
            Self::Call(CallError::Token(TokenError::NotActive { .. })) => Code::TokenNotActive,
            Self::Call(CallError::Token(TokenError::Unknown | TokenError::UnknownGrant)) => {
                Code::TokenNotFound
            }
            Self::Call(CallError::Token(TokenError::OnlyShut { .. })) => Code::StorageUnavailable,
            Self::Call(CallError::Token(TokenError::Randomness(_))) => Code::Internal,
            Self::Call(CallError::Backup(_)) => Code::BackupFailed,
            Self::Call(CallError::Busy) | Self::AnswersUnread | Self::UploadGoesOn => Code::Busy,
            Self::Call(CallError::Stopped) => Code::Stopping,
            Self::HostRefused => Code::HostRefused,
            Self::HttpsRequired => Code::HttpsRequired,
            Self::ForwardedRefused => Code::ForwardedRefused,
            Self::PlainHttp => Code::PlainHttp,
            Self::OriginRefused | Self::FormRefused => Code::OriginRefused,
            Self::PreflightRefused => Code::PreflightRefused,
            Self::RateLimited { .. } | Self::TooManyFailures { .. } => Code::RateLimited,
            Self::TooManyStreams { .. } => Code::TooManyStreams,
            Self::BadHeader { .. } => Code::InvalidHeader,
            Self::UnsupportedType | Self::NotJsonLines => Code::UnsupportedType,
            Self::UnsupportedEncoding => Code::UnsupportedEncoding,
            Self::EmptyBody | Self::NotJson { .. } => Code::InvalidJson,
            Self::NotAnObject => Code::NotAnObject,
            Self::NameTwice => Code::NameTwice,
            Self::BodyTooLarge { .. } => Code::BodyTooLarge,
            Self::BodyTimeout => Code::BodyTimeout,
            Self::BodyBroken => Code::BodyBroken,
            Self::BadQuery => Code::InvalidQuery,
            Self::BadRequest { .. } => Code::BadRequest,
            Self::NoRoute => Code::NoRoute,
            Self::WrongMethod => Code::MethodNotAllowed,
            Self::UnknownMemory => Code::NotFound,
            Self::Call(CallError::Panicked) | Self::Panicked => Code::Internal,
        }
    }

    /// What the caller is told. The cause of a server fault goes to the log, never to the wire.
    #[must_use]
    pub fn told(&self) -> Cow<'static, str> {
        if self.code() == Code::Internal {
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
        let (code, told) = (self.code(), self.told());
        let error = match self {
            Self::BadRequest { problem } => Cow::Borrowed(problem.as_str()),
            _ => Cow::Borrowed(code.title()),
        };
        let (fields, retry_after) = (self.fields(), self.retry_after());
        Body { error, message: told.clone(), detail: told, code, fields, retry_after }
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
            | Self::AnswersUnread
            | Self::UploadGoesOn
            | Self::TooManyStreams { .. } => Some(1),
            Self::Call(CallError::Refused(EngineError::Store(StoreError::Busy))) => Some(1),
            _ => None,
        }
    }

    /// Logs a server fault. Called once, where the failure is answered.
    pub fn log(&self) {
        let code = self.code();
        if code == Code::Internal {
            log::error!("request failed: code={} cause={self}", code.word());
        } else if code.status() >= Code::Internal.status() {
            log::warn!("request refused: code={} cause={self}", code.word());
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

fn code_of_denial(denied: &AuthError) -> Code {
    match denied {
        AuthError::Missing => Code::Unauthenticated,
        AuthError::Rejected => Code::InvalidCredential,
        AuthError::UserMismatch => Code::UserMismatch,
        AuthError::Forbidden { .. } => Code::InsufficientScope,
        AuthError::NotOwner { .. } => Code::AccessDenied,
    }
}

fn code_of_refusal(refused: &EngineError) -> Code {
    match refused {
        EngineError::Invalid(_) => Code::ValidationError,
        EngineError::NotFound { .. } => Code::NotFound,
        EngineError::Conflict { .. } => Code::Conflict,
        EngineError::TooLarge { .. } => Code::LimitExceeded,
        EngineError::Denied { .. } => Code::InsufficientScope,
        EngineError::Bound | EngineError::Guest => Code::AccessDenied,
        EngineError::Store(broken) => code_of_fault(broken),
    }
}

fn code_of_fault(broken: &StoreError) -> Code {
    match broken {
        StoreError::Unavailable { .. } | StoreError::Lost | StoreError::Disk { .. } => {
            Code::StorageUnavailable
        }
        StoreError::Busy => Code::Busy,
        StoreError::TooLarge { .. } => Code::LimitExceeded,
        StoreError::TooManySessions { .. } => Code::TooManyUsers,
        StoreError::Damaged { .. }
        | StoreError::NewerRecord { .. }
        | StoreError::Locked { .. }
        | StoreError::Foreign { .. }
        | StoreError::NotOurs { .. }
        | StoreError::NoStore { .. }
        | StoreError::NewerFormat { .. }
        | StoreError::Encrypted { .. }
        | StoreError::OtherKey { .. }
        | StoreError::NoRoomToEncrypt { .. }
        | StoreError::StoreKeyLost
        | StoreError::Unrecoverable { .. }
        | StoreError::BadFile { .. } => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::BackupError;

    #[test]
    fn the_cause_of_a_server_fault_stays_in_the_log() {
        let reason = "sled said: /var/lib/memoryd is full".to_owned();
        let full = Error::from(EngineError::from(StoreError::Unavailable { reason }));

        let body = serde_json::to_string(&full.body()).unwrap();

        assert_eq!(full.code(), Code::StorageUnavailable);
        assert!(full.to_string().contains("sled") && !body.contains("sled"), "{body}");
    }

    #[test]
    fn a_backup_that_is_not_good_says_which_and_why() {
        let (path, problem) = ("/backups/one.memoryd".into(), "a checksum".to_owned());
        let bad = Error::from(CallError::Backup(BackupError::Damaged { path, problem }));

        let body = serde_json::to_value(bad.body()).unwrap();

        assert_eq!(body["code"], "backup_failed");
        assert_eq!(bad.code().status(), 500);
        assert!(body["message"].as_str().unwrap().contains("one.memoryd is damaged: a checksum"));
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
