use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::tls::TlsError;

/// Why the embedder of the settings cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum EmbedderError {
    #[error("embedding.url and embedding.model_path are both set; remove one of them")]
    Both,

    #[error("embedding.{key} is set, but embedding.url is not, and only a service has use for it")]
    OnlyForUrl { key: &'static str },

    #[error("embedding.url is set, but embedding.model is not; name the model to ask for")]
    NoModel,

    #[error(
        "embedding.url {problem}; expected for example http://localhost:11434/api/embed \
         or https://api.openai.com/v1"
    )]
    Url { problem: &'static str },

    #[error("embedding.key cannot be sent in a header; expected visible ASCII characters")]
    Key,

    #[error(
        "embedding.url is https, but no certificates of public authorities are installed here; \
         install the package ca-certificates, or set embedding.authority"
    )]
    NoAuthorities,

    #[error(transparent)]
    Tls(#[from] TlsError),

    #[error(
        "embedding.model_path names a folder, and this memoryd was built to take files only; \
         name a file that make model-multilingual made, build with --features local-model, or use \
         embedding.url"
    )]
    NotBuilt,

    #[error("cannot read {path}: {cause}")]
    Unreadable { path: PathBuf, cause: io::Error },

    #[error("{path} cannot be used as a model: {problem}")]
    Unfit { path: PathBuf, problem: String },

    #[error("cannot start the embedder's thread: {0}")]
    Thread(io::Error),
}

/// Why there are no vectors this time. None of the messages holds a text or a key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EmbedError {
    #[error("the embedder failed lately and is not asked for another {left:?}")]
    Away { left: Duration },

    #[error("too many searches wait for the embedder")]
    Busy,

    #[error("the embedder did not answer within {after:?}")]
    TimedOut { after: Duration },

    #[error("cannot reach the embedder at {host}: {cause}")]
    Unreachable { host: String, cause: String },

    #[error("the embedder at {host} answered with status {status}{}", remedy(*.status))]
    Refused { host: String, status: u16 },

    #[error("the embedder at {host} would not take these texts (status {status})")]
    TextRefused { host: String, status: u16 },

    #[error("the text has nothing in it that the encoder reads")]
    NothingToRead,

    #[error("the embedder's answer is longer than {limit_bytes} bytes")]
    TooLarge { limit_bytes: usize },

    #[error("the embedder's answer cannot be understood: {problem}")]
    Malformed { problem: String },

    #[error("the embedder gave {got} vectors for {expected} texts")]
    Count { expected: usize, got: usize },

    #[error(
        "the embedder gave a vector of {got} numbers where {expected} were expected; \
         if its model was changed, restart memoryd"
    )]
    Dimensions { expected: usize, got: usize },

    #[error("the embedder gave a vector that is zero, infinite or not a number")]
    NoDirection,

    #[error("the embedder's thread has ended")]
    Stopped,
}

impl EmbedError {
    /// Whether the texts are at fault, not the embedder: others may pass, or these one by one.
    #[must_use]
    pub fn is_about_the_texts(&self) -> bool {
        matches!(self, Self::TextRefused { .. } | Self::NothingToRead)
    }

    /// Whether the embedder is better left alone for a while.
    pub(super) fn is_fault(&self) -> bool {
        !self.is_about_the_texts() && !matches!(self, Self::Away { .. } | Self::Busy)
    }
}

fn remedy(status: u16) -> &'static str {
    match status {
        300..=399 => "; redirects are not followed, set embedding.url to the final address",
        401 | 403 => "; look at embedding.key",
        404 | 405 => "; look at embedding.url and embedding.model",
        429 => "; it wants fewer requests",
        _ => "",
    }
}
