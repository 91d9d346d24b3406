//! Where batches wait for the commit thread.

use std::collections::VecDeque;
use std::hint;
use std::mem;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::folder::SegmentFile;
use super::frame::FRAME_HEAD_BYTES;
use super::receipt::{Group, GroupReceipt, Outcome};
use super::snapshot::Snapshot;
use super::{EncodedBatch, JournalError, Seq};

/// How many failures are remembered. A session that slept through more of them starts afresh, which
/// costs time and nothing else.
const KEPT_LOSSES: usize = 1_024;

/// How long the thread looks out for a batch that was announced before it sleeps again. To wake it takes about
/// as long as to make one.
const LOOK_OUT: Duration = Duration::from_micros(50);

/// What the commit thread shares with everyone else.
#[derive(Debug)]
pub(super) struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Whether batches wait, for a thread that looks out.
    has_batches: AtomicBool,
    /// Whether there is a processor for that besides the one on which a batch is made.
    may_look_out: bool,
    files: Mutex<Files>,
    /// How many bytes may wait.
    limit: usize,
    /// Raised by every failure: what was submitted before and is not durable is lost.
    pub(super) epoch: AtomicU64,
    /// What was lost by each failure, oldest first.
    losses: Mutex<VecDeque<RangeInclusive<Seq>>>,
    durable: AtomicU64,
    /// The size of the active segment.
    pub(super) active_bytes: AtomicU64,
    pub(super) syncs: AtomicU64,
}

/// The files that count, as readers should see them. Only the end of the active one changes.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) snapshot: Option<Snapshot>,
    pub(super) closed: Vec<SegmentFile>,
    pub(super) active: Option<SegmentFile>,
    /// Replaced by the snapshot, and to be deleted.
    pub(super) stale: Vec<PathBuf>,
}

/// A batch on its way to the disk.
#[derive(Debug)]
pub struct Submitted {
    pub seq: Seq,
    pub receipt: GroupReceipt,
}

/// What the commit thread does next.
pub(super) enum Work {
    Group(Vec<(Seq, EncodedBatch)>, Arc<Group>),
    Rotate(Vec<Arc<Group>>),
    /// See whether the disk takes writes again. The next segment begins with this seq.
    Probe(Seq),
    Stop,
}

#[derive(Debug)]
struct Queue {
    next: Seq,
    batches: Vec<(Seq, EncodedBatch)>,
    bytes: usize,
    group: Arc<Group>,
    /// The group that the thread is writing, or wrote last.
    in_flight: Option<Arc<Group>>,
    /// Those who wait for the active segment to be closed.
    rotations: Vec<Arc<Group>>,
    unavailable: Option<Arc<str>>,
    is_closing: bool,
    is_closed: bool,
    /// Whether the thread sleeps and must be woken.
    is_idle: bool,
    /// Whether it was woken for a batch that is still to come.
    is_announced: bool,
    /// Whether the last group was one batch: then nobody else is about to make some.
    was_alone: bool,
}

impl Files {
    /// Segments that a snapshot holds are not read any more. A crash can leave one beside the snapshot that
    /// took its place.
    pub(super) fn retire(&mut self, seq: Seq) {
        let (later, replaced): (Vec<SegmentFile>, Vec<SegmentFile>) =
            mem::take(&mut self.closed).into_iter().partition(|segment| segment.last > seq);
        self.closed = later;
        self.stale.extend(replaced.into_iter().map(|segment| segment.path));
    }
}

impl Shared {
    pub(super) fn new(last: Seq, files: Files, limit: usize) -> Self {
        let queue = Queue {
            next: last.after(),
            batches: Vec::new(),
            bytes: 0,
            group: Arc::default(),
            in_flight: None,
            rotations: Vec::new(),
            unavailable: None,
            is_closing: false,
            is_closed: false,
            is_idle: false,
            is_announced: false,
            was_alone: true,
        };
        Self {
            queue: Mutex::new(queue),
            wake: Condvar::new(),
            has_batches: AtomicBool::new(false),
            may_look_out: available_parallelism().is_ok_and(|count| count.get() > 1),
            files: Mutex::new(files),
            limit,
            epoch: AtomicU64::new(0),
            losses: Mutex::default(),
            durable: AtomicU64::new(last.0),
            active_bytes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        }
    }

