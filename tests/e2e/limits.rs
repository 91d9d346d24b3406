//! Whatever comes in has an end, and whatever is kept can be read on every face and taken along.

use serde_json::{Value, json};

use crate::harness::{KEY, TestServer, rpc};

const OWNER: [(&str, &str); 1] = [("X-API-Key", KEY)];

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!({ "in": inner }))
}

#[actix_web::test]
async fn no_face_takes_metadata_that_another_could_not_read() {
    let server = TestServer::start();
    let id = server.add("tea").await;
    for metadata in [nested(40), json!({ "long": "x".repeat(20_000) })] {
        for (method, path, body) in [
            (
                "POST",
                "/api/v1/memories".to_owned(),
                json!({ "content": "a", "metadata": metadata }),
            ),
            ("PATCH", format!("/api/v1/memories/{id}"), json!({ "metadata": metadata })),
            (
                "POST",
                "/api/add_memory".to_owned(),
                json!({ "user_input": "a", "agent_response": "b", "meta_data": metadata }),
            ),
            ("POST", "/memories".to_owned(), json!({ "messages": "a", "metadata": metadata })),
            ("POST", "/v1/memories/".to_owned(), json!({ "messages": "a", "metadata": metadata })),
            ("PUT", format!("/v1/memories/{id}/"), json!({ "metadata": metadata })),
        ] {
            let reply = server.send(method, &path, &OWNER, Some(&body)).await;

            assert_eq!(reply.status, 422, "{method} {path}: {}", reply.text());
            let fields = reply.json()["fields"].to_string();
            assert!(fields.contains("the limit is"), "{method} {path}: {fields}");
        }
    }

    assert_eq!(server.ok("list_memories", json!({})).await["total"], 1, "nothing was kept");
    let deepest = json!({ "user_input": "a", "agent_response": "b", "meta_data": nested(32) });
    assert_eq!(server.post("/api/add_memory", deepest).await.status, 200);
    let lines = server.get("/api/v1/export").await.text();
    let body = Some(("application/x-ndjson", lines.clone().into_bytes()));
    let second = TestServer::start();
    let told = second.send_raw("POST", "/api/v1/import", &OWNER, body).await.json();
    assert_eq!((&told["imported"], &told["failed"]), (&json!(2), &json!(0)), "{told}");
    assert_eq!(second.get("/api/v1/export").await.text(), lines);
}

/// A line of an export.
fn version(n: u32, more: &Value) -> Value {
    let mut line = json!({
        "id": "01JC3V5Y9ZK7Q2M8N4T6W0X101", "content": format!("version {n}"), "kind": "note",
        "version": n, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    });
    line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line
}

async fn import(server: &TestServer, lines: &str) -> Value {
    let body = Some(("application/x-ndjson", lines.as_bytes().to_vec()));
    server.send_raw("POST", "/api/v1/import", &OWNER, body).await.json()
}

#[actix_web::test]
async fn a_line_that_says_one_thing_twice_is_refused_and_the_rest_goes_on() {
    let server = TestServer::start();
    let lines = "{\"content\": \"a\", \"content\": \"b\"}\n\
                 {\"content\": \"c\", \"metadata\": {\"k\": 1, \"k\": 2}}\n\
                 {\"content\": \"d\"}";

    let told = import(&server, lines).await;

    assert_eq!((&told["imported"], &told["failed"]), (&json!(1), &json!(2)), "{told}");
    assert!(told["errors"][0]["problem"].as_str().unwrap().contains("twice"), "{told}");
}

#[actix_web::test]
async fn an_import_says_that_it_is_lines() {
    let server = TestServer::start();
    for (kind, status) in [
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonl", 200),
        ("application/json", 200),
    ] {
        let body = Some((kind, b"{\"content\": \"tea\"}".to_vec()));
        let reply = server.send_raw("POST", "/api/v1/import", &OWNER, body).await;
        assert_eq!(reply.status, status, "{kind}: {}", reply.text());
    }
}

#[actix_web::test]
async fn what_an_import_took_can_be_changed_and_taken_again() {
    let server = TestServer::start();
    let last = version(1_000_000_000, &json!({}));
    assert_eq!(import(&server, &last.to_string()).await["imported"], 1);
    let change = json!({ "id": last["id"], "content": "changed" });
    server.ok("update_memory", change).await;
    let lines = server.get("/api/v1/export").await.text();

    let second = TestServer::start();
    let told = import(&second, &lines).await;

    assert_eq!((&told["imported"], &told["failed"]), (&json!(1), &json!(0)), "{told}");
    let taken = second.get("/api/v1/export").await.text();
    assert!(taken.contains("version 1000000000") && taken.contains("changed"), "{taken}");
    assert_eq!(taken, lines);
}

#[actix_web::test]
async fn a_history_of_full_metadata_is_exported_in_lines_that_an_import_takes() {
    let server = TestServer::start();
    let full = json!({ "metadata": { "numbers": vec![1; 8_000] } });
    let mut lines = version(60, &full).to_string();
    for part in (1..60).collect::<Vec<u32>>().chunks(20) {
        let history: Vec<Value> = part.iter().map(|n| version(*n, &full)).collect();
        let more = json!({ "id": version(1, &full)["id"], "history": history });
        lines.push_str(&format!("\n{more}"));
    }
    assert_eq!(import(&server, &lines).await["failed"], 0);
    let exported = server.get("/api/v1/export").await.text();

    let second = TestServer::start();
    let told = import(&second, &exported).await;

    assert!(exported.lines().count() > 1);
    assert_eq!((&told["imported"], &told["failed"]), (&json!(1), &json!(0)), "{told}");
    assert!(second.get("/api/v1/export").await.text() == exported, "it did not come back whole");
}

