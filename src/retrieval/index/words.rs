//! What the words of a question give to each memory.
//!
//! A plain note is weighed by Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance
//! Framework: BM25 and Beyond", 2009), a turn of a conversation by whether a word occurs in it or
//! is said around it. The formulas and their figures are in `docs/RECALL.md`.

use std::borrow::Cow;

use crate::retrieval::DocId;
use crate::retrieval::text::{Analyzer, Spelling};

use super::english::Language;
use super::postings::Postings;
use super::{Index, near};

/// How soon repeating a term stops helping. Memories are short, so soon (measured; Trotman, Puurula
/// and Burgess, 2014, found 0.9 for passages too).
const K1: f32 = 0.9;
/// How much a long note is held against itself: the more subjects, the less likely the one that is
/// asked for. Less than the usual 0.75, which costs short facts 1.3 points (`docs/RECALL.md`).
const NOTE_B: f32 = 0.5;
/// How much a long turn is. In a chat with an assistant nearly every word of a question occurs in every
/// long answer, while the fact that is asked for stands in a line.
const TURN_B: f32 = 0.75;
/// The length of a turn that is neither short nor long, in words without stop words. Not the
/// session's average, which the long answers would raise.
const TURN_LENGTH: f32 = 25.0;
/// How sure it is that a term which occurs nowhere stands for the ones spelled nearly so.
const NEARLY: f32 = 0.7;
/// A question with more terms than this is a pasted document; its rarest terms stand for it.
const MOST_TERMS: usize = 64;
/// How likely a turn answers for a word that was said one, two, three, four turns before it ("Where
/// did you go?" - "Lisbon!"), and after it. From the experiments of `docs/RECALL.md`.
const SAID_BEFORE: [f32; 4] = [0.5, 0.4, 0.3, 0.2];
const SAID_AFTER: [f32; 4] = [0.4, 0.3, 0.2, 0.1];
/// How likely it answers for a word that was said anywhere in its sitting.
const SAID_IN_SITTING: f32 = 0.15;

/// What a word weighs that says how a sentence is built, in a question that is not in English. Not
/// nothing: where several languages stand side by side, it tells which of them is asked in.
const FUNCTION: f32 = 0.25;

/// A term of a question.
struct Wanted {
    term: String,
    /// See [`Asked::counts`].
    counts: f32,
    /// What it weighs beside how rare it is.
    weight: f32,
}

/// A term of a question, and where it occurs.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) term: String,
    postings: Cow<'a, Postings>,
    /// How sure it is that this is what was meant.
    sure: f32,
    idf: f32,
    /// A speaker's name is on half of all turns, so being near one says nothing.
    is_name: bool,
    /// For how many of the question's words it counts when chance is told from more: see
    /// [`LEAST_SHARED`].
    counts: f32,
}

/// So many words a note must share with a question, or it is chance: "need", "take" and "office" are
/// shared by any two texts, two such words seldom are. A word that is written as a name or an
/// identifier is shared by chance by nobody, and counts for all of them.
pub(super) const LEAST_SHARED: f32 = 2.0;

