//! Digests of texts that can be kept, and that nobody who makes up texts can foretell.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};
use std::io;

use crate::retrieval::{Packer, Unpacker, misread};

/// SipHash, with a secret of its own before each text. The secret is kept with the digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextDigest {
    secret: [u8; 16],
}

/// Shows whether digests are still made as they were: how the standard library does is not promised.
const PROBE: &str = "memoryd";

impl TextDigest {
    pub(super) fn of(&self, text: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.secret);
        hasher.write(text.as_bytes());
        hasher.finish()
    }

    pub(super) fn pack(&self, packer: &mut Packer<'_>) {
        packer.raw(&self.secret);
        packer.raw(&self.of(PROBE).to_le_bytes());
    }

    pub(super) fn unpack(unpacker: &mut Unpacker<'_>) -> io::Result<Self> {
        let digest = Self { secret: unpacker.array()? };
        let probe = u64::from_le_bytes(unpacker.array()?);
        if digest.of(PROBE) == probe { Ok(digest) } else { Err(misread()) }
    }
}

impl Default for TextDigest {
    fn default() -> Self {
        let random = RandomState::new();
        let [one, other] = [0_u8, 1].map(|half| random.hash_one(half).to_le_bytes());
        let mut secret = [0; 16];
        secret.iter_mut().zip(one.into_iter().chain(other)).for_each(|(to, from)| *to = from);
        Self { secret }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_secret_of_its_own_and_keeps_it() {
        let (one, other) = (TextDigest::default(), TextDigest::default());
        let mut bytes = Vec::new();
        let mut packer = Packer::new(&mut bytes);
        one.pack(&mut packer);
        packer.finish().unwrap();
        let read = |bytes: &[u8]| {
            let mut source = bytes;
            TextDigest::unpack(&mut Unpacker::new(&mut source, bytes.len() as u64))
        };

        assert_ne!(one.of("tea"), other.of("tea"));
        assert_ne!(one.of("tea"), one.of("ten"));
        assert_eq!(read(&bytes).unwrap(), one);
        bytes[20] ^= 1;
        assert!(read(&bytes).is_err(), "digests are made otherwise now");
    }
}
