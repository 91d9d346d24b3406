//! Every route and every tool, asked with every kind of credential. Both lists come from the server
//! itself, so that none can be forgotten: one that is not known here fails the test.

use serde_json::{Value, json};

use crate::harness::{KEY, TestServer, days, rpc};
use crate::tokens::token;

/// What it takes to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Nothing.
    Nobody,
    /// Any credential that is good.
    Key,
    Read,
    Write,
    /// Both: it reads before it writes.
    Both,
    /// More than any of the credentials has.
    Instructions,
    Admin,
}

/// Whose a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// Nobody's, or one's own.
    Oneself,
    /// A memory of `ada` in a project.
    Memory,
    /// The user `ada`, who is named.
    User,
}

/// A credential that is shown.
struct Shown {
    what: &'static str,
    token: Option<String>,
    has: Has,
}

/// What a credential is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Has {
    Nothing,
    /// It was not even brought.
    Absent,
    Read,
    Write,
    /// Both, of the user whose memory is asked for.
    Both,
    /// Both, of another user.
    Foreign,
    /// Both, within a project where the memory is not.
    Elsewhere,
    Admin,
}

const LIST: &str = "/api/v1/memories";
const QUERIES: [&str; 8] = [
    "/api/v1/search",
    "/search",
    "/api/memory/search",
    "/api/task/search",
    "/v1/memories/search/",
    "/v2/memories/search/",
    "/v3/memories/search/",
    "/memories/search",
];

fn needs_of_route(method: &str, path: &str) -> Needs {
    match (method, path) {
        ("get", "/" | "/health" | "/ready") => Needs::Nobody,
        ("get", "/metrics") => Needs::Admin,
        (
            "get",
            "/openapi.json" | "/api/v1/tools" | "/api/tools" | "/api/status" | "/admin/sessions"
            | "/admin/stats" | "/v1/ping/",
        )
        | ("post" | "delete", "/mcp") => Needs::Key,
        // Whatever it brings asks for its own scope; nothing needs none.
        ("post", "/api/v1/hooks/{client}") => Needs::Key,
        ("get", "/api/v1/why") => Needs::Admin,
        (_, path) if path.starts_with("/admin/") => Needs::Admin,
        (
            "post",
            "/api/task/update" | "/api/task/complete" | "/api/task/archive" | "/api/task/delete",
        ) => Needs::Both,
        ("post", "/v2/memories/" | "/v3/memories/") => Needs::Read,
        ("post", path) if QUERIES.contains(&path) => Needs::Read,
        ("get", _) => Needs::Read,
        ("post" | "put" | "patch" | "delete", _) => Needs::Write,
        _ => panic!("who may come to {method} {path}?"),
    }
}

fn needs_of_tool(name: &str) -> Needs {
    match name {
        "create_ai_instruction" => Needs::Instructions,
        "update_task" | "complete_task" | "archive_task" | "delete_task" | "create_project"
        | "delete_project" | "create_category" | "delete_category" => Needs::Both,
        "list_statuses" => Needs::Key,
        "search_memories" | "get_memory" | "list_memories" | "get_context" | "retrieve_memory"
        | "search" | "fetch" | "memory" | "read_graph" | "search_nodes" | "open_nodes" => {
            Needs::Read
        }
        "add_memory"
        | "update_memory"
        | "delete_memory"
        | "undo"
        | "store_memory"
        | "remember_user_info"
        | "delete_user_memories"
        | "add_coding_preference"
        | "link_memories"
        | "batch_create_tasks" => Needs::Write,
        name if name.starts_with("create_") || name.starts_with("delete_") => Needs::Write,
        "add_observations" => Needs::Write,
        name if ["get_", "list_", "search_", "export_"]
            .iter()
            .any(|word| name.starts_with(word)) =>
        {
            Needs::Read
        }
        _ => panic!("who may call {name}?"),
    }
}

/// The status that somebody gets who asks for what is one's own, or for what is `ada`'s.
fn expected(needs: Needs, has: Has, about: About) -> &'static [u16] {
    const DONE: &[u16] = &[200, 201, 202];
    let is_allowed = match (needs, has) {
        (Needs::Nobody, _) => true,
        (_, Has::Nothing | Has::Absent) => return &[401],
        (Needs::Instructions, _) => false,
        (Needs::Key, _) | (_, Has::Admin) => true,
        (Needs::Read, Has::Write) | (Needs::Write, Has::Read) => false,
        (Needs::Both, Has::Read | Has::Write) => false,
        (Needs::Read | Needs::Write | Needs::Both, _) => true,
        (Needs::Admin, _) => false,
    };
    match (has, about) {
        _ if !is_allowed => &[403],
        (Has::Foreign, About::Memory | About::User) => &[403],
        (Has::Elsewhere, About::Memory) => &[404],
        _ => DONE,
    }
}

