//! What somebody types into the page where one signs in, in place of a header.

use actix_web::HttpRequest;
use tokio::sync::Semaphore;

use super::admit::{Admission, Guard};
use super::{Client, Front, caller};
use crate::actors::Attempt;
use crate::auth::{AuthError, Carrier, Identity, Presented, Verified};
use crate::error::Error;
use crate::model::{Caller, CredentialName, Scopes, Secret};

/// A look at a password takes 19 MiB and a while. One at a time is enough for people, and no crowd of
/// strangers takes more.
static TURN: Semaphore = Semaphore::const_new(1);

/// What memories and the audit call whoever came with the password.
const PASSWORD: &str = "password";

/// What came of a look at the password.
enum Looked {
    Right(Box<Caller>),
    /// It is not the password. The request has its place at the limiter.
    Wrong,
    /// Nobody looked, and nothing is counted.
    Not,
}

impl Front {
    /// Finds out whom somebody may act for who types a credential instead of sending it. It counts as any
    /// other request does, and a wrong one as any other wrong one: once, whether or not there is a password.
    pub async fn sign_in(&self, request: &HttpRequest, typed: &str) -> Result<Caller, Error> {
        let client = self.client(request);
        let presented = Presented::parse([(Carrier::Key, typed.as_bytes())]);
        // A key is looked at first: it costs nothing, and gets in whatever was typed from its address.
        let is_key = self.credentials.verify(&presented, self.now()).is_ok();
        let looked = if is_key { Looked::Not } else { self.look(request, client, typed).await? };
        let is_counted = match looked {
            Looked::Right(owner) => return Ok(*owner),
            Looked::Wrong => true,
            Looked::Not => false,
        };
        let mistake = || caller::mistyped(typed, &self.mistakes);
        let (attempt, verified) = self.weigh(&presented, mistake, request.head(), client);
        let admission = if is_counted {
            self.settle_counted(Guard::Key, client, attempt, verified)
        } else {
            self.settle(Guard::Key, client, attempt, verified)
        };
        let Admission { caller, outcome, .. } = admission;
        outcome?;
        caller.ok_or_else(|| AuthError::Missing.into())
    }

    /// Looks whether what was typed is the password. That takes a place of the client, and is only done while
    /// there are any.
    async fn look(
        &self,
        request: &HttpRequest,
        client: Client,
        typed: &str,
    ) -> Result<Looked, Error> {
        if self.credentials.is_disabled() || !self.password.is_there() {
            return Ok(Looked::Not);
        }
        let counted = self.settle(Guard::Key, client, Attempt::Absent, Ok(None));
        if counted.outcome.is_err() {
            return Ok(Looked::Not);
        }
        let (file, secret) = (self.password.clone(), Secret::new(typed.to_owned()));
        // Nobody ever closes it.
        let turn = TURN.acquire().await.map_err(|_| Error::Panicked)?;
        // Nothing ends a look that began: the turn is over with it, though its client may have left.
        let look = move || {
            let _turn = turn;
            file.accepts(&secret)
        };
        let looked = tokio::task::spawn_blocking(look).await;
        let is_right = looked.map_err(|_| Error::Panicked)?.unwrap_or_else(|error| {
            log::error!("the password cannot be looked at: {error}");
            false
        });
        if !is_right {
            return Ok(Looked::Wrong);
        }
        let credential = CredentialName::parse(PASSWORD).map_err(|_| AuthError::Rejected)?;
        let identity = Identity::of_key(self.owner.clone(), credential, Scopes::all());
        let verified = Ok(Verified { identity: identity.clone(), is_use_due: false });
        self.note_attempt(&verified, request.head(), client, self.now());
        let owner = caller::caller(identity, &self.projects, request.head(), client)?;
        Ok(Looked::Right(Box::new(owner)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use actix_web::test::TestRequest;

    use super::super::tests::{KEY, front_of};
    use super::*;
    use crate::auth::PasswordFile;

    #[actix_web::test]
    async fn what_is_typed_counts_once_also_where_there_is_a_password() {
        let dir = tempfile::tempdir().unwrap();
        let password = "correct horse battery";
        PasswordFile::of(dir.path()).set(&Secret::new(password.to_owned())).unwrap();
        let data_dir = dir.path().to_str().unwrap();
        let env = [("DATA_DIR", data_dir), ("RATE_LIMIT_REQUESTS", "4"), ("AUTH_FAIL_LIMIT", "2")];
        let front = front_of(&env, Arc::default());
        let from = |address: &str| {
            let peer = SocketAddr::new(address.parse().unwrap(), 1);
            TestRequest::default().peer_addr(peer).to_http_request()
        };

        let guesser = from("192.0.2.1");
        for guess in ["first guess", "second guess"] {
            let refused = front.sign_in(&guesser, guess).await;
            assert!(matches!(refused, Err(Error::Auth(_))), "{guess}: {refused:?}");
        }
        let third = front.sign_in(&guesser, "third guess").await;
        assert!(matches!(third, Err(Error::TooManyFailures { .. })), "{third:?}");
        assert!(front.sign_in(&guesser, password).await.is_ok(), "a fourth place was left");
        let fifth = front.sign_in(&guesser, password).await;
        assert!(matches!(fifth, Err(Error::RateLimited { .. })), "{fifth:?}");
        assert!(front.sign_in(&guesser, KEY).await.is_ok(), "a key has places of its own");

        let owner = from("192.0.2.2");
        for _ in 0..4 {
            assert!(front.sign_in(&owner, KEY).await.is_ok());
        }
        assert!(front.sign_in(&owner, password).await.is_ok(), "keys took none of its places");
    }
}
