//! The index of one awake session. It is derived from the memories: losing it loses nothing.

mod lexicon;
mod postings;
mod rank;
mod similar;
#[cfg(test)]
mod tests;
mod top;

use crate::retrieval::text::{Analyzer, Term};

use super::priors::Standing;
use super::{DocId, Document};
use lexicon::{Lexicon, TermId};
use postings::Posting;

pub use similar::overlap;

/// How many occurrences in the content one in the title or a tag is worth. Robertson, Zaragoza and
/// Taylor, "Simple BM25 extension to multiple weighted fields", 2004: fields are weighed before
/// saturation. Three makes one word of a title beat any repetition within a note but the fourth.
const TITLE_WEIGHT: u8 = 3;
const TAG_WEIGHT: u8 = 3;

/// Finds memories by their words.
#[derive(Debug, Default)]
pub struct Index {
    lexicon: Lexicon,
    entries: Vec<Option<Entry>>,
    documents: u32,
    total_length: u64,
}

/// What is kept of a document beside its postings.
#[derive(Debug, Clone, Copy)]
struct Entry {
    standing: Standing,
    /// Its words without stop words, fields that count more counted more often.
    length: u32,
    /// How many different terms it has.
    distinct: u32,
}

impl Index {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many documents it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.documents as usize
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents == 0
    }

    #[must_use]
    pub fn contains(&self, doc: DocId) -> bool {
        self.entry(doc.0).is_some()
    }

    /// Makes a document findable. To change one, remove it as it was and insert it as it is.
    pub fn insert(&mut self, doc: DocId, document: &Document<'_>) {
        self.insert_with(&mut Analyzer::new(), doc, document);
    }

    /// Inserts many, as a session does when it wakes.
    pub fn extend<'a>(&mut self, documents: impl IntoIterator<Item = (DocId, Document<'a>)>) {
        let mut analyzer = Analyzer::new();
        for (doc, document) in documents {
            self.insert_with(&mut analyzer, doc, &document);
        }
        self.lexicon.shrink();
        self.entries.shrink_to_fit();
    }

    /// Takes a document out. `document` must read as it did when it was inserted: the index keeps
    /// no copy of the text.
    pub fn remove(&mut self, doc: DocId, document: &Document<'_>) {
        let Some(entry) = self.entries.get_mut(doc.0 as usize).and_then(Option::take) else {
            return;
        };
        self.documents -= 1;
        self.total_length -= u64::from(entry.length);
        let mut terms = Vec::new();
        each_weighted(&mut Analyzer::new(), document, &mut |term, _| {
            terms.push(term.text.to_owned());
        });
        terms.sort_unstable();
        terms.dedup();
        for term in terms {
            self.lexicon.remove(&term, doc.0);
        }
    }

    /// Roughly how many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lexicon.bytes() + self.entries.capacity() * size_of::<Option<Entry>>()
    }

    /// How many different terms it knows.
    #[must_use]
    pub fn terms(&self) -> usize {
        self.lexicon.len()
    }

    fn insert_with(&mut self, analyzer: &mut Analyzer, doc: DocId, document: &Document<'_>) {
        if self.contains(doc) {
            return;
        }
        let (terms, length) = self.weighted_terms(analyzer, document);
        for &(term, weight) in &terms {
            self.lexicon.insert(term, Posting { doc: doc.0, weight });
        }
        let at = doc.0 as usize;
        if self.entries.len() <= at {
            self.entries.resize(at + 1, None);
        }
        let entry = Entry {
            standing: Standing {
                written_at: document.written_at,
                priority: document.priority,
                pinned: document.pinned,
            },
            length,
            distinct: u32::try_from(terms.len()).unwrap_or(u32::MAX),
        };
        if let Some(slot) = self.entries.get_mut(at) {
            *slot = Some(entry);
            self.documents += 1;
            self.total_length += u64::from(length);
        }
    }

    /// The distinct terms of a document with their weights, and its length.
    fn weighted_terms(
        &mut self,
        analyzer: &mut Analyzer,
        document: &Document<'_>,
    ) -> (Vec<(TermId, u8)>, u32) {
        let mut terms: Vec<(TermId, u8)> = Vec::new();
        let mut length: u32 = 0;
        each_weighted(analyzer, document, &mut |term, weight| {
            terms.push((self.lexicon.intern(term.text), weight));
            length += if term.is_stop { 0 } else { u32::from(weight) };
        });
        terms.sort_unstable_by_key(|&(term, _)| term);
        terms.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            same
        });
        (terms, length)
    }

    fn entry(&self, doc: u32) -> Option<&Entry> {
        self.entries.get(doc as usize)?.as_ref()
    }
}

/// Every term of a document with what one occurrence weighs in its field.
fn each_weighted(
    analyzer: &mut Analyzer,
    document: &Document<'_>,
    sink: &mut dyn FnMut(Term<'_>, u8),
) {
    analyzer.each(document.content, &mut |term| sink(term, 1));
    if let Some(title) = document.title {
        analyzer.each(title, &mut |term| sink(term, TITLE_WEIGHT));
    }
    for tag in document.tags {
        analyzer.each(tag.as_str(), &mut |term| sink(term, TAG_WEIGHT));
    }
    if let Some(author) = document.author {
        analyzer.each(author, &mut |term| sink(term, 1));
    }
}
