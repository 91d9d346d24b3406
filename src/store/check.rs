//! Looks at everything in a data directory without changing it.

use std::fs;
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::lock::Lock;
use super::rebuild::{Digest, generation_path};
use super::records::SessionNumber;
use super::shared::SYSTEM;
use super::trees::{Broken, Trees};
use super::{CodecError, History, Key, Options, Record, StoreError, codec, recovery};
use crate::journal::{self, Folder, Op, Seq};
use crate::model::{Access, Memory};

/// Somebody who reads a thousand complaints has stopped after twenty.
const MAX_PROBLEMS: usize = 20;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    pub journal_bytes: u64,
    pub segments: usize,
    /// The last batch that the snapshot includes; 0 without a snapshot.
    pub snapshot_seq: Seq,
    pub last_seq: Seq,
    /// An unfinished write at the end, which the next start cuts off. Nobody was told of it.
    pub torn_bytes: u64,
    /// Operations that were read, old versions counted.
    pub operations: u64,
    pub sessions: usize,
    /// Live keys of all sessions.
    pub keys: u64,
    /// What is wrong, in whole sentences. Nothing means that all is well.
    pub problems: Vec<String>,
}

impl Report {
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.problems.is_empty()
    }

    fn complain(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

pub(super) fn check(dir: &Path, options: &Options) -> Result<Report, StoreError> {
    fs::metadata(dir).map_err(StoreError::disk("open", dir))?;
    let _lock = Lock::take(dir)?;
    let checkpoint = Checkpoint::read(dir)?;
    let folder = Folder::open(&dir.join("journal"))?;
    let mut report = Report {
        journal_bytes: folder.bytes(),
        segments: folder.segment_count(),
        snapshot_seq: folder.snapshot_seq(),
        last_seq: folder.last_seq(),
        torn_bytes: folder.torn().map_or(0, |torn| torn.bytes),
        ..Report::default()
    };
    for damage in folder.damage() {
        report.complain(format!(
            "{} is damaged at byte {}: {}.",
            damage.path.display(),
            damage.offset,
            damage.problem
        ));
    }
    let digest = read_journal(&folder, &mut report)?;
    check_trees(dir, options, (&folder, checkpoint.as_ref()), digest, &mut report)?;
    Ok(report)
}

fn read_journal(folder: &Folder, report: &mut Report) -> Result<Digest, StoreError> {
    let mut digest = Digest::default();
    folder.replay::<StoreError>(0, &mut |seq, op| {
        report.operations += 1;
        digest.note(op);
        if let Err(error) = decode(op) {
            let session = op.session;
            report.complain(format!("Batch {seq} has a bad record of session {session}: {error}."));
        }
        Ok(())
    })?;
    Ok(digest)
}

fn check_trees(
    dir: &Path,
    options: &Options,
    (folder, checkpoint): (&Folder, Option<&Checkpoint>),
    digest: Digest,
    report: &mut Report,
) -> Result<(), StoreError> {
    let Some(checkpoint) = checkpoint else {
        if !folder.is_empty() || !recovery::list_generations(dir)?.is_empty() {
            report.complain("The checkpoint is missing or damaged.".to_owned());
        }
        return Ok(());
    };
    // sled changes its files even when it only opens them, and worse when that fails.
    let copy = Copy::make(&generation_path(dir, checkpoint.generation), dir)?;
    match compare(&copy.path, options, (folder, checkpoint), digest) {
        Ok(counts) => {
            report.sessions = counts.keys().filter(|session| **session != SYSTEM).count();
            report.keys = counts.values().sum();
        }
        Err(Broken(reason)) => {
            report.complain(format!("The trees do not agree with the journal: {reason}."));
        }
    }
    Ok(())
}

fn compare(
    path: &Path,
    options: &Options,
    (folder, checkpoint): (&Folder, &Checkpoint),
    digest: Digest,
) -> Result<std::collections::BTreeMap<u32, u64>, Broken> {
    let trees = Trees::open(path, checkpoint.generation, options.cache_bytes)?;
    let applied = trees.applied()?;
    if applied < checkpoint.applied {
        let had = checkpoint.applied;
        return Err(Broken(format!("they hold batches up to {applied}, but had held {had}")));
    }
    if applied > folder.last_seq() {
        let last = folder.last_seq();
        return Err(Broken(format!("they hold batch {applied}, the journal ends with {last}")));
    }
    folder
        .replay::<StoreError>(checkpoint.applied, &mut |_, op| {
            trees.write(op)?;
            Ok(())
        })
        .map_err(|error| Broken(error.to_string()))?;
    digest.compare(&trees)
}

/// Records of other rooms are checked as far as their checksums.
fn decode(op: Op<'_>) -> Result<(), CodecError> {
    let (Some(value), Some((prefix, key))) = (op.value, op.key.split_first()) else {
        return Ok(());
    };
    match (op.session == SYSTEM, *prefix) {
        (true, SessionNumber::PREFIX) => decode_as::<SessionNumber>(key, value),
        (false, Memory::PREFIX) => decode_as::<Memory>(key, value),
        (false, History::PREFIX) => decode_as::<History>(key, value),
        (false, Access::PREFIX) => decode_as::<Access>(key, value),
        _ => codec::unwrap(value).map(|_| ()),
    }
}

fn decode_as<R: Record>(key: &[u8], value: &[u8]) -> Result<(), CodecError> {
    let key = R::Key::from_bytes(key).ok_or(CodecError::Key)?;
    codec::decode::<R>(&key, value).map(|_| ())
}

/// A copy of sled's folder, gone when it is no longer needed.
struct Copy {
    path: PathBuf,
}

impl Copy {
    fn make(from: &Path, dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(format!("check-{}", std::process::id()));
        journal::remove_folder(&path).map_err(StoreError::disk("remove", &path))?;
        journal::create_folder(&path).map_err(StoreError::disk("create", &path))?;
        let copy = Self { path };
        if from.exists() {
            copy_folder(from, &copy.path).map_err(StoreError::disk("copy", from))?;
        }
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = journal::remove_folder(&self.path) {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            journal::create_folder(&target)?;
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
