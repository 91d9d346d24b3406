use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

use super::Timestamp;

/// Identifies a memory within its session: a ULID, so key order is the order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MemoryId(u128);

/// Gives out ids that grow, also when the clock stands still or is set back by up to a day. After a
/// time in which the clock was further ahead they follow the clock again, and grow from there.
#[derive(Debug, Default)]
pub struct MemoryIds {
    /// The newest that was given out here.
    given: MemoryId,
    /// The newest that is in use, wherever it was made.
    met: MemoryId,
}

/// Up to which moment ids ahead of the clock were told of. All sessions have the one clock, so one
/// line for all of them is enough.
static TOLD: AtomicI64 = AtomicI64::new(i64::MIN);

/// A text that is not a ULID.
#[derive(Debug, thiserror::Error)]
#[error("expected a memory id: 26 characters such as 01JC3V5Y9ZK7Q2M8N4T6W0X1ER")]
pub struct InvalidId;

impl MemoryId {
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        Ulid::from_string(text).map(|id| Self(id.0)).map_err(|_| InvalidId)
    }

    /// No id is greater.
    pub const LAST: Self = Self(u128::MAX);

    /// The least id that is greater.
    #[must_use]
    pub fn successor(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// When it was made, as far as the clock was right.
    #[must_use]
    pub fn created_at(self) -> Timestamp {
        Timestamp(i64::try_from(Ulid(self.0).timestamp_ms()).unwrap_or(i64::MAX))
    }

    /// Sixteen bytes, big endian, so that bytes sort as ids do.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl MemoryIds {
    /// Continues after an id that is already in use, unless that lies far ahead of the clock.
    pub fn continue_after(&mut self, id: MemoryId) {
        self.met = self.met.max(id);
    }

    pub fn next(&mut self, now: Timestamp) -> MemoryId {
        let ms = u64::try_from(now.0).unwrap_or(0);
        let random = Ulid::new().random();
        let fresh = MemoryId(Ulid::from_parts(ms, random).0);
        // Ids that went on from one made while the clock was wrong would tell the wrong time for
        // as long as that lies ahead.
        let is_near = |id: &MemoryId| !id.created_at().is_far_ahead_of(now);
        if !is_near(&self.met) {
            tell_of_wrong_clock(self.met.created_at(), now);
        }
        let newest = [self.given, self.met].into_iter().filter(is_near).max().unwrap_or_default();
        // The clock may have gone back a little, or two ids fall into one millisecond.
        self.given = fresh.max(newest.successor());
        self.given
    }
}

/// Says once that ids lie ahead of the clock, however many sessions meet them however often.
fn tell_of_wrong_clock(ahead: Timestamp, now: Timestamp) {
    if TOLD.fetch_max(ahead.0, Ordering::Relaxed) < ahead.0 {
        log::warn!(
            "a memory was made at {ahead}, and the clock says {now}: it was wrong then or is now; \
             new ids follow the clock"
        );
    }
}

impl fmt::Display for MemoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; ulid::ULID_LEN];
        f.write_str(Ulid(self.0).array_to_str(&mut text))
    }
}

impl Serialize for MemoryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.to_bytes().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for MemoryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 16]>::deserialize(deserializer).map(Self::from_bytes);
        }
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const NOW: Timestamp = Timestamp(1_767_225_600_000);

    fn days_from_now(days: i64) -> Timestamp {
        Timestamp(NOW.0 + days * DAY)
    }

    #[test]
    fn ids_grow_though_the_clock_goes_back() {
        let mut ids = MemoryIds::default();

        let late = ids.next(NOW);
        let early = ids.next(days_from_now(-1));

        assert!(early > late);
        assert_eq!(MemoryId::parse(&early.to_string()).unwrap(), early);
    }

    #[test]
    fn ids_follow_the_clock_again_after_it_was_years_ahead() {
        let mut ids = MemoryIds::default();

        let before = ids.next(NOW);
        let ahead = ids.next(days_from_now(2_000));
        ids.continue_after(ahead);
        let since = [ids.next(NOW), ids.next(NOW), ids.next(NOW)];

        assert!(since.iter().all(|id| *id < ahead && id.created_at() == NOW));
        assert!(since.is_sorted() && since[0] != since[1] && since[1] != since[2]);
        assert!(before.created_at() == NOW && !since.contains(&before));
    }

    #[test]
    fn ids_follow_the_clock_again_after_it_was_years_behind() {
        let mut ids = MemoryIds::default();
        ids.continue_after(ids_at(NOW));

        let behind = ids.next(Timestamp(0));
        let since = ids.next(NOW);

        assert_eq!(behind.created_at(), Timestamp(0));
        assert!(since > behind && since > ids_at(NOW) && since.created_at() == NOW);
    }

    #[test]
    fn the_greatest_id_of_all_stops_nobody() {
        let mut ids = MemoryIds::default();
        ids.continue_after(MemoryId::LAST);

        let (one, two) = (ids.next(NOW), ids.next(NOW));

        assert!(one < two && two.created_at() == NOW);
    }

    /// The least id of a moment.
    fn ids_at(moment: Timestamp) -> MemoryId {
        MemoryId(Ulid::from_parts(u64::try_from(moment.0).unwrap(), 0).0)
    }
}
