//! The routes of older servers, one row each. A row that only carries out a call is a row alone.

use serde_json::json;

use super::compat::{ai_memory, mem0_client, memories};
use super::front::Guard;
use super::rest;
use super::route::Content::Json;
use super::route::{Row, delete, get, post, put};
use super::table::{list_of, object};
use crate::model::Scope;
use crate::older::{self, OlderCall, mem0, memoryos};

/// Every route of an older server.
pub(super) fn older_servers() -> Vec<Row> {
    let mut rows = memoryos_server();
    rows.extend(ai_memory_server());
    rows.extend(secure_server());
    rows.extend(shared_memories());
    rows.extend(one_memory());
    rows.extend(mem0_clients());
    rows.extend(mem0_client_rest());
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
    ]
}

/// The same of one memory, and what only Mem0 has.
fn one_memory() -> Vec<Row> {
    let read = Guard::Scope(Scope::Read);
    let write = Guard::Scope(Scope::Write);
    vec![
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
    ]
}

/// The same of one memory, of several, and of all of somebody's.
fn mem0_client_rest() -> Vec<Row> {
    let read = Guard::Scope(Scope::Read);
    let write = Guard::Scope(Scope::Write);
    let items = || Json(json!({ "type": "array" }));
    let mut rows = vec![
        get("/v1/memories/")
            .guard(read)
            .does("mem0-client", "Lists everything of whom the query names, the newest first")
            .takes_query(vec![&mem0::AGENT_ID, &mem0::RUN_ID, &mem0::APP_ID])
            .takes_user()
            .to(mem0_client::query_list)
            .answers(200, "All of it", items()),
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
    ];
    rows.extend(mem0_client_many());
    rows
}

fn mem0_client_many() -> Vec<Row> {
    let read = Guard::Scope(Scope::Read);
    let write = Guard::Scope(Scope::Write);
    vec![
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
    let (read, write) = (Guard::Scope(Scope::Read), Guard::Scope(Scope::Write));
    let told = || Json(object());
    let about = "ai-memory";
    let task_by_body = |path, call: &'static OlderCall, what| {
        let row = post(path).guard(write).does(about, what).by_body_of_ai_memory(call);
        row.answers(200, "The task", told())
    };
    vec![
        get("/api/memory/list")
            .does("ai-memory", "Lists the newest memories, as the AI-memory server did")
            .with_own_errors()
            .to(ai_memory::list)
            .answers(200, "Arguments are passed over, as there", Json(list_of("data", &object()))),
        post("/api/memory/store")
            .guard(write)
            .does(about, "Stores a memory with a title")
            .by_body_of_ai_memory(&older::ai_memory::STORE)
            .answers(200, "The memory", told()),
        post("/api/memory/search")
            .guard(read)
            .does(about, "Finds memories that answer a question")
            .by_body_of_ai_memory(&older::ai_memory::SEARCH)
            .answers(200, "Best first", told()),
        task_by_body("/api/task/create", &older::ai_memory::CREATE_TASK, "Makes a task"),
        task_by_body("/api/task/update", &older::ai_memory::UPDATE_TASK, "Changes a task"),
        task_by_body(
            "/api/task/complete",
            &older::ai_memory::COMPLETE_TASK,
            "Says that a task is done",
        ),
        task_by_body("/api/task/archive", &older::ai_memory::ARCHIVE_TASK, "Puts a task away"),
        task_by_body("/api/task/delete", &older::ai_memory::DELETE_TASK, "Deletes a task"),
        post("/api/task/search")
            .guard(read)
            .does(about, "Finds tasks that answer a question")
            .by_body_of_ai_memory(&older::ai_memory::SEARCH_TASKS)
            .answers(200, "Best first", told()),
        get("/api/task/list")
            .guard(read)
            .does(about, "Lists tasks, the newest first")
            .by_query_of_ai_memory(&older::ai_memory::LIST_TASKS)
            .answers(200, "The tasks", told()),
        get("/api/task/get")
            .guard(read)
            .does(about, "Reads one task")
            .by_query_of_ai_memory(&older::ai_memory::GET_TASK)
            .answers(200, "The task", told()),
        get("/api/task/stats")
            .guard(read)
            .does(about, "Counts the tasks")
            .by_query_of_ai_memory(&older::ai_memory::TASK_STATS)
            .answers(200, "By status and priority", told()),
    ]
}

/// The secure server's.
fn secure_server() -> Vec<Row> {
    vec![
        get("/api/tools")
            .does("secure", "Lists the MCP tools with their schemas")
            .to(rest::tools)
            .answers(200, "As `tools/list` gives it", Json(list_of("tools", &object()))),
        get("/api/status")
            .does("secure", "Says that the server is there, and as whom one came")
            .to(rest::status)
            .answers(200, "Its name and version, and one's own rights", Json(object())),
    ]
}
