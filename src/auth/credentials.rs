use super::{AuthError, Keyring, Presented};
use crate::model::{CredentialName, InvalidName, Scopes, UserId};

/// Whom a credential stands for.
#[derive(Debug, Clone)]
pub struct Identity {
    pub user: UserId,
    pub credential: CredentialName,
    pub scopes: Scopes,
}

/// Everything that opens the door: the keys of the configuration and the instance token.
///
/// Credentials that are kept in the store join here, behind [`Credentials::verify`]. It answers
/// from memory and changes nothing, because it also runs for attempts that are refused anyway.
#[derive(Debug)]
pub struct Credentials {
    door: Door,
}

#[derive(Debug)]
enum Door {
    Guarded(Keyring),
    /// `auth.disabled`: whoever comes is this one.
    Open(Identity),
}

impl Credentials {
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self { door: Door::Guarded(keyring) }
    }

    /// Lets everybody in as this user, with every scope.
    pub fn disabled(user: UserId) -> Result<Self, InvalidName> {
        let credential = CredentialName::parse("default")?;
        let everyone = Identity { user, credential, scopes: Scopes::all() };
        Ok(Self { door: Door::Open(everyone) })
    }

    #[must_use]
    pub fn is_disabled(&self) -> bool {
        matches!(self.door, Door::Open(_))
    }

    /// Says whom a request stands for.
    pub fn verify(&self, presented: &Presented<'_>) -> Result<Identity, AuthError> {
        let keyring = match &self.door {
            Door::Open(everyone) => return Ok(everyone.clone()),
            Door::Guarded(keyring) => keyring,
        };
        let secret = presented.secret().ok_or(AuthError::Missing)?;
        // Looked up before anything is refused, so that all refusals take the same time.
        let found = keyring.find(secret);
        let identity =
            found.filter(|_| !presented.is_contradictory()).ok_or(AuthError::Rejected)?;
        if presented.may_be(&identity.user) {
            Ok(identity.clone())
        } else {
            Err(AuthError::UserMismatch)
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
        Credentials::new([key].into_iter().collect())
    }

    fn verify(lines: &[(Carrier, &str)]) -> Result<String, AuthError> {
        let lines = lines.iter().map(|(carrier, line)| (*carrier, line.as_bytes()));
        let identity = credentials().verify(&Presented::parse(lines))?;
        Ok(identity.credential.to_string())
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

        let identity = open.verify(&Presented::parse(std::iter::empty())).unwrap();

        assert_eq!(identity.user, UserId::default_user());
        assert!(identity.scopes.has(crate::model::Scope::Admin));
    }
}
