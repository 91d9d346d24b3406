use serde_json::{Value, json};

use crate::harness::{KEY, TestServer};

#[actix_web::test]
async fn an_export_is_taken_back_whole() {
    let first = TestServer::start();
    let id = first.add("one").await;
    first.ok("update_memory", json!({ "id": id, "content": "one, changed" })).await;
    let deleted = first.add("two").await;
    first.ok("delete_memory", json!({ "id": deleted })).await;
    first
        .ok(
            "add_memory",
            json!({ "content": "three\nlines", "tags": ["x"], "metadata": { "k": 1 } }),
        )
        .await;
    let lines = first.get("/api/v1/export").await.text();

    let second = TestServer::start();
    let told = import(&second, &lines).await;
    assert_eq!(told, json!({ "imported": 3, "duplicates": 0, "failed": 0, "errors": [] }));
    assert_eq!(import(&second, &lines).await["duplicates"], 3);

    assert_eq!(second.get("/api/v1/export").await.text(), lines);
    let history = second.get(&format!("/api/v1/memories/{id}/history")).await.json();
    assert_eq!(history["history"][0]["content"], "one");
    assert_eq!(second.found(json!({ "query": "two", "mode": "keyword" })).await.len(), 0);
}

#[actix_web::test]
async fn plain_lines_are_imported_and_bad_ones_named() {
    let server = TestServer::start();
    let lines =
        "{\"content\": \"good\"}\n\nnot json\n{\"content\": \"\"}\n{\"content\": \"also good\"}";

    let told = import(&server, lines).await;

    assert_eq!((&told["imported"], &told["failed"]), (&json!(2), &json!(2)));
    let errors = told["errors"].as_array().unwrap();
    let numbers: Vec<_> = errors.iter().map(|error| error["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [3, 4]);
}

#[actix_web::test]
async fn a_large_import_streams_through() {
    let server = TestServer::start();
    let lines: String = (0..3000)
        .map(|n| format!("{}\n", json!({ "content": format!("fact {n} {}", "x".repeat(900)) })))
        .collect();
    assert!(lines.len() > 2 << 20, "as large as no single body may be");

    let told = import(&server, &lines).await;

    assert_eq!(told["imported"], 3000);
    let exported = server.get("/api/v1/export").await;
    assert_eq!(exported.text().lines().count(), 3000);
}

#[actix_web::test]
async fn an_id_from_the_future_is_not_taken() {
    let server = TestServer::start();
    let line = json!({
        "id": "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "content": "x", "kind": "note", "version": 1,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    });

    let told = import(&server, &line.to_string()).await;

    assert_eq!(told["failed"], 1);
    let (one, two) = (server.add("one").await, server.add("two").await);
    assert_ne!(one, two);
}

async fn import(server: &TestServer, lines: &str) -> Value {
    let body = Some(("application/x-ndjson", lines.as_bytes().to_vec()));
    let reply = server.send_raw("POST", "/api/v1/import", &[("X-API-Key", KEY)], body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}
