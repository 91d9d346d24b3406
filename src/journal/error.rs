use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the journal cannot do. The variants that name files occur only when files are read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Nothing of the batch was kept; the journal looks for a way back by itself.
    #[error("the disk does not take writes: {reason}")]
    Unavailable { reason: Arc<str> },

    #[error("too many writes are waiting for the disk")]
    Busy,

    #[error("a batch of {bytes} bytes is too large; the limit is {limit}")]
    TooLarge { bytes: usize, limit: usize },

    #[error("the journal is closed")]
    Closed,

    #[error("{} has format version {found}; this program knows up to {newest}", path.display())]
    NewerFormat { path: PathBuf, found: u32, newest: u32 },

    #[error("{} is damaged at byte {offset}: {problem}", path.display())]
    Damaged { path: PathBuf, offset: u64, problem: &'static str },

    #[error("cannot {doing} {}: {source}", path.display())]
    Disk { doing: &'static str, path: PathBuf, source: io::Error },
}

impl JournalError {
    pub(super) fn disk(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { doing, path: path.to_owned(), source }
    }
}
