//! What the keeper does with grants: it opens, renews and ends them. One that ends is shut in the book
//! before the disk has heard of it, as a token is; one that begins is opened afterwards.

use std::net::IpAddr;

use actix::{ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};

use super::audit::event;
use super::events::put_events;
use super::keeper::{Answered, Keeper, answered};
use super::naming::{first_free, fitting};
use crate::actors::CallError;
use crate::auth::TokenError;
use crate::auth::oauth::{Approved, Redirect, RedirectKind, Renewal, TokenPair, digest_of, renew};
use crate::engine::EngineError;
use crate::model::{
    AuditEvent, AuditKind, Caller, CredentialName, Grant, Timestamp, TokenDigest, TokenPrefix,
    UserId,
};
use crate::store::Receipt;

/// How long one that has ended is still shown, and its client known.
const KEPT_DAYS: u32 = 30;
/// Grants that are swept at once.
const AT_ONCE: usize = 1_000;
/// What the name of a grant begins with.
const NAME_START: &str = "oauth:";
/// Leaves room for what tells namesakes apart.
const NAME_CHARS: usize = 48;

/// Who asked for something at the wire, for the audit.
#[derive(Debug, Clone, Copy)]
pub struct AskedFrom(pub Option<IpAddr>);

/// Begins a grant, which has its first tokens, for a code that was spent.
#[derive(Debug, Message)]
#[rtype(result = "Result<Grant, CallError>")]
pub(super) struct OpenGrant {
    pub(super) approved: Approved,
    pub(super) code: TokenDigest,
    pub(super) from: AskedFrom,
}

/// Changes a refresh token of a client for a new pair. Nothing if it is not good.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<(Grant, TokenPair)>, CallError>")]
pub(super) struct RenewGrant {
    pub(super) refresh: TokenDigest,
    pub(super) client: String,
    pub(super) pair: TokenPair,
    pub(super) from: AskedFrom,
}

/// Which grants are meant.
#[derive(Debug, Clone)]
pub(super) enum MeantGrants {
    /// By id or by name.
    Named(String),
    One(TokenPrefix),
    OfClient(String),
}

/// Why grants end.
#[derive(Debug)]
pub(super) enum Ending {
    /// An administrator said so.
    By(Box<Caller>),
    /// The client said so itself.
    ByClient(AskedFrom),
    /// A code or a refresh token came a second time.
    Reuse(AskedFrom),
}

#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Grant>, CallError>")]
pub(super) struct EndGrants {
    pub(super) which: MeantGrants,
    pub(super) why: Ending,
}

/// Ends one access token.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct EndAccess(pub(super) TokenDigest);

impl Keeper {
    /// Writes grants as they are, with what is told of them.
    fn put_grants(
        &mut self,
        grants: &[Grant],
        told: &[AuditEvent],
    ) -> Result<Receipt, EngineError> {
        let written = self.write(|batch, records| {
            grants.iter().for_each(|grant| batch.put(&grant.id, grant));
            put_events(batch, records, told);
        });
        Ok(written?)
    }

    /// Writes what could not be written before, as it is by now.
    pub(super) fn write_late_grants(&mut self, context: &mut Context<Self>) {
        if self.late_grants.is_empty() {
            return;
        }
        let grants = self.late_grants.iter().filter_map(|id| self.book.grants().get(id));
        let grants: Vec<Grant> = grants.collect();
        let Ok(receipt) = self.put_grants(&grants, &[]) else { return };
        let late = std::mem::take(&mut self.late_grants);
        context.spawn(receipt.into_actor(self).map(move |durable, keeper, _| {
            if durable.is_err() {
                keeper.late_grants.extend(late);
            }
        }));
    }

    /// Notes that a grant was used.
    pub(super) fn use_grant(&mut self, id: &TokenPrefix) {
        let Some(used) = self.book.grants().used(id, self.clock.now()) else { return };
        if let Err(error) = self.put_grants(std::slice::from_ref(&used), &[]) {
            log::debug!("the last use of a grant is not written: {error}");
        }
    }

