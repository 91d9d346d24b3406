use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

use super::Timestamp;

/// Identifies a memory within its session: a ULID, so key order is the order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MemoryId(u128);

/// Gives out ids that grow, even when the clock stands still or jumps back.
#[derive(Debug, Default)]
pub struct MemoryIds {
    last: MemoryId,
}

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
    /// Continues after an id that is already in use.
    pub fn continue_after(&mut self, id: MemoryId) {
        self.last = self.last.max(id);
    }

    pub fn next(&mut self, now: Timestamp) -> MemoryId {
        let ms = u64::try_from(now.0).unwrap_or(0);
        let random = Ulid::new().random();
        let fresh = MemoryId(Ulid::from_parts(ms, random).0);
        // The clock may have gone back, or two ids fall into one millisecond.
        self.last = fresh.max(MemoryId(self.last.0.saturating_add(1)));
        self.last
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

    #[test]
    fn ids_grow_though_the_clock_goes_back() {
        let mut ids = MemoryIds::default();

        let late = ids.next(Timestamp(2_000));
        let early = ids.next(Timestamp(1_000));

        assert!(early > late);
        assert_eq!(MemoryId::parse(&early.to_string()).unwrap(), early);
    }
}
