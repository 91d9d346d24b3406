//! Joins what words and meaning give to each document, so that neither drowns the other.
//!
//! Scores are joined, not ranks, which would waste what the scores know. A note and a turn of a
//! conversation are joined differently: a note stands alone, a turn takes part in what is said around
//! it. The formulas, their figures and what else was tried stand in `docs/RECALL.md`.

use std::iter;

use super::Index;
use super::english::{Language, Reading};
use super::words::{Asked, LEAST_SHARED};
use crate::retrieval::asking::{asking_clauses, emphasized};
use crate::retrieval::meaning::{TableEmbedder, Vector};
use crate::retrieval::text::Analyzer;
use crate::retrieval::{DocId, Query, Ranking};

/// How much of the table's cosine is added to the model's: it errs elsewhere than its teacher.
const TABLE_BESIDE: f32 = 0.3;
/// What it is worth that a note's meaning stands out, by the square of how many spreads it lies
/// above the store's mean: below two that is chance, above five seldom. 3.5 spreads weigh as much as
/// all words of the question.
const STANDS_OUT: f32 = 0.08;
/// The same for a model that somebody chose: whoever does has a reason to believe its meaning.
const STANDS_OUT_BY_STRANGER: f32 = 0.12;
/// The same where only the table knows the meaning.
const STANDS_OUT_BY_TABLE: f32 = 0.03;
/// By what a store's mean and spread are held while it is small, as if it had so many notes more.
const HELD_BY: f32 = 50.0;
/// The same for a model that nobody measured.
const STRANGER_HELD_BY: f32 = 10.0;

/// How cosines lie among texts that have nothing to do with each other.
#[derive(Debug, Clone, Copy)]
struct Usual {
    mean: f32,
    spread: f32,
    /// How many notes it weighs.
    weight: f32,
}

/// The notes of a session, as their sums lie for one question.
#[derive(Debug, Default)]
struct Notes {
    count: f32,
    sum: f32,
    squares: f32,
}

impl Notes {
    fn add(&mut self, one: f32) {
        self.count += 1.0;
        self.sum += one;
        self.squares += one * one;
    }

    /// Their mean and spread, held by the usual ones while there are few.
    fn held_by(&self, usual: Usual) -> Usual {
        let mean = self.sum / self.count.max(1.0);
        let variance = (self.squares / self.count.max(1.0) - mean * mean).max(0.0);
        let own = self.count / (self.count + usual.weight);
        let mix = |own_value: f32, usual: f32| own * own_value + (1.0 - own) * usual;
        let spread = mix(variance, usual.spread.powi(2)).sqrt();
        Usual { mean: mix(mean, usual.mean), spread: spread.max(f32::EPSILON), ..usual }
    }
}

/// Of the model's cosine with [`TABLE_BESIDE`] of the table's, over mixed notes.
const USUAL: Usual = Usual { mean: 0.108, spread: 0.116, weight: HELD_BY };
const USUAL_BY_TABLE: Usual = Usual { mean: 0.08, spread: 0.085, weight: HELD_BY };
/// Another model's cosines may lie anywhere; a store of two or three has to be found all the same.
const USUAL_BY_STRANGER: Usual = Usual { mean: 0.0, spread: 0.12, weight: STRANGER_HELD_BY };

/// What is worth how much where a question is in letters that the models know, but not in their
/// language: its words first, and then what little they recognize.
const UNREAD_TABLE: f32 = 0.1;
const UNREAD_MODEL: f32 = 0.6;
/// In other letters the model tells little more than which characters they are, and only what stands
/// out far counts.
const STANDS_OUT_UNKNOWN: f32 = 0.03;

/// Turns: one word is often all that a turn has, so that words are lent by neighbors, and count a
/// little less than linearly.
const TURN_WORDS: f32 = 1.5;
const TURN_TABLE: f32 = 0.2;
const TURN_MODEL: f32 = 0.6;
/// The table where there is no model.
const TURN_TABLE_ALONE: f32 = 0.6;
/// How much of the meaning of the turns before and after a turn is its own: half of what
/// `words::SAID_BEFORE` and `SAID_AFTER` give for words, as cosines add up instead of saturating.
const MEANT_BEFORE: f32 = 0.3;
const MEANT_AFTER: f32 = 0.2;

