//! What lies in a data directory, and which of it is the store's own.
//!
//! Every file names its store, so a file that was put there from another store is told from a damaged
//! one: it counts as if it were not there, and lies aside after the next start.

use std::fs;
use std::path::Path;

use super::aside;
use super::checkpoint::Checkpoint;
use super::rebuild::generation_path;
use super::trees::{Broken, Trees};
use super::{StoreError, StoreOptions};
use crate::disk;
use crate::journal::{Expected, Folder, Ownership, Seq, StoreId};

/// What was found, before anything is decided.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) folder: Folder,
    pub(super) checkpoint: Option<Checkpoint>,
    /// Why a file that is called checkpoint is none of ours.
    pub(super) bad_checkpoint: Option<String>,
    /// The numbers of all folders of sled, in order.
    pub(super) generations: Vec<u64>,
}

/// Looks at everything. `trees_of` opens a generation of the trees to ask whose they are, which
/// happens only if checkpoint and journal do not agree about it.
pub(super) fn survey(
    dir: &Path,
    trees_of: &mut dyn FnMut(u64) -> Option<StoreId>,
) -> Result<Survey, StoreError> {
    let journal = dir.join("journal");
    let generations = list_generations(dir)?;
    let read = Checkpoint::read(dir)?;
    let is_unreadable = read.is_none() && Checkpoint::path(dir).exists();
    let mut bad_checkpoint = is_unreadable.then(|| "it is damaged".to_owned());
    let mut checkpoint = read;
    if let Some(found) = &checkpoint
        && let Some(owner) = other_owner(found, &Folder::stores(&journal)?, &generations, trees_of)
    {
        let theirs = found.identity.store;
        bad_checkpoint =
            Some(format!("it belongs to another store ({theirs}; this one is {owner})"));
        checkpoint = None;
    }
    let expected = checkpoint.as_ref().map_or_else(Expected::default, Checkpoint::expected);
    let folder = Folder::open(&journal, expected)?;
    Ok(Survey { folder, checkpoint, bad_checkpoint, generations })
}

/// Whose directory it is, if journal and trees agree that the checkpoint is a stranger.
fn other_owner(
    checkpoint: &Checkpoint,
    stores: &[StoreId],
    generations: &[u64],
    trees_of: &mut dyn FnMut(u64) -> Option<StoreId>,
) -> Option<StoreId> {
    if stores.is_empty() || stores.iter().any(|store| checkpoint.identity.owns(*store)) {
        return None;
    }
    let is_there = generations.contains(&checkpoint.generation);
    let generation = is_there.then_some(checkpoint.generation).or(generations.last().copied())?;
    trees_of(generation).filter(|store| stores.contains(store))
}

/// Asks sled itself. Nothing if it cannot be opened.
pub(super) fn owner_of_trees(path: &Path, options: &StoreOptions) -> Option<StoreId> {
    Trees::open(path, 0, options.cache_bytes).ok()?.store().ok()
}

impl Survey {
    /// Whose directory it is, as far as checkpoint and journal know.
    pub(super) fn identity(&self) -> Option<Ownership> {
        self.checkpoint.as_ref().map(|found| found.identity).or(self.folder.identity())
    }

    /// The last batch that somebody may have been told is durable, as far as the checkpoint knows.
    pub(super) fn acknowledged(&self) -> Seq {
        self.checkpoint.as_ref().map_or(Seq::ZERO, |checkpoint| checkpoint.applied)
    }

    /// Whether nothing can have been written after the checkpoint.
    pub(super) fn is_final(&self) -> bool {
        self.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.is_final)
    }

    pub(super) fn is_journal_whole(&self) -> bool {
        self.folder.damage().is_empty() && self.folder.last_seq() >= self.acknowledged()
    }

    /// Whether there is nothing at all.
    pub(super) fn is_blank(&self) -> bool {
        self.folder.is_empty()
            && self.folder.strangers().is_empty()
            && self.checkpoint.is_none()
            && self.bad_checkpoint.is_none()
            && self.generations.is_empty()
    }

    /// The generation of the trees that counts. An old checkpoint names one that is gone; what is there
    /// may hold more than the journal then.
    pub(super) fn generation(&self) -> u64 {
        let newest = self.generations.last().copied();
        let named = self.checkpoint.as_ref().map(|checkpoint| checkpoint.generation);
        let named = named.filter(|named| newest.is_none() || self.generations.contains(named));
        named.or(newest).unwrap_or_default()
    }

    /// Whether trees of this store are ours. Of a directory that is known by its trees alone they are.
    pub(super) fn own_trees(&self, store: StoreId) -> Result<(), Broken> {
        match self.identity() {
            Some(identity) if !identity.owns(store) => {
                let ours = identity.store;
                Err(Broken(format!("they belong to another store ({store}; this one is {ours})")))
            }
            _ => Ok(()),
        }
    }

    /// Everything that is wrong with files of which the rest can do without.
    pub(super) fn complaints(&self, dir: &Path) -> Vec<String> {
        let checkpoint = Checkpoint::path(dir);
        let bad = self.bad_checkpoint.iter().map(|why| format!("{}: {why}", checkpoint.display()));
        let strangers = self.folder.strangers().iter();
        let strangers = strangers.map(|file| format!("{}: {}", file.path.display(), file.problem));
        let blemishes = self.folder.blemishes().iter();
        let blemishes = blemishes.map(|file| format!("{}: {}", file.path.display(), file.problem));
        bad.chain(strangers).chain(blemishes).collect()
    }
}

pub(super) fn list_generations(dir: &Path) -> Result<Vec<u64>, StoreError> {
    let mut generations = Vec::new();
    for entry in fs::read_dir(dir).map_err(StoreError::disk("list", dir))? {
        let name = entry.map_err(StoreError::disk("list", dir))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("sled-"));
        generations.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    generations.sort_unstable();
    Ok(generations)
}

/// Removes unfinished rebuilds and trees that were replaced. Those of another store go aside.
pub(super) fn remove_other_generations(dir: &Path, current: &Trees, options: &StoreOptions) {
    let ours = current.store().ok();
    for generation in list_generations(dir).unwrap_or_default() {
        if generation == current.generation() {
            continue;
        }
        let path = generation_path(dir, generation);
        let owner = owner_of_trees(&path, options);
        let is_foreign = owner.is_some() && owner != Some(StoreId::UNNAMED) && owner != ours;
        let gone = if is_foreign {
            log::error!("{} belongs to another store and is moved aside", path.display());
            aside::move_aside(dir, &path).map(|_| ())
        } else {
            disk::remove_folder(&path).map_err(StoreError::disk("remove", &path))
        };
        if let Err(error) = gone {
            log::warn!("{error}");
        }
    }
}
