//! The time by which something may be erased for good.
//!
//! A clock that jumps far ahead would end in one moment what its owner wanted kept for months. So the wall
//! clock is believed only as far as the time that has really passed explains it. A jump is held in doubt
//! until the clock has come back, or has run evenly for long enough to be the right one after all.

use std::fmt;
use std::time::Duration;

use super::Timestamp;

/// Machines sleep over night, and clocks are put right now and then: neither is a jump.
const JUMP: Duration = Duration::from_secs(86_400);

/// Nobody knows how long a program did not run. Beyond this the clock may as well be wrong.
const ABSENCE: Duration = Duration::from_secs(30 * 86_400);

/// So long a clock that jumped has to run evenly before it is believed. An owner has a day to put it right.
const PROBATION: Duration = Duration::from_secs(86_400);

/// What is known of the clock. It lies on the disk as well, so that a restart forgets no doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedTime {
    /// What the clock is known to have reached.
    pub trusted: Timestamp,
    /// What the clock said when it was looked at last.
    pub seen: Timestamp,
    /// For how long it has run evenly since it jumped; nothing while nobody doubts it.
    pub even_for: Option<Duration>,
}

/// Something to tell of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockNews {
    /// It said something else than the time that has passed.
    Jumped { from: Timestamp, to: Timestamp },
    /// It had jumped before, and nobody knows yet whether it is right.
    StillDoubted { from: Timestamp, to: Timestamp },
    /// It came back to where it should be.
    CameBack,
    /// It has run evenly for so long that it is right.
    Believed { now: Timestamp },
}

impl TrustedTime {
    /// Believes a clock of which nothing is known.
    #[must_use]
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { trusted: wall, seen: wall, even_for: None }
    }

    /// Whether nothing is erased on the word of the clock for now.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.even_for.is_some()
    }

    /// The moment whose past may be erased. The earlier one counts: a clock that went back ends nothing.
    #[must_use]
    pub fn erasable(&self) -> Timestamp {
        self.trusted.min(self.seen)
    }

    /// Goes on from what an earlier run left, after nobody knows how long.
    pub fn resume(&mut self, wall: Timestamp) -> Option<ClockNews> {
        let is_near = |from: Timestamp| !from.is_ahead_by(JUMP, wall) && wall <= from.plus(ABSENCE);
        let (was, is_plausible, is_as_before) = (*self, is_near(self.trusted), is_near(self.seen));
        self.seen = wall;
        let is_ahead_still = was.is_doubtful() && was.seen > was.trusted && is_as_before;
        if is_plausible && !is_ahead_still {
            self.believe(wall);
            return was.is_doubtful().then_some(ClockNews::CameBack);
        }
        if was.is_doubtful() && is_as_before {
            return Some(ClockNews::StillDoubted { from: self.trusted, to: wall });
        }
        self.even_for = Some(Duration::ZERO);
        Some(ClockNews::Jumped { from: self.trusted, to: wall })
    }

    /// Takes a look at the clock, so long after the last one by a clock that nobody can set.
    pub fn observe(&mut self, wall: Timestamp, passed: Duration) -> Option<ClockNews> {
        let is_near = |expected: Timestamp| {
            !expected.is_ahead_by(JUMP, wall) && !wall.is_ahead_by(JUMP, expected)
        };
        let (expected, is_even) = (self.trusted.plus(passed), is_near(self.seen.plus(passed)));
        self.seen = wall;
        if is_near(expected) {
            let was_doubtful = self.is_doubtful();
            self.believe(wall);
            return was_doubtful.then_some(ClockNews::CameBack);
        }
        self.trusted = expected;
        match self.even_for {
            Some(even_for) if is_even => {
                let even_for = even_for.saturating_add(passed);
                if even_for < PROBATION {
                    self.even_for = Some(even_for);
                    return None;
                }
                self.believe(wall);
                Some(ClockNews::Believed { now: wall })
            }
            _ => {
                self.even_for = Some(Duration::ZERO);
                Some(ClockNews::Jumped { from: expected, to: wall })
            }
        }
    }

    fn believe(&mut self, wall: Timestamp) {
        *self = Self::starting_at(wall);
    }
}

