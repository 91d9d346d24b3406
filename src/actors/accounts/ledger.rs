//! What the keeper does with the audit: writing, reading, forgetting.

use std::collections::VecDeque;
use std::time::Duration;

use actix::{ActorFutureExt, Context, Handler, Message, ResponseFuture, WrapFuture};
use tokio::task::spawn_blocking;

use super::audit::{AuditFilter, event};
use super::events::{Changed, Old, Rows, full_pages, kept_events, put_events, put_page};
use super::keeper::{Answered, Keeper, answered};
use crate::actors::{CallError, Erased};
use crate::auth::{TokenError, generate_key};
use crate::engine::EngineError;
use crate::model::{AuditEvent, AuditKind, Caller, CredentialName, Grant, Token, UserId};
use crate::store::{AuditKey, OnlyKey, Receipt, SessionStore, StoreError};

/// Enough to tell one who was erased from another.
const PSEUDONYM_CHARS: usize = 8;

#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Note(pub(super) AuditEvent);

#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<AuditEvent>, CallError>")]
pub(super) struct Read(pub(super) AuditFilter);

/// Reads on in the whole audit, the oldest first: at most so many events behind a place.
#[derive(Debug, Message)]
#[rtype(result = "Result<AuditPart, CallError>")]
pub(super) struct ReadOn {
    pub(super) after: Option<AuditPlace>,
    pub(super) most: usize,
}

/// Where a reader of the whole audit is.
#[derive(Debug, Clone, Copy)]
pub struct AuditPlace(AuditKey);

/// Events in a row, and where it goes on; nowhere at the end.
#[derive(Debug)]
pub struct AuditPart {
    pub events: Vec<AuditEvent>,
    pub next: Option<AuditPlace>,
}

/// Forgets a user.
#[derive(Debug, Message)]
#[rtype(result = "Result<Erased, CallError>")]
pub(super) struct Forget {
    pub(super) user: UserId,
    pub(super) by: Caller,
}

/// What is left to do when the tokens of a user are gone from the disk.
struct Forgotten {
    erased: Erased,
    tokens: Vec<Token>,
    grants: Vec<Grant>,
    receipt: Receipt,
}

impl Keeper {
    /// Writes events that nobody waits for.
    pub(super) fn append(&mut self, events: &[AuditEvent]) {
        if events.is_empty() {
            return;
        }
        if let Err(error) = self.write(|batch, records| put_events(batch, records, events)) {
            // Reading and refusing go on without a disk; the log has told of each request.
            log::warn!("{} events of the audit are not written: {error}", events.len());
        }
    }

    pub(super) fn append_counted(&mut self) {
        let counted = self.counts.drain();
        self.append(&counted);
    }

    /// Writes what is known of the clock, if that is due.
    pub(super) fn keep_clock(&mut self) {
        let Some(time) = self.clock.to_keep() else { return };
        match self.write(|batch, _| batch.put(&OnlyKey, &time)) {
            Ok(_) => self.clock.note_kept(time),
            Err(error) => log::debug!("what is known of the clock is written later: {error}"),
        }
    }

    /// Erases what is older than it has to be kept. Says whether there is more.
    pub(super) fn sweep(&mut self) -> bool {
        let end = self.clock.erasable().0.saturating_sub(millis(self.keep_audit));
        let (Ok(end), Some(open)) = (u64::try_from(end), &self.open) else { return false };
        let old = Old::until(&open.records, end);
        if old.is_empty() {
            return false;
        }
        if let Err(error) = self.write(|batch, _| old.remove_in(batch)) {
            log::warn!("old events of the audit stay for now: {error}");
            return false;
        }
        old.is_a_part()
    }

