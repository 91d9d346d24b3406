//! Where damaged files go: beside the store, under names that say so, for a bounded time.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::StoreError;
use crate::disk;

/// How many things of a kind that were moved aside are kept, for whoever wants to know what happened.
const KEPT_ASIDE: usize = 2;

/// How long damaged files are kept for whoever wants to know what happened. Somebody's erasure, which
/// is waited for, does not wait for this.
pub(super) const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);

/// How often it is looked for those that are older. A program that serves one client may run for no longer
/// than that client does.
pub(super) const CLEAR_EVERY: Duration = Duration::from_secs(15 * 60);

/// Between the name of what was moved aside and its number.
const MARK: &str = ".damaged-";

/// Where the files of an older format lie for whoever has to go back to it.
pub(super) const BEFORE_UPGRADE: &str = "before-format-2";

/// Whether a name is of something that was set aside, such as `journal.damaged-1`.
pub(super) fn is_aside(name: &str) -> bool {
    let is_numbered = |(what, number): (&str, &str)| {
        let is_ours = matches!(what, "journal" | "checkpoint") || is_generation(what);
        is_ours && number.parse::<u64>().is_ok()
    };
    name == BEFORE_UPGRADE || name.split_once(MARK).is_some_and(is_numbered)
}

/// The trees of a store, such as `sled-3`.
pub(super) fn is_generation(name: &str) -> bool {
    name.strip_prefix("sled-").is_some_and(|number| number.parse::<u64>().is_ok())
}

/// Moves a file or folder to a free name such as `sled-3.damaged-1`. The oldest ones make room.
pub(super) fn move_aside(dir: &Path, path: &Path) -> Result<PathBuf, StoreError> {
    let aside = free_name(dir, path)?;
    fs::rename(path, &aside).map_err(StoreError::disk("move aside", path))?;
    disk::sync_folder(dir).map_err(StoreError::disk("sync", dir))?;
    Ok(aside)
}

/// Keeps a copy of a file that is about to be replaced.
pub(super) fn keep_copy(dir: &Path, path: &Path) -> Result<PathBuf, StoreError> {
    let aside = next_name(dir, path)?;
    disk::copy_file(path, &aside).map_err(StoreError::disk("keep a copy of", path))?;
    Ok(aside)
}

/// A free name for something that will be moved aside. The oldest ones make room.
pub(super) fn free_name(dir: &Path, path: &Path) -> Result<PathBuf, StoreError> {
    name_aside(dir, path, KEPT_ASIDE)
}

/// The same, but that nothing is removed for it.
pub(super) fn next_name(dir: &Path, path: &Path) -> Result<PathBuf, StoreError> {
    name_aside(dir, path, usize::MAX)
}

fn name_aside(dir: &Path, path: &Path, most: usize) -> Result<PathBuf, StoreError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sort = name.split('-').next().unwrap_or_default().to_owned();
    let mut kept: Vec<(u64, PathBuf)> = Vec::new();
    for (other, path) in list(dir)? {
        if let Some((_, number)) = other.split_once(MARK)
            && let (true, Ok(number)) = (other.starts_with(&sort), number.parse())
        {
            kept.push((number, path));
        }
    }
    kept.sort();
    let next = kept.last().map_or(1, |(number, _)| number + 1);
    while kept.len() >= most {
        let (_, oldest) = kept.remove(0);
        disk::remove_any(&oldest).map_err(StoreError::disk("remove", &oldest))?;
    }
    Ok(dir.join(format!("{name}{MARK}{next}")))
}

/// Removes what was set aside longer ago than this.
pub(super) fn remove_older(dir: &Path, age: Duration) -> Result<(), StoreError> {
    for (_, path) in list(dir)? {
        let found = fs::symlink_metadata(&path).map_err(StoreError::disk("look at", &path))?;
        if is_older(found.ctime(), age) {
            disk::remove_any(&path).map_err(StoreError::disk("remove", &path))?;
        }
    }
    disk::sync_folder(dir).map_err(StoreError::disk("sync", dir))
}

/// By when it got its name, in seconds since 1970. A time in the future is one of a clock that was wrong,
/// and says nothing. Whoever wants all gone asks no clock.
fn is_older(named_at: i64, age: Duration) -> bool {
    if age.is_zero() {
        return true;
    }
    let seconds = u64::try_from(named_at).unwrap_or(u64::MAX);
    let moved = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    moved.is_some_and(|moved| moved.elapsed().is_ok_and(|passed| passed >= age))
}

fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let failed = || StoreError::disk("list", dir);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_aside(&name) {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wrong_clock_has_dated_is_kept_unless_all_is_to_go() {
        let (past, future) = (1, i64::from(u32::MAX));

        assert!(is_older(past, Duration::from_secs(1)));
        assert!(!is_older(future, Duration::from_secs(1)));
        assert!(is_older(past, Duration::ZERO) && is_older(future, Duration::ZERO));
    }
}
