use std::io;
use std::path::{Path, PathBuf};

use super::trees::{Broken, TreesError};
use super::{CodecError, Record};
use crate::disk;
use crate::journal::JournalError;

/// What the store cannot do. The variants from [`StoreError::Locked`] on occur only at start-up
/// and in checks, and only they name files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk is full, read-only or broken. Reads may still work, and writes will again.
    #[error("storage is unavailable: {reason}")]
    Unavailable { reason: String },

    /// What this session submitted will never be on disk. Its owner must open it anew.
    #[error("a write was lost to a failing disk; the session starts afresh")]
    Lost,

    #[error("too many writes are waiting for the disk; try again in a moment")]
    Busy,

    #[error("a stored {kind} record is damaged: {source}; run `memoryd check`")]
    Damaged { kind: &'static str, source: CodecError },

    #[error("a stored {kind} record is of a newer program, and stays as it is: {source}")]
    NewerRecord { kind: &'static str, source: CodecError },

    #[error("a record of {bytes} bytes cannot be stored; the limit is {limit}")]
    TooLarge { bytes: usize, limit: usize },

    #[error("there are {limit} users already, which is the limit of one data directory")]
    TooManySessions { limit: usize },

    #[error(
        "data directory {} is in use by process {}; stop it, or choose another directory",
        dir.display(),
        pid.map_or_else(|| "(unknown)".to_owned(), |pid| pid.to_string())
    )]
    Locked { dir: PathBuf, pid: Option<u32> },

    /// The folder is not empty, and nothing in it is ours.
    #[error(
        "{} holds something else, such as {found:?}, and no data of memoryd; nothing was changed. \
         Name an empty or a new folder with --data-dir (DATA_DIR)",
        dir.display()
    )]
    Foreign { dir: PathBuf, found: String },

    /// A folder that another user made, such as one that was mounted into a container.
    #[error(
        "cannot {doing} {}: it belongs to another user than this process, which is user {user}; hand the \
         folder over: chown -R {user}:{group} {} (for a container, the folder of its host that is mounted \
         there)",
        path.display(), disk::quoted(dir)
    )]
    NotOurs { doing: &'static str, path: PathBuf, dir: PathBuf, user: u32, group: u32 },

    /// Said to whoever only wants to read.
    #[error(
        "there is no data of memoryd in {}; name its folder with --data-dir (DATA_DIR)",
        dir.display()
    )]
    NoStore { dir: PathBuf },

    #[error(
        "{} has format version {found}; this program knows up to {newest}: use a newer memoryd",
        path.display()
    )]
    NewerFormat { path: PathBuf, found: u32, newest: u32 },

    #[error(
        "the store is encrypted with the key {key}; set storage.encryption_key_file \
         (ENCRYPTION_KEY_FILE) to the file that holds it; nothing was changed"
    )]
    Encrypted { key: String },

    #[error(
        "the store is encrypted with the key {key}, and storage.encryption_key_file \
         (ENCRYPTION_KEY_FILE) holds the key {given}; nothing was changed"
    )]
    OtherKey { key: String, given: String },

    /// Said before anything is written. What is plain does not go on being written in silence.
    #[error(
        "encrypting the store in {} needs {needed} bytes of room, and {free} bytes are free; nothing was \
         changed. Make room, and start again",
        dir.display()
    )]
    NoRoomToEncrypt { dir: PathBuf, needed: u64, free: u64 },

    /// Its users are there, and what could open their records is not.
    #[error(
        "the record with the key of this encrypted store is lost, and nothing of it can be read without; \
         restore a backup: `memoryd backup restore`"
    )]
    StoreKeyLost,

    /// Acknowledged writes are gone from the journal and sled cannot replace them.
    #[error(
        "{} is damaged at byte {offset} ({problem}), and sled cannot mend it; nothing was changed. \
         Restore a backup, or keep what can still be read: `memoryd check --salvage --data-dir {}`",
        path.display(), disk::quoted(dir)
    )]
    Unrecoverable { dir: PathBuf, path: PathBuf, offset: u64, problem: String },

    /// While files are read that nothing has judged yet.
    #[error("{} is damaged at byte {offset}: {problem}", path.display())]
    BadFile { path: PathBuf, offset: u64, problem: String },

    #[error("cannot {doing} {}: {source}", path.display())]
    Disk { doing: &'static str, path: PathBuf, source: io::Error },
}

impl StoreError {
    pub(super) fn disk(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { doing, path: path.to_owned(), source }
    }

    /// Says what to do where something in this data directory, or the folder itself, is shut because it
    /// is another user's.
    pub(super) fn in_directory(self, dir: &Path) -> Self {
        match self {
            Self::Disk { doing, path, source }
                if source.kind() == io::ErrorKind::PermissionDenied
                    && dir.is_dir()
                    && path.starts_with(dir)
                    && disk::is_of_another(&path) =>
            {
                let (user, group) = disk::own_ids();
                Self::NotOurs { doing, path, dir: dir.to_owned(), user, group }
            }
            other => other,
        }
    }

    pub(super) fn damaged<R: Record>(source: CodecError) -> Self {
        Self::unreadable(R::KIND, source)
    }

    /// What this program cannot read: a damaged record, or one of a newer program.
    pub(super) fn unreadable(kind: &'static str, source: CodecError) -> Self {
        match source {
            CodecError::NewerVersion { .. } => Self::NewerRecord { kind, source },
            source => Self::Damaged { kind, source },
        }
    }

    pub(super) fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into() }
    }
}

impl From<Broken> for StoreError {
    /// The cause is in the log; a client has no use for it.
    fn from(_: Broken) -> Self {
        Self::unavailable("the trees are being rebuilt")
    }
}

impl From<TreesError> for StoreError {
    fn from(error: TreesError) -> Self {
        match error {
            TreesError::Broken(broken) => broken.into(),
            TreesError::Stalled(_) => Self::unavailable("the trees are not durable"),
            TreesError::Disk { doing, path, source } => Self::Disk { doing, path, source },
        }
    }
}

impl From<JournalError> for StoreError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Unavailable { reason } => Self::unavailable(&*reason),
            JournalError::Closed => Self::unavailable("the store is closed"),
            JournalError::Busy => Self::Busy,
            JournalError::TooLarge { bytes, limit } => Self::TooLarge { bytes, limit },
            JournalError::NewerFormat { path, found, newest } => {
                Self::NewerFormat { path, found, newest }
            }
            JournalError::Damaged { path, offset, problem } => {
                Self::BadFile { path, offset, problem: problem.to_owned() }
            }
            JournalError::Disk { doing, path, source } => Self::Disk { doing, path, source },
        }
    }
}