/// A document without any word of the question must mean at least this much of the same: a zebra is
/// like the animals of a zoo by 0.28, like a shopping list by 0.13.
const FAINT: f32 = 0.2;
/// A cosine of the models is less in another language than their own, and chance is not.
const FAINT_UNREAD: f32 = 0.1 * UNREAD_MODEL;
/// And a note's meaning must stand out at least as far.
const FAINT_SPREADS: f32 = 1.0;

/// What it is worth to a note to be of the time that the question names: as much more with the model
/// as the meaning is worth more.
const NOTE_TIME: f32 = 0.4;
const NOTE_TIME_BY_WORDS: f32 = 0.2;

/// The cosines of a question to every document, by number.
struct Cosines {
    /// With the turns' share of their neighbors'.
    table: Vec<f32>,
    /// Empty where no model has read the question.
    model: Vec<f32>,
}

/// What words and meaning give to every document, and from where on meaning alone makes an answer.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) words: Vec<f32>,
    pub(super) meaning: Vec<f32>,
    faint_note: f32,
    faint_turn: f32,
    /// What it is worth to a note to be of the time that the question names.
    pub(super) note_time: f32,
}

/// How the parts of a question are joined.
#[derive(Debug, Clone, Copy)]
struct Weights {
    /// Whether a note must share [`LEAST_SHARED`] words.
    needs_pair: bool,
    note: Meant,
    /// If a note's meaning counts by how far it stands out: what that is worth, and from what.
    standing: Option<(f32, Usual)>,
    faint_note: f32,
    turn_words: f32,
    turn: Meant,
    faint_turn: f32,
    /// Whether the models read the question at all.
    is_read: bool,
    /// Whether they read it and the session's texts as well as they can. Of other texts, how near
    /// they are to one another tells no more than which language they are in.
    is_understood: bool,
}

/// What the cosines of the table and of the model are worth in their sum.
#[derive(Debug, Clone, Copy)]
struct Meant {
    table: f32,
    model: f32,
}

/// Nothing, whatever the cosines are.
const UNMEANT: Meant = Meant { table: 0.0, model: 0.0 };

impl Weights {
    /// Where no word of a question is found that the models do not read, what looks like it to them is
    /// more than nothing: an inflected form has most of its letters.
    fn at_a_guess(self, has_model: bool) -> Self {
        let meant = unread(has_model);
        let faint = FAINT * if has_model { UNREAD_MODEL } else { UNREAD_TABLE };
        let (standing, faint_note) = (None, faint);
        Self { note: meant, standing, faint_note, turn: meant, faint_turn: faint, ..self }
    }
}

/// What little the models recognize in another language.
fn unread(has_model: bool) -> Meant {
    Meant { table: UNREAD_TABLE, model: if has_model { UNREAD_MODEL } else { 0.0 } }
}

impl Parts {
    /// Whether a document answers at all.
    pub(super) fn is_answer(&self, doc: u32, is_turn: bool) -> bool {
        let at = |list: &[f32]| list.get(doc as usize).copied().unwrap_or_default();
        let faint = if is_turn { self.faint_turn } else { self.faint_note };
        at(&self.words) > 0.0 || at(&self.meaning) > faint
    }
}

