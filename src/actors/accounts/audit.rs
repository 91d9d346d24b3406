//! Counting of what happens over and over, and asking what happened.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::model::{
    AuditEvent, AuditKind, Caller, CredentialName, Timestamp, Token, TokenPrefix, UserId,
};

/// So many different things of one minute are told apart. What comes on top, from ever new addresses,
/// is counted together: an attack must not fill the disk.
const MOST: usize = 1_000;
/// What is told of those that were not told apart.
const OTHERS: &str = "and others, not told apart";

/// Which events of the audit are asked for.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub since: Option<Timestamp>,
    pub user: Option<UserId>,
    pub event: Option<AuditKind>,
    /// Only where somebody was turned away.
    pub failed: bool,
    /// At most so many, the newest.
    pub limit: Option<usize>,
}

/// What happened in the minute that is under way.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<HashMap<Same, Count>>);

/// What makes two events of a minute one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Same {
    event: AuditKind,
    user: Option<UserId>,
    credential: Option<CredentialName>,
    prefix: Option<TokenPrefix>,
    reason: Option<String>,
    address: Option<IpAddr>,
}

#[derive(Debug, Clone)]
struct Count {
    at: Timestamp,
    client: Option<String>,
    count: u64,
}

impl AuditFilter {
    pub(super) fn accepts(&self, event: &AuditEvent) -> bool {
        self.user.as_ref().is_none_or(|user| event.user.as_ref() == Some(user))
            && self.event.is_none_or(|kind| event.event == kind)
            && (!self.failed || event.event.is_failure())
    }
}

impl Counts {
    /// Counts an event. It comes back if it is to be written now: what was done, always; a failure,
    /// when it is the first of its minute. Successes are written when the minute is over.
    pub(super) fn count(&self, event: AuditEvent) -> Option<AuditEvent> {
        let is_failure = event.event.is_failure();
        if !is_failure && event.event != AuditKind::Success {
            return Some(event);
        }
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut same, mut first) = Same::split(event);
        if counts.len() >= MOST && !counts.contains_key(&same) {
            same = Same::others(same.event);
        }
        if let Some(count) = counts.get_mut(&same) {
            count.count += first.count;
            return None;
        }
        let now = is_failure.then(|| same.clone().into_event(first.clone()));
        if is_failure {
            first.count = 0;
        }
        counts.insert(same, first);
        now
    }

    /// Takes back an event that could not be written now.
    pub(super) fn put_back(&self, event: AuditEvent) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (same, first) = Same::split(event);
        match counts.get_mut(&same) {
            Some(count) => count.count += first.count,
            None => drop(counts.insert(same, first)),
        }
    }

    /// What is still to be written, and a new minute.
    pub(super) fn drain(&self) -> Vec<AuditEvent> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = counts.drain().filter(|(_, count)| count.count > 0);
        counted.map(|(same, count)| same.into_event(count)).collect()
    }
}

impl Same {
    /// What makes it the same as others, and the rest.
    fn split(event: AuditEvent) -> (Self, Count) {
        let AuditEvent { at, event, user, credential, prefix, reason, address, client, count } =
            event;
        (Self { event, user, credential, prefix, reason, address }, Count { at, client, count })
    }

    fn others(event: AuditKind) -> Self {
        Self {
            event,
            user: None,
            credential: None,
            prefix: None,
            reason: Some(OTHERS.to_owned()),
            address: None,
        }
    }

    fn into_event(self, count: Count) -> AuditEvent {
        let Self { event, user, credential, prefix, reason, address } = self;
        let Count { at, client, count } = count;
        AuditEvent { at, event, user, credential, prefix, reason, address, client, count }
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
pub(super) fn about(kind: AuditKind, by: &Caller, token: &Token, now: Timestamp) -> AuditEvent {
    let user: UserId = token.user.clone();
    let reason = Some(format!("the token {} of {user}", token.name));
    AuditEvent {
        user: Some(user),
        prefix: Some(token.prefix.clone()),
        reason,
        ..event(kind, by, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event: AuditKind, address: u32) -> AuditEvent {
        AuditEvent {
            at: Timestamp(5),
            event,
            user: None,
            credential: None,
            prefix: None,
            reason: None,
            address: Some(std::net::Ipv4Addr::from(address).into()),
            client: None,
            count: 1,
        }
    }

    #[test]
    fn what_repeats_within_a_minute_is_counted() {
        let counts = Counts::default();

        assert!(counts.count(event(AuditKind::Success, 1)).is_none());
        assert!(counts.count(event(AuditKind::Success, 1)).is_none());
        assert!(counts.count(event(AuditKind::AuthFailed, 1)).is_some(), "told at once");
        assert!(counts.count(event(AuditKind::AuthFailed, 1)).is_none());
        assert!(counts.count(event(AuditKind::TokenRevoked, 1)).is_some());
        assert!(counts.count(event(AuditKind::TokenRevoked, 1)).is_some(), "each for itself");

        let mut drained = counts.drain();
        drained.sort_by_key(|event| event.event);
        let told: Vec<_> = drained.iter().map(|event| (event.event, event.count)).collect();
        assert_eq!(told, [(AuditKind::Success, 2), (AuditKind::AuthFailed, 1)]);
        assert!(counts.drain().is_empty());
    }

    #[test]
    fn an_attack_from_ever_new_addresses_fills_nothing() {
        let counts = Counts::default();
        let many = u32::try_from(MOST).unwrap() * 3;

        let written = (0..many).filter_map(|n| counts.count(event(AuditKind::AuthFailed, n)));
        assert!(written.count() <= MOST + 1);
        let left = counts.drain();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].reason.as_deref(), Some(OTHERS));
    }
}
