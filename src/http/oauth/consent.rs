//! The question to the user: who asks, where the answer goes, and what may be allowed.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use crate::actors::Accounts;
use crate::auth::RandomnessFailed;
use crate::auth::oauth::{
    AuthorizeRequest, ClientUrl, OFFERED_SCOPES, Pairs, Redirect, RedirectKind, new_grant_id,
};
use crate::error::Error;
use crate::http::ui::page::{Page, respond, widen_form_action};
use crate::http::ui::sessions::BrowserSession;
use crate::http::ui::text::PageText;
use crate::model::{Caller, Grant, OauthClient, Project, Scope, Scopes, Timestamp, TokenPrefix};

/// How long one may choose to let a client in, in days; what the settings allow comes besides.
const LIVES: [u64; 3] = [7, 30, 90];
const DAY_S: u64 = 86_400;

#[derive(Template)]
#[template(path = "oauth/consent.html")]
struct ConsentPage {
    page: Page,
    /// What the client calls itself.
    client: PageText,
    /// The host that says so; empty if nobody else does.
    described_at: PageText,
    /// Where the code goes.
    host: PageText,
    is_loopback: bool,
    is_application: bool,
    scopes: Vec<ScopeBox>,
    /// Where all stays, if the user is bound to it.
    bound: PageText,
    is_guest: bool,
    lives: Vec<u64>,
    longest: u64,
    action: String,
    csrf: String,
}

struct ScopeBox {
    word: String,
    about: &'static str,
}

/// What a user allows.
#[derive(Debug)]
pub(super) struct Consent {
    scopes: Scopes,
    project: Option<Project>,
    ends: Timestamp,
}

/// Makes the page. Its form may lead on to where the client wants its answer, and nowhere else.
pub(super) fn consent_page(
    request: &HttpRequest,
    session: &BrowserSession,
    asked: &AuthorizeRequest,
    purpose: &str,
    longest: Duration,
) -> Result<HttpResponse, Error> {
    let caller = &session.caller;
    let scopes: Vec<ScopeBox> = allowable(asked, caller).iter().map(ScopeBox::of).collect();
    refuse_who_may_not(caller, scopes.is_empty())?;
    // It was looked at when the request came.
    let redirect = Redirect::parse(&asked.redirect).ok_or(Error::NoRoute)?;
    let longest = longest.as_secs() / DAY_S;
    let address = ClientUrl::parse(&asked.client.id);
    let page = ConsentPage {
        page: Page::of(request, Some(session), "Let a program in?"),
        client: PageText::of(&asked.client.name),
        described_at: PageText::of_any(address.as_ref().map(ClientUrl::host)),
        host: PageText::of(&redirect.host()),
        is_loopback: redirect.kind == RedirectKind::Loopback,
        is_application: redirect.kind == RedirectKind::Application,
        scopes,
        bound: PageText::of_any(caller.bound.as_ref().map(Project::as_str)),
        is_guest: caller.is_guest,
        lives: LIVES.into_iter().filter(|days| *days < longest).collect(),
        longest,
        action: request.path().to_owned(),
        csrf: session.csrf(purpose),
    };
    let mut response = respond(StatusCode::OK, &page);
    widen_form_action(&mut response, &redirect.csp_source());
    Ok(response)
}

impl ScopeBox {
    fn of(scope: &Scope) -> Self {
        let about = match scope {
            Scope::Read => "read your memories",
            Scope::Write => "store memories, change and delete them",
            Scope::Instructions | Scope::Admin => "",
        };
        Self { word: scope.to_string(), about }
    }
}

impl Consent {
    /// Reads the form. Nothing that the user may not do can be allowed, for no longer than the user's own
    /// token is good.
    pub(super) fn read(
        form: &Pairs,
        asked: &AuthorizeRequest,
        caller: &Caller,
        accounts: &Accounts,
    ) -> Result<Self, Error> {
        let allowable = allowable(asked, caller);
        refuse_who_may_not(caller, allowable.is_empty())?;
        let chosen = form.all("scope").filter_map(Scope::parse);
        let scopes: Scopes = chosen.filter(|scope| allowable.contains(scope)).collect();
        if scopes.is_empty() {
            let problem = "Nothing was allowed: tick what the program may do, or choose Deny.";
            return Err(Error::BadRequest { problem: problem.to_owned() });
        }
        let project = form.first("project").map(Project::parse).transpose();
        let project =
            project.map_err(|odd| Error::BadRequest { problem: format!("Project: {odd}") })?;
        let longest = accounts.book().grants().policy().longest;
        let days = form.first("days").and_then(|days| days.parse::<u64>().ok());
        let life = days.map_or(longest, |days| Duration::from_secs(days.saturating_mul(DAY_S)));
        let ends = accounts.now().plus(life.min(longest));
        let own_end = caller.token.as_ref().and_then(|token| end_of(token, accounts));
        let ends = own_end.map_or(ends, |own| own.min(ends));
        Ok(Self { scopes, project: caller.bound.clone().or(project), ends })
    }

    /// The grant as it begins, still without tokens. Its name is given when it opens.
    pub(super) fn into_grant(
        self,
        caller: &Caller,
        client: OauthClient,
        now: Timestamp,
    ) -> Result<Grant, RandomnessFailed> {
        Ok(Grant {
            id: new_grant_id()?,
            name: caller.credential.clone(),
            client,
            user: caller.user.clone(),
            scopes: self.scopes,
            project: self.project,
            is_guest: caller.is_guest,
            created_at: now,
            expires_at: self.ends,
            revoked_at: None,
            last_used_at: None,
            access: Vec::new(),
            refresh: Vec::new(),
        })
    }
}

/// What can be allowed: what is asked for, offered, and the user's own.
fn allowable(asked: &AuthorizeRequest, caller: &Caller) -> Vec<Scope> {
    let offered = OFFERED_SCOPES.into_iter();
    offered.filter(|scope| asked.scopes.has(*scope) && caller.may(*scope)).collect()
}

/// A program that was let in lets nobody in, and has nothing fetched.
pub(super) fn refuse_programs(caller: &Caller) -> Result<(), Error> {
    refuse_who_may_not(caller, false)
}

/// Who may do nothing has nothing to allow, and a program neither.
fn refuse_who_may_not(caller: &Caller, is_nothing_left: bool) -> Result<(), Error> {
    let is_program = caller.token.as_ref().is_some_and(TokenPrefix::is_of_grant);
    if !is_program && !is_nothing_left {
        return Ok(());
    }
    let problem = "What you signed in with may not allow what the program asks for. Sign out, and sign in \
                   with another key or token.";
    Err(Error::BadRequest { problem: problem.to_owned() })
}

/// When the user's own token ends, if it does.
fn end_of(token: &TokenPrefix, accounts: &Accounts) -> Option<Timestamp> {
    let found = accounts.book().find(token.as_str()).unwrap_or_default();
    found.into_iter().find_map(|token| token.expires_at)
}
