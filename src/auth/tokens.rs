//! The tokens that were made with this server, as digests in memory, and beside them the grants.
//!
//! The store is their home; whoever changes one there changes it here, and the next request of
//! whoever shows it meets the change. Lookups go by the digest, of which nobody can choose a bit, so
//! the time that one takes tells nothing of any token.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::watch;

use super::oauth::{GrantBook, GrantPolicy, digest_of, is_access_token};
use super::{Identity, RandomnessFailed, generate_key};
use crate::model::few;
use crate::model::{Secret, TOKEN_START, Timestamp, Token, TokenDigest, TokenPrefix, TokenState};

/// When a token was used last is kept to this.
pub(super) const USE_STEP: Duration = Duration::from_secs(60);

/// Every token that is kept, whatever its state.
#[derive(Debug)]
pub struct TokenBook {
    tokens: RwLock<Tokens>,
    grants: GrantBook,
    /// Raised whenever one may have ceased to open anything.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Tokens {
    by_digest: HashMap<TokenDigest, Token>,
    digests: HashMap<TokenPrefix, TokenDigest>,
}

impl Tokens {
    fn of_secret(&self, secret: &str) -> Option<&Token> {
        self.by_digest.get(&digest_of(secret))
    }

    fn of_prefix(&self, prefix: &TokenPrefix) -> Option<&Token> {
        self.by_digest.get(self.digests.get(prefix)?)
    }
}

/// Why a token opens nothing, and whose it is or was. Only the audit is told.
#[derive(Debug)]
pub(super) struct Unfit {
    pub(super) reason: &'static str,
    pub(super) owner: Option<Box<Identity>>,
}

/// Why nothing was done with a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    #[error("there is no such token; name one by itself, by what it begins with, or by its name")]
    Unknown,

    #[error("the token is {state}; only one that is active can be changed for another")]
    NotActive { state: &'static str },

    #[error(
        "it opens nothing any more, but that could not be written ({why}); it is tried again every \
         minute, and until then a restart would make it good again"
    )]
    OnlyShut { why: String },

    #[error("there is no such grant; name one by its id, such as mgr_Ab3dEf12, or by its name")]
    UnknownGrant,

    #[error(transparent)]
    Randomness(#[from] RandomnessFailed),
}

impl Default for TokenBook {
    fn default() -> Self {
        Self::with_grants(GrantPolicy::default())
    }
}

impl TokenBook {
    /// Without a token and without a grant.
    #[must_use]
    pub fn with_grants(policy: GrantPolicy) -> Self {
        let changes = watch::Sender::new(0);
        let grants = GrantBook::new(policy, changes.clone());
        Self { tokens: RwLock::default(), grants, changes }
    }

    /// What users allowed programs to do.
    #[must_use]
    pub fn grants(&self) -> &GrantBook {
        &self.grants
    }

    /// Says whom a token stands for, and whether it is time to note that it was used.
    pub(super) fn verify(&self, secret: &str, now: Timestamp) -> Result<(Identity, bool), Unfit> {
        if is_access_token(secret) {
            return self.grants.verify(secret, now);
        }
        let tokens = self.read();
        let Some(token) = tokens.of_secret(secret) else {
            return Err(Unfit { reason: "an unknown credential", owner: None });
        };
        let unfit = |reason| Err(Unfit { reason, owner: Some(Box::new(identity(token))) });
        match token.state(now) {
            TokenState::Active => {
                let is_due = token.last_used_at.is_none_or(|last| now.since(last) >= USE_STEP);
                Ok((identity(token), is_due))
            }
            TokenState::Revoked => unfit("a revoked token"),
            TokenState::Expired => unfit("an expired token"),
        }
    }

    /// Whether a token with this prefix, or a grant with this id, still opens the door.
    #[must_use]
    pub fn is_open(&self, prefix: &TokenPrefix, now: Timestamp) -> bool {
        if prefix.is_of_grant() {
            return self.grants.is_open(prefix, now);
        }
        let tokens = self.read();
        tokens.of_prefix(prefix).is_some_and(|token| token.state(now) == TokenState::Active)
    }

