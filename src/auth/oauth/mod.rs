//! The rules of OAuth 2.1 as they are without a wire: who may register, where a browser is sent back to,
//! which codes and tokens are good, and how long.
//!
//! A client registers ([`Registration`]), is known by name ([`pinned_client`]) or describes itself ([`ClientUrl`]), asks ([`AuthorizeRequest`]), is
//! allowed something by a user, and changes a code for tokens ([`TokenAsk`]). What waits for its next step
//! lies in the [`Lobby`] and ends with the process; what was allowed is a [`Grant`](crate::model::Grant) in
//! the [`GrantBook`]. Times are arguments, and every secret is kept as its digest.

mod authorize;
mod book;
mod described;
mod exchange;
mod form;
mod issuer;
mod lobby;
mod pinned;
mod pkce;
mod redirect;
mod refusal;
mod register;
mod rotation;

use ring::digest::{SHA256, digest};

use super::{RandomnessFailed, generate_key};
use crate::model::{GRANT_START, Secret, TokenDigest, TokenPrefix};

pub use authorize::{Approved, AuthorizeRequest, BadAsk, answer_url};
pub use book::{GrantBook, GrantPolicy};
pub use described::{ClientUrl, Descriptions, Standing};
pub use exchange::{ClientClaim, TokenAsk};
pub use form::Pairs;
pub use issuer::{Issuer, OFFERED_SCOPES};
pub use lobby::{Door, Lobby, Spending, TooMany};
pub use pinned::pinned_client;
pub use redirect::{Redirect, RedirectKind};
pub use refusal::OauthError;
pub use register::{Registered, Registration, client_document, manages_client};
pub use rotation::{ACCESS_LIFE, Renewal, TokenPair, issue, renew};

/// What access tokens, refresh tokens and codes begin with.
const ACCESS_START: &str = "mat_";
const REFRESH_START: &str = "mrt_";
const CODE_START: &str = "mac_";
const CLIENT_START: &str = "mc_";

/// 130 bits, which nobody guesses.
const CLIENT_CHARS: usize = 22;
/// 48 bits tell one grant from another.
const GRANT_CHARS: usize = 8;

/// Whether a secret looks like an access token of a grant.
#[must_use]
pub fn is_access_token(secret: &str) -> bool {
    secret.starts_with(ACCESS_START)
}

/// By what a secret is known again.
#[must_use]
pub fn digest_of(secret: &str) -> TokenDigest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    TokenDigest(bytes)
}

/// A code, to be shown once.
pub fn new_code() -> Result<Secret, RandomnessFailed> {
    fresh(CODE_START)
}

/// An id for a client that registers.
pub fn new_client_id() -> Result<String, RandomnessFailed> {
    Ok(CLIENT_START.to_owned() + &beginning(CLIENT_CHARS)?)
}

/// An id for a grant.
pub fn new_grant_id() -> Result<TokenPrefix, RandomnessFailed> {
    loop {
        let id = GRANT_START.to_owned() + &beginning(GRANT_CHARS)?;
        if let Some(id) = TokenPrefix::of(&id) {
            return Ok(id);
        }
    }
}

fn fresh(start: &str) -> Result<Secret, RandomnessFailed> {
    Ok(Secret::new(format!("{start}{}", generate_key()?.reveal())))
}

fn beginning(chars: usize) -> Result<String, RandomnessFailed> {
    Ok(generate_key()?.reveal().chars().take(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_secrets_are_told_apart_by_how_they_begin() {
        let (client, grant) = (new_client_id().unwrap(), new_grant_id().unwrap());
        let (code, pair) = (new_code().unwrap(), TokenPair::generate().unwrap());

        assert!(client.starts_with("mc_") && client.len() == 25);
        assert!(grant.is_of_grant() && grant.as_str().len() == 12);
        assert!(code.reveal().starts_with("mac_") && code.reveal().len() == 47);
        assert!(is_access_token(pair.access.reveal()) && !is_access_token(pair.refresh.reveal()));
        assert_ne!(digest_of(pair.access.reveal()), digest_of(pair.refresh.reveal()));
    }
}
