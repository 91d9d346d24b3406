//! Looks at everything in a data directory without changing it. What sessions keep while they sleep (`minds.rs`) is passed
//! over: whatever becomes of it, nothing of the store is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::frozen::Scratch;
use super::lock::Lock;
use super::rebuild::{Digest, generation_path};
use super::survey::{self, Survey};
use super::trees::{Broken, Trees, TreesError};
use super::{CodecError, StoreError, StoreOptions, codec, kinds, premises};
use crate::disk;
use crate::journal::{Folder, Op, Seq, SessionNo, StoreId};

/// Somebody who reads a thousand complaints has stopped after twenty.
const MAX_PROBLEMS: usize = 20;

/// What a copy of sled is called while it is checked, before the number of the process.
const COPY: &str = "check-";

/// A backup that is about to be sealed.
pub(super) const PART: &str = "backup.part";

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
    /// Operations with records that only a newer program can read. Nothing is wrong with them.
    pub newer_records: u64,
    /// What is wrong, in whole sentences. Nothing means that all is well.
    pub problems: Vec<String>,
}

impl Report {
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.problems.is_empty() && self.newer_records == 0
    }

    fn complain(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

pub(super) fn check(dir: &Path, options: &StoreOptions) -> Result<Report, StoreError> {
    premises::enter(dir)?;
    let _lock = Lock::take(dir, options.lock_patience)?;
    let (survey, mut report) = begin(dir, options)?;
    let digest = read_journal(&survey.folder, &mut report)?;
    check_trees(dir, options, &survey, digest, &mut report)?;
    Ok(report)
}

/// The same without reading every record: what a start would stumble over, in a moment.
pub(super) fn glance(dir: &Path, options: &StoreOptions) -> Result<Report, StoreError> {
    premises::enter(dir)?;
    let _lock = Lock::take(dir, options.lock_patience)?;
    begin(dir, options).map(|(_, report)| report)
}

fn begin(dir: &Path, options: &StoreOptions) -> Result<(Survey, Report), StoreError> {
    let survey = look(dir, options)?;
    let folder = &survey.folder;
    let mut report = Report {
        journal_bytes: folder.bytes(),
        segments: folder.segment_count(),
        snapshot_seq: folder.snapshot_seq(),
        last_seq: folder.last_seq(),
        torn_bytes: folder.torn().map_or(0, |torn| torn.bytes),
        ..Report::default()
    };
    survey.complaints(dir).into_iter().for_each(|problem| report.complain(format!("{problem}.")));
    for damage in folder.damage() {
        report.complain(format!(
            "{} is damaged at byte {}: {}.",
            damage.path.display(),
            damage.offset,
            damage.problem
        ));
    }
    check_end(&survey, &mut report);
    check_other_trees(dir, options, &survey, &mut report);
    Ok((survey, report))
}

/// Looks at everything without changing anything: sled changes its files even where it is only asked.
pub(super) fn look(dir: &Path, options: &StoreOptions) -> Result<Survey, StoreError> {
    survey::survey(dir, &mut |generation| owner_of_copy(dir, generation, options))
}

fn owner_of_copy(dir: &Path, generation: u64, options: &StoreOptions) -> Option<StoreId> {
    let copy = Copy::make(&generation_path(dir, generation), dir).ok()?;
    survey::owner_of_trees(&copy.path, options)
}

fn check_end(survey: &Survey, report: &mut Report) {
    let (last, acknowledged) = (survey.folder.last_seq(), survey.acknowledged());
    if last < acknowledged {
        report.complain(format!(
            "The journal ends with batch {last}, but batch {acknowledged} was acknowledged."
        ));
    }
}

/// Trees of ours that do not count are leftovers. Those of another store have no business here.
fn check_other_trees(dir: &Path, options: &StoreOptions, survey: &Survey, report: &mut Report) {
    let current = survey.generation();
    for generation in survey.generations.iter().filter(|generation| **generation != current) {
        let path = generation_path(dir, *generation);
        let owner =
            owner_of_copy(dir, *generation, options).filter(|owner| *owner != StoreId::UNNAMED);
        if let Some(Err(Broken(problem))) = owner.map(|owner| survey.own_trees(owner)) {
            report.complain(format!("{}: {problem}.", path.display()));
        }
    }
}

fn read_journal(folder: &Folder, report: &mut Report) -> Result<Digest, StoreError> {
    let mut digest = Digest::default();
    folder.replay::<StoreError>(Seq::ZERO, &mut |seq, op| {
        report.operations += 1;
        digest.note(op);
        match decode(op) {
            Ok(()) => {}
            Err((_, CodecError::NewerVersion { .. })) => report.newer_records += 1,
            Err((record, error)) => {
                let session = op.session;
                report.complain(format!(
                    "Batch {seq}, session {session}: {record} is damaged: {error}."
                ));
            }
        }
        Ok(())
    })?;
    Ok(digest)
}

fn check_trees(
    dir: &Path,
    options: &StoreOptions,
    survey: &Survey,
    digest: Digest,
    report: &mut Report,
) -> Result<(), StoreError> {
    let Some(checkpoint) = &survey.checkpoint else {
        if !survey.is_blank() {
            report.complain("There is no checkpoint that can be read.".to_owned());
        }
        return Ok(());
    };
    // sled changes its files even when it only opens them, and worse when that fails.
    let copy = Copy::make(&generation_path(dir, checkpoint.generation), dir)?;
    match compare(&copy.path, options, survey, checkpoint, digest) {
        Ok(counts) => {
            report.sessions =
                counts.keys().filter(|session| **session != SessionNo::SYSTEM).count();
            report.keys = counts.values().sum();
        }
        Err(TreesError::Broken(Broken(reason))) => {
            report.complain(format!("The trees do not agree with the journal: {reason}."));
        }
        // Nothing was learned about the trees.
        Err(passing) => return Err(passing.into()),
    }
    Ok(())
}

fn compare(
    path: &Path,
    options: &StoreOptions,
    survey: &Survey,
    checkpoint: &Checkpoint,
    digest: Digest,
) -> Result<BTreeMap<SessionNo, u64>, TreesError> {
    let folder = &survey.folder;
    let trees = Trees::open(path, checkpoint.generation, options.cache_bytes)?;
    survey.own_trees(trees.store()?)?;
    let applied = trees.applied()?;
    if applied < checkpoint.applied {
        let had = checkpoint.applied;
        return Err(Broken(format!("they hold batches up to {applied}, but had held {had}")).into());
    }
    if applied > folder.last_seq() {
        let last = folder.last_seq();
        return Err(
            Broken(format!("they hold batch {applied}, the journal ends with {last}")).into()
        );
    }
    folder
        .replay::<StoreError>(checkpoint.applied, &mut |_, op| {
            trees.write(op)?;
            Ok(())
        })
        .map_err(|error| Broken(error.to_string()))?;
    Ok(digest.compare(&trees)?)
}

/// A record of a kind that the table does not know is checked as far as its checksum. What cannot be read
/// is named.
fn decode(op: Op<'_>) -> Result<(), (String, CodecError)> {
    let (Some(value), Some((prefix, key))) = (op.value, op.key.split_first()) else {
        return Ok(());
    };
    match kinds::find(op.session, *prefix) {
        Some(kind) => {
            (kind.check)(key, value).map_err(|error| (format!("a {} record", kind.name), error))
        }
        None => codec::unwrap(value)
            .map(|_| ())
            .map_err(|error| (format!("a record of the unknown kind {prefix}"), error)),
    }
}

/// A copy of sled's folder, gone when it is no longer needed.
pub(super) struct Copy {
    pub(super) path: PathBuf,
    /// Where the disk of the store takes no writes.
    _scratch: Option<Scratch>,
}

impl Copy {
    pub(super) fn make(from: &Path, dir: &Path) -> Result<Self, StoreError> {
        let scratch = if disk::is_read_only(dir) {
            Some(Scratch::make().map_err(StoreError::disk("make a folder to check", dir))?)
        } else {
            None
        };
        let place = scratch.as_ref().map_or(dir, Scratch::path);
        let path = place.join(format!("{COPY}{}", std::process::id()));
        remove_leftovers(place);
        disk::create_folder_within(&path).map_err(StoreError::disk("create", &path))?;
        let copy = Self { path, _scratch: scratch };
        if from.exists() {
            copy_folder(from, &copy.path).map_err(StoreError::disk("copy", from))?;
        }
        Ok(copy)
    }
}

/// Removes copies that a check left behind which was killed. The caller holds the lock of the
/// directory, so no other check is under way.
pub(super) fn remove_leftovers(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_copy = name.strip_prefix(COPY).is_some_and(|pid| pid.parse::<u32>().is_ok());
        if (is_copy || name == PART)
            && let Err(error) = disk::remove_any(&entry.path())
        {
            log::warn!("cannot remove {}: {error}", entry.path().display());
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = disk::remove_folder(&self.path) {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Copies what lies in a folder, with the folders in it.
fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    disk::create_folder_within(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            disk::create_folder_within(&target)?;
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
