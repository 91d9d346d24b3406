//! Every route of the server, one row each.
//!
//! A new route is a handler and a row here; a route that only carries out a verb is a row alone.

use serde_json::{Value, json};

use super::front::Guard;
use super::older_rows::older_servers;
use super::route::Content::{Json, Nothing, Text, Tool};
use super::route::{Row, delete, get, patch, post};
use super::ui_rows::pages;
use super::{mcp, moving, openapi, rest, ui};
use crate::actors::{AdminRequest, NewToken, Rotation};
use crate::engine::{
    Add, Context, Delete, Get, History, IMPORT_CONFIRM, IMPORT_DRY_RUN, IMPORT_RUN, IMPORT_STEP,
    List, ListImports, ListProjects, ListRecalls, ListTags, Related, Restore, Search, Spoken,
    Stats, Undo, Update,
};
use crate::model::Scope;

/// Clients look here for OAuth before they have a key. Where there is none, under a name that is not
/// the public one or altogether, that must be a plain 404: a 401 would make some of them drop the key
/// they were configured with, and it would count as a failed attempt of somebody who made none.
pub(super) const NO_OAUTH: [&str; 7] = [
    "/.well-known/{any:.*}",
    "/authorize",
    "/authorize/{any:.*}",
    "/register",
    "/register/{any:.*}",
    "/token",
    "/revoke",
];

/// What stands at the places of [`NO_OAUTH`] is no secret.
pub(super) const NOTHING_THERE: &str = "there is nothing to protect";

const PROBE: Guard = Guard::Open("a probe has no key, and its answer holds nothing of anybody's");

const HEALTH: Guard = Guard::Probe("a probe has no key; what is told to administrators is theirs");

/// The rows, in the order of the description. Built anew for each worker, as actix wants it.
pub(super) fn table() -> Vec<Row> {
    let mut rows = server();
    rows.extend(memories());
    rows.extend(finding());
    rows.extend(transfer());
    rows.push(hook());
    rows.extend(admin());
    rows.extend(accounts());
    rows.extend(grants());
    rows.extend(backups());
    rows.extend(older_servers());
    // One place, without a redirect that clients would not follow with a POST.
    rows.extend(protocol("/mcp"));
    rows.extend(protocol("/mcp/"));
    rows.extend(pages());
    rows
}

fn server() -> Vec<Row> {
    vec![
        get("/")
            .guard(PROBE)
            .does("server", "Says that the server is there, and nothing about what it holds")
            .to(rest::root)
            .answers(200, "Which server this is, and where its parts are", Json(object())),
        get("/health")
            .guard(HEALTH)
            .does(
                "server",
                "Says whether the server can do its work; to administrators also what is wrong",
            )
            .to(rest::health)
            .answers(200, "Healthy", Json(object()))
            .answers(503, "The store cannot write", Json(object())),
        get("/ready")
            .guard(PROBE)
            .does("server", "The same for a supervisor that waits before it sends traffic")
            .to(rest::ready)
            .answers(200, "Ready", Json(object()))
            .answers(503, "The store cannot write", Json(object())),
        get("/openapi.json")
            .does("server", "Gives out this description")
            .to(openapi::openapi)
            .answers(200, "OpenAPI 3.1", Json(object())),
        get("/api/v1/tools")
            .does("server", "Lists the MCP tools with their schemas")
            .to(rest::tools)
            .answers(200, "As `tools/list` gives it", Json(list_of("tools", &object()))),
    ]
}

fn memories() -> Vec<Row> {
    vec![
        get("/api/v1/memories")
            .does(
                "memories",
                "Lists memories, newest first unless `sort` and `order` say otherwise",
            )
            .by_query::<List>()
            .answers(200, "One page", Tool("list_memories")),
        post("/api/v1/memories")
            .does("memories", "Stores a memory")
            .takes_body::<Add>()
            .to(rest::add)
            .answers(201, "Stored", Tool("add_memory"))
            .answers(200, "The same text was there already", Tool("add_memory")),
        get("/api/v1/memories/{id}")
            .does("memories", "Reads one memory; with `history=true` also the versions before it")
            .by_query::<Get>()
            .answers(200, "The memory", Tool("get_memory")),
        patch("/api/v1/memories/{id}")
            .does("memories", "Changes some fields of a memory; null clears one")
            .by_body::<Update>()
            .answers(200, "Changed", Tool("update_memory")),
        delete("/api/v1/memories/{id}")
            .does("memories", "Deletes a memory; it can be restored for a while, unless purged")
            .by_query::<Delete>()
            .answers(200, "Deleted", Tool("delete_memory")),
        get("/api/v1/memories/{id}/history")
            .does("memories", "Reads every version of a memory, also of a deleted one")
            .by_query::<History>()
            .answers(200, "The memory and its history", Tool("get_memory")),
        post("/api/v1/memories/{id}/restore")
            .does("memories", "Brings back a deleted, archived, superseded or expired memory")
            .by_query::<Restore>()
            .answers(200, "Active again", Tool("update_memory")),
        post("/api/v1/undo")
            .does(
                "memories",
                "Takes changes back, as new versions; tells first, and acts if told to",
            )
            .by_body::<Undo>()
            .answers(200, "What was taken back, and what could not be", Json(object())),
        get("/api/v1/memories/{id}/related")
            .does("memories", "Finds what speaks of the same things as one memory")
            .by_query::<Related>()
            .answers(200, "Best first", Tool("search_memories")),
    ]
}

