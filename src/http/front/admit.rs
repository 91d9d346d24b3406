use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{RequestHead, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, ResponseError, web};

use super::{Client, Front, caller, headers, hosts};
use crate::actors::{Attempt, Checked, ClientKey, Verdict};
use crate::auth;
use crate::error::Error;
use crate::model::{Caller, Scope};

/// Open to everybody and never counted, so that a probe neither needs a key nor uses up a quota.
const PUBLIC: &[&str] = &["/", "/health", "/ready"];

/// Clients look here for OAuth before they have a key. There is none, and that must be a plain
/// 404: a 401 would make some of them drop the key they were configured with.
const OAUTH_METADATA: &str = "/.well-known/oauth-";

/// For the monitoring of this machine; from elsewhere it takes an administrator.
const METRICS: &str = "/metrics";

/// Counts a request, and lets it through to its handler if somebody answers for it. Whatever is
/// not listed above is closed.
pub async fn admit(
    front: web::Data<Front>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, actix_web::Error> {
    if PUBLIC.contains(&request.path()) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let client = client_of(&front, &request);
    let Admission { caller, quota, outcome } = front.admit(request.head(), client).await;
    // Kept even if the request goes no further, for the log says whose it was.
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    let mut response = match outcome {
        Ok(()) => next.call(request).await?.map_into_left_body(),
        Err(refused) => request.into_response(refused.error_response()).map_into_right_body(),
    };
    if let Some(quota) = quota {
        headers::put_quota(response.headers_mut(), &quota);
    }
    Ok(response)
}

/// Whether a request may go on, on whose behalf, and what is left of its client's quota.
struct Admission {
    caller: Option<Caller>,
    quota: Option<Verdict>,
    outcome: Result<(), Error>,
}

impl Front {
    /// The credential is verified first because that costs less than asking the limiter, which
    /// then counts the request and its failure at once. The limiter's word still goes first.
    async fn admit(&self, head: &RequestHead, client: Client) -> Admission {
        let (attempt, verified) = self.verify(head, client);
        let checked = match &self.limiter {
            Some(limiter) => limiter.check(ClientKey::of(client.address), attempt).await,
            None => Ok(Checked { requests: None, attempts: None }),
        };
        let (caller, denied) = match verified {
            Ok(caller) => (caller, None),
            Err(denied) => (None, Some(denied)),
        };
        let (quota, counted) = match checked {
            Ok(checked) => (checked.requests, self.obey(checked)),
            Err(_) if caller.is_some() => (None, Ok(())),
            Err(_) => (None, Err(Error::LimiterDown)),
        };
        let outcome = counted.and_then(|()| self.accept(head, caller.as_ref(), denied));
        Admission { caller, quota, outcome }
    }

    /// Finds out who asks. Where nobody has to answer for a request, there is no caller.
    fn verify(
        &self,
        head: &RequestHead,
        client: Client,
    ) -> (Attempt, Result<Option<Caller>, Error>) {
        let presented = caller::presented(head.headers());
        let is_open = head.uri.path().starts_with(OAUTH_METADATA)
            || (!presented.is_attempt() && is_local_monitoring(head, client));
        if is_open {
            return (Attempt::Absent, Ok(None));
        }
        let verified = self.credentials.verify(&presented);
        let attempt = match &verified {
            _ if self.credentials.is_disabled() || !presented.is_attempt() => Attempt::Absent,
            Ok(_) => Attempt::Passed,
            Err(_) => Attempt::Failed,
        };
        let caller = verified
            .map_err(Error::from)
            .and_then(|identity| caller::caller(identity, &self.projects, head, client));
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
        head: &RequestHead,
        caller: Option<&Caller>,
        denied: Option<Error>,
    ) -> Result<(), Error> {
        if let Some(denied) = denied {
            if matches!(denied, Error::Auth(_)) {
                self.metrics.record_failed_authentication();
            }
            return Err(denied);
        }
        match caller {
            Some(caller) if head.uri.path() == METRICS => Ok(auth::require(caller, Scope::Admin)?),
            _ => Ok(()),
        }
    }
}

/// The name must be this machine's too, or a page could point its own name here and read along.
fn is_local_monitoring(head: &RequestHead, client: Client) -> bool {
    let host = || hosts::host_of(head).ok().flatten();
    client.is_local
        && head.uri.path() == METRICS
        && host().is_some_and(|host| hosts::is_loopback(hosts::name_of(host)))
}

fn client_of(front: &Front, request: &ServiceRequest) -> Client {
    let known = request.extensions().get::<Client>().copied();
    known.unwrap_or_else(|| Client::of(request.head(), &front.proxies, front.is_tls))
}
