//! How many sessions are awake, so that many at once hold no more memory than they need.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Of more sessions than this, those sleep that nobody called for a minute. One of a hundred memories takes some 250 KB
/// and wakes in two milliseconds.
const MANY: usize = 256;
const QUIET: Duration = Duration::from_secs(60);

/// Counts the sessions that are awake, as of when each of them last looked after itself. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Crowd(Arc<AtomicUsize>);

/// One that is counted, until it is dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Crowd {
    pub(super) fn count(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(&self.0))
    }

    /// After how long without a call a session sleeps that would have so long by itself.
    pub(super) fn patience(&self, idle: Duration) -> Duration {
        if self.0.load(Ordering::Relaxed) > MANY { idle.min(QUIET) } else { idle }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_sessions_each_sleeps_sooner() {
        const HOUR: Duration = Duration::from_secs(3_600);
        let crowd = Crowd::default();
        let mut counted: Vec<Counted> = (0..MANY).map(|_| crowd.count()).collect();
        assert_eq!(crowd.patience(HOUR), HOUR);

        counted.push(crowd.clone().count());
        assert_eq!(crowd.patience(HOUR), QUIET);
        assert_eq!(crowd.patience(Duration::from_secs(5)), Duration::from_secs(5));

        counted.pop();
        assert_eq!(crowd.patience(HOUR), HOUR);
    }
}
