//! The thread behind the store: checkpoints, compaction of the journal, rebuilds of sled.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::checkpoint::Checkpoint;
use super::frozen::{self, Scratch};
use super::proving::Finding;
use super::rebuild::Build;
use super::retired::Retired;
use super::shared::Shared;
use super::trees::Trees;
use super::{StoreError, aside, minds, proving, rebuild, stopped, survey};
use crate::disk;
use crate::journal::{Journal, Seq};

/// A start replays what came after the last checkpoint, so it should not be long ago.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// How long work that failed is left alone: most of what fails passes in a moment, such as a want
/// of file descriptors. Each failure after the first doubles it, because a rebuild is expensive.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// sled never gives space back. Below this size that does not matter.
const SMALL_SLED_BYTES: u64 = 64 << 20;

/// The journal is rewritten when it has this many times the size of its live data.
const JOURNAL_BLOAT: u64 = 3;

/// Making all files anew takes at most a tenth of the time, however much is removed.
const SCRUB_REST: u32 = 10;

/// How many batches a rebuild may catch up on while nothing else is applied.
const LAST_STEP: u64 = 256;

/// What somebody wants of the keeper.
#[derive(Debug)]
pub(super) enum Errand {
    /// See whether there is something to do.
    Look,
    /// Compact now, and tell how it went.
    #[cfg(test)]
    Compact(Sender<Result<(), StoreError>>),
    /// Rebuild the trees now, and tell how it went.
    #[cfg(test)]
    Rebuild(Sender<Result<(), StoreError>>),
    /// Let what was removed leave the disk now, and tell how it went.
    /// What lies aside for longer than this goes as well.
    Scrub(Duration, Sender<Result<(), StoreError>>),
    /// Write a backup to this place, and tell how it went.
    BackUp(PathBuf, Sender<Result<(), StoreError>>),
    Stop,
}

