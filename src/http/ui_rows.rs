//! The rows of the pages, at `/ui/`.

use super::front::Guard;
use super::route::{Row, get, post};
use super::ui;
use super::ui::login;

const SIGN_IN: Guard = Guard::Visitor("who signs in has not signed in");

const ASSETS: Guard =
    Guard::Visitor("the style and the script of the pages hold nothing of anybody's");

/// The pages, in the order in which a path is looked for.
pub(super) fn pages() -> Vec<Row> {
    let mut rows = doors();
    // Whatever else somebody asks for below it is no page, and a stranger is not told so.
    rows.push(get("/ui/{any:.*}").guard(Guard::Browser).to(ui::nothing));
    rows
}

fn doors() -> Vec<Row> {
    vec![
        get("/ui/a/{state}/{file}").guard(ASSETS).to(ui::asset),
        get("/ui/login").guard(SIGN_IN).to(login::show),
        post("/ui/login").guard(SIGN_IN).to(login::sign_in),
        post("/ui/logout").guard(Guard::Browser).to(login::sign_out),
        get("/ui/confirm").guard(Guard::Browser).to(login::confirm_page),
        post("/ui/confirm").guard(Guard::Browser).to(login::confirm),
        post("/ui/theme").guard(Guard::Browser).to(login::theme),
    ]
}
