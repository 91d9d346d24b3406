//! Adds what speaker, time and priors give to words and meaning, and keeps the best.

use crate::retrieval::when::{self, Span};
use crate::retrieval::{Answers, DocId, Hit, Query, Why, priors};

use super::Index;
use super::entry::{BLOCK, Entry};
use super::join::Parts;
use super::repeats::LOOKED_AT;
use super::speakers::SpeakerId;
use super::top::{Ranked, Top};

/// What it is worth to be said by the one whom the question names (`docs/RECALL.md`).
const SPEAKER: f32 = 0.2;
/// What it is worth to a turn to be of the time that the question names: as much as the speaker.
const TURN_TIME: f32 = 0.2;

/// Everything a search has found out about its question before it looks at single documents.
struct Search<'a> {
    index: &'a Index,
    query: &'a Query<'a>,
    parts: Parts,
    speaker: SpeakerId,
    spans: Vec<Span>,
}

/// What is chosen while the documents are gone through.
struct Chosen {
    top: Top,
    /// How many were found to answer.
    total: usize,
    /// So many are counted; from then on only the best are looked at.
    most: usize,
}

impl Index {
    /// So many of the documents that answer a question best, best first; of equals the newer. And how
    /// many answer at all, counted up to `most`, of which as many may be wanted.
    ///
    /// `allowed` is asked before a document takes a place, so filters never cost results.
    #[must_use]
    pub fn answers(
        &self,
        query: &Query<'_>,
        allowed: &dyn Fn(DocId) -> bool,
        wanted: usize,
        most: usize,
    ) -> Answers {
        let search = Search::new(self, query);
        let (wanted, all) = (wanted.min(most), most.max(LOOKED_AT));
        // All that are looked at but one may be repetitions, and others come before them.
        let few = all.min(wanted + LOOKED_AT);
        let Answers { mut hits, total } = search.best(allowed, few, most);
        let worst = hits.last().map_or(0.0, |hit| hit.score);
        self.put_back_repeats(&mut hits);
        // What was left out is no better than the worst, as near as a score can be told.
        let is_sure = |hit: &Hit| hit.score > worst + f32::EPSILON;
        let is_left_out = few < all && hits.len() == few;
        if is_left_out && !hits.iter().take(wanted).all(is_sure) {
            hits = search.best(allowed, all, 0).hits;
            self.put_back_repeats(&mut hits);
        }
        hits.truncate(wanted);
        Answers { hits, total }
    }

    /// So many of the documents that answer a question best.
    #[must_use]
    #[cfg(test)]
    pub(super) fn rank(
        &self,
        query: &Query<'_>,
        allowed: &dyn Fn(DocId) -> bool,
        limit: usize,
    ) -> Vec<Hit> {
        self.answers(query, allowed, limit, limit).hits
    }
}

impl<'a> Search<'a> {
    fn new(index: &'a Index, query: &'a Query<'a>) -> Self {
        let language = index.language(query.text);
        let asked = index.asked(query.text, language);
        let span = index.entries.span().next_multiple_of(BLOCK);
        let parts = index.parts(query, language, &asked, span);
        let speaker = index.speakers.named(asked.iter().map(|asked| asked.term.as_str()));
        let spans = when::named(query.text, query.now);
        Self { index, query, parts, speaker: speaker.unwrap_or(SpeakerId::NOBODY), spans }
    }

    /// So many of the best, and how many answer at all, counted up to `most`.
    fn best(&self, allowed: &dyn Fn(DocId) -> bool, places: usize, most: usize) -> Answers {
        let mut chosen = Chosen { top: Top::new(places), total: 0, most };
        let beside = self.most_beside();
        let Parts { words, meaning, .. } = &self.parts;
        let blocks = words.as_chunks::<BLOCK>().0.iter().zip(meaning.as_chunks().0);
        let starts = (0_u32..).step_by(BLOCK);
        for ((start, (words, meaning)), ceiling) in
            starts.zip(blocks).zip(self.index.entries.ceilings())
        {
            // Most blocks are passed over here, by what the best in them could get at most.
            let own = joined(words, meaning);
            let best = greatest(&own);
            let most = best + beside;
            // Whoever has neither a word nor a meaning in common with the question does not answer.
            if best <= 0.0 || !chosen.reaches(most * (1.0 + priors::MOST)) {
                continue;
            }
            let raise = 1.0 + ceiling.share(self.query.now);
            if chosen.reaches(most * raise) {
                self.choose(start, &own, raise, allowed, &mut chosen);
            }
        }
        let Chosen { top, total, .. } = chosen;
        let hits = top.into_sorted().into_iter().filter_map(|ranked| self.hit(ranked));
        Answers { hits: hits.collect(), total }
    }

