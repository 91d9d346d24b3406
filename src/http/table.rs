//! Every route of the server, one row each.
//!
//! A new route is a handler and a row here; a route that only carries out a verb is a row alone.

use serde_json::{Value, json};

use super::compat::{ai_memory, mem0_client, memories};
use super::front::Guard;
use super::route::Content::{Json, Nothing, Text, Tool};
use super::route::{Row, delete, get, patch, post, put};
use super::{mcp, openapi, rest};
use crate::actors::{AdminRequest, NewToken, Rotation};
use crate::engine::{
    Add, Context, Delete, Get, History, IMPORT_CONFIRM, IMPORT_STEP, List, ListProjects,
    ListRecalls, ListTags, Related, Restore, Search, Spoken, Stats, Undo, Update,
};
use crate::model::Scope;
use crate::older::{mem0, memoryos};

/// Clients look here for OAuth before they have a key. There is none, and that must be a plain
/// 404: a 401 would make some of them drop the key they were configured with, and it would count
/// as a failed attempt of somebody who made none.
pub(super) const NO_OAUTH: [&str; 4] =
    ["/.well-known/{any:.*}", "/authorize", "/register", "/token"];

/// What stands at the places of [`NO_OAUTH`] is no secret.
pub(super) const NOTHING_THERE: &str = "there is nothing to protect";

const PROBE: Guard = Guard::Open("a probe has no key, and its answer holds nothing of anybody's");

/// The rows, in the order of the description. Built anew for each worker, as actix wants it.
pub(super) fn table() -> Vec<Row> {
    let mut rows = server();
    rows.extend(memories());
    rows.extend(finding());
    rows.extend(transfer());
    rows.extend(admin());
    rows.extend(accounts());
    rows.extend(older_servers());
    // One place, without a redirect that clients would not follow with a POST.
    rows.extend(protocol("/mcp"));
    rows.extend(protocol("/mcp/"));
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
            .guard(PROBE)
            .does("server", "Says whether the server can do its work")
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
                "Reads lines of an export, or objects with the arguments of add_memory",
            )
            .takes("application/x-ndjson")
            .takes_query(vec![&IMPORT_STEP, &IMPORT_CONFIRM])
            .takes_user()
            .to(rest::import)
            .answers(200, "What was stored, and which lines were not", Json(object())),
    ]
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
        get("/admin/audit")
            .guard(Guard::Scope(Scope::Admin))
            .does("admin", "Tells who came, who was turned away, and what was done to whose data")
            .takes_query(AdminRequest::fields_of_audit())
            .to(rest::audit)
            .answers(200, "`events`, the oldest first, or `groups`", Json(object())),
    ]
}

fn older_servers() -> Vec<Row> {
    let mut rows = memoryos_server();
    rows.extend(ai_memory_server());
    rows.extend(shared_memories());
    rows.extend(mem0_clients());
    rows
}

/// The routes that the token-file server and that of Mem0 share.
fn shared_memories() -> Vec<Row> {
    let read = Guard::Scope(Scope::Read);
    let write = Guard::Scope(Scope::Write);
    vec![
        post("/memories")
            .guard(write)
            .does("mem0", "Stores messages, or `information` of an `information_type`")
            .takes_fields(memories::fields_of_add())
            .takes_user()
            .to(memories::add)
            .answers(200, "`results`, and `status` with `memory_id`", Json(object()))
            .answers(400, "A field is missing", Json(object())),
        get("/memories")
            .guard(read)
            .does("mem0", "Lists everything of a user, the newest first")
            .takes_query(memories::fields_of_list())
            .takes_user()
            .to(memories::list)
            .answers(200, "`memories` and `results`, the same", Json(object()))
            .answers(400, "No user, agent or run is named", Json(object())),
        get("/memories/search")
            .guard(read)
            .does("token-file", "Finds what answers a question")
            .takes_query(memories::fields_of_find())
            .takes_user()
            .to(memories::find)
            .answers(200, "Best first", Json(list_of("memories", &object())))
            .answers(400, "No user is named", Json(object())),
        delete("/memories")
            .guard(write)
            .does("mem0", "Deletes everything of a user, or of a `type`, an agent or a run")
            .takes_query(memories::fields_of_delete())
            .takes_user()
            .to(memories::delete_all)
            .answers(200, "How many", Json(object()))
            .answers(400, "No user, agent or run is named", Json(object())),
        get("/memories/{memory_id}")
            .guard(read)
            .does("mem0", "Reads one memory")
            .takes_user()
            .to(memories::get)
            .answers(200, "The memory", Json(object())),
        put("/memories/{memory_id}")
            .guard(write)
            .does("mem0", "Changes the text or the metadata of a memory")
            .takes_fields(mem0::UPDATED.to_vec())
            .takes_user()
            .to(memories::update)
            .answers(200, "As it is now", Json(object())),
        delete("/memories/{memory_id}")
            .guard(write)
            .does("mem0", "Deletes one memory; it can be restored for a while")
            .takes_user()
            .to(memories::delete)
            .answers(200, "Deleted", Json(object())),
        get("/memories/{memory_id}/history")
            .guard(read)
            .does("mem0", "Tells what became of a memory, version by version")
            .takes_user()
            .to(memories::history)
            .answers(200, "The oldest first", Json(json!({ "type": "array" }))),
        post("/search")
            .guard(read)
            .does("mem0", "Finds what answers a question")
            .takes_fields(mem0::SEARCHED.to_vec())
            .takes_user()
            .to(memories::search)
            .answers(200, "Best first", Json(list_of("results", &object()))),
        post("/reset")
            .guard(write)
            .does("mem0", "Deletes everything of the caller's user; it can be restored for a while")
            .to(memories::reset)
            .answers(200, "How many", Json(object())),
    ]
}

