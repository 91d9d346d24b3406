use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Parts of each doubling: a quantile is off by a tenth at most.
const PARTS: usize = 4;

/// Doublings from 1 microsecond on, up to more than a minute; what is longer counts as that.
const DOUBLINGS: usize = 27;

/// An hour: nothing that a client still waits for.
const LONGEST_US: u64 = 3_600_000_000;

/// How long things took, in buckets that grow with what they hold.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: [AtomicU64; PARTS * DOUBLINGS],
    total_us: AtomicU64,
}

impl Histogram {
    pub(super) fn record(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).clamp(1, LONGEST_US);
        if let Some(bucket) = self.buckets.get(bucket_of(us)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.total_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn total(&self) -> Duration {
        Duration::from_micros(self.total_us.load(Ordering::Relaxed))
    }

    /// The time within which this part of all cases lay; the middle of its bucket. 0 if none did.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a rank among fewer than 2^52 cases"
    )]
    pub(super) fn quantile(&self, part: f64) -> Duration {
        let rank = (self.count() as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (position, bucket) in self.buckets.iter().enumerate() {
            seen += bucket.load(Ordering::Relaxed);
            if seen >= rank {
                let middle = u64::midpoint(start_of(position), start_of(position + 1));
                return Duration::from_micros(middle);
            }
        }
        Duration::ZERO
    }

    /// For each doubling its end, and how many cases lay before it.
    pub(super) fn cumulated(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut seen = 0;
        self.buckets.chunks(PARTS).zip(1..).map(move |(parts, doubling)| {
            seen += parts.iter().map(|part| part.load(Ordering::Relaxed)).sum::<u64>();
            (Duration::from_micros(start_of(doubling * PARTS)), seen)
        })
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| AtomicU64::new(0)), total_us: AtomicU64::new(0) }
    }
}

fn bucket_of(us: u64) -> usize {
    let doubling = us.ilog2();
    // How far into its doubling, in quarters. Below 4 us there are fewer whole microseconds.
    let part = ((us - (1 << doubling)) * 4) >> doubling;
    let position = u64::from(doubling) * 4 + part;
    usize::try_from(position).unwrap_or(usize::MAX).min(PARTS * DOUBLINGS - 1)
}

/// The first microsecond of a bucket.
fn start_of(position: usize) -> u64 {
    let (doubling, part) = (position / PARTS, position % PARTS);
    let base = 1_u64 << doubling;
    base + (base * u64::try_from(part).unwrap_or_default()).div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_its_bucket() {
        for us in (1..5_000).chain([60_000_000, 100_000_000]) {
            let position = bucket_of(us);
            assert!(start_of(position) <= us, "{us} us");
            assert!(us < start_of(position + 1), "{us} us");
        }
        assert_eq!(bucket_of(LONGEST_US), PARTS * DOUBLINGS - 1);
    }

    #[test]
    fn quantiles_are_near_the_truth() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);

        (1..=1_000).for_each(|ms| histogram.record(Duration::from_millis(ms)));

        for (part, truth) in [(0.5, 500.0), (0.99, 990.0)] {
            let found = histogram.quantile(part).as_secs_f64() * 1000.0;
            assert!((found / truth - 1.0).abs() < 0.13, "{part}: {found} ms");
        }
        assert_eq!(histogram.cumulated().last().unwrap().1, 1_000);
    }
}