    /// Removes grants that ended long ago.
    pub(super) fn sweep_grants(&mut self) {
        let idle = self.book.grants().policy().idle;
        let line = self.clock.erasable().minus_days(KEPT_DAYS);
        let is_old = |grant: &Grant| grant.revoked_at.unwrap_or(grant.ends_at(idle)) < line;
        let old: Vec<Grant> =
            self.book.grants().list().into_iter().filter(is_old).take(AT_ONCE).collect();
        if old.is_empty() {
            return;
        }
        match self.write(|batch, _| old.iter().for_each(|grant| batch.remove::<Grant>(&grant.id))) {
            Ok(_) => old.iter().for_each(|grant| self.book.grants().remove(&grant.id)),
            Err(error) => log::warn!("{} grants that ended stay for now: {error}", old.len()),
        }
    }

    fn open_grant(&mut self, asked: OpenGrant) -> Result<(Grant, Receipt), CallError> {
        let OpenGrant { approved: Approved { grant, redirect, by, .. }, code, from } = asked;
        let now = self.clock.now();
        // Looked at here, where users are forgotten and tokens taken back: no such word comes in between.
        let is_shut_out = by.is_some_and(|by| !self.book.is_open(&by, now));
        if is_shut_out || !self.lobby.holds(&code) {
            return Err(TokenError::UnknownGrant.into());
        }
        let grant = Grant { name: self.free_grant_name(&grant), ..grant };
        let reason = format!("{} at {}", grant.client.name, place_of(&redirect));
        let told = AuditEvent {
            reason: Some(reason),
            ..of_grant(AuditKind::GrantCreated, &grant, from, now)
        };
        let receipt = self.put_grants(std::slice::from_ref(&grant), &[told])?;
        // Named, but opening nothing yet, so that it can be ended before it does.
        self.book.grants().put(Grant { revoked_at: Some(now), ..grant.clone() });
        Ok((grant, receipt))
    }

    /// The same. It opens something once it is on the disk.
    fn open_for_good(&mut self, asked: OpenGrant) -> Answered<Grant> {
        match self.open_grant(asked) {
            Err(error) => answered(Err(error)),
            Ok((grant, receipt)) => {
                Box::pin(receipt.into_actor(self).map(move |durable, keeper, _| {
                    if let Err(error) = durable {
                        keeper.book.grants().remove(&grant.id);
                        return Err(EngineError::from(error).into());
                    }
                    if keeper.ended_grants.contains(&grant.id) {
                        keeper.late_grants.insert(grant.id);
                        return Err(TokenError::UnknownGrant.into());
                    }
                    keeper.book.grants().put(grant.clone());
                    Ok(grant)
                }))
            }
        }
    }

    /// Names a grant after its client. Grants of one user to what calls itself the same and registered the
    /// same place first share a name, as tokens do that took each other's place.
    fn free_grant_name(&self, grant: &Grant) -> CredentialName {
        let fit = fitting(&grant.client.name, NAME_CHARS, "-_.");
        let base = format!("{NAME_START}{}", if fit.is_empty() { "client" } else { fit.as_str() });
        let others = self.book.grants().list();
        let is_same = |other: &Grant| {
            (&other.user, &other.client.name, home_of(other))
                == (&grant.user, &grant.client.name, home_of(grant))
        };
        first_free(&base, |name| !others.iter().any(|other| other.name == *name && !is_same(other)))
    }

    /// Ends grants in the book. Those that have ended are left as they are. Gives back what is told of it;
    /// nothing where nothing is to be written.
    fn end_grants(
        &mut self,
        which: &MeantGrants,
        why: &Ending,
    ) -> Result<(Vec<Grant>, Option<Vec<AuditEvent>>), CallError> {
        // Who opens it may stand in line.
        if let MeantGrants::One(id) = which {
            self.ended_grants.insert(id.clone());
        }
        let now = self.clock.now();
        let meant: Vec<Grant> =
            self.book.grants().list().into_iter().filter(|grant| which.is(grant)).collect();
        let is_open = |grant: &Grant| grant.revoked_at.is_none();
        let is_leaving = matches!(which, MeantGrants::OfClient(_));
        let end = |mut grant: Grant| {
            grant.revoked_at = grant.revoked_at.or(Some(now));
            if is_leaving {
                // It is not known any more, though what it had is still shown.
                grant.client.redirect_uris.clear();
            }
            grant
        };
        let told: Vec<AuditEvent> = meant
            .iter()
            .filter(|grant| is_open(grant))
            .map(|grant| why.event(grant, now))
            .collect();
        let ended: Vec<Grant> = meant.into_iter().map(end).collect();
        for grant in &ended {
            self.book.grants().put(grant.clone());
            self.ended_grants.insert(grant.id.clone());
        }
        if ended.is_empty() && matches!(which, MeantGrants::Named(_)) {
            return Err(TokenError::UnknownGrant.into());
        }
        if ended.is_empty() || (told.is_empty() && !is_leaving) {
            return Ok((ended, None));
        }
        Ok((ended, Some(told)))
    }

