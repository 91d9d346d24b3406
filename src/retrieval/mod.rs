//! Ranking: pure functions and structures in memory. No IO, no clock, no knowledge of storage.
//!
//! The engine keeps one [`Index`] per awake session, tells it of every memory, and asks it to rank.

mod document;
mod index;
mod priors;
mod query;
mod text;

pub use document::{DocId, Document, SittingKey};
pub use index::{Index, overlap};
pub use query::{Hit, Query, Why};
