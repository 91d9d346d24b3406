use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Long enough that a search a second does not pay for a dead service each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Short enough that a service which came back is used within the minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Keeps a failing embedder from being asked: every failure in a row doubles the pause. After a
/// pause one question goes through as a trial, and the others wait for what comes of it.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Nobody is let through before.
    until: Option<Instant>,
    /// Counts the changes, so that an answer to an older question changes nothing any more.
    epoch: u64,
}

/// Stands for one question that was let through.
#[derive(Debug)]
pub(super) struct Ticket(u64);

impl Breaker {
    /// Lets a question through, or says how long not. `patience` is how long its answer may take:
    /// a trial whose asker went away is forgotten after it.
    pub(super) fn admit(&self, now: Instant, patience: Duration) -> Result<Ticket, Duration> {
        let mut state = self.state();
        if let Some(until) = state.until {
            let left = until.saturating_duration_since(now);
            if !left.is_zero() {
                return Err(left);
            }
            state.until = now.checked_add(patience);
            state.epoch += 1;
        }
        Ok(Ticket(state.epoch))
    }

    /// Notes a failure. Gives the pause if this was the one that began it.
    pub(super) fn failed(&self, ticket: &Ticket, now: Instant) -> Option<Duration> {
        let mut state = self.state();
        if ticket.0 != state.epoch {
            return None;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << state.failures.min(16)).min(LONGEST_PAUSE);
        state.failures = state.failures.saturating_add(1);
        state.until = now.checked_add(pause);
        state.epoch += 1;
        Some(pause)
    }

    /// Notes an answer. Says whether the embedder was away before.
    pub(super) fn answered(&self, ticket: &Ticket) -> bool {
        let mut state = self.state();
        let is_back = ticket.0 == state.epoch && state.until.is_some();
        if is_back {
            *state = State { failures: 0, until: None, epoch: state.epoch + 1 };
        }
        is_back
    }

    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.state().until.is_some_and(|until| until > now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(3);

    #[test]
    fn pauses_double_up_to_a_minute_and_end_with_an_answer() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let ticket = breaker.admit(now, PATIENCE).unwrap();
            let pause = breaker.failed(&ticket, now).unwrap();
            pauses.push(pause.as_secs());
            assert!(breaker.is_open(now));
            assert_eq!(breaker.admit(now, PATIENCE).unwrap_err(), pause);
            now += pause;
        }
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);

        let trial = breaker.admit(now, PATIENCE).unwrap();

        assert!(breaker.answered(&trial));
        assert!(!breaker.is_open(now));
        let ticket = breaker.admit(now, PATIENCE).unwrap();
        assert_eq!(breaker.failed(&ticket, now), Some(FIRST_PAUSE), "it starts anew");
    }

    #[test]
    fn many_failures_at_once_count_as_one() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let tickets: Vec<_> = (0..5).map(|_| breaker.admit(now, PATIENCE).unwrap()).collect();

        let pauses = tickets.iter().filter_map(|ticket| breaker.failed(ticket, now));

        assert_eq!(pauses.collect::<Vec<_>>(), [FIRST_PAUSE]);
    }

    #[test]
    fn a_trial_goes_alone_and_is_forgotten_when_its_asker_leaves() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let ticket = breaker.admit(now, PATIENCE).unwrap();
        breaker.failed(&ticket, now);
        let later = now + FIRST_PAUSE;

        breaker.admit(later, PATIENCE).unwrap();

        assert_eq!(breaker.admit(later, PATIENCE).unwrap_err(), PATIENCE);
        breaker.admit(later + PATIENCE, PATIENCE).unwrap();
        assert!(!breaker.answered(&ticket), "an answer to an older question proves nothing");
    }
}
