use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec::IntoIter;

use super::minds::{self, MindMark};
use super::shared::{Claim, Shared};
use super::trees::{Broken, Entries, Entry};
use super::value::PIECE_PREFIX;
use super::vault::Seat;
use super::{CodecError, Key, OnlyKey, Record, StoreError, codec, kinds};
use crate::journal::{self, Journal, Seq, SessionNo};
use crate::model::UserId;

/// The records of one session, read and written by one owner.
///
/// What was committed is seen by the next read at once. A commit that is refused changes nothing.
/// When a receipt fails, drop the session store and open a new one: the lost records must not be
/// seen again. Until then every call fails with [`StoreError::Lost`].
///
/// Opening one waits for everything that was submitted for the same user before, so it begins with
/// all of it that became durable, and with none of it that was lost.
#[derive(Debug)]
pub struct SessionStore {
    pub(super) shared: Arc<Shared>,
    journal: Arc<Journal>,
    /// Nothing for the system's own records.
    user: Option<UserId>,
    /// A user who never stored anything has none yet.
    pub(super) seat: Option<Seat>,
    /// Whether what is kept of it may still be right (`minds.rs`).
    pub(super) may_have_mind: bool,
    /// What was committed and may not be in the trees yet.
    overlay: Overlay,
    /// The journal's epoch up to which nothing of the overlay is lost.
    epoch: Cell<u64>,
    /// Of [`Proof::doubts`](super::proof::Proof::doubts), before anything was read.
    doubts: u64,
    /// Of the last batch.
    newest: Option<Receipt>,
}

/// Records that are removed in one batch.
const ERASED_AT_ONCE: usize = 10_000;

/// A key and what it holds, which may be nothing.
type Pending = (Vec<u8>, Option<Vec<u8>>);

type Overlay = BTreeMap<Vec<u8>, (Seq, Option<Vec<u8>>)>;

/// Changes of one session that become durable together or not at all.
#[derive(Debug, Default)]
pub struct Batch {
    ops: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The first record that could not be encoded; it fails the commit.
    failed: Option<(&'static str, CodecError)>,
}

/// Comes true when a batch is on disk. Its session sees it already; whoever else reads the store sees it
/// from then on.
#[derive(Debug)]
pub struct Receipt(journal::GroupReceipt);

impl Batch {
    #[must_use]
    #[cfg(test)]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.failed.is_none()
    }

    /// A record that cannot be encoded fails the commit of the whole batch.
    pub fn put<R: Record>(&mut self, key: &R::Key, record: &R) {
        match codec::encode(record) {
            Ok(bytes) => {
                self.ops.insert(full_key::<R>(key), Some(bytes));
            }
            Err(source) => {
                self.failed.get_or_insert((R::KIND, source));
            }
        }
    }

    pub fn remove<R: Record>(&mut self, key: &R::Key) {
        self.ops.insert(full_key::<R>(key), None);
    }
}

