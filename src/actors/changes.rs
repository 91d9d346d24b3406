//! Who listens to what changes of a user's memories, and a count of it: whoever comes back learns whether
//! something was missed.
//!
//! What was submitted is told of by whoever learns first that it is durable: the journal's thread
//! (`followed.rs`), or a caller who is about to be answered. So each is told once, in the order in which they
//! were submitted, and no later than the answer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::broadcast;

use crate::engine::{MemoryChange, Written};
use crate::model::{MemoryId, Timestamp};

/// A subscriber that is further behind than this is told so, and reads everything anew.
const CHANGES: usize = 256;

/// Somebody's memories have changed.
#[derive(Debug, Clone)]
pub struct ChangeNotice {
    pub memories: Arc<[MemoryChange]>,
    /// The program that asked for it, as it names itself; nothing where nobody did.
    pub client: Option<Arc<str>>,
    /// Each is one more than the one before. Another start, or a session that started anew, counts
    /// from elsewhere.
    pub number: u64,
}

impl ChangeNotice {
    #[must_use]
    pub fn ids(&self) -> Vec<MemoryId> {
        self.memories.iter().map(|memory| memory.id).collect()
    }
}

/// Tells of the changes of one session. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Changes {
    /// Made for the first who listens: it takes 16 KB.
    sender: Arc<OnceLock<broadcast::Sender<ChangeNotice>>>,
    last: Arc<AtomicU64>,
    /// What was submitted and is not told of yet, in that order.
    untold: Arc<Mutex<VecDeque<Written>>>,
}

impl Changes {
    /// Counts from the moment at which it begins, so that no two count from the same.
    pub(super) fn begin(now: Timestamp) -> Self {
        let first = u64::try_from(now.0).unwrap_or_default();
        let last = Arc::new(AtomicU64::new(first));
        Self { sender: Arc::default(), last, untold: Arc::default() }
    }

    pub(super) fn has_listeners(&self) -> bool {
        self.sender.get().is_some_and(|sender| sender.receiver_count() > 0)
    }

    /// Notes what was submitted, to be told of once it is durable.
    pub(super) fn note(&self, written: Written) {
        self.untold().push_back(written);
    }

    /// Tells of what is durable by now. What was lost has changed nothing.
    pub(super) fn tell_durable(&self) {
        let mut untold = self.untold();
        while let Some(outcome) = untold.front().and_then(|written| written.receipt.outcome()) {
            if let (Ok(()), Some(written)) = (outcome, untold.pop_front()) {
                self.tell(written.changes, written.client.as_deref());
            }
        }
    }

    pub(super) fn tell(&self, memories: Vec<MemoryChange>, client: Option<&str>) {
        if memories.is_empty() {
            return;
        }
        let number = self.last.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        let Some(sender) = self.sender.get() else { return };
        let (memories, client) = (memories.into(), client.map(Arc::from));
        // Nobody listening is no failure.
        let _ = sender.send(ChangeNotice { memories, client, number });
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<ChangeNotice> {
        self.sender.get_or_init(|| broadcast::channel(CHANGES).0).subscribe()
    }

    /// The number of the last change.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::SeqCst)
    }

    fn untold(&self) -> MutexGuard<'_, VecDeque<Written>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_counted_whether_somebody_listens_or_not() {
        let changes = Changes::begin(Timestamp(1_000));
        let ended = || vec![MemoryChange::ended(MemoryId::LAST)];
        changes.tell(ended(), None);
        changes.tell(Vec::new(), None);
        let mut heard = changes.subscribe();

        changes.tell(ended(), Some("phone"));

        let notice = heard.try_recv().unwrap();
        assert_eq!((notice.number, notice.client.as_deref()), (1_002, Some("phone")));
        assert_eq!(notice.ids(), [MemoryId::LAST]);
        assert_eq!(changes.last(), 1_002);
        assert!(heard.try_recv().is_err());
    }
}
