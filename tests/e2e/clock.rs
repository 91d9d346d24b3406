//! What a clock that is wrong for a while may not do: end for good what its owner wanted kept.

use serde_json::{Value, json};

use crate::harness::{KEY, TestServer, days};

#[actix_web::test]
async fn a_clock_that_jumps_ahead_erases_nothing_for_good() {
    let server = TestServer::start();
    let deleted = deleted(&server, "old news").await;
    server.ok("add_memory", json!({ "content": "parking level 4", "ttl_days": 1 })).await;
    server.clock.jump_ahead(days(400));
    assert_eq!(server.found(json!({ "query": "parking" })).await, [""; 0]);

    sweep(&server).await;

    assert!(doubt(&server).await.as_str().unwrap().contains("jumped"));
    server.clock.go_back(days(400));
    sweep(&server).await;
    assert_eq!(doubt(&server).await, Value::Null);
    assert_eq!(server.found(json!({ "query": "parking" })).await, ["parking level 4"]);
    assert_eq!(restore(&server, &deleted).await, 200);
}

#[actix_web::test]
async fn a_restart_forgets_no_doubt_and_a_day_of_running_evenly_ends_it() {
    let server = TestServer::start();
    let deleted = deleted(&server, "old news").await;
    server.clock.jump_ahead(days(400));

    let server = server.restart().await;
    sweep(&server).await;

    assert!(doubt(&server).await.is_string());
    let told = server.get("/admin/audit?event=memories_deleted").await.json();
    assert_eq!(told["events"].as_array().unwrap().len(), 1, "{told}");
    server.clock.advance(days(1));
    sweep(&server).await;
    assert_eq!(doubt(&server).await, Value::Null);
    assert_eq!(restore(&server, &deleted).await, 404);
}

#[actix_web::test]
async fn who_comes_back_after_a_year_has_a_day_to_save_what_would_go() {
    let server = TestServer::start();
    let deleted = [deleted(&server, "old news").await, deleted(&server, "older news").await];
    let clock = server.clock.clone();

    let server = server.restart_after(|| clock.jump_ahead(days(400))).await;
    sweep(&server).await;

    assert_eq!(restore(&server, &deleted[0]).await, 200);
    server.clock.advance(days(1));
    sweep(&server).await;
    assert_eq!(restore(&server, &deleted[1]).await, 404);
}

/// A memory that was deleted and can be restored.
async fn deleted(server: &TestServer, content: &str) -> String {
    let id = server.add(content).await;
    server.ok("delete_memory", json!({ "id": id })).await;
    id
}

/// Falling asleep sweeps, and who sleeps already does not.
async fn sweep(server: &TestServer) {
    server.ok("list_memories", json!({})).await;
    let slept = server.send("DELETE", "/mcp", &[("X-API-Key", KEY)], None).await;
    assert_eq!(slept.status, 200);
}

async fn restore(server: &TestServer, id: &str) -> u16 {
    server.post(&format!("/api/v1/memories/{id}/restore"), json!({})).await.status
}

async fn doubt(server: &TestServer) -> Value {
    server.get("/health").await.json()["clock"]["doubt"].clone()
}
