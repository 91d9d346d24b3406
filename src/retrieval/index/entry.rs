//! What is kept of each document beside its postings and its vector.

use std::io;

use super::speakers::SpeakerId;
use crate::model::{Priority, Timestamp};
use crate::retrieval::priors::{Ceiling, Standing};
use crate::retrieval::{Document, Packer, Unpacker, misread};

/// What is kept of a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) standing: Standing,
    /// When it took place.
    pub(super) moment: Timestamp,
    /// Who says it.
    pub(super) speaker: SpeakerId,
    /// Whether its client says that it is a turn of a conversation.
    pub(super) is_told_turn: bool,
    /// How many different terms it has.
    pub(super) distinct: u32,
}

/// Beside the priority, where an entry is written down.
const TOLD: u8 = 0x40;
const PINNED: u8 = 0x20;
/// So many times the documents that there are may be numbered there.
const MOST_SPAN: usize = 2;
/// An entry takes at least so many bytes there, with its place and its length.
const LEAST_BYTES: u64 = 7;

/// So many documents in a row share what is known of them together.
pub(super) const BLOCK: usize = 64;

/// The entries of a session by document number.
#[derive(Debug, Default)]
pub(super) struct Entries {
    all: Vec<Option<Entry>>,
    /// How many words each has without stop words, fields that count more counted more often. Apart,
    /// since the words of a question look at nothing else.
    lengths: Vec<u32>,
    /// The most that the priors can say of each block. A removed document leaves its mark.
    ceilings: Vec<Ceiling>,
    count: u32,
    total_length: u64,
}

impl Entry {
    pub(super) fn new(document: &Document<'_>, speaker: SpeakerId, distinct: u32) -> Self {
        let standing = Standing {
            written_at: document.written_at,
            priority: document.priority,
            pinned: document.pinned,
        };
        let is_told_turn = document.sitting.is_some_and(|key| key.is_told);
        Self { standing, moment: document.moment(), speaker, is_told_turn, distinct }
    }

    fn pack(&self, packer: &mut Packer<'_>) {
        let Standing { written_at, priority, pinned } = self.standing;
        let told = if self.is_told_turn { TOLD } else { 0 };
        let pinned = if pinned { PINNED } else { 0 };
        packer.number(u64::from(priority.get() | told | pinned));
        packer.signed(written_at.0);
        // Most were written when it took place.
        packer.signed(self.moment.0.wrapping_sub(written_at.0));
        self.speaker.pack(packer);
        packer.number(u64::from(self.distinct));
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> io::Result<Self> {
        let bits = unpacker.tiny()?;
        let priority = Priority::new(bits & !(TOLD | PINNED)).ok_or_else(misread)?;
        let written_at = Timestamp(unpacker.signed()?);
        let standing = Standing { written_at, priority, pinned: bits & PINNED != 0 };
        let moment = Timestamp(unpacker.signed()?.wrapping_add(written_at.0));
        let speaker = SpeakerId::unpack(unpacker)?;
        let is_told_turn = bits & TOLD != 0;
        Ok(Self { standing, moment, speaker, is_told_turn, distinct: unpacker.small()? })
    }
}

impl Entries {
    #[inline]
    pub(super) fn get(&self, doc: u32) -> Option<&Entry> {
        self.all.get(doc as usize)?.as_ref()
    }

    pub(super) fn insert(&mut self, doc: u32, entry: Entry, length: u32) {
        if self.all.len() <= doc as usize {
            self.all.resize(doc as usize + 1, None);
            self.lengths.resize(self.all.len(), 0);
            self.ceilings.resize(self.all.len().div_ceil(BLOCK), Ceiling::default());
        }
        if let Some(ceiling) = self.ceilings.get_mut(doc as usize / BLOCK) {
            ceiling.raise(entry.standing);
        }
        let at = doc as usize;
        if let Some((slot, length_slot)) = self.all.get_mut(at).zip(self.lengths.get_mut(at)) {
            *slot = Some(entry);
            *length_slot = length;
            self.count += 1;
            self.total_length += u64::from(length);
        }
    }

    pub(super) fn remove(&mut self, doc: u32) -> Option<Entry> {
        let entry = self.all.get_mut(doc as usize)?.take()?;
        self.count -= 1;
        self.total_length -= u64::from(self.length(doc));
        Some(entry)
    }

    /// Writes them in the order of their numbers.
    pub(super) fn pack(&self, packer: &mut Packer<'_>) {
        packer.number(u64::from(self.count));
        packer.count(self.all.len());
        let mut next = 0;
        for (doc, entry) in self.all.iter().enumerate() {
            let Some(entry) = entry else { continue };
            packer.count(doc - next);
            next = doc + 1;
            entry.pack(packer);
            packer.number(u64::from(self.lengths.get(doc).copied().unwrap_or_default()));
        }
    }

    pub(super) fn unpack(unpacker: &mut Unpacker<'_>) -> io::Result<Self> {
        let count = unpacker.count(LEAST_BYTES)?;
        let span = unpacker.small()?;
        // Numbers that nobody has take room as well.
        if span as usize > count.saturating_mul(MOST_SPAN).saturating_add(BLOCK) {
            return Err(misread());
        }
        let mut entries = Self::default();
        let mut next = 0_u32;
        for _ in 0..count {
            let doc = next.checked_add(unpacker.small()?).filter(|&doc| doc < span);
            let doc = doc.ok_or_else(misread)?;
            let entry = Entry::unpack(unpacker)?;
            entries.insert(doc, entry, unpacker.small()?);
            next = doc + 1;
        }
        entries.all.resize(span as usize, None);
        entries.lengths.resize(span as usize, 0);
        entries.ceilings.resize(entries.all.len().div_ceil(BLOCK), Ceiling::default());
        entries.shrink();
        Ok(entries)
    }

    /// Whether so many numbers are in use that it can be written down and read again.
    pub(super) fn is_dense(&self) -> bool {
        self.all.len() <= (self.count as usize).saturating_mul(MOST_SPAN).saturating_add(BLOCK)
    }

    /// The length of a document that is there, in words.
    #[inline]
    pub(super) fn length(&self, doc: u32) -> u32 {
        self.lengths.get(doc as usize).copied().unwrap_or_default()
    }

    /// When a document took place, in milliseconds.
    pub(super) fn moment(&self, doc: u32) -> i64 {
        self.get(doc).map_or(i64::MIN, |entry| entry.moment.0)
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// One more than the greatest number that was ever in use.
    pub(super) fn span(&self) -> usize {
        self.all.len()
    }

    #[allow(clippy::cast_precision_loss, reason = "an average needs no more than 24 bits")]
    pub(super) fn average_length(&self) -> f32 {
        (self.total_length as f32 / self.count.max(1) as f32).max(1.0)
    }

    /// The ceiling of each block, in order.
    pub(super) fn ceilings(&self) -> impl Iterator<Item = &Ceiling> {
        self.ceilings.iter()
    }

    pub(super) fn shrink(&mut self) {
        self.all.shrink_to_fit();
        self.lengths.shrink_to_fit();
        self.ceilings.shrink_to_fit();
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.all.capacity() * size_of::<Option<Entry>>()
            + self.lengths.capacity() * size_of::<u32>()
            + self.ceilings.capacity() * size_of::<Ceiling>()
    }
}