/// The handle of the thread.
#[derive(Debug)]
pub(super) struct Keeper {
    errands: Sender<Errand>,
    clock_doubt: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Work {
    shared: Arc<Shared>,
    journal: Arc<Journal>,
    checkpointed: Checkpoint,
    retired: Retired,
    /// Whether the trees of before the start lie beside those in use.
    has_left_over: bool,
    retry_at: Option<Instant>,
    retry_in: Duration,
    /// When files may be made anew again only because something was removed.
    scrub_at: Option<Instant>,
    /// When it is looked next for what has lain aside for long enough.
    clear_at: Option<Instant>,
    /// Whether nobody knows how old anything is.
    clock_doubt: Arc<AtomicBool>,
    /// Whether everything was compared, by the start or since.
    is_proven: bool,
}

impl Keeper {
    pub(super) fn start(
        shared: &Arc<Shared>,
        journal: &Arc<Journal>,
        checkpointed: Checkpoint,
    ) -> Result<Self, StoreError> {
        let (errands, inbox) = channel();
        shared.connect(errands.clone());
        // Asked before anybody can write: what a start had to replay the next one would replay again.
        let has_replayed = shared.applied() > checkpointed.applied;
        let clock_doubt = Arc::new(AtomicBool::new(false));
        let work = Work {
            shared: Arc::clone(shared),
            journal: Arc::clone(journal),
            checkpointed,
            retired: Retired::default(),
            has_left_over: shared.trees().path().parent() != Some(&shared.dir),
            retry_at: None,
            retry_in: FIRST_RETRY,
            scrub_at: None,
            // By then whoever watches the clock has looked at it.
            clear_at: Instant::now().checked_add(shared.options.clear_aside_every),
            clock_doubt: Arc::clone(&clock_doubt),
            is_proven: !shared.proof.is_awaited(),
        };
        let thread = Builder::new()
            .name("keeper".to_owned())
            .spawn(move || work.run(&inbox, has_replayed))
            .map_err(StoreError::disk("start the thread of", &shared.dir))?;
        Ok(Self { errands, clock_doubt, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn clock_doubt(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.clock_doubt)
    }

    #[cfg(test)]
    pub(super) fn compact(&self) -> Result<(), StoreError> {
        self.send(Errand::Compact)
    }

    #[cfg(test)]
    pub(super) fn rebuild(&self) -> Result<(), StoreError> {
        self.send(Errand::Rebuild)
    }

    /// Makes a last checkpoint and ends. The journal must have ended before.
    pub(super) fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let _ = self.errands.send(Errand::Stop);
        if thread.join().is_err() {
            log::error!("the keeper's thread panicked");
        }
    }

    /// Makes every file anew, and removes what lies aside for longer than this.
    pub(super) fn scrub(&self, keep_aside: Duration) -> Result<(), StoreError> {
        self.send(|answer| Errand::Scrub(keep_aside, answer))
    }

    /// Writes everything up to now to a file elsewhere.
    pub(super) fn back_up(&self, target: &Path) -> Result<(), StoreError> {
        self.send(|answer| Errand::BackUp(target.to_owned(), answer))
    }

    fn send(
        &self,
        errand: impl FnOnce(Sender<Result<(), StoreError>>) -> Errand,
    ) -> Result<(), StoreError> {
        let (answer, result) = channel();
        let closed = || StoreError::unavailable("the store is closed");
        self.errands.send(errand(answer)).map_err(|_| closed())?;
        result.recv().map_err(|_| closed())?
    }
}

impl Work {
    fn run(mut self, inbox: &Receiver<Errand>, has_replayed: bool) {
        frozen::remove_leftovers();
        if self.prove() == Finding::GivenUp {
            return wait_for_stop(inbox);
        }
        // A program that is killed often would otherwise never come to it.
        if has_replayed || self.is_due() || self.is_sled_bloated(self.journal.bytes()) {
            self.carry_out_calmly(Errand::Look);
        }
        loop {
            match inbox.recv_timeout(self.pause()) {
                Ok(Errand::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(errand) => self.carry_out_calmly(errand),
                Err(RecvTimeoutError::Timeout) => self.carry_out_calmly(Errand::Look),
            }
        }
        if let Err(error) = self.conclude() {
            log::warn!("no checkpoint at the end: {error}; the next start takes longer");
        }
    }

    /// Makes up for what the start took on trust, while whoever wants to write waits.
    fn prove(&mut self) -> Finding {
        if self.is_proven {
            return Finding::AsItShouldBe;
        }
        let found = proving::prove(&self.shared, &self.journal);
        if found == Finding::GivenUp {
            return found;
        }
        self.is_proven = found == Finding::AsItShouldBe;
        if found == Finding::TreesDiffer {
            self.retired.keep_aside(&self.shared.trees());
        }
        proving::take_back(&self.shared, &mut self.checkpointed);
        // Whoever closes the store does not wait for other trees either; the next start builds them.
        if !self.is_proven && !self.shared.proof.is_given_up() {
            self.carry_out_calmly(Errand::Look);
        }
        self.shared.proof.settle();
        found
    }

    /// A panic costs one errand: without this thread nothing would ever be mended again.
    fn carry_out_calmly(&mut self, errand: Errand) {
        if catch_unwind(AssertUnwindSafe(|| self.carry_out(errand))).is_err() {
            log::error!("storage upkeep panicked; it is tried again");
            self.retry_at = Instant::now().checked_add(self.retry_in);
        }
    }

    /// Whoever does not wait for the answer any more has no use for it.
    fn carry_out(&mut self, errand: Errand) {
        match errand {
            Errand::Look => self.look(),
            #[cfg(test)]
            Errand::Compact(answer) => {
                let _ = answer.send(self.compact());
            }
            #[cfg(test)]
            Errand::Rebuild(answer) => {
                let _ = answer.send(self.rebuild());
            }
            Errand::Scrub(keep_aside, answer) => {
                let _ = answer.send(self.scrub(keep_aside));
            }
            Errand::BackUp(target, answer) => {
                let written = self.journal.write_copy(&target);
                let _ = answer.send(written.map(|_| ()).map_err(StoreError::from));
            }
            Errand::Stop => {}
        }
    }

    fn look(&mut self) {
        self.shared.settle_nudge();
        self.retired.remove();
        // The journal asks the disk every second. Until it takes writes, nothing here could succeed,
        // and sled, which can still be read, would not survive the try.
        if self.journal.failure().is_some() {
            self.retry_at = None;
            self.retry_in = FIRST_RETRY;
            self.read_on();
            return;
        }
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.retry_at = None;
        let result = if self.shared.trees().unwritable().is_some() {
            self.rebuild()
        } else if self.shared.held().is_some() {
            self.checkpoint()
        } else if self.is_scrub_due() {
            self.scrub(self.shared.options.keep_aside)
        } else if self.is_due() {
            self.compact()
        } else if self.is_sled_bloated(self.journal.bytes()) {
            self.rebuild()
        } else {
            self.checkpoint()
        };
        match result {
            Ok(()) => {
                self.retry_in = FIRST_RETRY;
                self.clear_aside();
            }
            // Whoever closes the store does not wait for upkeep to succeed.
            Err(_) if self.journal.is_closing() => {}
            Err(error) => {
                self.read_on();
                let seconds = self.retry_in.as_secs();
                log::warn!("storage upkeep failed: {error}; it is tried again in {seconds} s");
                self.retry_at = Instant::now().checked_add(self.retry_in);
                self.retry_in = self.retry_in.saturating_mul(2).min(LAST_RETRY);
            }
        }
    }

    /// sled refuses even to read once a write of it has failed, at the next read or later. Where it cannot
    /// be built anew, what the journal says is read elsewhere until the disk takes writes.
    fn read_on(&mut self) {
        let trees = self.shared.trees();
        let is_elsewhere = trees.path().parent() != Some(&self.shared.dir);
        if is_elsewhere || trees.unwritable().is_none() {
            return;
        }
        match self.build_elsewhere() {
            Ok(()) => log::warn!("the trees are read from memory until the disk takes writes"),
            Err(error) => log::error!("nothing can be read until the disk takes writes: {error}"),
        }
    }

    fn build_elsewhere(&mut self) -> Result<(), StoreError> {
        let (shared, journal) = (&self.shared, &self.journal);
        let dir = &shared.dir;
        let scratch = Scratch::make().map_err(StoreError::disk("make a folder to read", dir))?;
        let named = (shared.identity().store, shared.trees().generation());
        let built_to = journal.durable();
        let (place, options) = (scratch.path(), &shared.options);
        let fresh = rebuild::build(place, options, named, journal.bytes(), &mut |visitor| {
            journal.replay(Seq::ZERO, built_to, visitor)
        })?;
        fresh.trees.stall("the disk takes no writes");
        let old = self.swap_in(fresh, built_to)?;
        self.put_away(old);
        self.shared.keep_scratch(Some(scratch));
        Ok(())
    }

    /// Puts built trees in place, with what was written since. Returns those that they replace.
    fn swap_in(&self, fresh: Build, built_to: Seq) -> Result<Arc<Trees>, StoreError> {
        self.shared.replace_trees(fresh, |fresh, offered| {
            if offered > built_to {
                self.journal.replay(built_to, offered, &mut |_, op| fresh.write(op))?;
            }
            Ok(fresh.trees.set_applied(offered)?)
        })
    }

    /// Trees that must be replaced do not wait for the time of the next checkpoint.
    fn pause(&self) -> Duration {
        let is_urgent = self.retry_at.is_some() || self.shared.trees().unwritable().is_some();
        if is_urgent { FIRST_RETRY } else { CHECKPOINT_EVERY }
    }

    /// Makes the trees durable, and then says so. Where writes are held it stays known how far the journal
    /// went: should its end have decayed, the next start mends it only by that.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        let (trees, mut checkpoint) = self.shared.snapshot_ledger();
        let is_held = self.shared.held().is_some();
        checkpoint.is_final = is_held && checkpoint.applied == self.journal.durable();
        self.write(&trees, checkpoint)
    }

