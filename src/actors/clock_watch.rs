//! Watches the clock, so that nothing is erased for good because it was wrong for a while.
//!
//! Whoever erases what is over asks [`ClockWatch::erasable`], and whoever asks also looks at the clock. What
//! is known of it is kept by the owner of the system's records (`accounts/ledger.rs`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::accounts::last_event;
use crate::model::{Clock, ClockNews, Timestamp, TrustedTime};
use crate::store::{AuditKey, OnlyKey, Store, StoreError};

/// Once nothing is in doubt, what is known of the clock is written again after this long.
const KEEP_EVERY: Duration = Duration::from_secs(3_600);

/// The clock, and how far it is believed. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct ClockWatch {
    clock: Arc<dyn Clock>,
    /// What the store reads of it. The store itself must not be held: it ends before its last watcher.
    doubt: Arc<AtomicBool>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    time: TrustedTime,
    /// When it was looked at, by the clock that nobody can set.
    looked_at: Duration,
    kept: Option<TrustedTime>,
}

impl ClockWatch {
    /// Goes on from what an earlier run knew of the clock; where there was none, from when somebody was
    /// there last.
    pub(super) fn open(store: &Store, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let records = store.system()?;
        let kept = records.get::<TrustedTime>(&OnlyKey).unwrap_or_else(|error| {
            log::warn!("it is not known what the clock said before: {error}");
            None
        });
        let known = if kept.is_some() { kept } else { last_event(&records)?.and_then(of_key) };
        let (wall, looked_at) = (clock.now(), clock.running());
        let mut time = known.unwrap_or_else(|| TrustedTime::starting_at(wall));
        let news = time.resume(wall);
        let state = Arc::new(Mutex::new(State { time, looked_at, kept }));
        let watch = Self { clock, doubt: store.clock_doubt(), state };
        watch.tell(news, time);
        Ok(watch)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The moment whose past may be erased for good.
    pub(super) fn erasable(&self) -> Timestamp {
        self.look().erasable()
    }

    /// What an administrator is to know of the clock; nothing while nobody doubts it.
    pub(super) fn doubt(&self) -> Option<String> {
        let time = self.look();
        let news = ClockNews::StillDoubted { from: time.trusted, to: time.seen };
        time.is_doubtful().then(|| news.to_string())
    }

    /// What is to be written of the clock, if that is due.
    pub(super) fn to_keep(&self) -> Option<TrustedTime> {
        let time = self.look();
        let is_due = |kept: &TrustedTime| {
            kept.is_doubtful()
                || time.is_doubtful()
                || time.trusted.is_ahead_by(KEEP_EVERY, kept.trusted)
        };
        self.state().kept.as_ref().is_none_or(is_due).then_some(time)
    }

    /// Notes what was written.
    pub(super) fn note_kept(&self, kept: TrustedTime) {
        self.state().kept = Some(kept);
    }

    fn look(&self) -> TrustedTime {
        let (wall, running) = (self.clock.now(), self.clock.running());
        let (news, time) = {
            let mut state = self.state();
            // Somebody else may have looked since the clock was read.
            let passed = running.saturating_sub(state.looked_at);
            state.looked_at = state.looked_at.max(running);
            (state.time.observe(wall, passed), state.time)
        };
        self.tell(news, time);
        time
    }

    fn tell(&self, news: Option<ClockNews>, time: TrustedTime) {
        self.doubt.store(time.is_doubtful(), Ordering::Release);
        match news {
            Some(news @ (ClockNews::Jumped { .. } | ClockNews::StillDoubted { .. })) => {
                log::warn!("{news}");
            }
            Some(news) => log::info!("{news}"),
            None => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_key(key: AuditKey) -> Option<TrustedTime> {
    Some(TrustedTime::starting_at(Timestamp(i64::try_from(key.at).ok()?)))
}
