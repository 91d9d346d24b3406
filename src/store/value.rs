//! How a value lies in sled: at most 4 KiB in one piece.
//!
//! Longer values would go to sled's `blobs` folder, which sled never syncs.

use super::codec::MAX_BODY_BYTES;

/// The longest piece of a value, with its first byte.
const PIECE_BYTES: usize = 4096;

/// The first byte of every key that holds a piece. No record has it as its prefix.
pub(super) const PIECE_PREFIX: u8 = 0xFF;

const WHOLE: u8 = 0;
const IN_PIECES: u8 = 1;

/// What stands under a record's key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head<'a> {
    Whole(&'a [u8]),
    /// The value lies in pieces under a tag of its own, so that a reader of the old value never
    /// meets pieces of the new one.
    Pieces(Pieces),
}

/// A long value, cut up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pieces {
    pub(super) tag: u64,
    length: u32,
    crc: u32,
}

/// The bytes to store for a value of at most one piece.
pub(super) fn whole(value: &[u8]) -> Option<Vec<u8>> {
    (value.len() < PIECE_BYTES).then(|| {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.push(WHOLE);
        bytes.extend(value);
        bytes
    })
}

impl<'a> Head<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        match kind {
            WHOLE => Some(Self::Whole(rest)),
            IN_PIECES => {
                let (tag, rest) = rest.split_first_chunk::<8>()?;
                let (length, rest) = rest.split_first_chunk::<4>()?;
                let crc: &[u8; 4] = rest.try_into().ok()?;
                let length = u32::from_be_bytes(*length);
                // Twice the largest body is more than a record with its head and seal can have.
                (u64::from(length) <= 2 * MAX_BODY_BYTES).then(|| {
                    let (tag, crc) = (u64::from_be_bytes(*tag), u32::from_be_bytes(*crc));
                    Self::Pieces(Pieces { tag, length, crc })
                })
            }
            _ => None,
        }
    }
}

impl Pieces {
    pub(super) fn of(tag: u64, value: &[u8]) -> Self {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        Self { tag, length, crc: crc32c::crc32c(value) }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![IN_PIECES];
        bytes.extend(self.tag.to_be_bytes());
        bytes.extend(self.length.to_be_bytes());
        bytes.extend(self.crc.to_be_bytes());
        bytes
    }

    /// The keys of the pieces, in order.
    pub(super) fn keys(self) -> impl Iterator<Item = Vec<u8>> {
        let pieces = usize::try_from(self.length).unwrap_or(usize::MAX).div_ceil(PIECE_BYTES);
        (0..u32::try_from(pieces).unwrap_or(u32::MAX)).map(move |index| {
            let mut key = vec![PIECE_PREFIX];
            key.extend(self.tag.to_be_bytes());
            key.extend(index.to_be_bytes());
            key
        })
    }

    pub(super) fn cut(value: &[u8]) -> impl Iterator<Item = &[u8]> {
        value.chunks(PIECE_BYTES)
    }

    /// Whether the joined pieces are the value.
    pub(super) fn match_value(self, value: &[u8]) -> bool {
        value.len() == usize::try_from(self.length).unwrap_or(usize::MAX)
            && crc32c::crc32c(value) == self.crc
    }
}

/// The tag in the key of a piece.
pub(super) fn piece_tag(key: &[u8]) -> Option<u64> {
    let (tag, _) = key.strip_prefix(&[PIECE_PREFIX])?.split_first_chunk::<8>()?;
    Some(u64::from_be_bytes(*tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_head_survives_and_any_bytes_are_read(
            value in prop::collection::vec(any::<u8>(), 0..9_000),
            tag in any::<u64>(),
            noise in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            if let Some(bytes) = whole(&value) {
                prop_assert!(bytes.len() <= PIECE_BYTES);
                prop_assert_eq!(Head::parse(&bytes), Some(Head::Whole(&value)));
            }
            let pieces = Pieces::of(tag, &value);
            let bytes = pieces.to_bytes();
            prop_assert_eq!(Head::parse(&bytes), Some(Head::Pieces(pieces)));
            prop_assert_eq!(pieces.keys().count(), Pieces::cut(&value).count());
            prop_assert!(pieces.match_value(&value));
            prop_assert!(pieces.keys().all(|key| piece_tag(&key) == Some(tag)));
            let _ = Head::parse(&noise);
        }
    }
}
