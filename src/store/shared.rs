//! What sessions, the sink and the keeper share.
//!
//! **Who calls what.** The sink, on the journal's commit thread, is the only one that writes to the
//! trees in use: [`Shared::apply`], in the order of the batches, after `fdatasync`. Who awaits a receipt
//! is told before, after [`Shared::hear`]; whoever reads what others submitted waits for the sink. The
//! keeper's thread makes checkpoints ([`Shared::snapshot_ledger`], then a flush, then the file) and
//! puts rebuilt trees in place ([`Shared::replace_trees`]). Sessions read, and claim numbers for new users.
//!
//! **Order of locks.** `trees`, then `ledger`, then `users`; each may be left out, none may be taken
//! after a later one. `apply` holds `trees` for reading while it applies a group, and `replace_trees`
//! holds it for writing, so a group is in the old trees and in the count of what was offered, or in
//! neither when the new trees are brought up to that count. Nobody may wait for a receipt, a sync or
//! the keeper while holding one of them: the commit thread needs all three to go on.
//!
//! **Two numbers.** `offered`: the sink has had every batch up to here. `applied`: every batch up to
//! here can be read in the trees. They differ only while the trees are broken; then nobody opens a
//! session, and a rebuild from the journal makes them equal.
//!
//! **Trees that fail.** *Broken*: sled itself failed, nothing in it is believed, reads and writes
//! wait for the rebuild. *Stalled*: the disk did not take a flush; what is in memory is right and is
//! read on, writes wait for the rebuild, because these trees can never again be said to be durable.
//!
//! **What a crash leaves.** The trees on disk are some state between the last checkpoint and the
//! last group, in no order. The checkpoint was written after a sync of what it speaks of, so the
//! journal is replayed from there. Between the sync and the checkpoint's rename the trees are newer
//! than it says, which does no harm. Between a rebuild and its checkpoint there are two generations,
//! and the old checkpoint still names the old one; the new one is removed at the start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use super::checkpoint::Checkpoint;
use super::codec;
use super::frozen::Scratch;
use super::keeper::Errand;
use super::lock::Lock;
use super::proof::Proof;
use super::rebuild::{Build, removes_text};
use super::records::SessionNumber;
use super::session::full_key;
use super::trees::{Broken, Entry, Trees};
use super::vault::{Member, Seat, Vault};
use super::{CodecError, Key, Receipt, Record, StoreError, StoreOptions, vault};
use crate::journal::{EncodedBatch, Op, Ownership, Seq, SessionNo};
use crate::model::UserId;

/// How many users one data directory may have. Each has a tree, and sled pays for every tree.
pub(super) const MAX_SESSIONS: usize = 1_000;

/// How much may be applied before a checkpoint is due: it bounds what a start has to replay.
const CHECKPOINT_BYTES: u64 = 8 << 20;

/// How long a read waits for other trees.
const READING_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    pub(super) options: StoreOptions,
    /// Changed by the keeper only, when the last file of format 1 is gone.
    identity: Mutex<Ownership>,
    /// Since when a text is removed that may still be in some file.
    removed_since: Mutex<Option<Instant>>,
    /// Whether the keeper is about to let it leave.
    is_scrubbing: AtomicBool,
    /// Replaced by an online rebuild. The sink holds the lock while it applies a group.
    trees: RwLock<Arc<Trees>>,
    /// Told, under its lock, when they were replaced.
    replaced: Condvar,
    replacing: Mutex<()>,
    /// Every batch up to this one is visible in the trees.
    applied: AtomicU64,
    ledger: Mutex<Ledger>,
    users: Mutex<Users>,
    /// Nothing in a store that is not encrypted.
    vault: Option<Vault>,
    /// The newest batch of each owner that may not be settled yet.
    submitted: Mutex<BTreeMap<Option<UserId>, Receipt>>,
    errands: OnceLock<Sender<Errand>>,
    /// Whether the keeper has been told that there is work.
    is_nudged: AtomicBool,
    /// Where the trees lie while the disk takes no writes.
    scratch: Mutex<Option<Scratch>>,
    /// Why no session writes before the next start, if that is so.
    held: OnceLock<&'static str>,
    pub(super) proof: Arc<Proof>,
    /// Last, so that nobody else opens the directory before sled has let go of it.
    _lock: Lock,
}

/// Where a store lies, and what keeps others out.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dir: PathBuf,
    pub(super) options: StoreOptions,
    pub(super) scratch: Option<Scratch>,
    pub(super) lock: Lock,
}

