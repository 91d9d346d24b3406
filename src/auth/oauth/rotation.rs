use std::time::Duration;

use super::{ACCESS_START, REFRESH_START, digest_of, fresh};
use crate::auth::RandomnessFailed;
use crate::model::{
    AccessTicket, Grant, RefreshTicket, Secret, Timestamp, TokenDigest, TokenState,
};

/// How long an access token is good. Clients get the next one in time.
pub const ACCESS_LIFE: Duration = Duration::from_secs(3_600);
/// How long a refresh token stays good when another has taken its place: some clients refresh from several
/// places at once, and a strict server locks them out.
const GRACE: Duration = Duration::from_secs(120);
/// What a grant keeps of its tokens, so that no client can make it grow: the newest.
const MOST_ACCESS: usize = 64;
const MOST_LIVE: usize = 32;
const MOST_REPLACED: usize = 64;

/// Tokens that were just made, to be shown once.
#[derive(Debug)]
pub struct TokenPair {
    pub access: Secret,
    pub refresh: Secret,
}

/// What becomes of a grant whose refresh token is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// As it is now, with the new pair.
    Renewed(Box<Grant>),
    /// The token was used before, and its time of grace is over: two have it, and one of them stole it.
    Reused,
    /// It is none of this grant's, or the grant has ended.
    Unfit,
}

impl TokenPair {
    pub fn generate() -> Result<Self, RandomnessFailed> {
        Ok(Self { access: fresh(ACCESS_START)?, refresh: fresh(REFRESH_START)? })
    }
}

/// Gives a grant a pair of tokens.
#[must_use]
pub fn issue(grant: &Grant, pair: &TokenPair, now: Timestamp) -> Grant {
    let mut grant = grant.clone();
    let access = digest_of(pair.access.reveal());
    let expires_at = now.plus(ACCESS_LIFE).min(grant.expires_at);
    grant.access.retain(|ticket| now < ticket.expires_at);
    grant.access.push(AccessTicket { digest: access, expires_at });
    keep_newest(&mut grant.access, MOST_ACCESS, |_| true);
    let refresh = digest_of(pair.refresh.reveal());
    grant.refresh.push(RefreshTicket { digest: refresh, replaced_at: None });
    keep_newest(&mut grant.refresh, MOST_LIVE, |ticket| ticket.replaced_at.is_none());
    keep_newest(&mut grant.refresh, MOST_REPLACED, |ticket| ticket.replaced_at.is_some());
    grant
}

/// Changes a refresh token for a new pair. Access tokens that were given before live on to their end.
#[must_use]
pub fn renew(
    grant: &Grant,
    shown: &TokenDigest,
    pair: &TokenPair,
    now: Timestamp,
    idle: Duration,
) -> Renewal {
    if grant.state(now, idle) != TokenState::Active {
        return Renewal::Unfit;
    }
    let mut grant = grant.clone();
    let Some(ticket) = grant.refresh.iter_mut().find(|ticket| ticket.digest == *shown) else {
        return Renewal::Unfit;
    };
    match ticket.replaced_at {
        Some(at) if now.since(at) > GRACE => return Renewal::Reused,
        Some(_) => {}
        None => ticket.replaced_at = Some(now),
    }
    grant.last_used_at = Some(now);
    Renewal::Renewed(Box::new(issue(&grant, pair, now)))
}

