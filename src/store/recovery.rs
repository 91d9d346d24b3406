//! Brings the journal and the trees together when the store opens, and mends the one from the
//! other.
//!
//! The journal is *whole* if no frame is damaged and it reaches as far as the checkpoint says that
//! batches were acknowledged. sled is *good* if it opens and holds what the checkpoint says it held.
//! A torn end of the journal is no damage: nobody was told of those batches, and they are cut off.
//!
//! If all files are those that a stop in good order left (`stopped.rs`), the store is open at once, and the
//! keeper compares everything then (`proving.rs`). Otherwise:
//!
//! | journal | sled | checkpoint | what is done | what is lost |
//! |---|---|---|---|---|
//! | none | none | none | a new store, after the first checkpoint is written | nothing |
//! | whole | good, not ahead of it | there | replays from the checkpoint, compares every value; if they differ, as with a bad sled | nothing |
//! | whole | good, not ahead of it | lost | sled is moved aside and built from the journal | nothing |
//! | whole | bad or gone | any | the same | nothing |
//! | damaged or too short | good, past all damage | any | the same, with what the journal holds after it | nothing |
//! | damaged or too short | good, but not past all damage | any | refused, the file is named | nothing more |
//! | damaged or too short | bad or gone | any | refused, the file is named | nothing more |
//! | ends before sled or the checkpoint | good, as new as the checkpoint, the last of a run | there | the same | nothing |
//! | ends before sled or the checkpoint | any other | any | refused: how far the journal went is not known | nothing more |
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
use std::path::Path;
use std::sync::Arc;

use super::checkpoint::Checkpoint;
use super::rebuild::{self, Build, Digest, generation_path};
use super::stopped::Trusted;
use super::survey::{self, Survey};
use super::trees::{Broken, Trees, TreesError};
use super::{StoreError, StoreOptions, aside, check, stopped, vault};
use crate::disk;
use crate::journal::{Damage, Folder, Ownership, Seq, SessionNo, StoreId};

/// A journal and trees that agree.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) folder: Folder,
    pub(super) trees: Arc<Trees>,
    pub(super) counts: BTreeMap<SessionNo, u64>,
    /// The last one that was written.
    pub(super) checkpoint: Checkpoint,
    /// Whether texts that were removed may still be in some file.
    pub(super) has_removals: bool,
    /// Whether the two were not compared yet.
    pub(super) awaits_proof: bool,
}

/// How many keys each session has, and whether the journal holds removed texts.
type CaughtUp = (BTreeMap<SessionNo, u64>, bool);

/// What was found in the data directory.
struct Found<'a> {
    dir: &'a Path,
    options: &'a StoreOptions,
    survey: Survey,
}

pub(super) fn recover(dir: &Path, options: &StoreOptions) -> Result<Recovered, StoreError> {
    if let Some(trusted) = stopped::reopen(dir, options)? {
        check::remove_leftovers(dir);
        let mut recovered = Recovered::from(trusted);
        recovered.take_over(dir)?;
        return Ok(recovered);
    }
    let survey = survey::survey(dir, &mut |generation| {
        survey::owner_of_trees(&generation_path(dir, generation), options)
    })?;
    if let Some(torn) = survey.folder.torn() {
        log::warn!(
            "{}: {} bytes of an unfinished write after byte {} are cut off",
            torn.path.display(),
            torn.bytes,
            torn.offset
        );
    }
    check::remove_leftovers(dir);
    let complaints = survey.complaints(dir);
    // Its place is needed by the one that will be written.
    let bad_checkpoint =
        survey.bad_checkpoint.as_ref().map(|_| read_checkpoint(dir)).transpose()?;
    let mut recovered = Found { dir, options, survey }.recover()?;
    complaints.iter().for_each(|complaint| log::error!("{complaint}"));
    if let Some(bytes) = bad_checkpoint {
        let aside = aside::free_name(dir, &Checkpoint::path(dir))?;
        disk::replace_file(&aside, &bytes).map_err(StoreError::disk("write", &aside))?;
        log::error!("what the checkpoint was is in {}", aside.display());
    }
    if !recovered.folder.strangers().is_empty() {
        let aside = aside::free_name(dir, &dir.join("journal"))?;
        recovered.folder.move_strangers(&aside)?;
        log::error!("files that are not this store's were moved to {}", aside.display());
    }
    if !recovered.folder.blemishes().is_empty() {
        let aside = aside::free_name(dir, &dir.join("journal"))?;
        recovered.folder.heal(&aside)?;
        log::error!("what was mended in them is kept in {}", aside.display());
    }
    recovered.take_up(dir)?;
    survey::remove_other_generations(dir, &recovered.trees, options);
    Ok(recovered)
}

