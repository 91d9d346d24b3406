//! What somebody types into the page where one signs in, in place of a header.

use actix_web::HttpRequest;
use tokio::sync::Semaphore;

use super::admit::{Admission, Guard};
use super::{Front, caller};
use crate::actors::Attempt;
use crate::auth::{AuthError, Carrier, Identity, Presented, Verified};
use crate::error::Error;
use crate::model::{Caller, CredentialName, Scopes, Secret};

/// A look at a password takes 19 MiB and a while. One at a time is enough for people, and no crowd of
/// strangers takes more.
static TURN: Semaphore = Semaphore::const_new(1);

/// What memories and the audit call whoever came with the password.
const PASSWORD: &str = "password";

impl Front {
    /// Finds out whom somebody may act for who types a credential instead of sending it. It counts
    /// as any other request does, and a wrong one as any other wrong one.
    pub async fn sign_in(&self, request: &HttpRequest, typed: &str) -> Result<Caller, Error> {
        if let Some(owner) = self.owner_by_password(request, typed).await? {
            return Ok(owner);
        }
        let client = self.client(request);
        let presented = Presented::parse([(Carrier::Key, typed.as_bytes())]);
        let mistake = || caller::mistyped(typed, &self.mistakes);
        let (attempt, verified) = self.weigh(&presented, mistake, request.head(), client);
        let Admission { caller, outcome, .. } =
            self.settle(Guard::Key, client, attempt, verified).await;
        outcome?;
        caller.ok_or_else(|| AuthError::Missing.into())
    }

    /// The owner, if what was typed is the password. It is looked at only while the client has places
    /// left, and then before any key, which costs nothing.
    async fn owner_by_password(
        &self,
        request: &HttpRequest,
        typed: &str,
    ) -> Result<Option<Caller>, Error> {
        if self.credentials.is_disabled() || !self.password.is_there() {
            return Ok(None);
        }
        let client = self.client(request);
        let counted = self.settle(Guard::Key, client, Attempt::Absent, Ok(None)).await;
        if counted.outcome.is_err() {
            // Others may have used up the places of this address. A key gets in all the same.
            return Ok(None);
        }
        let (file, secret) = (self.password.clone(), Secret::new(typed.to_owned()));
        let turn = TURN.acquire().await.map_err(|_| Error::LimiterDown)?;
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
            return Ok(None);
        }
        let credential = CredentialName::parse(PASSWORD).map_err(|_| AuthError::Rejected)?;
        let identity = Identity::of_key(self.owner.clone(), credential, Scopes::all());
        let verified = Ok(Verified { identity: identity.clone(), is_use_due: false });
        self.note_attempt(&verified, request.head(), client, self.now());
        caller::caller(identity, &self.projects, request.head(), client).map(Some)
    }
}
