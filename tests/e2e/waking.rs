//! What a server leaves at its stop for the session that wakes next.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use crate::harness::{KEY, TestServer};

/// More than a session must hold before anything is kept of it.
const MANY: usize = 5_100;

const THINGS: [&str; 7] = ["sled", "boiler", "cello", "router", "garden", "teapot", "ladder"];

async fn fill(server: &TestServer) {
    let line = |n: usize| {
        let (one, other) = (THINGS[n % 7], THINGS[n / 7 % 7]);
        let content = format!("The {one} was put beside the {other} on visit {n}.");
        let project = if n.is_multiple_of(3) { "house" } else { "shed" };
        format!("{}\n", json!({ "content": content, "tags": [one], "project": project }))
    };
    let lines: String = (0..MANY).map(line).collect();
    let body = Some(("application/x-ndjson", lines.into_bytes()));
    let reply = server.send_raw("POST", "/api/v1/import", &[("X-API-Key", KEY)], body).await;
    assert_eq!(reply.json()["imported"], MANY, "{}", reply.text());
}

async fn answers(server: &TestServer) -> Vec<Vec<String>> {
    let mut answers = Vec::new();
    for query in ["cello", "the boiler beside the ladder", "visit 4711", "gardn", "where is tea?"] {
        answers.push(server.found(json!({ "query": query })).await);
        answers.push(server.found(json!({ "query": query, "project": "house" })).await);
        answers.push(server.found(json!({ "query": query, "tags": ["router"] })).await);
    }
    answers
}

fn kept(server: &TestServer) -> Vec<PathBuf> {
    let folder = server.dir.path().join("data/.minds");
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[actix_web::test]
async fn a_session_that_wakes_with_what_was_kept_answers_as_before_and_as_one_that_reads_everything()
 {
    let server = TestServer::start();
    fill(&server).await;
    let before = answers(&server).await;
    assert!(kept(&server).is_empty(), "it is awake");

    let server = server.restart().await;

    assert_eq!(answers(&server).await, before);
    assert_eq!(kept(&server).len(), 1, "it was not refused");
    let dir = Arc::clone(&server.dir);
    let server = server
        .restart_after(move || fs::remove_dir_all(dir.path().join("data/.minds")).unwrap())
        .await;
    assert_eq!(answers(&server).await, before);
    // The same text is known, and what was added since is found.
    let again = "The sled was put beside the sled on visit 0.";
    let told = server.ok("add_memory", json!({ "content": again })).await;
    assert_eq!(told["status"], "duplicate", "{told}");
    server.add("Quittenmus was cooked").await;
    let server = server.restart().await;
    let told = server.ok("add_memory", json!({ "content": again })).await;
    assert_eq!(told["status"], "duplicate", "{told}");
    assert_eq!(server.found(json!({ "query": "Quittenmus" })).await[0], "Quittenmus was cooked");
}

#[actix_web::test]
async fn what_is_erased_is_in_no_file_that_was_kept() {
    let server = TestServer::start();
    fill(&server).await;
    let id = server.add("Quittenmus was cooked").await;
    let server = server.restart().await;
    let holds = |server: &TestServer| {
        let texts = kept(server).into_iter().map(|path| fs::read(path).unwrap());
        let word = b"quittenm";
        texts.filter(|text| text.windows(word.len()).any(|window| window == word)).count()
    };
    assert_eq!(holds(&server), 1);

    server.ok("delete_memory", json!({ "id": id, "purge": true })).await;

    assert_eq!((holds(&server), kept(&server).len()), (0, 0));
    let server = server.restart().await;
    assert_eq!((holds(&server), kept(&server).len()), (0, 1));
}
