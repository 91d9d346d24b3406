use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{Stream, StreamExt};

use crate::error::Error;
use crate::model::CredentialName;

/// A person with several programs open listens to a few; each costs memory for as long as it lasts.
const PER_CREDENTIAL: usize = 16;

/// Counts the answers that go on until their reader leaves, by the credential that asked for them.
#[derive(Debug, Clone, Default)]
pub struct OpenStreams(Arc<Mutex<BTreeMap<CredentialName, usize>>>);

/// A place among them. Given back when dropped.
#[derive(Debug)]
pub(super) struct StreamPlace {
    streams: OpenStreams,
    credential: CredentialName,
}

impl OpenStreams {
    /// Takes a place for one more, if one is free.
    pub(super) fn open(&self, credential: &CredentialName) -> Result<StreamPlace, Error> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(credential.clone()).or_default();
        if *count >= PER_CREDENTIAL {
            return Err(Error::TooManyStreams { limit: PER_CREDENTIAL });
        }
        *count += 1;
        Ok(StreamPlace { streams: self.clone(), credential: credential.clone() })
    }
}

impl StreamPlace {
    /// Keeps the place for as long as a stream lives.
    pub(super) fn held_by<T>(self, stream: impl Stream<Item = T>) -> impl Stream<Item = T> {
        stream.map(move |item| {
            let _held = &self;
            item
        })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut counts = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let streams = OpenStreams::default();
        let ada = CredentialName::parse("ada").unwrap();

        let open: Vec<_> = (0..PER_CREDENTIAL).map(|_| streams.open(&ada).unwrap()).collect();
        assert!(matches!(streams.open(&ada), Err(Error::TooManyStreams { limit: PER_CREDENTIAL })));
        assert!(streams.open(&CredentialName::parse("ben").unwrap()).is_ok());
        let empty = futures_util::stream::empty::<()>;
        let listening: Vec<_> = open.into_iter().map(|place| place.held_by(empty())).collect();
        assert!(streams.open(&ada).is_err(), "each stream holds its place");

        drop(listening);
        assert!(streams.open(&ada).is_ok());
        assert!(streams.0.lock().unwrap().is_empty());
    }
}