impl fmt::Display for ClockNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = PROBATION.as_secs() / 3_600;
        match self {
            Self::Jumped { from, to } => write!(
                f,
                "the clock jumped from {from} to {to}, or the machine slept: until it comes back or has run \
                 evenly for {hours} h, nothing is erased because its time is over"
            ),
            Self::StillDoubted { from, to } => write!(
                f,
                "the clock says {to}, and had jumped when it should have said {from}: until it has run evenly \
                 for {hours} h, nothing is erased because its time is over"
            ),
            Self::CameBack => {
                f.write_str("the clock is right again: what is over is erased as usual")
            }
            Self::Believed { now } => write!(
                f,
                "the clock has run evenly for {hours} h and is believed to be right at {now}: what is over is \
                 erased as usual"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_767_225_600_000);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn days(n: u64) -> Duration {
        Duration::from_secs(n * 86_400)
    }

    fn is_jump(news: Option<ClockNews>) -> bool {
        matches!(news, Some(ClockNews::Jumped { .. }))
    }

    #[test]
    fn time_that_has_really_passed_is_believed() {
        let mut time = TrustedTime::starting_at(NOW);

        assert_eq!(time.observe(NOW.plus(days(400)), days(400)), None);

        assert_eq!((time.erasable(), time.is_doubtful()), (NOW.plus(days(400)), false));
    }

    #[test]
    fn a_jump_ahead_is_believed_after_a_day_of_running_evenly() {
        let mut time = TrustedTime::starting_at(NOW);
        let far = NOW.plus(days(400));

        assert!(is_jump(time.observe(far, HOUR)));
        assert_eq!(time.erasable(), NOW.plus(HOUR));
        for hour in 1..24 {
            assert_eq!(time.observe(far.plus(HOUR * hour), HOUR), None);
            assert_eq!(time.erasable(), NOW.plus(HOUR * (hour + 1)));
        }

        let believed = time.observe(far.plus(HOUR * 24), HOUR);

        assert_eq!(believed, Some(ClockNews::Believed { now: far.plus(HOUR * 24) }));
        assert_eq!(time.erasable(), far.plus(HOUR * 24));
    }

    #[test]
    fn a_clock_that_comes_back_has_ended_nothing() {
        let mut time = TrustedTime::starting_at(NOW);
        assert!(is_jump(time.observe(NOW.plus(days(400)), HOUR)));

        let back = time.observe(NOW.plus(HOUR * 2), HOUR);

        assert_eq!(back, Some(ClockNews::CameBack));
        assert_eq!((time.erasable(), time.is_doubtful()), (NOW.plus(HOUR * 2), false));
    }

    #[test]
    fn one_that_jumps_again_begins_anew() {
        let mut time = TrustedTime::starting_at(NOW);
        assert!(is_jump(time.observe(NOW.plus(days(400)), HOUR)));
        assert_eq!(time.observe(NOW.plus(days(400)).plus(HOUR * 20), HOUR * 20), None);

        assert!(is_jump(time.observe(NOW.plus(days(900)), HOUR)));

        assert_eq!(time.observe(NOW.plus(days(900)).plus(HOUR * 20), HOUR * 20), None);
        assert!(time.is_doubtful());
    }

    #[test]
    fn a_clock_that_went_back_ends_nothing_either() {
        let mut time = TrustedTime::starting_at(NOW);

        assert!(is_jump(time.observe(Timestamp(0), HOUR)));
        assert_eq!(time.erasable(), Timestamp(0));

        assert_eq!(time.observe(NOW.plus(HOUR * 2), HOUR), Some(ClockNews::CameBack));
    }

    #[test]
    fn a_program_that_did_not_run_for_weeks_is_no_reason_for_doubt_and_for_a_year_is_one() {
        let mut weeks = TrustedTime::starting_at(NOW);
        let mut year = weeks;

        assert_eq!(weeks.resume(NOW.plus(days(29))), None);
        assert!(is_jump(year.resume(NOW.plus(days(400)))));

        assert_eq!(weeks.erasable(), NOW.plus(days(29)));
        assert_eq!(year.erasable(), NOW);
        let believed = year.observe(NOW.plus(days(401)), days(1));
        assert_eq!(believed, Some(ClockNews::Believed { now: NOW.plus(days(401)) }));
    }

    #[test]
    fn a_restart_forgets_no_doubt_and_no_time_that_ran_evenly() {
        let far = NOW.plus(days(20));
        let mut time = TrustedTime::starting_at(NOW);
        assert!(is_jump(time.observe(far, HOUR)));
        assert_eq!(time.observe(far.plus(HOUR * 20), HOUR * 20), None);

        let mut next = time;
        let news = next.resume(far.plus(HOUR * 30));

        assert!(matches!(news, Some(ClockNews::StillDoubted { .. })), "{news:?}");
        assert_eq!(next.erasable(), NOW.plus(HOUR * 21));
        let believed = next.observe(far.plus(HOUR * 35), HOUR * 5);
        assert!(matches!(believed, Some(ClockNews::Believed { .. })), "{believed:?}");

        let mut right = time;
        assert_eq!(right.resume(NOW.plus(HOUR * 30)), Some(ClockNews::CameBack));
    }

    #[test]
    fn a_machine_without_a_clock_of_its_own_is_right_once_it_is_told_the_time() {
        let mut time = TrustedTime::starting_at(NOW);

        assert!(is_jump(time.resume(Timestamp(0))));
        assert_eq!(time.erasable(), Timestamp(0));

        let told = time.observe(NOW.plus(HOUR), Duration::from_secs(60));
        assert_eq!(told, Some(ClockNews::CameBack));
    }
}
