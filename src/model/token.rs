use std::fmt;

use serde::Serialize;

use super::{CredentialName, Project, Scopes, Timestamp, ToolSet, UserId};

/// What every token begins with.
pub const TOKEN_START: &str = "mcp_";

/// What the id of every grant begins with. It stands where the beginning of a token stands, and is no
/// part of a secret.
pub const GRANT_START: &str = "mgr_";

/// How much of a token is kept and shown: what it begins with, and 48 of its 256 bits. The id of a
/// grant is as long.
const SHOWN_CHARS: usize = TOKEN_START.len() + 8;

/// A token is as long as this: what it begins with, and 256 bits in base64.
const TOKEN_CHARS: usize = TOKEN_START.len() + 43;

/// SHA-256 of a token, by which it is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenDigest(pub [u8; 32]);

/// The beginning of a token, enough to tell it from every other one and far too little to guess it; or
/// the id of a grant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TokenPrefix(String);

/// All that is kept of a token. The token itself was shown once, when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub digest: TokenDigest,
    pub prefix: TokenPrefix,
    /// What logs, lists and memories call it.
    pub name: CredentialName,
    /// What its owner called it.
    pub label: Option<String>,
    pub user: UserId,
    pub email: Option<String>,
    pub scopes: Scopes,
    /// Where all that it does has to stay.
    pub project: Option<Project>,
    /// What it stores is provisional.
    pub is_guest: bool,
    /// The tools that it is shown; those of the server if there are none.
    pub tools: Vec<ToolSet>,
    pub created_at: Timestamp,
    /// From here on it is refused; never if there is nothing.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// To about a minute.
    pub last_used_at: Option<Timestamp>,
}

/// Whether a token opens anything now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    Active,
    Revoked,
    Expired,
}

impl TokenPrefix {
    /// Of a whole token, or of what was once shown of one; nothing if it does not look like either.
    #[must_use]
    pub fn of(token: &str) -> Option<Self> {
        let is_fit = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let shown = token.get(..SHOWN_CHARS)?;
        let is_ours =
            shown.starts_with(TOKEN_START) || token.len() == SHOWN_CHARS && is_grant(shown);
        (is_ours && token.chars().all(is_fit)).then(|| Self(shown.to_owned()))
    }

    /// Of a whole token and of nothing else.
    #[must_use]
    pub fn of_token(token: &str) -> Option<Self> {
        Self::of(token).filter(|_| token.len() == TOKEN_CHARS)
    }

    /// Whether it is the id of a grant.
    #[must_use]
    pub fn is_of_grant(&self) -> bool {
        is_grant(&self.0)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_grant(shown: &str) -> bool {
    shown.starts_with(GRANT_START)
}

impl Token {
    #[must_use]
    pub fn state(&self, now: Timestamp) -> TokenState {
        if self.revoked_at.is_some() {
            TokenState::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            TokenState::Expired
        } else {
            TokenState::Active
        }
    }
}

impl TokenState {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for TokenPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_had_of_a_token_and_of_itself() {
        let token = format!("mcp_{}", "Ab3-_".repeat(9).get(..43).unwrap());

        let prefix = TokenPrefix::of(&token).unwrap();

        assert_eq!(prefix.as_str(), "mcp_Ab3-_Ab3");
        assert_eq!(TokenPrefix::of_token(&token).as_ref(), Some(&prefix));
        assert_eq!(TokenPrefix::of_token(prefix.as_str()), None);
        assert_eq!(TokenPrefix::of(prefix.as_str()), Some(prefix));
        let grant = TokenPrefix::of("mgr_Ab3-_Ab3").unwrap();
        assert!(grant.is_of_grant() && !TokenPrefix::of("mcp_Ab3-_Ab3").unwrap().is_of_grant());
        assert_eq!(TokenPrefix::of("mgr_Ab3-_Ab3x"), None, "the id of a grant has no more to it");
        for odd in ["", "mcp_", "mcp_Ab3-_Ab", "abc_Ab3-_Ab3", "mcp_Ab3-_Ab3 x", "mcp_\u{e9}23456"]
        {
            assert_eq!(TokenPrefix::of(odd), None, "{odd}");
        }
    }
}
