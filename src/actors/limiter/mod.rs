//! How often one client may ask, and how often it may be wrong.

mod mistakes;
mod stamps;
mod windows;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Arbiter, AsyncContext, Context, Handler, Message};

use mistakes::Mistakes;
use windows::Windows;

/// A check takes microseconds, but on a machine that is overrun its thread may wait for seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks that may wait before senders are slowed down.
const MAILBOX: usize = 1024;

/// Moments are kept as 32 bits of milliseconds, which must not wrap within two windows.
pub const MAX_WINDOW: Duration = Duration::from_millis(1 << 30);

/// A table for fewer is not worth the work of making it smaller.
const SMALL_TABLE: usize = 1024;

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
    /// Requests with a valid credential, and apart from them, as many again of all others.
    pub requests: Quota,
    /// Different credentials that turned out to be wrong.
    pub failures: Quota,
}

/// Whom a request counts against: one IPv4 address, or the /64 that one IPv6 client owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientKey(u64);

/// Above the bits of an IPv4 address. As an IPv6 prefix it is one of multicast, from which nobody
/// calls.
const IPV4: u64 = 0xffff_ffff << 32;

/// What came of the credential that a request brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It brought none.
    Absent,
    Passed,
    Failed(Mistake),
}

/// By what a wrong credential is known again: a keyed hash of it, for the credential is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mistake(pub u64);

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
    /// None as well if no credential failed, if the same one just failed before, or if the request
    /// was refused already.
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
    /// Who brings no valid credential has places of his own: however many such requests come from
    /// an address, those with a valid credential are not refused for them, nor for the wrong ones
    /// of others. Of the wrong ones, `failures.limit` different ones learn that they are wrong;
    /// how often anybody may guess is bounded by `requests`.
    pub async fn check(&self, client: ClientKey, attempt: Attempt) -> Result<Checked, Unreachable> {
        self.send(Check { client, attempt, count: 1 }).await
    }

    /// Counts the failure of a credential that was found out after the request had taken its place.
    pub async fn check_failure(
        &self,
        client: ClientKey,
        mistake: Mistake,
    ) -> Result<Checked, Unreachable> {
        self.send(Check { client, attempt: Attempt::Failed(mistake), count: 0 }).await
    }

    /// Counts what else a request with a valid credential stands for: all of it, or nothing if that
    /// is more than is left.
    pub async fn check_further(
        &self,
        client: ClientKey,
        count: usize,
    ) -> Result<Checked, Unreachable> {
        self.send(Check { client, attempt: Attempt::Passed, count }).await
    }

    async fn send(&self, check: Check) -> Result<Checked, Unreachable> {
        self.actor.send(check).timeout(PATIENCE).await.map_err(|_| Unreachable)
    }
}

impl ClientKey {
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(IPV4 | u64::from(v4.to_bits())),
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

#[derive(Debug, Message)]
#[rtype(result = "Checked")]
struct Check {
    client: ClientKey,
    attempt: Attempt,
    /// As how many requests it counts.
    count: usize,
}

/// What a table of so many entries is to be shrunk to, if that is worth the work.
fn shrunk(entries: usize, capacity: usize) -> Option<usize> {
    let needed = entries.saturating_mul(2).max(SMALL_TABLE);
    (capacity / 2 > needed).then_some(needed)
}

/// Counts requests and failed attempts of each client over sliding windows.
#[derive(Debug)]
struct RateLimiter {
    /// Millisecond 0 of all moments. Monotonic, so setting the clock back frees nobody.
    epoch: Instant,
    /// Requests with a valid credential.
    requests: Option<Windows>,
    /// All other requests.
    strangers: Option<Windows>,
    failures: Option<Windows>,
    mistakes: Mistakes,
}

impl RateLimiter {
    fn new(quotas: Quotas) -> Self {
        let windows = |quota: Quota| (quota.limit > 0).then(|| Windows::new(quota));
        Self {
            epoch: Instant::now(),
            requests: windows(quotas.requests),
            strangers: windows(quotas.requests),
            failures: windows(quotas.failures),
            mistakes: Mistakes::default(),
        }
    }

    fn check(&mut self, check: &Check, now: u64) -> Checked {
        let Check { client, attempt, count } = *check;
        let places = match attempt {
            Attempt::Passed => self.requests.as_mut(),
            Attempt::Absent | Attempt::Failed(_) => self.strangers.as_mut(),
        };
        let requests = places.map(|windows| windows.take(client, count, now));
        let is_refused = requests.is_some_and(|verdict| !verdict.allowed);
        let attempts = match attempt {
            Attempt::Failed(mistake) if !is_refused => self.fail(client, mistake, now),
            Attempt::Absent | Attempt::Passed | Attempt::Failed(_) => None,
        };
        Checked { requests, attempts }
    }

