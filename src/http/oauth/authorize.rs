//! Where a client sends the browser of its user: the request is looked at, the user signs in, is asked, and
//! the browser goes back with the answer.

use actix_web::{HttpRequest, HttpResponse, web};

use super::OauthFace;
use super::answers::form;
use super::consent::{Consent, consent_page, refuse_programs};
use crate::actors::CallError;
use crate::auth::oauth::{
    Approved, AuthorizeRequest, BadAsk, Door, OauthError, Pairs, TooMany, answer_url,
};
use crate::auth::{RandomnessFailed, TokenError};
use crate::error::Error;
use crate::http::body::RawBody;
use crate::http::ui::csrf;
use crate::http::ui::page::see_other;
use crate::http::ui::sessions::{BrowserSession, BrowserSessions};
use crate::model::percent::encoded_path;

const GONE: &str = "This request is no longer there: it waits for ten minutes, and is answered once. Begin \
                    again in the program that sent you here.";

/// `GET /authorize`. What is wrong with the client or the way back is told to the person alone. A client that
/// describes itself elsewhere is looked for there once somebody has signed in: strangers have us call nobody.
pub(in crate::http) async fn begin(
    request: HttpRequest,
    face: web::Data<OauthFace>,
    sessions: web::Data<BrowserSessions>,
) -> Result<HttpResponse, Error> {
    let busy = |TooMany { retry_after }| Error::RateLimited { retry_after };
    face.enter(Door::Authorize, &request).map_err(busy)?;
    let pairs = Pairs::parse(request.query_string()).ok_or(Error::BadQuery)?;
    let described = match (face.address_of_client(&pairs), sessions.of(&request)) {
        (None, _) => None,
        (Some(_), None) => return Ok(to_sign_in(&own_path(&request))),
        (Some(url), Some(session)) => {
            refuse_programs(&session.caller)?;
            Some(face.described(url).await?)
        }
    };
    let find = |id: &str| described.or_else(|| face.client(id));
    match AuthorizeRequest::parse(&pairs, &face.issuer, find) {
        Ok(asked) => {
            let id = face.lobby().ask(asked, face.now()).map_err(failed)?;
            Ok(see_other(&pending(id.reveal())))
        }
        Err(BadAsk::Page(problem)) => Err(Error::BadRequest { problem: problem.to_owned() }),
        Err(BadAsk::Told { redirect, state, error }) => {
            Ok(send_back(&face, &redirect, state.as_deref(), &refusal(error)))
        }
    }
}

/// The page that asks the user, who signs in before.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn ask(
    request: HttpRequest,
    face: web::Data<OauthFace>,
    sessions: web::Data<BrowserSessions>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let asked = face.lobby().asked(&id, face.now()).ok_or_else(gone)?;
    let Some(session) = sessions.of(&request) else { return Ok(to_sign_in(&pending(&id))) };
    face.lobby().note_shown(&id, &session.caller.user);
    let longest = face.accounts.book().grants().policy().longest;
    consent_page(&request, &session, &asked, &purpose(&id), longest)
}

/// Takes the answer of the user, and sends the browser back with it.
pub(in crate::http) async fn answer(
    request: HttpRequest,
    face: web::Data<OauthFace>,
    sessions: web::Data<BrowserSessions>,
    id: web::Path<String>,
    RawBody(body): RawBody,
) -> Result<HttpResponse, Error> {
    let now = face.now();
    let asked = face.lobby().asked(&id, now).ok_or_else(gone)?;
    let Some(session) = sessions.of(&request) else { return Ok(to_sign_in(&pending(&id))) };
    let form = form(&request, &body).map_err(|_| Error::FormRefused)?;
    let given = form.first("csrf").unwrap_or_default();
    csrf::check(&request, &session, &purpose(&id), given)?;
    match form.first("answer") {
        Some("allow") => allow(&face, &session, &asked, &form, &id),
        Some("deny") => {
            let asked = face.lobby().answer(&id, now).ok_or_else(gone)?;
            let told = refusal(OauthError::AccessDenied);
            Ok(send_back(&face, &asked.redirect, asked.state.as_deref(), &told))
        }
        _ => Err(Error::FormRefused),
    }
}

/// Makes a code for what the user allowed.
fn allow(
    face: &OauthFace,
    session: &BrowserSession,
    asked: &AuthorizeRequest,
    form: &Pairs,
    id: &str,
) -> Result<HttpResponse, Error> {
    let now = face.now();
    let consent = Consent::read(form, asked, &session.caller, &face.accounts)?;
    let grant = consent.into_grant(&session.caller, asked.client.clone(), now).map_err(failed)?;
    // Only now, so that a form with a mistake in it can be sent again.
    let asked = face.lobby().answer(id, now).ok_or_else(gone)?;
    let AuthorizeRequest { redirect, state, challenge, .. } = asked;
    let by = session.caller.token.clone();
    let approved = Approved { grant, redirect: redirect.clone(), challenge, by };
    let code = face.lobby().allow(approved, now).map_err(failed)?;
    let told = [("code", code.reveal().to_owned())];
    Ok(send_back(face, &redirect, state.as_deref(), &told))
}

/// Sends the browser back to the client. With our name in the answer a client knows whose it is (RFC 9207).
fn send_back(
    face: &OauthFace,
    redirect: &str,
    state: Option<&str>,
    told: &[(&str, String)],
) -> HttpResponse {
    let mut answer: Vec<(&str, &str)> =
        told.iter().map(|(name, value)| (*name, value.as_str())).collect();
    answer.extend(state.map(|state| ("state", state)));
    answer.push(("iss", face.issuer.as_str()));
    see_other(&answer_url(redirect, &answer))
}

fn refusal(error: OauthError) -> [(&'static str, String); 2] {
    [("error", error.word().to_owned()), ("error_description", error.to_string())]
}

fn pending(id: &str) -> String {
    format!("/authorize/pending/{id}")
}

fn to_sign_in(next: &str) -> HttpResponse {
    see_other(&format!("/ui/login?next={}", encoded_path(next)))
}

/// Where a request came, with all that it asks.
fn own_path(request: &HttpRequest) -> String {
    request.uri().path_and_query().map(ToString::to_string).unwrap_or_default()
}

/// What the form of a request is made for.
fn purpose(id: &str) -> String {
    format!("consent {id}")
}

fn gone() -> Error {
    Error::BadRequest { problem: GONE.to_owned() }
}

fn failed(error: RandomnessFailed) -> Error {
    CallError::from(TokenError::from(error)).into()
}
