//! Tokens, grants and the audit: what the system keeps of those who come, and of what they did.
//!
//! One actor owns the system's records. What is good now also lies in a [`TokenBook`], which the guard
//! reads without asking anybody. A token that is taken back is shut there before the disk has heard of
//! it, one that is given is opened afterwards: a failure leaves fewer doors open, not more.
//!
//! Who may do any of it is a question of having an [`Administration`].

mod audit;
mod desk;
mod events;
mod grant_desk;
mod grants;
mod held;
mod keeper;
mod ledger;
mod naming;
mod wanted;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, Arbiter};

use super::clock_watch::ClockWatch;
use super::{CallError, Erased, PATIENCE};
use crate::auth::oauth::{Approved, GrantPolicy, Lobby, TokenPair};
use crate::auth::{self, AuthError, TokenBook};
use crate::model::{
    AuditEvent, AuditKind, Caller, Grant, Scope, Secret, Timestamp, Token, TokenDigest,
    TokenPrefix, UserId,
};
use crate::store::{Store, StoreError};
pub use audit::AuditFilter;
use audit::Counts;
pub use desk::AdminRequest;
pub(super) use events::last_event;
pub use grants::AskedFrom;
use grants::{EndAccess, EndGrants, Ending, MeantGrants, OpenGrant, RenewGrant};
use keeper::{Change, Create, End, Keeper, Rotate, Use};
pub use ledger::{AuditPart, AuditPlace};
use ledger::{Forget, Note, Read, ReadOn};
pub use wanted::{NewToken, Rotation};

/// A handle to the tokens and the audit. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Accounts {
    keeper: Addr<Keeper>,
    book: Arc<TokenBook>,
    counts: Arc<Counts>,
    lobby: Arc<Lobby>,
    clock: ClockWatch,
}

/// What may be done with tokens and the audit by whoever has it.
#[derive(Debug)]
pub struct Administration<'a> {
    accounts: &'a Accounts,
    caller: &'a Caller,
}

/// A token that was just made. The secret is shown once, and kept nowhere.
#[derive(Debug)]
pub struct Made {
    pub secret: Secret,
    pub token: Token,
}

/// What is done to a token that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenChange {
    Revoke,
    Enable,
    Delete,
}

impl Accounts {
    /// Reads the tokens. Must be called within an actix system.
    pub(super) fn start(
        store: &Store,
        clock: &ClockWatch,
        keep_audit: Duration,
        policy: GrantPolicy,
    ) -> Result<Self, StoreError> {
        let book = Arc::new(TokenBook::with_grants(policy));
        let counts = Arc::new(Counts::default());
        let lobby = Arc::new(Lobby::default());
        let keeper = Keeper::new(
            store.clone(),
            Arc::clone(&book),
            Arc::clone(&counts),
            Arc::clone(&lobby),
            clock.clone(),
            keep_audit,
        )?;
        // A thread of its own: a long look into the audit holds up nobody.
        let keeper = Keeper::start_in_arbiter(&Arbiter::new().handle(), move |_| keeper);
        Ok(Self { keeper, book, counts, lobby, clock: clock.clone() })
    }

    /// What the guard reads.
    #[must_use]
    pub fn book(&self) -> &Arc<TokenBook> {
        &self.book
    }

