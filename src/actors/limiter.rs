use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Arbiter, AsyncContext, Context, Handler, Message};

/// A check takes microseconds, but on a machine that is overrun its thread may wait for seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks that may wait before senders are slowed down.
const MAILBOX: usize = 1024;

/// A flood from forged or rented addresses must not fill the memory: beyond this many clients
/// within one window, new ones are refused.
const MAX_CLIENTS: usize = 100_000;

/// Moments kept over all clients, 4 bytes each. Long limits leave room for fewer clients.
const MAX_STAMPS: usize = 16 * 1024 * 1024;

/// Even a very long limit leaves room for a household.
const MIN_CLIENTS: usize = 256;

/// Moments are kept as 32 bits of milliseconds, which must not wrap within two windows.
pub const MAX_WINDOW: Duration = Duration::from_millis(1 << 30);

/// So many, in any span of this length.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// 0 stands for "no limit".
    pub limit: u32,
    /// At most [`MAX_WINDOW`]; what is longer counts as that.
    pub window: Duration,
}

/// What is limited for each client.
#[derive(Debug, Clone, Copy)]
pub struct Quotas {
    pub requests: Quota,
    /// Requests with a credential that turned out to be wrong.
    pub failures: Quota,
}

/// Whom a request counts against: one IPv4 address, or the /64 that one IPv6 client owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(u128);

/// What came of the credential that a request brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It brought none.
    Absent,
    Passed,
    Failed,
}

/// Whether one quota lets a request through, and what is left of it. Times are whole seconds,
/// rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    pub limit: u32,
    pub remaining: u32,
    /// Until the next place is free; 0 if there is one.
    pub retry_after: u64,
    /// Until the oldest counted request leaves the window.
    pub reset: u64,
}

/// The verdicts of both quotas; none where there is no limit.
#[derive(Debug, Clone, Copy)]
pub struct Checked {
    pub requests: Option<Verdict>,
    /// None as well if no credential was brought, or the request was refused already.
    pub attempts: Option<Verdict>,
}

/// The limiter gave no answer.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the rate limiter does not answer")]
pub struct Unreachable;

/// A handle to the limiter. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Limiter {
    actor: Addr<RateLimiter>,
}

impl Limiter {
    /// Starts the limiter on a thread of its own; none if nothing is limited.
    #[must_use]
    pub fn start(quotas: Quotas) -> Option<Self> {
        let limiter = RateLimiter::new(quotas);
        if limiter.requests.is_none() && limiter.failures.is_none() {
            return None;
        }
        let actor = RateLimiter::start_in_arbiter(&Arbiter::new().handle(), |_| limiter);
        Some(Self { actor })
    }

    /// Counts a request, and the failure of its credential.
    ///
    /// The credential is looked at before and counted here, in one step, so that of any number of
    /// simultaneous guesses exactly `failures.limit` learn whether they were right. Above that
    /// limit a good credential is refused too: its acceptance would tell a guesser.
    pub async fn check(&self, client: ClientKey, attempt: Attempt) -> Result<Checked, Unreachable> {
        let checked = self.actor.send(Check { client, attempt }).timeout(PATIENCE).await;
        checked.map_err(|_| Unreachable)
    }
}

impl ClientKey {
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            // The mapped form lies outside of any /64 that a client can own.
            IpAddr::V4(v4) => Self(v4.to_ipv6_mapped().to_bits()),
            IpAddr::V6(v6) => Self(v6.to_bits() & !u128::from(u64::MAX)),
        }
    }
}

#[derive(Debug, Message)]
#[rtype(result = "Checked")]
struct Check {
    client: ClientKey,
    attempt: Attempt,
}

/// Counts requests and failed attempts of each client over sliding windows.
#[derive(Debug)]
struct RateLimiter {
    /// Millisecond 0 of all moments. Monotonic, so setting the clock back frees nobody.
    epoch: Instant,
    requests: Option<Windows>,
    failures: Option<Windows>,
}

impl RateLimiter {
    fn new(quotas: Quotas) -> Self {
        let windows = |quota: Quota| (quota.limit > 0).then(|| Windows::new(quota));
        let (requests, failures) = (windows(quotas.requests), windows(quotas.failures));
        Self { epoch: Instant::now(), requests, failures }
    }

