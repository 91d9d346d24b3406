//! Calls to the outside, none of which is made unless a setting asks for it.
//!
//! A service that the owner named is called where it is ([`client`]). An address that somebody else named is
//! asked for a document ([`Documents`]) only where everybody could ask it.
//!
//! It refuses whatever could lead to this machine or to one of the owner's network, and what is long, slow or
//! no JSON. Begin reading at `documents.rs`.

mod documents;
mod internet;
mod public;
#[cfg(test)]
mod tests;

use awc::{Client, Connector};

use crate::model::Secret;
use crate::tls::TlsClient;

pub use documents::{Documents, FetchError, Fetched, OutwardError};
pub use internet::{Internet, PublicInternet};

/// A client that follows no redirect, says who it is, and waits for as long as whoever asks lets it.
#[must_use]
pub fn client(tls: Option<TlsClient>, key: Option<&Secret>) -> Client {
    let mut client = Client::builder()
        .disable_timeout()
        .disable_redirects()
        .add_default_header(("User-Agent", "memoryd"));
    if let Some(key) = key {
        client = client.bearer_auth(key.reveal());
    }
    match tls {
        Some(tls) => client.connector(Connector::new().rustls_0_23(tls)).finish(),
        None => client.connector(Connector::new()).finish(),
    }
}