    /// The last checkpoint: the journal has ended, so nothing comes after this.
    fn conclude(&mut self) -> Result<(), StoreError> {
        let (trees, mut checkpoint) = self.shared.snapshot_ledger();
        checkpoint.is_final = checkpoint.applied == self.journal.durable();
        self.write(&trees, checkpoint)?;
        if self.is_proven && self.checkpointed.is_final {
            stopped::note(&self.shared, &self.journal);
        }
        Ok(())
    }

    fn write(&mut self, trees: &Trees, checkpoint: Checkpoint) -> Result<(), StoreError> {
        if checkpoint == self.checkpointed {
            return Ok(());
        }
        if let Some(reason) = self.journal.failure() {
            return Err(StoreError::unavailable(&*reason));
        }
        // sled does not survive a full disk. While it is not flushed, it can still be read.
        let path = &self.shared.dir;
        disk::require_free(path, self.shared.options.journal.free_bytes / 2)
            .map_err(StoreError::disk("write a checkpoint to", path))?;
        checkpoint.conclude(path, trees)?;
        self.checkpointed = checkpoint;
        self.retire_superseded();
        Ok(())
    }

    /// Trees that the checkpoint names stay until it names others: a start would look for them.
    fn put_away(&mut self, old: Arc<Trees>) {
        let is_here = old.path().parent() == Some(&self.shared.dir);
        if is_here && old.generation() == self.checkpointed.generation {
            self.retired.supersede(old);
        } else {
            self.retired.retire(old);
        }
    }

    /// The checkpoint names the trees in use, so the files of others count for nothing any more.
    fn retire_superseded(&mut self) {
        self.retired.retire_superseded();
        self.retired.remove();
        self.shared.keep_scratch(None);
        if std::mem::take(&mut self.has_left_over) {
            let trees = self.shared.trees();
            survey::remove_other_generations(&self.shared.dir, &trees, &self.shared.options);
        }
    }

    /// Files of format 1 are folded into one of today's at once.
    fn is_due(&self) -> bool {
        self.is_bloated() || self.shared.identity().takes_unnamed
    }

