//! Joins what words, meaning, speaker and time give, and keeps the best.

use crate::retrieval::meaning::Vector;
use crate::retrieval::text::Analyzer;
use crate::retrieval::when::{self, Span};
use crate::retrieval::{DocId, Hit, Query, Ranking, Why, priors};

use super::Index;
use super::entry::{BLOCK, Entry};
use super::speakers::SpeakerId;
use super::top::{Ranked, Top};

/// What a cosine of one is worth beside a question answered word for word. Joined by their scores,
/// not by their ranks, which would waste what the scores know (`docs/RECALL.md`: fusion by rank loses
/// 6 points). Flat between 0.4 and 0.8.
const MEANING: f32 = 0.6;
/// What it is worth to be said by the one whom the question names (`docs/RECALL.md`).
const SPEAKER: f32 = 0.2;
/// What it is worth to be of the time that the question names: as much as the speaker.
const TIME: f32 = 0.2;
/// A memory without any word of the question must mean at least this much of the same: a zebra is
/// like the animals of a zoo by 0.28, like a shopping list by 0.13. Costs no recall up to 0.4.
const FAINT: f32 = 0.2;
/// How much of the meaning of the turns before and after a turn is its own: half of what
/// `words::SAID_BEFORE` and `SAID_AFTER` give for words, as cosines add up instead of saturating.
const MEANT_BEFORE: f32 = 0.3;
const MEANT_AFTER: f32 = 0.2;

/// Everything a search has found out about its question before it looks at single documents.
struct Search<'a> {
    index: &'a Index,
    query: &'a Query<'a>,
    words: Vec<f32>,
    meaning: Vec<f32>,
    speaker: SpeakerId,
    spans: Vec<Span>,
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
        let search = Search::new(self, query);
        let ranked = search.best(allowed, limit);
        let hits = ranked.into_iter().filter_map(|ranked| search.hit(ranked)).collect();
        self.put_back_repeats(hits, limit)
    }

    /// The vector of a question: each word weighs by how rare it is in this session.
    fn question_vector(&self, text: &str) -> Option<Vector> {
        let mut analyzer = Analyzer::new();
        let most = self.idf(0);
        let mut weight = |word: &str| {
            let mut idf: f32 = 0.0;
            analyzer.each(word, &mut |term| {
                let count = self.lexicon.find(term.text).map_or(0, |list| list.count());
                idf = idf.max(self.idf(count));
            });
            idf / most
        };
        Some(self.embedder()?.embed_weighted(&[text], &mut weight))
    }

    /// The cosine of every document to a question, and of its neighbors, into a list of zeros.
    fn meanings(&self, query: &Query<'_>, joined: &mut [f32]) {
        let own = if self.foreign.is_none() { self.question_vector(query.text) } else { None };
        let Some(vector) = query.vector.or(own.as_ref()) else { return };
        self.vectors.scan(vector, joined);
        if self.sittings.is_empty() {
            return;
        }
        let mut alone = self.scratch.take(joined.len(), 0.0);
        alone.copy_from_slice(joined);
        let at = |doc: u32| alone.get(doc as usize).copied().unwrap_or_default();
        for (joined, (before, after)) in joined.iter_mut().zip(self.sittings.neighbors()) {
            *joined += MEANT_BEFORE * at(before) + MEANT_AFTER * at(after);
        }
        self.scratch.give(alone);
    }
}

impl<'a> Search<'a> {
    fn new(index: &'a Index, query: &'a Query<'a>) -> Self {
        let asked = index.asked(query.text);
        let span = index.entries.span().next_multiple_of(BLOCK);
        let (mut words, mut meaning) =
            (index.scratch.take(span, 0.0), index.scratch.take(span, 0.0));
        if query.mode != Ranking::Semantic {
            index.words(&asked, &mut words);
        }
        if query.mode != Ranking::Keyword {
            index.meanings(query, &mut meaning);
        }
        let speaker = index.speakers.named(asked.iter().map(|asked| asked.term.as_str()));
        let spans = when::named(query.text, query.now);
        Self { index, query, words, meaning, speaker: speaker.unwrap_or(SpeakerId::NOBODY), spans }
    }