#[actix_web::test]
async fn a_question_has_an_end_on_every_face() {
    let server = TestServer::with(&[("TOOLSETS", "core,memoryos,ai-memory,remember,mem0")]);
    let long = "word ".repeat(2_000);
    for (path, body) in [
        ("/api/v1/search", json!({ "query": long })),
        ("/search", json!({ "query": long })),
        ("/v2/memories/search/", json!({ "query": long })),
        ("/api/memory/search", json!({ "query": long })),
        ("/api/task/search", json!({ "query": long })),
    ] {
        let reply = server.post(path, body).await;

        let told = reply.text();
        assert!((400..=422).contains(&reply.status) && told.contains("8192"), "{path}: {told}");
        assert!(told.len() < 2_000, "{path} says it back");
    }
    for tool in [
        "search_memories",
        "get_context",
        "retrieve_memory",
        "search_user_memory",
        "search_coding_preferences",
        "search",
        "search_nodes",
    ] {
        let result = server.tool(tool, json!({ "query": long })).await;

        assert_eq!(result["isError"], true, "{tool}: {result}");
        let told = result.to_string();
        assert!(told.contains("8192") && told.len() < 2_000, "{tool}: {told}");
    }
}

#[actix_web::test]
async fn filters_of_the_mem0_server_have_an_end() {
    let server = TestServer::start();
    let both = json!([{ "role": "user", "content": "tea" }]);
    for stars in [1, 5] {
        let body = json!({ "messages": both, "infer": false, "metadata": { "stars": stars } });
        assert_eq!(server.post("/v1/memories/", body).await.status, 200);
    }
    let many = json!({ "OR": vec![json!({ "stars": 1 }); 40_000] });
    let long = json!({ "stars": { "in": vec![1; 100_000] } });
    for path in ["/v2/memories/", "/v2/memories/search/"] {
        for filters in [&many, &long] {
            let reply = server.post(path, json!({ "query": "tea", "filters": filters })).await;

            assert_eq!(reply.status, 422, "{path}");
            assert!(reply.text().contains("the limit is"), "{path}: {}", reply.text());
        }
        let fits = json!({ "query": "tea", "filters": { "stars": { "gte": 4 } } });
        let told = server.post(path, fits).await.json();
        let found = told.get("results").unwrap_or(&told).as_array().unwrap();
        assert_eq!(found.len(), 1, "{path}: {told}");
        assert_eq!(found[0]["metadata"]["stars"], 5);
    }
}

#[actix_web::test]
async fn what_a_request_says_is_not_said_back_at_length() {
    let server = TestServer::with(&[("TOOLSETS", "core,memoryos,ai-memory,graph,files")]);
    let long = "y".repeat(100_000);
    let mut calls = vec![
        ("retrieve_memory", json!({ "query": "tea", "style_hint": long })),
        ("delete_project", json!({ "name": long })),
        (
            "add_observations",
            json!({ "observations": [{ "entityName": long, "contents": ["x"] }] }),
        ),
        ("create_entities", json!({ "entities": vec![json!(1); 2_000] })),
        ("add_memory", json!({ "content": "x", "kind": long })),
        (long.as_str(), json!({})),
    ];
    for command in ["view", "delete"] {
        let path = format!("/memories/{long}");
        calls.push(("memory", json!({ "command": command, "path": path })));
    }
    calls.push(("memory", json!({ "command": long })));
    for (tool, arguments) in calls {
        let call = rpc("tools/call", json!({ "name": tool, "arguments": arguments }));
        let told = server.send("POST", "/mcp", &OWNER, Some(&call)).await.text();
        let shown: String = tool.chars().take(20).collect();
        assert!(told.len() < 4_000, "{shown}: {} bytes", told.len());
    }
    let unknown = rpc("resources/read", json!({ "uri": format!("memory://{long}") }));
    assert!(server.send("POST", "/mcp", &OWNER, Some(&unknown)).await.body.len() < 1_000);
    let mut ping = rpc("ping", json!({}));
    ping["id"] = long.into();
    let reply = server.send("POST", "/mcp", &OWNER, Some(&ping)).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!(-32600)));
    assert_eq!(reply.json()["id"], Value::Null);
}

#[actix_web::test]
async fn what_a_model_reads_holds_no_mark_that_turns_or_hides_letters() {
    let server = TestServer::with(&[("TOOLSETS", "core,graph,files,chatgpt")]);
    let odd = "a\u{202e}b\u{85}c\u{2028}d";
    let marks = ['\u{202e}', '\u{85}', '\u{2028}'];
    let entity = json!({ "name": odd, "entityType": odd, "observations": [odd] });
    server.ok("create_entities", json!({ "entities": [entity] })).await;
    let path = "/memories/a\u{202e}b\u{2028}c.md";
    server.ok("memory", json!({ "command": "create", "path": path, "file_text": "x" })).await;
    for (tool, arguments) in [
        ("read_graph", json!({})),
        ("memory", json!({ "command": "view", "path": "/memories" })),
        ("search", json!({ "query": "a" })),
    ] {
        let result = server.tool(tool, arguments).await;

        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(!text.is_empty() && !text.contains(marks), "{tool}: {text:?}");
    }
    let read = rpc("resources/read", json!({ "uri": "memory://recent" }));
    let told = server.send("POST", "/mcp", &OWNER, Some(&read)).await.json();
    let text = told["result"]["contents"][0]["text"].as_str().unwrap();
    assert!(text.contains("entity") && !text.contains(marks), "{text:?}");
}
