//! How often one client may ask, and how often it may be wrong.

mod mistakes;
mod stamps;
mod table;
mod windows;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context};

use table::Table;

/// How often what is old is looked for.
const TIDY_EVERY: Duration = Duration::from_secs(10);

/// Clients that are looked at while requests may wait for it: a millisecond.
const PORTION: usize = 8 * 1024;

/// Between two portions, so that whoever waits has his turn.
const PAUSE: Duration = Duration::from_millis(5);

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

/// A handle to the limiter. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Limiter {
    table: Arc<Table>,
}

impl Limiter {
    /// Starts the limiter on this thread, for others to count at; none if nothing is limited.
    #[must_use]
    pub fn start(quotas: Quotas) -> Option<Self> {
        let table = Arc::new(Table::new(quotas)?);
        RateLimiter { table: Arc::clone(&table) }.start();
        Some(Self { table })
    }

    /// Counts a request, and the failure of its credential.
    ///
    /// Who brings no valid credential has places of his own: however many such requests come from
    /// an address, those with a valid credential are not refused for them, nor for the wrong ones
    /// of others. Of the wrong ones, `failures.limit` different ones learn that they are wrong;
    /// how often anybody may guess is bounded by `requests`.
    #[must_use]
    pub fn check(&self, client: ClientKey, attempt: Attempt) -> Checked {
        self.table.check(client, attempt, 1)
    }

    /// Counts the failure of a credential that was found out after the request had taken its place.
    #[must_use]
    pub fn check_failure(&self, client: ClientKey, mistake: Mistake) -> Checked {
        self.table.check(client, Attempt::Failed(mistake), 0)
    }

    /// Counts what else a request with a valid credential stands for: all of it, or nothing if that
    /// is more than is left.
    #[must_use]
    pub fn check_further(&self, client: ClientKey, count: usize) -> Checked {
        self.table.check(client, Attempt::Passed, count)
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

/// What a table of so many entries is to be shrunk to, if that is worth the work.
fn shrunk(entries: usize, capacity: usize) -> Option<usize> {
    let needed = entries.saturating_mul(2).max(SMALL_TABLE);
    (capacity / 2 > needed).then_some(needed)
}

/// Owns the windows of all clients. Those who count read and write them on their own threads; it
/// forgets what has left them, and keeps their memory small.
#[derive(Debug)]
struct RateLimiter {
    table: Arc<Table>,
}

impl RateLimiter {
    fn tidy(&mut self, ctx: &mut Context<Self>) {
        if self.table.tidy() {
            ctx.run_later(PAUSE, Self::tidy);
        }
    }
}

impl Actor for RateLimiter {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TIDY_EVERY, Self::tidy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::thread;

    pub(super) fn quota(limit: u32, window_ms: u64) -> Quota {
        Quota { limit, window: Duration::from_millis(window_ms) }
    }

    pub(super) fn client(n: u32) -> ClientKey {
        ClientKey::of(IpAddr::V4(Ipv4Addr::from_bits(n)))
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

        let threads: Vec<_> = (0..10)
            .map(|_| {
                let limiter = limiter.clone();
                let passes = move || limiter.check(client(1), Attempt::Passed).requests.unwrap();
                thread::spawn(move || (0..100).filter(|_| passes().allowed).count())
            })
            .collect();
        let passed: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();

        assert_eq!(passed, 100);
    }

    #[actix_web::test]
    async fn what_a_request_stands_for_counts_as_so_many() {
        let quotas = Quotas { requests: quota(10, 60_000), failures: quota(0, 60_000) };
        let limiter = Limiter::start(quotas).unwrap();
        let further = |count| {
            let verdict = limiter.check_further(client(1), count).requests.unwrap();
            (verdict.allowed, verdict.remaining)
        };

        assert_eq!(further(4), (true, 6));
        assert_eq!(further(7), (false, 6));
        assert_eq!(further(6), (true, 0));
    }

    #[actix_web::test]
    async fn a_failure_can_be_counted_without_another_place() {
        let quotas = Quotas { requests: quota(1, 60_000), failures: quota(1, 60_000) };
        let limiter = Limiter::start(quotas).unwrap();
        let fail = |mistake| limiter.check_failure(client(1), Mistake(mistake));

        assert!(limiter.check(client(1), Attempt::Absent).requests.unwrap().allowed);
        let first = fail(1);
        assert!(first.requests.unwrap().allowed && first.attempts.unwrap().allowed);
        let second = fail(2);
        assert!(second.requests.unwrap().allowed && !second.attempts.unwrap().allowed);
    }

    #[test]
    fn nothing_limited_needs_no_limiter() {
        let quotas = Quotas { requests: quota(0, 60_000), failures: quota(0, 60_000) };

        assert!(Limiter::start(quotas).is_none());
    }
}
