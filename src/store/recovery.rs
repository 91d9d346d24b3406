//! Brings the journal and the trees together when the store opens, and mends the one from the
//! other.
//!
//! The journal is *whole* if no frame is damaged and it reaches as far as the checkpoint says that
//! batches were acknowledged. sled is *good* if it opens and holds what the checkpoint says it held.
//! A torn end of the journal is no damage: nobody was told of those batches, and they are cut off.
//!
//! | journal | sled | checkpoint | what is done | what is lost |
//! |---|---|---|---|---|
//! | none | none | none | a new store, after the first checkpoint is written | nothing |
//! | whole | good, not ahead of it | there | replays from the checkpoint, compares every value; if they differ, as with a bad sled | nothing |
//! | whole | good, not ahead of it | lost | sled is moved aside and built from the journal | nothing |
//! | whole | bad or gone | any | the same | nothing |
//! | whole, but sled is ahead | good | any | the journal is moved aside, a snapshot of sled takes its place | nothing |
//! | damaged or too short | good, past all damage | any | the same, with what the journal holds after it | nothing |
//! | damaged or too short | good, but not past all damage | any | refused, the file is named | nothing more |
//! | damaged or too short | bad or gone | any | refused, the file is named | nothing more |
//! | none | empty | lost | refused: something was here | nothing more |
//! | any | the disk does not let it be opened | any | refused with the disk's error, nothing is moved | nothing |
//!
//! *Past all damage* is proven by what sled says it has applied and, where sled and checkpoint speak
//! of the same moment, by the number of keys of each session.
//!
//! Order of a repair: the new thing is written and synced whole, then it gets its name, then the old
//! one is moved aside. A crash in between finds the state from before and does the same again, or
//! finds both and removes what the checkpoint does not name. Whoever refuses has changed nothing. The
//! caller holds the lock of the directory, and no other thread runs yet.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::rebuild::{self, Digest, generation_path};
use super::trees::{Broken, Trees, TreesError};
use super::{StoreError, StoreOptions};
use crate::disk;
use crate::journal::{Damage, Folder, Seq, SessionNo};

/// How many folders that were moved aside are kept, for whoever wants to know what happened.
const KEPT_ASIDE: usize = 2;

/// A journal and trees that agree.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) folder: Folder,
    pub(super) trees: Trees,
    pub(super) counts: BTreeMap<SessionNo, u64>,
    /// The last one that was written.
    pub(super) checkpoint: Checkpoint,
}

/// What was found in the data directory.
struct Found<'a> {
    dir: &'a Path,
    options: &'a StoreOptions,
    folder: Folder,
    checkpoint: Option<Checkpoint>,
    /// The numbers of all folders of sled, in order.
    generations: Vec<u64>,
}

pub(super) fn recover(dir: &Path, options: &StoreOptions) -> Result<Recovered, StoreError> {
    let checkpoint = Checkpoint::read(dir)?;
    let folder = Folder::open(&dir.join("journal"))?;
    let generations = list_generations(dir)?;
    if let Some(torn) = folder.torn() {
        log::warn!(
            "{}: {} bytes of an unfinished write after byte {} are cut off",
            torn.path.display(),
            torn.bytes,
            torn.offset
        );
    }
    let found = Found { dir, options, folder, checkpoint, generations };
    let recovered = found.recover()?;
    remove_other_generations(dir, recovered.trees.generation());
    Ok(recovered)
}

