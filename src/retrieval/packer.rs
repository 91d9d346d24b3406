//! How what is derived is written to wherever it is kept, and read back from there.
//!
//! A number has seven bits in each byte, the lowest first; the highest bit of a byte says that another one follows. One
//! that may be negative is doubled, and the negative ones are told by the lowest bit. Texts and lists have their length
//! before them. No length is believed that is greater than what is left: whatever the bytes are, reading them ends, takes
//! no more memory than they make up for, and does not panic.

use std::fmt;
use std::io::{self, Read, Write};

/// So many bytes are handed on at a time.
const PART: usize = 64 * 1024;

/// For so many elements room is made at once, whatever a list says of itself.
const MOST_AT_ONCE: usize = 1 << 16;

/// Writes one thing after the other. Whatever goes wrong is told at the end.
pub struct Packer<'a> {
    target: &'a mut dyn Write,
    buffer: Vec<u8>,
    failed: Option<io::Error>,
}

/// Reads what a [`Packer`] has written, in the same order.
pub struct Unpacker<'a> {
    source: &'a mut dyn Read,
    /// How many bytes the source has still to give.
    left: u64,
    buffer: Vec<u8>,
    at: usize,
}

impl<'a> Packer<'a> {
    #[must_use]
    pub fn new(target: &'a mut dyn Write) -> Self {
        Self { target, buffer: Vec::with_capacity(PART + 16), failed: None }
    }

    #[inline]
    pub fn number(&mut self, number: u64) {
        let mut rest = number;
        loop {
            #[allow(clippy::cast_possible_truncation, reason = "seven bits are taken")]
            let low = (rest & 0x7f) as u8;
            rest >>= 7;
            if rest == 0 {
                self.buffer.push(low);
                break;
            }
            self.buffer.push(low | 0x80);
        }
        if self.buffer.len() >= PART {
            self.hand_on();
        }
    }

    /// How many there are of something, or a place in a list.
    #[inline]
    pub fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    #[inline]
    pub fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    /// A number that may be missing.
    #[inline]
    pub fn optional(&mut self, number: Option<u32>) {
        self.number(number.map_or(0, |number| u64::from(number) + 1));
    }

    /// A list of bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Bytes whose number the reader knows.
    pub fn raw(&mut self, bytes: &[u8]) {
        if bytes.len() >= PART {
            self.hand_on();
            if self.failed.is_none() {
                self.failed = self.target.write_all(bytes).err();
            }
            return;
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PART {
            self.hand_on();
        }
    }

    /// Says whether the target took everything.
    pub fn finish(mut self) -> io::Result<()> {
        self.hand_on();
        self.failed.map_or(Ok(()), Err)
    }

    fn hand_on(&mut self) {
        if self.failed.is_none() {
            self.failed = self.target.write_all(&self.buffer).err();
        }
        self.buffer.clear();
    }
}

impl<'a> Unpacker<'a> {
    /// Reads so many bytes of a source.
    #[must_use]
    pub fn new(source: &'a mut dyn Read, length: u64) -> Self {
        Self { source, left: length, buffer: Vec::new(), at: 0 }
    }

    #[inline]
    pub fn number(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(misread())
    }

    #[inline]
    pub fn small(&mut self) -> io::Result<u32> {
        u32::try_from(self.number()?).map_err(|_| misread())
    }

    #[inline]
    pub fn tiny(&mut self) -> io::Result<u8> {
        u8::try_from(self.number()?).map_err(|_| misread())
    }

    /// How many elements follow, each of which takes at least so many bytes.
    pub fn count(&mut self, least_bytes: u64) -> io::Result<usize> {
        let count = self.number()?;
        if count > self.remaining() / least_bytes.max(1) {
            return Err(misread());
        }
        usize::try_from(count).map_err(|_| misread())
    }

    /// A list with room for its elements, as far as that is made at once.
    #[must_use]
    pub fn list<T>(count: usize) -> Vec<T> {
        Vec::with_capacity(count.min(MOST_AT_ONCE))
    }

    #[inline]
    pub fn signed(&mut self) -> io::Result<i64> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    #[inline]
    pub fn optional(&mut self) -> io::Result<Option<u32>> {
        match self.number()?.checked_sub(1) {
            Some(number) => u32::try_from(number).map(Some).map_err(|_| misread()),
            None => Ok(None),
        }
    }

    pub fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let length = self.count(1)?;
        self.raw(length)
    }

    pub fn text(&mut self) -> io::Result<Box<str>> {
        let text = String::from_utf8(self.bytes()?).map_err(|_| misread())?;
        Ok(text.into_boxed_str())
    }

