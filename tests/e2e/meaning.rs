//! Finding by meaning: the built-in table, and a better embedder that may be away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, rt, web};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::harness::{KEY, TestServer};

const NOTES: [&str; 8] = [
    "Anna is allergic to penicillin",
    "the car needs new winter tires",
    "the kitchen sink leaks and a plumber comes on Friday",
    "Ben's birthday party is at the bowling alley",
    "the rent is 940 euros and due on the first",
    "deploy with `cargo run --bin fetch_user_rows`",
    "write to ada.lovelace@example.com about the contract",
    "the dog sleeps in the living room",
];

async fn filled() -> TestServer {
    let server = TestServer::start();
    for note in NOTES {
        server.add(note).await;
    }
    server
}

async fn best(server: &TestServer, query: &str) -> String {
    let mut found = server.found(json!({ "query": query })).await;
    assert!(!found.is_empty(), "{query:?} finds nothing");
    found.remove(0)
}

#[actix_web::test]
async fn every_mode_works_and_says_its_name() {
    let server = filled().await;

    for (mode, used) in
        [("auto", "hybrid"), ("hybrid", "hybrid"), ("semantic", "semantic"), ("keyword", "keyword")]
    {
        let asked = json!({ "query": "penicillin allergy", "mode": mode });
        let found = server.ok("search_memories", asked).await;
        assert_eq!(found["mode_used"], used, "{mode}");
        assert_eq!(found["results"][0]["content"], NOTES[0], "{mode}");
    }
}

#[actix_web::test]
async fn what_is_meant_is_found_though_no_word_is_the_same() {
    let server = filled().await;

    for (query, note) in [("vehicle maintenance", NOTES[1]), ("puppy", NOTES[7])] {
        let asked = json!({ "query": query, "mode": "semantic" });
        assert_eq!(server.found(asked).await[0], note, "{query}");
    }
}

#[actix_web::test]
async fn typos_identifiers_addresses_and_numbers_are_found() {
    let server = filled().await;

    for (query, note) in [
        ("alergic to penicilin", NOTES[0]),
        ("fetch_user_rows", NOTES[5]),
        ("fetchUserRows", NOTES[5]),
        ("ada.lovelace@example.com", NOTES[6]),
        ("lovelace", NOTES[6]),
        ("940", NOTES[4]),
    ] {
        assert_eq!(best(&server, query).await, note, "{query}");
    }
}

#[actix_web::test]
async fn a_question_that_names_a_time_prefers_memories_of_it() {
    let server = TestServer::start();
    for (text, event) in [
        ("dinner with Clara at the harbor", "2025-03-14"),
        ("dinner with Clara at the castle", "2025-11-02"),
        ("dinner with Clara at the mill", "2025-12-31"),
    ] {
        server.ok("add_memory", json!({ "content": text, "event_at": event })).await;
    }

    for (query, place) in [
        ("dinner with Clara in March 2025", "harbor"),
        ("dinner with Clara last November", "castle"),
        ("dinner with Clara yesterday", "mill"),
    ] {
        let found = best(&server, query).await;
        assert!(found.ends_with(place), "{query}: {found}");
    }
}

#[actix_web::test]
async fn nearly_the_same_is_told_when_it_is_added() {
    let server = filled().await;

    let added = server
        .ok("add_memory", json!({ "content": "Anna is allergic to penicillin and to cats" }))
        .await;

    assert_eq!(added["status"], "created");
    assert_eq!(added["similar"][0]["snippet"], NOTES[0]);
}

#[actix_web::test]
async fn a_restart_changes_no_ranking() {
    let server = filled().await;
    let id = server.add("the car was sold").await;
    server.ok("update_memory", json!({ "id": id, "content": "the bicycle was sold" })).await;
    let gone = server.add("the car smells of dog").await;
    server.ok("delete_memory", json!({ "id": gone, "purge": true })).await;
    let queries = ["car", "dog in the room", "what was sold?", "money", "Friday"];
    let mut before = Vec::new();
    for query in queries {
        before.push(server.found(json!({ "query": query })).await);
    }

    let server = server.restart().await;

    for (query, before) in queries.iter().zip(before) {
        assert!(!before.iter().any(|text| text.contains("smells")), "{query}");
        assert_eq!(server.found(json!({ "query": query })).await, before, "{query}");
    }
}