impl Index {
    /// What every document gets for what it says, whoever says it and whenever. Both lists have so
    /// many places.
    pub(super) fn parts(
        &self,
        query: &Query<'_>,
        language: Language,
        asked: &[Asked<'_>],
        places: usize,
    ) -> Parts {
        let zeros = || self.scratch.take(places, 0.0);
        if query.mode == Ranking::Keyword {
            let (mut words, note_time) = (zeros(), NOTE_TIME_BY_WORDS);
            self.words(asked, &mut words, None);
            return Parts { words, meaning: zeros(), note_time, ..Parts::default() };
        }
        // First, since so many vectors leave nothing else in the processor's cache.
        let mut cosines = self.cosines(query, places);
        let has_model = !cosines.model.is_empty();
        let mut weights = self.weights(language, has_model);
        if has_model && weights.is_understood {
            self.thin_out(&mut cosines.model);
        }
        let note_time = if has_model { NOTE_TIME } else { NOTE_TIME_BY_WORDS };
        let mut parts = Parts { words: zeros(), note_time, ..Parts::default() };
        if query.mode == Ranking::Hybrid {
            let mut shared = zeros();
            self.words(asked, &mut parts.words, Some(&mut shared));
            self.weigh_words(&weights, &shared, &mut parts.words);
            self.scratch.give(shared);
            if !weights.is_read && parts.words.iter().all(|&words| words <= 0.0) {
                weights = weights.at_a_guess(has_model);
            }
            parts.faint_turn = weights.faint_turn;
            parts.faint_note = weights.faint_note;
        }
        self.weigh_meaning(&weights, &mut cosines);
        self.scratch.give(cosines.model);
        parts.meaning = cosines.table;
        parts
    }

    /// Words of one note that are shared by chance count for nothing, and words of turns less than
    /// linearly.
    fn weigh_words(&self, weights: &Weights, shared: &[f32], words: &mut [f32]) {
        let least = if weights.needs_pair { LEAST_SHARED } else { 0.0 };
        if self.sittings.is_empty() {
            // Among notes alone there is nothing to decide on, so that several are weighed at a time.
            for (words, &shared) in words.iter_mut().zip(shared) {
                *words = if shared < least { 0.0 } else { *words };
            }
            return;
        }
        for ((doc, words), &shared) in (0..).zip(words).zip(shared) {
            if *words <= 0.0 {
                continue;
            }
            if self.is_turn(DocId(doc)) {
                *words = words.powf(weights.turn_words);
            } else if shared < least {
                *words = 0.0;
            }
        }
    }

    /// Makes of the table's cosines what each document gets for its meaning. What the model has not
    /// read yet means as much as the table says.
    fn weigh_meaning(&self, weights: &Weights, Cosines { table, model }: &mut Cosines) {
        let mut notes = Notes::default();
        // Of the notes; not a number for what is none.
        let mut sums = self.scratch.take_any(table.len());
        for (doc, (meaning, note)) in (0..).zip(table.iter_mut().zip(&mut sums)) {
            *note = f32::NAN;
            if !self.vectors.has(doc) {
                *meaning = 0.0;
                continue;
            }
            let model = if self.made.has(doc) { model.get(doc as usize) } else { None };
            let (by_table, by_model) = (*meaning, model.copied().unwrap_or(*meaning));
            let sum = |by: Meant| by.table * by_table + by.model * by_model;
            if self.is_turn(DocId(doc)) {
                *meaning = sum(weights.turn).max(0.0);
            } else {
                *note = sum(weights.note);
                notes.add(*note);
            }
        }
        let standing = weights.standing.map(|(worth, usual)| {
            let usual = notes.held_by(usual);
            (worth, usual.mean, usual.spread.recip())
        });
        for (meaning, &sum) in table.iter_mut().zip(&sums) {
            let note = match standing {
                Some((worth, mean, scale)) => worth * ((sum - mean) * scale).max(0.0).powi(2),
                None => sum.max(0.0),
            };
            *meaning = if sum.is_nan() { *meaning } else { note };
        }
        self.scratch.give(sums);
    }

    fn weights(&self, language: Language, has_model: bool) -> Weights {
        let Language { reading, is_surely_english } = language;
        let is_stranger = has_model && self.has_chosen_model();
        let is_english = language.is_english();
        // Of texts in other languages the table knows nothing, whatever the question is in.
        let table_helps = !is_stranger || is_english && self.is_english();
        let beside = Meant { table: if table_helps { TABLE_BESIDE } else { 0.0 }, model: 1.0 };
        let alone = Meant { table: 1.0, model: 0.0 };
        let stands_out = |worth: f32| worth * FAINT_SPREADS.powi(2);
        let (note, standing, faint_note) = match (has_model, reading) {
            (true, _) if is_stranger => {
                let worth = STANDS_OUT_BY_STRANGER;
                (beside, Some((worth, USUAL_BY_STRANGER)), stands_out(worth))
            }
            (true, Reading::English) => (beside, Some((STANDS_OUT, USUAL)), stands_out(STANDS_OUT)),
            (false, Reading::English) => {
                let worth = STANDS_OUT_BY_TABLE;
                (alone, Some((worth, USUAL_BY_TABLE)), stands_out(worth))
            }
            (true, Reading::Latin) => (unread(true), None, FAINT_UNREAD),
            (false, Reading::Latin) => (unread(false), None, FAINT * UNREAD_TABLE),
            (true, Reading::None) => {
                let (note, worth) = (Meant { table: 0.0, model: 1.0 }, STANDS_OUT_UNKNOWN);
                (note, Some((worth, USUAL)), stands_out(worth))
            }
            (false, Reading::None) => (UNMEANT, None, f32::INFINITY),
        };
        let is_read = is_stranger || reading != Reading::None;
        let turn = match (is_read, has_model) {
            (false, _) => UNMEANT,
            (true, true) => Meant { table: TURN_TABLE, model: TURN_MODEL },
            (true, false) => Meant { table: TURN_TABLE_ALONE, model: 0.0 },
        };
        Weights {
            needs_pair: is_english,
            note,
            standing,
            faint_note,
            turn_words: if has_model { TURN_WORDS } else { 1.0 },
            turn,
            faint_turn: if is_read { TURN_MODEL * FAINT } else { f32::INFINITY },
            is_read,
            is_understood: is_stranger || is_surely_english,
        }
    }

    /// The vector of a question by the table: each word weighs by how rare it is in this session, and
    /// what it asks more than what it tells.
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
        let table = TableEmbedder::built_in()?;
        let whole = table.embed_weighted(&[text], &mut weight);
        let clauses = asking_clauses(text);
        if clauses.is_empty() {
            return Some(whole);
        }
        let clauses = clauses.iter().map(|clause| table.embed_weighted(&[clause], &mut weight));
        let readings = iter::once(whole).chain(clauses);
        let readings = readings.map(|reading| reading.components().collect());
        emphasized(readings.collect()).map(|joined| Vector::quantize(&joined))
    }