impl From<Trusted> for Recovered {
    fn from(Trusted { folder, trees, checkpoint }: Trusted) -> Self {
        let (counts, has_removals) = (checkpoint.counts.clone(), checkpoint.has_removals);
        Self { folder, trees, counts, checkpoint, has_removals, awaits_proof: true }
    }
}

impl Recovered {
    /// Writes another checkpoint than the note speaks of. It says still that nothing came after it: that is
    /// taken back once everything is compared (`proving.rs`).
    fn take_over(&mut self, dir: &Path) -> Result<(), StoreError> {
        self.folder.belong_to(self.checkpoint.identity);
        self.checkpoint.write(dir).map_err(StoreError::disk("write a checkpoint to", dir))
    }

    /// Says, before the first write, that the journal goes on, and gives a store of format 1 its id.
    fn take_up(&mut self, dir: &Path) -> Result<(), StoreError> {
        let is_unnamed = self.checkpoint.identity.store == StoreId::UNNAMED;
        if is_unnamed {
            keep_copy(dir)?;
            self.checkpoint.identity = Ownership { store: StoreId::random(), takes_unnamed: true };
            self.trees.set_store(self.checkpoint.identity.store)?;
        }
        self.folder.belong_to(self.checkpoint.identity);
        if is_unnamed || self.checkpoint.is_final {
            self.checkpoint.is_final = false;
            self.checkpoint.write(dir).map_err(StoreError::disk("write a checkpoint to", dir))?;
        }
        Ok(())
    }
}