impl Found<'_> {
    fn recover(self) -> Result<Recovered, StoreError> {
        if self.folder.is_empty() && self.checkpoint.is_none() && self.generations.is_empty() {
            // Said before sled's folder exists: a folder without this is not a first start.
            let first = Checkpoint { generation: 1, ..Checkpoint::default() };
            first.write(self.dir).map_err(StoreError::disk("write to", self.dir))?;
            return self.rebuild(1);
        }
        let opened = self.open_trees()?;
        let is_empty = opened.as_ref().map_or(true, |(_, applied)| *applied == Seq::ZERO);
        if is_empty && self.folder.is_empty() && self.checkpoint.is_none() {
            // Never start empty where something was before.
            return Err(self.unrecoverable(self.acknowledged()));
        }
        match (opened, self.is_journal_whole()) {
            (Ok((trees, applied)), true) if self.folder.last_seq() >= applied => self.join(trees),
            (Ok((trees, applied)), _) => self.mend(trees, applied),
            (Err(broken), true) => self.replace_trees(&broken),
            (Err(_), false) => Err(self.unrecoverable(self.acknowledged())),
        }
    }

    /// The last batch that somebody may have been told is durable, as far as the checkpoint knows.
    fn acknowledged(&self) -> Seq {
        self.checkpoint.as_ref().map_or(Seq::ZERO, |checkpoint| checkpoint.applied)
    }

    fn is_journal_whole(&self) -> bool {
        self.folder.damage().is_empty() && self.folder.last_seq() >= self.acknowledged()
    }

    /// The outer error is the disk's, after which the trees are left alone; the inner one is sled's.
    fn open_trees(&self) -> Result<Result<(Trees, Seq), Broken>, StoreError> {
        match self.open_named_trees() {
            Ok(opened) => Ok(Ok(opened)),
            Err(TreesError::Broken(broken)) => Ok(Err(broken)),
            Err(passing) => Err(passing.into()),
        }
    }

    fn open_named_trees(&self) -> Result<(Trees, Seq), TreesError> {
        let newest = self.generations.last().copied();
        let generation = self.checkpoint.as_ref().map(|checkpoint| checkpoint.generation);
        let generation = generation.or(newest).unwrap_or_default();
        if !self.generations.contains(&generation) {
            return Err(Broken("its folder is missing".to_owned()).into());
        }
        let path = generation_path(self.dir, generation);
        let trees = Trees::open(&path, generation, self.options.cache_bytes)?;
        let applied = trees.applied()?;
        if applied < self.acknowledged() {
            return Err(Broken(format!(
                "it holds batches up to {applied}, but had held {}",
                self.acknowledged()
            ))
            .into());
        }
        Ok((trees, applied))
    }

    /// The usual start: replays what came after the checkpoint, and compares everything.
    ///
    /// The replay begins at the checkpoint, not at what sled says of itself: only at the
    /// checkpoint is sled known to have been synced, and replaying twice does no harm. Comparing
    /// reads all of sled and all of the journal once, at some hundred MB a second. It is the only
    /// way to find what sled loses in silence.
    fn join(self, trees: Trees) -> Result<Recovered, StoreError> {
        let Some(checkpoint) = self.checkpoint.clone() else {
            drop(trees);
            return self.replace_trees(&Broken("there is no checkpoint for it".to_owned()));
        };
        match self.catch_up(&trees, checkpoint.applied)? {
            Ok(counts) => Ok(Recovered { folder: self.folder, trees, counts, checkpoint }),
            Err(broken) => {
                drop(trees);
                self.replace_trees(&broken)
            }
        }
    }

    /// The outer error is the journal's, the inner one is sled's.
    fn catch_up(
        &self,
        trees: &Trees,
        from: Seq,
    ) -> Result<Result<BTreeMap<SessionNo, u64>, Broken>, StoreError> {
        if self.folder.snapshot_seq() > from {
            return Ok(Err(Broken("it is older than the journal's snapshot".to_owned())));
        }
        let mut broken = Ok(());
        let mut digest = Digest::default();
        self.folder.replay::<StoreError>(Seq::ZERO, &mut |seq, op| {
            digest.note(op);
            if broken.is_ok() && seq > from {
                broken = trees.write(op).map(|_| ());
            }
            Ok(())
        })?;
        let caught_up = broken
            .and_then(|()| digest.compare(trees))
            .and_then(|counts| trees.set_applied(self.folder.last_seq()).map(|()| counts));
        Ok(caught_up)
    }

    fn replace_trees(self, broken: &Broken) -> Result<Recovered, StoreError> {
        log::error!("{broken}; the trees are rebuilt from the journal, nothing is lost");
        let newest = self.generations.last().copied().unwrap_or_default();
        let bad = self.checkpoint.as_ref().map_or(newest, |checkpoint| checkpoint.generation);
        let bad = generation_path(self.dir, bad);
        let dir = self.dir;
        let recovered = self.rebuild(newest + 1)?;
        if bad.exists() {
            let aside = name_aside(dir, &bad)?;
            fs::rename(&bad, &aside).map_err(StoreError::disk("move aside", &bad))?;
            log::error!("the damaged trees were moved to {}", aside.display());
        }
        Ok(recovered)
    }

    fn rebuild(self, generation: u64) -> Result<Recovered, StoreError> {
        let Self { dir, options, folder, checkpoint, .. } = self;
        // A checkpoint that was lost must not lead to a generation that is in use.
        let generation = generation.max(checkpoint.map_or(0, |old| old.generation + 1));
        let bytes = folder.bytes();
        let build = rebuild::build(dir, options, generation, bytes, &mut |visitor| {
            folder.replay(Seq::ZERO, visitor)
        })?;
        build.trees.set_applied(folder.last_seq())?;
        let checkpoint = write_checkpoint(dir, &build.trees, folder.last_seq(), &build.counts)?;
        Ok(Recovered { folder, trees: build.trees, counts: build.counts, checkpoint })
    }

    /// The journal lost batches that sled still holds: sled's state becomes the new snapshot.
    fn mend(self, trees: Trees, applied: Seq) -> Result<Recovered, StoreError> {
        self.prove_mendable(&trees, applied)?;
        let Self { dir, folder, .. } = self;
        for damage in folder.damage() {
            log::error!(
                "{} is damaged at byte {} ({}); the journal is mended from sled",
                damage.path.display(),
                damage.offset,
                damage.problem
            );
        }
        let seq = applied.max(folder.last_seq());
        let aside = name_aside(dir, &dir.join("journal"))?;
        // What came before is in sled already; replaying it over a gap could bring old values back.
        folder.replay::<StoreError>(applied, &mut |_, op| Ok(trees.write(op).map(|_| ())?))?;
        let folder = folder.replace::<StoreError>(seq, &aside, |put| {
            trees.survey::<StoreError>(&mut |op| Ok(put(op)?)).map(|_| ())
        })?;
        trees.set_applied(seq)?;
        let counts = trees.survey::<Broken>(&mut |_| Ok(()))?;
        let checkpoint = write_checkpoint(dir, &trees, seq, &counts)?;
        log::warn!(
            "the journal was mended from sled up to batch {seq}; what was damaged is in {}",
            aside.display()
        );
        Ok(Recovered { folder, trees, counts, checkpoint })
    }

    /// sled must have gone past everything that is missing, and must be whole itself.
    fn prove_mendable(&self, trees: &Trees, applied: Seq) -> Result<(), StoreError> {
        if self.folder.damage().iter().any(|damage| damage.to > applied) {
            return Err(self.unrecoverable(applied));
        }
        let counts = trees.survey::<Broken>(&mut |_| Ok(()));
        let counts = counts.map_err(|_| self.unrecoverable(applied))?;
        // After a crash sled may be ahead of the checkpoint; then there is nothing to compare.
        let is_same_moment = self.acknowledged() == applied;
        match &self.checkpoint {
            Some(checkpoint) if is_same_moment && checkpoint.counts != counts => {
                Err(self.unrecoverable(applied))
            }
            _ => Ok(()),
        }
    }

    fn unrecoverable(&self, acknowledged: Seq) -> StoreError {
        let worst = self.folder.damage().iter().max_by_key(|damage| damage.to);
        let path = self.dir.join("journal");
        match worst {
            Some(Damage { path, offset, problem, .. }) => StoreError::Unrecoverable {
                path: path.clone(),
                offset: *offset,
                problem: (*problem).to_owned(),
            },
            None => StoreError::Unrecoverable {
                path,
                offset: 0,
                problem: if self.folder.is_empty() {
                    "its files are missing".to_owned()
                } else {
                    let last = self.folder.last_seq();
                    format!("it ends with batch {last}, but batch {acknowledged} was acknowledged")
                },
            },
        }
    }
}