/// Drops the oldest of one sort beyond so many.
fn keep_newest<T>(list: &mut Vec<T>, most: usize, is_counted: impl Fn(&T) -> bool) {
    let count = list.iter().filter(|one| is_counted(one)).count();
    let mut surplus = count.saturating_sub(most);
    list.retain(|one| {
        let goes = surplus > 0 && is_counted(one);
        surplus -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::auth::oauth::{new_grant_id, pinned_client};
    use crate::model::{CredentialName, Scopes, UserId};

    pub(in crate::auth::oauth) const IDLE: Duration = Duration::from_secs(90 * 86_400);

    pub(in crate::auth::oauth) fn grant() -> Grant {
        Grant {
            id: new_grant_id().unwrap(),
            name: CredentialName::parse("oauth:Claude").unwrap(),
            client: pinned_client("https://claude.ai/oauth/mcp-oauth-client-metadata").unwrap(),
            user: UserId::default_user(),
            scopes: Scopes::read_write(),
            project: None,
            is_guest: false,
            created_at: Timestamp(0),
            expires_at: Timestamp(0).plus(IDLE * 4),
            revoked_at: None,
            last_used_at: None,
            access: Vec::new(),
            refresh: Vec::new(),
        }
    }

    fn later(seconds: u64) -> Timestamp {
        Timestamp(0).plus(Duration::from_secs(seconds))
    }

    fn renewed(grant: &Grant, shown: &Secret, at: Timestamp) -> (Grant, TokenPair) {
        let pair = TokenPair::generate().unwrap();
        match renew(grant, &digest_of(shown.reveal()), &pair, at, IDLE) {
            Renewal::Renewed(grant) => (*grant, pair),
            other => panic!("{other:?}"),
        }
    }

    fn refused(grant: &Grant, shown: &Secret, at: Timestamp) -> Renewal {
        let pair = TokenPair::generate().unwrap();
        renew(grant, &digest_of(shown.reveal()), &pair, at, IDLE)
    }

    #[test]
    fn a_refresh_token_is_good_for_a_while_after_another_took_its_place() {
        let first = TokenPair::generate().unwrap();
        let start = issue(&grant(), &first, later(0));
        let (grant, second) = renewed(&start, &first.refresh, later(3_000));

        assert!(grant.opens_with(&digest_of(first.access.reveal()), later(3_599)), "it lives on");
        assert!(!grant.opens_with(&digest_of(first.access.reveal()), later(3_600)));
        let (grant, third) = renewed(&grant, &first.refresh, later(3_120));
        let (grant, _) = renewed(&grant, &second.refresh, later(6_000));
        let (grant, _) = renewed(&grant, &third.refresh, later(9_000));
        assert_eq!(refused(&grant, &first.refresh, later(9_000)), Renewal::Reused);
        assert_eq!(refused(&grant, &second.refresh, later(6_121)), Renewal::Reused);
    }

    #[test]
    fn a_grant_ends_when_it_is_not_used_when_it_is_over_and_when_it_is_taken_back() {
        let pair = TokenPair::generate().unwrap();
        let start = issue(&grant(), &pair, later(0));
        let day = 86_400;

        assert_eq!(refused(&start, &pair.refresh, later(90 * day)), Renewal::Unfit, "idle");
        let mut grant = start.clone();
        let mut last = pair;
        for days in [80, 160, 240, 320] {
            let (next, pair) = renewed(&grant, &last.refresh, later(days * day));
            (grant, last) = (next, pair);
        }
        assert_eq!(refused(&grant, &last.refresh, later(360 * day)), Renewal::Unfit, "over");
        let revoked = Grant { revoked_at: Some(later(1)), ..start };
        assert_eq!(refused(&revoked, &last.refresh, later(2)), Renewal::Unfit);
        let stranger = TokenPair::generate().unwrap();
        assert_eq!(refused(&grant, &stranger.refresh, later(320 * day)), Renewal::Unfit);
    }

    #[test]
    fn many_at_once_all_get_a_pair_and_the_grant_does_not_grow_for_ever() {
        let first = TokenPair::generate().unwrap();
        let mut grant = issue(&grant(), &first, later(0));
        let mut pairs = Vec::new();
        for _ in 0..20 {
            let (next, pair) = renewed(&grant, &first.refresh, later(60));
            grant = next;
            pairs.push(pair);
        }
        for pair in &pairs {
            assert!(grant.opens_with(&digest_of(pair.access.reveal()), later(61)));
            let (next, _) = renewed(&grant, &pair.refresh, later(62));
            grant = next;
        }

        for _ in 0..300 {
            let (next, _) = renewed(&grant, &first.refresh, later(63));
            grant = next;
        }
        assert!(grant.access.len() <= MOST_ACCESS);
        assert!(grant.refresh.len() <= MOST_LIVE + MOST_REPLACED);
    }
}
