//! Ranking: pure functions and structures in memory. No IO, no clock, no knowledge of storage.
//!
//! The engine keeps one [`Index`] per awake session, tells it of every memory, and asks it to rank.
//!
//! It refuses no text and no question, and of what is to be an index again (`index/stored.rs`) whatever no index can be.
//! `docs/RECALL.md` has the formulas and the figures.
//!
//! Begin reading at `index/mod.rs`, then `index/rank.rs`.

mod asking;
mod document;
mod index;
mod meaning;
mod memo;
mod packer;
mod priors;
mod query;
mod speaker;
mod text;
mod when;

pub use asking::{asking_clauses, emphasized};
pub use document::{DocId, Document, SittingKey};
pub use index::{Index, ParsedDocument};
pub use meaning::{
    EmbedderForMany, ModelDigest, Sentences, SentencesForMany, Side, TableEmbedder, Vector,
};
pub use packer::{Packer, Unpacker, misread};
pub use query::{Answers, Hit, Query, Ranking, Why};
