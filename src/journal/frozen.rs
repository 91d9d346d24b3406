//! A journal that was opened where nothing can be written, until something can.

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;

use super::folder::{Folder, Torn};
use crate::disk;

/// What the owner of a journal does on the disk before the journal writes to it. An error is tried again.
pub type Thaw = Box<dyn FnMut() -> io::Result<()> + Send>;

/// What a start does on a disk that takes writes, and could not do.
pub(super) struct Frozen {
    thaw: Thaw,
    torn: Option<Torn>,
    stale: Vec<PathBuf>,
}

impl Frozen {
    pub(super) fn of(folder: &mut Folder, thaw: Thaw) -> Self {
        Self { thaw, torn: folder.torn.take(), stale: std::mem::take(&mut folder.stale) }
    }

    /// May be called again after it failed: what was done is done once more, or is gone.
    pub(super) fn thaw(&mut self) -> io::Result<()> {
        (self.thaw)()?;
        if let Some(torn) = &self.torn {
            let file = OpenOptions::new().write(true).open(&torn.path)?;
            file.set_len(torn.offset)?;
            file.sync_all()?;
        }
        self.stale.iter().try_for_each(|stale| disk::remove_file(stale))
    }
}
