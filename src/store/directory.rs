use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::frozen::{Frozen, Scratch};
use super::keeper::Keeper;
use super::lock::Lock;
use super::proof::Comparison;
#[cfg(test)]
use super::proving;
use super::recovery::Recovered;
use super::seal::SealingKey;
use super::session::full_key;
use super::shared::{Ledger, Place, Shared};
use super::vault::Vault;
use super::{
    BackupContent, BackupError, Record, Report, Salvage, SessionStore, StoreError, StoreOptions,
    Usage, backup, check, encrypting, frozen, minds, premises, recovery, salvage,
};
use crate::disk;
use crate::journal::{EncodedBatch, Journal, Seq, Sink, Thaw};
use crate::model::{Memory, MemoryId, RecallPage, Step, StepPage, UserId};

/// Of a memory, a step, a page of steps or one of recalls.
const ID_BYTES: usize = 16;

/// The open data directory. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    journal: Arc<Journal>,
    keeper: Keeper,
}

/// Where the commit thread hands over what is durable.
struct TreeSink(Arc<Shared>);

impl Store {
    /// Opens a data directory, or makes one if the options say so, and mends what can be mended.
    /// Blocks while it does. A folder in which something else lives is refused and stays as it is.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        Self::enter(dir, options).map_err(|error| error.in_directory(dir))
    }

    fn enter(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let entered =
            if options.create { premises::enter_or_create(dir) } else { premises::enter(dir) };
        entered?;
        let lock = Lock::take(dir, options.lock_patience)?;
        if disk::is_read_only(dir) {
            let frozen = frozen::recover(dir, &options)?;
            return Self::start_frozen(dir, options, lock, frozen);
        }
        let found = recovery::recover(dir, &options)?;
        Self::start(dir, options, lock, (found, None))
    }

    /// Opens one as if its disk took no writes, which it does from the next moment on.
    #[cfg(test)]
    pub(super) fn open_frozen(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let lock = Lock::take(dir, options.lock_patience)?;
        let frozen = frozen::recover(dir, &options)?;
        Self::start_frozen(dir, options, lock, frozen)
    }

    fn start_frozen(
        dir: &Path,
        options: StoreOptions,
        lock: Lock,
        frozen: Frozen,
    ) -> Result<Self, StoreError> {
        let thaw = frozen.thaw(dir);
        let Frozen { recovered, scratch, held } = frozen;
        let store = Self::start(dir, options, lock, (recovered, Some((scratch, thaw))))?;
        if let Some(reason) = held {
            store.inner.shared.hold_writes(reason);
        }
        Ok(store)
    }

    fn start(
        dir: &Path,
        options: StoreOptions,
        lock: Lock,
        (found, frozen): (Recovered, Option<(Scratch, Thaw)>),
    ) -> Result<Self, StoreError> {
        let ledger = Ledger::new(found.folder.last_seq(), found.counts);
        let journal_options = options.journal.clone();
        let identity = found.checkpoint.identity;
        let (scratch, thaw) = frozen.unzip();
        let place = Place { dir: dir.to_owned(), options, scratch, lock };
        let vault = Vault::open(&found.trees, place.options.encryption.as_ref())?;
        let shared = Shared::new(place, identity, (found.trees, vault), ledger)?;
        let shared = Arc::new(shared);
        if found.awaits_proof {
            shared.proof.begin();
        }
        if found.has_removals {
            shared.note_removal();
        }
        if thaw.is_none() {
            minds::clear(&shared);
        }
        let sink = Box::new(TreeSink(Arc::clone(&shared)));
        let journal = match thaw {
            Some(thaw) => Journal::start_frozen(found.folder, sink, thaw, &journal_options)?,
            None => Journal::start(found.folder, sink, &journal_options)?,
        };
        let journal = Arc::new(journal);
        let keeper = Keeper::start(&shared, &journal, found.checkpoint)?;
        let store = Self { inner: Arc::new(Inner { shared, journal, keeper }) };
        let inner = &store.inner;
        encrypting::settle(&inner.shared, &inner.journal, &|keep| inner.keeper.scrub(keep))?;
        if let (Some(vault), None) = (inner.shared.vault(), inner.shared.held()) {
            log::info!("the store is encrypted with the key {}", vault.owner());
        }
        Ok(store)
    }

    /// Looks at everything in a data directory that is not open, without changing it.
    pub fn check(dir: &Path) -> Result<Report, StoreError> {
        check::check(dir, &StoreOptions::default())
    }

    /// The same without reading every record.
    pub fn glance(dir: &Path) -> Result<Report, StoreError> {
        check::glance(dir, &StoreOptions::default())
    }

    /// Keeps what can be read of a data directory that is not open and that no start would take any
    /// more. One that can be mended is mended. Damaged files are moved aside, none is removed.
    pub fn salvage(dir: &Path) -> Result<Salvage, StoreError> {
        salvage::salvage(dir, &StoreOptions::default())
    }

    /// One user's records. Only one [`SessionStore`] per user should be in use at a time. Waits for
    /// what was submitted for that user before, so it must not be called on an HTTP worker.
    pub fn session(&self, user: &UserId) -> Result<SessionStore, StoreError> {
        self.open_session(Some(user))
    }

    /// The records of the program itself: tokens, the audit. Prefix 1 is the store's.
    pub fn system(&self) -> Result<SessionStore, StoreError> {
        self.open_session(None)
    }

    /// Whether a memory is somebody else's. Looks into the tree of each user, and waits for what is on
    /// its way there, so it must not be called on an HTTP worker.
    pub fn is_of_another(&self, id: MemoryId, user: &UserId) -> Result<bool, StoreError> {
        self.inner.journal.wait_for_sink()?;
        let shared = &self.inner.shared;
        let (key, trees) = (full_key::<Memory>(&id), shared.trees());
        for number in shared.numbers_of_others(user) {
            if trees.get(number, &key)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whose a memory is. Like [`Store::is_of_another`].
    pub fn owner_of(&self, id: MemoryId) -> Result<Option<UserId>, StoreError> {
        self.inner.journal.wait_for_sink()?;
        let shared = &self.inner.shared;
        let (key, trees) = (full_key::<Memory>(&id), shared.trees());
        for user in shared.user_ids() {
            if let Some(seat) = shared.seat(&user)
                && trees.get(seat.number, &key)?.is_some()
            {
                return Ok(Some(user));
            }
        }
        Ok(None)
    }

    /// Who was there last, as far as the newest of what is kept of each user tells: memories, changes, and
    /// what was given out. Looks for four keys of each.
    pub fn last_user(&self) -> Result<Option<UserId>, StoreError> {
        self.inner.journal.wait_for_sink()?;
        let shared = &self.inner.shared;
        let trees = shared.sound_trees();
        let mut last: Option<(Vec<u8>, UserId)> = None;
        for user in shared.user_ids() {
            let Some(seat) = shared.seat(&user) else { continue };
            for prefix in [Memory::PREFIX, Step::PREFIX, StepPage::PREFIX, RecallPage::PREFIX] {
                let key = trees.last_key(seat.number, prefix)?;
                // Each begins with an id, and ids begin with the time.
                let id = key.as_deref().and_then(|key| key.get(..ID_BYTES)).unwrap_or_default();
                last = last.max(Some((id.to_vec(), user.clone())));
            }
        }
        Ok(last.map(|(_, user)| user))
    }

    /// Every user who has stored anything, in order.
    #[must_use]
    pub fn users(&self) -> Vec<UserId> {
        self.inner.shared.user_ids()
    }

    /// Removes every record of a user, and the user. Nobody may have the user's [`SessionStore`]. The
    /// bytes leave the disk with [`Store::scrub`]. Blocks until it is durable.
    pub fn erase_user(&self, user: &UserId) -> Result<(), StoreError> {
        let mut records = self.session(user)?;
        records.erase_all()?;
        if let Some(receipt) = records.newest_receipt() {
            receipt.wait()?;
        }
        Ok(())
    }

    /// Makes every file anew that may hold bytes of what was removed, and removes the old ones. It needs
    /// room for what stays, and blocks until it is done.
    pub fn scrub(&self) -> Result<(), StoreError> {
        self.inner.keeper.scrub(Duration::ZERO)
    }

    /// Writes everything that is stored now to a file, while others go on writing, and reads it back.
    /// With a key it is sealed. Blocks until it is durable.
    pub fn back_up(
        &self,
        target: &Path,
        key: Option<&SealingKey>,
    ) -> Result<BackupContent, BackupError> {
        let folder = target.parent().unwrap_or(Path::new("."));
        disk::create_folder(folder).map_err(StoreError::disk("create", folder))?;
        match key {
            None => self.inner.keeper.back_up(target)?,
            Some(key) => {
                // Plain bytes stay where they lie anyway.
                let plain = self.inner.shared.dir.join(check::PART);
                self.inner.keeper.back_up(&plain)?;
                let sealed = backup::seal_to(&plain, key, target);
                disk::remove_file(&plain).map_err(StoreError::disk("remove", &plain))?;
                sealed?;
            }
        }
        backup::verify_backup(target, key)
    }

    /// Whether the clock is doubted. Whoever watches it says so here, and then nothing is removed because
    /// it is old.
    #[must_use]
    pub fn clock_doubt(&self) -> Arc<AtomicBool> {
        self.inner.keeper.clock_doubt()
    }

    /// What a start after a stop in good order left to be compared, as long as that is under way.
    #[must_use]
    pub fn comparison(&self) -> Option<Comparison> {
        Comparison::of(&self.inner.shared.proof)
    }

    /// Whether writes are taken now.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.problem().is_none()
    }

    /// Why no writes are taken now, if that is so.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let of_trees = || self.inner.shared.trees().unwritable().map(|broken| broken.to_string());
        let of_journal = self.inner.journal.unavailable().map(|reason| reason.to_string());
        let held = self.inner.shared.held().map(str::to_owned);
        held.or(of_journal).or_else(of_trees)
    }

    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            journal_bytes: self.inner.journal.bytes(),
            sled_bytes: self.inner.shared.trees().bytes(),
            sessions: self.inner.shared.user_count(),
        }
    }

    /// The size of the file system of the data directory, and what is free of it. Nothing where it does not say.
    #[must_use]
    pub fn disk(&self) -> Option<(u64, u64)> {
        disk::size_and_free(&self.inner.shared.dir).ok()
    }

    /// How many times `fdatasync` made a group of commits durable.
    #[must_use]
    #[cfg(test)]
    pub fn syncs(&self) -> u64 {
        self.inner.journal.syncs()
    }

    /// Rewrites the journal as a snapshot, which gives space back. Blocks until it is done.
    #[cfg(test)]
    pub fn compact_now(&self) -> Result<(), StoreError> {
        self.inner.keeper.compact()
    }

    /// Builds sled anew from the journal and swaps it in, while others go on. What was removed
    /// leaves the disk with the old files. Blocks until it is done.
    #[cfg(test)]
    pub fn rebuild_now(&self) -> Result<(), StoreError> {
        self.inner.keeper.rebuild()
    }

    /// Compares everything as after a start that took it on trust. Returns whether all is well.
    #[cfg(test)]
    pub(super) fn prove_now(&self) -> bool {
        proving::prove(&self.inner.shared, &self.inner.journal) == proving::Finding::AsItShouldBe
    }

    /// Lets whoever wants to write wait, as after a start that took everything on trust.
    #[cfg(test)]
    pub fn begin_proof(&self) {
        self.inner.shared.proof.begin();
    }

    #[cfg(test)]
    pub fn end_proof(&self) {
        self.inner.shared.proof.settle();
    }

    /// Says that what was read until now may be wrong.
    #[cfg(test)]
    pub fn doubt_now(&self) {
        self.inner.shared.proof.doubt();
    }

    /// Finishes what was submitted, and makes the next start quick, unless what this one took on trust is still
    /// being compared. Other clones stop working.
    pub fn close(self) {
        self.inner.close();
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    fn open_session(&self, user: Option<&UserId>) -> Result<SessionStore, StoreError> {
        match self.inner.shared.sound_trees().broken() {
            Some(broken) => Err(broken.into()),
            None => {
                self.inner.shared.settle_submitted(user);
                self.inner.journal.wait_for_sink()?;
                Ok(SessionStore::open(&self.inner.shared, &self.inner.journal, user))
            }
        }
    }
}

impl Inner {
    fn close(&self) {
        self.shared.proof.give_up();
        self.journal.close();
        self.keeper.stop();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Sink for TreeSink {
    fn hear(&mut self, group: &[(Seq, EncodedBatch)]) {
        self.0.hear(group);
    }

    fn apply(&mut self, group: &[(Seq, EncodedBatch)]) {
        self.0.apply(group);
    }
}
