//! Text that somebody else wrote, fit for a page.

use std::fmt;

use crate::model::Timestamp;
use crate::model::foreign::marked;

/// What a memory, a name or a request says, with what cannot be seen made visible. A template escapes it
/// as it escapes everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageText(String);

/// A moment: for programs, and for people until the script of the page writes it in their own time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageTime {
    pub iso: String,
    pub short: String,
}

impl PageText {
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(marked(text).into_owned())
    }

    #[must_use]
    pub fn of_any(text: Option<&str>) -> Self {
        Self::of(text.unwrap_or_default())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PageTime {
    /// To the minute, in UTC.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        let iso = at.to_string();
        let day = iso.get(..10).unwrap_or_default();
        let minute = iso.get(11..16).unwrap_or_default();
        let short = format!("{day} {minute}");
        Self { iso, short }
    }

    #[must_use]
    pub fn of_any(at: Option<Timestamp>) -> Self {
        at.map(Self::of).unwrap_or_default()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iso.is_empty()
    }
}
