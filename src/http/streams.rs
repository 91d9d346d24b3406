use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt};
use tokio::time::timeout;

use crate::actors::Accounts;
use crate::error::Error;
use crate::model::{Caller, CredentialName, TokenPrefix, UserId};

/// A person with several programs open listens to a few; each costs memory for as long as it lasts.
const PER_CREDENTIAL: usize = 16;
/// Files of a user's that are held in memory while they are imported.
const UPLOADS: usize = 1;
/// How long a token may have expired before a stream that was opened with it ends. One that is taken
/// back ends it at once.
const EXPIRY_CHECK: Duration = Duration::from_secs(30);

/// The answers that go on until their reader leaves, or until their credential is no longer good; and the
/// files that are held while they are read.
#[derive(Debug, Clone)]
pub struct OpenStreams {
    places: Places<CredentialName>,
    uploads: Places<UserId>,
    accounts: Accounts,
}

/// Counts what goes on by who asked for it, each of whom may have so many.
#[derive(Debug, Clone)]
struct Places<K> {
    counts: Arc<Mutex<BTreeMap<K, usize>>>,
    limit: usize,
}

/// A place among them. Given back when dropped.
#[derive(Debug)]
struct Place<K: Ord> {
    places: Places<K>,
    key: K,
}

/// Leave to have one file in memory. Given back when dropped.
#[derive(Debug)]
pub(super) struct UploadPlace {
    _place: Place<UserId>,
}

/// Leave to open one stream.
#[derive(Debug)]
pub(super) struct StreamPlace {
    place: Place<CredentialName>,
    token: Option<TokenPrefix>,
    accounts: Accounts,
}

impl OpenStreams {
    #[must_use]
    pub fn new(accounts: Accounts) -> Self {
        let (places, uploads) = (Places::new(PER_CREDENTIAL), Places::new(UPLOADS));
        Self { places, uploads, accounts }
    }

    /// Takes a place for one more, if one is free.
    pub(super) fn open(&self, caller: &Caller) -> Result<StreamPlace, Error> {
        let place = self.places.take(&caller.credential);
        let place = place.ok_or(Error::TooManyStreams { limit: PER_CREDENTIAL })?;
        Ok(StreamPlace { place, token: caller.token.clone(), accounts: self.accounts.clone() })
    }

    /// Takes the place for a file of a user's, if it is free.
    pub(super) fn upload(&self, sender: &UserId) -> Result<UploadPlace, Error> {
        let place = self.uploads.take(sender).ok_or(Error::UploadGoesOn)?;
        Ok(UploadPlace { _place: place })
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

impl<K: Ord + Clone> Places<K> {
    fn new(limit: usize) -> Self {
        Self { counts: Arc::default(), limit }
    }

    /// Nothing if all that one may have are taken.
    fn take(&self, key: &K) -> Option<Place<K>> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.clone()).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Place { places: self.clone(), key: key.clone() })
    }
}

impl<K: Ord> Place<K> {
    fn held_by<T>(self, stream: impl Stream<Item = T>) -> impl Stream<Item = T> {
        stream.map(move |item| {
            let _held = &self;
            item
        })
    }
}

impl<K: Ord> Drop for Place<K> {
    fn drop(&mut self) {
        let mut counts = self.places.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_has_so_many_streams_and_gives_them_back() {
        let streams = Places::new(PER_CREDENTIAL);
        let ada = CredentialName::parse("ada").unwrap();

        let open: Vec<_> = (0..PER_CREDENTIAL).map(|_| streams.take(&ada).unwrap()).collect();
        assert!(streams.take(&ada).is_none());
        assert!(streams.take(&CredentialName::parse("ben").unwrap()).is_some());
        let empty = futures_util::stream::empty::<()>;
        let listening: Vec<_> = open.into_iter().map(|place| place.held_by(empty())).collect();
        assert!(streams.take(&ada).is_none(), "each stream holds its place");

        drop(listening);
        assert!(streams.take(&ada).is_some());
        assert!(streams.counts.lock().unwrap().is_empty());
    }
}