impl SessionStore {
    pub(super) fn open(
        shared: &Arc<Shared>,
        journal: &Arc<Journal>,
        user: Option<&UserId>,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            journal: Arc::clone(journal),
            user: user.cloned(),
            seat: user.map_or_else(|| Some(shared.system()), |user| shared.seat(user)),
            may_have_mind: user.is_some(),
            overlay: Overlay::new(),
            epoch: Cell::new(journal.epoch()),
            doubts: shared.proof.doubts(),
            newest: None,
        }
    }

    /// Whether what was read from it still counts. Where it does not every call fails with
    /// [`StoreError::Lost`].
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.doubts == self.shared.proof.doubts()
    }

    /// Whether a write would wait now until everything is compared.
    #[must_use]
    pub fn awaits_proof(&self) -> bool {
        self.shared.proof.is_awaited()
    }

    /// Fails while the store takes no writes, so that nobody prepares one in vain, and wakes the journal for the one
    /// that is about to come. Right after the start it may wait until everything is compared.
    pub fn require_writable(&self) -> Result<(), StoreError> {
        self.shared.proof.wait()?;
        self.refuse_if_lost()?;
        self.refuse_if_held()?;
        if let Some(broken) = self.shared.trees().broken() {
            return Err(broken.into());
        }
        let reason = self.journal.announce();
        reason.map_or(Ok(()), |reason| Err(StoreError::unavailable(&*reason)))
    }

    /// Comes true when everything that this owner has committed is durable.
    #[must_use]
    pub fn newest_receipt(&self) -> Option<Receipt> {
        self.newest.as_ref().map(Receipt::again)
    }

    pub fn get<R: Record>(&self, key: &R::Key) -> Result<Option<R>, StoreError> {
        self.refuse_if_lost()?;
        let bytes = full_key::<R>(key);
        let damaged = StoreError::damaged::<R>;
        let value = match self.pending(&bytes) {
            Some(value) => value.map(<[u8]>::to_vec),
            None => match &self.seat {
                Some(seat) => {
                    let value = match self.shared.trees().get(seat.number, &bytes) {
                        Ok(value) => value,
                        Err(Broken(_)) => self.shared.sound_trees().get(seat.number, &bytes)?,
                    };
                    value.map(|value| seat.open(&bytes, value).map_err(damaged)).transpose()?
                }
                None => None,
            },
        };
        value.map(|value| codec::decode(key, &value).map_err(damaged)).transpose()
    }

    /// The greatest key of one kind of record that is in the trees. What was committed a moment ago may
    /// not be there yet.
    pub fn last_key<R: Record>(&self) -> Result<Option<R::Key>, StoreError> {
        let Some(Seat { number, .. }) = &self.seat else { return Ok(None) };
        let last = self.shared.sound_trees().last_key(*number, R::PREFIX)?;
        Ok(last.and_then(|key| R::Key::from_bytes(&key)))
    }

    /// Walks all records of one kind in key order, as they are now.
    pub fn scan<R: Record>(
        &self,
    ) -> impl Iterator<Item = Result<(R::Key, R), StoreError>> + use<R> {
        let after = vec![R::PREFIX + 1];
        self.walk(vec![R::PREFIX]..=after).map(|entry| typed(&entry?))
    }

    /// Walks the records of one kind between two keys, both included, in key order.
    pub fn scan_range<R: Record>(
        &self,
        range: &RangeInclusive<R::Key>,
    ) -> impl Iterator<Item = Result<(R::Key, R), StoreError>> + use<R> {
        let range = full_key::<R>(range.start())..=full_key::<R>(range.end());
        self.walk(range).map(|entry| typed(&entry?))
    }

    /// Hands the batch to the journal. It is seen by this session store at once, and is durable
    /// when the receipt comes true.
    pub fn commit(&mut self, mut batch: Batch) -> Result<Receipt, StoreError> {
        self.shared.proof.wait()?;
        self.refuse_if_lost()?;
        if let Some((kind, source)) = batch.failed {
            return Err(StoreError::Damaged { kind, source });
        }
        self.refuse_if_held()?;
        if let Some(broken) = self.shared.trees().unwritable() {
            return Err(broken.into());
        }
        if batch.ops.is_empty() {
            return Ok(Receipt(journal::GroupReceipt::granted()));
        }
        self.rest();
        if self.overlay.is_empty() {
            self.epoch.set(self.journal.epoch());
        }
        let ends_mind = self.may_have_mind && batch.ops.keys().any(|key| minds::tells_of(key));
        if ends_mind && self.may_have_mark() {
            batch.ops.insert(full_key::<MindMark>(&OnlyKey), None);
        }
        let mut encoded = journal::EncodedBatch::default();
        let seat = self.take_seat(&mut encoded)?;
        for (key, value) in &batch.ops {
            match value {
                Some(value) => encoded.put(seat.number, key, &seat.seal(key, value)?)?,
                None => encoded.remove(seat.number, key)?,
            }
        }
        let submitted = self.journal.submit(encoded, self.epoch.get())?;
        if ends_mind {
            self.may_have_mind = false;
            minds::remove(&self.shared.dir, seat.number);
        }
        self.seat = Some(seat);
        let entries = batch.ops.into_iter().map(|(key, value)| (key, (submitted.seq, value)));
        self.overlay.extend(entries);
        let receipt = Receipt(submitted.receipt);
        self.shared.note_submitted(self.user.as_ref(), receipt.again());
        self.newest = Some(receipt.again());
        Ok(receipt)
    }

    /// Lets go of what was submitted and is in the trees by now.
    pub fn rest(&mut self) {
        let applied = self.shared.applied();
        self.overlay.retain(|_, (seq, _)| *seq > applied);
    }

    /// Removes all that it holds, and its own number last, so that what was cut off is found again.
    pub(super) fn erase_all(&mut self) -> Result<(), StoreError> {
        let (Some(_), Some(seat)) = (&self.user, self.seat.clone()) else { return Ok(()) };
        self.shared.proof.wait()?;
        self.refuse_if_held()?;
        loop {
            let mut batch = Batch::default();
            for entry in self.walk_unopened().take(ERASED_AT_ONCE) {
                batch.ops.insert(entry?.0, None);
            }
            if batch.is_empty() {
                break;
            }
            self.commit(batch)?.wait()?;
        }
        let mut last = journal::EncodedBatch::default();
        last.remove(SessionNo::SYSTEM, &seat.record)?;
        let submitted = self.journal.submit(last, self.journal.epoch())?;
        log::info!("the user of session {} is erased", seat.number);
        self.seat = None;
        self.newest = Some(Receipt(submitted.receipt));
        Ok(())
    }

    /// Gives the user's place among the users back if nothing is stored for him any more.
    pub fn give_up_place(&mut self) -> Result<(), StoreError> {
        let (Some(user), Some(seat)) = (&self.user, &self.seat) else { return Ok(()) };
        self.shared.proof.wait()?;
        self.refuse_if_held()?;
        if self.walk_unopened().next().is_some() {
            return Ok(());
        }
        let mut last = journal::EncodedBatch::default();
        last.remove(SessionNo::SYSTEM, &seat.record)?;
        let submitted = self.journal.submit(last, self.epoch.get())?;
        // Whoever opens the session next waits for this, and then finds no number.
        self.shared.note_submitted(Some(user), Receipt(submitted.receipt));
        self.seat = None;
        Ok(())
    }

    /// The session's seat. The first batch of a user also says which that is.
    fn take_seat(&self, batch: &mut journal::EncodedBatch) -> Result<Seat, StoreError> {
        if let Some(seat) = &self.seat {
            return Ok(seat.clone());
        }
        let Some(user) = &self.user else { return Ok(self.shared.system()) };
        if let Some(seat) = self.shared.seat(user) {
            return Ok(seat);
        }
        let Claim { seat, value } = self.shared.claim_seat(user)?;
        batch.put(SessionNo::SYSTEM, &seat.record, &value)?;
        Ok(seat)
    }

    /// What this owner committed and the trees do not show yet.
    fn pending(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let (seq, value) = self.overlay.get(key)?;
        (*seq > self.shared.applied()).then_some(value.as_deref())
    }

    /// Every write before a failure of the journal is durable or lost. One that is lost makes the
    /// owner's picture of the session worthless; a failure that cost it nothing does not.
    fn refuse_if_lost(&self) -> Result<(), StoreError> {
        if !self.is_sound() {
            return Err(StoreError::Lost);
        }
        let epoch = self.journal.epoch();
        if epoch == self.epoch.get() {
            return Ok(());
        }
        if self.overlay.values().any(|(seq, _)| self.journal.is_lost(*seq)) {
            return Err(StoreError::Lost);
        }
        self.epoch.set(epoch);
        Ok(())
    }

    fn refuse_if_held(&self) -> Result<(), StoreError> {
        self.shared.held().map_or(Ok(()), |reason| Err(StoreError::unavailable(reason)))
    }

    fn walk(&self, range: RangeInclusive<Vec<u8>>) -> Walk {
        Walk { seat: self.seat.clone(), ..self.walk_over(range) }
    }

    /// Everything, with values as they lie on the disk: for those who only want the keys.
    fn walk_unopened(&self) -> Walk {
        self.walk_over(vec![0]..=vec![PIECE_PREFIX])
    }

    fn walk_over(&self, range: RangeInclusive<Vec<u8>>) -> Walk {
        if let Err(lost) = self.refuse_if_lost() {
            let pending = Vec::new().into_iter().peekable();
            return Walk { lost: Some(lost), pending, entries: None, seat: None };
        }
        // The overlay first: what is applied meanwhile leaves it only after it is in the trees.
        let applied = self.shared.applied();
        let pending = self.overlay.range(range.clone()).filter(|(_, (seq, _))| *seq > applied);
        let pending: Vec<_> =
            pending.map(|(key, (_, value))| (key.clone(), value.clone())).collect();
        let trees = self.seat.as_ref().map(|seat| (seat.number, self.shared.sound_trees()));
        let entries = trees.map(|(number, trees)| trees.range(number, range).peekable());
        Walk { lost: None, pending: pending.into_iter().peekable(), entries, seat: None }
    }
}