impl Found<'_> {
    fn recover(self) -> Result<Recovered, StoreError> {
        if self.survey.is_blank() {
            // Said before sled's folder exists: a folder without this is not a first start.
            let first = Checkpoint::first(StoreId::random());
            first.write(self.dir).map_err(StoreError::disk("write to", self.dir))?;
            return self.rebuild(1, first.identity);
        }
        let opened = self.open_trees()?;
        let is_empty = opened.as_ref().map_or(true, |(_, applied)| *applied == Seq::ZERO);
        if is_empty && self.survey.folder.is_empty() && self.survey.checkpoint.is_none() {
            // Never start empty where something was before.
            return Err(self.unrecoverable(self.survey.acknowledged()));
        }
        let (last, is_whole) = (self.survey.folder.last_seq(), self.survey.is_journal_whole());
        match (opened, is_whole) {
            (Ok((trees, applied)), true) if last >= applied => self.join(trees),
            (Ok((trees, applied)), _) => self.mend(trees, applied),
            (Err(broken), true) => self.replace_trees(&broken),
            (Err(_), false) => Err(self.unrecoverable(self.survey.acknowledged())),
        }
    }

    /// The outer error is the disk's, after which the trees are left alone; the inner one is sled's.
    fn open_trees(&self) -> Result<Result<(Arc<Trees>, Seq), Broken>, StoreError> {
        match self.open_named_trees() {
            Ok(opened) => Ok(Ok(opened)),
            Err(TreesError::Broken(broken)) => Ok(Err(broken)),
            Err(passing) => Err(passing.into()),
        }
    }

    fn open_named_trees(&self) -> Result<(Arc<Trees>, Seq), TreesError> {
        let generation = self.survey.generation();
        if !self.survey.generations.contains(&generation) {
            return Err(Broken("its folder is missing".to_owned()).into());
        }
        let path = generation_path(self.dir, generation);
        let trees = Arc::new(Trees::open(&path, generation, self.options.cache_bytes)?);
        self.survey.own_trees(trees.store()?)?;
        let applied = trees.applied()?;
        let acknowledged = self.survey.acknowledged();
        if applied < acknowledged {
            let had = format!("it holds batches up to {applied}, but had held {acknowledged}");
            return Err(Broken(had).into());
        }
        Ok((trees, applied))
    }

    /// The usual start: replays what came after the checkpoint, and compares everything.
    ///
    /// The replay begins at the checkpoint, not at what sled says of itself: only at the
    /// checkpoint is sled known to have been synced, and replaying twice does no harm. Comparing
    /// reads all of sled and all of the journal once, at some hundred MB a second. It is the only
    /// way to find what sled loses in silence.
    fn join(self, trees: Arc<Trees>) -> Result<Recovered, StoreError> {
        let Some(checkpoint) = self.survey.checkpoint.clone() else {
            drop(trees);
            return self.replace_trees(&Broken("there is no checkpoint for it".to_owned()));
        };
        match self.catch_up(&trees, checkpoint.applied)? {
            Ok((counts, in_journal)) => {
                let has_removals = in_journal || checkpoint.has_removals;
                let folder = self.survey.folder;
                let awaits_proof = false;
                Ok(Recovered { folder, trees, counts, checkpoint, has_removals, awaits_proof })
            }
            Err(broken) => {
                drop(trees);
                self.replace_trees(&broken)
            }
        }
    }

    /// Counts keys, and tells whether the journal holds removed texts. The outer error is the journal's,
    /// the inner one is sled's.
    fn catch_up(&self, trees: &Trees, from: Seq) -> Result<Result<CaughtUp, Broken>, StoreError> {
        if self.survey.folder.snapshot_seq() > from {
            return Ok(Err(Broken("it is older than the journal's snapshot".to_owned())));
        }
        let mut broken = Ok(());
        let mut digest = Digest::default();
        self.survey.folder.replay::<StoreError>(Seq::ZERO, &mut |seq, op| {
            digest.note(op);
            if broken.is_ok() && seq > from {
                broken = trees.write(op).map(|_| ());
            }
            Ok(())
        })?;
        let (has_removals, last) = (digest.has_removals, self.survey.folder.last_seq());
        let caught_up = broken
            .and_then(|()| digest.compare(trees))
            .and_then(|counts| trees.set_applied(last).map(|()| (counts, has_removals)));
        Ok(caught_up)
    }

    fn replace_trees(self, broken: &Broken) -> Result<Recovered, StoreError> {
        log::error!("{broken}; the trees are rebuilt from the journal");
        let newest = self.survey.generations.last().copied().unwrap_or_default();
        let bad = generation_path(self.dir, self.survey.generation());
        let dir = self.dir;
        let Some(identity) = self.survey.identity() else {
            return Err(self.unrecoverable(self.survey.acknowledged()));
        };
        let recovered = self.rebuild(newest + 1, identity)?;
        let last = recovered.folder.last_seq();
        log::info!("the trees were rebuilt from the whole journal, up to batch {last}");
        if bad.exists() {
            let aside = aside::move_aside(dir, &bad)?;
            log::error!("the damaged trees were moved to {}", aside.display());
        }
        Ok(recovered)
    }

    fn rebuild(self, generation: u64, identity: Ownership) -> Result<Recovered, StoreError> {
        let Self { dir, options, survey } = self;
        // A checkpoint that was lost must not lead to a generation that is in use.
        let named = survey.checkpoint.map_or(0, |old| old.generation + 1);
        let generation = (identity.store, generation.max(named));
        let folder = survey.folder;
        let build = rebuild::build(dir, options, generation, folder.bytes(), &mut |visitor| {
            folder.replay(Seq::ZERO, visitor)
        })?;
        let last = folder.last_seq();
        build.trees.set_applied(last)?;
        let checkpoint = write_checkpoint(dir, &build.trees, identity, last, &build.counts)?;
        let Build { trees, counts, has_removals } = build;
        let awaits_proof = false;
        Ok(Recovered { folder, trees, counts, checkpoint, has_removals, awaits_proof })
    }

    /// The journal lost batches that sled still holds: sled's state becomes the new snapshot.
    fn mend(self, trees: Arc<Trees>, applied: Seq) -> Result<Recovered, StoreError> {
        self.prove_mendable(&trees, applied)?;
        let identity = self.survey.identity();
        let identity = identity.map_or_else(|| trees.store().map(Ownership::of), Ok)?;
        let Self { dir, survey: Survey { mut folder, .. }, .. } = self;
        for damage in folder.damage() {
            log::error!(
                "{} is damaged at byte {} ({}); the journal is mended from sled",
                damage.path.display(),
                damage.offset,
                damage.problem
            );
        }
        let seq = applied.max(folder.last_seq());
        let aside = aside::free_name(dir, &dir.join("journal"))?;
        // What came before is in sled already; replaying it over a gap could bring old values back.
        folder.replay::<StoreError>(applied, &mut |_, op| Ok(trees.write(op).map(|_| ())?))?;
        folder.belong_to(identity);
        let folder = folder.replace::<StoreError>(seq, &aside, |put| {
            trees.survey::<StoreError>(&mut |op| Ok(put(op)?)).map(|_| ())
        })?;
        let seq = folder.last_seq();
        trees.set_applied(seq)?;
        let counts = trees.survey::<Broken>(&mut |_| Ok(()))?;
        let checkpoint = write_checkpoint(dir, &trees, identity, seq, &counts)?;
        log::warn!(
            "the journal was mended from sled, which holds everything up to batch {seq}; what was \
             damaged is in {}",
            aside.display()
        );
        // sled forgets nothing by itself.
        let (has_removals, awaits_proof) = (true, false);
        Ok(Recovered { folder, trees, counts, checkpoint, has_removals, awaits_proof })
    }

    /// sled must have gone past everything that is missing, and must be whole itself.
    fn prove_mendable(&self, trees: &Trees, applied: Seq) -> Result<(), StoreError> {
        let survey = &self.survey;
        if survey.folder.damage().iter().any(|damage| damage.to > applied) {
            return Err(self.unrecoverable(applied));
        }
        // The end of the journal is gone. How far it went is known only if it was closed in good
        // order, and sled holds that moment.
        let has_lost_its_end = survey.folder.last_seq() < applied.max(survey.acknowledged());
        let is_known = survey.is_final() && applied == survey.acknowledged();
        if has_lost_its_end && !is_known {
            return Err(self.unrecoverable(applied));
        }
        let counts = trees.survey::<Broken>(&mut |_| Ok(()));
        let counts = counts.map_err(|_| self.unrecoverable(applied))?;
        // After a crash sled may be ahead of the checkpoint; then there is nothing to compare.
        let is_same_moment = survey.acknowledged() == applied;
        match &survey.checkpoint {
            Some(checkpoint) if is_same_moment && checkpoint.counts != counts => {
                Err(self.unrecoverable(applied))
            }
            _ => Ok(()),
        }
    }

    fn unrecoverable(&self, acknowledged: Seq) -> StoreError {
        let folder = &self.survey.folder;
        let dir = self.dir.to_owned();
        if let Some(stranger) = folder.strangers().last() {
            let (path, problem) = (stranger.path.clone(), stranger.problem.clone());
            return StoreError::Unrecoverable { dir, path, offset: 0, problem };
        }
        let path = self.dir.join("journal");
        match folder.damage().iter().max_by_key(|damage| damage.to) {
            Some(Damage { path, offset, problem, .. }) => StoreError::Unrecoverable {
                dir,
                path: path.clone(),
                offset: *offset,
                problem: (*problem).to_owned(),
            },
            None => {
                let last = folder.last_seq();
                let problem = if folder.is_empty() {
                    "its files are missing".to_owned()
                } else {
                    format!("it ends with batch {last}, but batch {acknowledged} was acknowledged")
                };
                StoreError::Unrecoverable { dir, path, offset: 0, problem }
            }
        }
    }
}

