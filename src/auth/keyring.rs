use ring::digest::{Digest, SHA256, digest};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::Identity;
use crate::model::{CredentialName, Scopes, Secret, UserId};

/// A key before it is put on the ring.
#[derive(Debug)]
pub struct RingKey {
    pub name: CredentialName,
    pub user: UserId,
    pub secret: Secret,
    pub scopes: Scopes,
}

/// The keys that are known from the start, as digests.
#[derive(Debug, Default)]
pub struct Keyring {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    digest: Digest,
    identity: Identity,
}

impl Keyring {
    /// Keeps the digest; the secret is wiped.
    pub fn add(&mut self, key: RingKey) {
        let digest = digest(&SHA256, key.secret.reveal().as_bytes());
        let RingKey { name: credential, user, scopes, .. } = key;
        self.entries.push(Entry { digest, identity: Identity::of_key(user, credential, scopes) });
    }

    /// Finds the owner of a secret. Takes the same time whichever key it is, and if it is none.
    #[must_use]
    pub(super) fn find(&self, secret: &str) -> Option<&Identity> {
        let offered = digest(&SHA256, secret.as_bytes());
        // Position 0 stands for "none", so that no branch depends on a comparison before the end.
        let mut found = 0_u64;
        for (entry, position) in self.entries.iter().zip(1_u64..) {
            let is_same = entry.digest.as_ref().ct_eq(offered.as_ref());
            found.conditional_assign(&position, is_same);
        }
        let position = usize::try_from(found).ok()?.checked_sub(1)?;
        self.entries.get(position).map(|entry| &entry.identity)
    }
}

impl FromIterator<RingKey> for Keyring {
    fn from_iter<I: IntoIterator<Item = RingKey>>(keys: I) -> Self {
        let mut ring = Self::default();
        keys.into_iter().for_each(|key| ring.add(key));
        ring
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[(&str, &str)]) -> Keyring {
        let key = |(name, secret): &(&str, &str)| RingKey {
            name: CredentialName::parse(name).unwrap(),
            user: UserId::parse(name).unwrap(),
            secret: Secret::new((*secret).to_owned()),
            scopes: Scopes::read_write(),
        };
        keys.iter().map(key).collect()
    }

    #[test]
    fn every_key_finds_its_own_name_and_nothing_else_does() {
        let ring = ring(&[("first", "key-one"), ("second", "key-two"), ("third", "key-three")]);

        for (secret, name) in [("key-one", "first"), ("key-two", "second"), ("key-three", "third")]
        {
            assert_eq!(ring.find(secret).unwrap().credential.as_str(), name);
        }
        for wrong in ["", "key", "key-one ", "KEY-ONE", "key-onekey-two"] {
            assert!(ring.find(wrong).is_none(), "{wrong:?}");
        }
        assert!(Keyring::default().find("key-one").is_none());
    }

    #[test]
    fn a_key_never_shows() {
        let ring = ring(&[("first", "key-one")]);

        assert!(!format!("{ring:?}").contains("key-one"));
    }
}