    pub fn raw(&mut self, length: usize) -> io::Result<Vec<u8>> {
        if length as u64 > self.remaining() {
            return Err(misread());
        }
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Fails if something is left that nobody has read.
    pub fn finish(&self) -> io::Result<()> {
        if self.remaining() == 0 { Ok(()) } else { Err(misread()) }
    }

    fn remaining(&self) -> u64 {
        self.left + self.buffered().len() as u64
    }

    fn buffered(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn byte(&mut self) -> io::Result<u8> {
        if let Some(&byte) = self.buffer.get(self.at) {
            self.at += 1;
            return Ok(byte);
        }
        self.refill()?;
        self.at = 1;
        self.buffer.first().copied().ok_or_else(misread)
    }

    fn fill(&mut self, target: &mut [u8]) -> io::Result<()> {
        let buffered = self.buffered();
        let (now, later) = target.split_at_mut(buffered.len().min(target.len()));
        now.iter_mut().zip(buffered).for_each(|(to, from)| *to = *from);
        self.at += now.len();
        if later.is_empty() {
            return Ok(());
        }
        if later.len() < PART {
            self.refill()?;
            return self.fill(later);
        }
        self.left = self.left.checked_sub(later.len() as u64).ok_or_else(misread)?;
        self.source.read_exact(later)
    }

    /// Fetches the next part, once the one before it is used up.
    fn refill(&mut self) -> io::Result<()> {
        let length = usize::try_from(self.left).map_or(PART, |left| left.min(PART));
        if length == 0 {
            return Err(misread());
        }
        self.buffer.resize(length, 0);
        self.at = 0;
        self.left -= length as u64;
        self.source.read_exact(&mut self.buffer)
    }
}

/// What is said of bytes that nobody can have written so.
#[must_use]
pub fn misread() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it does not read as it was written")
}

impl fmt::Debug for Packer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Packer(..)")
    }
}

impl fmt::Debug for Unpacker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unpacker({} bytes left)", self.remaining())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is written, as bytes.
    pub(crate) fn packed(write: impl FnOnce(&mut Packer<'_>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut packer = Packer::new(&mut bytes);
        write(&mut packer);
        packer.finish().unwrap();
        bytes
    }

    /// What is read of bytes, to the last of them.
    pub(crate) fn unpacked<T>(
        bytes: &[u8],
        read: impl FnOnce(&mut Unpacker<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut source = bytes;
        let mut unpacker = Unpacker::new(&mut source, bytes.len() as u64);
        let made = read(&mut unpacker)?;
        unpacker.finish().map(|()| made)
    }

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn everything_comes_back(
            numbers in prop::collection::vec(any::<u64>(), 0..40),
            signed in prop::collection::vec(any::<i64>(), 0..40),
            optional in any::<Option<u32>>(),
            text in ".{0,40}",
            long in 0..200_000_usize,
        ) {
            let large: Vec<u8> = (0..=250).cycle().take(long).collect();
            let bytes = packed(|packer| {
                packer.count(numbers.len());
                numbers.iter().for_each(|&number| packer.number(number));
                signed.iter().for_each(|&number| packer.signed(number));
                packer.optional(optional);
                packer.bytes(&large);
                packer.text(&text);
                packer.raw(&[7; 16]);
            });

            let same = unpacked(&bytes, |unpacker| {
                let count = unpacker.count(1)?;
                let all: io::Result<Vec<u64>> = (0..count).map(|_| unpacker.number()).collect();
                let others: io::Result<Vec<i64>> = signed.iter().map(|_| unpacker.signed()).collect();
                Ok(all? == numbers
                    && others? == signed
                    && unpacker.optional()? == optional
                    && unpacker.bytes()? == large
                    && *unpacker.text()? == *text
                    && unpacker.array::<16>()? == [7; 16])
            });

            prop_assert!(same.unwrap());
            prop_assert!(unpacked(&bytes, |unpacker| unpacker.number()).is_err(), "not all of it");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_not_believed() {
        let bytes = packed(|packer| packer.number(1 << 40));

        assert!(unpacked(&bytes, |unpacker| unpacker.bytes()).is_err());
        assert!(unpacked(&bytes, |unpacker| unpacker.count(1)).is_err());
        assert!(unpacked(&[0xff; 20], |unpacker| unpacker.number()).is_err());
        assert!(unpacked(&[], |unpacker| unpacker.number()).is_err());
        assert!(unpacked(&[0, 0], |unpacker| unpacker.number()).is_err(), "one is left");
    }

    #[test]
    fn a_target_that_takes_nothing_is_told_of() {
        let mut full = Full;
        let mut packer = Packer::new(&mut full);
        packer.number(1);
        packer.raw(&[0; 2 * PART]);

        assert_eq!(packer.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