fn read_checkpoint(dir: &Path) -> Result<Vec<u8>, StoreError> {
    let path = Checkpoint::path(dir);
    fs::read(&path).map_err(StoreError::disk("read", &path))
}

fn write_checkpoint(
    dir: &Path,
    trees: &Arc<Trees>,
    identity: Ownership,
    applied: Seq,
    counts: &BTreeMap<SessionNo, u64>,
) -> Result<Checkpoint, StoreError> {
    let (generation, counts) = (trees.generation(), counts.clone());
    let (is_final, keys, has_removals) = (false, vault::records(trees)?, false);
    let checkpoint =
        Checkpoint { identity, is_final, keys, has_removals, generation, applied, counts };
    checkpoint.conclude(dir, trees)?;
    Ok(checkpoint)
}

/// A copy of what an older program could still read, for whoever has to go back to it. sled is made
/// from it.
fn keep_copy(dir: &Path) -> Result<(), StoreError> {
    let kept = dir.join(aside::BEFORE_UPGRADE);
    let failed = || StoreError::disk("copy what an older version reads to", &kept);
    disk::remove_folder(&kept).map_err(failed())?;
    let journal = kept.join("journal");
    disk::create_folder_within(&journal).map_err(failed())?;
    let source = dir.join("journal");
    if !source.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(source).map_err(failed())? {
        let path = entry.map_err(failed())?.path();
        let target = journal.join(path.file_name().unwrap_or_default());
        disk::copy_file(&path, &target).map_err(failed())?;
    }
    disk::sync_folder(&journal).map_err(failed())?;
    log::info!("the store is brought to format 2; what it was is kept in {}", kept.display());
    Ok(())
}
