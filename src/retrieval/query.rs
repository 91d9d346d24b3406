//! A question, and what answers it.

use crate::model::Timestamp;

use super::DocId;

/// What somebody looks for.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    pub text: &'a str,
    /// Recency is counted from here.
    pub now: Timestamp,
}

/// A memory that answers a question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    pub doc: DocId,
    /// 0 (nothing in common) to 1.
    pub score: f32,
    pub why: Why,
}

/// What each part gave to a score; they add up to it.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Why {
    /// From the words that question and memory share.
    pub words: f32,
    /// From recency, priority and pin.
    pub priors: f32,
}

impl<'a> Query<'a> {
    #[must_use]
    pub fn new(text: &'a str, now: Timestamp) -> Self {
        Self { text, now }
    }
}
