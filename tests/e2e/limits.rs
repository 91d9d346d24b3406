//! Whatever comes in has an end, and whatever is kept can be read on every face and taken along.

use serde_json::{Value, json};

use crate::harness::{KEY, TestServer};

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
