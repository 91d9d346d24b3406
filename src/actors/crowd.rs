//! Which sessions are awake, so that many users at once hold no more memory than few.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many are awake. For one more another one sleeps: one of a hundred memories takes some 300 KB, and wakes in two
/// milliseconds.
const MANY: usize = if cfg!(test) { 4 } else { 128 };
/// Who was called since then stays awake all the same.
const QUIET: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 1 });

/// The sessions that are awake, in the order in which they woke. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Crowd<T>(Arc<Mutex<VecDeque<Seat<T>>>>);

/// What is known of one session.
#[derive(Debug, Clone)]
pub(super) struct Seat<T> {
    session: T,
    /// When it was called last: milliseconds since the first of all.
    called: Arc<AtomicU64>,
}

impl<T> Default for Crowd<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Crowd<T> {
    /// Counts a session that has woken. Returns the one that should sleep instead, if there is one that was quiet: each
    /// is passed over once for having been called (the clock algorithm of F. J. Corbató, 1968).
    pub(super) fn enter(&self, seat: &Seat<T>) -> Option<T> {
        seat.note_call();
        self.enter_at(seat, now(), QUIET)
    }

    /// Counts it no more.
    pub(super) fn leave(&self, seat: &Seat<T>) {
        self.seats().retain(|one| !one.is(seat));
    }

    fn enter_at(&self, seat: &Seat<T>, now: u64, quiet: Duration) -> Option<T> {
        let mut seats = self.seats();
        seats.retain(|one| !one.is(seat));
        seats.push_back(seat.clone());
        if seats.len() <= MANY {
            return None;
        }
        for _ in 1..seats.len() {
            let first = seats.pop_front()?;
            if u128::from(now.saturating_sub(first.last_call())) >= quiet.as_millis() {
                return Some(first.session);
            }
            seats.push_back(first);
        }
        None
    }

    fn seats(&self) -> MutexGuard<'_, VecDeque<Seat<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Seat<T> {
    pub(super) fn of(session: T) -> Self {
        Self { session, called: Arc::default() }
    }

    pub(super) fn note_call(&self) {
        self.called.store(now(), Ordering::Relaxed);
    }

    fn last_call(&self) -> u64 {
        self.called.load(Ordering::Relaxed)
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.called, &other.called)
    }
}

fn now() -> u64 {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(FIRST.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called_at(session: usize, at: u64) -> Seat<usize> {
        Seat { session, called: Arc::new(AtomicU64::new(at)) }
    }

    fn enter(crowd: &Crowd<usize>, seat: &Seat<usize>, now: u64) -> Option<usize> {
        crowd.enter_at(seat, now, Duration::from_secs(1))
    }

    #[test]
    fn for_one_more_the_first_that_was_quiet_sleeps() {
        let crowd = Crowd::default();
        let seats: Vec<_> = (0..MANY).map(|session| called_at(session, 1_000)).collect();
        assert!(seats.iter().all(|seat| enter(&crowd, seat, 1_000).is_none()));
        // One that is awake counts once.
        assert_eq!(enter(&crowd, &seats[0], 1_500), None);

        seats[1].called.store(5_000, Ordering::Relaxed);
        assert_eq!(enter(&crowd, &called_at(1_000, 5_000), 5_000), Some(2));
        assert_eq!(enter(&crowd, &called_at(1_001, 5_000), 5_000), Some(3));

        crowd.leave(&seats[0]);
        assert_eq!(enter(&crowd, &called_at(1_002, 5_000), 5_000), None);
        // What is left of the first was called just now, like all that came.
        assert_eq!(enter(&crowd, &called_at(1_003, 5_000), 5_000), None);
    }

    #[test]
    fn nobody_sleeps_who_was_called_just_now() {
        let crowd = Crowd::default();
        let seats: Vec<_> = (0..2 * MANY).map(|session| called_at(session, 1_000)).collect();
        assert!(seats.iter().all(|seat| enter(&crowd, seat, 1_999).is_none()));

        assert!(enter(&crowd, &called_at(1_000, 2_000), 2_000).is_some());
    }
}
