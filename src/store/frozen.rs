//! Serves a store whose disk takes no writes.
//!
//! sled changes its files even where it only reads, so its trees are made from the journal in a folder
//! elsewhere. They are called stalled: they are read until the disk takes writes, and then the keeper
//! builds others where they belong.
//!
//! **The thaw.** Once the disk takes writes, the journal asks [`Frozen::thaw`] before anything is written:
//! there the checkpoint takes back that the store was closed in good order. Then the journal goes on in a
//! new segment, the keeper builds a new generation of trees and swaps it in, from which moment on sessions
//! write, and a checkpoint names it. A crash before that finds the old checkpoint, which says no more than
//! what is so, the old generation, which it names, and all that was acknowledged in the journal, as after any
//! crash; the new generation is removed. The old one is removed once the checkpoint does not name it.
//!
//! What a start would mend, move aside or bring to today's format first is not for a thaw: such a store is
//! read only until the next start, and nothing at all is written to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::rebuild::{self, Build};
use super::recovery::Recovered;
use super::survey::Survey;
use super::{StoreError, StoreOptions, check, vault};
use crate::disk;
use crate::journal::{Ownership, Seq, StoreId, Thaw};

/// Where a folder for a while may be, the first in memory.
const PLACES: [&str; 3] = ["/dev/shm", "/tmp", "/var/tmp"];

const NAME: &str = "memoryd-reading-";

/// Why a store whose files a start has to put in order first takes no writes.
const NOT_IN_ORDER: &str = "the disk took no writes at the start, so files that have to be mended or brought to \
                            this version were not; once it takes writes, start memoryd again";

/// A store that is read where nothing can be written.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) recovered: Recovered,
    pub(super) scratch: Scratch,
    /// Why nothing may be written before the next start, if that is so.
    pub(super) held: Option<&'static str>,
}

/// A folder on a disk that takes writes, gone when it is dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub(super) fn make() -> io::Result<Self> {
        // Not to be guessed, since everybody may write there.
        let name = format!("{NAME}{}-{}", std::process::id(), StoreId::random());
        let mut refused = None;
        for place in PLACES.map(Path::new) {
            remove_of_dead(place);
            let path = place.join(&name);
            match disk::create_folder(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes folders of processes that were killed while they read elsewhere.
pub(super) fn remove_leftovers() {
    PLACES.map(Path::new).into_iter().for_each(remove_of_dead);
}

/// Removes what processes left behind that were killed: it holds somebody's memories.
fn remove_of_dead(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(NAME)?.split('-').next());
        let pid = pid.and_then(|pid| pid.parse::<u32>().ok());
        let is_dead = pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists());
        if is_dead && Path::new("/proc/self").exists() {
            // Somebody else's cannot be removed, and need not be.
            let _ = disk::remove_folder(&entry.path());
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = disk::remove_folder(&self.path) {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

impl Frozen {
    /// What is done on the disk before the first write to it.
    pub(super) fn thaw(&self, dir: &Path) -> Thaw {
        let (dir, held) = (dir.to_owned(), self.held);
        let checkpoint = self.recovered.checkpoint.clone();
        Box::new(move || match held {
            Some(reason) => Err(io::Error::other(reason)),
            None => checkpoint.write(&dir),
        })
    }
}

pub(super) fn recover(dir: &Path, options: &StoreOptions) -> Result<Frozen, StoreError> {
    let scratch = Scratch::make().map_err(StoreError::disk("make a folder to read", dir))?;
    let survey = check::look(dir, options)?;
    let Some(identity) = survey.identity().filter(|_| survey.is_journal_whole()) else {
        return Err(StoreError::unavailable(
            "the disk takes no writes, and the store has to be mended before it can be read",
        ));
    };
    log::warn!("the disk of {} takes no writes: the store is read-only", dir.display());
    let held = (!is_in_order(&survey)).then_some(NOT_IN_ORDER);
    if let Some(reason) = held {
        survey.complaints(dir).iter().for_each(|complaint| log::error!("{complaint}"));
        log::warn!("{reason}");
    }
    let recovered = build(survey, identity, &scratch, options)?;
    Ok(Frozen { recovered, scratch, held })
}

/// Whether a start would only have read. A torn end is no more than cut off, which a thaw does as well.
fn is_in_order(survey: &Survey) -> bool {
    let is_named = |found: &Checkpoint| found.identity.store != StoreId::UNNAMED;
    survey.checkpoint.as_ref().is_some_and(is_named)
        && survey.bad_checkpoint.is_none()
        && survey.folder.strangers().is_empty()
        && survey.folder.blemishes().is_empty()
}

fn build(
    survey: Survey,
    identity: Ownership,
    scratch: &Scratch,
    options: &StoreOptions,
) -> Result<Recovered, StoreError> {
    // So that the next one is not there yet.
    let newest = survey.generations.last().copied().unwrap_or_default();
    let generation = newest.max(survey.generation());
    let Survey { folder, checkpoint: found, .. } = survey;
    let named = (identity.store, generation);
    let build = rebuild::build(scratch.path(), options, named, folder.bytes(), &mut |visitor| {
        folder.replay(Seq::ZERO, visitor)
    })?;
    let Build { trees, counts, has_removals } = build;
    let applied = folder.last_seq();
    trees.set_applied(applied)?;
    trees.stall("the disk takes no writes");
    let has_removals = has_removals || found.as_ref().is_some_and(|found| found.has_removals);
    let checkpoint = match found {
        // What lies on the disk once it takes writes.
        Some(found) => Checkpoint { is_final: false, ..found },
        None => Checkpoint {
            identity,
            is_final: false,
            keys: vault::records(&trees)?,
            has_removals,
            generation,
            applied,
            counts: counts.clone(),
        },
    };
    Ok(Recovered { folder, trees, counts, checkpoint, has_removals, awaits_proof: false })
}
