use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorFutureExt, Arbiter, AsyncContext, Context, Handler, Message, ResponseActFuture,
    WrapFuture,
};

use super::audit::{Counts, about};
use super::events::put_events;
use super::held::Held;
use super::naming::{first_free, fitting};
use super::wanted::{NewToken, Rotation};
use super::{Made, TokenChange};
use crate::actors::CallError;
use crate::actors::clock_watch::ClockWatch;
use crate::auth::oauth::Lobby;
use crate::auth::{TokenBook, TokenError};
use crate::engine::EngineError;
use crate::model::{
    AuditEvent, AuditKind, Caller, CredentialName, Grant, Timestamp, Token, TokenDigest,
    TokenPrefix, TokenState,
};
use crate::store::{AuditKey, Batch, Receipt, SessionStore, Store, StoreError};

/// What repeats within this is counted and written once.
const MINUTE: Duration = Duration::from_secs(60);
/// Between two portions of what is too old, so that others have their turn.
const PAUSE: Duration = Duration::from_secs(1);
/// How often what is too old is looked for.
const SWEEP: Duration = Duration::from_secs(3_600);
/// Names that the program uses itself.
const TAKEN: [&str; 4] = ["default", "instance", "invalid", "local"];
/// Leaves room for what tells namesakes apart.
const NAME_CHARS: usize = 56;

/// Owns the system's records.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Gone once the end has come.
    pub(super) open: Option<Open>,
    pub(super) book: Arc<TokenBook>,
    pub(super) counts: Arc<Counts>,
    pub(super) lobby: Arc<Lobby>,
    pub(super) clock: ClockWatch,
    pub(super) keep_audit: Duration,
    /// Tokens of which the last word was that they open nothing: what is still on its way to the disk
    /// must not overrule it.
    pub(super) taken_back: HashSet<TokenDigest>,
    /// What was taken back and could not be written, with what the audit is to be told of it.
    pub(super) unwritten: Vec<(After, AuditEvent)>,
    /// Grants that were ended since the start: one that is on its way to the disk must not open again.
    pub(super) ended_grants: HashSet<TokenPrefix>,
    /// Grants that are not on the disk as they are in the book.
    pub(super) late_grants: HashSet<TokenPrefix>,
    /// What is done once everything is compared.
    pub(super) held: Held,
    /// The last event of the last page that was made, which may not be in the trees yet.
    pub(super) packed_to: Option<AuditKey>,
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) store: Store,
    pub(super) records: SessionStore,
}

#[derive(Debug, Message)]
#[rtype(result = "Result<Made, CallError>")]
pub(super) struct Create {
    pub(super) wanted: NewToken,
    pub(super) by: Caller,
}

#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Token>, CallError>")]
pub(super) struct Change {
    pub(super) which: String,
    pub(super) change: TokenChange,
    pub(super) by: Caller,
}

#[derive(Debug, Message)]
#[rtype(result = "Result<Made, CallError>")]
pub(super) struct Rotate {
    pub(super) which: String,
    pub(super) rotation: Rotation,
    pub(super) by: Caller,
}

/// A token was used.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Use(pub(super) TokenPrefix);

/// Writes what is still held, and lets go of the store.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), CallError>")]
pub(super) struct End;

/// What a token is after a change; nothing if it is gone.
pub(super) type After = (Token, bool);

impl Keeper {
    /// Reads the tokens into the book.
    pub(super) fn new(
        store: Store,
        book: Arc<TokenBook>,
        counts: Arc<Counts>,
        lobby: Arc<Lobby>,
        clock: ClockWatch,
        keep_audit: Duration,
    ) -> Result<Self, StoreError> {
        let records = store.system()?;
        for row in records.scan::<Token>() {
            book.put(row?.1);
        }
        for row in records.scan::<Grant>() {
            book.grants().put(row?.1);
        }
        Ok(Self {
            open: Some(Open { store, records }),
            book,
            counts,
            lobby,
            clock,
            keep_audit,
            taken_back: HashSet::new(),
            unwritten: Vec::new(),
            ended_grants: HashSet::new(),
            late_grants: HashSet::new(),
            held: Held::default(),
            packed_to: None,
        })
    }

