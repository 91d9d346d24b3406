//! Serves a store whose disk takes no writes.
//!
//! sled changes its files even where it only reads, so its trees are made from the journal in a folder
//! elsewhere. They are called stalled: they are read until the disk takes writes, and then the keeper
//! builds others where they belong.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::rebuild::{self, Build};
use super::recovery::Recovered;
use super::survey::Survey;
use super::{StoreError, StoreOptions, check, vault};
use crate::disk;
use crate::journal::{Ownership, Seq, StoreId};

/// Where a folder for a while may be, the first in memory.
const PLACES: [&str; 3] = ["/dev/shm", "/tmp", "/var/tmp"];

const NAME: &str = "memoryd-reading-";

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

pub(super) fn recover(
    dir: &Path,
    options: &StoreOptions,
) -> Result<(Recovered, Scratch), StoreError> {
    let scratch = Scratch::make().map_err(StoreError::disk("make a folder to read", dir))?;
    let survey = check::look(dir, options)?;
    let Some(identity) = survey.identity().filter(|_| survey.is_journal_whole()) else {
        return Err(StoreError::unavailable(
            "the disk takes no writes, and the store has to be mended before it can be read",
        ));
    };
    log::warn!("the disk of {} takes no writes: the store is read-only", dir.display());
    let recovered = build(survey, identity, &scratch, options)?;
    Ok((recovered, scratch))
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
    let folder = survey.folder;
    let named = (identity.store, generation);
    let build = rebuild::build(scratch.path(), options, named, folder.bytes(), &mut |visitor| {
        folder.replay(Seq::ZERO, visitor)
    })?;
    let Build { trees, counts, has_removals } = build;
    let applied = folder.last_seq();
    trees.set_applied(applied)?;
    trees.stall("the disk takes no writes");
    let checkpoint = Checkpoint {
        identity,
        is_final: false,
        keys: vault::records(&trees)?,
        has_removals,
        generation,
        applied,
        counts: counts.clone(),
    };
    Ok(Recovered { folder, trees, counts, checkpoint, has_removals })
}
