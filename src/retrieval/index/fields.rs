//! The fields of a document: which texts are searched, and what each weighs.

use crate::retrieval::Document;
use crate::retrieval::text::{Analyzer, Term};

/// How many occurrences in the content one in the title or a tag is worth. Robertson, Zaragoza and
/// Taylor, "Simple BM25 extension to multiple weighted fields", 2004: fields are weighed before
/// saturation. With three, a word of the title counts as much as one that the content repeats.
const TITLE_WEIGHT: u8 = 3;
const TAG_WEIGHT: u8 = 3;

/// The distinct terms of a document, sorted by what they are named, with their weights; and its
/// length without stop words.
pub(super) fn weighted_terms<T: Ord>(
    analyzer: &mut Analyzer,
    document: &Document<'_>,
    name: &mut dyn FnMut(Term<'_>) -> T,
) -> (Vec<(T, u8)>, u32) {
    let mut terms: Vec<(T, u8)> = Vec::with_capacity(32);
    let mut length: u32 = 0;
    each_term(analyzer, document, &mut |term, weight| {
        terms.push((name(term), weight));
        length += if term.is_stop { 0 } else { u32::from(weight) };
    });
    terms.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    terms.dedup_by(|next, kept| {
        let is_same = next.0 == kept.0;
        if is_same {
            kept.1 = kept.1.saturating_add(next.1);
        }
        is_same
    });
    (terms, length)
}

/// The distinct terms of a document, sorted.
pub(super) fn distinct_terms(document: &Document<'_>) -> Vec<String> {
    let mut terms = Vec::new();
    each_term(&mut Analyzer::new(), document, &mut |term, _| {
        terms.push(term.text.to_owned());
    });
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// Every term of a document with what one occurrence weighs in its field.
fn each_term(analyzer: &mut Analyzer, document: &Document<'_>, sink: &mut dyn FnMut(Term<'_>, u8)) {
    analyzer.each(document.content, &mut |term| sink(term, 1));
    if let Some(title) = document.title {
        analyzer.each(title, &mut |term| sink(term, TITLE_WEIGHT));
    }
    for tag in document.tags {
        analyzer.each(tag.as_str(), &mut |term| sink(term, TAG_WEIGHT));
    }
    if let Some(author) = document.untold_author() {
        analyzer.each(author, &mut |term| sink(term, 1));
    }
    analyzer.each(&document.date_words(), &mut |term| sink(term, 1));
}
