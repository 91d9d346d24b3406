//! Backups of the running store: made, listed, and made again by themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::{CallError, Sessions};
use crate::engine::EngineError;
use crate::model::few;
use crate::model::{Caller, Clock, Timestamp};
use crate::store::{BackupContent, BackupError, SealingKey, Store, StoreError, verify_backup};

/// What the names of backups end in.
const ENDING: &str = ".memoryd";

/// Where backups go, and when one is made without being asked for.
#[derive(Debug, Clone, Default)]
pub struct BackupSettings {
    pub dir: PathBuf,
    /// Zero for never.
    pub every: Duration,
    /// How many of those that nobody asked for are kept.
    pub keep: usize,
    pub key: Option<SealingKey>,
}

/// A handle to the backups of a store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Backups {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    settings: BackupSettings,
    clock: Arc<dyn Clock>,
    /// Held while one is made, so that none are made twice at once.
    making: Mutex<()>,
}

/// One file in the folder of backups.
#[derive(Debug, Clone, Serialize)]
pub struct BackupLine {
    pub path: PathBuf,
    pub bytes: u64,
    pub made_at: Timestamp,
    #[serde(skip)]
    is_automatic: bool,
}

impl BackupLine {
    fn is_from_future(&self, now: Timestamp) -> bool {
        self.made_at.is_far_ahead_of(now)
    }
}

impl Backups {
    pub(super) fn new(store: Store, settings: BackupSettings, clock: Arc<dyn Clock>) -> Self {
        let making = Mutex::default();
        Self { inner: Arc::new(Inner { store, settings, clock, making }) }
    }

    /// Makes one now. It is synced and was read back when this returns. Blocks for as long.
    fn make(&self, is_automatic: bool) -> Result<BackupContent, BackupError> {
        let Inner { store, settings, clock, making } = &*self.inner;
        let _making = making.lock().unwrap_or_else(PoisonError::into_inner);
        // A colon is no character for a name on every file system.
        let moment = clock.now().to_string().replace(':', "");
        let sort = if is_automatic { "auto" } else { "asked" };
        let path = settings.dir.join(format!("memoryd-{moment}-{sort}{ENDING}"));
        // Whoever asked may be in another folder.
        let path = std::path::absolute(&path).unwrap_or(path);
        let made = store.back_up(&path, settings.key.as_ref()).inspect_err(|_| set_aside(&path))?;
        log::info!("a backup of {} memories is in {}", made.memories, made.path.display());
        Ok(made)
    }

    /// The files in the folder, the newest first.
    pub fn list(&self) -> Result<Vec<BackupLine>, StoreError> {
        list_backups(&self.inner.settings.dir)
    }

    /// The newest; nothing if there is none.
    #[must_use]
    pub fn newest(&self) -> Option<BackupLine> {
        let now = self.inner.clock.now();
        // One from the future was made while the clock was wrong. It must not put off the next for years.
        self.list().ok()?.into_iter().find(|line| !line.is_from_future(now))
    }

    /// How long ago the newest was made.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        Some(self.inner.clock.now().since(self.newest()?.made_at))
    }

    /// Reads one back that is named by its file; nothing if the folder has none of that name. Blocks for as long.
    fn verify(&self, name: &str) -> Result<Option<BackupContent>, BackupError> {
        let is_named = |line: &BackupLine| {
            let own = line.path.file_name();
            own.is_some_and(|own| own.to_string_lossy() == name)
        };
        // What the folder holds, and nothing else that a name could lead to.
        let Some(line) = self.list()?.into_iter().find(is_named) else { return Ok(None) };
        verify_backup(&line.path, self.inner.settings.key.as_ref()).map(Some)
    }

    /// Whether any are made without being asked for.
    #[must_use]
    pub fn are_scheduled(&self) -> bool {
        !self.inner.settings.every.is_zero()
    }

    /// Makes one if one is due, and removes those that are too many. Blocks while it does.
    pub fn make_if_due(&self) {
        let settings = &self.inner.settings;
        let is_due = || self.age().is_none_or(|age| age >= settings.every);
        if !self.are_scheduled() || !is_due() {
            return;
        }
        match self.make(true) {
            Ok(_) => self.prune(),
            Err(error) => log::error!("no backup could be made: {error}"),
        }
    }

    fn prune(&self) {
        let now = self.inner.clock.now();
        let mut lines = self.list().unwrap_or_default();
        // Nobody knows how old those of a wrong clock are: they must not take the places of the newest.
        few::sort_by_key(&mut lines, |line| line.is_from_future(now));
        let automatic = lines.into_iter().filter(|line| line.is_automatic);
        for old in automatic.skip(self.inner.settings.keep) {
            if let Err(error) = fs::remove_file(&old.path) {
                log::warn!("cannot remove the old backup {}: {error}", old.path.display());
            }
        }
    }
}

