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
    Admin,
    /// An administrator, or somebody on this machine without a credential.
    Monitoring,
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

fn needs_of_route(method: &str, path: &str) -> Needs {
    match (method, path) {
        ("get", "/" | "/health" | "/ready") => Needs::Nobody,
        ("get", "/metrics") => Needs::Monitoring,
        ("get", "/openapi.json" | "/api/v1/tools" | "/admin/sessions" | "/admin/stats")
        | ("post" | "delete", "/mcp") => Needs::Key,
        ("get", "/api/v1/why") => Needs::Admin,
        (_, path) if path.starts_with("/admin/") => Needs::Admin,
        ("get", _) | ("post", "/api/v1/search") => Needs::Read,
        ("post" | "patch" | "delete", _) => Needs::Write,
        _ => panic!("who may come to {method} {path}?"),
    }
}

fn needs_of_tool(name: &str) -> Needs {
    match name {
        "search_memories" | "get_memory" | "list_memories" | "get_context" => Needs::Read,
        "add_memory" | "update_memory" | "delete_memory" | "undo" => Needs::Write,
        _ => panic!("who may call {name}?"),
    }
}

/// The status that somebody gets who asks for a memory of the user `ada`, or for what is one's own.
fn expected(needs: Needs, has: Has, is_about_memory: bool) -> &'static [u16] {
    const DONE: &[u16] = &[200, 201, 202];
    let is_allowed = match (needs, has) {
        (Needs::Nobody, _) | (Needs::Monitoring, Has::Absent | Has::Admin) => true,
        (_, Has::Nothing | Has::Absent) => return &[401],
        (Needs::Key, _) | (_, Has::Admin) => true,
        (Needs::Read, Has::Write) | (Needs::Write, Has::Read) => false,
        (Needs::Read | Needs::Write, _) => true,
        (Needs::Admin | Needs::Monitoring, _) => false,
    };
    match has {
        _ if !is_allowed => &[403],
        Has::Foreign if is_about_memory => &[403],
        Has::Elsewhere if is_about_memory => &[404],
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
                let is_about_memory = path.contains("{id}");
                let id = if is_about_memory { memory(&server).await } else { String::new() };
                let which =
                    if path.contains("{token}") { victim(&server).await } else { String::new() };
                let mut uri = path.replace("{id}", &id).replace("{token}", &which);
                uri = uri.replace("{user}", "cleo");
                if path.ends_with("/search") {
                    uri.push_str("?query=red");
                }
                let body = match (method.as_str(), path.as_str()) {
                    ("post", "/mcp") => Some(rpc("tools/list", json!({}))),
                    ("post", "/api/v1/search") => Some(json!({ "query": "red" })),
                    ("post", "/api/v1/memories" | "/api/v1/import") => {
                        Some(json!({ "content": "something new" }))
                    }
                    ("post", "/api/v1/undo") => Some(json!({ "credential": "nobody" })),
                    ("patch", _) => Some(json!({ "priority": 4 })),
                    ("post", _) => Some(json!({})),
                    _ => None,
                };
                let uri = if method == "post" { uri.replace("?query=red", "") } else { uri };
                let method = method.to_ascii_uppercase();
                let status = if uri == "/api/v1/events" {
                    events(&server, &headers(one)).await
                } else {
                    server.send(&method, &uri, &headers(one), body.as_ref()).await.status
                };
                let expected = expected(needs, one.has, is_about_memory);
                assert!(expected.contains(&status), "{method} {path} as {}: {status}", one.what);
                cells += 1;
            }
        }
    }
    assert!(cells > 300, "only {cells}");
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

#[actix_web::test]
async fn every_tool_serves_whom_it_should_and_nobody_else() {
    let env = [("AUTH_FAIL_LIMIT", "100000"), ("TOOLSETS", "core,admin")];
    let server = TestServer::with(&env);
    let shown = credentials(&server).await;
    let tools = server.get("/api/v1/tools").await.json();

    let mut cells = 0;
    for tool in tools["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        let needs = needs_of_tool(name);
        for one in shown.iter().filter(|one| !matches!(one.has, Has::Nothing | Has::Absent)) {
            let id = memory(&server).await;
            let arguments = match name {
                "add_memory" => json!({ "content": "something new" }),
                "search_memories" => json!({ "query": "red" }),
                "get_memory" | "delete_memory" => json!({ "id": id }),
                "update_memory" => json!({ "id": id, "priority": 4 }),
                // Everybody may take back what they see nothing of.
                "undo" => json!({ "credential": "nobody" }),
                _ => json!({}),
            };
            let is_about_memory = arguments.get("id").is_some();
            // A model that invents a user changes nothing.
            let mut arguments = arguments;
            if !["delete_memory", "undo"].contains(&name) {
                arguments["user_id"] = json!("ada");
            }
            let call = rpc("tools/call", json!({ "name": name, "arguments": arguments }));
            let answer = server.send("POST", "/mcp", &headers(one), Some(&call)).await.json();
            let result = &answer["result"];
            let text = result["content"][0]["text"].as_str().unwrap_or_default();
            let told: u16 = match result["isError"].as_bool() {
                Some(false) => 200,
                Some(true) if text.contains("access_denied") => 403,
                Some(true) if text.contains("not_found") => 404,
                None if answer["error"]["data"]["code"] == "insufficient_scope" => 403,
                _ => panic!("{name} as {}: {answer}", one.what),
            };
            let expected = expected(needs, one.has, is_about_memory);
            assert!(expected.contains(&told), "{name} as {}: {text}", one.what);
            if one.has == Has::Foreign {
                assert!(!answer.to_string().contains("roof"), "{name}: {answer}");
            }
            cells += 1;
        }
    }
    assert!(cells >= 7 * 6, "only {cells}");
    let stays = server.send("GET", LIST, &[("X-API-Key", KEY)], None).await;
    assert_eq!(stays.json()["total"], 0, "nobody wrote to the administrator's own memories");
}
