//! Where a term occurs, in few bytes.
//!
//! Each posting is a LEB128 number, `gap << 2 | weight code`: the gap to the document before, and
//! the weight less one where it is below 3; code 3 says that a byte with the weight follows. Most
//! postings of frequent terms take one byte, those of rare terms two or three. Long lists are cut
//! into blocks, so that a change in the middle rewrites one block.

use std::cmp::Reverse;
use std::io;

use crate::retrieval::{Packer, Unpacker, misread};

/// A block that outgrows this is cut in two. Rewriting one of this size takes a microsecond.
const MOST_IN_BLOCK: u32 = 256;

/// The documents that hold one term, in ascending order, each with the term's weight there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Postings {
    /// Most terms are rare and need no more.
    Short(Block),
    Long {
        blocks: Vec<Block>,
        count: u32,
    },
}

/// One document of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Posting {
    pub(super) doc: u32,
    /// How often the term occurs, fields that count more counted more often.
    pub(super) weight: u8,
}

/// Some postings in a row. The first gap counts from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Block {
    bytes: Vec<u8>,
    count: u32,
    last: u32,
}

const WEIGHT_FOLLOWS: u64 = 3;

/// A block takes at least so many bytes where it is written down: two counts and a posting.
const LEAST_BYTES: u64 = 3;

impl Default for Postings {
    fn default() -> Self {
        Self::Short(Block::default())
    }
}

impl Postings {
    pub(super) fn count(&self) -> u32 {
        match self {
            Self::Short(block) => block.count,
            Self::Long { count, .. } => *count,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Posting> {
        self.blocks().iter().flat_map(Block::iter)
    }

    /// Adds a document that is not in the list yet.
    pub(super) fn insert(&mut self, posting: Posting) {
        match self {
            Self::Short(block) => block.insert(posting),
            Self::Long { blocks, count } => {
                let at = blocks.partition_point(|block| block.last < posting.doc);
                let at = at.min(blocks.len().saturating_sub(1));
                if let Some(block) = blocks.get_mut(at) {
                    block.insert(posting);
                    *count += 1;
                }
                split(blocks, at);
            }
        }
        if let Self::Short(block) = self
            && block.count > MOST_IN_BLOCK
        {
            let mut blocks = vec![std::mem::take(block)];
            let count = blocks.iter().map(|block| block.count).sum();
            split(&mut blocks, 0);
            *self = Self::Long { blocks, count };
        }
    }

    /// Takes a document out; nothing happens if it is not in.
    pub(super) fn remove(&mut self, doc: u32) {
        match self {
            Self::Short(block) => {
                block.remove(doc);
            }
            Self::Long { blocks, count } => {
                let at = blocks.partition_point(|block| block.last < doc);
                let Some(block) = blocks.get_mut(at) else { return };
                if block.remove(doc) {
                    *count -= 1;
                }
                if block.count == 0 {
                    blocks.remove(at);
                }
            }
        }
    }

    /// All that is in one list or another, with the greatest weight.
    pub(super) fn union(lists: &[&Self]) -> Self {
        let mut all: Vec<Posting> = lists.iter().flat_map(|list| list.iter()).collect();
        all.sort_unstable_by_key(|posting| (posting.doc, Reverse(posting.weight)));
        all.dedup_by_key(|posting| posting.doc);
        all.into_iter().collect()
    }

    /// Writes the blocks as they are.
    pub(super) fn pack(&self, packer: &mut Packer<'_>) {
        packer.count(self.blocks().len());
        for block in self.blocks() {
            packer.number(u64::from(block.count));
            packer.bytes(&block.bytes);
        }
    }

    /// Of documents whose numbers are below `span`.
    pub(super) fn unpack(unpacker: &mut Unpacker<'_>, span: usize) -> io::Result<Self> {
        let number = unpacker.count(LEAST_BYTES)?;
        let mut blocks: Vec<Block> = Vec::with_capacity(number.min(1));
        for _ in 0..number {
            let count = unpacker.small()?;
            let block = Block::whole(unpacker.bytes()?, span).ok_or_else(misread)?;
            let follows = blocks.last().is_none_or(|before| Some(before.last) < block.first());
            if block.count != count || !follows {
                return Err(misread());
            }
            blocks.push(block);
        }
        if blocks.len() < 2 {
            return blocks.pop().map(Self::Short).ok_or_else(misread);
        }
        let count = blocks.iter().map(|block| block.count).sum();
        blocks.shrink_to_fit();
        Ok(Self::Long { blocks, count })
    }

    pub(super) fn shrink(&mut self) {
        match self {
            Self::Short(block) => block.bytes.shrink_to_fit(),
            Self::Long { blocks, .. } => {
                blocks.iter_mut().for_each(|block| block.bytes.shrink_to_fit());
                blocks.shrink_to_fit();
            }
        }
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let blocks = match self {
            Self::Short(_) => 0,
            Self::Long { blocks, .. } => blocks.capacity() * size_of::<Block>(),
        };
        blocks + self.blocks().iter().map(|block| block.bytes.capacity() + 16).sum::<usize>()
    }

    fn blocks(&self) -> &[Block] {
        match self {
            Self::Short(block) => std::slice::from_ref(block),
            Self::Long { blocks, .. } => blocks,
        }
    }
}

impl FromIterator<Posting> for Postings {
    fn from_iter<I: IntoIterator<Item = Posting>>(postings: I) -> Self {
        let mut list = Self::default();
        postings.into_iter().for_each(|posting| list.insert(posting));
        list
    }
}

/// Cuts a block in two if it is too large. What was appended at the end stays whole in front, so
/// lists that only grow have full blocks.
fn split(blocks: &mut Vec<Block>, at: usize) {
    let is_last = at + 1 == blocks.len();
    let Some(block) = blocks.get_mut(at).filter(|block| block.count > MOST_IN_BLOCK) else {
        return;
    };
    let keep = if is_last { MOST_IN_BLOCK } else { MOST_IN_BLOCK / 2 } as usize;
    let (front, back) = (block.iter().take(keep).collect(), block.iter().skip(keep).collect());
    *block = front;
    block.bytes.shrink_to_fit();
    blocks.insert(at + 1, back);
}

impl Block {
    /// Takes bytes for a block if they are one: documents in ascending order, and nothing else.
    fn whole(bytes: Vec<u8>, span: usize) -> Option<Self> {
        let (mut count, mut next) = (0, 0);
        let mut walk = Iter { bytes: bytes.iter(), doc: 0 };
        for posting in &mut walk {
            if posting.doc < next || posting.doc as usize >= span {
                return None;
            }
            next = posting.doc + 1;
            count += 1;
        }
        let is_whole = count > 0 && walk.bytes.as_slice().is_empty();
        is_whole.then(|| Self { bytes, count, last: next - 1 })
    }

    fn first(&self) -> Option<u32> {
        self.iter().next().map(|posting| posting.doc)
    }

    fn iter(&self) -> Iter<'_> {
        Iter { bytes: self.bytes.iter(), doc: 0 }
    }

    fn insert(&mut self, posting: Posting) {
        if self.count == 0 || posting.doc > self.last {
            let gap = posting.doc - if self.count == 0 { 0 } else { self.last };
            write(&mut self.bytes, gap, posting.weight);
            self.last = posting.doc;
            self.count += 1;
            return;
        }
        let before = self.iter().take_while(|other| other.doc < posting.doc);
        let after = self.iter().skip_while(|other| other.doc < posting.doc);
        *self = before.chain([posting]).chain(after).collect();
    }

    fn remove(&mut self, doc: u32) -> bool {
        let was_in = self.iter().any(|posting| posting.doc == doc);
        if was_in {
            *self = self.iter().filter(|posting| posting.doc != doc).collect();
        }
        was_in
    }
}

impl FromIterator<Posting> for Block {
    fn from_iter<I: IntoIterator<Item = Posting>>(postings: I) -> Self {
        let mut block = Self::default();
        postings.into_iter().for_each(|posting| block.insert(posting));
        block
    }
}

/// Walks a block.
#[derive(Debug)]
struct Iter<'a> {
    bytes: std::slice::Iter<'a, u8>,
    doc: u32,
}

