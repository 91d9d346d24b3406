//! The bytes of headers and frames. `docs/FORMAT.md` has them as a table.

use super::numbers::random;
use super::{MAX_PAYLOAD_BYTES, Seq, StoreId};

/// The newest layout of files that this program knows.
pub(super) const FORMAT_VERSION: u32 = 2;

/// The same, but that its headers name no store.
const FORMAT_WITHOUT_STORE: u32 = 1;

/// Where the frames of a file begin, after the two copies of its header.
pub(super) const FRAMES_START: usize = 2 * HEADER_BYTES;

/// Length, checksum, seq, durable.
pub(super) const FRAME_HEAD_BYTES: usize = 24;

/// What every file of the journal begins with.
pub const MAGIC: &[u8; 8] = b"MEMORYDJ";
const HEADER_BYTES: usize = 64;
const SEGMENT: u8 = 1;
const SNAPSHOT: u8 = 2;

/// What a file says about itself, twice, so that one bad byte does not cost the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) is_snapshot: bool,
    /// Of a segment: the seq of its first frame. Of a snapshot: the last seq that it includes.
    pub(super) first: Seq,
    /// The last acknowledged seq before this segment. Frames after it in earlier files are
    /// leftovers of a failed write, and do not count.
    pub(super) previous: Seq,
    /// Known to this file only. Nobody can put into a value what would pass as a frame.
    pub(super) salt: u64,
    pub(super) store: StoreId,
}

/// A frame whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) seq: Seq,
    /// Everything up to this seq was durable when the frame was written. It tells a torn write,
    /// whose pages may have reached the disk in any order, from damage to older frames.
    pub(super) durable: Seq,
    pub(super) payload: &'a [u8],
}

/// Why the start of a file is not a header of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    Damaged,
    Newer { found: u32 },
}

impl Header {
    pub(super) fn segment(store: StoreId, first: Seq, previous: Seq) -> Self {
        Self { is_snapshot: false, first, previous, salt: random(), store }
    }

    pub(super) fn snapshot(store: StoreId, seq: Seq) -> Self {
        Self { is_snapshot: true, first: seq, previous: Seq::ZERO, salt: random(), store }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(FRAMES_START);
        copy.extend(MAGIC);
        copy.extend(FORMAT_VERSION.to_le_bytes());
        copy.extend([if self.is_snapshot { SNAPSHOT } else { SEGMENT }, 0, 0, 0]);
        copy.extend(self.first.0.to_le_bytes());
        copy.extend(self.previous.0.to_le_bytes());
        copy.extend(self.salt.to_le_bytes());
        copy.extend(self.store.0);
        copy.resize(HEADER_BYTES - 4, 0);
        copy.extend(crc32c::crc32c(&copy).to_le_bytes());
        copy.extend_from_within(..);
        copy
    }

    pub(super) fn parse(file: &[u8]) -> Result<Self, BadHeader> {
        let start = file.get(..FRAMES_START).ok_or(BadHeader::Damaged)?;
        let (first, second) = start.split_at_checked(HEADER_BYTES).ok_or(BadHeader::Damaged)?;
        match (Self::parse_copy(first), Self::parse_copy(second)) {
            (Ok(header), _) | (_, Ok(header)) => Ok(header),
            (Err(BadHeader::Newer { found }), _) | (_, Err(BadHeader::Newer { found })) => {
                Err(BadHeader::Newer { found })
            }
            _ => Err(BadHeader::Damaged),
        }
    }

    /// Whether both copies are as they were written. One is enough to read the file.
    pub(super) fn is_unblemished(start: &[u8]) -> bool {
        let Some((first, second)) = start.split_at_checked(HEADER_BYTES) else { return false };
        first == second && Self::parse_copy(first).is_ok()
    }

