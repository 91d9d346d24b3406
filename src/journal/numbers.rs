use std::fmt;

use serde::Serialize;

/// The place of a batch in the journal. Batches count from 1, and no number is given twice, not
/// even that of a batch that was lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Seq(pub u64);

/// The number of a session on disk, in the order in which users first stored something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SessionNo(pub u32);

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
