//! A deletion has to choose what it deletes; words that only say how to look choose nothing.

use serde_json::{Value, json};

use crate::harness::{KEY, TestServer};

const MODERN: &str = "2026-07-28";

#[actix_web::test]
async fn a_deletion_that_chooses_nothing_is_refused_and_one_that_chooses_is_not() {
    let server = TestServer::start();
    fill(&server).await;

    for arguments in choosing_nothing() {
        let code = server.refusal("delete_memory", arguments.clone()).await;
        assert_eq!(code, "validation_error", "{arguments}");
    }
    assert_eq!(server.ok("list_memories", json!({})).await["total"], 3);

    for filter in choosing_one() {
        let mut arguments = filter.clone();
        arguments["dry_run"] = json!(true);
        let told = server.ok("delete_memory", arguments).await;
        assert_eq!(told["matched"], 1, "{filter}");
    }
    let real = json!({ "tags": ["log"], "tag_match": "any", "scope": "user", "dry_run": false });
    assert_eq!(server.ok("delete_memory", real).await["deleted"], 1);
    assert_eq!(server.ok("list_memories", json!({})).await["total"], 2);
}

#[actix_web::test]
async fn neither_era_and_no_route_deletes_what_nobody_chose() {
    let server = TestServer::start();
    fill(&server).await;
    let key = [("X-API-Key", KEY)];

    for arguments in choosing_nothing() {
        let answer = modern(&server, &arguments).await;
        assert_eq!(answer["result"]["isError"], true, "{arguments}: {answer}");
        let reply = server.send("DELETE", "/api/v1/memories", &key, Some(&arguments)).await;
        assert!(reply.status >= 400, "{arguments}: {}", reply.text());
    }

    assert_eq!(server.ok("list_memories", json!({})).await["total"], 3);
    let chosen = modern(&server, &json!({ "tags": ["log"], "dry_run": true })).await;
    assert_eq!(chosen["result"]["structuredContent"]["matched"], 1, "{chosen}");
}

/// Three memories, one of which stands out in every way that a filter can ask for.
async fn fill(server: &TestServer) {
    server.add("precious").await;
    server.add("dear").await;
    let log = json!({
        "content": "the boiler was serviced", "tags": ["log"], "kind": "task",
        "category": "chores", "project": "house", "priority": 5, "pinned": true,
        "event_at": "2020-05-01",
    });
    server.ok("add_memory", log).await;
}

fn choosing_nothing() -> Vec<Value> {
    vec![
        json!({ "tags": [], "tag_match": "any", "dry_run": false, "purge": true }),
        json!({ "tag_match": "any", "dry_run": false }),
        json!({ "tag_match": "any", "dry_run": false, "purge": true }),
        json!({ "scope": "user", "dry_run": false }),
        json!({ "include": ["archived"], "dry_run": false }),
        json!({ "include": ["archived", "superseded", "deleted"], "dry_run": false, "purge": true }),
        json!({ "status": "active", "dry_run": false }),
        json!({ "tags": "", "project": "", "dry_run": false }),
        json!({ "tags": null, "kind": "", "tag_match": "any", "scope": "user", "dry_run": false }),
        json!({ "tags": "[]", "tag_match": "any", "dry_run": false }),
        json!({ "ids": [], "tag_match": "any", "dry_run": false }),
    ]
}

fn choosing_one() -> Vec<Value> {
    vec![
        json!({ "tags": ["log"], "tag_match": "any" }),
        json!({ "tags": ["log"], "scope": "user", "include": ["archived"] }),
        json!({ "kind": "task" }),
        json!({ "category": "chores" }),
        json!({ "project": "house" }),
        json!({ "priority": 5 }),
        json!({ "pinned": true }),
        json!({ "until": "2020-12-31" }),
    ]
}

/// The same call as a client of the stateless era makes it.
async fn modern(server: &TestServer, arguments: &Value) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": "delete_memory", "arguments": arguments, "_meta": meta });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let headers = [
        ("X-API-Key", KEY),
        ("Accept", "application/json"),
        ("MCP-Protocol-Version", MODERN),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "delete_memory"),
    ];
    server.send("POST", "/mcp", &headers, Some(&call)).await.json()
}
