//! Knows at a start whether the files are those that the last stop left.
//!
//! **The note.** When a store is closed in good order, after its last checkpoint, the keeper writes into
//! `.stopped` a digest of what the file system says of the checkpoint, the journal and the trees: of each
//! file and folder its name, size, inode, and when it and its content were changed last. Whatever changes,
//! copies or replaces one of them afterwards changes that. So a start that finds the same need not read
//! everything before it lets anybody in; the keeper compares afterwards (`proving.rs`), because a disk can
//! also lose what nobody wrote to. A second digest, of users, tokens and what else the program itself keeps
//! in the trees, is compared at once: who may come in is not taken on trust. The version of the program is
//! in the first one as well, so another program compares everything first.
//!
//! **The clock of the file system** ticks every few milliseconds. What is changed within the tick of the note
//! would go unseen, so a note counts only if it is younger than all that it speaks of, and before it is
//! written a few ticks go by.
//!
//! **What a crash leaves.** A note counts once: it is removed by the start that reads it, and that start
//! writes another checkpoint before anything else, so the note of an earlier stop speaks of other files. A
//! start that is stopped before everything is compared leaves none, as one that is killed.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::mem::replace;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::audit_page::AuditPage;
use super::checkpoint::Checkpoint;
use super::rebuild::generation_path;
use super::shared::Shared;
use super::survey;
use super::trees::{Broken, Trees, TreesError};
use super::value::PIECE_PREFIX;
use super::{Record, StoreError, StoreOptions};
use crate::disk;
use crate::journal::{Folder, Journal, SessionNo};
use crate::model::AuditEvent;

const FILE_NAME: &str = ".stopped";

const MAGIC: &[u8; 8] = b"MEMORYDS";

/// Longer than two ticks of any clock that counts at least a hundred of them a second.
const TICKS: Duration = Duration::from_millis(25);

/// A store that was opened without comparing everything.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) folder: Folder,
    pub(super) trees: Arc<Trees>,
    pub(super) checkpoint: Checkpoint,
}

/// What the file system says of all files.
struct Facts {
    digest: Vec<u8>,
    /// When the last of them was changed: seconds and nanoseconds.
    changed: (i64, i64),
}

/// Tells the next start that it need not compare before it lets anybody in, if all is in order. The journal has
/// ended, the last checkpoint is written, and nobody writes to the files any more.
pub(super) fn note(shared: &Shared, journal: &Journal) {
    let trees = shared.trees();
    let is_in_order = shared.held().is_none()
        && trees.unwritable().is_none()
        && trees.path().parent() == Some(&shared.dir)
        && journal.is_tidy();
    if is_in_order && let Err(error) = write(&shared.dir, &trees) {
        log::warn!("the stop is not noted: {error}; the next start takes longer");
    }
}

fn write(dir: &Path, trees: &Arc<Trees>) -> Result<(), StoreError> {
    let own = digest_of_own(trees)?;
    // Whoever wakes too early makes a note that does not count.
    thread::park_timeout(TICKS);
    let facts = Facts::look(dir, trees.generation()).map_err(StoreError::disk("look at", dir))?;
    let path = dir.join(FILE_NAME);
    let bytes = [MAGIC.as_slice(), &own, &facts.digest].concat();
    disk::replace_file(&path, &bytes).map(drop).map_err(StoreError::disk("write", &path))
}

/// Opens a store that is as the last stop left it. Nothing if it is not, if that is not known, or if whoever
/// opens it wants everything compared first.
pub(super) fn reopen(dir: &Path, options: &StoreOptions) -> Result<Option<Trusted>, StoreError> {
    let noted = take(dir)?.filter(|_| options.compares_later);
    let Some(noted) = noted else { return Ok(None) };
    let found = Checkpoint::read(dir)?;
    let is_usual = |found: &Checkpoint| found.is_final && !found.identity.takes_unnamed;
    let Some(checkpoint) = found.filter(is_usual) else { return Ok(None) };
    let generation = checkpoint.generation;
    if survey::list_generations(dir)? != [generation] || !noted.is_true(dir, generation) {
        return Ok(None);
    }
    let journal = dir.join("journal");
    let folder = Folder::open_closed(&journal, checkpoint.identity, checkpoint.applied)?;
    let Some(folder) = folder else { return Ok(None) };
    let path = generation_path(dir, generation);
    let trees = match Trees::open(&path, generation, options.cache_bytes) {
        Ok(trees) => Arc::new(trees),
        // Whoever reads everything opens them once more, and says what is wrong.
        Err(TreesError::Broken(_)) => return Ok(None),
        Err(passing) => return Err(passing.into()),
    };
    let is_as_it_was = noted.is_of(&trees, &checkpoint).unwrap_or_else(|Broken(reason)| {
        log::warn!("{}: {reason}; everything is compared", path.display());
        false
    });
    Ok(is_as_it_was.then_some(Trusted { folder, trees, checkpoint }))
}

