//! Numbers, lists and ids in as few bytes as they need, for layouts that hold many of them.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::CodecError;
use crate::model::{MemoryId, Timestamp};

/// A number: seven bits a byte, the lowest first. The highest bit of a byte says that another one follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short(pub(super) u64);

/// A list, behind its length as a short number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packed<T>(pub(super) Vec<T>);

/// An id, told from a moment near that in which it was made.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ShortId {
    /// Milliseconds, see [`Short::between`].
    made: Short,
    rest: [u8; 10],
}

/// What may still be made of a page as it is read, in bytes. What stands once in a table may be named by
/// every row: in 16 MiB there is room to name one of 8 MiB a million times.
#[derive(Debug)]
pub(super) struct Room(Cell<usize>);

/// What the rows of a page take at most: 256 recalls with the longest questions and lists that are let in take
/// less.
pub(super) const MOST_BYTES: usize = 128 << 20;

/// What the items of one list take at most: a byte on the disk may stand for 24 in memory.
const MOST_LIST_BYTES: usize = 32 << 20;

/// What the first of a list is told from, where each is told from the one before.
pub(super) const START: Timestamp = Timestamp(0);

/// Ten bytes have room for 64 bits.
const LONGEST: usize = 10;
const MORE: u8 = 0x80;
/// The bytes of an id that say when it was made.
const MADE_BYTES: usize = 6;

impl Short {
    /// How far it is from one moment to another one: twice as much, and backwards one less.
    pub(super) fn between(from: Timestamp, to: Timestamp) -> Self {
        let by = to.0.wrapping_sub(from.0);
        Self(((by << 1) ^ (by >> 63)).cast_unsigned())
    }

    /// The moment that is so far from another one.
    pub(super) fn after(self, from: Timestamp) -> Timestamp {
        let by = (self.0 >> 1).cast_signed() ^ (self.0 & 1).cast_signed().wrapping_neg();
        Timestamp(from.0.wrapping_add(by))
    }

    /// A place in a table.
    pub(super) fn place(place: usize) -> Self {
        Self(place as u64)
    }

    /// What stands in this place of a table.
    pub(super) fn find<'a, T>(
        self,
        table: &'a [T],
        field: &'static str,
    ) -> Result<&'a T, CodecError> {
        let place = usize::try_from(self.0).ok();
        place.and_then(|place| table.get(place)).ok_or(CodecError::Field(field))
    }

    pub(super) fn narrow(self, field: &'static str) -> Result<u32, CodecError> {
        u32::try_from(self.0).map_err(|_| CodecError::Field(field))
    }
}

impl From<u32> for Short {
    fn from(number: u32) -> Self {
        Self(u64::from(number))
    }
}

impl Packed<u8> {
    /// A text, or the bytes of one.
    pub(super) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self(text.into())
    }

    pub(super) fn into_text(self, field: &'static str) -> Result<String, CodecError> {
        String::from_utf8(self.0).map_err(|_| CodecError::Field(field))
    }
}

impl ShortId {
    pub(super) fn between(from: Timestamp, id: MemoryId) -> Self {
        let [_, _, _, _, _, _, rest @ ..] = id.to_bytes();
        Self { made: Short::between(from, id.created_at()), rest }
    }

    pub(super) fn after(&self, from: Timestamp) -> Result<MemoryId, CodecError> {
        let Timestamp(made) = self.made.after(from);
        let [0, 0, made @ ..] = made.to_be_bytes() else { return Err(CodecError::Field("id")) };
        let mut bytes = [0; 16];
        let (first, last) = bytes.split_at_mut(MADE_BYTES);
        first.copy_from_slice(&made);
        last.copy_from_slice(&self.rest);
        Ok(MemoryId::from_bytes(bytes))
    }
}

impl Default for Room {
    fn default() -> Self {
        Self(Cell::new(MOST_BYTES))
    }
}

impl Room {
    /// Must be asked before anything is copied.
    pub(super) fn take(&self, bytes: usize, field: &'static str) -> Result<(), CodecError> {
        let left = self.0.get().checked_sub(bytes).ok_or(CodecError::Field(field))?;
        self.0.set(left);
        Ok(())
    }
}

impl Serialize for Short {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = serializer.serialize_tuple(LONGEST)?;
        let mut rest = self.0;
        loop {
            let [low, ..] = rest.to_le_bytes();
            rest >>= 7;
            if rest == 0 {
                bytes.serialize_element(&low)?;
                return bytes.end();
            }
            bytes.serialize_element(&(low | MORE))?;
        }
    }
}

impl<'de> Deserialize<'de> for Short {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(LONGEST, ShortVisitor)
    }
}

struct ShortVisitor;

impl<'de> Visitor<'de> for ShortVisitor {
    type Value = Short;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of up to 64 bits")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Short, A::Error> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let Some(byte) = bytes.next_element::<u8>()? else { break };
            let low = u64::from(byte & !MORE);
            let bits = low << shift;
            if bits >> shift != low {
                break;
            }
            number |= bits;
            if byte & MORE == 0 {
                return Ok(Short(number));
            }
        }
        Err(A::Error::custom("a number has more than 64 bits"))
    }
}

impl<T: Serialize> Serialize for Packed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_tuple(self.0.len() + 1)?;
        list.serialize_element(&Short::place(self.0.len()))?;
        for item in &self.0 {
            list.serialize_element(item)?;
        }
        list.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Packed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // How many there are stands within.
        deserializer.deserialize_tuple(usize::MAX, PackedVisitor(PhantomData))
    }
}

