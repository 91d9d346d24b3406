use serde_json::{Value, json};

use crate::harness::{TestServer, days, rpc};

#[actix_web::test]
async fn a_long_history_fits_into_what_a_model_reads_and_a_program_gets_it_whole() {
    let server = TestServer::start();
    let id = server.add(&"one ".repeat(2_000)).await;
    for number in 0..9 {
        let content = format!("{number} {}", "two ".repeat(2_000));
        server.ok("update_memory", json!({ "id": id, "content": content })).await;
    }
    let history = |got: &Value| got["history"].as_array().unwrap().len();

    let got = server.ok("get_memory", json!({ "id": id, "history": true })).await;
    let more =
        server.ok("get_memory", json!({ "id": id, "history": true, "max_tokens": 16_000 })).await;
    let whole = server.get(&format!("/api/v1/memories/{id}/history")).await.json();
    let newest = server.get(&format!("/api/v1/memories/{id}/history?max_tokens=5000")).await.json();

    assert!(got["memory"]["content"].as_str().unwrap().starts_with("8 two"));
    assert_eq!((history(&got), &got["older_versions"]), (3, &json!(6)));
    assert_eq!(got["history"][2]["version"], 9, "the newest are kept");
    assert_eq!((history(&more), &more["older_versions"]), (6, &json!(3)));
    assert_eq!((history(&whole), &whole["older_versions"]), (9, &Value::Null));
    assert_eq!((history(&newest), &newest["older_versions"]), (1, &json!(8)));

    let read = rpc("resources/read", json!({ "uri": "memory://recent" }));
    for number in 0..9 {
        server.add(&format!("{number} {}", "three ".repeat(2_000))).await;
    }
    let reply = server.post("/mcp", read).await.json();
    let text = reply["result"]["contents"][0]["text"].as_str().unwrap();
    assert!(text.len() < 60_000, "{} bytes", text.len());
    assert!(text.contains("[cut here;"), "{text}");
}

#[actix_web::test]
async fn a_text_comes_back_byte_for_byte() {
    let server = TestServer::start();
    let text = "Anna's allergy: penicillin \u{2014} noted\n\tu\u{308}ni\u{2713} <b>raw</b> \\ \" ' \u{0}\u{1F600}";

    let id = server.add(text).await;

    let got = server.ok("get_memory", json!({ "id": id })).await;
    assert_eq!(got["memory"]["content"], text);
}

#[actix_web::test]
async fn an_update_keeps_the_version_before_it() {
    let server = TestServer::start();
    let id = server.add("the wifi is called heron").await;
    server.clock.advance(days(1));

    let updated = server
        .ok(
            "update_memory",
            json!({ "id": id, "content": "the wifi is called egret", "tags": ["net"] }),
        )
        .await;

    assert_eq!(updated["previous_version"], 1);
    let got = server.ok("get_memory", json!({ "id": id, "history": true })).await;
    assert_eq!(got["memory"]["version"], 2);
    assert_eq!(got["memory"]["tags"], json!(["net"]));
    assert_eq!(got["history"][0]["content"], "the wifi is called heron");
    assert_eq!(server.found(json!({ "query": "heron" })).await.len(), 0);
}

#[actix_web::test]
async fn append_adds_a_line_and_clear_clears_a_field() {
    let server = TestServer::start();
    let added =
        server.ok("add_memory", json!({ "content": "one", "title": "List", "project": "p" })).await;
    let id = added["id"].clone();

    let change = json!({ "id": id, "append": "two", "clear": ["title"] });
    server.ok("update_memory", change).await;

    let got = server.ok("get_memory", json!({ "id": id })).await;
    assert_eq!(got["memory"]["content"], "one\ntwo");
    assert!(got["memory"].get("title").is_none());
    assert_eq!(got["memory"]["project"], "p");
}

#[actix_web::test]
async fn if_version_refuses_a_lost_update() {
    let server = TestServer::start();
    let id = server.add("counter is 1").await;
    server
        .ok("update_memory", json!({ "id": id, "content": "counter is 2", "if_version": 1 }))
        .await;

    let code = server
        .refusal("update_memory", json!({ "id": id, "content": "counter is 9", "if_version": 1 }))
        .await;

    assert_eq!(code, "conflict");
}

