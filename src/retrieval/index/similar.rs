//! Memories that say nearly the same.

use std::collections::HashMap;

use crate::retrieval::text::Analyzer;
use crate::retrieval::{DocId, Document};

use super::postings::Postings;
use super::rank::idf;
use super::{Index, each_weighted};

/// How many of a document's rarest terms are looked up. A near-duplicate shares most of them, and
/// twelve tell 80 % from 60 % apart.
const PROBES: usize = 12;
/// How many postings are read in all, so that a text of common words costs no more than others:
/// about 10 us.
const MOST_POSTINGS: u32 = 1_024;

impl Index {
    /// Documents that share most of the rarest terms of this one, with an estimate of the share,
    /// best first. Confirm with [`overlap`] before acting on it.
    #[must_use]
    pub fn similar(
        &self,
        document: &Document<'_>,
        allowed: &dyn Fn(DocId) -> bool,
        limit: usize,
    ) -> Vec<(DocId, f32)> {
        let terms = distinct_terms(document);
        let probes = self.probes(&terms);
        let most: f32 = probes.iter().map(|(idf, _)| idf).sum();
        let mut shared: HashMap<u32, f32> = HashMap::new();
        let mut left = MOST_POSTINGS;
        for (idf, postings) in probes {
            let Some(postings) = postings.filter(|list| list.count() <= left) else { continue };
            left -= postings.count();
            for posting in postings.iter() {
                *shared.entry(posting.doc).or_default() += idf / most;
            }
        }
        let own = u32::try_from(terms.len()).unwrap_or(u32::MAX);
        let mut found: Vec<(DocId, f32)> = shared
            .into_iter()
            .filter_map(|(doc, share)| Some((DocId(doc), share * self.evenness(doc, own)?)))
            .filter(|&(doc, _)| allowed(doc))
            .collect();
        found.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
        found.truncate(limit);
        found
    }

    /// The rarest terms first; terms that occur nowhere are the rarest, and stay to be missed.
    fn probes(&self, terms: &[String]) -> Vec<(f32, Option<&Postings>)> {
        let mut probes: Vec<_> = terms
            .iter()
            .map(|term| {
                let postings = self.lexicon.find(term);
                (idf(self.documents, postings.map_or(0, Postings::count)), postings)
            })
            .collect();
        // Stable, and the terms are sorted, so equals come in the same order every time.
        probes.sort_by(|a, b| b.0.total_cmp(&a.0));
        probes.truncate(PROBES);
        probes
    }

    /// How near two documents are in size: a line is no duplicate of the page that holds it.
    #[allow(clippy::cast_precision_loss, reason = "counts of terms are far below 24 bits")]
    fn evenness(&self, doc: u32, own: u32) -> Option<f32> {
        let other = self.entry(doc)?.distinct.max(1);
        let own = own.max(1);
        Some(own.min(other) as f32 / own.max(other) as f32)
    }
}

/// The share of terms that two documents have in common (Jaccard, 1901): 1 says the same words.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "counts of terms are far below 24 bits")]
pub fn overlap(one: &Document<'_>, other: &Document<'_>) -> f32 {
    let (one, other) = (distinct_terms(one), distinct_terms(other));
    let shared = one.iter().filter(|term| other.binary_search(term).is_ok()).count();
    let all = one.len() + other.len() - shared;
    if all == 0 { 0.0 } else { shared as f32 / all as f32 }
}

fn distinct_terms(document: &Document<'_>) -> Vec<String> {
    let mut terms = Vec::new();
    each_weighted(&mut Analyzer::new(), document, &mut |term, _| terms.push(term.text.to_owned()));
    terms.sort_unstable();
    terms.dedup();
    terms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::document::tests::note;

    #[test]
    fn a_reworded_copy_is_found_and_a_stranger_is_not() {
        let mut index = Index::new();
        index.insert(DocId(1), &note("The router's password is taped under the desk."));
        index.insert(DocId(2), &note("Ada plays the cello on Tuesdays."));
        let copy = note("the router password is taped below the desk");

        let found = index.similar(&copy, &|_| true, 5);

        assert_eq!(found.first().map(|hit| hit.0), Some(DocId(1)));
        assert!(found.iter().find(|hit| hit.0 == DocId(2)).is_none_or(|hit| hit.1 < 0.3));
        assert!(overlap(&copy, &note("The router's password is taped under the desk.")) > 0.7);
    }

    #[test]
    fn similar_obeys_the_filter() {
        let mut index = Index::new();
        index.insert(DocId(1), &note("buy oat milk"));

        assert!(index.similar(&note("buy oat milk"), &|_| false, 5).is_empty());
    }
}