struct PackedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for PackedVisitor<T> {
    type Value = Packed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list behind its length")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Packed<T>, A::Error> {
        let ends_early = || A::Error::custom("a list ends early");
        let Short(length) = items.next_element()?.ok_or_else(ends_early)?;
        let most = (MOST_LIST_BYTES / size_of::<T>().max(1)) as u64;
        if length > most {
            return Err(A::Error::custom(format!(
                "a list has {length} items, and may have {most}"
            )));
        }
        // No room is made before they are there: the length may lie.
        let mut list = Vec::new();
        for _ in 0..length {
            list.push(items.next_element()?.ok_or_else(ends_early)?);
        }
        Ok(Packed(list))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::codec::{self, Record};
    use super::*;

    /// A record of nothing but such things.
    #[derive(Debug, PartialEq)]
    struct Many(Vec<(Short, Packed<u8>)>);

    impl Record for Many {
        type Key = u64;
        type Body = Packed<(Short, Packed<u8>)>;
        const PREFIX: u8 = 1;
        const VERSION: u8 = 1;
        const KIND: &'static str = "many";

        fn to_body(&self) -> Self::Body {
            let copy = |(number, text): &(Short, Packed<u8>)| (*number, Packed(text.0.clone()));
            Packed(self.0.iter().map(copy).collect())
        }

        fn from_body(_key: &u64, body: Self::Body) -> Result<Self, CodecError> {
            Ok(Self(body.0))
        }
    }

    fn read(body: &[u8]) -> Result<Many, CodecError> {
        codec::decode(&0, &codec::envelope(1, body))
    }

    fn many(number: u64, text: &str) -> Many {
        Many(vec![(Short(number), Packed::text(text))])
    }

    #[test]
    fn a_number_takes_a_byte_for_each_seven_bits() {
        let bytes = |number| codec::encode(&many(number, "")).unwrap()[6..].to_vec();

        assert_eq!(bytes(0), [0, 0]);
        assert_eq!(bytes(127), [0x7F, 0]);
        assert_eq!(bytes(128), [0x80, 1, 0]);
        assert_eq!(bytes(300), [0xAC, 2, 0]);
        assert_eq!(bytes(u64::MAX), [&[0xFF_u8; 9][..], &[1, 0]].concat());
    }

    #[test]
    fn what_is_too_much_or_too_little_is_refused() {
        assert_eq!(read(&[1, 0xAC, 2, 3, b't', b'e', b'a']).unwrap(), many(300, "tea"));
        let over = [&[1_u8][..], &[0xFF; 9], &[2, 0]].concat();
        let endless = [&[1_u8][..], &[0x80; 11], &[0, 0]].concat();
        // A length that no memory has room for.
        let lie = [&[0xFF_u8; 9][..], &[1, 0, 0]].concat();
        for body in [&over[..], &endless, &lie, &[], &[1], &[1, 0], &[1, 0, 2, b't'], &[0, 0]] {
            assert!(matches!(read(body), Err(CodecError::Body(_))), "{body:?}");
        }
    }

    #[test]
    fn a_list_that_would_fill_the_memory_is_refused_before_it_does() {
        let read_so_many = |count: usize| {
            let mut body = codec::encode(&many(count as u64, "")).unwrap()[6..].to_vec();
            body.pop();
            body.resize(body.len() + 2 * count, 0);
            read(&body)
        };
        let most = MOST_LIST_BYTES / size_of::<(Short, Packed<u8>)>();

        assert_eq!(read_so_many(most).unwrap().0.len(), most);
        assert!(matches!(read_so_many(most + 1), Err(CodecError::Body(_))));
    }

    #[test]
    fn no_place_beyond_a_table_and_no_time_beyond_an_id_is_taken() {
        assert_eq!(Short::place(1).find(&["one", "two"], "word").unwrap(), &"two");
        assert!(matches!(Short::place(2).find(&[1, 2], "word"), Err(CodecError::Field("word"))));
        assert!(Short(u64::MAX).find(&[1, 2], "word").is_err());
        assert!(Short(1 << 32).narrow("version").is_err());

        let last = ShortId::between(Timestamp(0), MemoryId::LAST);
        assert_eq!(last.after(Timestamp(0)).unwrap(), MemoryId::LAST);
        for from in [1, i64::MAX, i64::MIN] {
            assert!(last.after(Timestamp(from)).is_err(), "{from}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_packed_comes_back(
            list in prop::collection::vec((any::<u64>(), ".{0,20}"), 0..20),
            noise in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let packed = list.iter().map(|(n, text)| (Short(*n), Packed::text(text.as_str())));
            let many = Many(packed.collect());

            let bytes = codec::encode(&many).unwrap();

            let back = codec::decode::<Many>(&0, &bytes).unwrap();
            for ((_, packed), (_, text)) in back.0.iter().zip(&list) {
                let packed = Packed(packed.0.clone());
                prop_assert_eq!(&packed.into_text("text").unwrap(), text);
            }
            prop_assert_eq!(back, many);
            let _ = read(&noise);
        }

        #[test]
        fn moments_and_ids_are_told_from_any_other_moment(
            from in any::<i64>(),
            to in any::<i64>(),
            id in any::<[u8; 16]>(),
        ) {
            let (from, to, id) = (Timestamp(from), Timestamp(to), MemoryId::from_bytes(id));

            prop_assert_eq!(Short::between(from, to).after(from), to);
            prop_assert_eq!(ShortId::between(from, id).after(from).unwrap(), id);
        }
    }
}
