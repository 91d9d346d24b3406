use serde_json::{Value, json};

use crate::harness::{KEY, TestServer, days};

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
    assert_eq!(counts(told), json!({ "imported": 3, "duplicates": 0, "failed": 0, "errors": [] }));
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
async fn an_export_comes_back_whole_whatever_the_clock_did() {
    let server = TestServer::start();
    let before = server.add("written before").await;
    server.clock.advance(days(2_000));
    let ahead = server.add("written with a clock that was ahead").await;
    server.clock.go_back(days(2_000));
    let since = server.add("written since").await;
    let server = server.restart().await;
    let later = server.add("written after a restart").await;
    server.clock.go_back(days(9_000));
    let behind = server.add("written with a clock that was behind").await;
    server.clock.advance(days(9_000));
    let at_last = server.add("written at last").await;
    let lines = server.get("/api/v1/export").await.text();

    let second = TestServer::start();
    let told = import(&second, &lines).await;

    assert_eq!(counts(told), json!({ "imported": 6, "duplicates": 0, "failed": 0, "errors": [] }));
    assert_eq!(second.get("/api/v1/export").await.text(), lines);
    for id in [&since, &later, &at_last] {
        assert_eq!(id[..6], before[..6], "ids follow the clock again");
        assert!(*id < ahead && *id > behind);
    }
}

