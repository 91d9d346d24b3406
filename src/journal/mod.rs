//! The log that is the truth: frames, checksums, group commit, snapshots.
//!
//! A write is acknowledged when its frame was made durable with `fdatasync`; whoever waits while
//! one runs shares the next one. `docs/FORMAT.md` has the bytes.
//!
//! It refuses a batch that is too large, that comes while too much waits or the disk fails, or that
//! may rest on what was lost. It knows neither records nor users: keys and values are bytes.
//!
//! Begin reading at `running.rs`, whose head has the protocol, then `commit.rs`.

mod batch;
mod closed;
mod commit;
mod compaction;
mod error;
mod folder;
mod frame;
mod frozen;
mod hooks;
mod listing;
mod numbers;
mod queue;
mod receipt;
mod room;
mod running;
mod segment;
mod snapshot;
#[cfg(test)]
mod tests;
mod wreck;
mod writer;

use std::io::Read;
use std::path::Path;

pub use batch::{EncodedBatch, MAX_PAYLOAD_BYTES, Op};
pub use commit::Sink;
pub use error::JournalError;
pub use folder::{Damage, Expected, Folder};
pub(crate) use frame::MAGIC;
pub use frozen::Thaw;
#[cfg(test)]
pub(crate) use hooks::{Faults, SyncHook};
pub(crate) use listing::is_file_name;
pub use numbers::{Ownership, Seq, SessionNo, StoreId};
pub use receipt::GroupReceipt;
pub use running::Journal;
pub use wreck::Wrecks;

/// Shows every operation of a snapshot that lies anywhere, and checks everything. Returns whose it is,
/// the seq that it is complete up to, and a checksum over all it holds.
pub fn visit_copy<E: From<JournalError>>(
    path: &Path,
    source: Box<dyn Read>,
    visitor: &mut dyn FnMut(Op<'_>) -> Result<(), E>,
) -> Result<(StoreId, Seq, u32), E> {
    snapshot::visit_stream(path, source, visitor)
}

/// Reads bytes as every kind of file that a journal has.
#[cfg(feature = "fuzzing")]
pub fn read_anything(bytes: &[u8]) {
    let path = Path::new("fuzzed");
    if let Ok(segment) = segment::Segment::of(path, bytes.to_vec()) {
        let last = segment.outline(Seq::MAX).last;
        let _ = segment.visit::<JournalError>(Seq::ZERO, last, &mut |_| Ok(()));
    }
    let source = Box::new(std::io::Cursor::new(bytes.to_vec()));
    let _ = visit_copy::<JournalError>(path, source, &mut |_| Ok(()));
}

/// How the journal behaves.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// A segment that is longer is followed by a new one.
    pub segment_bytes: u64,
    /// How much may wait for the disk before writes are refused as too many.
    pub queue_bytes: usize,
    /// Writes are refused when the disk has less than this left. Whoever is full to the last byte
    /// cannot even clean up.
    pub free_bytes: u64,
    /// Failures that the tests of the journal and the store ask for.
    #[cfg(test)]
    pub(crate) faults: std::sync::Arc<Faults>,
    /// What any test of this crate may do before each `fdatasync`: wait, or fail in its place.
    #[cfg(test)]
    pub(crate) sync_hook: Option<SyncHook>,
}
