use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::watch;

use super::digest_of;
use crate::auth::Identity;
use crate::auth::tokens::{USE_STEP, Unfit};
use crate::model::few;
use crate::model::{Grant, OauthClient, Timestamp, TokenDigest, TokenPrefix, TokenState};

/// How long grants are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GrantPolicy {
    /// Whether they open anything at all.
    pub is_on: bool,
    /// Without being used.
    pub idle: Duration,
    /// However much they are used.
    pub longest: Duration,
}

/// Every grant that is kept, whatever its state, as the guard reads them. The store is their home.
#[derive(Debug)]
pub struct GrantBook {
    grants: RwLock<Grants>,
    policy: GrantPolicy,
    /// Raised whenever one may have ceased to open anything.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Grants {
    by_id: BTreeMap<TokenPrefix, Grant>,
    access: HashMap<TokenDigest, TokenPrefix>,
    refresh: HashMap<TokenDigest, TokenPrefix>,
}

impl GrantBook {
    pub(in crate::auth) fn new(policy: GrantPolicy, changes: watch::Sender<u64>) -> Self {
        Self { grants: RwLock::default(), policy, changes }
    }

    #[must_use]
    pub fn policy(&self) -> GrantPolicy {
        self.policy
    }

    /// Says whom an access token stands for, and whether it is time to note that it was used.
    pub(in crate::auth) fn verify(
        &self,
        secret: &str,
        now: Timestamp,
    ) -> Result<(Identity, bool), Unfit> {
        let digest = digest_of(secret);
        let grants = self.read();
        let found = grants.access.get(&digest).and_then(|id| grants.by_id.get(id));
        let Some(grant) = found.filter(|_| self.policy.is_on) else {
            return Err(Unfit { reason: "an unknown credential", owner: None });
        };
        let unfit = |reason| Err(Unfit { reason, owner: Some(Box::new(identity(grant))) });
        match grant.state(now, self.policy.idle) {
            TokenState::Active if grant.opens_with(&digest, now) => {
                let is_due = grant.last_used_at.is_none_or(|last| now.since(last) >= USE_STEP);
                Ok((identity(grant), is_due))
            }
            TokenState::Active | TokenState::Expired => unfit("an expired access token"),
            TokenState::Revoked => unfit("a revoked grant"),
        }
    }

    /// Whether a grant still opens the door.
    #[must_use]
    pub fn is_open(&self, id: &TokenPrefix, now: Timestamp) -> bool {
        let is_active = |grant: &Grant| grant.state(now, self.policy.idle) == TokenState::Active;
        self.policy.is_on && self.read().by_id.get(id).is_some_and(is_active)
    }

    #[must_use]
    pub fn get(&self, id: &TokenPrefix) -> Option<Grant> {
        self.read().by_id.get(id).cloned()
    }

    /// The grant that an access token or a refresh token is or was of.
    #[must_use]
    pub fn of_access(&self, access: &TokenDigest) -> Option<Grant> {
        let grants = self.read();
        grants.by_id.get(grants.access.get(access)?).cloned()
    }

    #[must_use]
    pub fn of_refresh(&self, refresh: &TokenDigest) -> Option<Grant> {
        let grants = self.read();
        grants.by_id.get(grants.refresh.get(refresh)?).cloned()
    }