    fn parse_copy(copy: &[u8]) -> Result<Self, BadHeader> {
        let mut fields = Fields(copy);
        if fields.take::<8>() != Some(*MAGIC) {
            return Err(BadHeader::Damaged);
        }
        let version = fields.u32().ok_or(BadHeader::Damaged)?;
        if version > FORMAT_VERSION {
            return Err(BadHeader::Newer { found: version });
        }
        let (body, crc) = copy.split_last_chunk::<4>().ok_or(BadHeader::Damaged)?;
        let [kind, ..] = fields.take::<4>().ok_or(BadHeader::Damaged)?;
        let known = matches!(version, FORMAT_WITHOUT_STORE | FORMAT_VERSION)
            && matches!(kind, SEGMENT | SNAPSHOT);
        if !known || u32::from_le_bytes(*crc) != crc32c::crc32c(body) {
            return Err(BadHeader::Damaged);
        }
        let mut number = || fields.u64().ok_or(BadHeader::Damaged);
        let (first, previous, salt) = (Seq(number()?), Seq(number()?), number()?);
        // In format 1 these bytes are zero, which is the id of no store.
        let store = StoreId(fields.take().ok_or(BadHeader::Damaged)?);
        Ok(Self { is_snapshot: kind == SNAPSHOT, first, previous, salt, store })
    }
}

impl<'a> Frame<'a> {
    /// How many bytes the frame takes in a file.
    pub(super) fn size(&self) -> usize {
        FRAME_HEAD_BYTES + self.payload.len()
    }

    pub(super) fn append_to(&self, buffer: &mut Vec<u8>, salt: u64) {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        buffer.extend(length.to_le_bytes());
        buffer.extend(self.checksum(salt).to_le_bytes());
        buffer.extend(self.seq.0.to_le_bytes());
        buffer.extend(self.durable.0.to_le_bytes());
        buffer.extend(self.payload);
    }

    /// Nothing if there is no whole and right frame at the start of the bytes.
    pub(super) fn parse(bytes: &'a [u8], salt: u64) -> Option<Self> {
        let (head, rest) = FrameHead::parse(bytes)?;
        let frame =
            Frame { seq: head.seq, durable: head.durable, payload: rest.get(..head.length)? };
        frame.matches(head.crc, salt).then_some(frame)
    }

    pub(super) fn matches(&self, crc: u32, salt: u64) -> bool {
        self.checksum(salt) == crc
    }

    fn checksum(&self, salt: u64) -> u32 {
        let mut head = Vec::with_capacity(28);
        head.extend(salt.to_le_bytes());
        head.extend(u32::try_from(self.payload.len()).unwrap_or(u32::MAX).to_le_bytes());
        head.extend(self.seq.0.to_le_bytes());
        head.extend(self.durable.0.to_le_bytes());
        crc32c::crc32c_append(crc32c::crc32c(&head), self.payload)
    }
}

/// The part of a frame before its payload, not yet to be trusted except for its limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameHead {
    pub(super) length: usize,
    pub(super) crc: u32,
    pub(super) seq: Seq,
    pub(super) durable: Seq,
}

impl FrameHead {
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut fields = Fields(bytes);
        let length = usize::try_from(fields.u32()?).ok()?;
        if length == 0 || length > MAX_PAYLOAD_BYTES {
            return None;
        }
        let (crc, seq, durable) = (fields.u32()?, Seq(fields.u64()?), Seq(fields.u64()?));
        Some((Self { length, crc, seq, durable }, fields.0))
    }
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_survives_one_bad_byte_anywhere() {
        let header = Header::segment(StoreId([7; 16]), Seq(7), Seq(5));
        let bytes = header.to_bytes();

        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x40;
            assert_eq!(Header::parse(&bad), Ok(header), "byte {at}");
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let mut bytes = Header::snapshot(StoreId([7; 16]), Seq(9)).to_bytes();
        bytes[8] = 3;
        bytes[HEADER_BYTES + 8] = 3;

        assert_eq!(Header::parse(&bytes), Err(BadHeader::Newer { found: 3 }));
        assert_eq!(Header::parse(&[0; 200]), Err(BadHeader::Damaged));
    }

    proptest! {
        #[test]
        fn a_frame_survives_and_a_flipped_bit_does_not(
            seq in any::<u64>(),
            durable in any::<u64>(),
            payload in prop::collection::vec(any::<u8>(), 1..80),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let frame = Frame { seq: Seq(seq), durable: Seq(durable), payload: &payload };
            let mut bytes = Vec::new();
            frame.append_to(&mut bytes, 42);
            prop_assert_eq!(Frame::parse(&bytes, 42), Some(frame));
            prop_assert_eq!(Frame::parse(&bytes, 43), None);

            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Frame::parse(&bytes, 42), None);
        }
    }
}
