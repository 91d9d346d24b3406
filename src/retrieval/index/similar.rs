//! Memories that say nearly the same.

use std::cmp::Ordering;

use hashbrown::HashMap;

use crate::retrieval::DocId;
use crate::retrieval::meaning::Vector;

use super::postings::Postings;
use super::{Index, ParsedDocument};

/// How many of a document's rarest terms are looked up. A near-duplicate shares most of them, and
/// twelve tell 80 % from 60 % apart.
const PROBES: usize = 12;
/// How many postings are read in all, so that a text of common words costs no more than others.
const MOST_POSTINGS: u32 = 1_024;
/// How many documents that share rare terms are compared by their vectors.
const COMPARED: usize = 32;
/// Below it nothing is near enough for a word.
const LEAST_NEAR: f32 = 0.5;
/// From which cosine of the built-in model on two notes tell of the same: measured on pairs that say
/// the same, that bring each other up to date, and that are merely alike (docs/RECALL.md).
const SAME: f32 = 0.65;

impl Index {
    /// From which nearness on the built-in model takes two notes for the same statement: a cosine of
    /// 0.9. On the pairs of docs/RECALL.md, with numbers and denials held against each other, that
    /// holds for 15 % of those that say the same, and for none that bring each other up to date.
    pub const SAYS_THE_SAME: f32 = 1.0 - (1.0 - 0.9) / (1.0 - SAME) * (1.0 - LEAST_NEAR);

    /// Documents that say nearly what a newcomer says, best first: 1 is the same, below 0.5 is not
    /// worth a word. Only those that share some of its rarest terms are looked at.
    ///
    /// By words it is the mean of two shares: of the rare terms in common, and of the meaning (the
    /// table's cosine). With what the built-in model made of the document, those that it has read as
    /// well are judged by its cosine alone, whatever their words.
    #[must_use]
    pub fn similar(
        &self,
        newcomer: &ParsedDocument,
        read: Option<&Vector>,
        allowed: &dyn Fn(DocId) -> bool,
        limit: usize,
    ) -> Vec<(DocId, f32)> {
        let mut found = self.similar_by_words(newcomer, allowed, limit);
        if let Some(read) = read {
            found.retain(|(doc, _)| !self.made.has(doc.0));
            let mut cosines = self.scratch.take(self.entries.span(), 0.0);
            self.made.scan(read, &mut cosines);
            let docs = (0..).map(DocId).zip(cosines.iter().map(|&cosine| nearness(cosine)));
            found.extend(docs.filter(|&(doc, near)| near >= LEAST_NEAR && allowed(doc)));
            self.scratch.give(cosines);
            found.sort_unstable_by(by_share);
            found.truncate(limit);
        }
        found
    }

    fn similar_by_words(
        &self,
        newcomer: &ParsedDocument,
        allowed: &dyn Fn(DocId) -> bool,
        limit: usize,
    ) -> Vec<(DocId, f32)> {
        let mut found: Vec<(DocId, f32)> = self.sharing(&newcomer.terms);
        found.retain(|&(doc, _)| allowed(doc));
        let compared = COMPARED.max(limit);
        if found.len() > compared {
            found.select_nth_unstable_by(compared, by_share);
            found.truncate(compared);
        }
        found.sort_unstable_by(by_share);
        if let Some(own) = &newcomer.vector {
            let docs: Vec<u32> = found.iter().map(|(doc, _)| doc.0).collect();
            for ((_, share), cosine) in found.iter_mut().zip(self.vectors.cosines(own, docs)) {
                *share = f32::midpoint(*share, cosine.clamp(0.0, 1.0));
            }
            found.sort_unstable_by(by_share);
        }
        found.truncate(limit);
        found
    }

    /// The documents that share rare terms, with the share of their weight.
    fn sharing(&self, terms: &[String]) -> Vec<(DocId, f32)> {
        let probes = self.probes(terms);
        let most: f32 = probes.iter().map(|(idf, _)| idf).sum();
        let mut shared: HashMap<u32, f32> = HashMap::with_capacity(MOST_POSTINGS as usize);
        let mut left = MOST_POSTINGS;
        for (idf, postings) in probes {
            let Some(postings) = postings.filter(|list| list.count() <= left) else { continue };
            left -= postings.count();
            for posting in postings.iter() {
                *shared.entry(posting.doc).or_default() += idf / most;
            }
        }
        let own = u32::try_from(terms.len()).unwrap_or(u32::MAX);
        let even = |(doc, share)| Some((DocId(doc), share * self.evenness(doc, own)?));
        shared.into_iter().filter_map(even).collect()
    }

    /// The rarest terms first; terms that occur nowhere are the rarest, and stay to be missed.
    fn probes(&self, terms: &[String]) -> Vec<(f32, Option<&Postings>)> {
        let with_idf = |term: &String| {
            let postings = self.lexicon.find(term);
            (self.idf(postings.map_or(0, Postings::count)), postings)
        };
        let mut probes: Vec<_> = terms.iter().map(with_idf).collect();
        // Stable, and the terms are sorted, so equals come in the same order every time.
        probes.sort_by(|a, b| b.0.total_cmp(&a.0));
        probes.truncate(PROBES);
        probes
    }

    /// How near two documents are in size: a line is no duplicate of the page that holds it.
    #[allow(clippy::cast_precision_loss, reason = "counts of terms are far below 24 bits")]
    fn evenness(&self, doc: u32, own: u32) -> Option<f32> {
        let other = self.entries.get(doc)?.distinct.max(1);
        let own = own.max(1);
        Some(own.min(other) as f32 / own.max(other) as f32)
    }
}

/// A cosine of the model on the scale of [`Index::similar`].
fn nearness(cosine: f32) -> f32 {
    1.0 - (1.0 - cosine) / (1.0 - SAME) * (1.0 - LEAST_NEAR)
}

/// The greater share first; of equals the newer.
fn by_share(a: &(DocId, f32), b: &(DocId, f32)) -> Ordering {
    b.1.total_cmp(&a.1).then(b.0.cmp(&a.0))
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

        let found = index.similar(&ParsedDocument::of(&copy), None, &|_| true, 5);

        assert_eq!(found.first().map(|hit| hit.0), Some(DocId(1)));
        assert!(found.iter().find(|hit| hit.0 == DocId(2)).is_none_or(|hit| hit.1 < 0.5));
    }

    #[test]
    fn similar_obeys_the_filter() {
        let mut index = Index::new();
        index.insert(DocId(1), &note("buy oat milk"));

        let again = ParsedDocument::of(&note("buy oat milk"));

        assert!(index.similar(&again, None, &|_| false, 5).is_empty());
    }
}