    /// A client that has or had a grant. It is known for as long as that is kept, unless it has removed
    /// itself: then it has no place to answer at.
    #[must_use]
    pub fn client(&self, id: &str) -> Option<OauthClient> {
        let grants = self.read();
        let mut clients = grants.by_id.values().map(|grant| &grant.client);
        clients.find(|client| client.id == id && !client.redirect_uris.is_empty()).cloned()
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Grant> {
        let mut grants: Vec<Grant> = self.read().by_id.values().cloned().collect();
        few::sort_by(&mut grants, |a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        grants
    }

    /// Takes a grant as it is now.
    pub fn put(&self, grant: Grant) {
        let mut grants = self.write();
        grants.forget(&grant.id);
        for ticket in &grant.access {
            grants.access.insert(ticket.digest, grant.id.clone());
        }
        for ticket in &grant.refresh {
            grants.refresh.insert(ticket.digest, grant.id.clone());
        }
        grants.by_id.insert(grant.id.clone(), grant);
        drop(grants);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Notes that a grant was used; gives it back as it is to be kept. One that opens nothing any more is left
    /// alone. Nobody is woken: what was open is open.
    pub fn used(&self, id: &TokenPrefix, now: Timestamp) -> Option<Grant> {
        let mut grants = self.write();
        let grant = grants.by_id.get_mut(id).filter(|_| self.policy.is_on)?;
        if grant.state(now, self.policy.idle) != TokenState::Active {
            return None;
        }
        grant.last_used_at = Some(now);
        Some(grant.clone())
    }

    /// Forgets one that is gone from the store.
    pub fn remove(&self, id: &TokenPrefix) {
        self.write().forget(id);
        self.changes.send_modify(|count| *count += 1);
    }

    fn read(&self) -> RwLockReadGuard<'_, Grants> {
        self.grants.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Grants> {
        self.grants.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grants {
    fn forget(&mut self, id: &TokenPrefix) {
        let Some(grant) = self.by_id.remove(id) else { return };
        for ticket in &grant.access {
            self.access.remove(&ticket.digest);
        }
        for ticket in &grant.refresh {
            self.refresh.remove(&ticket.digest);
        }
    }
}

fn identity(grant: &Grant) -> Identity {
    Identity {
        user: grant.user.clone(),
        credential: grant.name.clone(),
        scopes: grant.scopes.clone(),
        bound: grant.project.clone(),
        is_guest: grant.is_guest,
        token: Some(grant.id.clone()),
        tools: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rotation::tests::{IDLE, grant};
    use super::super::{TokenPair, issue};
    use super::*;

    fn book(is_on: bool) -> GrantBook {
        let policy = GrantPolicy { is_on, idle: IDLE, longest: IDLE };
        GrantBook::new(policy, watch::Sender::new(0))
    }

    #[test]
    fn an_access_token_stands_for_whoever_allowed_it_until_it_is_taken_back() {
        let (book, pair, now) = (book(true), TokenPair::generate().unwrap(), Timestamp(5));
        let grant = issue(&grant(), &pair, now);
        let shown = pair.access.reveal();
        assert_eq!(book.verify(shown, now).unwrap_err().reason, "an unknown credential");

        book.put(grant.clone());
        let (identity, is_due) = book.verify(shown, now).unwrap();
        assert_eq!(
            (identity.credential, identity.token),
            (grant.name.clone(), Some(grant.id.clone()))
        );
        assert!(is_due && book.is_open(&grant.id, now));
        assert!(book.verify(pair.refresh.reveal(), now).is_err(), "a refresh token opens nothing");
        let late = now.plus(Duration::from_secs(3_600));
        assert_eq!(book.verify(shown, late).unwrap_err().reason, "an expired access token");

        let before = *book.changes.borrow();
        book.put(Grant { revoked_at: Some(now), ..grant.clone() });
        assert_eq!(book.verify(shown, now).unwrap_err().reason, "a revoked grant");
        assert!(!book.is_open(&grant.id, now) && *book.changes.borrow() > before);
        book.remove(&grant.id);
        assert!(
            book.of_access(&digest_of(shown)).is_none() && book.client(&grant.client.id).is_none()
        );
    }

    #[test]
    fn a_use_is_noted_of_what_is_open_and_wakes_nobody() {
        let (book, pair, now) = (book(true), TokenPair::generate().unwrap(), Timestamp(5));
        let grant = issue(&grant(), &pair, now);
        book.put(grant.clone());
        let before = *book.changes.borrow();

        let used = book.used(&grant.id, Timestamp(6)).unwrap();
        assert_eq!(used.last_used_at, Some(Timestamp(6)));
        assert_eq!(book.get(&grant.id), Some(used));
        assert_eq!(*book.changes.borrow(), before);
        assert!(book.verify(pair.access.reveal(), Timestamp(6)).is_ok_and(|(_, is_due)| !is_due));

        book.put(Grant { revoked_at: Some(now), ..grant.clone() });
        assert!(book.used(&grant.id, Timestamp(7)).is_none(), "it was taken back");
        book.remove(&grant.id);
        assert!(book.used(&grant.id, Timestamp(7)).is_none());
    }

    #[test]
    fn where_oauth_is_off_a_grant_opens_nothing() {
        let (book, pair, now) = (book(false), TokenPair::generate().unwrap(), Timestamp(5));
        let grant = issue(&grant(), &pair, now);
        book.put(grant.clone());

        assert!(book.verify(pair.access.reveal(), now).is_err() && !book.is_open(&grant.id, now));
        assert_eq!(book.list().len(), 1, "it can still be seen and taken back");
    }
}