/// An embedder on loopback that knows three subjects, and can be switched off.
struct Service {
    url: String,
    is_well: Arc<AtomicBool>,
    texts: Arc<AtomicUsize>,
}

impl Service {
    fn start() -> Self {
        let (is_well, texts) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let state = web::Data::new((Arc::clone(&is_well), Arc::clone(&texts)));
        let server = HttpServer::new(move || {
            App::new().app_data(state.clone()).route("/v1/embeddings", web::post().to(embeddings))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/v1", server.addrs()[0]);
        rt::spawn(server.run());
        Self { url, is_well, texts }
    }
}

type State = web::Data<(Arc<AtomicBool>, Arc<AtomicUsize>)>;

#[allow(clippy::unused_async, reason = "a handler is async")]
async fn embeddings(state: State, body: web::Json<Value>) -> HttpResponse {
    if !state.0.load(Ordering::SeqCst) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let texts = body["input"].as_array().unwrap();
    state.1.fetch_add(texts.len(), Ordering::SeqCst);
    let vectors = texts.iter().enumerate().map(|(n, text)| {
        let text = text.as_str().unwrap();
        let about = |words: &[&str]| f32::from(u8::from(words.iter().any(|w| text.contains(w))));
        let vector = [
            about(&["car", "automobile"]),
            about(&["dog", "hound"]),
            about(&["rent", "lease"]),
            0.1,
        ];
        json!({ "index": n, "embedding": vector })
    });
    HttpResponse::Ok().json(json!({ "data": vectors.collect::<Vec<_>>() }))
}

/// Vectors are made behind the writes; every call gives the session occasion to go on.
async fn all_are_read(server: &TestServer) {
    while server.get("/api/v1/stats").await.json()["vectors"] != NOTES.len() {
        rt::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn what_is_asked_counts_for_more_than_what_is_told_beside_it() {
    let service = Service::start();
    let env = [("EMBEDDING_URL", service.url.as_str()), ("EMBEDDING_MODEL", "subjects")];
    let server = TestServer::with(&env);
    for note in NOTES {
        server.add(note).await;
    }
    all_are_read(&server).await;

    // The same words, and both subjects in them.
    let one_piece = "the monthly lease is paid and where is the old hound now";
    let clauses = "the monthly lease is paid, and where is the old hound now";
    for (query, first) in [(one_piece, NOTES[4]), (clauses, NOTES[7])] {
        let asked = json!({ "query": query, "mode": "semantic" });
        assert_eq!(server.found(asked).await[0], first, "{query}");
    }
}

#[actix_web::test]
async fn the_page_of_the_health_tells_how_many_are_read() {
    let service = Service::start();
    let env = [("EMBEDDING_URL", service.url.as_str()), ("EMBEDDING_MODEL", "subjects")];
    let server = TestServer::with(&env);
    for note in NOTES {
        server.add(note).await;
    }
    all_are_read(&server).await;

    let health = Browser::signed_in(&server, KEY).await.get("/ui/health").await.body;

    assert!(health.contains("<dt>Read for meaning</dt><dd>8 of 8 memories</dd>"), "{health}");
}

#[actix_web::test]
async fn a_better_embedder_is_asked_and_missed_without_harm() {
    let service = Service::start();
    let env = [("EMBEDDING_URL", service.url.as_str()), ("EMBEDDING_MODEL", "subjects")];
    let server = TestServer::with(&env);
    for note in NOTES {
        server.add(note).await;
    }
    let asked = json!({ "query": "the hound", "mode": "semantic" });

    all_are_read(&server).await;
    assert_eq!(server.found(asked).await[0], NOTES[7]);

    let made = service.texts.load(Ordering::SeqCst);
    let server = server.restart().await;
    all_are_read(&server).await;
    server.found(json!({ "query": "tires" })).await;
    let again = service.texts.load(Ordering::SeqCst) - made;
    assert!(again <= 2, "a probe and a question, but {again} texts were embedded");

    service.is_well.store(false, Ordering::SeqCst);
    let found = server.ok("search_memories", json!({ "query": "winter tires" })).await;
    assert_eq!(found["results"][0]["content"], NOTES[1]);
    assert_eq!(found["mode_used"], "keyword");
}