    /// `epoch` is what the caller's picture of the store rests on. If the journal failed since,
    /// the batch may rest on what is lost, and is refused.
    pub(super) fn submit(
        &self,
        batch: EncodedBatch,
        epoch: u64,
    ) -> Result<Submitted, JournalError> {
        let mut queue = self.lock();
        queue.refuse_if_unfit()?;
        if self.epoch.load(Acquire) != epoch {
            let reason = "an earlier write was lost; the session starts afresh";
            return Err(JournalError::Unavailable { reason: reason.into() });
        }
        let size = batch.payload().len() + FRAME_HEAD_BYTES;
        // A batch larger than the limit is let in when it is alone.
        if queue.bytes > 0 && queue.bytes + size > self.limit {
            return Err(JournalError::Busy);
        }
        let seq = queue.next;
        queue.next = seq.after();
        queue.bytes += size;
        queue.batches.push((seq, batch));
        self.has_batches.store(true, Release);
        let receipt = GroupReceipt::new(&queue.group);
        self.wake(queue);
        Ok(Submitted { seq, receipt })
    }

    /// Says that a batch is about to come, so that the thread wakes while it is made. Nothing comes of it where
    /// several write at once: then the thread has enough to do. Returns why none would be taken, if that is so.
    pub(super) fn announce(&self) -> Option<Arc<str>> {
        let mut queue = self.lock();
        let refusal = queue.refusal();
        if refusal.is_none() && self.may_look_out && queue.is_idle && queue.was_alone {
            queue.is_announced = true;
            self.wake(queue);
        }
        refusal
    }

    /// Asks for a new segment, so that all earlier ones stand still.
    pub(super) fn rotate(&self) -> Result<GroupReceipt, JournalError> {
        let mut queue = self.lock();
        queue.refuse_if_unfit()?;
        let group = Arc::default();
        let receipt = GroupReceipt::new(&group);
        queue.rotations.push(group);
        self.wake(queue);
        Ok(receipt)
    }

    /// Lets the thread finish what was submitted, and then end.
    pub(super) fn close(&self) {
        let mut queue = self.lock();
        queue.is_closing = true;
        self.wake(queue);
    }

    pub(super) fn is_closing(&self) -> bool {
        let queue = self.lock();
        queue.is_closing || queue.is_closed
    }

    pub(super) fn unavailable(&self) -> Option<Arc<str>> {
        self.lock().refusal()
    }

    /// Why the disk took no writes when it was last asked, also when the journal is closed by now.
    pub(super) fn failure(&self) -> Option<Arc<str>> {
        self.lock().unavailable.clone()
    }

    /// The last batch that was acknowledged.
    pub(super) fn durable(&self) -> Seq {
        Seq(self.durable.load(Acquire))
    }

    /// Called by the commit thread only, after a sync.
    pub(super) fn set_durable(&self, seq: Seq) {
        self.durable.store(seq.0, Release);
    }

