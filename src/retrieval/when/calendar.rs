//! Spans of days.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span as Length, ToSpan};

use super::token::{MONTHS, Unit};
use crate::model::Timestamp;

/// A stretch of time: from its first instant until just before its end, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Span {
    pub(crate) fn holds(&self, moment: Timestamp) -> bool {
        (self.from..self.to).contains(&moment.0)
    }

    pub(super) fn of_day(date: Date) -> Option<Self> {
        Some(between(date, date.tomorrow().ok()?))
    }
}

impl Unit {
    fn times(self, n: i8) -> Length {
        match self {
            Self::Day => i64::from(n).days(),
            Self::Week => i64::from(n).weeks(),
            Self::Month => i64::from(n).months(),
            Self::Year => i64::from(n).years(),
        }
    }

    /// The calendar's day, week, month or year that holds a date.
    pub(super) fn around(self, date: Date) -> Option<Span> {
        match self {
            Self::Day => Span::of_day(date),
            Self::Week => {
                let monday = monday_of(date)?;
                Some(between(monday, monday.checked_add(1.week()).ok()?))
            }
            Self::Month => month(date.year(), date.month()),
            Self::Year => year(date.year()),
        }
    }

    /// The one before: "last week".
    pub(super) fn before(self, today: Date) -> Option<Span> {
        self.around(today.checked_sub(self.times(1)).ok()?)
    }

    /// "In the last three days", today included.
    pub(super) fn since(self, today: Date, n: i8) -> Option<Span> {
        Some(between(today.checked_sub(self.times(n)).ok()?, today.tomorrow().ok()?))
    }
}

/// The day of a moment, in UTC.
pub(super) fn date(moment: Timestamp) -> Option<Date> {
    let moment = jiff::Timestamp::from_millisecond(moment.0).ok()?;
    Some(TimeZone::UTC.to_datetime(moment).date())
}

/// How a day is spoken of: "8 may 2023".
pub(crate) fn date_words(moment: Timestamp) -> Option<String> {
    let date = date(moment)?;
    let month = MONTHS.get(usize::try_from(date.month() - 1).ok()?)?;
    Some(format!("{} {month} {}", date.day(), date.year()))
}

/// The first instant of a day, in UTC.
pub(super) fn start(date: Date) -> i64 {
    let moment = TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0));
    moment.map(jiff::Timestamp::as_millisecond).unwrap_or_default()
}

pub(super) fn day(year: i16, month: i8, day: i8) -> Option<Span> {
    Span::of_day(Date::new(year, month, day).ok()?)
}

pub(super) fn month(year: i16, month: i8) -> Option<Span> {
    let first = Date::new(year, month, 1).ok()?;
    Some(between(first, first.checked_add(1.month()).ok()?))
}

pub(super) fn year(year: i16) -> Option<Span> {
    let first = Date::new(year, 1, 1).ok()?;
    Some(between(first, first.checked_add(1.year()).ok()?))
}

/// Three months each; the winter of a year begins in its December, spring in March. Northern, as
/// most who write English are.
pub(super) fn season(year: i16, season: i8) -> Option<Span> {
    let first = Date::new(year, 3 + 3 * season, 1).ok()?;
    Some(between(first, first.checked_add(3.months()).ok()?))
}

/// The nearest such weekday that is over.
pub(super) fn weekday_before(today: Date, weekday: i8) -> Option<Span> {
    let weekday = Weekday::from_monday_zero_offset(weekday).ok()?;
    Span::of_day(today.nth_weekday(-1, weekday).ok()?)
}

pub(super) fn weekend_before(today: Date) -> Option<Span> {
    let saturday = monday_of(today)?.checked_sub(2.days()).ok()?;
    Some(between(saturday, saturday.checked_add(2.days()).ok()?))
}

/// "Two weeks ago" is meant roughly: half a unit to either side, a day at least.
pub(super) fn around(today: Date, unit: Unit, n: i8) -> Option<Span> {
    let middle = today.checked_sub(unit.times(n)).ok()?;
    let slack = match unit {
        Unit::Day => 0.days(),
        Unit::Week => 3.days(),
        Unit::Month => 15.days(),
        Unit::Year => 6.months(),
    };
    let from = middle.checked_sub(slack).ok()?;
    Some(between(from, middle.checked_add(slack).ok()?.tomorrow().ok()?))
}

fn monday_of(date: Date) -> Option<Date> {
    date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days()).ok()
}

fn between(from: Date, to: Date) -> Span {
    Span { from: start(from), to: start(to) }
}
