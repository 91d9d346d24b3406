//! Who may come in: credentials, scopes, and the one check that turns headers into an [`Identity`].
//!
//! It refuses every credential that it does not know, with one word for all reasons, and never keeps
//! a secret where its digest will do.
//!
//! Begin reading at `credentials.rs`, which is the check.

mod browser;
mod claim;
mod credentials;
mod instance;
mod kept_key;
mod keyring;
mod local_socket;
pub mod oauth;
mod password;
mod presented;
mod project;
mod run_files;
mod tokens;
mod whereabouts;

use crate::model::{Caller, Scope, UserId};

pub use browser::{BrowserDigest, FormKey};
pub use claim::Claim;
pub use credentials::{Credentials, Identity, Refused, Verified};
pub use instance::{InstanceToken, RandomnessFailed, generate_key, proof};
pub use kept_key::{KeptKey, KeptKeyError};
pub use keyring::{Keyring, RingKey};
pub use local_socket::SOCKET_FILE;
pub use password::PasswordFile;
pub use presented::{Carrier, Presented};
pub use project::ProjectRule;
pub use run_files::{Listening, RunFileError, RunFiles};
pub use tokens::{TokenBook, TokenError};
pub use whereabouts::{ServerFile, StdioFile, read_token, seen_from_here};

/// Why somebody was turned away. What is wrong with a credential is never told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    #[error("send a key as `Authorization: Bearer KEY`, `X-API-Key: KEY` or `X-MCP-Token: KEY`")]
    Missing,

    #[error("the credential is unknown, expired or revoked")]
    Rejected,

    #[error("X-MCP-UserID names another user than the credential's own")]
    UserMismatch,

    #[error("this needs the scope {needed}, which the credential does not have")]
    Forbidden { needed: Scope },

    #[error("Access denied: user {user} is not the credential's own user")]
    NotOwner { user: UserId },
}

/// Fails with the missing scope, so the refusal can name it.
pub fn require(caller: &Caller, needed: Scope) -> Result<(), AuthError> {
    if caller.may(needed) { Ok(()) } else { Err(AuthError::Forbidden { needed }) }
}

/// Obeys a `user_id` of a query or body: an administrator may name anybody, others only themselves.
pub fn acting_for(caller: &Caller, user: Option<UserId>) -> Result<Caller, AuthError> {
    match user {
        None => Ok(caller.clone()),
        Some(user) if user == caller.user => Ok(caller.clone()),
        Some(user) if caller.may(Scope::Admin) => Ok(caller.on_behalf_of(user)),
        Some(user) => Err(AuthError::NotOwner { user }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scopes;

    fn caller(scopes: Scopes) -> Caller {
        Caller::of_test("ada", "key", scopes)
    }

    #[test]
    fn only_an_administrator_acts_for_others() {
        let other = || UserId::parse("bob").unwrap();
        let own = || UserId::parse("ada").unwrap();

        let plain = caller(Scopes::read_write());
        assert_eq!(acting_for(&plain, None).unwrap().user, own());
        assert_eq!(acting_for(&plain, Some(own())).unwrap().user, own());
        let refused = acting_for(&plain, Some(other())).unwrap_err();
        assert_eq!(refused, AuthError::NotOwner { user: other() });

        let admin = caller(Scopes::all());
        assert_eq!(acting_for(&admin, Some(other())).unwrap().user, other());
    }

    #[test]
    fn a_missing_scope_is_named() {
        let reader = caller(Scopes::read_only());

        assert_eq!(require(&reader, Scope::Read), Ok(()));
        assert_eq!(
            require(&reader, Scope::Admin),
            Err(AuthError::Forbidden { needed: Scope::Admin })
        );
    }
}