    /// Looks at the documents of one block.
    fn choose(
        &self,
        start: u32,
        own: &[f32; BLOCK],
        raise: f32,
        allowed: &dyn Fn(DocId) -> bool,
        chosen: &mut Chosen,
    ) {
        let beside = self.most_beside();
        for (doc, &own) in (start..).zip(own) {
            let most = (own + beside) * raise;
            if !chosen.reaches(most) || !self.parts.is_answer(doc, self.is_turn(doc)) {
                continue;
            }
            let Some(entry) = self.index.entries.get(doc) else { continue };
            let is_counted = chosen.is_counting();
            if is_counted {
                if !allowed(DocId(doc)) {
                    continue;
                }
                chosen.total += 1;
                if !chosen.top.reaches(most) {
                    continue;
                }
            }
            let relevance = own + (self.speaker(entry) + self.time(doc, entry));
            let score = relevance * (1.0 + entry.standing.share(self.query.now));
            let ranked = Ranked { score, doc };
            if chosen.top.takes(ranked) && (is_counted || allowed(DocId(doc))) {
                chosen.top.push(ranked);
            }
        }
    }

    fn is_turn(&self, doc: u32) -> bool {
        self.index.is_turn(DocId(doc))
    }

    /// What a document can get beside words and meaning.
    fn most_beside(&self) -> f32 {
        let speaker = if self.speaker == SpeakerId::NOBODY { 0.0 } else { SPEAKER };
        let time = if self.spans.is_empty() { 0.0 } else { TURN_TIME.max(self.parts.note_time) };
        speaker + time
    }

    fn speaker(&self, entry: &Entry) -> f32 {
        if self.speaker != SpeakerId::NOBODY && self.speaker == entry.speaker {
            SPEAKER
        } else {
            0.0
        }
    }

    fn time(&self, doc: u32, entry: &Entry) -> f32 {
        match self.spans.iter().any(|span| span.holds(entry.moment)) {
            true if self.is_turn(doc) => TURN_TIME,
            true => self.parts.note_time,
            false => 0.0,
        }
    }

    /// Brings a relevance, which has no upper end, to 0..1, and tells what each part gave to it.
    fn hit(&self, ranked: Ranked) -> Option<Hit> {
        let entry = self.index.entries.get(ranked.doc)?;
        let at = ranked.doc as usize;
        let score = 1.0 - (-ranked.score).exp();
        let scale = score / ranked.score;
        let mut why = Why {
            words: self.parts.words.get(at)? * scale,
            meaning: self.parts.meaning.get(at)? * scale,
            speaker: self.speaker(entry) * scale,
            time: self.time(ranked.doc, entry) * scale,
            ..Why::default()
        };
        let priors = score - why.words - why.meaning - why.speaker - why.time;
        why.priors = if priors.abs() < f32::EPSILON { 0.0 } else { priors };
        Some(Hit { doc: DocId(ranked.doc), score, why })
    }
}

impl Chosen {
    fn is_counting(&self) -> bool {
        self.total < self.most
    }

    /// Whether something of this score has to be looked at.
    fn reaches(&self, score: f32) -> bool {
        self.is_counting() || self.top.reaches(score)
    }
}

impl Drop for Search<'_> {
    fn drop(&mut self) {
        let Parts { words, meaning, .. } = std::mem::take(&mut self.parts);
        self.index.scratch.give(words);
        self.index.scratch.give(meaning);
    }
}

/// What documents get for what they say, whoever says it and whenever.
fn joined(words: &[f32; BLOCK], meaning: &[f32; BLOCK]) -> [f32; BLOCK] {
    let mut own = *words;
    own.iter_mut().zip(meaning).for_each(|(own, meaning)| *own += meaning);
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
