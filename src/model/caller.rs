use std::net::IpAddr;

use super::{CredentialName, Interface, Project, Scope, Scopes, TokenPrefix, ToolSet, UserId};

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
