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
        let own = u32::try_from(newcomer.terms.len()).unwrap_or(u32::MAX);
        let compared = COMPARED.max(limit);
        let mut found = self.most_sharing(self.sharing(&newcomer.terms), own, allowed, compared);
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
        let mut left = MOST_POSTINGS;
        let mut read = Vec::with_capacity(PROBES);
        for (idf, postings) in probes {
            let Some(postings) = postings.filter(|list| list.count() <= left) else { continue };
            left -= postings.count();
            read.push((idf / most, postings));
        }
        let mut shared: HashMap<u32, f32> = HashMap::with_capacity((MOST_POSTINGS - left) as usize);
        for (share, postings) in read {
            for posting in postings.iter() {
                *shared.entry(posting.doc).or_default() += share;
            }
        }
        shared.into_iter().map(|(doc, share)| (DocId(doc), share)).collect()
    }

    /// Those of them that are allowed and share most, as even as they are with a document of so many terms.
    /// Evenness takes away from a share and never adds, so who shares less than the last of enough others
    /// is not looked at.
    fn most_sharing(
        &self,
        mut shared: Vec<(DocId, f32)>,
        own: u32,
        allowed: &dyn Fn(DocId) -> bool,
        most: usize,
    ) -> Vec<(DocId, f32)> {
        let mut found: Vec<(DocId, f32)> = Vec::new();
        let (mut rest, mut part) = (shared.as_mut_slice(), most.max(1) * 2);
        while !rest.is_empty() {
            if part < rest.len() {
                rest.select_nth_unstable_by(part, by_share);
            }
            let end = part.min(rest.len());
            let (first, others) = std::mem::take(&mut rest).split_at_mut(end);
            let even =
                |&(doc, share): &(DocId, f32)| Some((doc, share * self.evenness(doc.0, own)?));
            found.extend(first.iter().filter_map(even).filter(|&(doc, _)| allowed(doc)));
            if found.len() > most {
                found.select_nth_unstable_by(most, by_share);
                found.truncate(most);
            }
            let least = found.iter().map(|&(_, share)| share).min_by(f32::total_cmp);
            let is_enough = found.len() == most
                && others.first().zip(least).is_some_and(|((_, next), least)| *next < least);
            if is_enough {
                break;
            }
            (rest, part) = (others, part * 2);
        }
        found
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
    use std::cell::Cell;

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
    fn who_shares_too_little_is_passed_over_and_nobody_else() {
        let mut index = Index::new();
        let words = "boiler cello router desk milk oat bread tea coffee garden train ticket hotel";
        let words: Vec<&str> = words.split(' ').collect();
        for doc in 0..300 {
            let text = words[..=doc % words.len()].join(" ");
            index.insert(DocId(u32::try_from(doc).unwrap()), &note(&text));
        }
        let shares = |of: &[f32]| -> Vec<(DocId, f32)> {
            (0..300).map(DocId).zip(of.iter().copied().cycle()).collect()
        };
        let looked_at = Cell::new(0);
        let allowed = |doc: DocId| {
            looked_at.set(looked_at.get() + 1);
            !doc.0.is_multiple_of(3)
        };

        for of in [&[0.9, 0.4, 0.1, 0.1, 0.05][..], &[0.5], &[0.3, 0.2, 0.29, 0.7]] {
            for (own, most) in [(1, 3), (5, 32), (13, 1), (40, 300), (5, 199)] {
                let shared = shares(of);
                let even = |&(doc, share): &(DocId, f32)| {
                    (doc, share * index.evenness(doc.0, own).unwrap())
                };
                let mut all: Vec<_> = shared.iter().map(even).collect();
                all.retain(|&(doc, _)| allowed(doc));
                all.sort_unstable_by(by_share);
                all.truncate(most);

                let mut found = index.most_sharing(shared, own, &allowed, most);

                found.sort_unstable_by(by_share);
                assert_eq!(found, all, "{most} of {of:?} for {own} terms");
            }
        }
        looked_at.set(0);
        let few = (0..300).map(|doc| (DocId(doc), if doc < 10 { 0.9 } else { 0.01 })).collect();
        assert_eq!(index.most_sharing(few, 5, &allowed, 3).len(), 3);
        assert!(looked_at.get() < 20, "{} were looked at", looked_at.get());
    }

    #[test]
    fn similar_obeys_the_filter() {
        let mut index = Index::new();
        index.insert(DocId(1), &note("buy oat milk"));

        let again = ParsedDocument::of(&note("buy oat milk"));

        assert!(index.similar(&again, None, &|_| false, 5).is_empty());
    }
}
