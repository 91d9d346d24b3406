//! Vectors from a better embedder than the table: the model that the program carries, one in a
//! folder, or a service with a URL. Nobody is called who was not set.
//!
//! The work is done on a thread of its own, so neither a session nor an HTTP worker ever waits in
//! it; they wait for an answer, and only so long. After a failure the embedder is *away* for a
//! while: it is not asked, and keyword search goes on without it.
//!
//! It refuses texts that the model does not take, and knows nothing of whose they are.
//!
//! Begin reading at `embedder.rs`.

use std::time::Duration;

mod answer;
mod breaker;
mod builtin;
mod embedder;
mod error;
#[cfg(any(test, feature = "local-model"))]
mod folder;
mod id;
mod line;
mod started;
#[cfg(test)]
mod tests;
mod url;

pub use embedder::Embedder;
pub use error::{EmbedError, EmbedderError};
pub use id::ModelId;

/// How much is asked of an embedder at once, and how long it may take.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How long a service may take for one batch of memories.
    batch_timeout: Duration,
    /// How many memories go in one request. At least 1.
    batch: usize,
    /// How much of a memory is embedded; the rest is not read.
    text_limit_bytes: usize,
}

const PACE: Pace = Pace {
    // A service may have to load its model first, and work on the slowest machine.
    batch_timeout: Duration::from_secs(60),
    batch: 16,
    // About 2,000 tokens of English and never more than 8,192: OpenAI refuses longer ones.
    text_limit_bytes: 8 << 10,
};

/// What a vector is for: many models want questions and memories marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody waits for it. It goes before all passages.
    Query,
    /// A memory, embedded in the background.
    Passage,
}
