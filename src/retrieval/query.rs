//! A question, and what answers it.

use crate::model::Timestamp;

use super::{DocId, Vector};

/// What somebody looks for.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    pub text: &'a str,
    /// Recency is counted from here, and "yesterday" is the day before.
    pub now: Timestamp,
    pub mode: Ranking,
    /// What another model than the built-in table made of the text.
    pub vector: Option<&'a Vector>,
}

/// Which rankings a search asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranking {
    /// Only the words.
    Keyword,
    /// Only what the text means.
    Semantic,
    /// Both, joined.
    #[default]
    Hybrid,
}

/// A memory that answers a question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    pub doc: DocId,
    /// 0 (nothing in common) to 1.
    pub score: f32,
    pub why: Why,
}

/// What answers a question.
#[derive(Debug)]
pub struct Answers {
    /// The best, best first.
    pub hits: Vec<Hit>,
    /// How many there are, as far as they were counted.
    pub total: usize,
}

/// What each part gave to a score; they add up to it.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Why {
    /// From the words that question and memory share, or that were said around it.
    pub words: f32,
    /// From being about the same.
    pub meaning: f32,
    /// From being said by whom the question names.
    pub speaker: f32,
    /// From being of the time that the question names.
    pub time: f32,
    /// From recency, priority and pin.
    pub priors: f32,
    /// Lost for saying what a better hit says already; never above 0.
    pub repeats: f32,
}

impl<'a> Query<'a> {
    #[must_use]
    pub fn new(text: &'a str, now: Timestamp) -> Self {
        Self { text, now, mode: Ranking::default(), vector: None }
    }

    #[must_use]
    pub fn with_mode(self, mode: Ranking) -> Self {
        Self { mode, ..self }
    }
}
