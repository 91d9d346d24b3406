use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::page::{Page, respond, see_other};
use super::sessions::BrowserSession;

#[derive(Template)]
#[template(path = "ui/help.html")]
struct HelpPage {
    page: Page,
}

/// Keys and words.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn help(request: HttpRequest, session: BrowserSession) -> HttpResponse {
    respond(StatusCode::OK, &HelpPage { page: Page::of(&request, Some(&session), "Help") })
}

/// Leads to the first page.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn first() -> HttpResponse {
    see_other("/ui/")
}
