use std::net::IpAddr;

use serde::Serialize;

use super::{CredentialName, Timestamp, TokenPrefix, UserId};

/// Something that somebody did or tried, for whoever asks later. It holds no secret and no memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEvent {
    /// When it happened first.
    pub at: Timestamp,
    pub event: AuditKind,
    /// Whose memories it was about, or whose credential was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialName>,
    /// Of the token that was used, or that it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<TokenPrefix>,
    /// Why it failed, or what was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The client program, as it names itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// How often the same happened within a minute.
    pub count: u64,
}

/// Declares the kinds of events: the word, the byte on disk, and what it means, said once.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $word:literal;)*) => {
        /// What an event of the audit is. The words are part of the API, the numbers of the format.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AuditKind {
            $($(#[$doc])* $name,)*
        }

        impl AuditKind {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What stands on disk for it.
            #[must_use]
            pub fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }

            #[must_use]
            pub fn of_code(code: u8) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.code() == code)
            }

            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.word() == word)
            }
        }
    };
}

kinds! {
    /// A credential verified.
    Success = 1, "success";
    /// A request brought no credential, or one that did not verify.
    AuthFailed = 2, "auth_failed";
    /// A credential was good, and not enough.
    AccessDenied = 3, "access_denied";
    TokenCreated = 4, "token_created";
    TokenRevoked = 5, "token_revoked";
    TokenEnabled = 6, "token_enabled";
    TokenDeleted = 7, "token_deleted";
    TokenRotated = 8, "token_rotated";
    MemoriesDeleted = 9, "memories_deleted";
    MemoriesExported = 10, "memories_exported";
    MemoriesImported = 11, "memories_imported";
    /// Everything of a user was erased.
    UserErased = 12, "user_erased";
    /// A user let a program in, over OAuth.
    GrantCreated = 13, "grant_created";
    GrantRevoked = 14, "grant_revoked";
    /// A code or a refresh token came again that was used before; its grant ended with that.
    GrantReused = 15, "grant_reused";
    /// An administrator looked at what somebody else has stored, on the pages.
    MemoriesViewed = 16, "memories_viewed";
}

impl AuditKind {
    /// Whether somebody was turned away.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::AuthFailed | Self::AccessDenied)
    }
}

impl Serialize for AuditKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