async fn credentials(server: &TestServer) -> Vec<Shown> {
    let made = async |what, has, wanted: Value| {
        let token = Some(token(server, wanted).await);
        Shown { what, token, has }
    };
    let all = vec![
        Shown { what: "none", token: None, has: Has::Absent },
        Shown { what: "unknown", token: Some("mcp_nobody".to_owned()), has: Has::Nothing },
        made("expired", Has::Nothing, json!({ "user_id": "ada", "expires_days": 1 })).await,
        made("revoked", Has::Nothing, json!({ "user_id": "ada", "name": "revoked" })).await,
        made("read-only", Has::Read, json!({ "user_id": "ada", "scopes": "read" })).await,
        made("write-only", Has::Write, json!({ "user_id": "ada", "scopes": "write" })).await,
        made("full", Has::Both, json!({ "user_id": "ada" })).await,
        made("foreign", Has::Foreign, json!({ "user_id": "ben" })).await,
        made("bound", Has::Elsewhere, json!({ "user_id": "ada", "project": "boat" })).await,
        made("admin", Has::Admin, json!({ "user_id": "ada", "scopes": "read,write,admin" })).await,
    ];
    server.post("/admin/tokens/revoked/revoke", json!({})).await;
    server.clock.advance(days(2));
    all
}

/// A memory of `ada`, in a project of its own.
async fn memory(server: &TestServer) -> String {
    let body = json!({ "user_id": "ada", "content": "the roof is red", "project": "house" });
    let added = server.post(LIST, body).await.json();
    added["id"].as_str().unwrap().to_owned()
}

/// A token that nobody shows, for routes that change one.
async fn victim(server: &TestServer) -> String {
    token(server, json!({ "user_id": "cleo" })).await[..12].to_owned()
}

fn headers(shown: &Shown) -> Vec<(&'static str, &str)> {
    shown.token.iter().map(|token| ("X-API-Key", token.as_str())).collect()
}

/// A task of `ada`, in a project of its own.
async fn task(server: &TestServer) -> String {
    let body = json!({ "title": "paint the roof", "project": "house", "user_id": "ada" });
    let made = server.post("/api/task/create", body).await.json();
    made["data"]["id"].as_str().unwrap().to_owned()
}

/// The body of a request.
fn body_of(method: &str, path: &str, id: &str, is_task: bool) -> Option<Value> {
    let message = json!([{ "role": "user", "content": "something new" }]);
    match (method, path) {
        ("post", "/mcp") => Some(rpc("tools/list", json!({}))),
        ("post", "/api/v1/memories" | "/api/v1/import") => {
            Some(json!({ "content": "something new" }))
        }
        ("post", "/api/v1/undo") => Some(json!({ "credential": "nobody" })),
        ("post", "/api/add_memory") => Some(json!({ "user_input": "a", "agent_response": "b" })),
        ("post", "/api/memory/store") => Some(json!({ "content": "something new" })),
        ("post", "/api/task/create") => Some(json!({ "title": "something to do" })),
        ("post", "/api/task/update") => Some(json!({ "id": id, "priority": 4 })),
        ("post", _) if is_task => Some(json!({ "id": id })),
        ("post", "/memories") => Some(json!({ "messages": message, "user_id": "ada" })),
        ("post", "/v1/memories/" | "/v3/memories/add/") => Some(json!({ "messages": message })),
        ("post", path) if QUERIES.contains(&path) => Some(json!({ "query": "red" })),
        ("put", "/v1/batch/") => {
            Some(json!({ "memories": [{ "memory_id": id, "metadata": { "a": 1 } }] }))
        }
        ("delete", "/v1/batch/") => Some(json!({ "memories": [{ "memory_id": id }] })),
        ("put", _) => Some(json!({ "metadata": { "a": 1 } })),
        ("patch", _) => Some(json!({ "priority": 4 })),
        ("post", _) => Some(json!({})),
        _ => None,
    }
}

