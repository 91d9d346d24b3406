//! Okapi BM25 over the index: how much a document that contains a term is about that term.
//!
//! score = SUM idf * f / (f + k1 * (1 - b + b * length / average length)) / SUM idf
//!
//! Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009. The
//! sum is divided by the most it could be, so that a score means the same for every question.

use crate::retrieval::text::Analyzer;
use crate::retrieval::{DocId, Hit, Query, Why, priors};

use super::postings::Postings;
use super::top::{Ranked, Top};
use super::{Entry, Index};

/// How soon repeating a term stops helping. Memories are short, so soon (measured on LoCoMo, see
/// docs/RECALL.md; Trotman, Puurula and Burgess, 2014, found 0.9 for passages too).
const K1: f32 = 0.9;
/// How much a long document is held against itself: little, since a long memory tells more.
const B: f32 = 0.2;
/// A question with more terms than this is a pasted document; its rarest terms stand for it.
const MOST_TERMS: usize = 64;

/// A term of the question that occurs somewhere.
struct Asked<'a> {
    postings: Option<&'a Postings>,
    idf: f32,
}

impl Index {
    /// The documents that answer a question best, best first; of equals the newer.
    ///
    /// `allowed` is asked before a document takes a place, so filters never cost results.
    #[must_use]
    pub fn rank(
        &self,
        query: &Query<'_>,
        allowed: &dyn Fn(DocId) -> bool,
        limit: usize,
    ) -> Vec<Hit> {
        let asked = self.asked(query.text);
        let words = self.words(&asked);
        let mut top = Top::new(limit);
        for (doc, &relevance) in (0..).zip(&words) {
            let most = Ranked { score: relevance * (1.0 + priors::MOST), doc };
            if relevance > 0.0 && top.takes(most) {
                let score = relevance * (1.0 + self.prior(doc, query));
                let ranked = Ranked { score, doc };
                if top.takes(ranked) && self.entry(doc).is_some() && allowed(DocId(doc)) {
                    top.push(ranked);
                }
            }
        }
        top.into_sorted().into_iter().map(|ranked| hit(ranked, &words)).collect()
    }

    /// The distinct terms of a question. Words without a subject count only where there is no other.
    fn asked(&self, text: &str) -> Vec<Asked<'_>> {
        let (mut subjects, mut stops) = (Vec::new(), Vec::new());
        Analyzer::new().each(text, &mut |term| {
            let list = if term.is_stop { &mut stops } else { &mut subjects };
            // A name that occurs nowhere as a whole is asked for by its parts alone.
            let is_idle = term.is_whole && self.lexicon.find(term.text).is_none();
            if !is_idle && !list.iter().any(|known| *known == term.text) {
                list.push(term.text.to_owned());
            }
        });
        let terms = if subjects.is_empty() { stops } else { subjects };
        let mut asked: Vec<_> = terms.iter().map(|term| self.asked_term(term)).collect();
        if asked.len() > MOST_TERMS {
            asked.sort_by(|a, b| b.idf.total_cmp(&a.idf));
            asked.truncate(MOST_TERMS);
        }
        asked
    }

    fn asked_term(&self, term: &str) -> Asked<'_> {
        let postings = self.lexicon.find(term);
        Asked { postings, idf: idf(self.documents, postings.map_or(0, Postings::count)) }
    }

    /// What the words of the question give to each document, by its number.
    fn words(&self, asked: &[Asked<'_>]) -> Vec<f32> {
        let mut scores = vec![0.0_f32; self.entries.len()];
        let most: f32 = asked.iter().map(|term| term.idf).sum();
        let average = self.average_length();
        for term in asked {
            let share = term.idf / most;
            for posting in term.postings.into_iter().flat_map(Postings::iter) {
                let at = posting.doc as usize;
                if let (Some(score), Some(Some(entry))) = (scores.get_mut(at), self.entries.get(at))
                {
                    *score += share * saturated(posting.weight, entry, average);
                }
            }
        }
        scores
    }

    #[allow(clippy::cast_precision_loss, reason = "an average needs no more than 24 bits")]
    fn average_length(&self) -> f32 {
        (self.total_length as f32 / self.documents.max(1) as f32).max(1.0)
    }

    fn prior(&self, doc: u32, query: &Query<'_>) -> f32 {
        self.entry(doc).map_or(0.0, |entry| entry.standing.share(query.now))
    }
}

/// The part of a term's idf that a document earns with it: 0 to 1.
#[inline]
#[allow(clippy::cast_precision_loss, reason = "lengths are far below 24 bits")]
fn saturated(weight: u8, entry: &Entry, average_length: f32) -> f32 {
    let frequency = f32::from(weight);
    let norm = 1.0 - B + B * entry.length as f32 / average_length;
    frequency / (frequency + K1 * norm)
}

/// The 1 inside the logarithm keeps a term that is in most documents from counting against them.
#[allow(clippy::cast_precision_loss, reason = "a logarithm needs no more than 24 bits")]
pub(super) fn idf(documents: u32, with_term: u32) -> f32 {
    let without_term = documents.saturating_sub(with_term) as f32;
    (1.0 + (without_term + 0.5) / (with_term as f32 + 0.5)).ln()
}

fn hit(ranked: Ranked, words: &[f32]) -> Hit {
    let words = words.get(ranked.doc as usize).copied().unwrap_or_default();
    let score = ranked.score.min(1.0);
    Hit { doc: DocId(ranked.doc), score, why: Why { words, priors: score - words } }
}
