//! Arguments as clients really write them.

use serde_json::{Value, json};

use crate::harness::{KEY, TestServer};

/// What a client makes of a list when it is told that every argument is a text.
const LIST_AS_TEXT: &str = "[\"ops\",\"security\"]";

#[actix_web::test]
async fn null_on_an_update_leaves_a_field_and_clear_clears_it() {
    let server = TestServer::start();
    let id = add_dressed(&server).await;

    let nulls = json!({
        "id": id, "content": "New", "title": null, "tags": null, "project": null,
        "category": null, "event_at": null, "ttl_days": null,
    });
    server.ok("update_memory", nulls).await;

    let memory = read(&server, &id).await;
    assert_eq!((&memory["content"], &memory["title"]), (&json!("New"), &json!("Heading")));
    assert_eq!((&memory["tags"], &memory["project"]), (&json!(["a", "b"]), &json!("p")));
    assert_eq!(memory["category"], "c");
    assert!(memory["event_at"].is_string() && memory["expires_at"].is_string(), "{memory}");

    server.ok("update_memory", json!({ "id": id, "clear": ["title"] })).await;

    let memory = read(&server, &id).await;
    assert!(memory.get("title").is_none(), "{memory}");
    assert_eq!((&memory["content"], &memory["project"]), (&json!("New"), &json!("p")));
}

#[actix_web::test]
async fn every_field_that_can_be_empty_has_a_word_to_clear_it() {
    let server = TestServer::start();
    let id = add_dressed(&server).await;

    let clear = json!(["title", "tags", "project", "category", "event_at", "ttl_days"]);
    server.ok("update_memory", json!({ "id": id, "clear": clear })).await;

    let memory = read(&server, &id).await;
    for field in ["title", "project", "category", "event_at", "expires_at"] {
        assert!(memory.get(field).is_none(), "{field}: {memory}");
    }
    assert_eq!(memory["tags"], json!([]));
    let refused = json!({ "id": id, "clear": ["content"] });
    assert_eq!(server.refusal("update_memory", refused).await, "validation_error");
}

#[actix_web::test]
async fn a_patch_over_rest_clears_with_null_and_with_clear() {
    let server = TestServer::start();
    let id = add_dressed(&server).await;
    let path = format!("/api/v1/memories/{id}");
    let key = [("X-API-Key", KEY)];

    let null = json!({ "title": null, "project": null });
    assert_eq!(server.send("PATCH", &path, &key, Some(&null)).await.status, 200);
    let clear = json!({ "clear": ["category"] });
    assert_eq!(server.send("PATCH", &path, &key, Some(&clear)).await.status, 200);

    let memory = read(&server, &id).await;
    for field in ["title", "project", "category"] {
        assert!(memory.get(field).is_none(), "{field}: {memory}");
    }
    assert_eq!(memory["tags"], json!(["a", "b"]));
}

#[actix_web::test]
async fn a_blank_text_on_an_update_is_not_said() {
    let server = TestServer::start();
    let id = add_dressed(&server).await;

    server.ok("update_memory", json!({ "id": id, "content": "New", "append": "" })).await;
    server.ok("update_memory", json!({ "id": id, "content": "", "tags": ["z"] })).await;

    let memory = read(&server, &id).await;
    assert_eq!((&memory["content"], &memory["tags"]), (&json!("New"), &json!(["z"])));
}

#[actix_web::test]
async fn a_list_that_comes_as_json_text_is_read_as_a_list() {
    let server = TestServer::start();
    let tags = json!(["ops", "security"]);

    let marked = json!({ "content": "rotate the keys", "tags": LIST_AS_TEXT });
    let added = server.ok("add_memory", marked).await;
    let plain = server.add("renew the certificate").await;
    server.ok("update_memory", json!({ "id": plain, "tags": LIST_AS_TEXT })).await;
    let line = json!({ "content": "read the audit log", "tags": LIST_AS_TEXT }).to_string();
    let body = Some(("application/x-ndjson", line.into_bytes()));
    let reply = server.send_raw("POST", "/api/v1/import", &[("X-API-Key", KEY)], body).await;
    assert_eq!(reply.json()["imported"], 1, "{}", reply.text());
    let rest = json!({ "content": "lock the door", "tags": LIST_AS_TEXT });
    assert_eq!(server.post("/api/v1/memories", rest).await.status, 201);

    assert_eq!(added["memory"]["tags"], tags);
    let listed = server.ok("list_memories", json!({})).await;
    let memories = listed["memories"].as_array().unwrap();
    assert_eq!(memories.len(), 4);
    assert!(memories.iter().all(|memory| memory["tags"] == tags), "{listed}");
}

#[actix_web::test]
async fn a_filter_that_comes_as_json_text_is_read_as_a_list() {
    let server = TestServer::start();
    let marked = json!({ "content": "rotate the keys", "tags": ["ops", "security"] });
    server.ok("add_memory", marked).await;
    server.add("rotate the tires").await;

    let asked = json!({ "query": "rotate", "tags": LIST_AS_TEXT, "kind": "[\"note\"]" });
    assert_eq!(server.found(asked).await, ["rotate the keys"]);
    let body = json!({ "query": "rotate", "tags": LIST_AS_TEXT });
    let over_rest = server.post("/api/v1/search", body).await.json();
    assert_eq!(over_rest["total"], 1, "{over_rest}");
    let path = "/api/v1/memories?tags=%5B%22ops%22%2C%22security%22%5D";
    assert_eq!(server.get(path).await.json()["total"], 1);
}

#[actix_web::test]
async fn ids_may_come_as_one_id_or_as_a_text_with_commas() {
    let server = TestServer::start();
    let mut ids = Vec::new();
    for text in ["one", "two", "three", "four", "five"] {
        ids.push(server.add(text).await);
    }

    for (given, deleted) in [
        (json!(ids[0]), 1),
        (json!(format!("{}, {}", ids[1], ids[2])), 2),
        (json!(format!("[\"{}\"]", ids[3])), 1),
    ] {
        let told = server.ok("delete_memory", json!({ "ids": given })).await;
        assert_eq!(told["deleted"], deleted, "{given}");
    }

    assert_eq!(server.ok("list_memories", json!({})).await["memories"][0]["content"], "five");
}

/// Stores a memory with everything that can be cleared, and returns its id.
async fn add_dressed(server: &TestServer) -> String {
    let memory = json!({
        "content": "Old", "title": "Heading", "tags": ["a", "b"], "project": "p",
        "category": "c", "event_at": "2025-05-01", "ttl_days": 10,
    });
    let added = server.ok("add_memory", memory).await;
    added["id"].as_str().unwrap().to_owned()
}

async fn read(server: &TestServer, id: &str) -> Value {
    server.ok("get_memory", json!({ "id": id })).await["memory"].clone()
}
