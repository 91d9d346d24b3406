//! The wire. Turns HTTP into a call on `mcp` or `actors`, and the answer back into HTTP.
//!
//! It refuses what comes from the wrong host or page, without a key, too often, too large or too
//! slowly, before a handler sees it; what a request means is for the rooms below.
//!
//! Begin reading at `table.rs`, which has every route, then `front` for what stands before them.

mod ask;
pub mod body;
mod compat;
pub mod front;
mod lines;
mod mcp;
pub mod metrics;
mod moving;
pub mod oauth;
mod older_rows;
mod openapi;
mod rest;
mod route;
mod streams;
mod table;
#[cfg(test)]
mod table_tests;
pub mod ui;
mod ui_rows;

use std::fmt;
use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};

use crate::model::{CertificateState, Clock};
#[cfg(feature = "fuzzing")]
pub use front::read_forwarding;
pub use mcp::McpFace;
use oauth::OauthFace;
pub use streams::OpenStreams;
use ui::about::AboutServer;
use ui::sessions::BrowserSessions;

/// What the public routes tell of the server.
pub struct Face {
    /// Whether callers need a credential.
    pub is_guarded: bool,
    pub clock: Arc<dyn Clock>,
    /// Nothing where there is none.
    pub certificate: Option<CertificateSource>,
}

/// What the pages are made with, where there are any. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PagesFace {
    /// Keeps who has signed in.
    pub browsers: BrowserSessions,
    pub about: web::Data<AboutServer>,
}

/// Tells how things stand with the certificate, without asking the disk.
pub type CertificateSource = Arc<dyn Fn() -> CertificateState + Send + Sync>;

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Face").field("is_guarded", &self.is_guarded).finish_non_exhaustive()
    }
}

/// The routes of OAuth, where it is on. They come before all others, and are there under the public
/// name alone.
pub fn sign_in(face: Option<web::Data<OauthFace>>) -> impl FnOnce(&mut ServiceConfig) {
    move |app: &mut ServiceConfig| {
        if let Some(face) = face {
            app.app_data(face);
            route::register_public(app, oauth::rows());
        }
    }
}

/// Every route of the server but the pages, each behind the guard of its row.
pub fn routes(app: &mut ServiceConfig) {
    let rows = table::table().into_iter().filter(|row| !row.is_page());
    route::register(app, rows.collect());
    // Last, because their patterns cost more than all the names together.
    for path in table::NO_OAUTH {
        route::register_nothing(app, path, table::NOTHING_THERE);
    }
}

/// The pages, if there are any.
pub fn pages(face: Option<PagesFace>) -> impl FnOnce(&mut ServiceConfig) {
    move |app: &mut ServiceConfig| match face {
        Some(PagesFace { browsers, about }) => {
            app.app_data(web::Data::new(browsers));
            app.app_data(about);
            let rows = table::table().into_iter().filter(route::Row::is_page);
            route::register(app, rows.collect());
        }
        None => {
            for path in ["/ui", "/ui/{any:.*}"] {
                route::register_nothing(app, path, "the pages are switched off");
            }
        }
    }
}