impl Index {
    /// The distinct terms of a question. Words without a subject count only where there is no other.
    pub(super) fn asked(&self, text: &str, language: Language) -> Vec<Asked<'_>> {
        let (mut subjects, mut stops) = (Vec::new(), Vec::new());
        let mut is_first = true;
        let is_english = language.is_english();
        Analyzer::new().each(text, &mut |term| {
            let list: &mut Vec<Wanted> = if term.is_stop { &mut stops } else { &mut subjects };
            let is_telling = match term.spelling {
                Spelling::Identifier => true,
                Spelling::Capital => !is_first,
                Spelling::Plain => false,
            };
            is_first = false;
            // A name that occurs nowhere as a whole is asked for by its parts alone.
            let is_idle = term.is_whole && self.lexicon.find(term.text).is_none();
            let counts = if is_telling { LEAST_SHARED } else { 1.0 };
            let weight = if term.is_function && !is_english { FUNCTION } else { 1.0 };
            match list.iter_mut().find(|known| known.term == term.text) {
                Some(known) => known.counts = known.counts.max(counts),
                None if !is_idle => {
                    list.push(Wanted { term: term.text.to_owned(), counts, weight });
                }
                None => {}
            }
        });
        let is_alone = subjects.len() < 2;
        let terms = if subjects.is_empty() { stops } else { subjects };
        let asked_term = |wanted: Wanted| {
            let counts = if is_alone { LEAST_SHARED } else { wanted.counts };
            self.asked_term(Wanted { counts, ..wanted })
        };
        let mut asked: Vec<_> = terms.into_iter().map(asked_term).collect();
        if asked.len() > MOST_TERMS {
            asked.sort_by(|a, b| b.idf.total_cmp(&a.idf));
            asked.truncate(MOST_TERMS);
        }
        asked
    }

    /// A term that occurs nowhere is taken for those that are spelled nearly so.
    fn asked_term(&self, Wanted { term, counts, weight }: Wanted) -> Asked<'_> {
        let (postings, sure) = match self.lexicon.find(&term) {
            Some(postings) => (Cow::Borrowed(postings), 1.0),
            None => (Cow::Owned(Postings::union(&near::terms(&self.lexicon, &term))), NEARLY),
        };
        let idf = weight * self.idf(postings.count());
        let is_name = self.speakers.has(&term);
        Asked { term, postings, sure, idf, is_name, counts }
    }

    /// The relevance of every document by its words, by number: the share of the question's idf
    /// that it answers for. Added to a list of zeros. Into another list of zeros goes how many of
    /// the question's words each note shares, if that is wanted.
    pub(super) fn words(
        &self,
        asked: &[Asked<'_>],
        scores: &mut [f32],
        mut shared: Option<&mut [f32]>,
    ) {
        let most: f32 = asked.iter().map(|asked| asked.idf).sum();
        let average = self.entries.average_length();
        let mut spread = NoisyOr::default();
        for asked in asked {
            let share = asked.idf / most;
            // Walked from inside: to step through the blocks from outside is a call for each posting.
            asked.postings.iter().for_each(|posting| {
                let (doc, head) = (posting.doc, self.sittings.head(posting.doc));
                let length = self.entries.length(doc);
                let at = doc as usize;
                if !self.is_turn(DocId(doc)) {
                    let own = asked.sure * saturated(posting.weight, NOTE_B, length, average);
                    if let Some(score) = scores.get_mut(at) {
                        *score += share * own;
                    }
                    if let Some(shared) = shared.as_mut().and_then(|shared| shared.get_mut(at)) {
                        *shared += asked.counts;
                    }
                    return;
                }
                let own = asked.sure * saturated(posting.weight, TURN_B, length, TURN_LENGTH);
                if !asked.is_name {
                    spread.say(self, doc, head, own.min(1.0));
                } else if let Some(score) = scores.get_mut(at) {
                    *score += share * own.min(1.0);
                }
            });
            spread.settle(self, share, scores);
        }
        self.scratch.give(spread.misses);
    }

    /// The 1 inside the logarithm keeps a term that is in most documents from counting against them.
    #[allow(clippy::cast_precision_loss, reason = "a logarithm needs no more than 24 bits")]
    pub(super) fn idf(&self, with_term: u32) -> f32 {
        let without_term = self.entries.count().saturating_sub(with_term) as f32;
        (1.0 + (without_term + 0.5) / (with_term as f32 + 0.5)).ln()
    }
}

/// One term on its way from the turns that say it to the turns around them: a noisy-or (Pearl,
/// 1988). A turn fails to answer for the term only if it fails by each way.
#[derive(Default)]
struct NoisyOr {
    /// How likely each turn does not answer. All ones between terms; empty until it is needed.
    misses: Vec<f32>,
    /// The sittings in which the term is said, and what the shortest turn that says it is worth.
    heads: Vec<(u32, f32)>,
}

impl NoisyOr {
    /// The term is said in a turn, of the sitting named by `head`.
    fn say(&mut self, index: &Index, doc: u32, head: u32, own: f32) {
        if self.misses.is_empty() {
            self.misses = index.scratch.take(index.entries.span(), 1.0);
        }
        self.miss(doc, own);
        // What is said among much else is said to nobody around it.
        #[allow(clippy::cast_precision_loss, reason = "lengths are far below 24 bits")]
        let lends = (TURN_LENGTH / index.entries.length(doc).max(1) as f32).min(1.0);
        let mut next = index.sittings.after(doc);
        for likely in SAID_BEFORE {
            let Some(after) = next else { break };
            self.miss(after, likely * lends);
            next = index.sittings.after(after);
        }
        let mut next = index.sittings.before(doc);
        for likely in SAID_AFTER {
            let Some(before) = next else { break };
            self.miss(before, likely * lends);
            next = index.sittings.before(before);
        }
        match self.heads.last_mut().filter(|last| last.0 == head) {
            Some((_, most)) => *most = most.max(lends),
            None => self.heads.push((head, lends)),
        }
    }

    fn miss(&mut self, doc: u32, likely: f32) {
        if let Some(miss) = self.misses.get_mut(doc as usize) {
            *miss *= 1.0 - likely;
        }
    }

    /// Gives every turn of the sittings its part, and makes ready for the next term.
    fn settle(&mut self, index: &Index, share: f32, scores: &mut [f32]) {
        self.heads.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        // The greatest of each stays.
        self.heads.dedup_by_key(|(head, _)| *head);
        for (head, lends) in self.heads.drain(..) {
            let mut next = Some(head);
            while let Some(doc) = next {
                let at = doc as usize;
                if let Some((miss, score)) = self.misses.get_mut(at).zip(scores.get_mut(at)) {
                    *score += share * (1.0 - *miss * (1.0 - SAID_IN_SITTING * lends));
                    *miss = 1.0;
                }
                next = index.sittings.after(doc);
            }
        }
    }
}

/// What a term earns where it occurs: 1 for one occurrence in a memory of the usual length.
#[inline]
#[allow(clippy::cast_precision_loss, reason = "lengths are far below 24 bits")]
fn saturated(weight: u8, b: f32, length: u32, usual: f32) -> f32 {
    let frequency = f32::from(weight);
    let norm = 1.0 - b + b * length as f32 / usual;
    frequency * (K1 + 1.0) / (frequency + K1 * norm)
}
