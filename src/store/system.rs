//! The layouts of the records that are nobody's memories: tokens, the audit, the clock.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::records::parsed;
use super::{CodecError, Key, Record};
use crate::model::{
    AuditEvent, AuditKind, CredentialName, Project, Scope, Timestamp, Token, TokenDigest,
    TokenPrefix, ToolSet, TrustedTime, UserId,
};

/// When an event happened, in milliseconds since 1970, and its number within that millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditKey {
    pub at: u64,
    pub number: u64,
}

/// A token as it lies on disk since version 1. The digest is in the key.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenV1 {
    prefix: String,
    name: String,
    label: Option<String>,
    user: String,
    email: Option<String>,
    scopes: Vec<String>,
    project: Option<String>,
    is_guest: bool,
    tools: Vec<String>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
}

/// An event of the audit as it lies on disk since version 1. Its time is in the key.
#[derive(Debug, Serialize, Deserialize)]
pub struct AuditV1 {
    pub(super) event: u8,
    pub(super) user: Option<String>,
    pub(super) credential: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) address: Option<String>,
    pub(super) client: Option<String>,
    pub(super) count: u64,
}

/// The key of the only record of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnlyKey;

/// What is known of the clock, as it lies on disk since version 1.
#[derive(Debug, Serialize, Deserialize)]
pub struct TrustedTimeV1 {
    trusted: i64,
    seen: i64,
    /// In milliseconds.
    even_for: Option<u64>,
}

impl Key for OnlyKey {
    fn to_bytes(&self) -> Vec<u8> {
        vec![0]
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes == [0]).then_some(Self)
    }
}

impl Key for TokenDigest {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }
}

impl Key for AuditKey {
    fn to_bytes(&self) -> Vec<u8> {
        (self.at, self.number).to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (at, number) = Key::from_bytes(bytes)?;
        Some(Self { at, number })
    }
}

impl Record for Token {
    type Key = TokenDigest;
    type Body = TokenV1;
    const PREFIX: u8 = 2;
    const VERSION: u8 = 1;
    const KIND: &'static str = "token";

    fn to_body(&self) -> TokenV1 {
        TokenV1 {
            prefix: self.prefix.to_string(),
            name: self.name.to_string(),
            label: self.label.clone(),
            user: self.user.to_string(),
            email: self.email.clone(),
            scopes: self.scopes.as_slice().iter().map(Scope::to_string).collect(),
            project: self.project.as_ref().map(Project::to_string),
            is_guest: self.is_guest,
            tools: self.tools.iter().map(|set| set.name().to_owned()).collect(),
            created_at: self.created_at.0,
            expires_at: self.expires_at.map(|at| at.0),
            revoked_at: self.revoked_at.map(|at| at.0),
            last_used_at: self.last_used_at.map(|at| at.0),
        }
    }

    fn from_body(key: &TokenDigest, body: TokenV1) -> Result<Self, CodecError> {
        let scopes: Option<_> = body.scopes.iter().map(|word| Scope::parse(word)).collect();
        let tools: Option<_> = body.tools.iter().map(|name| ToolSet::parse(name)).collect();
        Ok(Self {
            digest: *key,
            prefix: TokenPrefix::of(&body.prefix).ok_or(CodecError::Field("prefix"))?,
            name: CredentialName::parse(&body.name).map_err(|_| CodecError::Field("name"))?,
            label: body.label,
            user: UserId::parse(&body.user).map_err(|_| CodecError::Field("user"))?,
            email: body.email,
            scopes: scopes.ok_or(CodecError::Field("scopes"))?,
            project: parsed("project", body.project, |text| Project::parse(text).ok())?,
            is_guest: body.is_guest,
            tools: tools.ok_or(CodecError::Field("tools"))?,
            created_at: Timestamp(body.created_at),
            expires_at: body.expires_at.map(Timestamp),
            revoked_at: body.revoked_at.map(Timestamp),
            last_used_at: body.last_used_at.map(Timestamp),
        })
    }
}

impl Record for AuditEvent {
    type Key = AuditKey;
    type Body = AuditV1;
    const PREFIX: u8 = 3;
    const VERSION: u8 = 1;
    const KIND: &'static str = "audit";

    fn to_body(&self) -> AuditV1 {
        AuditV1 {
            event: self.event.code(),
            user: self.user.as_ref().map(UserId::to_string),
            credential: self.credential.as_ref().map(CredentialName::to_string),
            prefix: self.prefix.as_ref().map(TokenPrefix::to_string),
            reason: self.reason.clone(),
            address: self.address.map(|address| address.to_string()),
            client: self.client.clone(),
            count: self.count,
        }
    }

    fn from_body(key: &AuditKey, body: AuditV1) -> Result<Self, CodecError> {
        let credential = |text: &str| CredentialName::parse(text).ok();
        Ok(Self {
            at: Timestamp(i64::try_from(key.at).unwrap_or(i64::MAX)),
            event: AuditKind::of_code(body.event).ok_or(CodecError::Field("event"))?,
            user: parsed("user", body.user, |text| UserId::parse(text).ok())?,
            credential: parsed("credential", body.credential, credential)?,
            prefix: parsed("prefix", body.prefix, TokenPrefix::of)?,
            reason: body.reason,
            address: parsed("address", body.address, |text| text.parse::<IpAddr>().ok())?,
            client: body.client,
            count: body.count,
        })
    }
}

impl Record for TrustedTime {
    type Key = OnlyKey;
    type Body = TrustedTimeV1;
    const PREFIX: u8 = 6;
    const VERSION: u8 = 1;
    const KIND: &'static str = "clock";

    fn to_body(&self) -> TrustedTimeV1 {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        TrustedTimeV1 {
            trusted: self.trusted.0,
            seen: self.seen.0,
            even_for: self.even_for.map(millis),
        }
    }

    fn from_body(_: &OnlyKey, body: TrustedTimeV1) -> Result<Self, CodecError> {
        Ok(Self {
            trusted: Timestamp(body.trusted),
            seen: Timestamp(body.seen),
            even_for: body.even_for.map(Duration::from_millis),
        })
    }
}
