//! Who may come in: tokens, and how each client is told of this server.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use serde_json::Value;

use super::about::{AboutServer, KnownKey};
use super::base::base_of;
use super::csrf;
use super::form::FormBody;
use super::grants::{GRANTS, GrantLine, grant_lines};
use super::login::must_confirm;
use super::page::{Page, respond, see_other};
use super::sessions::{BrowserSession, BrowserSessions};
use super::snippets::{ADDRESS, Snippet, snippets};
use super::text::{PageText, PageTime};
use super::told::told_list;
use super::view::allowed;
use crate::actors::{AdminRequest, Sessions, TokenChange};
use crate::engine::Arguments;
use crate::error::Error;
use crate::http::front::{Ingress, origin_of_request};
use crate::model::{Scope, Timestamp};

/// The purpose of the forms of this page.
const TOKENS: &str = "tokens";
const HERE: &str = "/ui/clients";

#[derive(Template)]
#[template(path = "ui/clients.html")]
struct ClientsPage {
    page: Page,
    /// Those of the settings, which no page changes.
    keys: Vec<KeyLine>,
    tokens: Vec<TokenLine>,
    grants: Vec<GrantLine>,
    grants_csrf: String,
    snippets: Vec<Snippet>,
    /// Where clients without a key come; empty where they cannot.
    connector: PageText,
    is_fresh: bool,
    csrf: String,
}

#[derive(Template)]
#[template(path = "ui/token.html")]
struct TokenPage {
    page: Page,
    secret: String,
    name: PageText,
    snippets: Vec<Snippet>,
}

/// What is told of a token.
#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    token: String,
    prefix: String,
    name: String,
    label: Option<String>,
    user_id: String,
    scopes: Vec<String>,
    project: Option<String>,
    #[serde(default)]
    guest: bool,
    state: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

/// A token as a line of the list.
struct TokenLine {
    prefix: PageText,
    name: PageText,
    user: PageText,
    may: PageText,
    state: PageText,
    created: PageTime,
    expires: PageTime,
    used: PageTime,
    is_active: bool,
    is_revoked: bool,
}

/// A key of the settings as a line of the list.
struct KeyLine {
    name: PageText,
    user: PageText,
    may: String,
    place: &'static str,
}

/// Lists keys and tokens, and tells how clients are configured.
pub(in crate::http) async fn clients(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    about: web::Data<AboutServer>,
) -> Result<HttpResponse, Error> {
    let keys = about.keys.iter().filter(|_| session.may(Scope::Admin)).map(KeyLine::of).collect();
    let (tokens, grants) = match session.may(Scope::Admin) {
        true => (listed(&sessions, &session).await?, grant_lines(&sessions, &session).await?),
        false => (Vec::new(), Vec::new()),
    };
    let page = ClientsPage {
        page: Page::of(&request, Some(&session), "Clients"),
        keys,
        tokens: tokens.iter().map(TokenLine::of).collect(),
        grants,
        grants_csrf: session.csrf(GRANTS),
        snippets: snippets(&origin(&request), None),
        connector: PageText::of_any(about.connector.as_deref()),
        is_fresh: session.is_fresh,
        csrf: session.csrf(TOKENS),
    };
    Ok(respond(StatusCode::OK, &page))
}

/// Makes a token, and shows it this once.
pub(in crate::http) async fn create(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, TOKENS, form.csrf())?;
    if let Some(first) = must_confirm(&session, HERE) {
        return Ok(first);
    }
    let mut wanted = form.arguments(&["name", "project", "expires_days"]);
    let scopes: Vec<Value> = form.all("scopes").map(Value::from).collect();
    wanted.insert("scopes".to_owned(), Value::Array(scopes));
    wanted.insert("user_id".to_owned(), session.caller.user.as_str().into());
    if form.get("guest") == "true" {
        wanted.insert("guest".to_owned(), true.into());
    }
    let made = AdminRequest::CreateToken(Arguments::new(wanted));
    let made = sessions.administer(&session.caller, made).await?;
    let told: Told = serde_json::from_value(made).map_err(|_| Error::Panicked)?;
    let page = TokenPage {
        page: Page::of(&request, Some(&session), "A new token"),
        snippets: snippets(&origin(&request), Some(&told.token)),
        name: PageText::of(&told.name),
        secret: told.token,
    };
    Ok(respond(StatusCode::CREATED, &page))
}

/// Revokes, enables or deletes a token.
pub(in crate::http) async fn change(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, TOKENS, form.csrf())?;
    let (change, done) = match form.get("change") {
        "revoke" => (TokenChange::Revoke, "revoked: it opens nothing any more"),
        "enable" => (TokenChange::Enable, "good again"),
        "delete" => (TokenChange::Delete, "deleted"),
        _ => return Err(Error::FormRefused),
    };
    // To shut a door nobody has to show anything again.
    let opens = change == TokenChange::Enable;
    if let Some(first) = must_confirm(&session, HERE).filter(|_| opens) {
        return Ok(first);
    }
    let which = form.get("token").to_owned();
    let request = AdminRequest::ChangeToken { which, change };
    sessions.administer(&session.caller, request).await?;
    browsers.leave_note(&session, format!("The token is {done}."), None);
    Ok(see_other(HERE))
}

async fn listed(sessions: &Sessions, session: &BrowserSession) -> Result<Vec<Told>, Error> {
    let asked = AdminRequest::ListTokens(Arguments::default());
    told_list(sessions, session, asked, "tokens").await
}

/// Where clients find this server, as this browser does.
fn origin(request: &HttpRequest) -> String {
    // No client gets past the sign-in of a page around ours.
    match origin_of_request(request).filter(|_| Ingress::of(request).is_none()) {
        Some(origin) => origin + &base_of(request),
        None => ADDRESS.to_owned(),
    }
}

impl KeyLine {
    fn of(key: &KnownKey) -> Self {
        let scopes: Vec<String> = key.scopes.as_slice().iter().map(Scope::to_string).collect();
        Self {
            name: PageText::of(&key.name),
            user: PageText::of(&key.user),
            may: scopes.join(", "),
            place: key.place,
        }
    }
}

impl TokenLine {
    fn of(told: &Told) -> Self {
        let may = allowed(&told.scopes, told.project.as_deref(), told.guest);
        Self {
            prefix: PageText::of(&told.prefix),
            name: PageText::of(told.label.as_deref().unwrap_or(&told.name)),
            user: PageText::of(&told.user_id),
            may: PageText::of(&may),
            state: PageText::of(&told.state),
            created: PageTime::of(told.created_at),
            expires: PageTime::of_any(told.expires_at),
            used: PageTime::of_any(told.last_used_at),
            is_active: told.state == "active",
            is_revoked: told.state == "revoked",
        }
    }
}
