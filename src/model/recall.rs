use std::time::Duration;

use super::{Author, MemoryId, Timestamp};

/// Some recalls in a row, which are written and removed together: the oldest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecallPage(pub Vec<Recall>);

/// What was given to whom at one time, and what for. It holds no text of a memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Recall {
    pub at: Timestamp,
    pub author: Author,
    /// The question, as JSON.
    pub asked: String,
    /// Tokens of the whole answer, by estimate.
    pub tokens: u32,
    /// In the order in which they were given.
    pub given: Vec<Given>,
    /// From the question to the answer, in the server; nothing of what was noted before this was.
    pub took: Option<Duration>,
}

/// One memory that was given, as it was then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Given {
    pub id: MemoryId,
    pub version: u32,
    /// How well it answered; nothing where nothing was ranked.
    pub score: Option<f32>,
    /// Of its text as it was shown, by estimate.
    pub tokens: u32,
}
