use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::mistakes::Mistakes;
use super::windows::Windows;
use super::{Attempt, Checked, ClientKey, Mistake, Quota, Quotas, Verdict};

/// The windows of all clients. Their owner is the [`RateLimiter`](super::RateLimiter); who counts a
/// request does it here, on its own thread: to ask another one takes longer than most requests do.
///
/// A lock is taken alone, for the places of one client or for one portion of a sweep. Each kind of
/// place has its own, so that a flood of strangers holds up nobody who has a key.
#[derive(Debug)]
pub(super) struct Table {
    /// Millisecond 0 of all moments. Monotonic, so setting the clock back frees nobody.
    epoch: Instant,
    /// Requests with a valid credential.
    requests: Option<Mutex<Windows>>,
    /// All other requests.
    strangers: Option<Mutex<Windows>>,
    failures: Option<Mutex<Failures>>,
}

/// Wrong credentials, and which of them count no more.
#[derive(Debug)]
struct Failures {
    windows: Windows,
    mistakes: Mistakes,
}

impl Table {
    /// None if nothing is limited.
    pub(super) fn new(quotas: Quotas) -> Option<Self> {
        let windows = |quota: Quota| (quota.limit > 0).then(|| Windows::new(quota));
        let places = || windows(quotas.requests).map(Mutex::new);
        let failures = windows(quotas.failures)
            .map(|windows| Mutex::new(Failures { windows, mistakes: Mistakes::default() }));
        if quotas.requests.limit == 0 && failures.is_none() {
            return None;
        }
        Some(Self { epoch: Instant::now(), requests: places(), strangers: places(), failures })
    }

    /// Counts a request as so many, and the failure of its credential.
    pub(super) fn check(&self, client: ClientKey, attempt: Attempt, count: usize) -> Checked {
        self.check_at(client, attempt, count, || self.now())
    }

    /// The moment is read under the lock: within one client's places moments never go back.
    fn check_at(
        &self,
        client: ClientKey,
        attempt: Attempt,
        count: usize,
        now: impl Fn() -> u64,
    ) -> Checked {
        let places = match attempt {
            Attempt::Passed => self.requests.as_ref(),
            Attempt::Absent | Attempt::Failed(_) => self.strangers.as_ref(),
        };
        let requests = places.map(|windows| {
            let mut windows = lock(windows);
            windows.take(client, count, now())
        });
        let is_refused = requests.is_some_and(|verdict| !verdict.allowed);
        let attempts = match attempt {
            Attempt::Failed(mistake) if !is_refused => {
                self.failures.as_ref().and_then(|failures| {
                    let mut failures = lock(failures);
                    failures.count(client, mistake, now())
                })
            }
            Attempt::Absent | Attempt::Passed | Attempt::Failed(_) => None,
        };
        Checked { requests, attempts }
    }

    /// Forgets a portion of what is old, and gives back what the tables do not need any more. Gives
    /// whether there may be more of it.
    pub(super) fn tidy(&self) -> bool {
        self.tidy_at(self.now())
    }

    fn tidy_at(&self, now: u64) -> bool {
        let mut has_more = false;
        for windows in [&self.requests, &self.strangers].into_iter().flatten() {
            has_more |= lock(windows).tidy(now);
        }
        if let Some(failures) = &self.failures {
            let mut failures = lock(failures);
            has_more |= failures.windows.tidy(now);
            has_more |= failures.mistakes.tidy(now);
        }
        has_more
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Failures {
    /// Counts a wrong credential, unless the client brought the same one just before.
    fn count(&mut self, client: ClientKey, mistake: Mistake, now: u64) -> Option<Verdict> {
        if self.mistakes.has(client, mistake, now) {
            return None;
        }
        let verdict = self.windows.take(client, 1, now);
        if verdict.allowed {
            self.mistakes.remember(client, mistake, now);
        }
        Some(verdict)
    }
}

fn lock<T>(guarded: &Mutex<T>) -> MutexGuard<'_, T> {
    guarded.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::PORTION;
    use super::super::tests::{client, quota};
    use super::*;
    use std::thread;

    fn table(requests: Quota, failures: Quota) -> Table {
        Table::new(Quotas { requests, failures }).unwrap()
    }

    fn failed(n: u64) -> Attempt {
        Attempt::Failed(Mistake(n))
    }

    fn check(table: &Table, n: u32, attempt: Attempt, now: u64) -> Checked {
        table.check_at(client(n), attempt, 1, || now)
    }

    #[test]
    fn places_that_many_threads_take_several_at_a_time_are_as_many_as_there_are() {
        let table = table(quota(100, 600_000), quota(0, 1));
        let is_passed =
            |count| table.check(client(1), Attempt::Absent, count).requests.unwrap().allowed;
        let passed_at_once = |count| {
            let passed = || (0..125).filter(|_| is_passed(count)).count();
            thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(passed)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
            })
        };

