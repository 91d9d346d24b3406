use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use serde::Serialize;

/// The place of a batch in the journal. Batches count from 1, and no number is given twice, not
/// even that of a batch that was lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Seq(pub u64);

/// The number of a session on disk, in the order in which users first stored something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SessionNo(pub u32);

/// Which store a file belongs to: random, in every file, so that a file of another store, which is
/// whole in itself, is not taken for one of ours.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId(pub [u8; 16]);

/// Which files of a folder count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    pub store: StoreId,
    /// Whether files of format 1, which name no store, count as well: until they are folded into a
    /// snapshot of today's format.
    pub takes_unnamed: bool,
}

impl Ownership {
    #[must_use]
    pub fn of(store: StoreId) -> Self {
        Self { store, takes_unnamed: store == StoreId::UNNAMED }
    }

    #[must_use]
    pub fn owns(self, store: StoreId) -> bool {
        store == self.store || (self.takes_unnamed && store == StoreId::UNNAMED)
    }
}

impl StoreId {
    /// Of files that were written in format 1.
    pub const UNNAMED: Self = Self([0; 16]);

    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        for part in bytes.chunks_exact_mut(8) {
            part.copy_from_slice(&random().to_le_bytes());
        }
        Self(bytes)
    }
}

/// The standard library seeds its hash maps from the system's random numbers.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl Seq {
    /// Before the first batch.
    pub const ZERO: Self = Self(0);

    /// After every batch.
    pub const MAX: Self = Self(u64::MAX);

    /// The one that comes next.
    #[must_use]
    pub fn after(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The one that came before; zero has none.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl SessionNo {
    /// The session of the program itself.
    pub const SYSTEM: Self = Self(0);

    /// The one that comes next.
    #[must_use]
    pub fn after(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to tell stores apart, and short enough to be compared by eye.
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreId({self})")
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for SessionNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