    /// Counts a wrong credential, unless the client brought the same one just before.
    fn fail(&mut self, client: ClientKey, mistake: Mistake, now: u64) -> Option<Verdict> {
        let failures = self.failures.as_mut()?;
        if self.mistakes.has(client, mistake, now) {
            return None;
        }
        let verdict = failures.take(client, 1, now);
        if verdict.allowed {
            self.mistakes.remember(client, mistake, now);
        }
        Some(verdict)
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
            limiter.mistakes.tidy(now);
            let windows = [&mut limiter.requests, &mut limiter.strangers, &mut limiter.failures];
            windows.into_iter().flatten().for_each(|windows| windows.tidy(now));
        });
    }
}

impl Handler<Check> for RateLimiter {
    type Result = actix::MessageResult<Check>;

    fn handle(&mut self, check: Check, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult(self.check(&check, self.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    pub(super) fn quota(limit: u32, window_ms: u64) -> Quota {
        Quota { limit, window: Duration::from_millis(window_ms) }
    }

    pub(super) fn client(n: u32) -> ClientKey {
        ClientKey::of(IpAddr::V4(Ipv4Addr::from_bits(n)))
    }

    fn failed(n: u64) -> Attempt {
        Attempt::Failed(Mistake(n))
    }

    fn check(limiter: &mut RateLimiter, n: u32, attempt: Attempt, now: u64) -> Checked {
        limiter.check(&Check { client: client(n), attempt, count: 1 }, now)
    }

    #[test]
    fn a_credential_that_verifies_is_never_refused_for_the_failures_of_others() {
        let quotas = Quotas { requests: quota(100, 60_000), failures: quota(2, 60_000) };
        let mut limiter = RateLimiter::new(quotas);
        let mut attempts = |attempt| check(&mut limiter, 1, attempt, 0).attempts;

        assert!(attempts(failed(1)).unwrap().allowed);
        assert!(attempts(failed(2)).unwrap().allowed);
        assert!(!attempts(failed(3)).unwrap().allowed);
        assert!(attempts(Attempt::Passed).is_none());
        assert!(attempts(Attempt::Absent).is_none());
        let later = check(&mut limiter, 1, failed(3), 60_000);
        assert!(later.attempts.unwrap().allowed && later.requests.unwrap().remaining == 99);
    }

    #[test]
    fn requests_without_a_valid_credential_use_up_places_of_their_own() {
        let quotas = Quotas { requests: quota(2, 60_000), failures: quota(9, 60_000) };
        let mut limiter = RateLimiter::new(quotas);
        let mut passes = |attempt| check(&mut limiter, 1, attempt, 0).requests.unwrap().allowed;

        assert!(passes(Attempt::Absent) && passes(failed(1)));
        assert!(!passes(Attempt::Absent) && !passes(failed(2)));
        assert!(passes(Attempt::Passed) && passes(Attempt::Passed));
        assert!(!passes(Attempt::Passed));
    }

    #[test]
    fn the_same_wrong_credential_counts_once_a_minute() {
        let quotas = Quotas { requests: quota(0, 1), failures: quota(2, 600_000) };
        let mut limiter = RateLimiter::new(quotas);
        let mut fail = |n, mistake, now| check(&mut limiter, n, failed(mistake), now).attempts;

        assert_eq!(fail(1, 7, 0).unwrap().remaining, 1);
        assert!((1..60).all(|second| fail(1, 7, second * 1_000).is_none()));
        assert_eq!(fail(2, 7, 59_000).unwrap().remaining, 1, "another client's own mistake");
        assert_eq!(fail(1, 7, 60_000).unwrap().remaining, 0);
        assert!(!fail(1, 8, 60_001).unwrap().allowed);
        assert!(!fail(1, 8, 60_002).unwrap().allowed, "what was refused is not remembered");
        limiter.mistakes.tidy(1_000_000);
        assert!(limiter.mistakes.is_empty());
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
    async fn what_a_request_stands_for_counts_as_so_many() {
        let quotas = Quotas { requests: quota(10, 60_000), failures: quota(0, 60_000) };
        let limiter = Limiter::start(quotas).unwrap();
        let further = async |count| {
            let checked = limiter.check_further(client(1), count).await.unwrap();
            let verdict = checked.requests.unwrap();
            (verdict.allowed, verdict.remaining)
        };

        assert_eq!(further(4).await, (true, 6));
        assert_eq!(further(7).await, (false, 6));
        assert_eq!(further(6).await, (true, 0));
    }

    #[actix_web::test]
    async fn a_failure_can_be_counted_without_another_place() {
        let quotas = Quotas { requests: quota(1, 60_000), failures: quota(1, 60_000) };
        let limiter = Limiter::start(quotas).unwrap();
        let fail =
            async |mistake| limiter.check_failure(client(1), Mistake(mistake)).await.unwrap();

        assert!(limiter.check(client(1), Attempt::Absent).await.unwrap().requests.unwrap().allowed);
        let first = fail(1).await;
        assert!(first.requests.unwrap().allowed && first.attempts.unwrap().allowed);
        let second = fail(2).await;
        assert!(second.requests.unwrap().allowed && !second.attempts.unwrap().allowed);
    }

    #[actix_web::test]
    async fn nothing_limited_needs_no_actor() {
        let quotas = Quotas { requests: quota(0, 60_000), failures: quota(0, 60_000) };

        assert!(Limiter::start(quotas).is_none());
    }
}