    fn best(&self, allowed: &dyn Fn(DocId) -> bool, limit: usize) -> Vec<Ranked> {
        let mut top = Top::new(if limit == 0 { 0 } else { limit.max(super::repeats::LOOKED_AT) });
        let beside = self.most_beside();
        let blocks = self.words.as_chunks::<BLOCK>().0.iter().zip(self.meaning.as_chunks().0);
        let starts = (0_u32..).step_by(BLOCK);
        for ((start, (words, meaning)), ceiling) in
            starts.zip(blocks).zip(self.index.entries.ceilings())
        {
            // Most blocks are passed over here, by what the best in them could get at most.
            let own = joined(words, meaning);
            let most = greatest(&own) + beside;
            if !top.reaches(most * (1.0 + priors::MOST)) {
                continue;
            }
            let raise = 1.0 + ceiling.share(self.query.now);
            if top.reaches(most * raise) {
                self.choose(start, &own, raise, allowed, &mut top);
            }
        }
        top.into_sorted()
    }

    /// Looks at the documents of one block.
    fn choose(
        &self,
        start: u32,
        own: &[f32; BLOCK],
        raise: f32,
        allowed: &dyn Fn(DocId) -> bool,
        top: &mut Top,
    ) {
        let beside = self.most_beside();
        for (doc, &own) in (start..).zip(own) {
            if !top.reaches((own + beside) * raise) || !self.is_answer(doc) {
                continue;
            }
            let Some(entry) = self.index.entries.get(doc) else { continue };
            let relevance = own + (self.speaker(entry) + self.time(entry));
            let score = relevance * (1.0 + entry.standing.share(self.query.now));
            let ranked = Ranked { score, doc };
            if top.takes(ranked) && allowed(DocId(doc)) {
                top.push(ranked);
            }
        }
    }

    fn is_answer(&self, doc: u32) -> bool {
        let faintest = if self.query.mode == Ranking::Hybrid { FAINT } else { 0.0 };
        let at = |list: &[f32]| list.get(doc as usize).copied().unwrap_or_default();
        at(&self.words) > 0.0 || at(&self.meaning) > faintest
    }

    /// What a document can get beside words and meaning.
    fn most_beside(&self) -> f32 {
        let speaker = if self.speaker == SpeakerId::NOBODY { 0.0 } else { SPEAKER };
        let time = if self.spans.is_empty() { 0.0 } else { TIME };
        speaker + time
    }

    fn speaker(&self, entry: &Entry) -> f32 {
        if self.speaker != SpeakerId::NOBODY && self.speaker == entry.speaker {
            SPEAKER
        } else {
            0.0
        }
    }

    fn time(&self, entry: &Entry) -> f32 {
        if self.spans.iter().any(|span| span.holds(entry.moment)) { TIME } else { 0.0 }
    }

    /// Brings a relevance, which has no upper end, to 0..1, and tells what each part gave to it.
    fn hit(&self, ranked: Ranked) -> Option<Hit> {
        let entry = self.index.entries.get(ranked.doc)?;
        let at = ranked.doc as usize;
        let score = 1.0 - (-ranked.score).exp();
        let scale = score / ranked.score;
        let mut why = Why {
            words: self.words.get(at)? * scale,
            meaning: self.meaning.get(at)? * MEANING * scale,
            speaker: self.speaker(entry) * scale,
            time: self.time(entry) * scale,
            ..Why::default()
        };
        let priors = score - why.words - why.meaning - why.speaker - why.time;
        why.priors = if priors.abs() < f32::EPSILON { 0.0 } else { priors };
        Some(Hit { doc: DocId(ranked.doc), score, why })
    }
}

impl Drop for Search<'_> {
    fn drop(&mut self) {
        self.index.scratch.give(std::mem::take(&mut self.words));
        self.index.scratch.give(std::mem::take(&mut self.meaning));
    }
}

/// What documents get for what they say, whoever says it and whenever.
fn joined(words: &[f32; BLOCK], meaning: &[f32; BLOCK]) -> [f32; BLOCK] {
    let mut own = *words;
    own.iter_mut().zip(meaning).for_each(|(own, meaning)| *own += MEANING * meaning);
    own
}

/// The greatest of numbers that are not negative, several at a time.
fn greatest(all: &[f32; BLOCK]) -> f32 {
    let greater = |a: f32, b: f32| if a > b { a } else { b };
    let mut most = [0.0; 16];
    for some in all.as_chunks::<16>().0 {
        most.iter_mut().zip(some).for_each(|(most, &one)| *most = greater(*most, one));
    }
    most.into_iter().fold(0.0, greater)
}
