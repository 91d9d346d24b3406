use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{InvalidTime, Timestamp};

/// A moment as somebody said it: with the offset in which it was said, because an evening in Los
/// Angeles is the next day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventTime {
    pub at: Timestamp,
    /// Minutes east of UTC.
    pub offset: i16,
}

/// Whole numbers below this are seconds since 1970, those above are milliseconds: as seconds it lies
/// in the year 5138, as milliseconds in 1973.
const FIRST_MS: f64 = 100_000_000_000.0;
/// The last millisecond of the year 9999.
const LAST_MS: f64 = 253_402_300_799_999.0;

impl EventTime {
    /// Reads a moment in any usual spelling: RFC 3339, RFC 2822, a date with or without a time, a
    /// month, a year, seconds or milliseconds since 1970. What is not a single moment means its
    /// beginning.
    pub fn read(text: &str) -> Result<Self, InvalidTime> {
        Self::read_either(text, |(first, _)| first)
    }

    /// The same for a moment that ends a span: a day, a month or a year mean their last millisecond.
    pub fn read_end(text: &str) -> Result<Self, InvalidTime> {
        Self::read_either(text, |(_, last)| last)
    }

    fn read_either(
        text: &str,
        choose: impl Fn((Timestamp, Timestamp)) -> Timestamp,
    ) -> Result<Self, InvalidTime> {
        let text = text.trim();
        let text = text.strip_suffix("UTC").map_or(text, str::trim_end);
        if let Some(span) = span_of_days(text) {
            return Ok(Self { at: choose(span), offset: 0 });
        }
        if let Ok(at) = Timestamp::parse(text) {
            return Ok(Self { at, offset: offset_of(text) });
        }
        if let Some(at) = since_epoch(text) {
            return Ok(Self { at, offset: 0 });
        }
        let zoned = jiff::fmt::rfc2822::parse(text).map_err(|_| InvalidTime)?;
        let offset = i16::try_from(zoned.offset().seconds() / 60).unwrap_or_default();
        Ok(Self { at: Timestamp(zoned.timestamp().as_millisecond()), offset })
    }

    /// The day on which it was, as those who were there would say: `2026-03-01`.
    #[must_use]
    pub fn day(self) -> String {
        self.to_string().get(..10).unwrap_or_default().to_owned()
    }
}

impl From<Timestamp> for EventTime {
    fn from(at: Timestamp) -> Self {
        Self { at, offset: 0 }
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = Offset::from_seconds(i32::from(self.offset) * 60);
        let local = offset.ok().zip(jiff::Timestamp::from_millisecond(self.at.0).ok());
        match local {
            Some((offset, moment)) if self.offset != 0 => {
                let civil = offset.to_datetime(moment);
                let (sign, minutes) = (if self.offset < 0 { '-' } else { '+' }, self.offset.abs());
                write!(f, "{civil:.3}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            _ => self.at.fmt(f),
        }
    }
}

impl Serialize for EventTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).map_err(serde::de::Error::custom)
    }
}

/// The first and the last millisecond of `2026-03-01`, `2026/3/1`, `2026-03` or `2026`.
fn span_of_days(text: &str) -> Option<(Timestamp, Timestamp)> {
    let parts: Vec<&str> = text.split(['-', '/']).collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let year: i16 =
        parts.first().filter(|year| year.len() == 4 && is_number(year))?.parse().ok()?;
    let number =
        |part: &str| part.parse::<i8>().ok().filter(|_| is_number(&part) && part.len() < 3);
    let (first, last) = match parts.as_slice() {
        [_] => (Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?),
        [_, month] => {
            let first = Date::new(year, number(month)?, 1).ok()?;
            (first, first.last_of_month())
        }
        [_, month, day] => {
            let day = Date::new(year, number(month)?, number(day)?).ok()?;
            (day, day)
        }
        _ => return None,
    };
    let moment = |civil: DateTime| {
        let moment = TimeZone::UTC.to_timestamp(civil).unwrap_or(jiff::Timestamp::MAX);
        Timestamp(moment.as_millisecond())
    };
    Some((moment(first.at(0, 0, 0, 0)), moment(last.at(23, 59, 59, 999_000_000))))
}

/// Python's `time.time()`, JavaScript's `Date.now()`, and either as text.
fn since_epoch(text: &str) -> Option<Timestamp> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    let number: f64 = text.parse().ok().filter(|_| is_number)?;
    let ms = if number.abs() < FIRST_MS { number * 1_000.0 } else { number };
    #[allow(clippy::cast_possible_truncation, reason = "within the span of a Timestamp")]
    (ms.abs() <= LAST_MS).then_some(Timestamp(ms.round() as i64))
}

/// The minutes of `-07:00` behind a time.
fn offset_of(text: &str) -> i16 {
    let Some(sign) = text.rfind(['+', '-']).filter(|at| text.get(..*at).is_some_and(has_time))
    else {
        return 0;
    };
    let digits: String =
        text.get(sign..).unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    let number = |range: std::ops::Range<usize>| -> i16 {
        digits.get(range).and_then(|text| text.parse().ok()).unwrap_or_default()
    };
    let minutes = number(0..2) * 60 + number(2..4);
    if text.get(sign..).is_some_and(|text| text.starts_with('-')) { -minutes } else { minutes }
}

fn has_time(text: &str) -> bool {
    text.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        EventTime::read(text).unwrap().to_string()
    }

    #[test]
    fn a_moment_keeps_the_offset_that_it_was_said_with() {
        let fireworks = EventTime::read("2024-07-04T22:00:00-07:00").unwrap();

        assert_eq!(fireworks.to_string(), "2024-07-04T22:00:00.000-07:00");
        assert_eq!(fireworks.at.to_string(), "2024-07-05T05:00:00.000Z");
        assert_eq!(fireworks.day(), "2024-07-04");
        assert_eq!(read("2024-07-04T22:00:00+05:30"), "2024-07-04T22:00:00.000+05:30");
        let text = serde_json::to_string(&fireworks).unwrap();
        assert_eq!(serde_json::from_str::<EventTime>(&text).unwrap(), fireworks);
    }

    #[test]
    fn every_usual_spelling_is_read() {
        let day = "2024-05-01T00:00:00.000Z";
        for text in ["2024-05-01", "2024-5-1", "2024/05/01", "2024-05", "2024-05-01 00:00:00 UTC"] {
            assert_eq!(read(text), day, "{text}");
        }
        let ten = "2024-05-01T10:00:00.000Z";
        for text in ["1714557600", "1714557600.0", "1714557600000", "2024-05-01T10:00:00Z"] {
            assert_eq!(read(text), ten, "{text}");
        }
        assert!(read("Wed, 01 May 2024 10:00:00 GMT").starts_with("2024-05-01T10:00:00"));
        assert_eq!(read("9999-12-31"), EventTime::from(Timestamp(253_402_207_200_999)).to_string());
        for odd in ["", "yesterday", "2024-13-01", "2024-05-32", "7 days ago", "1-2-3", "-"] {
            assert!(EventTime::read(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_ends_a_span_counts_to_its_last_moment() {
        let end = |text: &str| EventTime::read_end(text).unwrap().to_string();

        assert_eq!(end("2024-03-01"), "2024-03-01T23:59:59.999Z");
        assert_eq!(end("2024-02"), "2024-02-29T23:59:59.999Z");
        assert_eq!(end("2024"), "2024-12-31T23:59:59.999Z");
        assert_eq!(end("2024-03-01T12:00:00"), "2024-03-01T12:00:00.000Z");
    }
}
