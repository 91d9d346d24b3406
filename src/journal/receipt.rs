use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::JournalError;

/// Comes true when a batch is on disk. Who awaits it is told at once; who blocks for it, when the sink
/// has seen the batch as well.
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
    /// Known as soon as the disk has answered.
    outcome: Option<Outcome>,
    /// The same, or that the sink was never shown what is on the disk; known when the sink is done.
    end: Option<Outcome>,
    wakers: Vec<Waker>,
    /// Threads that wait for the end; nobody is notified when there are none.
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
    /// Blocks the thread until the sink has seen the batch. Never call it on a thread that serves others
    /// meanwhile.
    pub fn wait(self) -> Result<(), JournalError> {
        self.group.wait_while(|_| true)
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
        group.finish(Outcome::Durable);
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
    /// Tells everyone who awaits it. Only the first outcome counts.
    pub(super) fn settle(&self, outcome: Outcome) {
        let wakers = {
            let mut state = self.lock();
            if state.outcome.is_some() {
                return;
            }
            state.outcome = Some(outcome);
            mem::take(&mut state.wakers)
        };
        // The last first: who follows a session asks before its caller does, who has to answer.
        for waker in wakers.into_iter().rev() {
            waker.wake();
        }
    }

    /// The same, and tells everyone who blocks: nothing more comes of it. Only the first end counts.
    pub(super) fn finish(&self, outcome: Outcome) {
        self.settle(outcome.clone());
        let sleepers = {
            let mut state = self.lock();
            state.end.get_or_insert(outcome);
            state.sleepers
        };
        if sleepers > 0 {
            self.done.notify_all();
        }
    }

    /// Blocks while it is durable and the sink has not seen it. It fails if the sink never will.
    pub(super) fn wait_for_sink(&self) -> Result<(), JournalError> {
        self.wait_while(|state| matches!(state.outcome, Some(Outcome::Durable)))
    }

    fn wait_while(&self, is_awaited: impl Fn(&State) -> bool) -> Result<(), JournalError> {
        let mut state = self.lock();
        state.sleepers += 1;
        while is_awaited(&state) {
            if let Some(end) = &state.end {
                return end.clone().into();
            }
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn group() -> (Arc<Group>, GroupReceipt) {
        let group = Arc::default();
        let receipt = GroupReceipt::new(&group);
        (group, receipt)
    }

    #[test]
    fn who_awaits_is_told_before_the_sink_and_who_blocks_after_it() {
        let (group, receipt) = group();
        assert!(receipt.outcome().is_none());
        assert!(group.wait_for_sink().is_ok(), "nobody was told anything");

        group.settle(Outcome::Durable);

        assert!(matches!(receipt.outcome(), Some(Ok(()))));
        let blocked = thread::spawn(move || receipt.wait());
        assert!(!blocked.is_finished());
        group.finish(Outcome::Durable);
        assert!(blocked.join().unwrap().is_ok());
        assert!(group.wait_for_sink().is_ok());
    }

    #[test]
    fn what_the_sink_never_saw_is_durable_and_cannot_be_read() {
        let (group, receipt) = group();
        group.settle(Outcome::Durable);

        group.finish(Outcome::Closed);

        assert!(matches!(receipt.outcome(), Some(Ok(()))));
        assert!(matches!(receipt.wait(), Err(JournalError::Closed)));
        assert!(matches!(group.wait_for_sink(), Err(JournalError::Closed)));
    }

    #[test]
    fn receipts_of_one_group_share_their_outcome() {
        let (_, one) = group();
        let (_, other) = group();

        assert!(one.shares_outcome(&one.again()));
        assert!(!one.shares_outcome(&other));
    }
}
