//! What clients were allowed over OAuth, on the page of the clients.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::csrf;
use super::form::FormBody;
use super::page::see_other;
use super::sessions::{BrowserSession, BrowserSessions};
use super::text::{PageText, PageTime};
use super::told::told_list;
use super::view::allowed;
use crate::actors::{AdminRequest, Sessions};
use crate::engine::Arguments;
use crate::error::Error;
use crate::model::Timestamp;

/// The purpose of the forms of the list.
pub(super) const GRANTS: &str = "grants";

/// What is told of a grant.
#[derive(Deserialize)]
struct ToldGrant {
    id: String,
    name: String,
    user_id: String,
    client_name: String,
    redirect_uris: Vec<String>,
    scopes: Vec<String>,
    project: Option<String>,
    #[serde(default)]
    guest: bool,
    state: String,
    created_at: Timestamp,
    expires_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

/// A grant as a line of the list.
pub(super) struct GrantLine {
    pub(super) id: PageText,
    pub(super) name: PageText,
    pub(super) client: PageText,
    pub(super) answers: PageText,
    pub(super) user: PageText,
    pub(super) may: PageText,
    pub(super) state: PageText,
    pub(super) created: PageTime,
    pub(super) expires: PageTime,
    pub(super) used: PageTime,
    pub(super) is_active: bool,
}

/// Lists all of them, for administrators.
pub(super) async fn grant_lines(
    sessions: &Sessions,
    session: &BrowserSession,
) -> Result<Vec<GrantLine>, Error> {
    let asked = AdminRequest::ListGrants(Arguments::default());
    let grants: Vec<ToldGrant> = told_list(sessions, session, asked, "grants").await?;
    Ok(grants.iter().map(GrantLine::of).collect())
}

/// Ends a grant. To shut a door nobody has to show anything again.
pub(in crate::http) async fn end(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, GRANTS, form.csrf())?;
    let request = AdminRequest::EndGrants { which: form.get("grant").to_owned() };
    sessions.administer(&session.caller, request).await?;
    let told = "What the program was allowed has ended: its next request is refused.";
    browsers.leave_note(&session, told.to_owned(), None);
    Ok(see_other("/ui/clients"))
}

impl GrantLine {
    fn of(told: &ToldGrant) -> Self {
        Self {
            id: PageText::of(&told.id),
            name: PageText::of(&told.name),
            client: PageText::of(&told.client_name),
            answers: PageText::of(&told.redirect_uris.join(" ")),
            user: PageText::of(&told.user_id),
            may: PageText::of(&allowed(&told.scopes, told.project.as_deref(), told.guest)),
            state: PageText::of(&told.state),
            created: PageTime::of(told.created_at),
            expires: PageTime::of(told.expires_at),
            used: PageTime::of_any(told.last_used_at),
            is_active: told.state == "active",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_said_of_a_grant_that_it_is_a_guests() {
        let told = json!({
            "id": "mgr_1", "name": "claude.ai", "user_id": "ada", "client_name": "Claude",
            "redirect_uris": ["https://claude.ai/x"], "scopes": ["read", "write"],
            "project": "home", "guest": true, "state": "active",
            "created_at": "2026-01-01T00:00:00Z", "expires_at": "2027-01-01T00:00:00Z",
        });

        let line = GrantLine::of(&serde_json::from_value(told).unwrap());

        assert_eq!(line.may.as_str(), "read, write; in home only; as a guest");
    }
}
