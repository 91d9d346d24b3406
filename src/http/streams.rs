use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt};
use tokio::time::timeout;

use crate::actors::Accounts;
use crate::error::Error;
use crate::model::{Caller, CredentialName, TokenPrefix};

/// A person with several programs open listens to a few; each costs memory for as long as it lasts.
const PER_CREDENTIAL: usize = 16;
/// How long a token may have expired before a stream that was opened with it ends. One that is taken
/// back ends it at once.
const EXPIRY_CHECK: Duration = Duration::from_secs(30);

/// The answers that go on until their reader leaves, or until their credential is no longer good.
#[derive(Debug, Clone)]
pub struct OpenStreams {
    places: Places,
    accounts: Accounts,
}

/// Counts them by the credential that asked for them.
#[derive(Debug, Clone, Default)]
struct Places(Arc<Mutex<BTreeMap<CredentialName, usize>>>);

/// A place among them. Given back when dropped.
#[derive(Debug)]
struct Place {
    places: Places,
    credential: CredentialName,
}

/// Leave to open one stream.
#[derive(Debug)]
pub(super) struct StreamPlace {
    place: Place,
    token: Option<TokenPrefix>,
    accounts: Accounts,
}

impl OpenStreams {
    #[must_use]
    pub fn new(accounts: Accounts) -> Self {
        Self { places: Places::default(), accounts }
    }

    /// Takes a place for one more, if one is free.
    pub(super) fn open(&self, caller: &Caller) -> Result<StreamPlace, Error> {
        let place = self.places.take(&caller.credential)?;
        Ok(StreamPlace { place, token: caller.token.clone(), accounts: self.accounts.clone() })
    }
}

impl StreamPlace {
    /// Keeps the place for as long as a stream lives, which is no longer than its token is good.
    pub(super) fn held_by<T>(self, stream: impl Stream<Item = T>) -> impl Stream<Item = T> {
        let Self { place, token, accounts } = self;
        place.held_by(stream.take_until(Box::pin(until_unfit(accounts, token))))
    }
}

/// Comes back when a token is no longer good; never for what is none.
async fn until_unfit(accounts: Accounts, token: Option<TokenPrefix>) {
    let Some(token) = token else { return std::future::pending().await };
    let mut changes = accounts.book().changes();
    while accounts.book().is_open(&token, accounts.now()) {
        if let Ok(Err(_)) = timeout(EXPIRY_CHECK, changes.changed()).await {
            return;
        }
    }
}

impl Places {
    fn take(&self, credential: &CredentialName) -> Result<Place, Error> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(credential.clone()).or_default();
        if *count >= PER_CREDENTIAL {
            return Err(Error::TooManyStreams { limit: PER_CREDENTIAL });
        }
        *count += 1;
        Ok(Place { places: self.clone(), credential: credential.clone() })
    }
}

impl Place {
    fn held_by<T>(self, stream: impl Stream<Item = T>) -> impl Stream<Item = T> {
        stream.map(move |item| {
            let _held = &self;
            item
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.credential) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.credential);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_has_so_many_streams_and_gives_them_back() {
        let streams = Places::default();
        let ada = CredentialName::parse("ada").unwrap();

        let open: Vec<_> = (0..PER_CREDENTIAL).map(|_| streams.take(&ada).unwrap()).collect();
        assert!(matches!(streams.take(&ada), Err(Error::TooManyStreams { limit: PER_CREDENTIAL })));
        assert!(streams.take(&CredentialName::parse("ben").unwrap()).is_ok());
        let empty = futures_util::stream::empty::<()>;
        let listening: Vec<_> = open.into_iter().map(|place| place.held_by(empty())).collect();
        assert!(streams.take(&ada).is_err(), "each stream holds its place");

        drop(listening);
        assert!(streams.take(&ada).is_ok());
        assert!(streams.0.lock().unwrap().is_empty());
    }
}
