use crate::retrieval::Document;
use crate::retrieval::meaning::{TableEmbedder, Vector};
use crate::retrieval::text::Analyzer;

use super::fields;

/// What the index makes of a document before it looks at others: its terms, and its vector by the
/// built-in table. Both cost more than most of what is done with them, so they are made once.
#[derive(Debug)]
pub struct ParsedDocument {
    /// Distinct, and sorted.
    pub(super) terms: Vec<String>,
    /// What each of them weighs.
    pub(super) weights: Vec<u8>,
    /// In words, without stop words.
    pub(super) length: u32,
    pub(super) vector: Option<Vector>,
}

impl ParsedDocument {
    #[must_use]
    pub fn of(document: &Document<'_>) -> Self {
        let (terms, length) = fields::weighted_terms(&mut Analyzer::new(), document, &mut |term| {
            term.text.to_owned()
        });
        let (terms, weights) = terms.into_iter().unzip();
        let embedder = TableEmbedder::built_in();
        let vector = embedder.map(|embedder| document.vector(|parts| embedder.embed(parts)));
        Self { terms, weights, length, vector }
    }
}
