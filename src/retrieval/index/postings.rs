//! Where a term occurs, in few bytes.
//!
//! Each posting is a LEB128 number, `gap << 2 | weight code`: the gap to the document before, and
//! the weight less one where it is below 3; code 3 says that a byte with the weight follows. Most
//! postings of frequent terms take one byte, those of rare terms two or three.

/// The documents that hold one term, in ascending order, each with the term's weight there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Postings {
    bytes: Vec<u8>,
    count: u32,
    last: u32,
}

/// One document of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Posting {
    pub(super) doc: u32,
    /// How often the term occurs, fields that count more counted more often.
    pub(super) weight: u8,
}

const WEIGHT_FOLLOWS: u64 = 3;

impl Postings {
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        Iter { bytes: self.bytes.iter(), doc: 0 }
    }

    /// Adds a document that is not in the list yet. Cheap at the end, else the list is rewritten.
    pub(super) fn insert(&mut self, posting: Posting) {
        if self.count == 0 || posting.doc > self.last {
            let gap = posting.doc - if self.count == 0 { 0 } else { self.last };
            write(&mut self.bytes, gap, posting.weight);
            self.last = posting.doc;
            self.count += 1;
            return;
        }
        let (before, after): (Vec<_>, Vec<_>) = self.iter().partition(|p| p.doc < posting.doc);
        *self = before.into_iter().chain([posting]).chain(after).collect();
    }

    /// Takes a document out; nothing happens if it is not in.
    pub(super) fn remove(&mut self, doc: u32) {
        if self.iter().any(|posting| posting.doc == doc) {
            *self = self.iter().filter(|posting| posting.doc != doc).collect();
        }
    }

    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }
}

impl FromIterator<Posting> for Postings {
    fn from_iter<I: IntoIterator<Item = Posting>>(postings: I) -> Self {
        let mut list = Self::default();
        for posting in postings {
            list.insert(posting);
        }
        list
    }
}

/// Walks a list.
#[derive(Debug)]
pub(super) struct Iter<'a> {
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

    proptest! {
        #[test]
        fn a_list_gives_back_what_was_put_in(
            docs in proptest::collection::vec((any::<u32>(), 1..=255_u8), 0..60),
            gone in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let mut expected: BTreeMap<u32, u8> = BTreeMap::new();
            let mut list = Postings::default();
            for (doc, weight) in docs {
                if expected.insert(doc, weight).is_none() {
                    list.insert(Posting { doc, weight });
                } else {
                    list.remove(doc);
                    list.insert(Posting { doc, weight });
                }
            }
            for index in gone {
                if let Some(&doc) = expected.keys().nth(index.index(expected.len().max(1))) {
                    expected.remove(&doc);
                    list.remove(doc);
                }
            }
            let found: BTreeMap<u32, u8> = list.iter().map(|p| (p.doc, p.weight)).collect();
            prop_assert_eq!(found, expected.clone());
            prop_assert_eq!(list.count() as usize, expected.len());
        }
    }

    #[test]
    fn the_largest_gap_survives() {
        let list: Postings =
            [0, u32::MAX].map(|doc| Posting { doc, weight: 255 }).into_iter().collect();

        assert_eq!(list.iter().map(|p| p.doc).collect::<Vec<_>>(), [0, u32::MAX]);
    }
}
