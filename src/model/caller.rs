use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{CredentialName, Interface, Project, TokenPrefix, ToolSet, UserId};

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

/// Who is asking, once the guard has checked. Only `auth` makes one from the outside world.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose memories the call is about.
    pub user: UserId,
    pub credential: CredentialName,
    pub scopes: Scopes,
    /// Where all that the credential does has to stay.
    pub bound: Option<Project>,
    /// What it stores is provisional, and what is confirmed it cannot change.
    pub is_guest: bool,
    /// The project that the client stands in, if it said so, or is bound to.
    pub project: Option<Project>,
    /// The token that was shown, if it is one.
    pub token: Option<TokenPrefix>,
    /// The tools that the credential is shown; those of the server if there are none.
    pub tools: Vec<ToolSet>,
    /// The client program, as it names itself.
    pub client: Option<String>,
    pub address: Option<IpAddr>,
    /// What the client calls its session.
    pub session: Option<String>,
    pub face: Interface,
}

/// From where somebody came, as far as a door can tell.
#[derive(Debug, Clone)]
pub struct Origin {
    pub client: Option<String>,
    pub address: Option<IpAddr>,
    pub session: Option<String>,
    pub face: Interface,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    impl Caller {
        /// Somebody of a test, who is bound to nothing, came by REST and said nothing of where from.
        pub(crate) fn of_test(user: &str, credential: &str, scopes: Scopes) -> Self {
            Self {
                user: UserId::parse(user).unwrap(),
                credential: CredentialName::parse(credential).unwrap(),
                scopes,
                bound: None,
                is_guest: false,
                project: None,
                token: None,
                tools: Vec::new(),
                client: None,
                address: None,
                session: None,
                face: Interface::Rest,
            }
        }
    }
}
