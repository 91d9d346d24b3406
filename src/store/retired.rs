//! What becomes of trees that were replaced: their files go once nobody reads them any more. Those that the
//! comparison after a start found wrong are moved aside for a while, as a start would do with them (`aside.rs`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::trees::Trees;
use super::{StoreError, aside};
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
    /// Where those of them lie that are kept for whoever wants to know what happened.
    wrong: Option<PathBuf>,
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

    /// These are to be moved aside and not removed, once they are replaced and nobody reads them.
    pub(super) fn keep_aside(&mut self, trees: &Trees) {
        self.wrong = Some(trees.path().to_owned());
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

    /// Removes the files of those that nobody reads, or moves them aside.
    pub(super) fn remove(&mut self) {
        let (free, used): (Vec<_>, Vec<_>) = std::mem::take(&mut self.retired)
            .into_iter()
            .partition(|trees| Arc::strong_count(trees) == 1);
        self.retired = used;
        for trees in free {
            let path: PathBuf = trees.path().to_owned();
            drop(trees);
            let folder = path.parent().unwrap_or(&path);
            if self.wrong.take_if(|wrong| *wrong == path).is_some() {
                move_aside(folder, &path);
            } else {
                remove(folder, &path);
            }
        }
    }
}

fn move_aside(folder: &Path, path: &Path) {
    match aside::move_aside(folder, path) {
        Ok(aside) => log::error!("the damaged trees were moved to {}", aside.display()),
        Err(error) => log::warn!("the damaged trees are not kept for long: {error}"),
    }
}

fn remove(folder: &Path, path: &Path) {
    // Synced, or a power cut could bring back what was erased.
    let gone = disk::remove_folder(path).and_then(|()| disk::sync_folder(folder));
    if let Err(error) = gone {
        log::warn!("cannot remove {}: {error}", path.display());
    }
}