    /// Puts events that lie by themselves into pages, once there are enough of them. None that a clock may have
    /// dated ahead: what happens later would come late.
    pub(super) fn pack(&mut self) {
        let until = u64::try_from(self.clock.erasable().0).unwrap_or_default();
        let packed_to = self.packed_to;
        let packed = self.records().and_then(|records| full_pages(records, packed_to, until));
        let packed = packed.and_then(|pages| {
            let last = pages.last().and_then(|page| page.0.last()).map(|(key, _)| *key);
            if last.is_some() {
                self.write(|batch, _| pages.iter().for_each(|page| put_page(batch, page)))?;
            }
            Ok(last)
        });
        match packed {
            Ok(last) => self.packed_to = last.or(packed_to),
            Err(error) => log::debug!("events of the audit lie by themselves for now: {error}"),
        }
    }

    /// The records to read of, opened anew where what was read of them counts no more.
    fn records(&mut self) -> Result<&SessionStore, StoreError> {
        let open = self.open.as_mut().ok_or(StoreError::Lost)?;
        if !open.records.is_sound() {
            open.records = open.store.system()?;
        }
        Ok(&open.records)
    }

    /// The events from a key on, as they are now. Whoever has them reads them elsewhere.
    fn rows(&mut self, from: AuditKey) -> Result<impl Rows + use<>, StoreError> {
        Ok(kept_events(self.records()?, from))
    }

    /// Removes the tokens of a user, and takes the name out of the audit.
    fn forget(&mut self, user: &UserId, by: &Caller) -> Result<Forgotten, CallError> {
        let now = self.clock.now();
        let code = generate_key().map_err(TokenError::from)?;
        let pseudonym: String = code.reveal().chars().take(PSEUDONYM_CHARS).collect();
        let pseudonym = format!("erased-{pseudonym}");
        let unnamed = UserId::parse(&pseudonym).map_err(|_| CallError::Panicked)?;
        let tokens: Vec<Token> =
            self.book.list().into_iter().filter(|token| token.user == *user).collect();
        // Shut first, so that nothing is counted any more that would name them.
        tokens.iter().for_each(|token| self.take_back(token.clone(), now));
        let grants = self.shut_grants_of(user);
        self.lobby.forget_user(user);
        self.append_counted();
        let names = tokens.iter().map(|token| &token.name);
        let names: Vec<&CredentialName> = names.chain(grants.iter().map(|one| &one.name)).collect();
        while self.forget_events(user, &unnamed, &names)? {}
        let erased = event(AuditKind::UserErased, by, now);
        let erased = AuditEvent { user: Some(unnamed), ..erased };
        let gone: Vec<_> = tokens.iter().map(|token| (token.clone(), false)).collect();
        self.write(|batch, _| grants.iter().for_each(|grant| batch.remove::<Grant>(&grant.id)))
            .map_err(EngineError::from)?;
        let receipt = self.put_tokens(&gone, &[erased])?;
        let erased = Erased { pseudonym, tokens: tokens.len().saturating_add(grants.len()) };
        Ok(Forgotten { erased, tokens, grants, receipt })
    }

    /// The same, and waits for the disk.
    fn forget_for_good(
        &mut self,
        user: &UserId,
        by: &Caller,
        context: &mut Context<Self>,
    ) -> Answered<Erased> {
        // Written afterwards, a row of the user would be back.
        self.write_late(context);
        match self.forget(user, by) {
            Err(error) => answered(Err(error)),
            Ok(Forgotten { erased, tokens, grants, receipt }) => {
                Box::pin(receipt.into_actor(self).map(move |durable, keeper, _| {
                    durable.map_err(EngineError::from)?;
                    tokens.iter().for_each(|token| keeper.book.remove(&token.digest));
                    grants.iter().for_each(|grant| keeper.book.grants().remove(&grant.id));
                    Ok(erased)
                }))
            }
        }
    }

