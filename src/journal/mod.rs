//! The log that is the truth: frames, checksums, group commit, snapshots.
//!
//! A write is acknowledged when its frame was made durable with `fdatasync`; whoever waits while
//! one runs shares the next one. `docs/FORMAT.md` has the bytes.

mod batch;
mod commit;
mod compaction;
mod error;
mod files;
mod folder;
mod frame;
mod queue;
mod receipt;
mod room;
mod running;
mod segment;
mod snapshot;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;

pub use batch::{Batch, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES, Op, Ops};
pub use commit::Sink;
pub use error::JournalError;
pub(crate) use files::{close_to_others, create_folder, remove_folder, replace_file, sync_folder};
pub use folder::{Damage, Folder, Torn};
pub use frame::Seq;
pub use queue::Submitted;
pub use receipt::Receipt;
pub(crate) use room::require_free;
pub use running::Journal;
pub use writer::Faults;

/// How the journal behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// A segment that is longer is followed by a new one.
    pub segment_bytes: u64,
    /// How much may wait for the disk before writes are refused as too many.
    pub queue_bytes: usize,
    /// Writes are refused when the disk has less than this left. Whoever is full to the last byte
    /// cannot even clean up.
    pub free_bytes: u64,
    /// Failures that tests ask for.
    pub faults: Arc<Faults>,
}