/// What the sink counts along.
#[derive(Debug, Default, Clone)]
pub(super) struct Ledger {
    /// Every batch up to this one has been given to the sink.
    pub(super) offered: Seq,
    pub(super) counts: BTreeMap<SessionNo, u64>,
    bytes_since_checkpoint: u64,
}

#[derive(Debug, Default)]
struct Users {
    seats: BTreeMap<UserId, Seat>,
    /// Seats that are not on record yet.
    claims: BTreeMap<UserId, Claim>,
    next: SessionNo,
}

/// A seat, and the value of the record that will say so.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) seat: Seat,
    pub(super) value: Vec<u8>,
}

impl Shared {
    pub(super) fn new(
        place: Place,
        identity: Ownership,
        (trees, vault): (Arc<Trees>, Option<Vault>),
        ledger: Ledger,
    ) -> Result<Self, StoreError> {
        let users = Users::read(&trees, vault.as_ref())?;
        let applied = ledger.offered;
        let Place { dir, options, scratch, lock } = place;
        Ok(Self {
            dir,
            options,
            identity: Mutex::new(identity),
            removed_since: Mutex::default(),
            is_scrubbing: AtomicBool::new(false),
            trees: RwLock::new(trees),
            replaced: Condvar::new(),
            replacing: Mutex::default(),
            applied: AtomicU64::new(applied.0),
            ledger: Mutex::new(ledger),
            users: Mutex::new(users),
            vault,
            submitted: Mutex::default(),
            errands: OnceLock::new(),
            is_nudged: AtomicBool::new(false),
            scratch: Mutex::new(scratch),
            held: OnceLock::new(),
            proof: Arc::default(),
            _lock: lock,
        })
    }

    pub(super) fn trees(&self) -> Arc<Trees> {
        Arc::clone(&self.read_trees())
    }

