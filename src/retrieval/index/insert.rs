//! Making documents findable, one or many.

use crate::retrieval::meaning::{Embedder, Vectors};
use crate::retrieval::text::Analyzer;
use crate::retrieval::{DocId, Document};

use super::entry::Entry;
use super::postings::Posting;
use super::{Index, fields, sittings};

impl Index {
    /// Makes a document findable; nothing happens if its number is in use. To change a document,
    /// remove it as it was and insert it as it is.
    pub fn insert(&mut self, doc: DocId, document: &Document<'_>) {
        if !self.contains(doc) {
            self.insert_words(&mut Analyzer::new(), doc, document);
            let embedder = self.embedder();
            place(&mut self.vectors, embedder, doc, document);
        }
    }

    /// Inserts many, as a session does when it wakes; call [`Index::settle`] after the last.
    /// Ascending numbers are fastest.
    ///
    /// A second thread makes the vectors meanwhile, which is half of the work.
    pub fn extend(&mut self, documents: &[(DocId, Document<'_>)]) {
        let fresh: Vec<_> = documents.iter().filter(|(doc, _)| !self.contains(*doc)).collect();
        let embedder = self.embedder();
        let mut vectors = std::mem::take(&mut self.vectors);
        let mut analyzer = self.waking.take().unwrap_or_else(Analyzer::for_many);
        std::thread::scope(|scope| {
            let meaning = scope.spawn(|| {
                for (doc, document) in &fresh {
                    place(&mut vectors, embedder, *doc, document);
                }
            });
            for (doc, document) in &fresh {
                self.insert_words(&mut analyzer, *doc, document);
            }
            meaning.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
        self.vectors = vectors;
        self.waking = Some(analyzer);
    }

    /// Gives back the memory that waking has set aside.
    pub fn settle(&mut self) {
        self.waking = None;
        self.lexicon.shrink();
        self.entries.shrink();
        self.sittings.shrink();
        self.vectors.shrink();
    }

    fn insert_words(&mut self, analyzer: &mut Analyzer, doc: DocId, document: &Document<'_>) {
        let intern = &mut |term: &str| self.lexicon.intern(term);
        let (terms, length) = fields::weighted_terms(analyzer, document, intern);
        for &(term, weight) in &terms {
            self.lexicon.insert(term, Posting { doc: doc.0, weight });
        }
        let speaker = match document.author {
            Some(author) => self.speakers.insert(analyzer, author),
            None => sittings::NONE,
        };
        let distinct = u32::try_from(terms.len()).unwrap_or(u32::MAX);
        self.entries.insert(doc.0, Entry::new(document, speaker, length, distinct));
        if let Some(key) = document.sitting {
            self.sittings.insert(key, doc.0, &|doc| self.entries.moment(doc));
        }
    }
}

fn place(vectors: &mut Vectors, embedder: Option<&Embedder>, doc: DocId, document: &Document<'_>) {
    if let Some(embedder) = embedder {
        vectors.insert(doc.0, &fields::embed(embedder, document));
    }
}