    fn cosines(&self, query: &Query<'_>, places: usize) -> Cosines {
        let mut table = self.scratch.take_any(places);
        match self.question_vector(query.text) {
            Some(vector) => {
                self.vectors.scan(&vector, &mut table);
                self.lend_meaning(&mut table);
            }
            None => table.fill(0.0),
        }
        let mut model = Vec::new();
        if let Some(vector) = query.vector.filter(|_| self.model.is_some()) {
            model = self.scratch.take_any(places);
            self.made.scan(vector, &mut model);
        }
        Cosines { table, model }
    }

    /// Gives each turn a share of what its neighbors mean.
    fn lend_meaning(&self, joined: &mut [f32]) {
        if self.sittings.is_empty() {
            return;
        }
        let mut alone = self.scratch.take_any(joined.len());
        alone.copy_from_slice(joined);
        let at = |doc: u32| alone.get(doc as usize).copied().unwrap_or_default().max(0.0);
        for (joined, (before, after)) in joined.iter_mut().zip(self.sittings.neighbors()) {
            *joined += MEANT_BEFORE * at(before) + MEANT_AFTER * at(after);
        }
        self.scratch.give(alone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::document::tests::{note, turn};

    #[test]
    fn the_table_too_hears_what_is_asked() {
        let mut index = Index::new();
        index.insert(DocId(0), &note("the oatmeal soap cures on the shelf"));
        (1..9).for_each(|doc| index.insert(DocId(doc), &note("a red sled")));
        let vector = |text: &str| index.question_vector(text).unwrap();
        let asked = vector("how long does the sea salt bar need");

        let clauses = vector("the oatmeal soap cures, how long does the sea salt bar need");
        let one_piece = vector("the oatmeal soap cures how long does the sea salt bar need");

        let (clauses, one_piece) = (clauses.cosine(&asked), one_piece.cosine(&asked));
        assert!(clauses > one_piece + 0.01, "{clauses} {one_piece}");
    }

    #[test]
    fn notes_alone_are_weighed_as_beside_turns() {
        let mut alone = Index::new();
        for doc in 0..4 {
            alone.insert(DocId(doc), &note("a red sled"));
        }
        let mut beside = Index::new();
        for doc in 0..4 {
            beside.insert(DocId(doc), &note("a red sled"));
        }
        beside.insert(DocId(4), &turn("Ada", "Ada: a red sled"));
        let shared = [0.0, 1.0, 2.0, 3.0, 0.0];
        let usual = alone.weights(alone.language("where is the red sled"), false);
        for needs_pair in [true, false] {
            let weights = Weights { needs_pair, ..usual };
            let mut all = [0.0, 0.4, 0.7, 0.9, 0.5];
            let mut notes = [0.0, 0.4, 0.7, 0.9];

            beside.weigh_words(&weights, &shared, &mut all);
            alone.weigh_words(&weights, &shared[..4], &mut notes);

            assert_eq!(notes, [0.0, if needs_pair { 0.0 } else { 0.4 }, 0.7, 0.9]);
            assert_eq!(all[..4], notes);
            assert_eq!(all[4], 0.5);
        }
    }
}