/// What the official client of Mem0 asks for.
fn mem0_clients() -> Vec<Row> {
    let read = Guard::Scope(Scope::Read);
    let write = Guard::Scope(Scope::Write);
    let searched = |path| {
        post(path)
            .guard(read)
            .does("mem0-client", "Finds what answers a question")
            .takes_fields(mem0::SEARCHED.to_vec())
            .takes_user()
    };
    let listed = |path| {
        post(path)
            .guard(read)
            .does("mem0-client", "Lists everything that fits a filter, the newest first")
            .takes_fields(mem0_client::fields_of_list())
            .takes_user()
    };
    let added = |path| {
        post(path)
            .guard(write)
            .does("mem0-client", "Stores messages")
            .takes_fields(mem0::ADDED.to_vec())
            .takes_user()
            .to(mem0_client::add)
            .answers(200, "What became of each", Json(list_of("results", &object())))
    };
    let items = || Json(json!({ "type": "array" }));
    vec![
        get("/v1/ping/")
            .does("mem0-client", "Says that the key is good")
            .to(mem0_client::ping)
            .answers(200, "Names that the client wants", Json(object())),
        added("/v3/memories/add/"),
        added("/v1/memories/"),
        listed("/v3/memories/").to(mem0_client::list).answers(
            200,
            "A page",
            Json(list_of("results", &object())),
        ),
        listed("/v2/memories/").to(mem0_client::bare_list).answers(200, "All of it", items()),
        searched("/v3/memories/search/").to(mem0_client::search).answers(
            200,
            "Best first",
            Json(list_of("results", &object())),
        ),
        searched("/v2/memories/search/").to(mem0_client::search_list).answers(
            200,
            "Best first",
            items(),
        ),
        searched("/v1/memories/search/").to(mem0_client::search_list).answers(
            200,
            "Best first",
            items(),
        ),
        delete("/v1/memories/")
            .guard(write)
            .does("mem0-client", "Deletes everything of a user, an agent, an application or a run")
            .takes_query(vec![&mem0::AGENT_ID, &mem0::RUN_ID, &mem0::APP_ID])
            .takes_user()
            .to(mem0_client::delete_all)
            .answers(200, "How many", Json(object()))
            .answers(400, "Nothing is named", Json(object())),
        get("/v1/memories/{memory_id}/")
            .guard(read)
            .does("mem0-client", "Reads one memory, whosever it is, for administrators")
            .to(mem0_client::get)
            .answers(200, "The memory", Json(object())),
        put("/v1/memories/{memory_id}/")
            .guard(write)
            .does("mem0-client", "Changes a memory")
            .takes_fields(mem0::UPDATED.to_vec())
            .to(mem0_client::update)
            .answers(200, "As it is now", Json(object())),
        delete("/v1/memories/{memory_id}/")
            .guard(write)
            .does("mem0-client", "Deletes a memory; it can be restored for a while")
            .to(mem0_client::delete)
            .answers(200, "Deleted", Json(object())),
        get("/v1/memories/{memory_id}/history/")
            .guard(read)
            .does("mem0-client", "Tells what became of a memory, version by version")
            .to(mem0_client::history)
            .answers(200, "The oldest first", items()),
        put("/v1/batch/")
            .guard(write)
            .does("mem0-client", "Changes several memories")
            .takes("application/json")
            .to(mem0_client::update_many)
            .answers(200, "How many", Json(object())),
        delete("/v1/batch/")
            .guard(write)
            .does("mem0-client", "Deletes several memories")
            .takes("application/json")
            .to(mem0_client::delete_many)
            .answers(200, "How many", Json(object())),
        get("/v1/entities/")
            .guard(read)
            .does("mem0-client", "Lists the users, as far as the caller may know of them")
            .to(mem0_client::entities)
            .answers(200, "In order", Json(list_of("results", &object()))),
        delete("/v2/entities/{kind}/{name}/")
            .guard(write)
            .does("mem0-client", "Deletes everything of a user, an agent, an application or a run")
            .to(mem0_client::delete_entity)
            .answers(200, "How many", Json(object())),
    ]
}

fn memoryos_server() -> Vec<Row> {
    vec![
        post("/api/add_memory")
            .does("memoryos", "Stores one turn of a conversation, as the MemoryOS server did")
            .by_body_of(&memoryos::ADD)
            .answers(200, "`{status: \"success\", ...}`", Json(object())),
        get("/api/retrieve_memory")
            .does(
                "memoryos",
                "What was said last, what was said of a matter, and what is known of the user",
            )
            .by_query_of(&memoryos::RETRIEVE)
            .answers(200, "As the tool `retrieve_memory`", Json(object())),
        get("/api/user_profile")
            .does("memoryos", "What is known of the user")
            .by_query_of(&memoryos::PROFILE)
            .answers(200, "As the tool `get_user_profile`", Json(object())),
    ]
}

fn ai_memory_server() -> Vec<Row> {
    vec![
        get("/api/memory/list")
            .does("ai-memory", "Lists the newest memories, as the AI-memory server did")
            .with_own_errors()
            .to(ai_memory::list)
            .answers(200, "Arguments are passed over, as there", Json(list_of("data", &object()))),
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

fn object() -> Value {
    json!({ "type": "object" })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn list_of(name: &str, items: &Value) -> Value {
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