fn finding() -> Vec<Row> {
    vec![
        get("/api/v1/search")
            .does("finding", "Finds memories that answer a question")
            .by_query::<Search>()
            .answers(200, "Best first", Tool("search_memories")),
        post("/api/v1/search")
            .does("finding", "The same with the arguments in the body")
            .by_body::<Search>()
            .answers(200, "Best first", Tool("search_memories")),
        get("/api/v1/context")
            .does("finding", "Puts together what to know at the start of a conversation")
            .by_query::<Context>()
            .answers(200, "A text and its parts", Tool("get_context")),
        get("/api/v1/tags")
            .does("finding", "Lists the tags in use, the most used first")
            .by_query::<ListTags>()
            .answers(200, "With their counts", Json(list_of("tags", &name_count()))),
        get("/api/v1/projects")
            .does("finding", "Lists the projects in use, the most used first")
            .by_query::<ListProjects>()
            .answers(200, "With their counts", Json(list_of("projects", &name_count()))),
        get("/api/v1/stats")
            .does("finding", "Counts what a user has stored")
            .by_query::<Stats>()
            .answers(200, "Numbers of memories by status", Json(object())),
        get("/api/v1/why")
            .guard(Guard::Scope(Scope::Admin))
            .does("finding", "Tells which memories were given to whom, and for what question")
            .takes_query(ListRecalls::fields())
            .takes_user()
            .to(rest::why)
            .answers(200, "The newest first", Json(list_of("recalls", &object()))),
        get("/api/v1/events")
            .guard(Guard::Scope(Scope::Read))
            .does("finding", "Tells of every write to a user's memories as it happens")
            .takes_user()
            .to(rest::events)
            .answers(
                200,
                "`event: change` with `data: {\"memories\": [ids]}`",
                Text("text/event-stream"),
            ),
    ]
}

fn transfer() -> Vec<Row> {
    vec![
        get("/api/v1/export")
            .guard(Guard::Scope(Scope::Read))
            .does(
                "transfer",
                "Writes every memory with its history, which `import` takes back whole",
            )
            .takes_user()
            .to(rest::export)
            .answers(200, "One memory a line", Text("application/x-ndjson")),
        post("/api/v1/import")
            .guard(Guard::Scope(Scope::Write))
            .does(
                "transfer",
                "Reads lines of an export, objects with the arguments of add_memory, or with `format` \
                 a file of another product's",
            )
            .takes("application/x-ndjson")
            .takes_query(vec![
                &IMPORT_STEP,
                &IMPORT_RUN,
                &IMPORT_CONFIRM,
                &IMPORT_DRY_RUN,
                &moving::FORMAT,
                &moving::ONLY,
                &moving::PROJECT,
                &moving::TAG,
                &moving::SINCE,
                &moving::UPDATE,
                &moving::ERASED,
                &moving::VAULT,
            ])
            .takes_user()
            .to(rest::import)
            .answers(200, "What was stored, and which lines were not", Json(object())),
        get("/api/v1/import")
            .does("transfer", "Lists the imports of other products' data that can be undone")
            .by_query::<ListImports>()
            .answers(200, "The newest first", Json(list_of("imports", &object()))),
    ]
}

/// What a hook does takes the scope of the verb behind it.
fn hook() -> Row {
    post("/api/v1/hooks/{client}")
        .does("hooks", "Takes what a hook of an assistant brings, and answers as its program would")
        .takes("application/json")
        .takes_query(vec![&rest::HOOK_PROJECT])
        .takes_user()
        .to(rest::hook)
        .answers(200, "What the client reads: context, or an empty object", Json(object()))
}

fn admin() -> Vec<Row> {
    vec![
        // An older server's guide reads all names with the key of one user.
        get("/admin/sessions")
            .does("admin", "Lists who uses the server now, by the names of their credentials")
            .to(rest::sessions)
            .answers(200, "`name-abc123` for each", Json(list_of("sessions", &text()))),
        get("/admin/stats")
            .does("admin", "Counts since the start; without the scope `admin` one's own calls only")
            .to(rest::stats)
            .answers(200, "Requests, response times, failures, memory", Json(object())),
        get("/metrics")
            .guard(Guard::Monitoring)
            .does("admin", "The same figures for Prometheus")
            .to(rest::metrics)
            .answers(200, "Text format 0.0.4", Text("text/plain")),
    ]
}