impl Receipt {
    pub(super) fn of(receipt: journal::GroupReceipt) -> Self {
        Self(receipt)
    }

    /// Another receipt for the same batch.
    #[must_use]
    pub fn again(&self) -> Self {
        Self(self.0.again())
    }

    /// What became of the batch, if that is known.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<(), StoreError>> {
        self.0.outcome().map(|outcome| outcome.map_err(StoreError::from))
    }

    /// Whether it comes true, or fails, together with another.
    #[must_use]
    pub fn shares_outcome(&self, other: &Self) -> bool {
        self.0.shares_outcome(&other.0)
    }

    /// Blocks the thread until the batch is durable, and in the trees. Never call it on an HTTP worker.
    pub fn wait(self) -> Result<(), StoreError> {
        Ok(self.0.wait()?)
    }
}

impl Future for Receipt {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map_err(StoreError::from)
    }
}

/// Walks the trees with the overlay laid over them.
struct Walk {
    lost: Option<StoreError>,
    pending: Peekable<IntoIter<Pending>>,
    entries: Option<Peekable<Entries>>,
    /// What opens stored values. Without it they come as they lie on the disk.
    seat: Option<Seat>,
}

impl Walk {
    fn open(&self, (key, value): Entry) -> Result<Entry, StoreError> {
        let Some(seat) = &self.seat else { return Ok((key, value)) };
        match seat.open(&key, value) {
            Ok(value) => Ok((key, value)),
            Err(source) => {
                let kind = key.first().and_then(|prefix| kinds::find(seat.number, *prefix));
                Err(StoreError::Damaged { kind: kind.map_or("unknown", |kind| kind.name), source })
            }
        }
    }
}

