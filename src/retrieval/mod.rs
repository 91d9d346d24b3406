//! Ranking: pure functions and structures in memory. No IO, no clock, no knowledge of storage.
//!
//! The engine keeps one [`Index`] per awake session, tells it of every memory, and asks it to rank.
//!
//! It refuses nothing: any text can be indexed and any question asked. `docs/RECALL.md` has the
//! formulas and the figures.
//!
//! Begin reading at `index/mod.rs`, then `index/rank.rs`.

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
pub use index::{Index, ParsedDocument};
pub use meaning::{
    EmbedderForMany, ModelDigest, Sentences, SentencesForMany, Side, TableEmbedder, Vector,
};
pub use query::{Answers, Hit, Query, Ranking, Why};
