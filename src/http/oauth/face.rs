use std::fmt;
use std::net::IpAddr;

use actix_web::{HttpMessage, HttpRequest};

use crate::actors::{Accounts, AskedFrom};
use crate::auth::oauth::{Door, Issuer, Lobby, TooMany, pinned_client};
use crate::http::front::Client;
use crate::model::{OauthClient, Timestamp};

/// What the routes of OAuth share. One for all workers.
pub struct OauthFace {
    pub(super) issuer: Issuer,
    pub(super) accounts: Accounts,
}

impl OauthFace {
    /// Of a server that is reached at this URL.
    #[must_use]
    pub fn new(public_url: &str, accounts: Accounts) -> Self {
        Self { issuer: Issuer::of(public_url), accounts }
    }

    /// What waits for its next step.
    pub(super) fn lobby(&self) -> &Lobby {
        self.accounts.lobby()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.accounts.now()
    }

    /// Counts something that a stranger begins.
    pub(super) fn enter(&self, door: Door, request: &HttpRequest) -> Result<(), TooMany> {
        address_of(request).map_or(Ok(()), |from| self.lobby().enter(door, from, self.now()))
    }

    /// A client that is known, that was allowed something before, or that has registered.
    pub(super) fn client(&self, id: &str) -> Option<OauthClient> {
        let of_grant = || self.accounts.book().grants().client(id);
        pinned_client(id).or_else(of_grant).or_else(|| self.lobby().client(id, self.now()))
    }
}

/// From where a request comes.
fn address_of(request: &HttpRequest) -> Option<IpAddr> {
    request.extensions().get::<Client>().map(|client| client.address)
}

/// The same for the audit.
pub(super) fn asked_from(request: &HttpRequest) -> AskedFrom {
    AskedFrom(address_of(request))
}

/// Shows nobody who waits in it.
impl fmt::Debug for OauthFace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OauthFace").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
