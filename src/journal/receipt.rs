use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::JournalError;

/// Comes true when a batch is on disk and visible. It can be awaited or waited for.
///
/// Dropping it does not take the batch back.
#[derive(Debug)]
pub struct GroupReceipt {
    group: Arc<Group>,
    /// Where this receipt's waker stands in the group, so that polling twice does not add two.
    place: Option<usize>,
}

/// All batches that share one `fdatasync`, and therefore one outcome.
#[derive(Default)]
pub(super) struct Group {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    wakers: Vec<Waker>,
    /// Threads in [`Receipt::wait`]; nobody is notified when there are none.
    sleepers: usize,
}

/// What became of a group. The reason is shared, not copied, among all who waited.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Durable,
    Failed(Arc<str>),
    Closed,
}

impl GroupReceipt {
    /// Blocks the thread. Never call it on a thread that serves others meanwhile.
    pub fn wait(self) -> Result<(), JournalError> {
        let mut state = self.group.lock();
        state.sleepers += 1;
        loop {
            if let Some(outcome) = &state.outcome {
                return outcome.clone().into();
            }
            state = self.group.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What became of the batch, if that is known.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<(), JournalError>> {
        self.group.lock().outcome.clone().map(Into::into)
    }

    /// Another receipt for the same batch.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::new(&self.group)
    }

    /// Whether another batch is in the same group, and shares its outcome.
    #[must_use]
    pub fn shares_outcome(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.group, &other.group)
    }

    pub(super) fn new(group: &Arc<Group>) -> Self {
        Self { group: Arc::clone(group), place: None }
    }

    /// For a batch without operations.
    pub(crate) fn granted() -> Self {
        let group = Group::default();
        group.settle(Outcome::Durable);
        Self::new(&Arc::new(group))
    }
}

impl Future for GroupReceipt {
    type Output = Result<(), JournalError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let receipt = self.get_mut();
        let mut state = receipt.group.lock();
        if let Some(outcome) = &state.outcome {
            return Poll::Ready(outcome.clone().into());
        }
        match receipt.place.and_then(|place| state.wakers.get_mut(place)) {
            Some(waker) => waker.clone_from(context.waker()),
            None => {
                receipt.place = Some(state.wakers.len());
                state.wakers.push(context.waker().clone());
            }
        }
        Poll::Pending
    }
}

impl Group {
    /// Tells everyone at once. Only the first outcome counts.
    pub(super) fn settle(&self, outcome: Outcome) {
        let (wakers, sleepers) = {
            let mut state = self.lock();
            if state.outcome.is_some() {
                return;
            }
            state.outcome = Some(outcome);
            (std::mem::take(&mut state.wakers), state.sleepers)
        };
        if sleepers > 0 {
            self.done.notify_all();
        }
        for waker in wakers {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").finish_non_exhaustive()
    }
}

impl From<Outcome> for Result<(), JournalError> {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Durable => Ok(()),
            Outcome::Failed(reason) => Err(JournalError::Unavailable { reason }),
            Outcome::Closed => Err(JournalError::Closed),
        }
    }
}