    pub(super) fn next_work(&self, probe_every: Duration) -> Work {
        let mut queue = self.lock();
        loop {
            if !queue.batches.is_empty() {
                queue.bytes = 0;
                queue.is_announced = false;
                queue.was_alone = queue.batches.len() == 1;
                self.has_batches.store(false, Release);
                let group = mem::take(&mut queue.group);
                queue.in_flight = Some(Arc::clone(&group));
                return Work::Group(mem::take(&mut queue.batches), group);
            }
            if !queue.rotations.is_empty() {
                return Work::Rotate(mem::take(&mut queue.rotations));
            }
            if queue.is_closing {
                return Work::Stop;
            }
            if mem::take(&mut queue.is_announced) {
                drop(queue);
                self.look_out();
                queue = self.lock();
                continue;
            }
            queue.is_idle = true;
            let is_broken = queue.unavailable.is_some();
            if is_broken {
                let waited = self.wake.wait_timeout(queue, probe_every);
                let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                queue = after;
                if timeout.timed_out() {
                    queue.is_idle = false;
                    return Work::Probe(queue.next);
                }
            } else {
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.is_idle = false;
        }
    }

    /// Refuses everything from now on, and fails everybody who waits.
    pub(super) fn fail(&self, reason: &'static str) {
        let reason: Arc<str> = reason.into();
        let waiting = {
            let mut queue = self.lock();
            queue.unavailable = Some(Arc::clone(&reason));
            self.note_loss(self.durable().after()..=queue.next.before());
            self.epoch.fetch_add(1, AcqRel);
            queue.drop_everything()
        };
        for group in waiting {
            group.finish(Outcome::Failed(Arc::clone(&reason)));
        }
    }

    /// Whether a batch that was submitted will never be durable. What failures forgot long ago
    /// counts as lost.
    pub(super) fn is_lost(&self, seq: Seq) -> bool {
        let losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        let is_forgotten = losses.len() >= KEPT_LOSSES
            && losses.front().is_some_and(|oldest| seq < *oldest.start());
        is_forgotten || losses.iter().any(|lost| lost.contains(&seq))
    }

    fn note_loss(&self, lost: RangeInclusive<Seq>) {
        if lost.is_empty() {
            return;
        }
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        while losses.len() >= KEPT_LOSSES {
            losses.pop_front();
        }
        losses.push_back(lost);
    }

    pub(super) fn recover(&self) {
        self.lock().unavailable = None;
    }

    /// The thread has ended, whatever the reason. Nobody may wait for it any more.
    pub(super) fn end(&self) {
        let waiting = {
            let mut queue = self.lock();
            queue.is_closed = true;
            queue.drop_everything()
        };
        for group in waiting {
            group.finish(Outcome::Closed);
        }
    }

    /// Returns when the sink has seen everything that somebody was told is durable. It fails if the
    /// sink never will.
    pub(super) fn wait_for_sink(&self) -> Result<(), JournalError> {
        let in_flight = self.lock().in_flight.clone();
        in_flight.map_or(Ok(()), |group| group.wait_for_sink())
    }

    pub(super) fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for batches for a moment, without sleeping.
    fn look_out(&self) {
        let since = Instant::now();
        while !self.has_batches.load(Acquire) && since.elapsed() < LOOK_OUT {
            hint::spin_loop();
        }
    }

    /// Wakes the thread, unless somebody has done so already.
    fn wake(&self, mut queue: MutexGuard<'_, Queue>) {
        let is_idle = mem::take(&mut queue.is_idle);
        drop(queue);
        if is_idle {
            self.wake.notify_one();
        }
    }
}

impl Queue {
    fn refuse_if_unfit(&self) -> Result<(), JournalError> {
        if self.is_closing || self.is_closed {
            return Err(JournalError::Closed);
        }
        match &self.unavailable {
            Some(reason) => Err(JournalError::Unavailable { reason: Arc::clone(reason) }),
            None => Ok(()),
        }
    }

    /// Why nothing is taken, for people.
    fn refusal(&self) -> Option<Arc<str>> {
        if self.is_closing || self.is_closed {
            return Some("the journal is closed".into());
        }
        self.unavailable.clone()
    }

    /// Seqs that were given out are not given again, so that nobody can mistake a new batch for
    /// one that was lost.
    fn drop_everything(&mut self) -> Vec<Arc<Group>> {
        self.batches.clear();
        self.bytes = 0;
        let mut waiting = mem::take(&mut self.rotations);
        waiting.push(mem::take(&mut self.group));
        waiting.extend(self.in_flight.clone());
        waiting
    }
}