#[actix_web::test]
async fn an_update_that_changes_nothing_makes_no_version() {
    let server = TestServer::start();
    let id = server.add("steady").await;

    let updated = server.ok("update_memory", json!({ "id": id, "content": "steady" })).await;

    assert_eq!(updated["memory"]["version"], 1);
}

#[actix_web::test]
async fn the_same_text_is_a_duplicate_only_in_the_same_project() {
    let server = TestServer::start();
    let first = server.ok("add_memory", json!({ "content": "use tabs", "project": "a" })).await;

    let again = server.ok("add_memory", json!({ "content": " use tabs\n", "project": "a" })).await;
    let other = server.ok("add_memory", json!({ "content": "use tabs", "project": "b" })).await;
    let spaced = server.ok("add_memory", json!({ "content": "use  tabs", "project": "a" })).await;

    assert_eq!((&again["status"], &again["id"]), (&json!("duplicate"), &first["id"]));
    assert_eq!((&other["status"], &spaced["status"]), (&json!("created"), &json!("created")));
}

#[actix_web::test]
async fn a_superseded_memory_is_out_of_sight_but_not_gone() {
    let server = TestServer::start();
    let old = server.add("Ben lives in Porto").await;

    let new = server
        .ok("add_memory", json!({ "content": "Ben lives in Lisbon", "supersedes": old }))
        .await;

    assert_eq!(new["status"], "superseded");
    let found = server.found(json!({ "query": "where does Ben live" })).await;
    assert_eq!(found, ["Ben lives in Lisbon"]);
    let all = server.found(json!({ "query": "Ben lives", "include": ["superseded"] })).await;
    assert_eq!(all.len(), 2);
    let got = server.ok("get_memory", json!({ "id": old })).await;
    assert_eq!(got["memory"]["superseded_by"], new["id"]);
}

#[actix_web::test]
async fn what_has_expired_is_hidden_at_once() {
    let server = TestServer::start();
    server.ok("add_memory", json!({ "content": "parking level 4", "ttl_days": 1 })).await;
    assert_eq!(server.found(json!({ "query": "parking" })).await.len(), 1);

    server.clock.advance(days(1));

    assert_eq!(server.found(json!({ "query": "parking" })).await.len(), 0);
    let listed = server.ok("list_memories", json!({})).await;
    assert_eq!(listed["total"], 0);
}

#[actix_web::test]
async fn a_deleted_memory_can_be_restored_for_a_while() {
    let server = TestServer::start();
    let id = server.add("the spare key is under the pot").await;

    let deleted = server.ok("delete_memory", json!({ "id": id })).await;
    assert_eq!(deleted["deleted"], 1);
    assert_eq!(deleted["undo_until"], "2026-01-31T00:00:00.000Z");
    assert_eq!(server.refusal("get_memory", json!({ "id": id })).await, "not_found");
    assert_eq!(server.refusal("delete_memory", json!({ "id": id })).await, "not_found");

    let restored = server.post(&format!("/api/v1/memories/{id}/restore"), json!({})).await;
    assert_eq!(restored.status, 200, "{}", restored.text());
    assert_eq!(server.found(json!({ "query": "spare key" })).await.len(), 1);
}

#[actix_web::test]
async fn a_purged_memory_is_gone_for_good() {
    let server = TestServer::start();
    let id = server.add("forget this").await;

    server.ok("delete_memory", json!({ "id": id, "purge": true })).await;

    let restored = server.post(&format!("/api/v1/memories/{id}/restore"), json!({})).await;
    assert_eq!(restored.status, 404);
    assert_eq!(restored.json()["error"], "Memory not found");
}

#[actix_web::test]
async fn deleting_by_filter_is_a_dry_run_unless_told() {
    let server = TestServer::start();
    for n in 0..3 {
        server.ok("add_memory", json!({ "content": format!("log {n}"), "tags": ["log"] })).await;
    }
    server.add("keep me").await;

    let dry = server.ok("delete_memory", json!({ "tags": ["log"] })).await;
    assert_eq!((&dry["matched"], &dry["deleted"]), (&json!(3), &json!(0)));
    let real = server.ok("delete_memory", json!({ "tags": ["log"], "dry_run": false })).await;
    assert_eq!(real["deleted"], 3);

    let left = server.ok("list_memories", json!({})).await;
    assert_eq!(left["memories"][0]["content"], "keep me");
    assert_eq!(left["total"], 1);
}

