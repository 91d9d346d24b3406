//! Vectors from a better embedder than the built-in one: a model in a folder, or a service with a
//! URL. Off unless set; nothing is read and nobody is called before.
//!
//! The work is done on a thread of its own, so neither a session nor an HTTP worker ever waits in
//! it; they wait for an answer, and only so long. After a failure the embedder is *away* for a
//! while: it is not asked, and keyword search goes on without it.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::Secret;

mod answer;
mod breaker;
mod embedder;
mod error;
#[cfg(feature = "local-model")]
mod folder;
mod id;
mod line;
#[cfg(test)]
mod tests;
mod url;

pub use embedder::Embedder;
pub use error::{EmbedError, EmbedderError};
pub use id::ModelId;

/// Which embedder there is, if any, and how long it is waited for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A service. A path that ends in `/api/embed` is Ollama's; everything else is OpenAI's, to
    /// whose path `/embeddings` is added where it is missing, and `/v1` where there is no path.
    pub url: Option<String>,
    /// The model that the service is to use. Only with `url`.
    pub model: Option<String>,
    /// Sent as `Authorization: Bearer`. Only with `url`.
    pub key: Option<Secret>,
    /// A PEM file with an authority to trust for `url`, beside those of the system.
    pub authority: Option<PathBuf>,
    /// A folder as Hugging Face lays it out: `config.json`, `model.safetensors`, and
    /// `tokenizer.json` or `vocab.txt`. Instead of `url`.
    pub model_path: Option<PathBuf>,
    /// Stands before each question. Nothing here: what the folder says, if it does.
    pub query_prefix: Option<String>,
    /// Stands before each memory. Nothing here: what the folder says, if it does.
    pub passage_prefix: Option<String>,
    /// How long a search waits for the vector of its question, its turn in the queue included.
    pub timeout: Duration,
    /// How long a service may take for one batch of memories.
    pub batch_timeout: Duration,
    /// How many memories go in one request.
    pub batch: usize,
    /// How much of a memory is embedded; the rest is not read.
    pub text_limit_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: None,
            model: None,
            key: None,
            authority: None,
            model_path: None,
            query_prefix: None,
            passage_prefix: None,
            timeout: Duration::from_secs(5),
            // A service may have to load its model first, and work on the slowest machine.
            batch_timeout: Duration::from_secs(60),
            batch: 16,
            // About 2,000 tokens of English and never more than 8,192: OpenAI refuses longer ones.
            text_limit_bytes: 8 << 10,
        }
    }
}

/// What a vector is for: many models want questions and memories marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody waits for it. It goes before all passages.
    Query,
    /// A memory, embedded in the background.
    Passage,
}
