//! The index of one awake session. It is derived from the memories: losing it loses nothing.

mod crowd;
mod english;
mod entry;
mod fields;
mod insert;
mod join;
mod lexicon;
mod near;
mod parsed;
mod postings;
mod rank;
mod repeats;
mod scratch;
mod similar;
mod sittings;
mod speakers;
mod stored;
#[cfg(test)]
mod tests;
mod top;
mod words;

use crate::retrieval::meaning::{ModelDigest, Sentences, Vector, Vectors};
use crate::retrieval::text::Analyzer;

use super::{DocId, Document};
use english::English;
use entry::Entries;
use lexicon::{Lexicon, TermId};
pub use parsed::ParsedDocument;
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
    /// By the built-in table, of every document.
    vectors: Vectors,
    /// By a better model, of those that it has read.
    made: Vectors,
    /// Whose those are.
    model: Option<ModelDigest>,
    english: English,
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
    /// An index that makes all its vectors itself, with the built-in table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An index that gets vectors of a better model as well, through [`Index::place`].
    #[must_use]
    pub fn for_model(model: ModelDigest) -> Self {
        Self { model: Some(model), ..Self::default() }
    }

    /// Whether its better model is another than the one that the program carries.
    #[must_use]
    pub fn has_chosen_model(&self) -> bool {
        self.model.is_some() && self.model != Sentences::built_in().map(Sentences::digest)
    }

    /// Whether a document is a turn of a conversation. Anything else is a plain note.
    #[must_use]
    #[inline]
    pub fn is_turn(&self, doc: DocId) -> bool {
        self.sittings.head(doc.0) != sittings::NONE
            && self.entries.get(doc.0).is_some_and(|entry| {
                entry.is_told_turn
                    || self.speakers.speaks_again(entry.speaker) && self.sittings.is_linked(doc.0)
            })
    }

    /// How many documents it holds.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.count() as usize
    }

    #[must_use]
    pub fn contains(&self, doc: DocId) -> bool {
        self.entries.get(doc.0).is_some()
    }

    /// Gives a document the vector that the better model made of it.
    pub fn place(&mut self, doc: DocId, vector: &Vector) {
        if self.model.is_some() && self.contains(doc) {
            self.made.insert(doc.0, vector);
        }
    }

    /// Where the better model has placed a document, of any length; nothing if it has not read it.
    #[must_use]
    pub fn direction(&self, doc: DocId) -> Option<Vec<f32>> {
        self.made.get(doc.0).map(|vector| vector.components().collect())
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
        self.made.remove(doc.0);
        self.english.remove(doc, document);
        self.speakers.remove(entry.speaker);
        if let Some(key) = document.sitting {
            self.sittings.remove(key, doc.0, &|doc| self.entries.moment(doc));
        }
    }

    /// Roughly how many bytes it takes.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let vectors = self.vectors.bytes() + self.made.bytes();
        self.lexicon.bytes() + self.sittings.bytes() + vectors + self.entries.bytes()
    }

    /// How many different terms it knows.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn terms(&self) -> usize {
        self.lexicon.len()
    }

    /// A question without the names of those who speak in this session, as the better model is to
    /// read it: it knows them not, and they would draw it to whatever they say. All of it if nothing
    /// else is asked.
    #[must_use]
    pub fn without_speakers(&self, question: &str) -> String {
        let mut analyzer = Analyzer::new();
        let mut names_one = |word: &str| {
            let (mut names, mut others) = (0, 0);
            analyzer.each(word, &mut |term| {
                let count = if self.speakers.has(term.text) { &mut names } else { &mut others };
                *count += 1;
            });
            names > 0 && others == 0
        };
        let kept: Vec<&str> = question.split_whitespace().filter(|word| !names_one(word)).collect();
        if kept.is_empty() { question.to_owned() } else { kept.join(" ") }
    }
}
