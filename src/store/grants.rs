//! The layout of what users allowed programs to do over OAuth.

use serde::{Deserialize, Serialize};

use super::records::parsed;
use super::{CodecError, Key, Record};
use crate::model::{
    AccessTicket, ClientAuth, CredentialName, Grant, OauthClient, Project, RefreshTicket, Scope,
    Timestamp, TokenDigest, TokenPrefix, UserId,
};

/// A grant as it lies on disk since version 1. Its id is in the key.
#[derive(Debug, Serialize, Deserialize)]
pub struct GrantV1 {
    name: String,
    client: ClientV1,
    user: String,
    scopes: Vec<String>,
    project: Option<String>,
    is_guest: bool,
    created_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
    /// Digest, and when it expires.
    access: Vec<([u8; 32], i64)>,
    /// Digest, and when another took its place.
    refresh: Vec<([u8; 32], Option<i64>)>,
}

/// The program that a grant was given to, as it lies on disk since version 1.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClientV1 {
    id: String,
    name: String,
    redirect_uris: Vec<String>,
    auth: String,
    secret: Option<[u8; 32]>,
    registration: Option<[u8; 32]>,
    registered_at: i64,
}

/// The id of a grant, which is always as long.
impl Key for TokenPrefix {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_str().as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        Self::of(text).filter(|id| id.as_str() == text && id.is_of_grant())
    }
}

impl Record for Grant {
    type Key = TokenPrefix;
    type Body = GrantV1;
    const PREFIX: u8 = 7;
    const VERSION: u8 = 1;
    const KIND: &'static str = "grant";

    fn to_body(&self) -> GrantV1 {
        GrantV1 {
            name: self.name.to_string(),
            client: ClientV1::of(&self.client),
            user: self.user.to_string(),
            scopes: self.scopes.as_slice().iter().map(Scope::to_string).collect(),
            project: self.project.as_ref().map(Project::to_string),
            is_guest: self.is_guest,
            created_at: self.created_at.0,
            expires_at: self.expires_at.0,
            revoked_at: self.revoked_at.map(|at| at.0),
            last_used_at: self.last_used_at.map(|at| at.0),
            access: self.access.iter().map(|one| (one.digest.0, one.expires_at.0)).collect(),
            refresh: self
                .refresh
                .iter()
                .map(|one| (one.digest.0, one.replaced_at.map(|at| at.0)))
                .collect(),
        }
    }

    fn from_body(key: &TokenPrefix, body: GrantV1) -> Result<Self, CodecError> {
        let scopes: Option<_> = body.scopes.iter().map(|word| Scope::parse(word)).collect();
        let access = |(digest, at): ([u8; 32], i64)| AccessTicket {
            digest: TokenDigest(digest),
            expires_at: Timestamp(at),
        };
        let refresh = |(digest, at): ([u8; 32], Option<i64>)| RefreshTicket {
            digest: TokenDigest(digest),
            replaced_at: at.map(Timestamp),
        };
        Ok(Self {
            id: key.clone(),
            name: CredentialName::parse(&body.name).map_err(|_| CodecError::Field("name"))?,
            client: body.client.into_client()?,
            user: UserId::parse(&body.user).map_err(|_| CodecError::Field("user"))?,
            scopes: scopes.ok_or(CodecError::Field("scopes"))?,
            project: parsed("project", body.project, |text| Project::parse(text).ok())?,
            is_guest: body.is_guest,
            created_at: Timestamp(body.created_at),
            expires_at: Timestamp(body.expires_at),
            revoked_at: body.revoked_at.map(Timestamp),
            last_used_at: body.last_used_at.map(Timestamp),
            access: body.access.into_iter().map(access).collect(),
            refresh: body.refresh.into_iter().map(refresh).collect(),
        })
    }
}

impl ClientV1 {
    fn of(client: &OauthClient) -> Self {
        Self {
            id: client.id.clone(),
            name: client.name.clone(),
            redirect_uris: client.redirect_uris.clone(),
            auth: client.auth.word().to_owned(),
            secret: client.secret.map(|digest| digest.0),
            registration: client.registration.map(|digest| digest.0),
            registered_at: client.registered_at.0,
        }
    }

    fn into_client(self) -> Result<OauthClient, CodecError> {
        Ok(OauthClient {
            id: self.id,
            name: self.name,
            redirect_uris: self.redirect_uris,
            auth: ClientAuth::parse(&self.auth).ok_or(CodecError::Field("auth"))?,
            secret: self.secret.map(TokenDigest),
            registration: self.registration.map(TokenDigest),
            registered_at: Timestamp(self.registered_at),
        })
    }
}
