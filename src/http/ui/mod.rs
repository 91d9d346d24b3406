//! The pages for people, at `/ui/`: made on the server, whole without a script.
//!
//! A browser signs in with a credential and is known by a cookie from then on (`sessions.rs`); the guard
//! of the pages (`gate.rs`) takes nothing else. What a page shows and does it asks of
//! [`Sessions`](crate::actors::Sessions) as every face does. Every form is checked (`csrf.rs`), and
//! every text that somebody else wrote goes through [`text::PageText`].

pub mod about;
pub mod activity;
mod assets;
pub mod audit_file;
mod base;
pub mod bulk;
mod chart;
pub mod clients;
mod cookies;
pub mod csrf;
mod diff;
pub mod edit;
pub mod events;
pub mod files;
mod form;
pub mod gate;
pub mod grants;
pub mod graph;
pub mod health;
pub mod help;
pub mod login;
mod markdown;
pub mod memories;
pub mod memory;
pub mod names;
pub mod overview;
pub mod page;
pub mod search;
pub mod sessions;
mod snippets;
pub mod text;
mod told;
pub mod transfer;
pub mod users;
mod versions;
mod view;

pub(in crate::http) use assets::asset;
pub(in crate::http) use base::base_of;
pub(in crate::http) use gate::nothing;

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT;
use actix_web::web;

use sessions::BrowserSessions;

/// Whether a browser asks for something to read, and there are pages.
pub(in crate::http) fn is_meant_for_a_person(request: &HttpRequest) -> bool {
    let accepts = request.headers().get(ACCEPT).and_then(|line| line.to_str().ok());
    request.app_data::<web::Data<BrowserSessions>>().is_some()
        && accepts.is_some_and(|accepts| accepts.contains("text/html"))
}
