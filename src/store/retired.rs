//! What becomes of trees that were replaced: their files go once nobody reads them any more. Those that the
//! comparison after a start found wrong are moved aside for a while, as a start would do with them (`aside.rs`).
//! What the disk does not let go of is tried again, and until then nothing that was erased is called gone.

use std::io;
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
    /// What nobody reads any more and could not be removed, or moved aside, so far.
    stuck: Vec<PathBuf>,
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

    /// Returns once the files of all of them are gone from where they lay.
    pub(super) fn wait_for_readers(&mut self) -> Result<(), StoreError> {
        for _ in 0..LOOKS {
            if self.retired.is_empty() {
                break;
            }
            // A reader has a value in its hands for no longer than a read takes.
            std::thread::park_timeout(PAUSE);
            self.remove();
        }
        if !self.retired.is_empty() {
            return Err(StoreError::unavailable("old trees are still read; try again"));
        }
        self.try_again();
        if self.is_stuck() {
            return Err(StoreError::unavailable("old trees cannot be removed, as the log says"));
        }
        Ok(())
    }

    /// Whether files could not be removed yet that nobody reads any more.
    pub(super) fn is_stuck(&self) -> bool {
        !self.stuck.is_empty()
    }

    /// Removes the files of those that nobody reads, or moves them aside.
    pub(super) fn remove(&mut self) {
        self.try_again();
        let (free, used): (Vec<_>, Vec<_>) = std::mem::take(&mut self.retired)
            .into_iter()
            .partition(|trees| Arc::strong_count(trees) == 1);
        self.retired = used;
        for trees in free {
            let path: PathBuf = trees.path().to_owned();
            drop(trees);
            // They are several megabytes in small pieces.
            memoryd_heap::let_go();
            self.discard(path);
        }
    }

    fn discard(&mut self, path: PathBuf) {
        if let Err(error) = self.clear(&path) {
            log::warn!("old trees stay for now, and it is tried again: {error}");
            self.stuck.push(path);
        }
    }

    fn try_again(&mut self) {
        for path in std::mem::take(&mut self.stuck) {
            match self.clear(&path) {
                Ok(()) => log::info!("{} could be removed now", path.display()),
                // It was told when it was found.
                Err(_) => self.stuck.push(path),
            }
        }
    }

    fn clear(&mut self, path: &Path) -> Result<(), StoreError> {
        let folder = path.parent().unwrap_or(path);
        let is_wrong = self.wrong.as_deref() == Some(path);
        // One that was moved, which could not be synced, is not there any more.
        if is_wrong && path.exists() {
            let aside = aside::move_aside(folder, path)?;
            log::error!("the damaged trees were moved to {}", aside.display());
        } else {
            remove(folder, path).map_err(StoreError::disk("remove", path))?;
        }
        if is_wrong {
            self.wrong = None;
        }
        Ok(())
    }
}

fn remove(folder: &Path, path: &Path) -> io::Result<()> {
    disk::remove_folder(path)?;
    // Synced, or a power cut could bring back what was erased.
    match disk::sync_folder(folder) {
        // Trees that were read elsewhere for a while are gone with all that was there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_cannot_be_removed_is_tried_again_and_is_not_called_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sled-1");
        // No folder, so that it cannot be removed as one.
        fs::write(&path, "a text that was regretted").unwrap();
        let mut retired = Retired::default();
        retired.discard(path.clone());
        assert!(retired.is_stuck() && retired.wait_for_readers().is_err());

        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();

        retired.wait_for_readers().unwrap();
        assert!(!retired.is_stuck() && !path.exists());
    }

    #[test]
    fn what_is_to_be_kept_is_moved_aside_and_only_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sled-1");
        fs::create_dir(&path).unwrap();
        let mut retired = Retired { wrong: Some(path.clone()), ..Retired::default() };

        retired.discard(path.clone());

        assert!(!path.exists() && dir.path().join("sled-1.damaged-1").exists());
        assert!(!retired.is_stuck() && retired.wrong.is_none());
    }
}
