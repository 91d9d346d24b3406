use std::time::Duration;

use super::{
    CredentialName, Project, Scopes, Timestamp, TokenDigest, TokenPrefix, TokenState, UserId,
};

/// How a client shows at the token endpoint who it is (RFC 7591).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// A public client: that it has the code's verifier is all.
    None,
    Post,
    Basic,
}

/// A program that asks for access on behalf of its user: as it registered, or as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthClient {
    pub id: String,
    /// What it calls itself. Anybody can call himself anything.
    pub name: String,
    pub redirect_uris: Vec<String>,
    pub auth: ClientAuth,
    pub secret: Option<TokenDigest>,
    /// Of the token with which the client reads and removes its registration.
    pub registration: Option<TokenDigest>,
    pub registered_at: Timestamp,
}

/// An access token, as its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessTicket {
    pub digest: TokenDigest,
    pub expires_at: Timestamp,
}

/// A refresh token, as its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshTicket {
    pub digest: TokenDigest,
    /// When another took its place.
    pub replaced_at: Option<Timestamp>,
}

/// What a user allowed a program to do, and the tokens it has for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub id: TokenPrefix,
    /// What logs, lists and memories call it.
    pub name: CredentialName,
    pub client: OauthClient,
    pub user: UserId,
    pub scopes: Scopes,
    /// Where all that it does has to stay.
    pub project: Option<Project>,
    /// What it stores is provisional.
    pub is_guest: bool,
    pub created_at: Timestamp,
    /// From here on it is refused, however much it is used.
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    /// To about a minute.
    pub last_used_at: Option<Timestamp>,
    pub access: Vec<AccessTicket>,
    pub refresh: Vec<RefreshTicket>,
}

impl ClientAuth {
    pub const ALL: [Self; 3] = [Self::None, Self::Post, Self::Basic];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Post => "client_secret_post",
            Self::Basic => "client_secret_basic",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|auth| auth.word() == word)
    }
}

impl Grant {
    /// When it ends if nobody uses it any more, who may be idle for so long.
    #[must_use]
    pub fn ends_at(&self, idle: Duration) -> Timestamp {
        let used = self.last_used_at.map_or(self.created_at, |used| used.max(self.created_at));
        self.expires_at.min(used.plus(idle))
    }

    #[must_use]
    pub fn state(&self, now: Timestamp, idle: Duration) -> TokenState {
        if self.revoked_at.is_some() {
            TokenState::Revoked
        } else if self.ends_at(idle) <= now {
            TokenState::Expired
        } else {
            TokenState::Active
        }
    }

    /// Whether an access token of it is good.
    #[must_use]
    pub fn opens_with(&self, access: &TokenDigest, now: Timestamp) -> bool {
        self.access.iter().any(|ticket| ticket.digest == *access && now < ticket.expires_at)
    }
}
