use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorFutureExt, Arbiter, AsyncContext, Context, Handler, Message, ResponseActFuture,
    WrapFuture,
};

use super::audit::{AuditFilter, Counts};
use super::wanted::{NewToken, Rotation};
use super::{Made, TokenChange};
use crate::actors::CallError;
use crate::auth::{TokenBook, TokenError};
use crate::engine::EngineError;
use crate::model::{
    AuditEvent, AuditKind, Caller, Clock, CredentialName, Timestamp, Token, TokenPrefix,
    TokenState, UserId,
};
use crate::store::{AuditKey, Batch, Receipt, SessionStore, Store, StoreError};

/// What repeats within this is counted and written once.
const MINUTE: Duration = Duration::from_secs(60);
/// How often what is too old is looked for.
const SWEEP: Duration = Duration::from_secs(3_600);
/// Events that are erased at once; the rest waits for the next time.
const SWEPT_AT_ONCE: usize = 10_000;
/// Names that the program uses itself.
const TAKEN: [&str; 4] = ["default", "instance", "invalid", "local"];
/// Leaves room for what tells namesakes apart.
const NAME_CHARS: usize = 56;

/// Owns the system's records.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Gone once the end has come.
    open: Option<Open>,
    book: Arc<TokenBook>,
    counts: Arc<Counts>,
    clock: Arc<dyn Clock>,
    keep_audit: Duration,
}

#[derive(Debug)]
struct Open {
    store: Store,
    records: SessionStore,
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

#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Note(pub(super) AuditEvent);

#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<AuditEvent>, CallError>")]
pub(super) struct Read(pub(super) AuditFilter);

/// Writes what is still held, and lets go of the store.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), CallError>")]
pub(super) struct End;

/// What a token is after a change; nothing if it is gone.
type After = (Token, bool);

impl Keeper {
    pub(super) fn new(
        store: Store,
        book: Arc<TokenBook>,
        counts: Arc<Counts>,
        clock: Arc<dyn Clock>,
        keep_audit: Duration,
    ) -> Result<Self, StoreError> {
        let records = store.system()?;
        let open = Some(Open { store, records });
        Ok(Self { open, book, counts, clock, keep_audit })
    }

    /// Makes a batch and submits it. What a failure of the disk has cost is no longer believed.
    fn write(&mut self, fill: impl Fn(&mut Batch, &SessionStore)) -> Result<Receipt, StoreError> {
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

    /// Writes events that nobody waits for.
    fn append(&mut self, events: &[AuditEvent]) {
        if events.is_empty() {
            return;
        }
        if let Err(error) = self.write(|batch, records| put_events(batch, records, events)) {
            // Reading and refusing go on without a disk; the log has told of each request.
            log::warn!("{} events of the audit are not written: {error}", events.len());
        }
    }

    fn append_counted(&mut self) {
        let counted = self.counts.drain();
        self.append(&counted);
    }

    /// Erases what is older than it has to be kept.
    fn sweep(&mut self) {
        let end = self.clock.now().0.saturating_sub(millis(self.keep_audit));
        let Ok(end) = u64::try_from(end) else { return };
        let from = AuditKey { at: 0, number: 0 };
        let range = from..=AuditKey { at: end, number: u64::MAX };
        let Some(open) = &self.open else { return };
        let old = open.records.scan_range::<AuditEvent>(&range).take(SWEPT_AT_ONCE);
        let old: Vec<AuditKey> = old.filter_map(|row| Some(row.ok()?.0)).collect();
        if old.is_empty() {
            return;
        }
        let swept = self.write(|batch, _| {
            old.iter().for_each(|key| batch.remove::<AuditEvent>(key));
        });
        if let Err(error) = swept {
            log::warn!("{} old events of the audit stay for now: {error}", old.len());
        }
    }

    fn read(&self, filter: &AuditFilter) -> Result<Vec<AuditEvent>, StoreError> {
        let since = filter.since.map_or(0, |since| u64::try_from(since.0).unwrap_or_default());
        let from = AuditKey { at: since, number: 0 };
        let range = from..=AuditKey { at: u64::MAX, number: u64::MAX };
        let limit = filter.limit.unwrap_or(usize::MAX);
        let mut events = VecDeque::new();
        let open = self.open.as_ref().ok_or(StoreError::Lost)?;
        for row in open.records.scan_range::<AuditEvent>(&range) {
            let (_, event) = row?;
            if filter.accepts(&event) {
                if events.len() >= limit {
                    events.pop_front();
                }
                events.push_back(event);
            }
        }
        Ok(events.into())
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
            tools: wanted.tools,
            created_at: now,
            expires_at: wanted.life.map(|life| now.plus(life)),
            revoked_at: None,
            last_used_at: None,
        };
        let told = about(AuditKind::TokenCreated, by, &token, now);
        let receipt = self.put_tokens(&[(token.clone(), true)], &[told])?;
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
        if change != TokenChange::Enable {
            // At once, whatever the disk says to it.
            changed.iter().for_each(|(token, stays)| self.settle(token, *stays));
        }
        let kind = match change {
            TokenChange::Revoke => AuditKind::TokenRevoked,
            TokenChange::Enable => AuditKind::TokenEnabled,
            TokenChange::Delete => AuditKind::TokenDeleted,
        };
        let told: Vec<_> = changed.iter().map(|(token, _)| about(kind, by, token, now)).collect();
        let receipt = self.put_tokens(&changed, &told)?;
        Ok((changed, receipt))
    }

