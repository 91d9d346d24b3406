//! Making documents findable, one or many.

use crate::retrieval::meaning::{TableEmbedder, Vector};
use crate::retrieval::text::{Analyzer, Term};
use crate::retrieval::{DocId, Document};

use super::entry::Entry;
use super::lexicon::TermId;
use super::postings::Posting;
use super::speakers::SpeakerId;
use super::{Index, ParsedDocument, Waking, fields};

impl Index {
    /// Makes a document findable; nothing happens if its number is in use. To change a document,
    /// remove it as it was and insert it as it is.
    pub fn insert(&mut self, doc: DocId, document: &Document<'_>) {
        self.insert_parsed(doc, document, &ParsedDocument::of(document));
    }

    /// The same of a document that is parsed already.
    pub fn insert_parsed(&mut self, doc: DocId, document: &Document<'_>, parsed: &ParsedDocument) {
        if self.contains(doc) {
            return;
        }
        let ParsedDocument { terms, weights, length, vector } = parsed;
        let named = terms.iter().zip(weights);
        let terms: Vec<(TermId, u8)> =
            named.map(|(term, &weight)| (self.lexicon.intern(term), weight)).collect();
        self.insert_terms(&mut Analyzer::new(), doc, document, &terms, *length);
        self.insert_vector(doc, document, vector.as_ref());
    }

    /// Inserts many, as a session does when it wakes; call [`Index::settle`] after the last.
    /// Ascending numbers are fastest.
    ///
    /// `vectors` are those of the first documents, in their order, as the built-in table makes them
    /// on whatever thread has time. What is missing is made here.
    pub fn extend(&mut self, documents: &[(DocId, Document<'_>)], vectors: &[Vector]) {
        let mut waking = self.waking.take().unwrap_or_else(Waking::new);
        let mut vectors = vectors.iter();
        for (doc, document) in documents {
            let vector = vectors.next();
            if !self.contains(*doc) {
                self.insert_words(&mut waking, *doc, document);
                self.insert_vector(*doc, document, vector);
            }
        }
        self.waking = Some(waking);
    }

    /// Gives back the memory that waking has set aside.
    pub fn settle(&mut self) {
        self.waking = None;
        self.lexicon.shrink();
        self.entries.shrink();
        self.sittings.shrink();
        self.vectors.shrink();
        self.made.shrink();
    }

    fn insert_vector(&mut self, doc: DocId, document: &Document<'_>, made: Option<&Vector>) {
        match (TableEmbedder::built_in(), made) {
            (Some(_), Some(vector)) => self.vectors.insert(doc.0, vector),
            (Some(embedder), None) => {
                self.vectors.insert(doc.0, &document.vector(|parts| embedder.embed(parts)));
            }
            (None, _) => {}
        }
    }

    fn insert_words(&mut self, waking: &mut Waking, doc: DocId, document: &Document<'_>) {
        let Waking { analyzer, terms: known } = waking;
        let intern = &mut |term: Term<'_>| {
            let slot = term.number.and_then(|number| slot(known, number as usize));
            match slot {
                Some(slot) => *slot.get_or_insert_with(|| self.lexicon.intern(term.text)),
                None => self.lexicon.intern(term.text),
            }
        };
        let (terms, length) = fields::weighted_terms::<TermId>(analyzer, document, intern);
        self.insert_terms(analyzer, doc, document, &terms, length);
    }

    fn insert_terms(
        &mut self,
        analyzer: &mut Analyzer,
        doc: DocId,
        document: &Document<'_>,
        terms: &[(TermId, u8)],
        length: u32,
    ) {
        self.english.insert(doc, document);
        for &(term, weight) in terms {
            self.lexicon.insert(term, Posting { doc: doc.0, weight });
        }
        let speaker = match document.author {
            Some(author) => self.speakers.insert(analyzer, author),
            None => SpeakerId::NOBODY,
        };
        let distinct = u32::try_from(terms.len()).unwrap_or(u32::MAX);
        self.entries.insert(doc.0, Entry::new(document, speaker, distinct), length);
        if let Some(key) = document.sitting {
            self.sittings.insert(key, doc.0, &|doc| self.entries.moment(doc));
        }
    }
}

impl Waking {
    fn new() -> Self {
        Self { analyzer: Analyzer::for_many(), terms: Vec::new() }
    }
}

/// The slot of a number, made where it is missing.
fn slot<T: Clone>(slots: &mut Vec<Option<T>>, number: usize) -> Option<&mut Option<T>> {
    if slots.len() <= number {
        slots.resize(number + 1, None);
    }
    slots.get_mut(number)
}
