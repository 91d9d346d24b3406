//! The guard of the pages. It takes the cookie of a sign-in and nothing else: what opens the API opens no
//! page, so that no other program of a browser acts as its owner unasked.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::HeaderName;
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Route, web};

use super::base::based;
use super::form::FormBody;
use super::page::{here, refusal, see_other};
use super::sessions::{BrowserSession, BrowserSessions};
use crate::auth::AuthError;
use crate::error::Error;
use crate::http::front::{Front, Guard};
use crate::model::percent::encoded_path;

static SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Puts the guard of the pages before one handler.
pub(in crate::http) fn gated(route: Route, guard: Guard) -> Route {
    match guard {
        Guard::Visitor(_) => route.wrap(from_fn::<_, ()>(welcome)),
        _ => route.wrap(from_fn::<_, (web::Data<Front>, web::Data<BrowserSessions>)>(admit)),
    }
}

/// The answer where no page is.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn nothing() -> Result<HttpResponse, Error> {
    Err(Error::NoRoute)
}

/// Lets everybody through; what goes wrong is told on a page.
async fn welcome(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    Ok(based(told_on_a_page(next.call(request).await?, None)))
}

/// Lets through who has signed in, and counts it as any request with a good credential.
async fn admit(
    front: web::Data<Front>,
    sessions: web::Data<BrowserSessions>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(session) = sessions.of(request.request()) else {
        return Ok(based(turn_away(request).await));
    };
    let session = sessions.on_pages(session);
    if let Err(refused) = front.count_further(request.request(), 1) {
        let page = refusal(request.request(), Some(&session), &refused, "");
        return Ok(based(request.into_response(page)));
    }
    request.extensions_mut().insert(session.caller.clone());
    request.extensions_mut().insert(session.clone());
    let response = next.call(request).await?;
    Ok(based(told_on_a_page(response, Some(&session))))
}

/// Leads a browser to the sign-in, and back afterwards. What somebody had typed is given back.
async fn turn_away(mut request: ServiceRequest) -> ServiceResponse<BoxBody> {
    let is_background =
        request.headers().get(&SEC_FETCH_DEST).is_some_and(|dest| dest.as_bytes() == b"empty");
    if request.method() == Method::GET && !is_background {
        let wanted = encoded_path(here(request.request()));
        let to = see_other(&format!("/ui/login?next={wanted}"));
        return request.into_response(to);
    }
    let typed = match is_background {
        true => FormBody::default(),
        // A form that cannot be read has nothing to give back.
        false => request.extract::<FormBody>().await.unwrap_or_default(),
    };
    let missing: Error = AuthError::Missing.into();
    let page = refusal(request.request(), None, &missing, typed.get("content"));
    request.into_response(page)
}

/// Shows a failure as a page, with the text that somebody had typed.
fn told_on_a_page(
    response: ServiceResponse<BoxBody>,
    session: Option<&BrowserSession>,
) -> ServiceResponse<BoxBody> {
    let page = page_of_failure(response.request(), response.response(), session);
    match page {
        Some(page) => response.into_response(page),
        None => response,
    }
}

fn page_of_failure(
    request: &HttpRequest,
    response: &HttpResponse,
    session: Option<&BrowserSession>,
) -> Option<HttpResponse> {
    let failed = response.error()?.as_error::<Error>()?;
    let typed = request.extensions().get::<FormBody>().cloned().unwrap_or_default();
    Some(refusal(request, session, failed, typed.get("content")))
}
