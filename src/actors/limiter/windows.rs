use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use super::stamps::Stamps;
use super::{ClientKey, MAX_WINDOW, PORTION, Quota, Verdict, shrunk};

/// A flood from forged or rented addresses must not fill the memory: beyond this many clients
/// within one window, new ones are refused.
const MAX_CLIENTS: usize = 100_000;

/// Moments kept over all clients of one quota, 4 bytes each and up to as much again of room to grow:
/// three quotas that are full stay below 64 MiB with everything that belongs to them. Long limits
/// leave room for fewer clients.
const MAX_STAMPS: usize = 2 * 1024 * 1024;

/// Even a very long limit leaves room for a household.
const MIN_CLIENTS: usize = 256;

/// One quota's sliding windows, exact to the millisecond.
#[derive(Debug)]
pub(super) struct Windows {
    limit: usize,
    window_ms: u32,
    max_clients: usize,
    clients: HashMap<ClientKey, Taken>,
    /// Every client once, with a moment at which it took a place. A window later it is looked at, and
    /// put behind the others if it took another place meanwhile, so none is kept for two windows.
    by_age: VecDeque<(u64, ClientKey)>,
}

/// The places that one client has taken.
#[derive(Debug)]
struct Taken {
    /// The low 32 bits of each moment.
    stamps: Stamps,
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
            by_age: VecDeque::new(),
        }
    }

    /// Takes so many places, or none if fewer are free.
    pub(super) fn take(&mut self, client: ClientKey, count: usize, now: u64) -> Verdict {
        if !self.clients.contains_key(&client) && !self.has_room(now) {
            return self.full_house(now);
        }
        let (limit, window_ms) = (self.limit, self.window_ms);
        let taken = match self.clients.entry(client) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(newcomer) => {
                self.by_age.push_back((now, client));
                newcomer.insert(Taken { stamps: Stamps::default(), last: now })
            }
        };
        taken.forget(low_bits(now), window_ms);
        let missing = taken.stamps.len().saturating_add(count).saturating_sub(limit);
        if missing == 0 {
            taken.last = now;
            (0..count).for_each(|_| taken.stamps.push(low_bits(now)));
        }
        taken.verdict(missing, limit, window_ms, now)
    }

    /// Drops clients that have been idle for a whole window, a portion of them, and gives back what
    /// the tables do not need any more. Gives whether there may be more of them.
    pub(super) fn tidy(&mut self, now: u64) -> bool {
        let has_more = (0..PORTION).all(|_| self.sweep_one(now));
        if !has_more && let Some(needed) = shrunk(self.clients.len(), self.clients.capacity()) {
            self.clients.shrink_to(needed);
            self.by_age.shrink_to(needed);
        }
        has_more
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.by_age.is_empty()
    }

    /// Looks at the client that was looked at the longest ago. Gives whether that is a window ago.
    fn sweep_one(&mut self, now: u64) -> bool {
        let window_ms = u64::from(self.window_ms);
        let is_young = |moment: u64| now.saturating_sub(moment) < window_ms;
        let oldest = self.by_age.front().copied().filter(|(moment, _)| !is_young(*moment));
        let Some((_, client)) = oldest else { return false };
        self.by_age.pop_front();
        match self.clients.get(&client).map(|taken| taken.last) {
            Some(last) if is_young(last) => self.by_age.push_back((last, client)),
            _ => drop(self.clients.remove(&client)),
        }
        true
    }

    fn has_room(&mut self, now: u64) -> bool {
        while self.clients.len() >= self.max_clients {
            if !self.sweep_one(now) {
                return false;
            }
        }
        true
    }

    /// Refuses a newcomer for as long as no known client can have become idle.
    fn full_house(&self, now: u64) -> Verdict {
        let oldest = self.by_age.front().map_or(now, |(moment, _)| *moment);
        let wait = u64::from(self.window_ms).saturating_sub(now.saturating_sub(oldest));
        let limit = u32::try_from(self.limit).unwrap_or(u32::MAX);
        let seconds = wait.div_ceil(1000).max(1);
        Verdict { allowed: false, limit, remaining: 0, retry_after: seconds, reset: seconds }
    }
}

impl Taken {
    fn forget(&mut self, now: u32, window_ms: u32) {
        while self.stamps.get(0).is_some_and(|stamp| now.wrapping_sub(stamp) >= window_ms) {
            self.stamps.pop_first();
        }
        self.stamps.settle();
    }

