//! Durable state: the trees made from the journal. The only room that knows sled and bytes.
//!
//! Each session has its own tree, so one session's walk cannot see another's keys. The journal is
//! the truth; sled holds what it says in a form that can be read, and is rebuilt when it fails.
//!
//! It refuses a folder that another process owns or in which something else lives, a newer format,
//! and every write while the disk fails. It never starts empty over old data.
//!
//! Begin reading at `session.rs` (what an engine sees), then the head of `shared.rs` for the locks
//! and that of `recovery.rs` for what a start decides.

mod aside;
mod audit_page;
mod backup;
mod catching;
mod check;
mod checkpoint;
mod codec;
mod directory;
mod encrypting;
mod error;
mod frozen;
mod grants;
mod holders;
mod keeper;
mod key;
mod kinds;
mod last;
mod lock;
mod merged;
mod mind_file;
mod minds;
mod older_recalls;
mod packed;
mod premises;
mod proof;
mod proving;
mod rebuild;
mod recalls;
mod records;
mod recovery;
mod retired;
mod salvage;
mod seal;
mod session;
mod shared;
mod steps;
mod stopped;
mod survey;
mod system;
#[cfg(test)]
mod tests;
mod trees;
mod value;
mod vault;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::journal;
pub use audit_page::AuditPage;
pub use backup::{BackupContent, BackupError, restore, verify_backup};
pub use catching::catches_panics;
pub use check::Report;
#[cfg(feature = "fuzzing")]
pub use codec::envelope;
pub use codec::{CodecError, Record};
pub use directory::Store;
pub use error::StoreError;
pub use key::Key;
#[cfg(feature = "fuzzing")]
pub use kinds::RECORDS;
pub use merged::{merged, rows_of};
pub use proof::Comparison;
pub use records::{ErasedImport, PastVersion, StoredVector};
pub use salvage::Salvage;
pub use seal::SealingKey;
pub use session::{Batch, Receipt, SessionStore};
pub use system::{AuditKey, OnlyKey};
pub use vault::EncryptionKeys;

/// How to open a data directory.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// What sled may keep in memory.
    pub cache_bytes: u64,
    /// A journal below this size is never rewritten.
    pub compact_bytes: u64,
    /// sled is rebuilt after a compaction when it has this many times the size of the live data.
    pub sled_bloat: u64,
    /// How long after a text was removed the files that may hold it are made anew.
    pub scrub_after: Duration,
    /// How long damaged files lie aside.
    pub keep_aside: Duration,
    /// How often it is looked for those that have lain for longer, first this long after the start.
    pub clear_aside_every: Duration,
    /// Whether a store is made where there is none. Whoever only reads leaves it out, so that a
    /// wrong folder is an error and not an empty store.
    pub create: bool,
    /// Whether a store that was closed in good order may be open before everything is compared. Whoever
    /// reads it once and ends leaves it out, so that what was read is what was compared.
    pub compares_later: bool,
    /// How long to wait for another process to let go of the directory.
    pub lock_patience: Duration,
    /// Told about long work, such as rebuilding the trees.
    pub progress: Option<Arc<dyn Progress>>,
    /// Encrypts what lies on the disk. A store that is not encrypted yet becomes so when it is opened.
    pub encryption: Option<EncryptionKeys>,
    /// Whoever holds it holds up what is compared after the start.
    #[cfg(test)]
    pub comparing: Arc<std::sync::Mutex<()>>,
    pub journal: journal::JournalOptions,
}

/// Somebody who shows long work to the user.
pub trait Progress: fmt::Debug + Send + Sync {
    /// The total is in bytes, and a guess.
    fn start(&self, task: &str, total: u64);
    fn advance(&self, by: u64);
    fn finish(&self);
}

/// What the data directory takes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub journal_bytes: u64,
    pub sled_bytes: u64,
    pub sessions: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 8 << 20,
            compact_bytes: 64 << 20,
            sled_bloat: 3,
            scrub_after: Duration::from_secs(15),
            keep_aside: aside::KEEP,
            clear_aside_every: aside::CLEAR_EVERY,
            create: true,
            compares_later: false,
            lock_patience: lock::PATIENCE,
            progress: None,
            encryption: None,
            #[cfg(test)]
            comparing: Arc::default(),
            journal: journal::JournalOptions::default(),
        }
    }
}