    /// Turns when a token may have ceased to be good, so that open streams look again.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The tokens that are meant: one by itself or by what it begins with, or all that bear a name,
    /// which are those that took each other's place.
    pub fn find(&self, which: &str) -> Result<Vec<Token>, TokenError> {
        let which = which.trim();
        let tokens = self.read();
        if let Some(token) = tokens.of_secret(which) {
            return Ok(vec![token.clone()]);
        }
        let prefix = TokenPrefix::of(which).filter(|prefix| prefix.as_str() == which);
        let meant: Vec<Token> = match &prefix {
            Some(prefix) => tokens.of_prefix(prefix).cloned().into_iter().collect(),
            None => {
                let all = tokens.by_digest.values();
                all.filter(|token| token.name.as_str() == which).cloned().collect()
            }
        };
        if meant.is_empty() { Err(TokenError::Unknown) } else { Ok(meant) }
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Token> {
        let mut tokens: Vec<Token> = self.read().by_digest.values().cloned().collect();
        few::sort_by(&mut tokens, |a, b| (a.created_at, &a.prefix).cmp(&(b.created_at, &b.prefix)));
        tokens
    }

    /// Takes a token as it stands in the store now.
    pub fn put(&self, token: Token) {
        let mut tokens = self.write();
        tokens.digests.insert(token.prefix.clone(), token.digest);
        tokens.by_digest.insert(token.digest, token);
        drop(tokens);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Notes that a token was used; gives it back as it is to be kept. One that opens nothing any more
    /// is left alone: the word that it was taken back or deleted may be on its way to the disk.
    pub fn used(&self, prefix: &TokenPrefix, now: Timestamp) -> Option<Token> {
        let mut tokens = self.write();
        let digest = *tokens.digests.get(prefix)?;
        let token = tokens.by_digest.get_mut(&digest)?;
        if token.state(now) != TokenState::Active {
            return None;
        }
        token.last_used_at = Some(now);
        Some(token.clone())
    }

    /// Forgets one that is gone from the store.
    pub fn remove(&self, digest: &TokenDigest) {
        let mut tokens = self.write();
        if let Some(token) = tokens.by_digest.remove(digest) {
            tokens.digests.remove(&token.prefix);
        }
        drop(tokens);
        self.changes.send_modify(|count| *count += 1);
    }

    /// A secret that no token has, whose beginning is no other's.
    pub fn generate(&self) -> Result<(Secret, TokenDigest, TokenPrefix), RandomnessFailed> {
        loop {
            let secret = Secret::new(format!("{TOKEN_START}{}", generate_key()?.reveal()));
            let Some(prefix) = TokenPrefix::of(secret.reveal()) else { continue };
            if self.read().of_prefix(&prefix).is_none() {
                let digest = digest_of(secret.reveal());
                return Ok((secret, digest, prefix));
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Tokens> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tokens> {
        self.tokens.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn identity(token: &Token) -> Identity {
    Identity {
        user: token.user.clone(),
        credential: token.name.clone(),
        scopes: token.scopes.clone(),
        bound: token.project.clone(),
        is_guest: token.is_guest,
        token: Some(token.prefix.clone()),
        tools: token.tools.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CredentialName, Scopes, UserId};

    /// The row of a token that was deleted must not come back because somebody had just used it.
    #[test]
    fn a_use_is_noted_of_what_is_good_and_of_nothing_else() {
        let book = TokenBook::default();
        let (_, digest, prefix) = book.generate().unwrap();
        let token = Token {
            digest,
            prefix: prefix.clone(),
            name: CredentialName::parse("laptop").unwrap(),
            label: None,
            user: UserId::default_user(),
            email: None,
            scopes: Scopes::read_only(),
            project: None,
            is_guest: false,
            tools: Vec::new(),
            created_at: Timestamp(0),
            expires_at: Some(Timestamp(9)),
            revoked_at: None,
            last_used_at: None,
        };
        book.put(token.clone());

        assert_eq!(book.used(&prefix, Timestamp(5)).unwrap().last_used_at, Some(Timestamp(5)));
        assert!(book.used(&prefix, Timestamp(9)).is_none(), "it has expired");
        book.put(Token { revoked_at: Some(Timestamp(6)), ..token });
        assert!(book.used(&prefix, Timestamp(7)).is_none(), "it was taken back");
        book.remove(&digest);
        assert!(book.used(&prefix, Timestamp(8)).is_none());
    }
}