impl Iterator for Walk {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(lost) = self.lost.take() {
            return Some(Err(lost));
        }
        loop {
            let stored = self.entries.as_mut().and_then(Peekable::peek);
            let order = match (self.pending.peek(), stored) {
                (None, _) | (Some(_), Some(Err(_))) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some((pending, _)), Some(Ok((stored, _)))) => pending.cmp(stored),
            };
            if order == Ordering::Greater {
                let entry = self.entries.as_mut()?.next()?;
                let entry = entry.map_err(StoreError::from);
                return Some(entry.and_then(|entry| self.open(entry)));
            }
            let (key, value) = self.pending.next()?;
            if order == Ordering::Equal
                && let Some(entries) = &mut self.entries
            {
                entries.next();
            }
            if let Some(value) = value {
                return Some(Ok((key, value)));
            }
        }
    }
}

pub(super) fn full_key<R: Record>(key: &R::Key) -> Vec<u8> {
    const { assert!(R::PREFIX != PIECE_PREFIX, "this prefix is taken by the store") };
    let mut bytes = vec![R::PREFIX];
    bytes.extend(key.to_bytes());
    bytes
}

fn typed<R: Record>((key, value): &Entry) -> Result<(R::Key, R), StoreError> {
    let key = key.get(1..).and_then(R::Key::from_bytes);
    let damaged = StoreError::damaged::<R>;
    let key = key.ok_or(damaged(CodecError::Key))?;
    let record = codec::decode::<R>(&key, value).map_err(damaged)?;
    Ok((key, record))
}
