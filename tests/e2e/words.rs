//! What is asked in other words than it was stored in, by the encoder that the program carries.

use serde_json::{Value, json};

use crate::harness::{KEY, TestServer};
use crate::tokens::token;

const NOTES: [&str; 4] = [
    "We need to see the new office before signing.",
    "The cat gets her vaccinations in March.",
    "The bakery is closed on Mondays.",
    "Nina takes the bus on rainy days.",
];

/// The vectors are made behind the scenes; until then the table stands in for them.
#[actix_web::test]
async fn one_stray_word_does_not_beat_the_meaning() {
    let server = TestServer::with(&[("EMBEDDING_BUILTIN", "model")]);
    for note in NOTES {
        server.add(note).await;
    }
    let asked = json!({ "query": "when does our pet need to see the vet" });
    while server.found(asked.clone()).await.first().map(String::as_str) != Some(NOTES[1]) {
        actix_web::rt::task::yield_now().await;
    }

    let bread =
        server.found(json!({ "query": "where can I buy bread and on which days not" })).await;
    assert_eq!(bread[0], NOTES[2]);
    let words = server.found(json!({ "query": "Nina" })).await;
    assert_eq!(words[0], NOTES[3]);

    let server = server.restart().await;
    assert_eq!(server.found(asked).await[0], NOTES[1], "a vector that is stored is not made anew");
}

#[actix_web::test]
async fn an_inflected_word_in_letters_that_no_model_reads_is_found_all_the_same() {
    let coffee = "\u{627}\u{644}\u{642}\u{647}\u{648}\u{629} \u{628}\u{62f}\u{648}\u{646} \u{633}\u{643}\u{631}";
    for builtin in ["model", "table"] {
        let server = TestServer::with(&[("EMBEDDING_BUILTIN", builtin)]);
        server.add("We sold the car.").await;
        server.add(coffee).await;

        let found = server.found(json!({ "query": "\u{642}\u{647}\u{648}\u{629}" })).await;

        assert_eq!(found.first().map(String::as_str), Some(coffee), "{builtin}");
    }
}

/// Nobody writes when a session has just been opened, so the model may look at what comes first.
#[actix_web::test]
async fn a_newcomer_is_told_what_says_the_same_in_other_words() {
    let server = TestServer::with(&[("EMBEDDING_BUILTIN", "model")]);
    for note in NOTES {
        server.add(note).await;
    }
    while server.get("/api/v1/stats").await.json()["vectors"] != NOTES.len() {
        actix_web::rt::task::yield_now().await;
    }
    let server = server.restart().await;

    let added = server
        .ok("add_memory", json!({ "content": "On Mondays the bread shop does not open." }))
        .await;

    let similar = added["similar"].as_array().unwrap();
    let texts: Vec<&str> = similar.iter().map(|one| one["snippet"].as_str().unwrap()).collect();
    assert_eq!(texts, [NOTES[2]]);
}

/// What a guest stored is confirmed when somebody else says the same in other words, and not when
/// they say another value of the same.
#[actix_web::test]
async fn who_says_the_same_in_other_words_confirms_it() {
    let server = TestServer::with(&[("EMBEDDING_BUILTIN", "model")]);
    let guest =
        token(&server, json!({ "user_id": "default", "name": "guest", "guest": true })).await;
    let visitor = [("X-API-Key", guest.as_str())];
    let mut ids = Vec::new();
    for note in ["The user lives in Tallinn with his wife Kadri.", "Backups are kept for 30 days."]
    {
        let body = json!({ "content": note });
        let added = server.send("POST", "/api/v1/memories", &visitor, Some(&body)).await.json();
        ids.push(added["id"].clone());
    }
    while server.get("/api/v1/stats").await.json()["vectors"] != ids.len() {
        actix_web::rt::task::yield_now().await;
    }

    for (said, confirmed) in [
        ("User and his wife Kadri have their home in Tallinn.", json!([ids[0]])),
        ("Backups are kept for 60 days.", Value::Null),
    ] {
        // Nobody writes when a session has just been opened.
        server.send("DELETE", "/mcp", &[("X-API-Key", KEY)], None).await;
        let mut added = server.ok("add_memory", json!({ "content": said })).await;
        while added["similar"].as_array().unwrap().is_empty() {
            let id = added["id"].clone();
            server.ok("delete_memory", json!({ "id": id, "purge": true })).await;
            added = server.ok("add_memory", json!({ "content": said })).await;
        }
        assert_eq!(added["confirmed"], confirmed, "{said}: {added}");
    }
    let context = server.get("/api/v1/context").await.text();
    assert!(context.contains("his wife Kadri.") && !context.contains("30 days"), "{context}");
}
