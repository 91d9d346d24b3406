//! One process owns a data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::StoreError;
use crate::disk::{self, PRIVATE_FILE};

/// How long a lock that is held is asked for again. A service that is restarted meets the last
/// breath of the process before it, and a child that somebody starts holds every lock of its parent
/// between fork and exec.
pub(super) const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 400 } else { 3000 });
const PAUSE: Duration = Duration::from_millis(20);

/// Held as long as the data directory is open. The system lets go of it when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Option<File>,
    /// The folder itself is locked as well, so that deleting the file opens no second way in.
    _folder: Option<File>,
}

impl Lock {
    pub(super) fn take(dir: &Path, patience: Duration) -> Result<Self, StoreError> {
        let path = dir.join("lock");
        if disk::is_read_only(dir) {
            return Self::take_unwritten(dir, &path, patience);
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE);
        // The process id is not for a file elsewhere that somebody set a link to.
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let mut file = options.open(&path).map_err(StoreError::disk("open", &path))?;
        disk::leave_path_to_owner(&path).map_err(StoreError::disk("give away", &path))?;
        match patiently(patience, || file.try_lock(), is_held) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid =
                    file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(StoreError::Locked { dir: dir.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::disk("lock", &path)(error)),
        }
        let folder = lock_folder(dir, patience)?;
        // The pid is for people. A disk that is full must not keep the program from starting.
        let noted = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = noted {
            log::warn!("cannot note the process id in {}: {error}", path.display());
        }
        Ok(Self { _file: Some(file), _folder: folder })
    }
}

impl Lock {
    /// Where nothing can be written the lock that lies there is taken, if there is one.
    fn take_unwritten(dir: &Path, path: &Path, patience: Duration) -> Result<Self, StoreError> {
        let folder = lock_folder(dir, patience)?;
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            opened => Some(opened.map_err(StoreError::disk("open", path))?),
        };
        if let Some(file) = &file
            && is_held(&patiently(patience, || file.try_lock(), is_held))
        {
            return Err(StoreError::Locked { dir: dir.to_owned(), pid: None });
        }
        Ok(Self { _file: file, _folder: folder })
    }
}

/// Tries until the outcome is another than that somebody holds the lock, but not for long.
#[allow(clippy::disallowed_methods, reason = "nothing tells when a lock is let go")]
pub(super) fn patiently<T>(
    patience: Duration,
    mut attempt: impl FnMut() -> T,
    is_held: impl Fn(&T) -> bool,
) -> T {
    let mut waited = Duration::ZERO;
    loop {
        let outcome = attempt();
        if !is_held(&outcome) || waited >= patience {
            return outcome;
        }
        thread::sleep(PAUSE);
        waited += PAUSE;
    }
}

/// Nothing where the file system does not lock folders: there the file alone must do.
fn lock_folder(dir: &Path, patience: Duration) -> Result<Option<File>, StoreError> {
    let folder = File::open(dir).map_err(StoreError::disk("open", dir))?;
    match patiently(patience, || folder.try_lock(), is_held) {
        Ok(()) => Ok(Some(folder)),
        // Whoever holds it took a lock file that is gone, and with it the pid.
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { dir: dir.to_owned(), pid: None }),
        Err(TryLockError::Error(error)) => {
            log::debug!("{} itself cannot be locked: {error}", dir.display());
            Ok(None)
        }
    }
}

fn is_held(outcome: &Result<(), TryLockError>) -> bool {
    matches!(outcome, Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_for_a_moment_is_waited_for() {
        let mut asked = 0;
        let mut attempt = || {
            asked += 1;
            asked > 3
        };

        let is_free = patiently(PATIENCE, &mut attempt, |is_free| !is_free);

        assert!(is_free);
        assert_eq!(asked, 4);
    }

    #[test]
    fn a_lock_file_that_was_deleted_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::take(dir.path(), PATIENCE).unwrap();
        std::fs::remove_file(dir.path().join("lock")).unwrap();

        let refusal = Lock::take(dir.path(), PATIENCE).unwrap_err();

        assert!(matches!(refusal, StoreError::Locked { pid: None, .. }), "{refusal}");
        drop(held);
        Lock::take(dir.path(), PATIENCE).unwrap();
    }
}