    /// `missing` places were not free; they are when as many of the oldest have left the window.
    fn verdict(&self, missing: usize, limit: usize, window_ms: u32, now: u64) -> Verdict {
        let until_gone = |nth: usize| {
            let age = self.stamps.get(nth).map_or(0, |stamp| low_bits(now).wrapping_sub(stamp));
            u64::from(window_ms.saturating_sub(age)).div_ceil(1000)
        };
        Verdict {
            allowed: missing == 0,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            remaining: u32::try_from(limit.saturating_sub(self.stamps.len())).unwrap_or(u32::MAX),
            retry_after: missing.checked_sub(1).map_or(0, |nth| until_gone(nth).max(1)),
            reset: until_gone(0),
        }
    }
}

fn low_bits(now: u64) -> u32 {
    u32::try_from(now & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::SMALL_TABLE;
    use super::super::tests::{client, quota};
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut windows = Windows::new(quota(3, 1_000));
        // Begins shortly before the 32 bits wrap.
        let start = u64::from(u32::MAX) - 500;
        let mut take = |at: u64| windows.take(client(1), 1, start + at).allowed;

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
            if windows.take(client(1), 1, now).allowed {
                passed.push(now);
            }
        }

        assert!(passed.len() > 1_000);
        assert!(passed.windows(8).all(|span| span[7] - span[0] >= 100));
    }

    #[test]
    fn a_verdict_says_what_is_left_and_how_long_to_wait() {
        let mut windows = Windows::new(quota(2, 2_500));

        let first = windows.take(client(1), 1, 0);
        windows.take(client(1), 1, 1_000);
        let refused = windows.take(client(1), 1, 1_100);

        assert_eq!((first.allowed, first.remaining, first.retry_after), (true, 1, 0));
        assert_eq!((refused.allowed, refused.remaining, refused.limit), (false, 0, 2));
        assert_eq!((refused.retry_after, refused.reset), (2, 2));
        assert!(windows.take(client(2), 1, 1_100).allowed, "another client has its own window");
    }

    #[test]
    fn idle_clients_make_room_and_active_ones_do_not() {
        let mut windows = Windows::new(quota(2, 1_000));
        windows.max_clients = 3;
        for n in 0..3 {
            assert!(windows.take(client(n), 1, u64::from(n) * 100).allowed);
        }
        windows.take(client(0), 1, 900);

        let newcomer = windows.take(client(9), 1, 950);
        assert_eq!((newcomer.allowed, newcomer.retry_after), (false, 1));
        assert!(windows.take(client(1), 1, 950).allowed, "known clients go on");

        assert!(windows.take(client(9), 1, 1_200).allowed, "client 2 has been idle for a window");
        assert_eq!(windows.clients.len(), 3);
        windows.tidy(10_000);
        assert!(windows.is_empty());
    }

    #[test]
    fn several_places_are_taken_together_or_not_at_all() {
        let mut windows = Windows::new(quota(5, 1_000));
        let mut take = |count, now| windows.take(client(1), count, now);

        assert_eq!(take(2, 0).remaining, 3);
        assert_eq!(take(2, 500).remaining, 1);
        let refused = take(3, 600);
        assert_eq!((refused.allowed, refused.remaining, refused.retry_after), (false, 1, 1));
        assert!(take(1, 700).allowed, "nothing was taken by what was refused");
        assert!(take(2, 1_000).allowed, "the first two have left");
        assert!(!take(6, 9_000).allowed, "more than the limit never fit");
        assert!(take(5, 9_000).allowed);
    }

    #[test]
    fn a_million_addresses_fit_into_little_memory_which_comes_back() {
        // 100 is the default limit of requests, 10 that of failures.
        let quotas = [quota(100, 60_000), quota(100, 60_000), quota(10, 60_000)];
        let mut all = quotas.map(Windows::new);
        let mut bytes = 0;
        for windows in &mut all {
            for n in 0..1_000_000 {
                windows.take(client(n), 1, 0);
            }
            let entry = size_of::<(ClientKey, Taken)>() + size_of::<u8>();
            // A table fills seven eighths of its places.
            bytes += windows.clients.capacity() * 8 / 7 * entry;
            bytes += windows.by_age.capacity() * size_of::<(u64, ClientKey)>();
            // As if each had taken all of its places, with room for as many more.
            bytes += windows.max_clients * windows.limit * 4 * 2;
        }
        // What is left of 64 MiB is for the mistakes.
        assert!(bytes < 58 << 20, "{bytes} bytes");

        for windows in &mut all {
            assert!(windows.tidy(60_000), "nobody waits for all of it");
            while windows.tidy(60_000) {}
            assert!(windows.is_empty());
            assert!(windows.clients.capacity() < 4 * SMALL_TABLE, "it is kept");
            assert!(windows.by_age.capacity() < 4 * SMALL_TABLE, "it is kept");
        }
    }
}
