//! Who there is, for administrators, and a look at what somebody else has stored.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::csrf;
use super::form::FormBody;
use super::page::{FRAME, Page, respond, see_other};
use super::sessions::{BrowserSession, BrowserSessions};
use super::text::PageText;
use crate::actors::Sessions;
use crate::auth;
use crate::error::Error;
use crate::model::{AuditKind, Scope};

/// The purpose of the forms of this page.
const LOOK: &str = "look";

#[derive(Template)]
#[template(path = "ui/users.html")]
struct UsersPage {
    page: Page,
    users: Vec<UserRow>,
    may_look: bool,
    csrf: String,
}

/// A user as a line of the list.
struct UserRow {
    id: String,
    name: PageText,
    tokens: usize,
    has_memories: bool,
    is_own: bool,
}

/// Lists the users.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn users(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let users = sessions.users(&session.caller)?;
    let rows = users.iter().map(|user| UserRow {
        id: user.user_id.to_string(),
        name: PageText::of(user.user_id.as_str()),
        tokens: user.tokens,
        has_memories: user.has_memories,
        is_own: user.user_id == session.own,
    });
    let page = UsersPage {
        page: Page::of(&request, Some(&session), "Users"),
        users: rows.collect(),
        may_look: session.may(Scope::Read),
        csrf: session.csrf(LOOK),
    };
    Ok(respond(StatusCode::OK, &page))
}

/// Has the pages show what somebody else has stored, to be read only.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn look(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, LOOK, form.csrf())?;
    auth::require(&session.caller, Scope::Read)?;
    // Nobody becomes a user by being looked for.
    let users = sessions.users(&session.caller)?.into_iter();
    let mut named = users.filter(|user| user.has_memories).map(|user| user.user_id);
    let user = named.find(|user| user.as_str() == form.get("user")).ok_or(Error::FormRefused)?;
    let another = Some(user).filter(|user| *user != session.own);
    if let Some(user) = &another {
        let acting = session.caller.on_behalf_of(user.clone());
        let what = "in the dashboard".to_owned();
        sessions.accounts().note_deed(AuditKind::MemoriesViewed, &acting, what);
    }
    browsers.look_at(&session, another);
    Ok(see_other("/ui/"))
}

/// Has the pages show one's own memories again.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn back(
    request: HttpRequest,
    session: BrowserSession,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, FRAME, form.csrf())?;
    browsers.look_at(&session, None);
    Ok(see_other("/ui/"))
}
