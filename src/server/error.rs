use std::io;

use crate::auth::{KeptKeyError, RandomnessFailed, RunFileError};
use crate::embedding::EmbedderError;
use crate::model::{InvalidName, Timestamp};
use crate::outward::OutwardError;
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
    Outward(#[from] OutwardError),

    #[error(transparent)]
    RunFiles(#[from] RunFileError),

    #[error(transparent)]
    Key(#[from] KeptKeyError),

    #[error(transparent)]
    Randomness(#[from] RandomnessFailed),

    #[error(transparent)]
    Name(#[from] InvalidName),

    #[error("the clock says {0}, which cannot be right; set it, and start again")]
    Clock(Timestamp),

    #[error("cannot listen on {address}: {source}")]
    Listen { address: String, source: io::Error },

    #[error(
        "cannot listen on {address}: another program has that port; name another one, or let \
         memoryd find one with --port auto (PORT=auto)"
    )]
    PortTaken { address: String },

    #[error("no port from 8501 to 8999 is free; set server.port (PORT) to a number")]
    NoFreePort,

    #[error("cannot serve: {0}")]
    Serve(#[source] io::Error),

    #[error("the store did not close: {0}")]
    Stop(String),
}

impl StartError {
    /// Whether another process has the data directory open.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Store(StoreError::Locked { .. }))
    }

    pub(super) fn cannot_bind(address: String, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            return Self::PortTaken { address };
        }
        Self::Listen { address, source }
    }

    pub(super) fn listening(source: io::Error) -> Self {
        Self::Serve(source)
    }
}
