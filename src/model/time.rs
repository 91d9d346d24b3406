use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch; negative before it. Written as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

const AHEAD: Duration = Duration::from_secs(86_400);
const DAY_MS: i64 = 86_400_000;

/// A text that names no moment.
#[derive(Debug, thiserror::Error)]
#[error("expected a time such as 2026-03-01T12:00:00Z, or a date such as 2026-03-01")]
pub struct InvalidTime;

/// Where "now" comes from. Tests bring their own.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    fn now(&self) -> Timestamp;

    /// How long this has run since some moment, by a clock that nobody can set.
    fn running(&self) -> Duration;
}

/// The wall clock: the only reader of system time in the program.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that may")]
    fn now(&self) -> Timestamp {
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    fn running(&self) -> Duration {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        FIRST.get_or_init(Instant::now).elapsed()
    }
}

impl Timestamp {
    /// Reads RFC 3339; without an offset it means UTC, and a bare date means its first instant.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let text = text.trim();
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(moment.as_millisecond()));
        }
        let civil = text
            .parse::<jiff::civil::DateTime>()
            .or_else(|_| text.parse::<jiff::civil::Date>().map(|date| date.at(0, 0, 0, 0)))
            .map_err(|_| InvalidTime)?;
        // The last days of the year 9999 stand for "for ever", and are more than a timestamp holds.
        let moment = jiff::tz::TimeZone::UTC.to_timestamp(civil);
        Ok(Self(moment.unwrap_or(jiff::Timestamp::MAX).as_millisecond()))
    }

    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// So many days of 24 hours before.
    #[must_use]
    pub fn minus_days(self, days: u32) -> Self {
        Self(self.0.saturating_sub(i64::from(days) * DAY_MS))
    }

    /// Whether it lies so far ahead that one of the two clocks was wrong. Those that are right differ by
    /// less, and so does one that is put right now and then.
    #[must_use]
    pub fn is_far_ahead_of(self, now: Self) -> bool {
        self.is_ahead_by(AHEAD, now)
    }

    /// Whether it lies further ahead of another moment than this.
    #[must_use]
    pub fn is_ahead_by(self, span: Duration, other: Self) -> bool {
        self > other.plus(span)
    }

    /// How long ago `earlier` was; nothing if it lies ahead, as after a clock that jumped back.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{moment:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_usual_spelling() {
        let noon = Timestamp(1_709_294_400_000);
        for text in [
            "2024-03-01T12:00:00Z",
            "2024-03-01T13:00:00+01:00",
            "2024-03-01T12:00:00",
            "2024-03-01 12:00:00",
        ] {
            assert_eq!(Timestamp::parse(text).unwrap(), noon, "{text}");
        }
        assert_eq!(Timestamp::parse("2024-03-01").unwrap(), Timestamp(1_709_251_200_000));
        assert_eq!(noon.to_string(), "2024-03-01T12:00:00.000Z");
    }

    #[test]
    fn days_are_gone_back_as_far_as_there_is_time() {
        let leap = Timestamp::parse("2024-03-01T12:00:00Z").unwrap();
        assert_eq!(leap.minus_days(0), leap);
        assert_eq!(leap.minus_days(2).to_string(), "2024-02-28T12:00:00.000Z");
        assert_eq!(Timestamp(i64::MIN).minus_days(u32::MAX), Timestamp(i64::MIN));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "2024-13-01", "2024-03-01T25:00:00Z", "99999999999999"] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }
}
