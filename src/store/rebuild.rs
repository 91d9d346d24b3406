//! Makes trees from the journal, and compares the two.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::records::PastVersion;
use super::shared::count;
use super::trees::{Broken, Trees, TreesError};
use super::{Record, StoreError, StoreOptions};
use crate::disk;
use crate::journal::{Op, Seq, SessionNo, StoreId};
use crate::model::Memory;

/// sled does not survive a full disk, so a rebuild stops before.
const CHECK_ROOM_EVERY: u64 = 1 << 20;

/// So much is written before new trees are opened anew, or an eighth of all, whichever is more.
const SETTLE_EVERY: u64 = 4 << 20;

/// Shows all operations of the journal, oldest first.
pub(super) type Source<'a> = &'a mut dyn FnMut(
    &mut dyn FnMut(Seq, Op<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError>;

/// New trees that are being filled.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) trees: Arc<Trees>,
    pub(super) counts: BTreeMap<SessionNo, u64>,
    /// Whether the journal still holds texts that were removed.
    pub(super) has_removals: bool,
}

/// What the journal says that the trees hold: a checksum of every live value. Whole keys would
/// need several times the memory.
#[derive(Debug, Default)]
pub(super) struct Digest {
    hasher: RandomState,
    values: HashMap<u64, u32>,
    /// The same as [`Build::has_removals`].
    pub(super) has_removals: bool,
}

/// Whether an operation erases what somebody wrote: its text stays in files until they are made anew.
pub(super) fn removes_text(op: Op<'_>) -> bool {
    let is_of_text = matches!(op.key.first(), Some(&(Memory::PREFIX | PastVersion::PREFIX)));
    op.value.is_none() && op.session != SessionNo::SYSTEM && is_of_text
}

pub(super) fn generation_path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("sled-{generation}"))
}

/// Fills a new generation. What an earlier try has left in its place is removed.
pub(super) fn build(
    dir: &Path,
    options: &StoreOptions,
    (store, generation): (StoreId, u64),
    bytes: u64,
    source: Source<'_>,
) -> Result<Build, StoreError> {
    let path = generation_path(dir, generation);
    disk::remove_folder(&path).map_err(StoreError::disk("remove", &path))?;
    let trees = match Trees::open(&path, generation, options.cache_bytes) {
        // There is nothing else to build them from, so the reason must be told.
        Err(TreesError::Broken(broken)) => return Err(StoreError::unavailable(broken.to_string())),
        opened => opened?,
    };
    trees.set_store(store)?;
    let (counts, has_removals) = (BTreeMap::new(), false);
    let mut build = Some(Build { trees: Arc::new(trees), counts, has_removals });
    if let Some(progress) = &options.progress {
        progress.start("rebuilding from the journal", bytes);
    }
    let (mut unchecked, mut unsettled) = (0, 0);
    let settle_every = SETTLE_EVERY.max(bytes / 8);
    let filled = source(&mut |_, op| {
        let size = (op.key.len() + op.value.map_or(0, <[u8]>::len)) as u64;
        if let Some(progress) = &options.progress {
            progress.advance(size);
        }
        unchecked += size;
        if unchecked >= CHECK_ROOM_EVERY {
            unchecked = 0;
            disk::require_free(dir, options.journal.free_bytes)
                .map_err(StoreError::disk("rebuild the trees in", dir))?;
        }
        let mut filling = build.take().ok_or(StoreError::Lost)?;
        unsettled += size;
        if unsettled >= settle_every {
            unsettled = 0;
            filling = filling.settle(options)?;
        }
        filling.write(op)?;
        build = Some(filling);
        Ok(())
    });
    if let Some(progress) = &options.progress {
        progress.finish();
    }
    filled?;
    build.ok_or(StoreError::Lost)
}

impl Build {
    pub(super) fn write(&mut self, op: Op<'_>) -> Result<(), StoreError> {
        self.has_removals |= removes_text(op);
        let was_there = self.trees.write(op)?;
        count(&mut self.counts, op, was_there);
        Ok(())
    }

    /// Makes durable what was written, and opens the trees anew. sled holds what it wrote in memory whatever its
    /// cache may be: each of its 256 shards looks for what is too much at every 64th access only.
    pub(super) fn settle(mut self, options: &StoreOptions) -> Result<Self, StoreError> {
        self.trees.flush()?;
        let (path, generation) = (self.trees.path().to_owned(), self.trees.generation());
        self.trees = {
            drop(self.trees);
            Arc::new(Trees::open(&path, generation, options.cache_bytes)?)
        };
        Ok(self)
    }
}

impl Digest {
    pub(super) fn note(&mut self, op: Op<'_>) {
        self.has_removals |= removes_text(op);
        let key = self.hasher.hash_one((op.session, op.key));
        match op.value {
            Some(value) => self.values.insert(key, crc32c::crc32c(value)),
            None => self.values.remove(&key),
        };
    }

    /// Compares every value, and returns how many keys each session has.
    pub(super) fn compare(self, trees: &Trees) -> Result<BTreeMap<SessionNo, u64>, Broken> {
        self.compare_while(trees, &|| Ok(()))
    }

    /// The same, as long as it may go on, which is asked before each value.
    pub(super) fn compare_while<E: From<Broken>>(
        mut self,
        trees: &Trees,
        may_go_on: &dyn Fn() -> Result<(), E>,
    ) -> Result<BTreeMap<SessionNo, u64>, E> {
        let survey = trees.survey::<E>(&mut |op| {
            may_go_on()?;
            let key = self.hasher.hash_one((op.session, op.key));
            let differs = match self.values.remove(&key) {
                Some(crc) if op.value.map(crc32c::crc32c) == Some(crc) => return Ok(()),
                Some(_) => "a value differs from the journal's",
                None => "a key is not in the journal",
            };
            Err(Broken(differs.to_owned()).into())
        })?;
        match self.values.len() {
            0 => Ok(survey),
            missing => Err(Broken(format!("{missing} keys of the journal are missing")).into()),
        }
    }
}
