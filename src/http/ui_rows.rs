//! The rows of the pages, at `/ui/`.

use super::front::Guard;
use super::route::{Row, get, post};
use super::ui;
use super::ui::{
    activity, audit_file, bulk, clients, edit, events, files, grants, graph, health, help, login,
    memories, memory, names, overview, search, transfer, users,
};

const SIGN_IN: Guard = Guard::Visitor("who signs in has not signed in");

const ASSETS: Guard =
    Guard::Visitor("the style and the script of the pages hold nothing of anybody's");

/// The pages, in the order in which a path is looked for.
pub(super) fn pages() -> Vec<Row> {
    let mut rows = doors();
    rows.extend(of_memories());
    rows.extend(of_the_server());
    // Whatever else somebody asks for below it is no page, and a stranger is not told so.
    rows.push(get("/ui/{any:.*}").guard(Guard::Browser).to(ui::nothing));
    rows
}

fn signed_in(row: Row) -> Row {
    row.guard(Guard::Browser)
}

fn of_memories() -> Vec<Row> {
    vec![
        signed_in(get("/ui/")).to(overview::overview),
        signed_in(get("/ui/memories")).to(memories::list),
        signed_in(get("/ui/trash")).to(memories::trash),
        signed_in(get("/ui/inbox")).to(memories::inbox),
        signed_in(get("/ui/instructions")).to(memories::instructions),
        signed_in(get("/ui/unused")).to(memories::unused),
        signed_in(post("/ui/bulk")).to(bulk::bulk),
        signed_in(post("/ui/undo")).to(memory::undo),
        signed_in(get("/ui/search")).to(search::search),
        signed_in(get("/ui/new")).to(edit::new_form),
        signed_in(post("/ui/new")).to(edit::create),
        signed_in(get("/ui/memories/{id}")).to(memory::show),
        signed_in(get("/ui/memories/{id}/edit")).to(edit::edit_form),
        signed_in(post("/ui/memories/{id}/edit")).to(edit::save),
        signed_in(post("/ui/memories/{id}/version")).to(memory::restore_version),
        signed_in(post("/ui/memories/{id}/purge")).to(memory::purge),
        signed_in(get("/ui/graph")).to(graph::graph),
        signed_in(get("/ui/tags")).to(names::names),
        signed_in(post("/ui/tags")).to(names::rename),
    ]
}

fn of_the_server() -> Vec<Row> {
    vec![
        signed_in(get("/ui/clients")).to(clients::clients),
        signed_in(post("/ui/clients/tokens")).to(clients::create),
        signed_in(post("/ui/clients/change")).to(clients::change),
        signed_in(post("/ui/clients/grants")).to(grants::end),
        signed_in(get("/ui/users")).to(users::users),
        signed_in(post("/ui/users/look")).to(users::look),
        signed_in(post("/ui/users/back")).to(users::back),
        signed_in(get("/ui/activity")).to(activity::activity),
        signed_in(get("/ui/activity/audit.jsonl")).to(audit_file::audit_file),
        signed_in(get("/ui/activity/undo")).to(activity::undo_preview),
        signed_in(post("/ui/activity/undo")).to(activity::undo_work),
        signed_in(get("/ui/transfer")).to(transfer::show),
        signed_in(get("/ui/transfer/export.jsonl")).to(transfer::export),
        signed_in(get("/ui/transfer/memories.csv")).to(files::table),
        signed_in(get("/ui/transfer/memories.md")).to(files::text),
        signed_in(post("/ui/transfer/import")).to(transfer::import),
        signed_in(post("/ui/transfer/undo")).to(transfer::undo_import),
        signed_in(get("/ui/health")).to(health::health),
        signed_in(post("/ui/health/backup")).to(health::back_up),
        signed_in(post("/ui/health/verify")).to(health::verify),
        signed_in(get("/ui/events")).to(events::events),
        signed_in(get("/ui/help")).to(help::help),
    ]
}

fn doors() -> Vec<Row> {
    vec![
        get("/ui").guard(SIGN_IN).to(help::first),
        get("/ui/a/{state}/{file}").guard(ASSETS).to(ui::asset),
        get("/ui/login").guard(SIGN_IN).to(login::show),
        post("/ui/login").guard(SIGN_IN).to(login::sign_in),
        post("/ui/logout").guard(Guard::Browser).to(login::sign_out),
        get("/ui/confirm").guard(Guard::Browser).to(login::confirm_page),
        post("/ui/confirm").guard(Guard::Browser).to(login::confirm),
        post("/ui/theme").guard(Guard::Browser).to(login::theme),
    ]
}