/// A digest of what the program itself keeps, such as who the users are and which tokens are good: that is
/// never taken on trust. The audit, which may be long, is none of it.
fn digest_of_own(trees: &Arc<Trees>) -> Result<Vec<u8>, Broken> {
    let mut context = Context::new(&SHA256);
    let mut from = 0;
    // The first byte of a key alone is no key.
    for but in [AuditEvent::PREFIX, AuditPage::PREFIX, PIECE_PREFIX] {
        let range = vec![replace(&mut from, but.wrapping_add(1))]..=vec![but];
        for entry in trees.range(SessionNo::SYSTEM, range) {
            for part in <[Vec<u8>; 2]>::from(entry?) {
                context.update(&part.len().to_le_bytes());
                context.update(&part);
            }
        }
    }
    Ok(context.finish().as_ref().to_vec())
}

/// The note of the last stop, and when it was written.
struct Note {
    /// Of what the program itself keeps.
    own: Vec<u8>,
    files: Vec<u8>,
    written: (i64, i64),
}

/// Reads the note and removes it. Nothing if there is none that can be read.
fn take(dir: &Path) -> Result<Option<Note>, StoreError> {
    let path = dir.join(FILE_NAME);
    let found = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(StoreError::disk("look at", &path))?,
    };
    let bytes = if found.is_file() { fs::read(&path) } else { Ok(Vec::new()) };
    let bytes = bytes.map_err(StoreError::disk("read", &path))?;
    disk::remove_any(&path).map_err(StoreError::disk("remove", &path))?;
    let digests =
        bytes.strip_prefix(MAGIC).and_then(|rest| rest.split_at_checked(SHA256_OUTPUT_LEN));
    let written = changed(&found);
    Ok(digests.map(|(own, files)| Note { own: own.to_vec(), files: files.to_vec(), written }))
}

impl Note {
    /// Whether the trees are those of the checkpoint, as far as a moment tells.
    fn is_of(&self, trees: &Arc<Trees>, checkpoint: &Checkpoint) -> Result<bool, Broken> {
        let is_named =
            trees.store()? == checkpoint.identity.store && trees.applied()? == checkpoint.applied;
        Ok(is_named && self.own == digest_of_own(trees)?)
    }

    fn is_true(&self, dir: &Path, generation: u64) -> bool {
        let facts = match Facts::look(dir, generation) {
            Ok(facts) => facts,
            Err(error) => {
                log::info!("{}: {error}; everything is compared", dir.display());
                return false;
            }
        };
        self.files == facts.digest && facts.changed < self.written
    }
}

impl Facts {
    fn look(dir: &Path, generation: u64) -> io::Result<Self> {
        let mut found = BTreeMap::new();
        for path in [Checkpoint::path(dir), dir.join("journal"), generation_path(dir, generation)] {
            collect(path, &mut found)?;
        }
        let mut context = Context::new(&SHA256);
        context.update(env!("CARGO_PKG_VERSION").as_bytes());
        for (path, of) in &found {
            // A folder that is renamed as a whole stays what it is.
            let name = path.strip_prefix(dir).unwrap_or(path);
            context.update(name.as_os_str().as_bytes());
            context.update(&[0]);
            let times = [of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec()];
            let sizes = [of.size(), of.ino(), u64::from(of.mode())];
            times.iter().for_each(|number| context.update(&number.to_le_bytes()));
            sizes.iter().for_each(|number| context.update(&number.to_le_bytes()));
        }
        let last = found.values().map(changed).max();
        let digest = context.finish().as_ref().to_vec();
        Ok(Self { digest, changed: last.unwrap_or_default() })
    }
}

/// Looks at a file, or at a folder and all that is in it. Of a link it is told what it leads to: that is
/// what changes.
fn collect(path: PathBuf, found: &mut BTreeMap<PathBuf, Metadata>) -> io::Result<()> {
    let of = fs::metadata(&path)?;
    if of.is_dir() {
        for entry in fs::read_dir(&path)? {
            collect(entry?.path(), found)?;
        }
    }
    found.insert(path, of);
    Ok(())
}

fn changed(of: &Metadata) -> (i64, i64) {
    (of.ctime(), of.ctime_nsec())
}
