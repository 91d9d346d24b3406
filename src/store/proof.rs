//! What a start takes on trust until the keeper has compared it.
//!
//! After a stop in good order a store is open before everything is compared (`stopped.rs`). The keeper
//! compares at once (`proving.rs`). Meanwhile reads go on, and whoever wants to write waits in
//! [`Proof::wait`]: nothing is written on the strength of what may be wrong. Whose thread others share awaits
//! a [`Comparison`] before he comes to that, which keeps nothing of the store from being closed. Who can write
//! later asks [`Proof::is_awaited`] first, since readers may stand in line behind it. If it was wrong,
//! [`Proof::doubt`] tells every session that is open: what it has read counts no more, and it opens anew.
//!
//! Whoever closes the store does not wait for the comparison: after [`Proof::give_up`] the keeper leaves off
//! at the next record, and whoever waits to write is refused, as is everybody in this run from then on. So
//! the files are as the start found them, and the next start compares everything before it opens.

use std::mem;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::StoreError;
use crate::journal::JournalError;

/// Whether everything that can be read was compared.
#[derive(Debug, Default)]
pub(super) struct Proof {
    state: Mutex<State>,
    ended: Condvar,
    doubts: AtomicU64,
}

/// A comparison that is under way. It comes true when it has ended, whatever came of it.
#[derive(Debug, Clone)]
pub struct Comparison(Arc<Proof>);

#[derive(Debug, Default)]
struct State {
    standing: Standing,
    wakers: Vec<Waker>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Standing {
    /// The start compared everything itself.
    #[default]
    Given,
    Awaited,
    /// It is known by now, whatever came of it.
    Settled,
    /// It will not be known in this run.
    GivenUp,
}

impl Proof {
    /// Lets writers wait from now on.
    pub(super) fn begin(&self) {
        self.state().standing = Standing::Awaited;
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.state().standing == Standing::Awaited
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.state().standing == Standing::GivenUp
    }

    /// Whether a start took something on trust.
    #[cfg(test)]
    pub(super) fn was_awaited(&self) -> bool {
        self.state().standing != Standing::Given
    }

    pub(super) fn settle(&self) {
        self.end(Standing::Settled);
    }

    /// Refuses whoever waits, and lets the keeper leave off. What is known already stays known.
    pub(super) fn give_up(&self) {
        self.end(Standing::GivenUp);
    }

    fn end(&self, standing: Standing) {
        let wakers = {
            let mut state = self.state();
            if state.standing != Standing::Awaited {
                return;
            }
            state.standing = standing;
            mem::take(&mut state.wakers)
        };
        self.ended.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Returns once it is known, and fails if it was given up. Blocks the thread for as long as all files take
    /// to be read, so it must not be called on an HTTP worker, and never by the keeper.
    pub(super) fn wait(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        while state.standing == Standing::Awaited {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.standing == Standing::GivenUp { Err(JournalError::Closed.into()) } else { Ok(()) }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.standing != Standing::Awaited {
            return Poll::Ready(());
        }
        // An actor polls it with every message that comes.
        if !state.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            state.wakers.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// How often it turned out that something else was read than the journal says.
    pub(super) fn doubts(&self) -> u64 {
        self.doubts.load(Acquire)
    }

    pub(super) fn doubt(&self) {
        self.doubts.fetch_add(1, AcqRel);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Comparison {
    /// Nothing unless one is under way.
    pub(super) fn of(proof: &Arc<Proof>) -> Option<Self> {
        proof.is_awaited().then(|| Self(Arc::clone(proof)))
    }

    /// Leaves it off where it is, because the store is about to be closed: from now on nothing is written. What
    /// is known already stays known.
    pub fn give_up(&self) {
        self.0.give_up();
    }
}

impl Future for Comparison {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;
    use std::thread;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, AcqRel);
        }
    }

    #[test]
    fn who_writes_waits_until_it_is_known() {
        let proof = Arc::new(Proof::default());
        proof.wait().unwrap();
        proof.begin();
        let waiting = thread::spawn({
            let proof = Arc::clone(&proof);
            move || {
                proof.wait().unwrap();
                proof.doubts()
            }
        });
        proof.doubt();

        proof.settle();

        assert_eq!(waiting.join().unwrap(), 1);
        assert!(proof.was_awaited() && !proof.is_awaited());
    }

    #[test]
    fn who_waits_is_refused_when_it_is_given_up_and_nobody_writes_after_that() {
        let proof = Arc::new(Proof::default());
        proof.begin();
        let waiting = thread::spawn({
            let proof = Arc::clone(&proof);
            move || proof.wait()
        });

        proof.give_up();

        assert!(matches!(waiting.join().unwrap(), Err(StoreError::Unavailable { .. })));
        proof.settle();
        assert!(proof.is_given_up() && proof.wait().is_err());
    }

    #[test]
    fn who_awaits_it_is_woken_once_however_it_ends() {
        for end in [Proof::settle, Proof::give_up] {
            let proof = Arc::new(Proof::default());
            assert!(Comparison::of(&proof).is_none());
            proof.begin();
            let mut comparison = Comparison::of(&proof).unwrap();
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            let mut context = Context::from_waker(&waker);
            let mut poll = || Pin::new(&mut comparison).poll(&mut context);
            assert!(poll().is_pending() && poll().is_pending());

            end(&proof);

            assert!(poll().is_ready());
            assert_eq!(woken.0.load(Acquire), 1);
        }
    }

    #[test]
    fn what_is_known_is_not_given_up() {
        let proof = Proof::default();
        proof.give_up();
        assert!(proof.wait().is_ok(), "the start compared everything itself");

        proof.begin();
        proof.settle();
        proof.give_up();

        assert!(proof.wait().is_ok() && !proof.is_given_up());
    }
}
