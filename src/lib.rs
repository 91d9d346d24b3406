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

pub mod actors;
pub mod auth;
pub mod cli;
pub mod config;
pub mod disk;
pub mod embedding;
pub mod engine;
pub mod error;
pub mod http;
pub mod journal;
pub mod logging;
pub mod mcp;
pub mod model;
pub mod retrieval;
pub mod server;
pub mod store;
pub mod tls;
