use std::sync::Arc;

use super::tokens::Unfit;
use super::{AuthError, Keyring, Presented, TokenBook};
use crate::model::{
    Caller, CredentialName, InvalidName, Origin, Project, Scopes, Timestamp, TokenPrefix, ToolSet,
    UserId,
};

/// Whom a credential stands for.
#[derive(Debug, Clone)]
pub struct Identity {
    pub user: UserId,
    pub credential: CredentialName,
    pub scopes: Scopes,
    /// Where all that it does has to stay.
    pub bound: Option<Project>,
    /// What it stores is provisional.
    pub is_guest: bool,
    /// What it begins with, if it is a token.
    pub token: Option<TokenPrefix>,
    /// The tools that it is shown; those of the server if there are none.
    pub tools: Vec<ToolSet>,
}

/// A credential that is good.
#[derive(Debug, Clone)]
pub struct Verified {
    pub identity: Identity,
    /// Whether it is time to note that it was used.
    pub is_use_due: bool,
}

/// A credential that is not.
#[derive(Debug)]
pub struct Refused {
    /// What whoever brought it is told: the same for all that is wrong with one.
    pub error: AuthError,
    /// The true reason, for the audit alone.
    pub reason: &'static str,
    /// Whose it is or was, where that is known.
    pub owner: Option<Box<Identity>>,
}

/// Everything that opens the door: the keys of the configuration, the instance token, and the tokens
/// that were made here.
///
/// [`Credentials::verify`] answers from memory and changes nothing, because it also runs for attempts
/// that are refused anyway.
#[derive(Debug)]
pub struct Credentials {
    door: Door,
}

#[derive(Debug)]
enum Door {
    Guarded {
        keyring: Keyring,
        tokens: Arc<TokenBook>,
    },
    /// `auth.disabled`: whoever comes is this one.
    Open(Identity),
}

impl Identity {
    /// Of a key, which is good everywhere.
    #[must_use]
    pub fn of_key(user: UserId, credential: CredentialName, scopes: Scopes) -> Self {
        Self {
            user,
            credential,
            scopes,
            bound: None,
            is_guest: false,
            token: None,
            tools: Vec::new(),
        }
    }

    /// Who asks with it, from where. One that is bound to a project stands in that one, whatever the
    /// client says.
    #[must_use]
    pub fn into_caller(self, project: Option<Project>, origin: Origin) -> Caller {
        let Self { user, credential, scopes, bound, is_guest, token, tools } = self;
        let Origin { client, address, session, face } = origin;
        let project = bound.clone().or(project);
        Caller {
            user,
            credential,
            scopes,
            bound,
            is_guest,
            project,
            token,
            tools,
            client,
            address,
            session,
            face,
        }
    }
}

impl Credentials {
    #[must_use]
    pub fn new(keyring: Keyring, tokens: Arc<TokenBook>) -> Self {
        Self { door: Door::Guarded { keyring, tokens } }
    }

    /// Lets everybody in as this user, with every scope.
    pub fn disabled(user: UserId) -> Result<Self, InvalidName> {
        let credential = CredentialName::parse("default")?;
        Ok(Self { door: Door::Open(Identity::of_key(user, credential, Scopes::all())) })
    }

    #[must_use]
    pub fn is_disabled(&self) -> bool {
        matches!(self.door, Door::Open(_))
    }