/// What a route is asked with: the rest of its path, its body, and whose it is about.
async fn asked(server: &TestServer, method: &str, path: &str) -> (String, Option<Value>, About) {
    let is_task = matches!(
        path,
        "/api/task/get"
            | "/api/task/update"
            | "/api/task/complete"
            | "/api/task/archive"
            | "/api/task/delete"
    );
    let names_memory =
        path.contains("{id}") || path.contains("{memory_id}") || path == "/v1/batch/";
    let id = match (is_task, names_memory) {
        (true, _) => task(server).await,
        (_, true) => memory(server).await,
        _ => String::new(),
    };
    let which = if path.contains("{token}") { victim(server).await } else { String::new() };
    let mut uri = path.replace("{id}", &id).replace("{memory_id}", &id).replace("{token}", &which);
    uri = uri.replace("{user}", "cleo").replace("{kind}", "agent").replace("{name}", "cook");
    uri = uri.replace("{client}", "codex");
    match (method, path) {
        ("get", "/api/v1/search") => uri.push_str("?query=red"),
        ("get", "/api/retrieve_memory") => uri.push_str("?query=red"),
        ("get", "/memories/search") => uri.push_str("?query=red&user_id=ada"),
        ("get" | "delete", "/memories") => uri.push_str("?user_id=ada"),
        ("delete", "/v1/memories/") => uri.push_str("?user_id=ada"),
        ("get", "/api/task/get") => uri.push_str(&format!("?id={id}")),
        _ => {}
    }
    let body = body_of(method, path, &id, is_task);
    let names_user = matches!(
        (method, path),
        ("get", "/memories/search") | (_, "/memories") | ("delete", "/v1/memories/")
    );
    let about = match (names_memory || is_task, names_user) {
        (true, _) => About::Memory,
        (_, true) => About::User,
        _ => About::Oneself,
    };
    (uri, body, about)
}

#[actix_web::test]
async fn every_route_lets_in_whom_it_should_and_nobody_else() {
    let server = TestServer::with(&[("AUTH_FAIL_LIMIT", "100000")]);
    let shown = credentials(&server).await;
    let described = server.get("/openapi.json").await.json();

    let mut cells = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let needs = needs_of_route(method, path);
            for one in &shown {
                let (uri, body, about) = asked(&server, method, path).await;
                let method = method.to_ascii_uppercase();
                let status = if uri == "/api/v1/events" {
                    events(&server, &headers(one)).await
                } else {
                    server.send(&method, &uri, &headers(one), body.as_ref()).await.status
                };
                let mut expected = expected(needs, one.has, about).to_vec();
                if path == "/admin/oauth/{grant}/revoke" && needs == Needs::Admin {
                    // Grants are made in a browser, and here is none to end: that is told to administrators.
                    expected = expected
                        .into_iter()
                        .map(|status| if status == 200 { 404 } else { status })
                        .collect();
                }
                assert!(expected.contains(&status), "{method} {path} as {}: {status}", one.what);
                cells += 1;
            }
        }
    }
    assert!(cells > 750, "only {cells}");
}

/// The status of the stream of changes, which has no end to wait for.
async fn events(server: &TestServer, headers: &[(&str, &str)]) -> u16 {
    let client = awc::Client::default();
    let mut request = client.get(format!("{}/api/v1/events", server.url));
    for (name, value) in headers {
        request = request.insert_header((*name, *value));
    }
    request.send().await.unwrap().status().as_u16()
}