impl Iterator for Iter<'_> {
    type Item = Posting;

    #[inline]
    fn next(&mut self) -> Option<Posting> {
        let number = read(&mut self.bytes)?;
        let gap = u32::try_from(number >> 2).unwrap_or(u32::MAX);
        self.doc = self.doc.saturating_add(gap);
        let weight = match number & 3 {
            WEIGHT_FOLLOWS => *self.bytes.next()?,
            #[allow(clippy::cast_possible_truncation, reason = "it is below 3")]
            code => code as u8 + 1,
        };
        Some(Posting { doc: self.doc, weight })
    }
}

fn write(bytes: &mut Vec<u8>, gap: u32, weight: u8) {
    let code = u64::from(weight.saturating_sub(1)).min(WEIGHT_FOLLOWS);
    let mut number = u64::from(gap) << 2 | code;
    loop {
        #[allow(clippy::cast_possible_truncation, reason = "seven bits are taken")]
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            break;
        }
        bytes.push(low | 0x80);
    }
    if code == WEIGHT_FOLLOWS {
        bytes.push(weight);
    }
}

#[inline]
fn read(bytes: &mut std::slice::Iter<'_, u8>) -> Option<u64> {
    let first = *bytes.next()?;
    if first < 0x80 {
        return Some(u64::from(first));
    }
    let mut number = u64::from(first & 0x7f);
    for shift in [7, 14, 21, 28] {
        let byte = *bytes.next()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn of(list: &Postings) -> BTreeMap<u32, u8> {
        list.iter().map(|posting| (posting.doc, posting.weight)).collect()
    }

    proptest! {
        #[test]
        fn a_list_gives_back_what_was_put_in(
            docs in proptest::collection::vec((prop_oneof![0..2_000_u32, any::<u32>()], 1..=255_u8), 0..1_500),
            gone in proptest::collection::vec(any::<prop::sample::Index>(), 0..900),
        ) {
            let mut expected: BTreeMap<u32, u8> = BTreeMap::new();
            let mut list = Postings::default();
            for (doc, weight) in docs {
                if expected.insert(doc, weight).is_some() {
                    list.remove(doc);
                }
                list.insert(Posting { doc, weight });
            }
            prop_assert_eq!(of(&list), expected.clone());
            for index in gone {
                if let Some(&doc) = expected.keys().nth(index.index(expected.len().max(1))) {
                    expected.remove(&doc);
                    list.remove(doc);
                }
            }
            prop_assert!(list.iter().map(|posting| posting.doc).is_sorted());
            prop_assert_eq!(list.count() as usize, expected.len());
            prop_assert_eq!(of(&list), expected);
        }
    }

    #[test]
    fn the_largest_gap_survives() {
        let ends = [0, u32::MAX].map(|doc| Posting { doc, weight: 255 });
        let list: Postings = ends.into_iter().collect();

        assert_eq!(list.iter().map(|posting| posting.doc).collect::<Vec<_>>(), [0, u32::MAX]);
    }
}
