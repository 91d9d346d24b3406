use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{ClientKey, MAX_WINDOW, Quota, Verdict};

/// A flood from forged or rented addresses must not fill the memory: beyond this many clients
/// within one window, new ones are refused.
const MAX_CLIENTS: usize = 100_000;

/// Moments kept over all clients of one quota, 4 bytes each. Long limits leave room for fewer
/// clients.
const MAX_STAMPS: usize = 8 * 1024 * 1024;

/// Even a very long limit leaves room for a household.
const MIN_CLIENTS: usize = 256;

/// One quota's sliding windows, exact to the millisecond.
#[derive(Debug)]
pub(super) struct Windows {
    limit: usize,
    window_ms: u32,
    max_clients: usize,
    clients: HashMap<ClientKey, Taken>,
    /// Every client by the moment of its last place, oldest first.
    by_age: BTreeSet<(u64, ClientKey)>,
}

/// The places that one client has taken.
#[derive(Debug, Default)]
struct Taken {
    /// The low 32 bits of each moment, oldest first.
    stamps: VecDeque<u32>,
    last: u64,
}

impl Windows {
    pub(super) fn new(quota: Quota) -> Self {
        let window_ms = quota.window.min(MAX_WINDOW).as_millis().max(1);
        let limit = usize::try_from(quota.limit).unwrap_or(usize::MAX).max(1);
        Self {
            limit,
            window_ms: u32::try_from(window_ms).unwrap_or(u32::MAX),
            max_clients: (MAX_STAMPS / limit).clamp(MIN_CLIENTS, MAX_CLIENTS),
            clients: HashMap::new(),
            by_age: BTreeSet::new(),
        }
    }

    /// Takes a place if one is free.
    pub(super) fn take(&mut self, client: ClientKey, now: u64) -> Verdict {
        if !self.clients.contains_key(&client) && !self.has_room(now) {
            return self.full_house(now);
        }
        let (limit, window_ms) = (self.limit, self.window_ms);
        let taken = self.clients.entry(client).or_default();
        taken.forget(low_bits(now), window_ms);
        let allowed = taken.stamps.len() < limit;
        if allowed {
            self.by_age.remove(&(taken.last, client));
            self.by_age.insert((now, client));
            taken.last = now;
            taken.stamps.push_back(low_bits(now));
        }
        taken.verdict(allowed, limit, window_ms, now)
    }

    /// Drops every client that has been idle for a whole window.
    pub(super) fn sweep(&mut self, now: u64) {
        while let Some(&(last, client)) = self.by_age.first() {
            if now.saturating_sub(last) < u64::from(self.window_ms) {
                break;
            }
            self.by_age.pop_first();
            self.clients.remove(&client);
        }
    }

    fn has_room(&mut self, now: u64) -> bool {
        if self.clients.len() >= self.max_clients {
            self.sweep(now);
        }
        self.clients.len() < self.max_clients
    }

    /// Refuses a newcomer for as long as no known client can have become idle.
    fn full_house(&self, now: u64) -> Verdict {
        let oldest = self.by_age.first().map_or(now, |(last, _)| *last);
        let wait = u64::from(self.window_ms).saturating_sub(now.saturating_sub(oldest));
        let limit = u32::try_from(self.limit).unwrap_or(u32::MAX);
        let seconds = wait.div_ceil(1000).max(1);
        Verdict { allowed: false, limit, remaining: 0, retry_after: seconds, reset: seconds }
    }
}

impl Taken {
    fn forget(&mut self, now: u32, window_ms: u32) {
        while self.stamps.front().is_some_and(|stamp| now.wrapping_sub(*stamp) >= window_ms) {
            self.stamps.pop_front();
        }
    }

    fn verdict(&self, allowed: bool, limit: usize, window_ms: u32, now: u64) -> Verdict {
        let age = self.stamps.front().map_or(0, |stamp| low_bits(now).wrapping_sub(*stamp));
        let reset = u64::from(window_ms.saturating_sub(age)).div_ceil(1000);
        Verdict {
            allowed,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            remaining: u32::try_from(limit - self.stamps.len()).unwrap_or(u32::MAX),
            retry_after: if allowed { 0 } else { reset.max(1) },
            reset,
        }
    }
}

fn low_bits(now: u64) -> u32 {
    u32::try_from(now & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{client, quota};
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut windows = Windows::new(quota(3, 1_000));
        // Begins shortly before the 32 bits wrap.
        let start = u64::from(u32::MAX) - 500;
        let mut take = |at: u64| windows.take(client(1), start + at).allowed;

        assert!(take(0) && take(400) && take(900));
        assert!(!take(999), "a fourth within the window");
        assert!(take(1_000), "the first has left");
        assert!(!take(1_399));
        assert!(take(1_400));
    }

    #[test]
    fn no_span_of_one_window_ever_holds_more_than_the_limit() {
        let mut windows = Windows::new(quota(7, 100));
        let mut passed = Vec::new();
        let mut now = 0;
        for step in 0..5_000_u64 {
            now += (step * 7919) % 23;
            if windows.take(client(1), now).allowed {
                passed.push(now);
            }
        }

        assert!(passed.len() > 1_000);
        assert!(passed.windows(8).all(|span| span[7] - span[0] >= 100));
    }

    #[test]
    fn a_verdict_says_what_is_left_and_how_long_to_wait() {
        let mut windows = Windows::new(quota(2, 2_500));

        let first = windows.take(client(1), 0);
        windows.take(client(1), 1_000);
        let refused = windows.take(client(1), 1_100);

        assert_eq!((first.allowed, first.remaining, first.retry_after), (true, 1, 0));
        assert_eq!((refused.allowed, refused.remaining, refused.limit), (false, 0, 2));
        assert_eq!((refused.retry_after, refused.reset), (2, 2));
        assert!(windows.take(client(2), 1_100).allowed, "another client has its own window");
    }

    #[test]
    fn idle_clients_make_room_and_active_ones_do_not() {
        let mut windows = Windows::new(quota(2, 1_000));
        windows.max_clients = 3;
        for n in 0..3 {
            assert!(windows.take(client(n), u64::from(n) * 100).allowed);
        }
        windows.take(client(0), 900);

        let newcomer = windows.take(client(9), 950);
        assert_eq!((newcomer.allowed, newcomer.retry_after), (false, 1));
        assert!(windows.take(client(1), 950).allowed, "known clients go on");

        assert!(windows.take(client(9), 1_200).allowed, "client 2 has been idle for a window");
        assert_eq!(windows.clients.len(), 3);
        windows.sweep(10_000);
        assert!(windows.clients.is_empty() && windows.by_age.is_empty());
    }
}
