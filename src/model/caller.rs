use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{CredentialName, Project, UserId};

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

/// What a credential may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

/// Who is asking, once the guard has checked. Only `auth` makes one from the outside world.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose memories the call is about.
    pub user: UserId,
    pub credential: CredentialName,
    pub scopes: Scopes,
    /// The project that the client stands in, if it said so.
    pub project: Option<Project>,
    /// The client program, as it names itself.
    pub client: Option<String>,
    pub address: Option<IpAddr>,
}

impl Scopes {
    #[must_use]
    pub fn read_write() -> Self {
        Self(vec![Scope::Read, Scope::Write])
    }

    #[must_use]
    pub fn all() -> Self {
        Self(vec![Scope::Read, Scope::Write, Scope::Instructions, Scope::Admin])
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

impl Caller {
    #[must_use]
    pub fn may(&self, needed: Scope) -> bool {
        self.scopes.has(needed)
    }

    /// The same caller, asking about another user's memories.
    #[must_use]
    pub fn on_behalf_of(&self, user: UserId) -> Self {
        Self { user, ..self.clone() }
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
