//! What makes a memory likelier to be wanted before its words are looked at.

use std::time::Duration;

use crate::model::{Priority, Timestamp};

/// A fresh memory counts 4 % more than an old one of the same relevance. All priors together stay
/// within a tenth, so they decide between near equals and never lift the beside over the point.
const RECENCY: f32 = 0.04;
/// After this long half of the advantage of a fresh memory is gone: a month is what people call
/// "recently".
const HALF_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// One step of priority, up or down from the middle.
const PRIORITY_STEP: f32 = 0.01;
/// A pin says "important", as a priority one above the highest would.
const PINNED: f32 = 0.03;
/// The most that all priors together can add to a relevance of one.
pub(super) const MOST: f32 = RECENCY + 2.0 * PRIORITY_STEP + PINNED;

/// What the priors need to know of a memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) written_at: Timestamp,
    pub(super) priority: Priority,
    pub(super) pinned: bool,
}

/// The most that can be said of some memories together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ceiling {
    newest: Timestamp,
    /// What does not change with time.
    lasting: f32,
}

impl Standing {
    /// The share by which this memory's relevance is raised or lowered.
    pub(super) fn share(&self, now: Timestamp) -> f32 {
        recency(self.written_at, now) + self.lasting()
    }

    fn lasting(&self) -> f32 {
        let steps = f32::from(self.priority.get()) - f32::from(Priority::default().get());
        PRIORITY_STEP * steps + if self.pinned { PINNED } else { 0.0 }
    }
}

impl Default for Ceiling {
    fn default() -> Self {
        Self { newest: Timestamp(i64::MIN), lasting: f32::NEG_INFINITY }
    }
}

impl Ceiling {
    /// Makes it hold for one more memory.
    pub(super) fn raise(&mut self, standing: Standing) {
        self.newest = self.newest.max(standing.written_at);
        self.lasting = self.lasting.max(standing.lasting());
    }

    /// None of its memories has a greater share than this.
    pub(super) fn share(&self, now: Timestamp) -> f32 {
        recency(self.newest, now) + self.lasting
    }
}

fn recency(written_at: Timestamp, now: Timestamp) -> f32 {
    let age = now.since(written_at).as_secs_f32() / HALF_LIFE.as_secs_f32();
    RECENCY * (-age).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(written_ms: i64, priority: u8, pinned: bool) -> Standing {
        let priority = Priority::new(priority).unwrap();
        Standing { written_at: Timestamp(written_ms), priority, pinned }
    }

    #[test]
    fn the_newer_the_weightier_the_pinned_count_more() {
        let now = Timestamp(40 * 86_400_000);
        let plain = standing(0, 3, false).share(now);

        assert!(standing(now.0, 3, false).share(now) > plain);
        assert!(standing(0, 4, false).share(now) > plain);
        assert!(standing(0, 3, true).share(now) > plain);
    }

    #[test]
    fn priors_never_outweigh_a_tenth_of_relevance() {
        let now = Timestamp(1_000);

        const { assert!(MOST < 0.1) };
        assert!(standing(1_000, 5, true).share(now) <= MOST);
        assert!(standing(9_000, 5, true).share(now) <= MOST, "the clock may have gone back");
    }

    #[test]
    fn a_ceiling_is_above_all_that_it_was_raised_for() {
        let now = Timestamp(90 * 86_400_000);
        let all = [(0, 5, false), (80 * 86_400_000, 1, true), (now.0 + 5, 3, false)];
        let mut ceiling = Ceiling::default();
        let all = all.map(|(written, priority, pinned)| standing(written, priority, pinned));
        all.iter().for_each(|&one| ceiling.raise(one));

        assert!(all.iter().all(|one| one.share(now) <= ceiling.share(now)));
    }
}