    fn is_bloated(&self) -> bool {
        let live = self.journal.snapshot_bytes().saturating_mul(JOURNAL_BLOAT);
        self.journal.bytes() > self.shared.options.compact_bytes.max(live)
    }

    fn compact(&mut self) -> Result<(), StoreError> {
        self.fold()?;
        if self.is_sled_bloated(self.journal.snapshot_bytes()) { self.rebuild() } else { Ok(()) }
    }

    /// Folds the journal. Old files go only after the snapshot and the trees are durable without them.
    fn fold(&mut self) -> Result<(), StoreError> {
        let before = self.journal.bytes();
        let seq = self.journal.write_snapshot()?;
        self.checkpoint()?;
        self.journal.discard_stale()?;
        if self.shared.identity().takes_unnamed {
            self.shared.require_names();
            self.checkpoint()?;
        }
        log::info!(
            "journal compacted up to {seq}: {before} bytes before, {} now",
            self.journal.bytes()
        );
        Ok(())
    }

    /// Whether sled takes far more than what it holds, which is at most this.
    fn is_sled_bloated(&self, live: u64) -> bool {
        let limit = live.saturating_mul(self.shared.options.sled_bloat).max(SMALL_SLED_BYTES);
        self.shared.trees().bytes() > limit
    }

    /// Builds new trees from the journal while the old ones are in use, and swaps them in.
    fn rebuild(&mut self) -> Result<(), StoreError> {
        let (shared, journal) = (&self.shared, &self.journal);
        let generation = shared.trees().generation() + 1;
        let named = (shared.identity().store, generation);
        let mut built_to = journal.durable();
        let bytes = journal.bytes();
        let mut fresh =
            rebuild::build(&shared.dir, &shared.options, named, bytes, &mut |visitor| {
                journal.replay(Seq::ZERO, built_to, visitor)
            })?;
        while journal.durable().0 - built_to.0 > LAST_STEP {
            let to = journal.durable();
            journal.replay(built_to, to, &mut |_, op| fresh.write(op))?;
            built_to = to;
        }
        // A disk that takes files and refuses what is in them would be believed to be well from the swap to
        // the checkpoint.
        let fresh = fresh.settle(&shared.options)?;
        let old = self.swap_in(fresh, built_to)?;
        self.put_away(old);
        self.checkpoint()?;
        log::info!("sled was rebuilt as generation {generation}");
        Ok(())
    }

    /// What lies aside goes when it has lain for long enough, also where nothing is ever removed.
    fn clear_aside(&mut self) {
        let is_early = self.clear_at.is_some_and(|at| Instant::now() < at);
        if is_early || self.clock_doubt.load(Ordering::Acquire) {
            return;
        }
        let options = &self.shared.options;
        self.clear_at = Instant::now().checked_add(options.clear_aside_every);
        if let Err(error) = aside::remove_older(&self.shared.dir, options.keep_aside) {
            log::warn!("what was set aside long ago is still there: {error}");
        }
    }

    fn is_scrub_due(&self) -> bool {
        let since = self.shared.removed_since();
        let is_old = since.is_some_and(|at| at.elapsed() >= self.shared.options.scrub_after);
        // What cannot be removed keeps its bytes, however often the rest is made anew.
        let is_useful = !self.retired.is_stuck();
        is_old && is_useful && self.scrub_at.is_none_or(|at| Instant::now() >= at)
    }

    /// Makes every file anew that may hold bytes of what was removed, and removes the old ones, also those that
    /// lie aside for longer than this. What sessions have kept goes as well, whatever comes of the rest.
    fn scrub(&mut self, keep_aside: Duration) -> Result<(), StoreError> {
        let started = Instant::now();
        let removed = self.shared.begin_scrub();
        let renewed = self.fold().and_then(|()| self.rebuild());
        let renewed = renewed.and_then(|()| self.retired.wait_for_readers());
        let rest = started.elapsed().saturating_mul(SCRUB_REST);
        self.scrub_at = Instant::now().checked_add(rest).filter(|_| renewed.is_ok());
        let scrubbed = renewed.and(minds::clear_stale(&self.shared));
        self.shared.end_scrub(removed.filter(|_| scrubbed.is_err()));
        scrubbed?;
        self.checkpoint()?;
        // Whoever erases a user asks no clock.
        if !keep_aside.is_zero() && self.clock_doubt.load(Ordering::Acquire) {
            return Ok(());
        }
        aside::remove_older(&self.shared.dir, keep_aside)
    }
}

/// Nothing was written since a start that is not made up for, so nothing is concluded either: what lies on the
/// disk tells the next start all. Whoever waits for an errand learns that the store is closed.
fn wait_for_stop(inbox: &Receiver<Errand>) {
    while inbox.recv().is_ok_and(|errand| !matches!(errand, Errand::Stop)) {}
}