/// Tokens, users and the audit.
fn accounts() -> Vec<Row> {
    vec![
        get("/admin/tokens")
            .guard(Guard::Scope(Scope::Admin))
            .does("admin", "Lists the tokens, whatever their state; never a token itself")
            .takes_query(AdminRequest::fields_of_list())
            .to(rest::list_tokens)
            .answers(200, "The oldest first", Json(list_of("tokens", &object()))),
        post("/admin/tokens")
            .guard(Guard::Scope(Scope::Admin))
            .does("admin", "Makes a token")
            .takes_fields(NewToken::fields())
            .to(rest::create_token)
            .answers(201, "With the token itself, which is shown this once", Json(object())),
        delete("/admin/tokens/{token}")
            .guard(Guard::Scope(Scope::Admin))
            .does("admin", "Deletes tokens, by what one begins with or by their name")
            .to(rest::delete_token)
            .answers(200, "As they were", Json(list_of("tokens", &object()))),
        post("/admin/tokens/{token}/revoke")
            .guard(Guard::Scope(Scope::Admin))
            .does("admin", "Takes tokens back; the very next request with one is refused")
            .to(rest::revoke_token)
            .answers(200, "As they are now", Json(list_of("tokens", &object()))),
        post("/admin/tokens/{token}/enable")
            .guard(Guard::Scope(Scope::Admin))
            .does("admin", "Makes revoked tokens good again")
            .to(rest::enable_token)
            .answers(200, "As they are now", Json(list_of("tokens", &object()))),
        post("/admin/tokens/{token}/rotate")
            .guard(Guard::Scope(Scope::Admin))
            .does(
                "admin",
                "Makes a token that takes the place of another, which ends after a while",
            )
            .takes_fields(Rotation::fields())
            .to(rest::rotate_token)
            .answers(201, "With the new token itself", Json(object())),
        get("/admin/users")
            .guard(Guard::Scope(Scope::Admin))
            .does("admin", "Lists who has stored something or has a token")
            .to(rest::list_users)
            .answers(200, "In order", Json(list_of("users", &object()))),
        delete("/admin/users/{user}")
            .guard(Guard::Scope(Scope::Admin))
            .does("admin", "Erases all that is kept of a user, to the last byte on the disk")
            .to(rest::erase_user)
            .answers(200, "The pseudonym that the audit keeps", Json(object())),
        post("/admin/browser-link")
            .guard(Guard::Scope(Scope::Admin))
            .does("admin", "Makes a link that signs one browser in, once and within a minute")
            .to(ui::login::link)
            .answers(201, "The path, with the code in its fragment", Json(object())),
        get("/admin/audit")
            .guard(Guard::Scope(Scope::Admin))
            .does("admin", "Tells who came, who was turned away, and what was done to whose data")
            .takes_query(AdminRequest::fields_of_audit())
            .to(rest::audit)
            .answers(200, "`events`, the oldest first, or `groups`", Json(object())),
    ]
}

/// What clients were allowed over OAuth.
fn grants() -> Vec<Row> {
    vec![
        get("/admin/oauth")
            .guard(Guard::Scope(Scope::Admin))
            .does("admin", "Lists what clients were allowed over OAuth, whatever its state")
            .takes_query(AdminRequest::fields_of_list())
            .to(rest::list_grants)
            .answers(200, "The oldest first", Json(list_of("grants", &object()))),
        post("/admin/oauth/{grant}/revoke")
            .guard(Guard::Scope(Scope::Admin))
            .does(
                "admin",
                "Ends grants, by the id of one or by their name; the next request is refused",
            )
            .to(rest::end_grants)
            .answers(200, "As they are now", Json(list_of("grants", &object()))),
    ]
}

fn backups() -> Vec<Row> {
    vec![
        post("/admin/backup")
            .guard(Guard::Scope(Scope::Admin))
            .does("admin", "Makes a backup of everything on the server's disk, and reads it back")
            .to(rest::create_backup)
            .answers(201, "Where it is and what it holds", Json(object())),
        get("/admin/backup")
            .guard(Guard::Scope(Scope::Admin))
            .does("admin", "Lists the backups that are in their folder")
            .to(rest::list_backups)
            .answers(200, "The newest first", Json(list_of("backups", &object()))),
    ]
}

/// `GET` is no method here: there is no stream apart from those of requests.
fn protocol(path: &'static str) -> Vec<Row> {
    vec![
        post(path)
            .does("mcp", "Takes one JSON-RPC message of the Model Context Protocol")
            .takes("application/json")
            .with_own_errors()
            .to(mcp::post)
            .answers(200, "The answer, or a stream of events", Json(json!(true)))
            .answers(202, "Taken; it wants no answer", Nothing)
            .answers(404, "The revision has no such method", Json(object()))
            .answers(406, "The answer is JSON or a stream of events", Json(object())),
        delete(path)
            .does("mcp", "Lets the caller's session give its memory back")
            .to(mcp::delete)
            .answers(200, "Asleep until the next call", Json(object())),
    ]
}

pub(super) fn object() -> Value {
    json!({ "type": "object" })
}

fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn list_of(name: &str, items: &Value) -> Value {
    json!({
        "type": "object",
        "required": [name],
        "properties": { name: { "type": "array", "items": items } },
    })
}

fn name_count() -> Value {
    json!({
        "type": "object",
        "required": ["name", "count", "updated_at"],
        "properties": {
            "name": text(),
            "count": { "type": "integer" },
            "updated_at": { "type": "string", "format": "date-time" },
        },
    })
}