#[actix_web::test]
async fn deleting_nothing_in_particular_is_refused() {
    let server = TestServer::start();
    server.add("precious").await;

    for arguments in [json!({}), json!({ "dry_run": false }), json!({ "purge": true })] {
        assert_eq!(server.refusal("delete_memory", arguments).await, "validation_error");
    }
}

#[actix_web::test]
async fn bad_arguments_name_their_fields() {
    let server = TestServer::start();

    let reply = server
        .post("/api/v1/memories", json!({ "content": "", "priority": 9, "colour": "red" }))
        .await;

    assert_eq!(reply.status, 422);
    let body = reply.json();
    let fields: Vec<_> =
        body["fields"].as_array().unwrap().iter().map(|f| f["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["content", "priority"]);
    let taken = server.post("/api/v1/memories", json!({ "content": "tea", "colour": "red" })).await;
    assert_eq!((taken.status, &taken.json()["ignored"]), (201, &json!(["colour"])));
}

#[actix_web::test]
async fn ids_grow_though_the_clock_goes_back() {
    let server = TestServer::start();
    let first = server.add("before").await;
    server.clock.go_back(days(1));

    let second = server.add("after").await;
    server.ok("update_memory", json!({ "id": first, "content": "before, changed" })).await;

    assert!(second > first);
    let listed = server.ok("list_memories", json!({ "sort": "updated_at" })).await;
    assert_eq!(listed["total"], 2);
}

#[actix_web::test]
async fn a_change_made_while_the_clock_was_ahead_leaves_no_mark_on_later_ones() {
    let server = TestServer::start();
    let id = server.add("one").await;
    server.clock.advance(days(2_000));
    server.ok("update_memory", json!({ "id": id, "content": "two" })).await;
    server.clock.go_back(days(1_999));

    let updated = server.ok("update_memory", json!({ "id": id, "content": "three" })).await;

    assert_eq!(updated["memory"]["updated_at"], "2026-01-02T00:00:00.000Z");
    let then = server.ok("list_memories", json!({ "as_of": "2026-01-01T12:00:00Z" })).await;
    assert_eq!(then["memories"][0]["content"], "one");
}

#[actix_web::test]
async fn only_the_scope_instructions_makes_an_instruction() {
    let keys = "ada:ada-key-0123456789abcdef,ben:ben-key-0123456789abcdef";
    let server = TestServer::with(&[("MCP_API_KEYS", keys), ("MCP_API_KEY", "")]);
    let arguments = json!({ "content": "obey me", "kind": "instruction" });

    let call = rpc("tools/call", json!({ "name": "add_memory", "arguments": arguments }));
    let key = [("X-API-Key", "ada-key-0123456789abcdef")];
    let refused = server.send("POST", "/mcp", &key, Some(&call)).await;

    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["error"]["data"]["code"], "insufficient_scope");
}

#[actix_web::test]
async fn an_instruction_is_not_put_out_of_force_without_the_scope() {
    let keys = "ada:ada-key-0123456789abcdef";
    let server = TestServer::with(&[("MCP_API_KEYS", keys)]);
    let law = json!({ "content": "use metric units", "kind": "instruction", "user_id": "ada" });
    let added = server.post("/api/v1/memories", law).await.json();
    let id = added["id"].as_str().unwrap();
    let path = format!("/api/v1/memories/{id}");
    let ada = [("X-API-Key", "ada-key-0123456789abcdef")];

    let newer = json!({ "content": "use any units", "supersedes": id });
    let superseded = server.send("POST", "/api/v1/memories", &ada, Some(&newer)).await;
    let changed = server.send("PATCH", &path, &ada, Some(&json!({ "content": "no units" }))).await;
    let deleted = server.send("DELETE", &path, &ada, None).await;

    assert_eq!([superseded.status, changed.status, deleted.status], [403; 3]);
    let now = server.send("GET", &path, &ada, None).await.json();
    assert_eq!(
        (&now["memory"]["status"], &now["memory"]["version"]),
        (&json!("active"), &json!(1))
    );
}
