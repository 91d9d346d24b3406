//! A memory server for AI assistants: one process, one data directory, no other moving part.
//!
//! A request goes straight down and its answer comes straight up:
//!
//! ```text
//! http | stdio -> auth -> mcp | rest -> actors -> engine -> store -> journal
//! ```
//!
//! Each module is a room. Which room may import which is written in `docs/ARCHITECTURE.md` and
//! checked by `tests/tidy.rs`.

pub(crate) mod actors;
pub(crate) mod auth;
pub mod cli;
pub(crate) mod clients;
pub mod config;
pub(crate) mod disk;
pub(crate) mod embedding;
pub(crate) mod engine;
pub(crate) mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub(crate) mod hooks;
pub(crate) mod http;
pub(crate) mod journal;
pub(crate) mod logging;
pub(crate) mod mcp;
pub(crate) mod moving;
pub(crate) mod older;
pub mod outward;
pub mod server;
pub(crate) mod store;
pub mod tls;

pub(crate) use memoryd_ranking::retrieval;

/// Plain data that every room speaks. Who asks is told apart from the rest, since the web framework learns to find it.
pub mod model {
    mod caller;

    pub use caller::{Caller, Origin};
    pub use memoryd_ranking::model::*;
}