    /// The same at once, whatever the disk says to it, and waits for that. What it does not take is written
    /// later.
    fn end_for_good(
        &mut self,
        which: &MeantGrants,
        why: &Ending,
        context: &mut Context<Self>,
    ) -> Answered<Vec<Grant>> {
        match self.end_grants(which, why) {
            Err(error) => answered(Err(error)),
            Ok((ended, None)) => answered(Ok(ended)),
            Ok((ended, Some(told))) => {
                self.once_compared_or_shut(context, move |keeper, _| keeper.put_ended(ended, &told))
            }
        }
    }

    fn put_ended(&mut self, ended: Vec<Grant>, told: &[AuditEvent]) -> Answered<Vec<Grant>> {
        match self.put_grants(&ended, told) {
            Err(error) => answered(Err(self.grants_only_shut(&ended, &error))),
            Ok(receipt) => Box::pin(receipt.into_actor(self).map(move |durable, keeper, _| {
                match durable.map_err(EngineError::from) {
                    Err(error) => Err(keeper.grants_only_shut(&ended, &error)),
                    Ok(()) => Ok(ended),
                }
            })),
        }
    }

    /// Shuts every grant of a user, who is to be forgotten.
    pub(super) fn shut_grants_of(&mut self, user: &UserId) -> Vec<Grant> {
        let now = self.clock.now();
        let all = self.book.grants().list().into_iter();
        let own: Vec<Grant> = all.filter(|grant| grant.user == *user).collect();
        for grant in &own {
            self.ended_grants.insert(grant.id.clone());
            self.book.grants().put(Grant { revoked_at: Some(now), ..grant.clone() });
        }
        own
    }

    fn grants_only_shut(&mut self, ended: &[Grant], error: &EngineError) -> CallError {
        self.late_grants.extend(ended.iter().map(|grant| grant.id.clone()));
        TokenError::OnlyShut { why: error.to_string() }.into()
    }

    /// Renews a grant, and waits for the disk before the tokens are given out.
    fn renew_for_good(
        &mut self,
        asked: RenewGrant,
        context: &mut Context<Self>,
    ) -> Answered<Option<(Grant, TokenPair)>> {
        let RenewGrant { refresh, client, pair, from } = asked;
        let now = self.clock.now();
        let found = self.book.grants().of_refresh(&refresh);
        let Some(before) = found.filter(|grant| grant.client.id == client) else {
            return answered(Ok(None));
        };
        let idle = self.book.grants().policy().idle;
        let renewed = match renew(&before, &refresh, &pair, now, idle) {
            Renewal::Unfit => return answered(Ok(None)),
            Renewal::Reused => {
                let ended =
                    self.end_for_good(&MeantGrants::One(before.id), &Ending::Reuse(from), context);
                return Box::pin(ended.map(|ended, _, _| {
                    if let Err(error) = ended {
                        log::warn!("a refresh token came again: {error}");
                    }
                    Ok(None)
                }));
            }
            Renewal::Renewed(grant) => *grant,
        };
        match self.put_grants(std::slice::from_ref(&renewed), &[]) {
            Err(error) => answered(Err(error.into())),
            Ok(receipt) => {
                // Now, so that the next in line rests on it. Nobody has the tokens yet.
                self.book.grants().put(renewed.clone());
                Box::pin(receipt.into_actor(self).map(move |durable, keeper, _| {
                    if let Err(error) = durable {
                        keeper.take_pair_back(&renewed.id, &before, &pair);
                        return Err(EngineError::from(error).into());
                    }
                    Ok(Some((renewed, pair)))
                }))
            }
        }
    }

