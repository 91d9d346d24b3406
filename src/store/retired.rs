//! What becomes of trees that were replaced: their files go once nobody reads them any more.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::StoreError;
use super::trees::Trees;
use crate::disk;

/// How often, and how long apart, it is looked whether replaced trees are still read.
const LOOKS: usize = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// Trees that were replaced, and whose files are still there.
#[derive(Debug, Default)]
pub(super) struct Retired {
    /// Until their last reader is done.
    retired: Vec<Arc<Trees>>,
    /// Until the checkpoint names others.
    superseded: Vec<Arc<Trees>>,
}

impl Retired {
    pub(super) fn retire(&mut self, old: Arc<Trees>) {
        self.retired.push(old);
    }

    /// The same with trees that the checkpoint still names.
    pub(super) fn supersede(&mut self, old: Arc<Trees>) {
        self.superseded.push(old);
    }

    /// The checkpoint names others by now.
    pub(super) fn retire_superseded(&mut self) {
        self.retired.append(&mut self.superseded);
    }

    pub(super) fn wait_for_readers(&mut self) -> Result<(), StoreError> {
        for _ in 0..LOOKS {
            if self.retired.is_empty() {
                return Ok(());
            }
            // A reader has a value in its hands for no longer than a read takes.
            std::thread::park_timeout(PAUSE);
            self.remove();
        }
        if self.retired.is_empty() {
            return Ok(());
        }
        Err(StoreError::unavailable("old trees are still read; try again"))
    }

    /// Removes the files of those that nobody reads.
    pub(super) fn remove(&mut self) {
        let (free, used): (Vec<_>, Vec<_>) = std::mem::take(&mut self.retired)
            .into_iter()
            .partition(|trees| Arc::strong_count(trees) == 1);
        self.retired = used;
        for trees in free {
            let path: PathBuf = trees.path().to_owned();
            drop(trees);
            // Synced, or a power cut could bring back what was erased.
            let folder = path.parent().unwrap_or(&path).to_owned();
            let gone = disk::remove_folder(&path).and_then(|()| disk::sync_folder(&folder));
            if let Err(error) = gone {
                log::warn!("cannot remove {}: {error}", path.display());
            }
        }
    }
}