#[actix_web::test]
async fn an_id_from_the_future_is_taken_and_not_continued() {
    let server = TestServer::start();
    let line = json!({
        "id": "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "content": "x", "kind": "note", "version": 1,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    });

    let told = import(&server, &line.to_string()).await;

    assert_eq!(told["imported"], 1, "{told}");
    let (one, two) = (server.add("one").await, server.add("two").await);
    assert!(one < two && two.starts_with("01"), "{one} {two}");
    assert_eq!(server.get("/api/v1/export").await.text().lines().count(), 3);
}

#[actix_web::test]
async fn a_bad_line_is_named_and_the_rest_goes_on() {
    let server = TestServer::start();
    let long = "x".repeat(33 << 20);
    let large = json!({ "content": "x".repeat(65 << 10) }).to_string();
    let lines: [&[u8]; 8] = [
        b"\xef\xbb\xbf{\"content\": \"first\"}\r",
        b"{\"content\": \"caf\xe9\"}",
        long.as_bytes(),
        large.as_bytes(),
        b"\xef\xbb\xbf{\"content\": \"a mark is none here\"}",
        b"{\"content\": \"x\", \"created_at\": \"soon\"}",
        b"null",
        b"{\"content\": \"last\"}",
    ];

    let told = import_bytes(&server, KEY, lines.join(&b'\n')).await;

    assert_eq!((&told["imported"], &told["failed"]), (&json!(2), &json!(6)), "{told}");
    let errors = told["errors"].as_array().unwrap();
    let numbers: Vec<_> = errors.iter().map(|error| error["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 3, 4, 5, 6, 7]);
}

#[actix_web::test]
async fn an_instruction_among_the_lines_needs_its_scope_and_stops_no_other() {
    let keys = "ada:ada-key-0123456789abcdef";
    let server = TestServer::with(&[("MCP_API_KEYS", keys)]);
    let lines = "{\"content\": \"obey me\", \"kind\": \"instruction\"}\n{\"content\": \"tea\"}";

    let told = import_bytes(&server, "ada-key-0123456789abcdef", lines.into()).await;

    assert_eq!((&told["imported"], &told["errors"][0]["line"]), (&json!(1), &json!(1)), "{told}");
    let doubtful = import(&server, lines).await;
    assert_eq!((&doubtful["imported"], &doubtful["failed"]), (&json!(1), &json!(1)), "{doubtful}");
    let confirmed = ("application/x-ndjson", lines.as_bytes().to_vec());
    let path = "/api/v1/import?confirm=true";
    let told = server.send_raw("POST", path, &[("X-API-Key", KEY)], Some(confirmed)).await.json();
    assert_eq!((&told["imported"], &told["duplicates"]), (&json!(1), &json!(1)), "the owner may");
}

#[actix_web::test]
async fn limits_hold_for_histories_and_names_too() {
    let server = TestServer::start();
    let versions = [json!({ "version": 1, "content": "x".repeat(65 << 10) })];
    let unordered = [json!({ "version": 7 })];
    let lines = [
        line(1, json!({ "version": 2, "history": versions.map(|more| line(1, more)) })),
        line(2, json!({ "version": 2, "history": unordered.map(|more| line(2, more)) })),
        line(3, json!({ "version": u32::MAX })),
        line(4, json!({ "version": 0 })),
        line(5, json!({ "source": { "client": "x".repeat(10_000) } })),
        line(8, json!({ "source": { "session": "x".repeat(10_000) } })),
        json!({ "id": id(6), "history": [line(6, json!({}))] }),
        line(7, json!({ "version": 2, "history": [line(7, json!({}))] })),
    ];

    let told = import(&server, &join(&lines)).await;

    assert_eq!((&told["imported"], &told["failed"]), (&json!(1), &json!(7)), "{told}");
}

#[actix_web::test]
async fn lines_of_other_servers_are_known() {
    let server = TestServer::start();
    let lines = [
        json!({ "id": "6e1b", "memory": "Likes green tea", "hash": "ab", "user_id": "ada",
            "created_at": "2024-05-01T10:00:00-07:00", "updated_at": "2024-05-02T10:00:00-07:00" }),
        json!({ "content": "Uses vim", "content_hash": "abc", "tags": ["editor"],
            "memory_type": "note", "created_at": 1_714_557_600.12,
            "created_at_iso": "2024-05-01T10:00:00Z", "updated_at": 1_714_557_600.12,
            "metadata": {} }),
        json!({ "type": "entity", "name": "Ada", "entityType": "person",
            "observations": ["plays chess", "lives in Rome"] }),
        json!({ "type": "relation", "from": "Ada", "to": "Acme", "relationType": "works_at" }),
        json!({ "text": "Drives a van", "embedding": vec![0.25; 4_000] }),
    ];

    let told = import(&server, &join(&lines)).await;

    assert_eq!(counts(told), json!({ "imported": 5, "duplicates": 0, "failed": 0, "errors": [] }));
    assert_eq!(import(&server, &join(&lines)).await["duplicates"], 5);
    let listed = server.ok("list_memories", json!({ "sort": "created_at" })).await;
    let memories = listed["memories"].as_array().unwrap();
    let of = |content: &str| memories.iter().find(|memory| memory["content"] == content).unwrap();
    let tea = of("Likes green tea");
    assert_eq!(tea["created_at"], "2024-05-01T17:00:00.000Z");
    assert_eq!(tea["updated_at"], "2024-05-02T17:00:00.000Z");
    assert_eq!(tea["metadata"]["imported"]["id"], "6e1b");
    assert_eq!(of("Uses vim")["created_at"], "2024-05-01T10:00:00.120Z");
    assert_eq!(of("plays chess\nlives in Rome")["title"], "Ada");
    assert_eq!(of("Ada works_at Acme")["kind"], "fact");
    assert_eq!(of("Drives a van")["metadata"]["imported"]["left_out"], json!(["embedding"]));
}

#[actix_web::test]
async fn stores_that_hold_the_same_text_are_merged_without_a_second_one() {
    let (first, second) = (TestServer::start(), TestServer::start());
    for server in [&first, &second] {
        server.add("the same text").await;
        server.add("tea").await;
    }
    let more = json!({ "content": "tea, with milk", "tags": ["drinks"] });
    first.ok("add_memory", more).await;
    second.add("tea, with milk").await;
    let lines = first.get("/api/v1/export").await.text();

    let told = import(&second, &lines).await;

    // The third says more than the one that is there, so both are kept.
    assert_eq!((&told["imported"], &told["duplicates"]), (&json!(1), &json!(2)), "{told}");
    assert_eq!(import(&second, &lines).await["duplicates"], 3);
    assert_eq!(second.ok("list_memories", json!({})).await["total"], 4);
}

#[actix_web::test]
async fn what_one_store_holds_twice_comes_back_twice() {
    let server = TestServer::start();
    let twice = server.add("the same text").await;
    server.ok("delete_memory", json!({ "id": twice })).await;
    server.add("the same text").await;
    let path = format!("/api/v1/memories/{twice}/restore");
    assert_eq!(server.post(&path, json!({})).await.status, 200);
    let lines = server.get("/api/v1/export").await.text();

    let second = TestServer::start();
    assert_eq!(import(&second, &lines).await["imported"], 2);

    assert_eq!(second.get("/api/v1/export").await.text(), lines);
}

#[actix_web::test]
async fn a_long_history_is_exported_in_several_lines_and_taken_back_whole() {
    let server = TestServer::start();
    let lines = long_history(600);

    let told = import(&server, &lines).await;
    assert_eq!(counts(told), json!({ "imported": 1, "duplicates": 0, "failed": 0, "errors": [] }));
    let exported = server.get("/api/v1/export").await.text();

    assert!(exported.lines().count() > 5 && exported.lines().all(|line| line.len() < 8 << 20));
    assert_eq!(versions(&exported), (1..=600).collect::<Vec<u64>>());
    let second = TestServer::start();
    assert_eq!(import(&second, &exported).await["imported"], 1);
    assert!(second.get("/api/v1/export").await.text() == exported, "it did not come back whole");
    let again = import(&second, &exported).await;
    assert_eq!((&again["imported"], &again["duplicates"]), (&json!(0), &json!(1)), "{again}");
}

#[actix_web::test]
async fn an_import_that_was_broken_off_goes_on_where_it_stood() {
    let server = TestServer::start();
    import(&server, &long_history(200)).await;
    let exported = server.get("/api/v1/export").await.text();
    let (first, rest) = exported.split_once('\n').unwrap();
    assert!(!rest.is_empty());

    let second = TestServer::start();
    import(&second, first).await;
    let half = versions(&second.get("/api/v1/export").await.text()).len();
    import(&second, &exported).await;

    assert!(half < 200, "{half}");
    assert!(second.get("/api/v1/export").await.text() == exported, "it did not come back whole");
    let alone = import(&TestServer::start(), rest).await;
    assert_eq!((&alone["imported"], &alone["errors"][0]["line"]), (&json!(0), &json!(1)));
}

/// Lines that bring a memory with so many versions of 64 KiB.
fn long_history(count: u32) -> String {
    let version = |n: u32| {
        let content = format!("{n} {}", "word ".repeat(13_000));
        line(1, json!({ "version": n, "content": content }))
    };
    let mut lines = vec![version(count)];
    let earlier: Vec<u32> = (1..count).collect();
    for part in earlier.chunks(100) {
        let history: Vec<Value> = part.iter().map(|n| version(*n)).collect();
        lines.push(json!({ "id": id(1), "history": history }));
    }
    join(&lines)
}

/// The numbers of all versions of one memory, its history first.
fn versions(exported: &str) -> Vec<u64> {
    let lines: Vec<Value> = exported.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let past = lines.iter().flat_map(|line| line["history"].as_array().unwrap());
    let mut found: Vec<_> = past.map(|version| version["version"].as_u64().unwrap()).collect();
    found.extend(lines.iter().filter_map(|line| line.get("version")?.as_u64()));
    found
}

fn id(n: u32) -> String {
    format!("01JC3V5Y9ZK7Q2M8N4T6W0X1{n:02}")
}

/// A line of an export, with something else than usual in it.
fn line(n: u32, more: Value) -> Value {
    let mut line = json!({
        "id": id(n), "content": format!("memory {n}"), "kind": "note", "version": 1,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    });
    line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line
}

fn join(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What became of the lines, without the change that the import was.
fn counts(mut told: Value) -> Value {
    let step = told.as_object_mut().unwrap().shift_remove("step");
    assert!(step.is_some_and(|step| step.is_string()));
    told
}

async fn import(server: &TestServer, lines: &str) -> Value {
    import_bytes(server, KEY, lines.as_bytes().to_vec()).await
}

async fn import_bytes(server: &TestServer, key: &str, lines: Vec<u8>) -> Value {
    let body = Some(("application/x-ndjson", lines));
    let reply = server.send_raw("POST", "/api/v1/import", &[("X-API-Key", key)], body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}
