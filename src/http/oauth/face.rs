use std::fmt;
use std::net::IpAddr;

use actix_web::{HttpMessage, HttpRequest};

use super::describing::Describing;
use crate::actors::{Accounts, AskedFrom};
use crate::auth::oauth::{ClientUrl, Door, Issuer, Lobby, Pairs, TooMany, pinned_client};
use crate::error::Error;
use crate::http::front::Client;
use crate::model::{OauthClient, Timestamp};
use crate::outward::Documents;

/// What the routes of OAuth share. One for all workers.
pub struct OauthFace {
    pub(super) issuer: Issuer,
    pub(super) accounts: Accounts,
    /// Nothing where no description is fetched.
    describing: Option<Describing>,
}

impl OauthFace {
    /// Of a server that is reached at this URL. With `documents` clients may describe themselves elsewhere.
    #[must_use]
    pub fn new(public_url: &str, accounts: Accounts, documents: Option<Documents>) -> Self {
        let describing = documents.map(Describing::new);
        Self { issuer: Issuer::of(public_url), accounts, describing }
    }

    /// Whether descriptions of clients are fetched.
    pub(super) fn fetches_clients(&self) -> bool {
        self.describing.is_some()
    }

    /// The address at which a client describes itself that has to be asked for it: none of the known ones, and
    /// not ourselves.
    pub(super) fn address_of_client(&self, pairs: &Pairs) -> Option<ClientUrl> {
        let id = pairs.one("client_id").ok().flatten().filter(|_| self.fetches_clients())?;
        let is_ours = |url: &ClientUrl| self.issuer.is_host(url.host());
        let is_known = pinned_client(id).is_some();
        ClientUrl::parse(id).filter(|url| !is_known && !is_ours(url))
    }

    /// The client that describes itself at an address. Only for somebody who has signed in.
    pub(super) async fn described(&self, url: ClientUrl) -> Result<OauthClient, Error> {
        let describing = self.describing.as_ref().ok_or(Error::NoRoute)?;
        describing.client(url, &self.accounts).await
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
