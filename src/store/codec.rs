use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Key;

/// Largest body of one record: 16 times the largest memory, and far below a frame of the journal.
pub(super) const MAX_BODY_BYTES: u64 = 16 << 20;

/// Stands where a version stands: the body is a sealed record, see `vault.rs`.
pub(super) const SEALED: u8 = 0xE1;

/// Version byte and checksum before every body.
const HEAD_BYTES: usize = 5;

/// A value with a place in a session's tree. On disk: version byte, crc32c, bincode body.
pub trait Record: Sized {
    type Key: Key;

    /// The frozen layout that is written today. Never edit one: make a new one.
    type Body: Serialize + DeserializeOwned;

    /// The first byte of every key of this kind. 0xFF is taken by the store.
    const PREFIX: u8;

    /// Raised when the layout changes. Old versions stay readable through [`Record::upgrade`].
    const VERSION: u8;

    /// What a message calls it.
    const KIND: &'static str;

    fn to_body(&self) -> Self::Body;

    /// The key is given so that a body need not repeat it.
    fn from_body(key: &Self::Key, body: Self::Body) -> Result<Self, CodecError>;

    /// Reads a layout older than [`Record::VERSION`], with [`decode_body`].
    fn upgrade(version: u8, _key: &Self::Key, _body: &[u8]) -> Result<Self, CodecError> {
        Err(CodecError::UnknownVersion { found: version, newest: Self::VERSION })
    }
}

/// Bytes that are not the record they should be. The messages never hold content.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("it has {bytes} bytes, too few for a record")]
    Short { bytes: usize },

    #[error("its checksum does not match")]
    Checksum,

    #[error("layout version {found} is not one of 1..={newest}")]
    UnknownVersion { found: u8, newest: u8 },

    /// It is whole. Only a newer program knows what it says.
    #[error(
        "its layout has version {found}, and this program knows up to {newest}: use a newer memoryd"
    )]
    NewerVersion { found: u8, newest: u8 },

    #[error("its key is malformed")]
    Key,

    #[error("its body does not fit the layout: {0}")]
    Body(String),

    #[error("it cannot be opened with the key of its user")]
    Unsealable,

    #[error("its field {0:?} holds what the field may not hold")]
    Field(&'static str),
}

/// Reads one frozen layout from the body of a record, to the last byte.
pub fn decode_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodecError> {
    layout().deserialize(body).map_err(|error| CodecError::Body(error.to_string()))
}

pub(super) fn encode<R: Record>(record: &R) -> Result<Vec<u8>, CodecError> {
    let body = layout()
        .serialize(&record.to_body())
        .map_err(|error| CodecError::Body(error.to_string()))?;
    const { assert!(R::VERSION != SEALED, "this version is taken by sealed records") };
    Ok(envelope(R::VERSION, &body))
}

/// Version and checksum, and behind them the body.
pub fn envelope(version: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
    bytes.push(version);
    bytes.extend(checksum(version, body).to_le_bytes());
    bytes.extend(body);
    bytes
}

pub(super) fn decode<R: Record>(key: &R::Key, bytes: &[u8]) -> Result<R, CodecError> {
    let (version, body) = unwrap(bytes)?;
    if version == R::VERSION {
        R::from_body(key, decode_body(body)?)
    } else if version == 0 || version == SEALED {
        Err(CodecError::UnknownVersion { found: version, newest: R::VERSION })
    } else if version > R::VERSION {
        Err(CodecError::NewerVersion { found: version, newest: R::VERSION })
    } else {
        R::upgrade(version, key, body)
    }
}

/// The version and body of any record whose checksum is right.
pub(super) fn unwrap(bytes: &[u8]) -> Result<(u8, &[u8]), CodecError> {
    let short = CodecError::Short { bytes: bytes.len() };
    let Some((&[version, a, b, c, d], body)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
        return Err(short);
    };
    if u32::from_le_bytes([a, b, c, d]) != checksum(version, body) {
        return Err(CodecError::Checksum);
    }
    Ok((version, body))
}

fn checksum(version: u8, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[version]), body)
}

fn layout() -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_little_endian()
        .with_limit(MAX_BODY_BYTES)
        .reject_trailing_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Note {
        text: String,
        pinned: bool,
    }

    impl Record for Note {
        type Key = u64;
        type Body = (String, bool);
        const PREFIX: u8 = 1;
        const VERSION: u8 = 2;
        const KIND: &'static str = "note";

        fn to_body(&self) -> Self::Body {
            (self.text.clone(), self.pinned)
        }

        fn from_body(_key: &u64, (text, pinned): Self::Body) -> Result<Self, CodecError> {
            Ok(Self { text, pinned })
        }

        /// Version 1 had no `pinned`.
        fn upgrade(_version: u8, _key: &u64, body: &[u8]) -> Result<Self, CodecError> {
            Ok(Self { text: decode_body(body)?, pinned: false })
        }
    }

    #[test]
    fn yesterdays_layout_is_still_readable() {
        let old = envelope(1, &layout().serialize("tea").unwrap());

        let note = decode::<Note>(&0, &old).unwrap();

        assert_eq!(note, Note { text: "tea".to_owned(), pinned: false });
    }

    #[test]
    fn tomorrows_layout_is_refused_by_name() {
        let refusal = decode::<Note>(&0, &envelope(9, b"")).unwrap_err();

        assert!(matches!(refusal, CodecError::NewerVersion { found: 9, newest: 2 }));
    }

    #[test]
    fn bytes_after_the_body_are_refused() {
        let mut body = layout().serialize(&("tea", true)).unwrap();
        body.push(0);

        assert!(matches!(decode::<Note>(&0, &envelope(2, &body)), Err(CodecError::Body(_))));
    }

    #[test]
    fn a_length_that_lies_is_refused_before_it_is_believed() {
        let body = u64::MAX.to_le_bytes();

        assert!(matches!(decode::<Note>(&0, &envelope(2, &body)), Err(CodecError::Body(_))));
    }

    proptest! {
        #[test]
        fn a_record_survives_and_a_flipped_bit_does_not(
            text in ".{0,80}",
            pinned in any::<bool>(),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let note = Note { text, pinned };
            let mut bytes = encode(&note).unwrap();
            prop_assert_eq!(&decode::<Note>(&0, &bytes).unwrap(), &note);

            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(decode::<Note>(&0, &bytes).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode::<Note>(&0, &bytes);
            let _ = decode::<Note>(&0, &envelope(2, &bytes));
        }
    }
}