/// The backups in a folder, the newest first. None where there is no folder.
pub fn list_backups(dir: &Path) -> Result<Vec<BackupLine>, StoreError> {
    let failed = |source| StoreError::Disk { doing: "list", path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut lines = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("memoryd-") || !name.ends_with(ENDING) {
            continue;
        }
        let found = entry.metadata().map_err(failed)?;
        let made_at = found.modified().map_or(Timestamp(0), timestamp);
        let is_automatic = name.ends_with(&format!("-auto{ENDING}"));
        lines.push(BackupLine { path: entry.path(), bytes: found.len(), made_at, is_automatic });
    }
    few::sort_by_key(&mut lines, |line| std::cmp::Reverse((line.made_at, line.path.clone())));
    Ok(lines)
}

impl Sessions {
    /// Makes a backup of everything that is stored now. It was read back when this returns.
    pub(super) async fn back_up(&self) -> Result<BackupContent, CallError> {
        let backups = self.backups().clone();
        let made = tokio::task::spawn_blocking(move || backups.make(false)).await;
        made.map_err(|_| CallError::Panicked)?.map_err(failed)
    }

    /// Reads a backup back that is named by its file, for who administers; nothing if there is none of that name.
    pub async fn verify_backup(
        &self,
        caller: &Caller,
        name: String,
    ) -> Result<Option<BackupContent>, CallError> {
        self.accounts().administration(caller)?;
        let backups = self.backups().clone();
        let read = tokio::task::spawn_blocking(move || backups.verify(&name)).await;
        read.map_err(|_| CallError::Panicked)?.map_err(failed)
    }
}

fn failed(error: BackupError) -> CallError {
    match error {
        BackupError::Store(error) => EngineError::from(error).into(),
        other => CallError::Backup(other),
    }
}

/// Takes the name of a backup from one that could not be read back: it must not count as the newest, nor
/// push a good one out.
fn set_aside(path: &Path) {
    let aside = path.with_extension("bad");
    match fs::rename(path, &aside) {
        Ok(()) => log::error!("a backup that cannot be read back is in {}", aside.display()),
        // It failed before anything was in place.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => log::error!("{} cannot be read back or moved: {error}", path.display()),
    }
}

fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SystemClock;
    use crate::store::StoreOptions;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_backup_of_a_clock_that_was_ahead_puts_off_no_other_and_pushes_none_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data"), StoreOptions::default()).unwrap();
        let settings =
            BackupSettings { dir: dir.path().join("backups"), every: DAY, keep: 1, key: None };
        let backups = Backups::new(store, settings, Arc::new(SystemClock));
        backups.make_if_due();
        let first = backups.list().unwrap().remove(0).path;
        let now = Duration::from_millis(u64::try_from(SystemClock.now().0).unwrap());
        let file = fs::File::options().write(true).open(&first).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + now + 400 * DAY).unwrap();
        assert_eq!(backups.age(), None);

        backups.make_if_due();

        let left = backups.list().unwrap();
        assert_eq!(left.len(), 1);
        assert_ne!(left[0].path, first);
    }

    #[test]
    fn what_cannot_be_read_back_bears_no_name_of_a_backup() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memoryd-2026-01-01T000000.000Z-auto.memoryd");
        fs::write(&path, "half").unwrap();

        set_aside(&path);
        set_aside(&path);

        let names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["memoryd-2026-01-01T000000.000Z-auto.bad"]);
    }
}
