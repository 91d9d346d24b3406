//! Ranking: pure functions and structures in memory. No IO, no clock, no knowledge of storage.
//!
//! The engine keeps one [`Index`] per awake session, tells it of every memory, and asks it to rank.

mod document;
mod index;
mod meaning;
mod memo;
mod priors;
mod query;
mod speaker;
mod text;
mod when;

pub use document::{DocId, Document, SittingKey};
pub use index::{Index, overlap};
pub use meaning::{Embedder, EmbedderForMany, InvalidTable, ModelId, Vector};
pub use query::{Hit, Mode, Query, Why};