    /// Trees that can be read. Where sled has just failed others are on their way, and are waited for, but
    /// not for long. It blocks, so it must not be called on an HTTP worker.
    pub(super) fn sound_trees(&self) -> Arc<Trees> {
        let until = Instant::now() + READING_PATIENCE;
        let mut held = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let trees = self.trees();
            let left = until.saturating_duration_since(Instant::now());
            if trees.broken().is_none() || left.is_zero() {
                return trees;
            }
            self.nudge();
            let waited = self.replaced.wait_timeout(held, left);
            (held, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn applied(&self) -> Seq {
        Seq(self.applied.load(Acquire))
    }

    /// Notes who becomes a user or is none any more, and whether something has to leave the disk.
    pub(super) fn hear(&self, group: &[(Seq, EncodedBatch)]) {
        for op in group.iter().flat_map(|(_, batch)| batch.ops()) {
            self.note_user(op);
            if removes_text(op) {
                self.note_removal();
            }
        }
    }

    /// Puts a durable group into the trees. While they are broken, batches stay in the journal
    /// only; the rebuild picks them up from there.
    pub(super) fn apply(&self, group: &[(Seq, EncodedBatch)]) {
        let trees = self.read_trees();
        let mut ledger = self.ledger();
        let Some((last, _)) = group.last() else { return };
        ledger.offered = *last;
        match apply_to(&trees, group, &mut ledger) {
            Ok(()) => self.applied.store(last.0, Release),
            Err(Broken(_)) => self.nudge(),
        }
        if ledger.bytes_since_checkpoint >= CHECKPOINT_BYTES {
            ledger.bytes_since_checkpoint = 0;
            self.nudge();
        }
    }

    /// What a checkpoint of the present state would say. The trees must be flushed after this.
    pub(super) fn snapshot_ledger(&self) -> (Arc<Trees>, Checkpoint) {
        let trees = self.trees();
        let mut ledger = self.ledger();
        ledger.bytes_since_checkpoint = 0;
        let counts = ledger.counts.clone();
        let checkpoint = Checkpoint {
            identity: self.identity(),
            is_final: false,
            keys: self.key_records(&trees),
            has_removals: self.is_scrubbing.load(Acquire) || self.removed_since().is_some(),
            generation: trees.generation(),
            applied: self.applied(),
            counts,
        };
        (trees, checkpoint)
    }

    /// What a checkpoint keeps copies of. Trees that cannot be read are replaced soon.
    fn key_records(&self, trees: &Arc<Trees>) -> Vec<Entry> {
        let records = self.vault.as_ref().map(|_| vault::records(trees));
        records.transpose().ok().flatten().unwrap_or_default()
    }

    /// Since when a text is removed that may still be in some file.
    pub(super) fn removed_since(&self) -> Option<Instant> {
        *self.removals()
    }

    pub(super) fn note_removal(&self) {
        self.removals().get_or_insert_with(Instant::now);
    }

    /// Everything that was removed before this is about to leave the disk.
    pub(super) fn begin_scrub(&self) -> Option<Instant> {
        self.is_scrubbing.store(true, Release);
        self.removals().take()
    }

    /// What was removed before [`Shared::begin_scrub`] is gone, or is still there since then.
    pub(super) fn end_scrub(&self, still_there_since: Option<Instant>) {
        let mut removals = self.removals();
        *removals = still_there_since.or(*removals);
        self.is_scrubbing.store(false, Release);
    }

    fn removals(&self) -> MutexGuard<'_, Option<Instant>> {
        self.removed_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the trees lie from now on, if that is not the directory itself.
    pub(super) fn keep_scratch(&self, scratch: Option<Scratch>) {
        *self.scratch.lock().unwrap_or_else(PoisonError::into_inner) = scratch;
    }

    pub(super) fn identity(&self) -> Ownership {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on only files that name the store count.
    pub(super) fn require_names(&self) {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).takes_unnamed = false;
    }

    /// Swaps in rebuilt trees. `finish` brings them up to the given seq while nothing is applied.
    pub(super) fn replace_trees(
        &self,
        mut fresh: Build,
        finish: impl FnOnce(&mut Build, Seq) -> Result<(), StoreError>,
    ) -> Result<Arc<Trees>, StoreError> {
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        let mut ledger = self.ledger();
        finish(&mut fresh, ledger.offered)?;
        ledger.counts = fresh.counts;
        self.applied.store(ledger.offered.0, Release);
        let old = std::mem::replace(&mut *trees, fresh.trees);
        drop((trees, ledger));
        let _held = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        self.replaced.notify_all();
        Ok(old)
    }

    pub(super) fn note_submitted(&self, user: Option<&UserId>, receipt: Receipt) {
        let mut submitted = self.submitted.lock().unwrap_or_else(PoisonError::into_inner);
        submitted.insert(user.cloned(), receipt);
    }

    /// Waits until everything that was submitted for a user is in the trees or lost. Blocks the
    /// thread for as long as the disk takes.
    pub(super) fn settle_submitted(&self, user: Option<&UserId>) {
        let newest = {
            let mut submitted = self.submitted.lock().unwrap_or_else(PoisonError::into_inner);
            submitted.remove(&user.cloned())
        };
        // Whoever submitted it has been told what became of it.
        if let Some(Err(lost)) = newest.map(Receipt::wait) {
            log::debug!("a session opens after a write of it was lost: {lost}");
        }
    }

    /// From now on no session writes.
    pub(super) fn hold_writes(&self, reason: &'static str) {
        let _ = self.held.set(reason);
    }

    pub(super) fn held(&self) -> Option<&'static str> {
        self.held.get().copied()
    }

    /// Whether no session holds a key.
    pub(super) fn is_empty(&self) -> bool {
        self.ledger().counts.is_empty()
    }

    pub(super) fn vault(&self) -> Option<&Vault> {
        self.vault.as_ref()
    }

    /// Where the system's own records are.
    pub(super) fn system(&self) -> Seat {
        let plain = || Seat::plain(SessionNo::SYSTEM, Vec::new());
        self.vault.as_ref().map_or_else(plain, Vault::system)
    }

    pub(super) fn seat(&self, user: &UserId) -> Option<Seat> {
        self.users().seats.get(user).cloned()
    }

    /// A seat for a user who has none. It is on record once the batch that says so is applied;
    /// until then the user keeps the claim, and nobody else gets the number.
    pub(super) fn claim_seat(&self, user: &UserId) -> Result<Claim, StoreError> {
        let mut users = self.users();
        if let Some(claim) = users.claims.get(user) {
            return Ok(claim.clone());
        }
        if users.seats.len() + users.claims.len() >= MAX_SESSIONS {
            return Err(StoreError::TooManySessions { limit: MAX_SESSIONS });
        }
        let number = users.next;
        let (seat, value) = match &self.vault {
            Some(vault) => vault.enrol(user, number)?,
            None => {
                let value = codec::encode(&SessionNumber(number));
                let value = value.map_err(StoreError::damaged::<SessionNumber>)?;
                (Seat::plain(number, full_key::<SessionNumber>(user)), value)
            }
        };
        let claim = Claim { seat, value };
        users.next = number.after();
        users.claims.insert(user.clone(), claim.clone());
        Ok(claim)
    }

    pub(super) fn numbers_of_others(&self, user: &UserId) -> Vec<SessionNo> {
        let users = self.users();
        let others = users.seats.iter().filter(|(other, _)| *other != user);
        others.map(|(_, seat)| seat.number).collect()
    }

    pub(super) fn user_ids(&self) -> Vec<UserId> {
        self.users().seats.keys().cloned().collect()
    }

    pub(super) fn user_count(&self) -> usize {
        self.users().seats.len()
    }

    pub(super) fn connect(&self, errands: Sender<Errand>) {
        let _ = self.errands.set(errands);
    }

    /// Tells the keeper that there is something to do. Cheap when it has been told already.
    pub(super) fn nudge(&self) {
        use std::sync::atomic::Ordering::AcqRel;
        if !self.is_nudged.swap(true, AcqRel)
            && let Some(errands) = self.errands.get()
        {
            let _ = errands.send(Errand::Look);
        }
    }

    pub(super) fn settle_nudge(&self) {
        self.is_nudged.store(false, Release);
    }

    fn read_trees(&self) -> RwLockReadGuard<'_, Arc<Trees>> {
        self.trees.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_user(&self, op: Op<'_>) {
        let is_of_user = matches!(
            op.key.first(),
            Some(&(SessionNumber::PREFIX | Member::PREFIX)) if op.session == SessionNo::SYSTEM
        );
        if !is_of_user {
            return;
        }
        let mut users = self.users();
        match op.value.map(|value| read_seat(self.vault.as_ref(), op.key, value)) {
            Some(Ok((user, seat))) => {
                users.next = users.next.max(seat.number.after());
                users.claims.remove(&user);
                users.seats.insert(user, seat);
            }
            Some(Err(error)) => log::error!("{error}"),
            None => users.seats.retain(|_, seat| seat.record != op.key),
        }
    }
}

/// Whose record of a user this is, and where he sits.
fn read_seat(
    vault: Option<&Vault>,
    key: &[u8],
    value: &[u8],
) -> Result<(UserId, Seat), StoreError> {
    let (prefix, rest) = key.split_first().unwrap_or((&0, &[]));
    if *prefix == Member::PREFIX {
        let damaged = StoreError::damaged::<Member>;
        let hash = Key::from_bytes(rest).ok_or(damaged(CodecError::Key))?;
        let member = codec::decode::<Member>(&hash, value).map_err(damaged)?;
        return vault.ok_or(StoreError::StoreKeyLost)?.member(hash, &member);
    }
    let damaged = StoreError::damaged::<SessionNumber>;
    let user = UserId::from_bytes(rest).ok_or(damaged(CodecError::Key))?;
    let SessionNumber(number) = codec::decode(&user, value).map_err(damaged)?;
    Ok((user, Seat::plain(number, key.to_vec())))
}

impl Ledger {
    pub(super) fn new(offered: Seq, counts: BTreeMap<SessionNo, u64>) -> Self {
        Self { offered, counts, bytes_since_checkpoint: 0 }
    }
}

impl Users {
    fn read(trees: &Arc<Trees>, vault: Option<&Vault>) -> Result<Self, StoreError> {
        let mut users = Self { next: SessionNo::SYSTEM.after(), ..Self::default() };
        for prefix in [SessionNumber::PREFIX, Member::PREFIX] {
            let range = vec![prefix]..=vec![prefix + 1];
            for entry in trees.range(SessionNo::SYSTEM, range) {
                let (key, value) = entry?;
                let (user, seat) = read_seat(vault, &key, &value)?;
                users.next = users.next.max(seat.number.after());
                users.seats.insert(user, seat);
            }
        }
        Ok(users)
    }
}

fn apply_to(
    trees: &Trees,
    group: &[(Seq, EncodedBatch)],
    ledger: &mut Ledger,
) -> Result<(), Broken> {
    let Some((last, _)) = group.last() else { return Ok(()) };
    for (_, batch) in group {
        ledger.bytes_since_checkpoint += batch.payload().len() as u64;
        for op in batch.ops() {
            count(&mut ledger.counts, op, trees.write(op)?);
        }
    }
    trees.set_applied(*last)
}

/// Keeps the count of keys up to date with one operation.
pub(super) fn count(counts: &mut BTreeMap<SessionNo, u64>, op: Op<'_>, was_there: bool) {
    let count = counts.entry(op.session).or_default();
    match (was_there, op.value.is_some()) {
        (false, true) => *count += 1,
        (true, false) => *count = count.saturating_sub(1),
        _ => {}
    }
    if *count == 0 {
        counts.remove(&op.session);
    }
}