    /// Goes on after a pause while there is more than is swept at once.
    pub(super) fn sweep_on(&mut self, context: &mut Context<Self>) {
        if self.holds_back(context) {
            return;
        }
        self.sweep_grants();
        if self.sweep() {
            context.run_later(PAUSE, Self::sweep_on);
        }
    }

    /// Makes a batch and submits it. What a failure of the disk has cost is no longer believed.
    pub(super) fn write(
        &mut self,
        fill: impl Fn(&mut Batch, &SessionStore),
    ) -> Result<Receipt, StoreError> {
        let open = self.open.as_mut().ok_or(StoreError::Lost)?;
        let submit = |records: &mut SessionStore| {
            let mut batch = Batch::default();
            fill(&mut batch, records);
            records.commit(batch)
        };
        match submit(&mut open.records) {
            Err(StoreError::Lost) => {}
            done => return done,
        }
        open.records = open.store.system()?;
        submit(&mut open.records)
    }

    fn create(&mut self, wanted: NewToken, by: &Caller) -> Result<(Made, Receipt), CallError> {
        let (secret, digest, prefix) = self.book.generate().map_err(TokenError::from)?;
        let now = self.clock.now();
        let token = Token {
            digest,
            prefix,
            name: self.free_name(wanted.label.as_deref().unwrap_or_default()),
            label: wanted.label,
            user: wanted.user.unwrap_or_else(|| by.user.clone()),
            email: wanted.email,
            scopes: wanted.scopes,
            project: wanted.project,
            is_guest: wanted.is_guest,
            tools: wanted.tools,
            created_at: now,
            expires_at: wanted.life.map(|life| now.plus(life)),
            revoked_at: None,
            last_used_at: None,
        };
        let told = about(AuditKind::TokenCreated, by, &token, now);
        let receipt = self.put_tokens(&[(token.clone(), true)], &[told])?;
        self.await_opening(&token, now);
        Ok((Made { secret, token }, receipt))
    }

    fn rotate(
        &mut self,
        which: &str,
        rotation: Rotation,
        by: &Caller,
    ) -> Result<(Made, Receipt), CallError> {
        let now = self.clock.now();
        let found = self.book.find(which)?;
        // Of several generations the last one is meant.
        let old = found.into_iter().max_by_key(|token| (token.created_at, token.prefix.clone()));
        let old = old.ok_or(TokenError::Unknown)?;
        if old.state(now) != TokenState::Active {
            let state = old.state(now).word();
            return Err(TokenError::NotActive { state }.into());
        }
        let (secret, digest, prefix) = self.book.generate().map_err(TokenError::from)?;
        let life = old.expires_at.map(|end| end.since(old.created_at));
        let token = Token {
            digest,
            prefix,
            created_at: now,
            expires_at: life.map(|life| now.plus(life)),
            last_used_at: None,
            ..old.clone()
        };
        let end = now.plus(rotation.grace);
        let end = old.expires_at.map_or(end, |before| before.min(end));
        let old = Token { expires_at: Some(end), ..old };
        let told = about(AuditKind::TokenRotated, by, &token, now);
        let receipt = self.put_tokens(&[(token.clone(), true), (old.clone(), true)], &[told])?;
        self.await_opening(&token, now);
        self.book.put(old);
        Ok((Made { secret, token }, receipt))
    }

