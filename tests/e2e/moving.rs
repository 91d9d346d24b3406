//! Files of other products over REST and in the dashboard.

use std::io::Write as _;

use actix_web::rt;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::browser::Browser;
use crate::harness::{KEY, PATIENCE, TestServer};

const MEM0: &str = r#"{"results": [
    {"id": "m1", "memory": "likes green tea", "user_id": "ada", "created_at": "2024-07-01T10:00:00Z"},
    {"id": "m2", "memory": "drives a red bicycle", "user_id": "ada", "created_at": "2024-07-02"}
]}"#;

async fn send(server: &TestServer, query: &str, body: &str) -> Value {
    let path = format!("/api/v1/import?{query}");
    let body = Some(("application/octet-stream", body.as_bytes().to_vec()));
    let reply = server.send_raw("POST", &path, &[("X-API-Key", KEY)], body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn memories(server: &TestServer) -> Vec<Value> {
    let listed = server.get("/api/v1/memories").await.json();
    listed["memories"].as_array().unwrap().clone()
}

#[actix_web::test]
async fn a_file_of_another_product_is_tried_taken_known_again_and_undone() {
    let server = TestServer::start();

    let tried = send(&server, "format=auto&dry_run=true", MEM0).await;
    assert!(memories(&server).await.is_empty());
    let taken = send(&server, "format=auto", MEM0).await;

    assert_eq!((&tried["kinds"], &tried["formats"]), (&taken["kinds"], &json!({ "mem0": 1 })));
    assert_eq!(taken["kinds"]["fact"]["new"], 2, "{taken}");
    let found = memories(&server).await;
    assert_eq!(found[0]["source"]["client"], "import:mem0");
    assert_eq!(found[0]["provisional"], true);
    assert_eq!(found[0]["metadata"]["import"]["run"], taken["run"]);
    let again = send(&server, "format=mem0", MEM0).await;
    assert_eq!((&again["kinds"]["fact"]["unchanged"], again.get("run")), (&json!(2), None));

    let listed = server.get("/api/v1/import").await.json();
    assert_eq!(
        (&listed["imports"][0]["run"], &listed["imports"][0]["memories"]),
        (&taken["run"], &json!(2))
    );
    assert_eq!(listed["imports"].as_array().unwrap().len(), 1);
    let undo = json!({ "step": taken["run"], "dry_run": false });
    assert_eq!(server.post("/api/v1/undo", undo).await.status, 200);
    assert!(memories(&server).await.is_empty());
    let after = send(&server, "format=auto", MEM0).await;
    assert_eq!(
        after["kinds"]["fact"]["deleted_here"], 2,
        "what was deleted here stays so: {after}"
    );
}

#[actix_web::test]
async fn what_was_erased_here_stays_so_unless_it_is_asked_for() {
    let server = TestServer::start();
    send(&server, "format=auto&confirm=true", MEM0).await;
    let found = memories(&server).await;
    let tea = found.iter().find(|memory| memory["content"] == "likes green tea").unwrap();
    server.ok("delete_memory", json!({ "id": tea["id"], "purge": true })).await;
    let server = server.restart().await;

    let tried = send(&server, "format=auto&dry_run=true", MEM0).await;
    let again = send(&server, "format=auto", MEM0).await;

    for told in [&tried, &again] {
        let counts = &told["kinds"]["fact"];
        assert_eq!(
            (&counts["deleted_here"], &counts["unchanged"]),
            (&json!(1), &json!(1)),
            "{told}"
        );
    }
    assert_eq!(memories(&server).await.len(), 1);
    let asked = send(&server, "format=auto&erased=true&confirm=true", MEM0).await;
    assert_eq!(asked["kinds"]["fact"]["new"], 1, "{asked}");
    let known = send(&server, "format=auto", MEM0).await;
    assert_eq!(known["kinds"]["fact"]["unchanged"], 2, "{known}");

    // What is undone for good leaves no word of it, and may come again.
    let undo = json!({ "step": asked["run"], "dry_run": false, "purge": true });
    assert_eq!(server.post("/api/v1/undo", undo).await.status, 200);
    let after = send(&server, "format=auto", MEM0).await;
    assert_eq!(after["kinds"]["fact"]["new"], 1, "{after}");
}

#[actix_web::test]
async fn what_says_something_else_here_stays_unless_updates_are_wanted() {
    let server = TestServer::start();
    send(&server, "format=auto&confirm=true&project=house&tag=old", MEM0).await;
    let changed = MEM0.replace("green tea", "black tea");

    let kept = send(&server, "format=auto", &changed).await;
    let updated = send(&server, "format=auto&update=true&confirm=true", &changed).await;

    assert_eq!((&kept["kinds"]["fact"]["changed"], kept.get("run")), (&json!(1), None), "{kept}");
    assert_eq!(updated["kinds"]["fact"]["updated"], 1, "{updated}");
    let found = memories(&server).await;
    let tea = found.iter().find(|memory| memory["content"] == "likes black tea").unwrap();
    assert_eq!((&tea["version"], &tea["project"]), (&json!(2), &json!("house")));
    assert_eq!(tea.get("provisional"), None);
}

#[actix_web::test]
async fn what_somebody_changed_in_the_head_of_a_note_comes_back_with_an_update() {
    let server = TestServer::start();
    let id = server.add("likes green tea").await;
    let note = |more: &str| {
        format!(
            "---\nmemoryd: \"{id}\"\ncreated_at: \"2026-01-01T00:00:00.000Z\"\n{more}version: 1\n---\n\n\
             likes green tea\n"
        )
    };
    let (plain, changed) = (note(""), note("kind: \"fact\"\ntags: [\"drinks\"]\npriority: 5\n"));
    let (kept, update) = ("format=auto&confirm=true", "format=auto&confirm=true&update=true");

    assert_eq!(send(&server, update, &plain).await["kinds"]["note"]["unchanged"], 1);
    assert_eq!(send(&server, kept, &changed).await["kinds"]["fact"]["changed"], 1);
    let updated = send(&server, update, &changed).await;

    assert_eq!(updated["kinds"]["fact"]["updated"], 1, "{updated}");
    let memory = &memories(&server).await[0];
    assert_eq!((&memory["kind"], &memory["tags"]), (&json!("fact"), &json!(["drinks"])));
    assert_eq!((&memory["priority"], &memory["version"]), (&json!(5), &json!(2)));
    assert_eq!(send(&server, update, &changed).await["kinds"]["fact"]["unchanged"], 1);
    // Nobody has changed this one since it was written, so it takes nothing back.
    assert_eq!(send(&server, update, &plain).await["kinds"]["note"]["unchanged"], 1);
    let listed = server.get("/api/v1/import").await.json();
    assert_eq!(listed["imports"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["imports"][0]["run"], updated["run"]);
    assert_eq!(listed["imports"][0]["format"], "memoryd-notes");
}

#[actix_web::test]
async fn an_import_is_listed_whatever_was_made_of_its_memories_since() {
    let server = TestServer::start();
    let first = send(&server, "format=auto", MEM0).await;
    let changed = MEM0.replace("green tea", "black tea").replace("red bicycle", "blue bicycle");
    let second = send(&server, "format=auto&update=true", &changed).await;

    let listed = server.get("/api/v1/import").await.json();

    let runs = listed["imports"].as_array().unwrap().iter();
    let runs: Vec<&Value> = runs.map(|one| &one["run"]).collect();
    assert_eq!(runs.len(), 2, "{listed}");
    assert!(runs.contains(&&first["run"]) && runs.contains(&&second["run"]), "{listed}");
}

#[actix_web::test]
async fn the_same_text_is_known_under_any_id_and_secrets_are_told() {
    let server = TestServer::start();
    let text = json!({ "content": "likes green tea", "kind": "fact" });
    server.ok("add_memory", text).await;
    let key = format!("ghp_{}", "a1".repeat(18));
    let body = MEM0.replace("a red bicycle", &key);

    let taken = send(&server, "format=auto", &body).await;

    assert_eq!(
        (&taken["kinds"]["fact"]["duplicate"], &taken["kinds"]["fact"]["new"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(taken["secrets"]["GitHub token"], 1, "{taken}");
}

#[actix_web::test]
async fn what_is_of_no_format_is_refused_with_the_names_of_all() {
    let server = TestServer::start();

    for (query, body) in [("format=auto", "just words"), ("format=nonsense", MEM0)] {
        let path = format!("/api/v1/import?{query}");
        let body = Some(("text/plain", body.as_bytes().to_vec()));
        let reply = server.send_raw("POST", &path, &[("X-API-Key", KEY)], body).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert!(reply.text().contains("server-memory"), "{}", reply.text());
    }
    let own = send(&server, "format=auto", "{\"content\": \"a line of our own\"}\n").await;
    assert_eq!(own["imported"], 1, "{own}");
    let lines = Some(("application/x-ndjson", b"{\"content\": \"x\"}".to_vec()));
    let path = "/api/v1/import?run=01JC3V5Y9ZK7Q2M8N4T6W0X1ER";
    let reply = server.send_raw("POST", path, &[("X-API-Key", KEY)], lines).await;
    assert_eq!(reply.status, 422, "an id of another day names no run: {}", reply.text());
}

#[actix_web::test]
async fn the_dashboard_takes_a_file_of_another_product() {
    let server = TestServer::start();
    let browser = Browser::signed_in(&server, KEY).await;
    let here = "/ui/transfer/import";
    let csrf = browser.get("/ui/transfer").await.csrf(here);
    let form = [("csrf", csrf.as_str()), ("content", MEM0)];

    let tried = browser.post(here, &form).await;
    assert!(tried.body.contains("2 memories would be stored"), "{}", tried.body);
    assert!(tried.body.contains("mem0"), "{}", tried.body);
    assert!(memories(&server).await.is_empty());
    let sure = [&form[..], &[("sure", "true")]].concat();
    let done = browser.post(here, &sure).await;

    assert!(done.body.contains("2 memories are stored"), "{}", done.body);
    assert!(done.body.contains("name=\"step\" value=\""), "it can be undone: {}", done.body);
    assert_eq!(memories(&server).await.len(), 2);

    // Later, too.
    let way = browser.get("/ui/transfer").await.way("List the imports of other products' data");
    let page = browser.get(&way.unwrap()).await;
    let (_, row) = page.body.split_once("<h2>Earlier imports</h2>").expect(&page.body);
    assert!(row.contains("<bdi>mem0") && row.contains("class=\"number\">2</td>"), "{row}");
    let undo = ["csrf", "step"].map(|name| (name, page.field("/ui/transfer/undo", name)));
    let undo = undo.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(browser.post("/ui/transfer/undo", &undo).await.status, 303);
    assert!(memories(&server).await.is_empty());
}

#[actix_web::test]
async fn lines_of_our_own_come_packed_unless_they_unpack_to_too_much() {
    let server = TestServer::start();
    let packed = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let post = async |body: Vec<u8>| {
        let body = Some(("application/gzip", body));
        let path = "/api/v1/import?format=auto";
        server.send_raw("POST", path, &[("X-API-Key", KEY)], body).await
    };

    let taken = post(packed(b"{\"content\": \"a line of our own\"}\n")).await;
    assert_eq!((taken.status, &taken.json()["imported"]), (200, &json!(1)), "{}", taken.text());

    // Each line is another one: what shrinks too well is refused as a bomb.
    let line = |n: u32| format!("{{\"content\": \"{n} {}\"}}\n", "word ".repeat(220));
    let refused = post(packed((0..(64 << 10)).map(line).collect::<String>().as_bytes())).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("unpacks to more than 64 MiB"), "{}", refused.text());
    assert_eq!(memories(&server).await.len(), 1);
}

#[actix_web::test]
async fn a_user_sends_one_file_at_a_time() {
    let server = TestServer::start();
    let address = server.url.trim_start_matches("http://");
    let mut first = rt::net::TcpStream::connect(address).await.unwrap();
    let (length, path) = (MEM0.len(), "/api/v1/import?format=auto&dry_run=true");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {KEY}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    first.write_all(head.as_bytes()).await.unwrap();

    // The first one holds its place as soon as its head is read.
    let second = async || {
        let body = Some(("application/json", MEM0.as_bytes().to_vec()));
        server.send_raw("POST", path, &[("X-API-Key", KEY)], body).await
    };
    let mut reply = second().await;
    while reply.status == 200 {
        reply = second().await;
    }
    assert_eq!((reply.status, &reply.json()["code"]), (503, &json!("busy")), "{}", reply.text());

    first.write_all(MEM0.as_bytes()).await.unwrap();
    let mut answer = String::new();
    rt::time::timeout(PATIENCE, first.read_to_string(&mut answer)).await.expect("no end").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(second().await.status, 200);
}
