//! In and out, and how the pages look.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use serde_json::json;

use super::cookies;
use super::csrf::{self, comes_from_here};
use super::form::{FormBody, local_path, text_of};
use super::page::{FRAME, Page, respond, see_other};
use super::sessions::{BrowserSession, BrowserSessions, LINK_LIFE};
use super::text::PageText;
use crate::error::Error;
use crate::http::ask::query;
use crate::http::front::{Front, program};
use crate::model::percent::encoded_path;
use crate::model::{Caller, Interface};

#[derive(Template)]
#[template(path = "ui/login.html")]
struct LoginPage {
    page: Page,
    problem: PageText,
    next: String,
    is_guarded: bool,
    /// Whether nobody may sign in over this wire.
    is_barred: bool,
}

#[derive(Template)]
#[template(path = "ui/confirm.html")]
struct ConfirmPage {
    page: Page,
    problem: PageText,
    next: String,
    csrf: String,
}

/// The purpose of the form in which the credential is shown again.
const CONFIRM: &str = "confirm";

/// The page where one signs in.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn show(
    request: HttpRequest,
    sessions: web::Data<BrowserSessions>,
    front: web::Data<Front>,
) -> Result<HttpResponse, Error> {
    let next = next_of(&request)?;
    if sessions.of(&request).is_some() {
        return Ok(see_other(&next));
    }
    let is_barred = sessions.wire(front.client(&request)).is_none();
    let status = if is_barred { StatusCode::FORBIDDEN } else { StatusCode::OK };
    Ok(login_page(&request, &sessions, status, is_barred, "", next))
}

/// Signs in with a key, a token, or the code of a link.
pub(in crate::http) async fn sign_in(
    request: HttpRequest,
    sessions: web::Data<BrowserSessions>,
    front: web::Data<Front>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    comes_from_here(&request)?;
    let next = local_path(form.get("next")).to_owned();
    let Some(wire) = sessions.wire(front.client(&request)) else {
        return Ok(login_page(&request, &sessions, StatusCode::FORBIDDEN, true, "", next));
    };
    let caller = match shown_by(&request, &sessions, &front, form.get("credential")).await {
        Ok(caller) => caller,
        Err(refused) => {
            let (status, problem) = (refused.status_code(), problem_of(&refused));
            return Ok(login_page(&request, &sessions, status, false, &problem, next));
        }
    };
    // Whoever came with a link was let in by another program.
    let client = program(request.headers());
    let caller = Caller { face: Interface::Browser, client, session: None, ..caller };
    sessions.end(&request);
    let secret = sessions.begin(caller)?;
    let mut response = see_other(&next);
    cookies::give(&request, &mut response, wire, &secret);
    Ok(response)
}

/// Signs out.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn sign_out(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, FRAME, form.csrf())?;
    sessions.end(&request);
    let mut response = see_other("/ui/login");
    cookies::take_back(&request, &mut response);
    Ok(response)
}

/// The page where the credential is shown again, before what cannot be undone.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn confirm_page(
    request: HttpRequest,
    session: BrowserSession,
) -> Result<HttpResponse, Error> {
    let next = next_of(&request)?;
    Ok(confirmation(&request, &session, StatusCode::OK, "", next))
}

/// Takes the credential that is shown again.
pub(in crate::http) async fn confirm(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<BrowserSessions>,
    front: web::Data<Front>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, CONFIRM, form.csrf())?;
    let next = local_path(form.get("next")).to_owned();
    let shown = shown_by(&request, &sessions, &front, form.get("credential")).await;
    match shown.and_then(|shown| sessions.confirm(&session, &shown)) {
        Ok(()) => Ok(see_other(&next)),
        Err(refused) => {
            let (status, problem) = (refused.status_code(), problem_of(&refused));
            Ok(confirmation(&request, &session, status, &problem, next))
        }
    }
}

/// Where somebody has to go first who wants to do what cannot be undone; nothing if that was done
/// within the last minutes.
pub(super) fn must_confirm(session: &BrowserSession, back: &str) -> Option<HttpResponse> {
    let to = || see_other(&format!("/ui/confirm?next={}", encoded_path(back)));
    (!session.is_fresh).then(to)
}

/// The same on a page that holds what somebody has typed, and has a field for the credential: nothing if
/// it may be done, else the status and what to say.
pub(super) async fn still_refused(
    request: &HttpRequest,
    session: &BrowserSession,
    sessions: &BrowserSessions,
    front: &Front,
    typed: &str,
) -> Option<(StatusCode, String)> {
    if session.is_fresh {
        return None;
    }
    if typed.is_empty() {
        return Some((StatusCode::FORBIDDEN, "Show once more that it is you.".to_owned()));
    }
    let shown = shown_by(request, sessions, front, typed).await;
    let refused = shown.and_then(|shown| sessions.confirm(session, &shown)).err()?;
    Some((refused.status_code(), problem_of(&refused)))
}

/// Keeps how the pages are to look.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn theme(
    request: HttpRequest,
    session: BrowserSession,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, FRAME, form.csrf())?;
    let mut response = see_other(local_path(form.get("next")));
    cookies::keep_theme(&request, &mut response, form.get("theme"));
    Ok(response)
}

/// Makes a link that signs one browser in as whoever asks for it.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn link(
    request: HttpRequest,
    caller: Caller,
) -> Result<HttpResponse, Error> {
    let sessions = request.app_data::<web::Data<BrowserSessions>>().ok_or(Error::NoRoute)?;
    let code = sessions.link(caller)?;
    // Behind `#`, so that no log on the way has it.
    let path = format!("/ui/login#t={}", code.reveal());
    let told = json!({ "path": path, "code": code.reveal(), "expires_in": LINK_LIFE.as_secs() });
    Ok(HttpResponse::Created().json(told))
}

/// Whom what was typed stands for: a code is tried first, for it is nobody's credential.
async fn shown_by(
    request: &HttpRequest,
    sessions: &BrowserSessions,
    front: &Front,
    typed: &str,
) -> Result<Caller, Error> {
    match sessions.redeem(typed) {
        Some(caller) => Ok(caller),
        None => front.sign_in(request, typed).await,
    }
}

fn login_page(
    request: &HttpRequest,
    sessions: &BrowserSessions,
    status: StatusCode,
    is_barred: bool,
    problem: &str,
    next: String,
) -> HttpResponse {
    let page = Page::of(request, None, "Sign in");
    let is_guarded = sessions.rules().is_guarded;
    let problem = PageText::of(problem);
    respond(status, &LoginPage { page, problem, next, is_guarded, is_barred })
}

fn confirmation(
    request: &HttpRequest,
    session: &BrowserSession,
    status: StatusCode,
    problem: &str,
    next: String,
) -> HttpResponse {
    let page = Page::of(request, Some(session), "Is it still you?");
    let (problem, csrf) = (PageText::of(problem), session.csrf(CONFIRM));
    respond(status, &ConfirmPage { page, problem, next, csrf })
}

fn problem_of(refused: &Error) -> String {
    match refused {
        Error::Auth(_) => "That is no password, key, token or code that is good here.".to_owned(),
        other => other.told().into_owned(),
    }
}

fn next_of(request: &HttpRequest) -> Result<String, Error> {
    let asked = query(request, |_| false)?;
    Ok(local_path(&text_of(&asked, "next")).to_owned())
}