    fn put_tokens(
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

    fn settle(&self, token: &Token, stays: bool) {
        if stays {
            self.book.put(token.clone());
        } else {
            self.book.remove(&token.digest);
        }
    }

    /// A name for logs and lists that no other token has.
    fn free_name(&self, label: &str) -> CredentialName {
        let is_fit = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        let fit: String =
            label.chars().map(|c| if is_fit(c) { c } else { '-' }).take(NAME_CHARS).collect();
        let fit = fit.trim_matches('-');
        let base = if fit.is_empty() { "token" } else { fit };
        let tokens = self.book.list();
        let is_taken = |name: &str| {
            TAKEN.contains(&name) || tokens.iter().any(|token| token.name.as_str() == name)
        };
        let mut name = base.to_owned();
        let mut number = 2_u64;
        loop {
            if let Some(parsed) = CredentialName::parse(&name).ok().filter(|_| !is_taken(&name)) {
                return parsed;
            }
            name = format!("{base}-{number}");
            number += 1;
        }
    }
}

/// An event of now by somebody.
pub(super) fn event(event: AuditKind, by: &Caller, now: Timestamp) -> AuditEvent {
    AuditEvent {
        at: now,
        event,
        user: Some(by.user.clone()),
        credential: Some(by.credential.clone()),
        prefix: by.token.clone(),
        reason: None,
        address: by.address,
        client: by.client.clone(),
        count: 1,
    }
}

/// An event of now about a token.
fn about(kind: AuditKind, by: &Caller, token: &Token, now: Timestamp) -> AuditEvent {
    let user: UserId = token.user.clone();
    let reason = Some(format!("the token {} of {user}", token.name));
    AuditEvent {
        user: Some(user),
        prefix: Some(token.prefix.clone()),
        reason,
        ..event(kind, by, now)
    }
}

/// Gives each event a key of its own; those of one millisecond are numbered.
fn put_events(batch: &mut Batch, records: &SessionStore, events: &[AuditEvent]) {
    let mut used: Vec<AuditKey> = Vec::new();
    for event in events {
        let at = u64::try_from(event.at.0).unwrap_or_default();
        let mut key = AuditKey { at, number: 0 };
        // One that cannot be read stands there all the same.
        while used.contains(&key) || !matches!(records.get::<AuditEvent>(&key), Ok(None)) {
            key.number += 1;
            if key.number >= u64::from(u32::MAX) {
                return;
            }
        }
        batch.put(&key, event);
        used.push(key);
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(MINUTE, |keeper, _| keeper.append_counted());
        self.sweep();
        context.run_interval(SWEEP, |keeper, _| keeper.sweep());
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        Arbiter::current().stop();
    }
}

type Answered<T> = ResponseActFuture<Keeper, Result<T, CallError>>;

impl Handler<Create> for Keeper {
    type Result = Answered<Made>;

    fn handle(&mut self, Create { wanted, by }: Create, _: &mut Context<Self>) -> Self::Result {
        let made = self.create(wanted, &by);
        made_when_durable(self, made)
    }
}

impl Handler<Rotate> for Keeper {
    type Result = Answered<Made>;

    fn handle(&mut self, asked: Rotate, _: &mut Context<Self>) -> Self::Result {
        let made = self.rotate(&asked.which, asked.rotation, &asked.by);
        made_when_durable(self, made)
    }
}

/// A new token is good from when it is on the disk.
fn made_when_durable(
    keeper: &mut Keeper,
    made: Result<(Made, Receipt), CallError>,
) -> Answered<Made> {
    match made {
        Err(error) => Box::pin(actix::fut::ready(Err(error))),
        Ok((made, receipt)) => {
            Box::pin(receipt.into_actor(keeper).map(move |durable, keeper, _| {
                durable.map_err(EngineError::from)?;
                keeper.settle(&made.token, true);
                Ok(made)
            }))
        }
    }
}

impl Handler<Change> for Keeper {
    type Result = Answered<Vec<Token>>;

    fn handle(&mut self, asked: Change, _: &mut Context<Self>) -> Self::Result {
        match self.change(&asked.which, asked.change, &asked.by) {
            Err(error) => Box::pin(actix::fut::ready(Err(error))),
            Ok((changed, receipt)) => {
                Box::pin(receipt.into_actor(self).map(move |durable, keeper, _| {
                    durable.map_err(EngineError::from)?;
                    changed.iter().for_each(|(token, stays)| keeper.settle(token, *stays));
                    Ok(changed.into_iter().map(|(token, _)| token).collect())
                }))
            }
        }
    }
}

impl Handler<Use> for Keeper {
    type Result = ();

    fn handle(&mut self, Use(prefix): Use, _: &mut Context<Self>) {
        let Some(token) = self.book.used(&prefix, self.clock.now()) else { return };
        if let Err(error) = self.write(|batch, _| batch.put(&token.digest, &token)) {
            log::debug!("the last use of a token is not written: {error}");
        }
    }
}

impl Handler<Note> for Keeper {
    type Result = ();

    fn handle(&mut self, Note(event): Note, _: &mut Context<Self>) {
        self.append(&[event]);
    }
}

impl Handler<Read> for Keeper {
    type Result = Result<Vec<AuditEvent>, CallError>;

    fn handle(&mut self, Read(filter): Read, _: &mut Context<Self>) -> Self::Result {
        self.append_counted();
        Ok(self.read(&filter).map_err(EngineError::from)?)
    }
}

impl Handler<End> for Keeper {
    type Result = ResponseActFuture<Self, Result<(), CallError>>;

    fn handle(&mut self, _: End, _: &mut Context<Self>) -> Self::Result {
        self.append_counted();
        let newest = self.open.take().and_then(|open| open.records.newest_receipt());
        match newest {
            None => Box::pin(actix::fut::ready(Ok(()))),
            Some(receipt) => Box::pin(
                receipt
                    .into_actor(self)
                    .map(|durable, _, _| Ok(durable.map_err(EngineError::from)?)),
            ),
        }
    }
}