    fn check(&mut self, client: ClientKey, attempt: Attempt, now: u64) -> Checked {
        let requests = self.requests.as_mut().map(|windows| windows.take(client, now));
        let is_refused = requests.is_some_and(|verdict| !verdict.allowed);
        let attempts = match (self.failures.as_mut(), attempt) {
            (Some(windows), Attempt::Passed) if !is_refused => Some(windows.look(client, now)),
            (Some(windows), Attempt::Failed) if !is_refused => Some(windows.take(client, now)),
            _ => None,
        };
        Checked { requests, attempts }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Actor for RateLimiter {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(Duration::from_secs(10), |limiter, _| {
            let now = limiter.now();
            let windows = [limiter.requests.as_mut(), limiter.failures.as_mut()];
            windows.into_iter().flatten().for_each(|windows| windows.sweep(now));
        });
    }
}

impl Handler<Check> for RateLimiter {
    type Result = actix::MessageResult<Check>;

    fn handle(&mut self, check: Check, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult(self.check(check.client, check.attempt, self.now()))
    }
}

/// One quota's sliding windows, exact to the millisecond.
#[derive(Debug)]
struct Windows {
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
    fn new(quota: Quota) -> Self {
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
    fn take(&mut self, client: ClientKey, now: u64) -> Verdict {
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

    /// Says whether a place is free, and takes none.
    fn look(&mut self, client: ClientKey, now: u64) -> Verdict {
        let (limit, window_ms) = (self.limit, self.window_ms);
        match self.clients.get_mut(&client) {
            None => Taken::default().verdict(true, limit, window_ms, now),
            Some(taken) => {
                taken.forget(low_bits(now), window_ms);
                taken.verdict(taken.stamps.len() < limit, limit, window_ms, now)
            }
        }
    }

    /// Drops every client that has been idle for a whole window.
    fn sweep(&mut self, now: u64) {
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
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn quota(limit: u32, window_ms: u64) -> Quota {
        Quota { limit, window: Duration::from_millis(window_ms) }
    }

    fn client(n: u32) -> ClientKey {
        ClientKey::of(IpAddr::V4(Ipv4Addr::from_bits(n)))
    }

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

    #[test]
    fn failures_are_counted_apart_and_shut_out_good_credentials_too() {
        let quotas = Quotas { requests: quota(100, 60_000), failures: quota(2, 60_000) };
        let mut limiter = RateLimiter::new(quotas);
        let mut check = |attempt| limiter.check(client(1), attempt, 0).attempts;

        assert!(check(Attempt::Passed).unwrap().allowed);
        assert!(check(Attempt::Failed).unwrap().allowed);
        assert!(check(Attempt::Failed).unwrap().allowed);
        assert!(!check(Attempt::Failed).unwrap().allowed);
        assert!(!check(Attempt::Passed).unwrap().allowed);
        assert!(check(Attempt::Absent).is_none());
        let later = limiter.check(client(1), Attempt::Passed, 60_000);
        assert!(later.attempts.unwrap().allowed && later.requests.unwrap().remaining == 99);
    }

    #[test]
    fn an_ipv6_client_is_its_64_and_a_mapped_address_is_ipv4() {
        let v6 = |text: &str| ClientKey::of(IpAddr::V6(text.parse::<Ipv6Addr>().unwrap()));

        assert_eq!(v6("2001:db8:1:2::1"), v6("2001:db8:1:2:ffff::2"));
        assert_ne!(v6("2001:db8:1:2::1"), v6("2001:db8:1:3::1"));
        assert_eq!(v6("::ffff:192.0.2.1"), ClientKey::of("192.0.2.1".parse().unwrap()));
        assert_ne!(v6("::ffff:192.0.2.1"), v6("::ffff:192.0.2.2"));
        assert_ne!(v6("::1"), v6("::ffff:0.0.0.1"));
    }

    #[actix_web::test]
    async fn of_a_thousand_at_once_exactly_the_limit_pass() {
        let quotas = Quotas { requests: quota(100, 60_000), failures: quota(0, 60_000) };
        let limiter = Limiter::start(quotas).unwrap();

        let checks: Vec<_> = (0..1_000)
            .map(|_| {
                let limiter = limiter.clone();
                actix_web::rt::spawn(async move {
                    limiter.check(client(1), Attempt::Absent).await.unwrap()
                })
            })
            .collect();
        let mut passed = 0;
        for check in checks {
            passed += u32::from(check.await.unwrap().requests.unwrap().allowed);
        }

        assert_eq!(passed, 100);
    }

    #[actix_web::test]
    async fn nothing_limited_needs_no_actor() {
        let quotas = Quotas { requests: quota(0, 60_000), failures: quota(0, 60_000) };

        assert!(Limiter::start(quotas).is_none());
    }
}