    /// Says whom a request stands for.
    pub fn verify(&self, presented: &Presented<'_>, now: Timestamp) -> Result<Verified, Refused> {
        let (keyring, tokens) = match &self.door {
            Door::Open(everyone) => {
                return Ok(Verified { identity: everyone.clone(), is_use_due: false });
            }
            Door::Guarded { keyring, tokens } => (keyring, tokens),
        };
        let refused = |error, reason, owner| Err(Refused { error, reason, owner });
        let Some(secret) = presented.secret() else {
            return refused(AuthError::Missing, "no credential", None);
        };
        // Both are looked up before anything is refused, so that all refusals take the same time.
        let key = keyring.find(secret);
        let token = tokens.verify(secret, now);
        if presented.is_contradictory() {
            return refused(AuthError::Rejected, "credentials that contradict each other", None);
        }
        let (identity, is_use_due) = match (key, token) {
            (Some(identity), _) => (identity.clone(), false),
            (None, Ok(found)) => found,
            (None, Err(Unfit { reason, owner })) => {
                return refused(AuthError::Rejected, reason, owner);
            }
        };
        if presented.may_be(&identity.user) {
            Ok(Verified { identity, is_use_due })
        } else {
            refused(
                AuthError::UserMismatch,
                "X-MCP-UserID names another user",
                Some(Box::new(identity)),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Carrier, RingKey};
    use crate::model::Secret;

    fn credentials() -> Credentials {
        let key = RingKey {
            name: CredentialName::parse("laptop").unwrap(),
            user: UserId::parse("ada").unwrap(),
            secret: Secret::new("good-key".to_owned()),
            scopes: Scopes::read_write(),
        };
        Credentials::new([key].into_iter().collect(), Arc::default())
    }

    fn verify(lines: &[(Carrier, &str)]) -> Result<String, AuthError> {
        let lines = lines.iter().map(|(carrier, line)| (*carrier, line.as_bytes()));
        let verified = credentials().verify(&Presented::parse(lines), Timestamp(0));
        verified.map(|good| good.identity.credential.to_string()).map_err(|bad| bad.error)
    }

    #[test]
    fn the_three_headers_are_equal() {
        for line in [
            (Carrier::Authorization, "Bearer good-key"),
            (Carrier::Authorization, "bEARER   good-key "),
            (Carrier::Key, "good-key"),
        ] {
            assert_eq!(verify(&[line]).as_deref(), Ok("laptop"), "{line:?}");
        }
    }

    #[test]
    fn what_is_no_credential_is_missing_and_what_is_none_of_ours_is_rejected() {
        for line in ["Basic eDp5", "Bearer", "Bearer  ", "", "good-key", "Bearergood-key"] {
            assert_eq!(
                verify(&[(Carrier::Authorization, line)]),
                Err(AuthError::Missing),
                "{line}"
            );
        }
        assert_eq!(verify(&[]), Err(AuthError::Missing));
        assert_eq!(verify(&[(Carrier::Key, " ")]), Err(AuthError::Missing));
        assert_eq!(verify(&[(Carrier::Key, "bad-key")]), Err(AuthError::Rejected));
        assert_eq!(verify(&[(Carrier::Key, &"x".repeat(100_000))]), Err(AuthError::Rejected));
    }

    #[test]
    fn several_credentials_must_agree() {
        let good = (Carrier::Key, "good-key");
        let bearer = (Carrier::Authorization, "Bearer good-key");

        assert_eq!(verify(&[good, bearer, good]).as_deref(), Ok("laptop"));
        for other in [(Carrier::Key, "bad-key"), (Carrier::Authorization, "Bearer bad-key")] {
            assert_eq!(verify(&[good, other]), Err(AuthError::Rejected));
            assert_eq!(verify(&[other, good]), Err(AuthError::Rejected));
        }
    }

    #[test]
    fn a_user_that_is_named_must_be_the_credentials_own() {
        let good = (Carrier::Key, "good-key");

        assert_eq!(verify(&[good, (Carrier::User, "ada")]).as_deref(), Ok("laptop"));
        assert_eq!(verify(&[good, (Carrier::User, "")]).as_deref(), Ok("laptop"));
        assert_eq!(verify(&[good, (Carrier::User, "bob")]), Err(AuthError::UserMismatch));
        assert_eq!(
            verify(&[good, (Carrier::User, "ada"), (Carrier::User, "bob")]),
            Err(AuthError::UserMismatch)
        );
        assert_eq!(
            verify(&[(Carrier::Key, "bad"), (Carrier::User, "bob")]),
            Err(AuthError::Rejected)
        );
    }

    #[test]
    fn disabled_lets_everybody_in_as_the_default_user() {
        let open = Credentials::disabled(UserId::default_user()).unwrap();

        let nobody = Presented::parse(std::iter::empty());
        let identity = open.verify(&nobody, Timestamp(0)).unwrap().identity;

        assert_eq!(identity.user, UserId::default_user());
        assert!(identity.scopes.has(crate::model::Scope::Admin));
    }
}
