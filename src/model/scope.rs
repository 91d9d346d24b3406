use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing a credential may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Read,
    Write,
    /// Make what a model will be shown as an instruction.
    Instructions,
    Admin,
}

/// What a credential may do: each scope once, in the order of [`Scope::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Scopes(Vec<Scope>);

impl Scope {
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Instructions, Self::Admin];

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.to_string() == word)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let given: Vec<Scope> = scopes.into_iter().collect();
        Self(Scope::ALL.into_iter().filter(|scope| given.contains(scope)).collect())
    }
}

impl Scopes {
    #[must_use]
    pub fn as_slice(&self) -> &[Scope] {
        &self.0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn read_write() -> Self {
        Self(vec![Scope::Read, Scope::Write])
    }

    #[must_use]
    pub fn all() -> Self {
        Self(Scope::ALL.to_vec())
    }

    #[must_use]
    pub fn read_only() -> Self {
        Self(vec![Scope::Read])
    }

    #[must_use]
    pub fn has(&self, needed: Scope) -> bool {
        self.0.contains(&needed)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Instructions => "instructions",
            Self::Admin => "admin",
        })
    }
}