    /// Takes the name out of some events, and waits until that is durable. Says whether there are
    /// more.
    fn forget_events(
        &mut self,
        user: &UserId,
        unnamed: &UserId,
        names: &[&CredentialName],
    ) -> Result<bool, CallError> {
        let unname = |event: &AuditEvent| {
            let is_named = event.user.as_ref() == Some(user);
            let is_own = event.credential.as_ref().is_some_and(|name| names.contains(&name));
            let is_told =
                event.reason.as_ref().is_some_and(|reason| reason.contains(user.as_str()));
            if !(is_named || is_own || is_told) {
                return None;
            }
            // The name of a credential, a reason and a program may tell who it was.
            let is_about = is_own || is_named;
            let AuditEvent { user, credential, prefix, client, .. } = event.clone();
            let user = if is_named { Some(unnamed.clone()) } else { user };
            let credential = credential.filter(|_| !is_about);
            let prefix = prefix.filter(|_| !is_about);
            let client = client.filter(|_| !is_about);
            let event = event.clone();
            Some(AuditEvent { user, credential, reason: None, client, prefix, ..event })
        };
        let records = self.records().map_err(EngineError::from)?;
        let changed = Changed::of(records, unname).map_err(EngineError::from)?;
        let written = self.write(|batch, _| changed.put_in(batch));
        // On a thread of the keeper's own, where nobody else waits for more than the audit.
        written.and_then(Receipt::wait).map_err(EngineError::from)?;
        Ok(changed.is_a_part())
    }
}

/// Picks the newest events that are asked for, in order.
fn pick(rows: impl Rows, filter: &AuditFilter) -> Result<Vec<AuditEvent>, StoreError> {
    let limit = filter.limit.unwrap_or(usize::MAX);
    let mut events = VecDeque::new();
    for row in rows {
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

fn part(rows: impl Rows, most: usize) -> Result<AuditPart, StoreError> {
    let (mut events, mut last) = (Vec::new(), None);
    for row in rows.take(most) {
        let (key, event) = row?;
        last = Some(AuditPlace(key));
        events.push(event);
    }
    let next = last.filter(|_| events.len() == most);
    Ok(AuditPart { events, next })
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Handler<Note> for Keeper {
    type Result = ();

    fn handle(&mut self, Note(event): Note, context: &mut Context<Self>) {
        if self.holds_back(context) {
            self.counts.put_back(event);
        } else {
            self.append(&[event]);
        }
    }
}

impl Handler<Read> for Keeper {
    type Result = ResponseFuture<Result<Vec<AuditEvent>, CallError>>;

    /// A long look holds up nobody who takes a token back.
    fn handle(&mut self, Read(filter): Read, context: &mut Context<Self>) -> Self::Result {
        self.catch_up(context);
        let since = filter.since.map_or(0, |since| u64::try_from(since.0).unwrap_or_default());
        let rows = self.rows(AuditKey { at: since, number: 0 });
        Box::pin(async move {
            let picking = spawn_blocking(move || pick(rows?, &filter));
            let picked = picking.await.map_err(|_| CallError::Panicked)?;
            Ok(picked.map_err(EngineError::from)?)
        })
    }
}

impl Handler<ReadOn> for Keeper {
    type Result = ResponseFuture<Result<AuditPart, CallError>>;

    fn handle(
        &mut self,
        ReadOn { after, most }: ReadOn,
        context: &mut Context<Self>,
    ) -> Self::Result {
        self.catch_up(context);
        let start = AuditKey { at: 0, number: 0 };
        let behind = |place: AuditPlace| AuditKey { number: place.0.number + 1, ..place.0 };
        let rows = self.rows(after.map_or(start, behind));
        Box::pin(async move {
            let reading = spawn_blocking(move || part(rows?, most));
            let read = reading.await.map_err(|_| CallError::Panicked)?;
            Ok(read.map_err(EngineError::from)?)
        })
    }
}

impl Handler<Forget> for Keeper {
    type Result = Answered<Erased>;

    fn handle(&mut self, Forget { user, by }: Forget, context: &mut Context<Self>) -> Self::Result {
        self.once_compared(context, move |keeper, context| {
            keeper.forget_for_good(&user, &by, context)
        })
    }
}