    /// What waits to become a grant.
    #[must_use]
    pub fn lobby(&self) -> &Lobby {
        &self.lobby
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The right to administer, if the caller has it.
    pub fn administration<'a>(
        &'a self,
        caller: &'a Caller,
    ) -> Result<Administration<'a>, AuthError> {
        auth::require(caller, Scope::Admin)?;
        Ok(Administration { accounts: self, caller })
    }

    /// Notes that a token was used. It is written soon, and nobody waits for it.
    pub fn note_use(&self, prefix: TokenPrefix) {
        if let Err(error) = self.keeper.try_send(Use(prefix)) {
            log::debug!("a use of a token is not noted: {error}");
        }
    }

    /// Begins a grant that has its first tokens, for a code that was just spent. They are good when this
    /// returns. Refused if the user was erased since, or who allowed it is shut out.
    pub async fn open_grant(
        &self,
        approved: Approved,
        code: TokenDigest,
        from: AskedFrom,
    ) -> Result<Grant, CallError> {
        self.keeper.send(OpenGrant { approved, code, from }).timeout(PATIENCE).await?
    }

    /// Changes a refresh token of a client for a new pair, which is good when this returns; nothing if it
    /// is not good. One that comes again too late ends its grant.
    pub async fn renew_grant(
        &self,
        refresh: TokenDigest,
        client: &str,
        pair: TokenPair,
        from: AskedFrom,
    ) -> Result<Option<(Grant, TokenPair)>, CallError> {
        let asked = RenewGrant { refresh, client: client.to_owned(), pair, from };
        self.keeper.send(asked).timeout(PATIENCE).await?
    }

    /// Ends a grant whose code came a second time.
    pub async fn end_reused_grant(
        &self,
        id: &TokenPrefix,
        from: AskedFrom,
    ) -> Result<(), CallError> {
        let why = Ending::Reuse(from);
        self.end_grants(MeantGrants::One(id.clone()), why).await.map(drop)
    }

    /// Ends the grant that a refresh token is of, or one access token. A token that is none of ours is
    /// nobody's loss.
    pub async fn give_back(&self, token: &TokenDigest, from: AskedFrom) -> Result<(), CallError> {
        let grants = self.book.grants();
        if let Some(grant) = grants.of_refresh(token) {
            let why = Ending::ByClient(from);
            return self.end_grants(MeantGrants::One(grant.id), why).await.map(drop);
        }
        if grants.of_access(token).is_some() {
            self.keeper.send(EndAccess(*token)).timeout(PATIENCE).await?;
        }
        Ok(())
    }

    /// Ends every grant of a client that removes its registration, and what waits to become one.
    pub async fn end_grants_of_client(
        &self,
        client: &str,
        from: AskedFrom,
    ) -> Result<(), CallError> {
        // First: a code that comes later opens nothing, and a grant that it opened before is ended.
        self.lobby.dismiss_client(client);
        let which = MeantGrants::OfClient(client.to_owned());
        self.end_grants(which, Ending::ByClient(from)).await.map(drop)
    }

    async fn end_grants(&self, which: MeantGrants, why: Ending) -> Result<Vec<Grant>, CallError> {
        self.keeper.send(EndGrants { which, why }).timeout(PATIENCE).await?
    }

    /// Writes an event into the audit. The same within a minute is counted, and written once more.
    /// Nobody waits for it.
    pub fn note(&self, event: AuditEvent) {
        let Some(event) = self.counts.count(event) else { return };
        if let Err(refused) = self.keeper.try_send(Note(event)) {
            log::debug!("an event of the audit is written later: {refused}");
            self.counts.put_back(refused.into_inner().0);
        }
    }

    /// Writes that somebody asked for more than the credential gives.
    pub fn note_denial(&self, caller: &Caller, denied: &impl Display) {
        self.note_deed(AuditKind::AccessDenied, caller, denied.to_string());
    }

    /// Writes that a caller did something.
    pub fn note_deed(&self, event: AuditKind, caller: &Caller, what: String) {
        let event = audit::event(event, caller, self.clock.now());
        self.note(AuditEvent { reason: Some(what), ..event });
    }

    /// Writes what is still held, for good.
    pub(super) async fn stop(&self) -> Result<(), CallError> {
        self.keeper.send(End).timeout(PATIENCE).await?
    }
}

impl Administration<'_> {
    /// Makes a token. It is good when this returns.
    pub async fn create(&self, wanted: NewToken) -> Result<Made, CallError> {
        let asked = Create { wanted, by: self.caller.clone() };
        self.accounts.keeper.send(asked).timeout(PATIENCE).await?
    }

    /// Revokes, enables or deletes a token: the one that is named by itself or by its beginning, or
    /// all that bear a name.
    pub async fn change(&self, which: &str, change: TokenChange) -> Result<Vec<Token>, CallError> {
        let asked = Change { which: which.to_owned(), change, by: self.caller.clone() };
        self.accounts.keeper.send(asked).timeout(PATIENCE).await?
    }

    /// Makes a token that takes another's place, which stays good for a while.
    pub async fn rotate(&self, which: &str, rotation: Rotation) -> Result<Made, CallError> {
        let asked = Rotate { which: which.to_owned(), rotation, by: self.caller.clone() };
        self.accounts.keeper.send(asked).timeout(PATIENCE).await?
    }

    /// Every token that is kept, the oldest first; only one user's, if one is named.
    #[must_use]
    pub fn tokens(&self, user: Option<&UserId>) -> Vec<Token> {
        let mut tokens = self.accounts.book.list();
        tokens.retain(|token| user.is_none_or(|user| token.user == *user));
        tokens
    }

    /// Every grant that is kept, the oldest first; only one user's, if one is named.
    #[must_use]
    pub fn grants(&self, user: Option<&UserId>) -> Vec<Grant> {
        let mut grants = self.accounts.book.grants().list();
        grants.retain(|grant| user.is_none_or(|user| grant.user == *user));
        grants
    }

    /// Ends the grant with this id, or all that bear a name.
    pub async fn end_grants(&self, which: &str) -> Result<Vec<Grant>, CallError> {
        let which = MeantGrants::Named(which.trim().to_owned());
        let why = Ending::By(Box::new(self.caller.clone()));
        self.accounts.end_grants(which, why).await
    }

    /// Forgets a user: the tokens go with what waits to become some, and the audit knows a pseudonym from now
    /// on.
    pub async fn forget_user(&self, user: &UserId) -> Result<Erased, CallError> {
        let asked = Forget { user: user.clone(), by: self.caller.clone() };
        self.accounts.keeper.send(asked).timeout(PATIENCE).await?
    }

    /// What the audit says, the oldest first.
    pub async fn audit(&self, filter: AuditFilter) -> Result<Vec<AuditEvent>, CallError> {
        self.accounts.keeper.send(Read(filter)).timeout(PATIENCE).await?
    }

    /// Reads on in all that the audit says, the oldest first: at most so many events behind a place.
    pub async fn audit_part(
        &self,
        after: Option<AuditPlace>,
        most: usize,
    ) -> Result<AuditPart, CallError> {
        self.accounts.keeper.send(ReadOn { after, most }).timeout(PATIENCE).await?
    }
}