    fn change(
        &mut self,
        which: &str,
        change: TokenChange,
        by: &Caller,
    ) -> Result<(Vec<After>, Receipt), CallError> {
        let now = self.clock.now();
        let found = self.book.find(which)?;
        let after = |token: Token| match change {
            TokenChange::Revoke => {
                let revoked_at = Some(token.revoked_at.unwrap_or(now));
                (Token { revoked_at, ..token }, true)
            }
            TokenChange::Enable => (Token { revoked_at: None, ..token }, true),
            TokenChange::Delete => (token, false),
        };
        let changed: Vec<After> = found.into_iter().map(after).collect();
        for (token, _) in &changed {
            match change {
                TokenChange::Enable => drop(self.taken_back.remove(&token.digest)),
                // At once, whatever the disk says to it. One that is to be deleted is only shut until
                // it is gone from the disk, so that it can be named again if that fails.
                TokenChange::Revoke | TokenChange::Delete => self.take_back(token.clone(), now),
            }
        }
        let kind = change.kind();
        let told: Vec<_> = changed.iter().map(|(token, _)| about(kind, by, token, now)).collect();
        if change == TokenChange::Enable {
            let is_enabled =
                |token: &Token| changed.iter().any(|(one, _)| one.digest == token.digest);
            self.unwritten.retain(|((token, _), _)| !is_enabled(token));
            let receipt = self.put_tokens(&changed, &told)?;
            return Ok((changed, receipt));
        }
        match self.put_tokens(&changed, &told) {
            Ok(receipt) => Ok((changed, receipt)),
            Err(error) => Err(self.only_shut(changed.into_iter().zip(told).collect(), &error)),
        }
    }

    /// The same, and waits for the disk. What was taken back and it does not take is written later.
    fn change_for_good(&mut self, Change { which, change, by }: Change) -> Answered<Vec<Token>> {
        let (changed, receipt) = match self.change(&which, change, &by) {
            Err(error) => return answered(Err(error)),
            Ok(changed) => changed,
        };
        Box::pin(receipt.into_actor(self).map(move |durable, keeper, _| {
            match durable.map_err(EngineError::from) {
                Err(error) if change != TokenChange::Enable => {
                    let now = keeper.clock.now();
                    let late = changed.into_iter().map(|after| {
                        let told = about(change.kind(), &by, &after.0, now);
                        (after, told)
                    });
                    return Err(keeper.only_shut(late.collect(), &error));
                }
                durable => durable?,
            }
            changed.iter().for_each(|(token, stays)| keeper.settle(token, *stays));
            Ok(changed.into_iter().map(|(token, _)| token).collect())
        }))
    }

    pub(super) fn put_tokens(
        &mut self,
        tokens: &[After],
        told: &[AuditEvent],
    ) -> Result<Receipt, EngineError> {
        let written = self.write(|batch, records| {
            for (token, stays) in tokens {
                match stays {
                    true => batch.put(&token.digest, token),
                    false => batch.remove::<Token>(&token.digest),
                }
            }
            put_events(batch, records, told);
        });
        Ok(written?)
    }

    /// Names a token that opens nothing yet, so that it can be taken back before it does.
    fn await_opening(&self, token: &Token, now: Timestamp) {
        self.book.put(Token { revoked_at: Some(now), ..token.clone() });
    }

    /// Shuts a token, whatever else is on its way.
    pub(super) fn take_back(&mut self, token: Token, now: Timestamp) {
        self.taken_back.insert(token.digest);
        let revoked_at = Some(token.revoked_at.unwrap_or(now));
        self.book.put(Token { revoked_at, ..token });
    }

    /// Follows what has become durable, unless there was a later word.
    pub(super) fn settle(&mut self, token: &Token, stays: bool) {
        let is_shut = token.revoked_at.is_some();
        if !stays {
            self.book.remove(&token.digest);
            self.taken_back.remove(&token.digest);
        } else if is_shut == self.taken_back.contains(&token.digest) {
            self.book.put(token.clone());
        }
    }

    /// A name for logs and lists that no other token has.
    fn free_name(&self, label: &str) -> CredentialName {
        let fit = fitting(label, NAME_CHARS, "-_.@");
        let base = if fit.is_empty() { "token" } else { fit.as_str() };
        let tokens = self.book.list();
        first_free(base, |name| {
            !TAKEN.contains(&name.as_str()) && !tokens.iter().any(|token| token.name == *name)
        })
    }
}

