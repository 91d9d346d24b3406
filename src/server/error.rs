use std::io;

use crate::auth::{RandomnessFailed, RunFileError};
use crate::embedding::EmbedderError;
use crate::model::InvalidName;
use crate::store::StoreError;
use crate::tls::TlsError;

/// Why the server did not start, or did not stop as it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),

    #[error(transparent)]
    Tls(#[from] TlsError),

    #[error(transparent)]
    Embedder(#[from] EmbedderError),

    #[error(transparent)]
    RunFiles(#[from] RunFileError),

    #[error(transparent)]
    Randomness(#[from] RandomnessFailed),

    #[error(transparent)]
    Name(#[from] InvalidName),

    #[error("cannot listen on {address}: {source}")]
    Listen { address: String, source: io::Error },

    #[error("no port from 8501 to 8999 is free; set server.port (PORT) to a number")]
    NoFreePort,

    #[error("cannot serve: {0}")]
    Serve(#[source] io::Error),

    #[error("the store did not close: {0}")]
    Stop(String),
}

impl StartError {
    pub(super) fn listening(source: io::Error) -> Self {
        Self::Serve(source)
    }
}
