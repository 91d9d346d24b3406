use actix_web::body::BoxBody;
use actix_web::dev::{RequestHead, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpMessage, HttpRequest, ResponseError, Route, web};

use super::origins::is_foreign_fetch;
use super::{Client, Front, caller, headers, hosts};
use crate::actors::{Accounts, Attempt, Checked, ClientKey, Limiter, Mistake, Verdict};
use crate::auth::{self, Presented, Refused, Verified};
use crate::error::Error;
use crate::model::{AuditEvent, AuditKind, Caller, Scope, Timestamp};

/// Who may come to a route. A row of the table that says nothing has [`Guard::Key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Whoever has a credential. The verb behind asks for the scope that it needs.
    Key,
    /// Whoever has a credential with this scope.
    Scope(Scope),
    /// The monitoring of this machine, unless a proxy may stand before it; from elsewhere it takes
    /// an administrator.
    Monitoring,
    /// Everybody, as with [`Guard::Open`]. Whoever shows a credential is counted, and is known to the
    /// handler if it is good; nobody is turned away. With the reason.
    Probe(&'static str),
    /// Everybody, and nothing is counted, so that a probe neither needs a key nor uses up a quota.
    /// With the reason.
    Open(&'static str),
    /// Whoever has signed in with a browser, by the cookie of the sign-in and nothing else.
    Browser,
    /// Every browser: what is there before somebody has signed in. With the reason.
    Visitor(&'static str),
}

/// What is said where nothing is limited.
const NOT_LIMITED: Checked = Checked { requests: None, attempts: None };

/// Marks a request whose credential did not verify, for the log.
pub(super) struct InvalidCredential;

/// Puts a guard before one handler. It belongs to the route that actix matched, so that no
/// spelling of a path can come to a handler without it.
pub fn guarded(route: Route, guard: Guard) -> Route {
    match guard {
        Guard::Open(_) => return route,
        Guard::Probe(_) => return route.wrap(from_fn::<_, (web::Data<Front>,)>(recognize)),
        Guard::Key | Guard::Scope(_) | Guard::Monitoring => {}
        // The door of the pages is `ui/gate.rs`. Here they are closed to who has no key.
        Guard::Browser | Guard::Visitor(_) => {}
    }
    let layer = move |front: web::Data<Front>, request: ServiceRequest, next: Next<BoxBody>| {
        admit(guard, front, request, next)
    };
    route.wrap(from_fn::<_, (web::Data<Front>,)>(layer))
}

/// Lets everybody through, and tells the handler who it is that shows a good credential.
async fn recognize(
    front: web::Data<Front>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if caller::presented(request.headers()).is_attempt() {
        let client = front.client(request.request());
        let admission = front.admit(Guard::Key, request.head(), client);
        if let (Some(caller), Ok(())) = (admission.caller, admission.outcome) {
            request.extensions_mut().insert(caller);
        }
    }
    next.call(request).await
}

/// Counts a request, and lets it through to its handler if somebody answers for it.
async fn admit(
    guard: Guard,
    front: web::Data<Front>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if is_foreign_fetch(request.head()) {
        return Ok(request.into_response(Error::OriginRefused.error_response()));
    }
    let client = front.client(request.request());
    let invitation = front.public.as_ref().and_then(|public| public.invitation(&request));
    let admission = front.admit(guard, request.head(), client);
    let Admission { caller, is_invalid, quota, outcome } = admission;
    // Kept even if the request goes no further, for the log says whose it was.
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    } else if is_invalid {
        request.extensions_mut().insert(InvalidCredential);
    }
    let mut response = match outcome {
        Ok(()) => next.call(request).await?,
        Err(refused) => request.into_response(refused.error_response()),
    };
    if let Some(invitation) = invitation {
        invitation.put(&mut response);
    }
    // A handler that counted more has the last word.
    let further = response.request().extensions().get::<Verdict>().copied();
    if let Some(quota) = further.or(quota) {
        headers::put_quota(response.headers_mut(), &quota);
    }
    Ok(response)
}

/// Whether a request may go on, on whose behalf, and what is left of its client's quota.
pub(super) struct Admission {
    pub(super) caller: Option<Caller>,
    /// A credential was brought, and did not verify.
    is_invalid: bool,
    quota: Option<Verdict>,
    pub(super) outcome: Result<(), Error>,
}

impl Front {
    /// The credential is verified first, for whose places a request takes depends on it. The
    /// limiter's word still goes first.
    fn admit(&self, guard: Guard, head: &RequestHead, client: Client) -> Admission {
        let (attempt, verified) = self.verify(guard, head, client);
        self.settle(guard, client, attempt, verified)
    }

    /// Where a request comes from.
    #[must_use]
    pub fn client(&self, request: &HttpRequest) -> Client {
        let known = request.extensions().get::<Client>().copied();
        known.unwrap_or_else(|| Client::of(request.head(), &self.proxies, self.is_tls))
    }

    /// When credentials are judged. Without a store, as in a test, none of them has a time.
    pub(super) fn now(&self) -> Timestamp {
        self.accounts.as_ref().map_or(Timestamp(0), Accounts::now)
    }

    /// Counts a request, and says whether it may go on.
    pub(super) fn settle(
        &self,
        guard: Guard,
        client: Client,
        attempt: Attempt,
        verified: Result<Option<Caller>, Error>,
    ) -> Admission {
        let checked = match self.limiter_for(client) {
            Some(limiter) => limiter.check(ClientKey::of(client.address), attempt),
            None => NOT_LIMITED,
        };
        self.judge(guard, attempt, checked, verified)
    }

    /// The same for a request that has its place already: a wrong credential is counted as one, and nothing
    /// else.
    pub(super) fn settle_counted(
        &self,
        guard: Guard,
        client: Client,
        attempt: Attempt,
        verified: Result<Option<Caller>, Error>,
    ) -> Admission {
        let checked = match (self.limiter_for(client), attempt) {
            (Some(limiter), Attempt::Failed(mistake)) => {
                limiter.check_failure(ClientKey::of(client.address), mistake)
            }
            _ => NOT_LIMITED,
        };
        self.judge(guard, attempt, checked, verified)
    }

    /// The owner's own programs share an address with everything else on this machine.
    fn limiter_for(&self, client: Client) -> Option<&Limiter> {
        self.limiter.as_ref().filter(|_| !client.is_owner)
    }

    fn judge(
        &self,
        guard: Guard,
        attempt: Attempt,
        checked: Checked,
        verified: Result<Option<Caller>, Error>,
    ) -> Admission {
        let is_invalid = matches!(attempt, Attempt::Failed(_));
        let (caller, denied) = match verified {
            Ok(caller) => (caller, None),
            Err(denied) => (None, Some(denied)),
        };
        let counted = self.obey(checked);
        let outcome = counted.and_then(|()| self.accept(guard, caller.as_ref(), denied));
        Admission { caller, is_invalid, quota: checked.requests, outcome }
    }

    /// Counts what a request with a valid credential stands for besides itself: the other messages
    /// of a batch. All of it, or nothing if that is more than its client has left.
    pub fn count_further(&self, request: &HttpRequest, count: usize) -> Result<(), Error> {
        let client = self.client(request);
        let Some(limiter) = self.limiter_for(client).filter(|_| count > 0) else {
            return Ok(());
        };
        let checked = limiter.check_further(ClientKey::of(client.address), count);
        if let Some(verdict) = checked.requests {
            request.extensions_mut().insert(verdict);
        }
        self.obey(checked)
    }

    /// Finds out who asks. Where nobody has to answer for a request, there is no caller.
    fn verify(
        &self,
        guard: Guard,
        head: &RequestHead,
        client: Client,
    ) -> (Attempt, Result<Option<Caller>, Error>) {
        let presented = caller::presented(head.headers());
        let is_monitoring = guard == Guard::Monitoring
            && self.proxy_signs.are_absent()
            && is_from_here(head, client);
        if is_monitoring && !presented.is_attempt() {
            return (Attempt::Absent, Ok(None));
        }
        let mistake = || caller::mistake(head.headers(), &self.mistakes);
        self.weigh(&presented, mistake, head, client)
    }

    /// Verifies what was presented, and tells the audit.
    pub(super) fn weigh(
        &self,
        presented: &Presented<'_>,
        mistake: impl FnOnce() -> Mistake,
        head: &RequestHead,
        client: Client,
    ) -> (Attempt, Result<Option<Caller>, Error>) {
        let now = self.now();
        let verified = self.credentials.verify(presented, now);
        self.note_attempt(&verified, head, client, now);
        let attempt = match &verified {
            _ if self.credentials.is_disabled() => Attempt::Passed,
            _ if !presented.is_attempt() => Attempt::Absent,
            Ok(_) => Attempt::Passed,
            Err(_) => Attempt::Failed(mistake()),
        };
        let caller = verified
            .map_err(|refused| Error::from(refused.error))
            .and_then(|good| caller::caller(good.identity, &self.projects, head, client));
        (attempt, caller.map(Some))
    }

    fn obey(&self, checked: Checked) -> Result<(), Error> {
        let refused = |verdict: Option<Verdict>| verdict.filter(|verdict| !verdict.allowed);
        let refusal = match (refused(checked.requests), refused(checked.attempts)) {
            (Some(Verdict { retry_after, .. }), _) => Error::RateLimited { retry_after },
            (None, Some(Verdict { retry_after, .. })) => Error::TooManyFailures { retry_after },
            (None, None) => return Ok(()),
        };
        self.metrics.record_rate_limit_violation();
        Err(refusal)
    }

    fn accept(
        &self,
        guard: Guard,
        caller: Option<&Caller>,
        denied: Option<Error>,
    ) -> Result<(), Error> {
        if let Some(denied) = denied {
            if matches!(denied, Error::Auth(_)) {
                self.metrics.record_failed_authentication();
            }
            return Err(denied);
        }
        let needed = match guard {
            Guard::Scope(scope) => Some(scope),
            Guard::Monitoring => Some(Scope::Admin),
            Guard::Key | Guard::Probe(_) | Guard::Open(_) | Guard::Browser | Guard::Visitor(_) => {
                None
            }
        };
        match (caller, needed) {
            (Some(caller), Some(needed)) => auth::require(caller, needed).map_err(|denied| {
                if let Some(accounts) = &self.accounts {
                    accounts.note_denial(caller, &denied);
                }
                denied.into()
            }),
            _ => Ok(()),
        }
    }

    /// Tells the audit, with the true reason. Where nobody needs a credential there is no attempt.
    pub(super) fn note_attempt(
        &self,
        verified: &Result<Verified, Refused>,
        head: &RequestHead,
        client: Client,
        at: Timestamp,
    ) {
        let Some(accounts) = self.accounts.as_ref().filter(|_| !self.credentials.is_disabled())
        else {
            return;
        };
        let (event, reason, owner) = match verified {
            Ok(good) => (AuditKind::Success, None, Some(&good.identity)),
            Err(bad) => (AuditKind::AuthFailed, Some(bad.reason.to_owned()), bad.owner.as_deref()),
        };
        accounts.note(AuditEvent {
            at,
            event,
            user: owner.map(|owner| owner.user.clone()),
            credential: owner.map(|owner| owner.credential.clone()),
            prefix: owner.and_then(|owner| owner.token.clone()),
            reason,
            address: Some(client.address),
            client: caller::program(head.headers()),
            count: 1,
        });
        if let Ok(Verified { identity, is_use_due: true }) = verified
            && let Some(token) = &identity.token
        {
            accounts.note_use(token.clone());
        }
    }
}

/// The name must be this machine's too, or a page could point its own name here and read along.
fn is_from_here(head: &RequestHead, client: Client) -> bool {
    let host = || hosts::host_of(head).ok().flatten();
    client.is_local && host().is_some_and(|host| hosts::is_loopback(hosts::name_of(host)))
}