impl TokenChange {
    fn kind(self) -> AuditKind {
        match self {
            Self::Revoke => AuditKind::TokenRevoked,
            Self::Enable => AuditKind::TokenEnabled,
            Self::Delete => AuditKind::TokenDeleted,
        }
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(MINUTE, |keeper, context| {
            if !keeper.holds_back(context) {
                keeper.make_up(context);
                keeper.keep_clock();
                keeper.pack();
            }
        });
        self.sweep_on(context);
        context.run_interval(SWEEP, Self::sweep_on);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        Arbiter::current().stop();
    }
}

pub(super) type Answered<T> = ResponseActFuture<Keeper, Result<T, CallError>>;

/// What is known already.
pub(super) fn answered<T: 'static>(outcome: Result<T, CallError>) -> Answered<T> {
    Box::pin(actix::fut::ready(outcome))
}

impl Handler<Create> for Keeper {
    type Result = Answered<Made>;

    fn handle(
        &mut self,
        Create { wanted, by }: Create,
        context: &mut Context<Self>,
    ) -> Self::Result {
        self.once_compared(context, move |keeper, _| {
            let made = keeper.create(wanted, &by);
            made_when_durable(keeper, made)
        })
    }
}

impl Handler<Rotate> for Keeper {
    type Result = Answered<Made>;

    fn handle(&mut self, asked: Rotate, context: &mut Context<Self>) -> Self::Result {
        self.once_compared(context, move |keeper, _| {
            let made = keeper.rotate(&asked.which, asked.rotation, &asked.by);
            made_when_durable(keeper, made)
        })
    }
}

/// A new token is good from when it is on the disk.
fn made_when_durable(
    keeper: &mut Keeper,
    made: Result<(Made, Receipt), CallError>,
) -> Answered<Made> {
    match made {
        Err(error) => answered(Err(error)),
        Ok((made, receipt)) => {
            Box::pin(receipt.into_actor(keeper).map(move |durable, keeper, _| {
                if let Err(error) = durable {
                    keeper.book.remove(&made.token.digest);
                    return Err(EngineError::from(error).into());
                }
                keeper.settle(&made.token, true);
                Ok(made)
            }))
        }
    }
}

impl Handler<Change> for Keeper {
    type Result = Answered<Vec<Token>>;

    fn handle(&mut self, asked: Change, context: &mut Context<Self>) -> Self::Result {
        if asked.change == TokenChange::Enable {
            return self.once_compared(context, |keeper, _| keeper.change_for_good(asked));
        }
        if self.holds_back(context)
            && let Err(error) = self.shut(&asked.which)
        {
            return answered(Err(error));
        }
        self.once_compared_or_shut(context, |keeper, _| keeper.change_for_good(asked))
    }
}

impl Handler<Use> for Keeper {
    type Result = ();

    fn handle(&mut self, Use(prefix): Use, context: &mut Context<Self>) {
        if self.holds_back(context) {
            self.hold_use(prefix);
            return;
        }
        if prefix.is_of_grant() {
            self.use_grant(&prefix);
            return;
        }
        let Some(token) = self.book.used(&prefix, self.clock.now()) else { return };
        if let Err(error) = self.write(|batch, _| batch.put(&token.digest, &token)) {
            log::debug!("the last use of a token is not written: {error}");
        }
    }
}

impl Handler<End> for Keeper {
    type Result = ResponseActFuture<Self, Result<(), CallError>>;

    fn handle(&mut self, _: End, context: &mut Context<Self>) -> Self::Result {
        self.make_up(context);
        self.keep_clock();
        let newest = self.open.take().and_then(|open| open.records.newest_receipt());
        match newest {
            None => answered(Ok(())),
            Some(receipt) => Box::pin(
                receipt
                    .into_actor(self)
                    .map(|durable, _, _| Ok(durable.map_err(EngineError::from)?)),
            ),
        }
    }
}
