//! The index of one awake session. It is derived from the memories: losing it loses nothing.

mod entry;
mod fields;
mod insert;
mod lexicon;
mod near;
mod postings;
mod rank;
mod repeats;
mod scratch;
mod similar;
mod sittings;
mod speakers;
#[cfg(test)]
mod tests;
mod top;
mod words;

use crate::retrieval::meaning::{ModelDigest, TableEmbedder, Vector, Vectors};
use crate::retrieval::text::Analyzer;

use super::{DocId, Document};
use entry::Entries;
use lexicon::{Lexicon, TermId};
use scratch::Scratch;
use sittings::Sittings;
use speakers::Speakers;

/// Finds memories by their words, their meaning, who said them and when.
#[derive(Debug, Default)]
pub struct Index {
    lexicon: Lexicon,
    entries: Entries,
    sittings: Sittings,
    speakers: Speakers,
    vectors: Vectors,
    /// Whose vectors it holds, if not the built-in table's.
    foreign: Option<ModelDigest>,
    waking: Option<Waking>,
    scratch: Scratch,
}

/// What is remembered while a session wakes.
#[derive(Debug)]
struct Waking {
    analyzer: Analyzer,
    /// The terms of the words that the analyzer has numbered.
    terms: Vec<Option<TermId>>,
}

impl Index {
    /// An index that makes its vectors itself, with the built-in table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An index whose vectors come from another model, through [`Index::place`].
    #[must_use]
    pub fn for_model(model: ModelDigest) -> Self {
        Self { foreign: Some(model), ..Self::default() }
    }

    /// How many documents it holds.
    #[must_use]
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.count() as usize
    }

    #[must_use]
    pub fn contains(&self, doc: DocId) -> bool {
        self.entries.get(doc.0).is_some()
    }

    /// Gives a document the vector that another model made of it.
    pub fn place(&mut self, doc: DocId, vector: &Vector) {
        if self.foreign.is_some() && self.contains(doc) {
            self.vectors.insert(doc.0, vector);
        }
    }

    /// Takes a document out. `document` must read as it did when it was inserted: the index keeps
    /// no copy of the text.
    pub fn remove(&mut self, doc: DocId, document: &Document<'_>) {
        let Some(entry) = self.entries.remove(doc.0) else { return };
        // The numbers of terms that are gone are given out again.
        self.waking = None;
        for term in fields::distinct_terms(document) {
            self.lexicon.remove(&term, doc.0);
        }
        self.vectors.remove(doc.0);
        self.speakers.remove(entry.speaker);
        if let Some(key) = document.sitting {
            self.sittings.remove(key, doc.0, &|doc| self.entries.moment(doc));
        }
    }

    /// Roughly how many bytes it takes.
    #[must_use]
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.lexicon.bytes() + self.sittings.bytes() + self.vectors.bytes() + self.entries.bytes()
    }

    /// How many different terms it knows.
    #[must_use]
    #[cfg(test)]
    pub fn terms(&self) -> usize {
        self.lexicon.len()
    }

    /// What makes the vectors of its documents; nothing if they come from outside.
    #[must_use]
    pub fn embedder(&self) -> Option<&'static TableEmbedder> {
        TableEmbedder::built_in().filter(|_| self.foreign.is_none())
    }
}