        assert_eq!(passed_at_once(3), 33);
        assert_eq!(passed_at_once(1), 1, "the hundredth");
        assert_eq!(passed_at_once(1), 0);
    }

    #[test]
    fn the_same_mistake_on_many_threads_counts_once() {
        let table = table(quota(0, 1), quota(5, 600_000));
        let count = || table.check(client(1), failed(7), 1).attempts;

        let told: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(count)).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });

        assert_eq!(told.len(), 1);
        assert_eq!((told[0].allowed, told[0].remaining), (true, 4));
    }

    #[test]
    fn a_moment_is_read_while_nobody_else_can_count() {
        let table = table(quota(5, 600_000), quota(5, 600_000));
        let is_alone = || {
            let is_held = table.strangers.as_ref().unwrap().try_lock().is_err()
                || table.failures.as_ref().unwrap().try_lock().is_err();
            assert!(is_held);
            0
        };

        table.check_at(client(1), failed(7), 1, is_alone);
    }

    #[test]
    fn where_nothing_can_be_refused_nothing_is_counted() {
        let table = table(quota(0, 1), quota(5, 600_000));
        let _held = table.failures.as_ref().unwrap().lock().unwrap();

        let checked =
            [Attempt::Passed, Attempt::Absent].map(|attempt| check(&table, 1, attempt, 0));

        assert!(checked.iter().all(|told| told.requests.is_none() && told.attempts.is_none()));
    }

    #[test]
    fn a_credential_that_verifies_is_never_refused_for_the_failures_of_others() {
        let table = table(quota(100, 60_000), quota(2, 60_000));
        let attempts = |attempt| check(&table, 1, attempt, 0).attempts;

        assert!(attempts(failed(1)).unwrap().allowed);
        assert!(attempts(failed(2)).unwrap().allowed);
        assert!(!attempts(failed(3)).unwrap().allowed);
        assert!(attempts(Attempt::Passed).is_none());
        assert!(attempts(Attempt::Absent).is_none());
        let later = check(&table, 1, failed(3), 60_000);
        assert!(later.attempts.unwrap().allowed && later.requests.unwrap().remaining == 99);
    }

    #[test]
    fn requests_without_a_valid_credential_use_up_places_of_their_own() {
        let table = table(quota(2, 60_000), quota(9, 60_000));
        let passes = |attempt| check(&table, 1, attempt, 0).requests.unwrap().allowed;

        assert!(passes(Attempt::Absent) && passes(failed(1)));
        assert!(!passes(Attempt::Absent) && !passes(failed(2)));
        assert!(passes(Attempt::Passed) && passes(Attempt::Passed));
        assert!(!passes(Attempt::Passed));
    }

    #[test]
    fn the_same_wrong_credential_counts_once_a_minute() {
        let table = table(quota(0, 1), quota(2, 600_000));
        let fail = |n, mistake, now| check(&table, n, failed(mistake), now).attempts;

        assert_eq!(fail(1, 7, 0).unwrap().remaining, 1);
        assert!((1..60).all(|second| fail(1, 7, second * 1_000).is_none()));
        assert_eq!(fail(2, 7, 59_000).unwrap().remaining, 1, "another client's own mistake");
        assert_eq!(fail(1, 7, 60_000).unwrap().remaining, 0);
        assert!(!fail(1, 8, 60_001).unwrap().allowed);
        assert!(!fail(1, 8, 60_002).unwrap().allowed, "what was refused is not remembered");
        let mut failures = table.failures.as_ref().unwrap().lock().unwrap();
        failures.mistakes.tidy(1_000_000);
        assert!(failures.mistakes.is_empty());
    }

    #[test]
    fn what_is_old_is_forgotten_in_portions() {
        let table = table(quota(9, 60_000), quota(9, 60_000));
        let clients = 2 * u32::try_from(PORTION).unwrap();
        for n in 0..clients {
            check(&table, n, Attempt::Passed, 0);
            check(&table, n, failed(7), 0);
        }

        assert!(!table.tidy_at(59_999), "nothing is old");
        let portions = std::iter::repeat_with(|| table.tidy_at(60_000)).take_while(|more| *more);

        assert!(portions.count() >= 2);
        let windows = [&table.requests, &table.strangers].map(|kept| lock(kept.as_ref().unwrap()));
        assert!(windows.iter().all(|windows| windows.is_empty()));
        let failures = lock(table.failures.as_ref().unwrap());
        assert!(failures.windows.is_empty() && failures.mistakes.is_empty());
    }
}