fn write_checkpoint(
    dir: &Path,
    trees: &Trees,
    applied: Seq,
    counts: &BTreeMap<SessionNo, u64>,
) -> Result<Checkpoint, StoreError> {
    let counts = counts.clone();
    let checkpoint = Checkpoint { generation: trees.generation(), applied, counts };
    checkpoint.conclude(dir, trees)?;
    Ok(checkpoint)
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

/// Unfinished rebuilds and trees that were replaced.
fn remove_other_generations(dir: &Path, current: u64) {
    for generation in list_generations(dir).unwrap_or_default() {
        let path = generation_path(dir, generation);
        if generation != current
            && let Err(error) = disk::remove_folder(&path)
        {
            log::warn!("cannot remove {}: {error}", path.display());
        }
    }
}

/// A free name such as `sled-3.damaged-1`. Makes room by removing the oldest ones.
fn name_aside(dir: &Path, path: &Path) -> Result<PathBuf, StoreError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sort = name.split('-').next().unwrap_or_default().to_owned();
    let mut kept: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(dir).map_err(StoreError::disk("list", dir))? {
        let entry = entry.map_err(StoreError::disk("list", dir))?;
        let other = entry.file_name().to_string_lossy().into_owned();
        if let Some((_, number)) = other.split_once(".damaged-")
            && let (true, Ok(number)) = (other.starts_with(&sort), number.parse())
        {
            kept.push((number, entry.path()));
        }
    }
    kept.sort();
    let next = kept.last().map_or(1, |(number, _)| number + 1);
    while kept.len() >= KEPT_ASIDE {
        let (_, oldest) = kept.remove(0);
        disk::remove_folder(&oldest).map_err(StoreError::disk("remove", &oldest))?;
    }
    Ok(dir.join(format!("{name}.damaged-{next}")))
}
