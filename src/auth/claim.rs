use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{self, FileId};

const CLAIM_FILE: &str = ".mcp_claim";

/// A server's word that it is about to open the data directory. While it holds, no stdio process
/// opens it, though it may be free for a moment. It ends with its process, however that ends.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    file: File,
}

impl Claim {
    /// Makes the claim; nothing where another server has made it.
    pub fn make(run_dir: &Path) -> io::Result<Option<Self>> {
        let path = run_dir.join(CLAIM_FILE);
        if is_held(&path) {
            return Ok(None);
        }
        let file = disk::create_file(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { path, file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether a server has made it.
    #[must_use]
    pub fn is_made(run_dir: &Path) -> bool {
        is_held(&run_dir.join(CLAIM_FILE))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Another may have taken the place of one that could not be locked.
        let is_own = self.file.metadata().is_ok_and(|own| FileId::of(&own).lies_at(&self.path));
        if is_own && let Err(error) = disk::remove_file(&self.path) {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Asks with a shared lock, which two who ask do not take for a claim.
fn is_held(path: &Path) -> bool {
    let is_file = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    let Some(file) = is_file.then(|| File::open(path).ok()).flatten() else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_seen_as_long_as_it_is_held() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!Claim::is_made(dir.path()));

        let claim = Claim::make(dir.path()).unwrap().unwrap();

        assert!(Claim::is_made(dir.path()));
        assert!(Claim::make(dir.path()).unwrap().is_none());
        drop(claim);
        assert!(!Claim::is_made(dir.path()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_file_of_a_dead_process_is_no_claim() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CLAIM_FILE), "").unwrap();

        assert!(!Claim::is_made(dir.path()));
        assert!(Claim::make(dir.path()).unwrap().is_some());
    }
}
