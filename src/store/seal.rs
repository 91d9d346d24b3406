//! Seals a stream with a key, piece by piece, so that a file of any size can be read as it comes.
//!
//! ChaCha20-Poly1305 (RFC 8439) over pieces of 64 KiB, in the STREAM construction (Hoang, Reyhanitabar,
//! Rogaway, Vizár 2015): the nonce counts the pieces, and the last one is marked, so that none can be
//! left out, moved or put at the end. The key of a file is derived from the owner's with HKDF-SHA-256
//! (RFC 5869) and a salt of its own, so that no nonce is used twice.

use std::io::{self, Read, Write};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use ring::digest;
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};

use crate::model::SecretKey;

/// What a sealed file begins with: magic, version, name of the key, salt.
pub(super) const MAGIC: &[u8; 8] = b"MEMORYDB";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 8 + 4 + 4 + 32;
const PIECE_BYTES: usize = 64 * 1024;
const PURPOSE: &[u8] = b"memoryd backup 1";

/// A key of the owner, for backups or for the whole store.
#[derive(Clone)]
pub struct SealingKey {
    bytes: SecretKey,
}

/// Names a key without telling anything of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyName([u8; 4]);

/// Why a sealed file cannot be read, told apart from errors of the disk by [`io::ErrorKind`].
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("it is sealed, and no key was given; set backup.key_file (BACKUP_KEY_FILE)")]
    NoKey,

    #[error("it is sealed with the key {found}, not with {given}")]
    OtherKey { found: KeyName, given: KeyName },

    #[error("its format version is {found}; this program knows up to {VERSION}")]
    Newer { found: u32 },

    #[error("it was changed, or cut off, since it was sealed")]
    Broken,

    #[error("the system gives no random numbers")]
    Randomness,
}

impl SealingKey {
    #[must_use]
    pub fn new(key: &SecretKey) -> Self {
        Self { bytes: key.clone() }
    }

    #[must_use]
    pub fn name(&self) -> KeyName {
        let told = [b"memoryd key name".as_slice(), self.bytes.reveal()].concat();
        let digest = digest::digest(&digest::SHA256, &told);
        KeyName(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }

    fn of_file(&self, salt: &[u8]) -> Result<LessSafeKey, SealError> {
        self.derive(salt, PURPOSE).map(LessSafeKey::new).map_err(|_| SealError::Broken)
    }

    /// A key for one purpose.
    pub(super) fn derive(&self, salt: &[u8], purpose: &[u8]) -> Result<UnboundKey, Unspecified> {
        let derived = Salt::new(HKDF_SHA256, salt).extract(self.bytes.reveal());
        derived.expand(&[purpose], &CHACHA20_POLY1305).map(UnboundKey::from)
    }
}

impl KeyName {
    pub(super) fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    pub(super) fn to_bytes(self) -> [u8; 4] {
        self.0
    }
}

/// Seals everything of a source.
pub(super) fn seal(
    key: &SealingKey,
    source: &mut dyn Read,
    target: &mut dyn Write,
) -> io::Result<()> {
    let mut salt = [0; 32];
    let filled = SystemRandom::new().fill(&mut salt);
    filled.map_err(|_| io::Error::other(SealError::Randomness))?;
    let file_key = key.of_file(&salt).map_err(io::Error::other)?;
    target.write_all(MAGIC)?;
    target.write_all(&VERSION.to_le_bytes())?;
    target.write_all(&key.name().0)?;
    target.write_all(&salt)?;
    let mut piece = read_piece(source, PIECE_BYTES)?;
    for number in 0.. {
        let next = read_piece(source, PIECE_BYTES)?;
        let is_last = next.is_empty();
        let sealed = file_key.seal_in_place_append_tag(nonce(number), mark(is_last), &mut piece);
        sealed.map_err(|_| io::Error::other(SealError::Broken))?;
        target.write_all(&piece)?;
        if is_last {
            break;
        }
        piece = next;
    }
    Ok(())
}

/// Reads what [`seal`] has written.
pub(super) struct Unsealed<R> {
    source: R,
    key: LessSafeKey,
    number: u64,
    /// The piece that comes next, still sealed.
    next: Vec<u8>,
    plain: Vec<u8>,
    at: usize,
    is_at_end: bool,
}

impl<R: Read> Unsealed<R> {
    /// The magic has not been read yet.
    pub(super) fn open(mut source: R, key: Option<&SealingKey>) -> io::Result<Self> {
        let mut header = [0; HEADER_BYTES];
        source.read_exact(&mut header).map_err(|_| io::Error::other(SealError::Broken))?;
        let (version, name, salt) = (&header[8..12], &header[12..16], &header[16..]);
        let version = u32::from_le_bytes(version.try_into().unwrap_or_default());
        if version > VERSION {
            return Err(io::Error::other(SealError::Newer { found: version }));
        }
        if version < VERSION {
            return Err(io::Error::other(SealError::Broken));
        }
        let key = key.ok_or_else(|| io::Error::other(SealError::NoKey))?;
        let found = KeyName(name.try_into().unwrap_or_default());
        if found != key.name() {
            return Err(io::Error::other(SealError::OtherKey { found, given: key.name() }));
        }
        let key = key.of_file(salt).map_err(io::Error::other)?;
        let next = read_piece(&mut source, PIECE_BYTES + MAX_TAG_LEN)?;
        Ok(Self { source, key, number: 0, next, plain: Vec::new(), at: 0, is_at_end: false })
    }

