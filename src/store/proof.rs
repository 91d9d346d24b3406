//! What a start takes on trust until the keeper has compared it.
//!
//! After a stop in good order a store is open before everything is compared (`stopped.rs`). The keeper
//! compares at once (`proving.rs`). Meanwhile reads go on, and whoever wants to write waits in
//! [`Proof::wait`]: nothing is written on the strength of what may be wrong. Who can write later asks
//! [`Proof::is_awaited`] first, since readers may stand in line behind it. If it was wrong,
//! [`Proof::doubt`] tells every session that is open: what it has read counts no more, and it opens anew.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Whether everything that can be read was compared.
#[derive(Debug, Default)]
pub(super) struct Proof {
    standing: Mutex<Standing>,
    settled: Condvar,
    doubts: AtomicU64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Standing {
    /// The start compared everything itself.
    #[default]
    Given,
    Awaited,
    /// It is known by now, whatever came of it.
    Settled,
}

impl Proof {
    /// Lets writers wait from now on.
    pub(super) fn begin(&self) {
        *self.standing() = Standing::Awaited;
    }

    pub(super) fn is_awaited(&self) -> bool {
        *self.standing() == Standing::Awaited
    }

    /// Whether a start took something on trust.
    #[cfg(test)]
    pub(super) fn was_awaited(&self) -> bool {
        *self.standing() != Standing::Given
    }

    pub(super) fn settle(&self) {
        let mut standing = self.standing();
        if *standing == Standing::Awaited {
            *standing = Standing::Settled;
            self.settled.notify_all();
        }
    }

    /// Returns once it is known. Blocks the thread for as long as all files take to be read, so it must not
    /// be called on an HTTP worker, and never by the keeper.
    pub(super) fn wait(&self) {
        let mut standing = self.standing();
        while *standing == Standing::Awaited {
            standing = self.settled.wait(standing).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How often it turned out that something else was read than the journal says.
    pub(super) fn doubts(&self) -> u64 {
        self.doubts.load(Acquire)
    }

    pub(super) fn doubt(&self) {
        self.doubts.fetch_add(1, AcqRel);
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn who_writes_waits_until_it_is_known() {
        let proof = Arc::new(Proof::default());
        proof.wait();
        proof.begin();
        let waiting = thread::spawn({
            let proof = Arc::clone(&proof);
            move || {
                proof.wait();
                proof.doubts()
            }
        });
        proof.doubt();

        proof.settle();

        assert_eq!(waiting.join().unwrap(), 1);
        assert!(proof.was_awaited() && !proof.is_awaited());
    }
}