/// What a tool is called with, and whose it is about. Tools name no user.
async fn said(server: &TestServer, name: &str) -> (Value, About) {
    let is_task = name.ends_with("_task") && name != "create_task" || name == "get_task_context";
    let (id, about) = match name {
        _ if is_task => (task(server).await, About::Memory),
        "get_memory"
        | "update_memory"
        | "delete_memory"
        | "fetch"
        | "get_memory_history"
        | "get_related_memories"
        | "link_memories"
        | "get_memory_context" => (memory(server).await, About::Memory),
        _ => (String::new(), About::Oneself),
    };
    let entity = json!({ "name": "Ada", "entityType": "person", "observations": ["sails"] });
    let relation = json!({ "from": "Ada", "to": "Ben", "relationType": "knows" });
    let said = match name {
        "add_memory" => json!({ "content": "something new" }),
        "store_memory" => json!({ "content": "something new" }),
        "search_memories"
        | "search_coding_preferences"
        | "search_user_memory"
        | "search_tasks"
        | "retrieve_memory"
        | "search"
        | "search_nodes" => json!({ "query": "red" }),
        "update_memory" | "update_task" => json!({ "id": id, "priority": 4 }),
        // Everybody may take back what they see nothing of.
        "undo" => json!({ "credential": "nobody" }),
        "remember_user_info" => json!({ "information_type": "a", "information": "b" }),
        "delete_user_memories" => json!({ "type": "nothing like it" }),
        "add_coding_preference" => json!({ "text": "tabs" }),
        "get_memory_history" | "get_related_memories" => json!({ "memory_id": id }),
        "link_memories" => {
            let body = json!({ "user_id": "ada", "content": "the roof leaks", "project": "house" });
            let other = server.post(LIST, body).await.json()["id"].clone();
            json!({ "memory_id_1": id, "memory_id_2": other })
        }
        "create_task" => json!({ "title": "something to do" }),
        "batch_create_tasks" => json!({ "tasks": [{ "title": "something to do" }] }),
        "create_project" | "delete_project" | "create_category" | "delete_category" => {
            json!({ "name": "boat" })
        }
        "create_ai_instruction" => json!({ "title": "units", "content": "metric" }),
        "get_project_context" => json!({ "project": "boat" }),
        "create_entities" => json!({ "entities": [entity] }),
        "create_relations" | "delete_relations" => json!({ "relations": [relation] }),
        "add_observations" => json!({ "observations": [] }),
        "delete_entities" => json!({ "entityNames": ["Nobody"] }),
        "delete_observations" => json!({ "deletions": [] }),
        "open_nodes" => json!({ "names": ["Ada"] }),
        "memory" => json!({ "command": "view", "path": "/memories" }),
        _ if about == About::Memory => json!({ "id": id }),
        _ => json!({}),
    };
    (said, about)
}

const SETS: &str = "core,admin,memoryos,ai-memory,remember,mem0,graph,files,chatgpt";

#[actix_web::test]
async fn every_tool_serves_whom_it_should_and_nobody_else() {
    let env = [("AUTH_FAIL_LIMIT", "100000"), ("TOOLSETS", SETS)];
    let server = TestServer::with(&env);
    let shown = credentials(&server).await;
    let list = rpc("tools/list", json!({}));
    let tools = server.send("POST", "/mcp", &[("X-API-Key", KEY)], Some(&list)).await.json();

    let mut cells = 0;
    for tool in tools["result"]["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        // What needs a memory of a kind that nobody here may make.
        if ["get_ai_instruction", "update_ai_instruction", "delete_ai_instruction"].contains(&name)
        {
            continue;
        }
        let needs = needs_of_tool(name);
        for one in &shown {
            let (mut said, about) = said(&server, name).await;
            // A model that invents a user changes nothing.
            if !["delete_memory", "undo"].contains(&name) {
                said["user_id"] = json!("ada");
            }
            let call = rpc("tools/call", json!({ "name": name, "arguments": said }));
            let reply = server.send("POST", "/mcp", &headers(one), Some(&call)).await;
            cells += 1;
            if matches!(one.has, Has::Nothing | Has::Absent) {
                assert_eq!(reply.status, 401, "{name} as {}", one.what);
                continue;
            }
            let answer = reply.json();
            let result = &answer["result"];
            let text = result["content"][0]["text"].as_str().unwrap_or_default();
            let told: u16 = match result["isError"].as_bool() {
                Some(true) if text.contains("access_denied") => 403,
                Some(true) if text.contains("not_found") => 404,
                Some(false) | None if result.is_object() => 200,
                None if answer["error"]["data"]["code"] == "insufficient_scope" => 403,
                _ => panic!("{name} as {}: {answer}", one.what),
            };
            let mut expected = expected(needs, one.has, about);
            // To ChatGPT somebody else's is as if it were not there.
            if name == "fetch" && one.has == Has::Foreign {
                expected = &[404];
            }
            assert!(expected.contains(&told), "{name} as {}: {text}", one.what);
            if one.has == Has::Foreign {
                assert!(!answer.to_string().contains("roof"), "{name}: {answer}");
            }
        }
    }
    assert!(cells >= 550, "only {cells}");
    let stays = server.send("GET", LIST, &[("X-API-Key", KEY)], None).await;
    assert_eq!(stays.json()["total"], 0, "nobody wrote to the administrator's own memories");
}
