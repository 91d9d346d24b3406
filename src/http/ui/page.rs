//! How a page is made: what stands around every page, and how one is sent.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, LOCATION, RETRY_AFTER,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;

use super::sessions::{BrowserSession, BrowserSessions};
use super::text::PageText;
use super::{assets, cookies};
use crate::error::Error;
use crate::http::front::{Client, PAGE_POLICY};
use crate::model::{MemoryId, Scope, UserId};

/// The purpose of the forms that stand around every page.
pub(super) const FRAME: &str = "frame";

/// What stands around every page. A template that extends `ui/layout.html` has one as `page`.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub title: String,
    /// How it is to look; empty where the browser decides.
    pub theme: &'static str,
    pub nav: Vec<NavEntry>,
    /// Who has signed in; empty before.
    pub who: PageText,
    /// Whose memories these are, if they are somebody else's.
    pub looks_at: PageText,
    /// For the forms around the page.
    pub csrf: String,
    pub may_write: bool,
    pub is_admin: bool,
    /// Whether others may read along on the network.
    pub is_exposed: bool,
    /// What has just been done.
    pub notice: PageText,
    /// How that is undone: the memories whose last change it was.
    pub undo: Vec<MemoryId>,
    /// Where one is, to come back to.
    pub here: String,
    pub css: String,
    pub js: String,
    pub icon: String,
}

/// A way to another page.
#[derive(Debug, Clone)]
pub struct NavEntry {
    pub path: &'static str,
    pub label: &'static str,
    pub is_here: bool,
}

/// The ways, and what one must be allowed to go there.
const NAV: [(&str, &str, Scope); 11] = [
    ("/ui/", "Overview", Scope::Read),
    ("/ui/memories", "Memories", Scope::Read),
    ("/ui/search", "Search", Scope::Read),
    ("/ui/inbox", "Review", Scope::Read),
    ("/ui/trash", "Trash", Scope::Read),
    ("/ui/tags", "Tags and projects", Scope::Read),
    ("/ui/instructions", "Instructions", Scope::Read),
    ("/ui/activity", "Activity", Scope::Admin),
    ("/ui/clients", "Clients", Scope::Read),
    ("/ui/transfer", "Import and export", Scope::Read),
    ("/ui/health", "Health", Scope::Read),
];

/// A page that says what went wrong.
#[derive(Template)]
#[template(path = "ui/error.html")]
struct ErrorPage {
    page: Page,
    status: u16,
    message: PageText,
    /// What somebody had typed.
    kept: String,
    is_signed_out: bool,
}

impl Page {
    /// The page of a request. Without a session it has neither ways nor forms around it.
    #[must_use]
    pub fn of(request: &HttpRequest, session: Option<&BrowserSession>, title: &str) -> Self {
        let mut page = Self {
            title: title.to_owned(),
            theme: cookies::theme(request),
            here: here(request).to_owned(),
            css: assets::place_of("app.css"),
            js: assets::place_of("app.js"),
            icon: assets::place_of("icon.svg"),
            ..Self::default()
        };
        let client = request.extensions().get::<Client>().copied();
        page.is_exposed = client.is_some_and(|client| !client.is_https && !client.is_local);
        if let Some(session) = session {
            let caller = &session.caller;
            page.who = PageText::of(&format!("{} ({})", session.own, caller.credential));
            page.looks_at = PageText::of_any(session.looks_at.as_ref().map(UserId::as_str));
            page.csrf = session.csrf(FRAME);
            page.may_write = session.may(Scope::Write);
            page.is_admin = session.may(Scope::Admin);
            page.nav = ways(request.path(), session);
            let sessions = request.app_data::<web::Data<BrowserSessions>>();
            if let Some(note) = sessions.and_then(|sessions| sessions.take_note(session)) {
                page.notice = PageText::of(&note.text);
                page.undo = note.undo;
            }
        }
        page
    }
}

/// Where a request leads. What a form led to cannot be asked for again.
pub(super) fn here(request: &HttpRequest) -> &str {
    let asked = request.uri().path_and_query().filter(|_| request.method() == Method::GET);
    asked.map_or("/ui/", |here| here.as_str())
}

fn ways(here: &str, session: &BrowserSession) -> Vec<NavEntry> {
    let open = NAV.iter().filter(|(_, _, needed)| session.may(*needed));
    let entry = |&(path, label, _): &(&'static str, &'static str, Scope)| NavEntry {
        path,
        label,
        is_here: path == here,
    };
    open.map(entry).collect()
}

/// Sends a page, with the headers of one.
pub fn respond<T: Template>(status: StatusCode, page: &T) -> HttpResponse {
    sent(status, page.render())
}

fn sent(status: StatusCode, rendered: askama::Result<String>) -> HttpResponse {
    match rendered {
        Ok(text) => HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY))
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(text),
        Err(error) => {
            log::error!("a page could not be made: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// Lets the forms of one answer lead to one more place: browsers hold a redirect that follows a form
/// to it, too. `source` is an origin, or a scheme with its colon; anything else widens nothing.
pub fn widen_form_action(response: &mut HttpResponse, source: &str) {
    let is_one = !source.is_empty() && source.bytes().all(|b| b.is_ascii_graphic() && b != b';');
    let is_one = is_one && !source.contains(',') && !source.contains('\'');
    let own = "form-action 'self'";
    let policy = PAGE_POLICY.replace(own, &format!("{own} {source}"));
    if let (true, Ok(policy)) = (is_one, HeaderValue::try_from(policy)) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
}

/// Leads a browser on, by a GET.
#[must_use]
pub fn see_other(path: &str) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((LOCATION, path)).insert_header((CACHE_CONTROL, "no-store"));
    response.finish()
}

/// The page of a failure.
pub(super) fn refusal(
    request: &HttpRequest,
    session: Option<&BrowserSession>,
    error: &Error,
    kept: &str,
) -> HttpResponse {
    let status = error.status_code();
    let is_signed_out = status == StatusCode::UNAUTHORIZED;
    let page = ErrorPage {
        page: Page::of(request, session, error.code().title()),
        status: status.as_u16(),
        message: match is_signed_out {
            true => PageText::of("You are signed out. Sign in again to go on."),
            false => PageText::of(&error.told()),
        },
        kept: kept.to_owned(),
        is_signed_out,
    };
    let mut response = respond(status, &page);
    if let Some(seconds) = error.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_may_lead_to_one_more_place_and_nothing_else_changes() {
        let policy = |source: &str| {
            let mut response = HttpResponse::Ok().finish();
            widen_form_action(&mut response, source);
            let policy = response.headers().get(CONTENT_SECURITY_POLICY);
            policy.map(|policy| policy.to_str().unwrap().to_owned())
        };

        let wide = policy("https://claude.ai").unwrap();
        assert!(wide.contains("form-action 'self' https://claude.ai;"), "{wide}");
        assert!(policy("cursor:").unwrap().contains("form-action 'self' cursor:;"));
        for odd in ["", "a b", "x; script-src *", "'unsafe-inline'", "a,b", "a\r\nb"] {
            assert_eq!(policy(odd), None, "{odd}");
        }
    }
}