    fn open_piece(&mut self) -> io::Result<()> {
        let after = read_piece(&mut self.source, PIECE_BYTES + MAX_TAG_LEN)?;
        let is_last = after.is_empty();
        let mut piece = std::mem::replace(&mut self.next, after);
        let opened = self.key.open_in_place(nonce(self.number), mark(is_last), &mut piece);
        let length = opened.map_err(|_| io::Error::other(SealError::Broken))?.len();
        piece.truncate(length);
        (self.plain, self.at, self.is_at_end) = (piece, 0, is_last);
        self.number += 1;
        Ok(())
    }
}

impl<R: Read> Read for Unsealed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() {
            if self.is_at_end {
                return Ok(0);
            }
            self.open_piece()?;
        }
        let rest = self.plain.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at += count;
        Ok(count)
    }
}

/// Up to so many bytes; fewer only at the end.
fn read_piece(source: &mut dyn Read, most: usize) -> io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(most);
    source.take(most as u64).read_to_end(&mut piece)?;
    Ok(piece)
}

/// Of the piece with this number.
pub(super) fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    for (to, from) in bytes.iter_mut().skip(NONCE_LEN - 8).zip(number.to_be_bytes()) {
        *to = from;
    }
    Nonce::assume_unique_for_key(bytes)
}

fn mark(is_last: bool) -> Aad<[u8; 1]> {
    Aad::from([u8::from(is_last)])
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingKey({})", self.name())
    }
}

impl std::fmt::Display for KeyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::new(&SecretKey::new([byte; 32]))
    }

    fn unsealed(sealed: &[u8], key: Option<&SealingKey>) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        Unsealed::open(sealed, key)?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn another_key_and_none_are_told_apart() {
        let mut sealed = Vec::new();
        seal(&key(1), &mut b"text".as_slice(), &mut sealed).unwrap();

        let other = unsealed(&sealed, Some(&key(2))).unwrap_err().to_string();
        let none = unsealed(&sealed, None).unwrap_err().to_string();

        assert!(other.contains(&key(1).name().to_string()), "{other}");
        assert!(none.contains("BACKUP_KEY_FILE"), "{none}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn what_is_sealed_comes_back_and_nothing_else_does(
            pieces in 0_usize..4,
            rest in prop::sample::select(vec![0_usize, 1, PIECE_BYTES - 1]),
            at in any::<prop::sample::Index>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let plain: Vec<u8> = (0..=250).cycle().take(pieces * PIECE_BYTES + rest).collect();
            let mut sealed = Vec::new();
            seal(&key(1), &mut plain.as_slice(), &mut sealed).unwrap();
            prop_assert_eq!(&unsealed(&sealed, Some(&key(1))).unwrap(), &plain);

            let mut bad = sealed.clone();
            let at = at.index(bad.len());
            bad[at] ^= 1;
            prop_assert!(Unsealed::open(&bad[..], Some(&key(1))).is_err() || at < 8 || unsealed(&bad, Some(&key(1))).is_err());
            let cut = cut.index(sealed.len());
            prop_assert!(unsealed(&sealed[..cut], Some(&key(1))).is_err());
        }
    }
}