    /// Takes a pair back that could not be written, and lets its refresh token be tried again.
    fn take_pair_back(&mut self, id: &TokenPrefix, before: &Grant, pair: &TokenPair) {
        let Some(mut grant) = self.book.grants().get(id) else { return };
        let [access, refresh] = [&pair.access, &pair.refresh].map(|one| digest_of(one.reveal()));
        grant.access.retain(|ticket| ticket.digest != access);
        grant.refresh.retain(|ticket| ticket.digest != refresh);
        for ticket in &mut grant.refresh {
            let known = before.refresh.iter().find(|known| known.digest == ticket.digest);
            if known.is_some_and(|known| known.replaced_at.is_none()) {
                ticket.replaced_at = None;
            }
        }
        self.book.grants().put(grant);
    }
}

impl MeantGrants {
    fn is(&self, grant: &Grant) -> bool {
        match self {
            Self::Named(which) => grant.id.as_str() == which || grant.name.as_str() == which,
            Self::One(id) => grant.id == *id,
            Self::OfClient(client) => grant.client.id == *client,
        }
    }
}

impl Ending {
    fn event(&self, grant: &Grant, now: Timestamp) -> AuditEvent {
        let reason = Some(format!("the grant {} of {}", grant.name, grant.user));
        match self {
            Self::By(caller) => AuditEvent {
                user: Some(grant.user.clone()),
                prefix: Some(grant.id.clone()),
                reason,
                ..event(AuditKind::GrantRevoked, caller, now)
            },
            Self::ByClient(from) => {
                AuditEvent { reason, ..of_grant(AuditKind::GrantRevoked, grant, *from, now) }
            }
            Self::Reuse(from) => {
                AuditEvent { reason, ..of_grant(AuditKind::GrantReused, grant, *from, now) }
            }
        }
    }
}

/// By what clients that call themselves the same are told apart: the first place at which one may answer.
fn home_of(grant: &Grant) -> String {
    grant.client.redirect_uris.first().map(|uri| place_of(uri)).unwrap_or_default()
}

/// Where a code goes that is sent to a redirect URI.
fn place_of(uri: &str) -> String {
    match Redirect::parse(uri) {
        // Its port is another each time.
        Some(Redirect { kind: RedirectKind::Loopback, .. }) => {
            "the machine of the browser".to_owned()
        }
        Some(redirect) => redirect.host(),
        None => String::new(),
    }
}

/// An event of a grant that nobody but its client had a part in.
fn of_grant(kind: AuditKind, grant: &Grant, from: AskedFrom, now: Timestamp) -> AuditEvent {
    AuditEvent {
        at: now,
        event: kind,
        user: Some(grant.user.clone()),
        credential: Some(grant.name.clone()),
        prefix: Some(grant.id.clone()),
        reason: None,
        address: from.0,
        client: None,
        count: 1,
    }
}

impl Handler<OpenGrant> for Keeper {
    type Result = Answered<Grant>;

    fn handle(&mut self, asked: OpenGrant, context: &mut Context<Self>) -> Self::Result {
        self.once_compared(context, |keeper, _| keeper.open_for_good(asked))
    }
}

impl Handler<RenewGrant> for Keeper {
    type Result = Answered<Option<(Grant, TokenPair)>>;

    fn handle(&mut self, asked: RenewGrant, context: &mut Context<Self>) -> Self::Result {
        self.once_compared(context, |keeper, context| keeper.renew_for_good(asked, context))
    }
}

impl Handler<EndGrants> for Keeper {
    type Result = Answered<Vec<Grant>>;

    fn handle(
        &mut self,
        EndGrants { which, why }: EndGrants,
        context: &mut Context<Self>,
    ) -> Self::Result {
        self.end_for_good(&which, &why, context)
    }
}

impl Handler<EndAccess> for Keeper {
    type Result = ();

    fn handle(&mut self, EndAccess(access): EndAccess, context: &mut Context<Self>) {
        let Some(mut grant) = self.book.grants().of_access(&access) else { return };
        grant.access.retain(|ticket| ticket.digest != access);
        self.late_grants.insert(grant.id.clone());
        self.book.grants().put(grant);
        if !self.holds_back(context) {
            self.write_late_grants(context);
        }
    }
}
