use std::time::Duration;

use serde_json::json;

use crate::harness::{KEY, TestServer, days};

#[actix_web::test]
async fn a_session_that_was_put_to_sleep_wakes_with_everything() {
    let server = TestServer::start();
    server.add("the boiler was serviced in March").await;
    assert_eq!(server.get("/admin/sessions").await.json()["active_sessions"], 1);

    let slept = server.send("DELETE", "/mcp", &[("X-API-Key", KEY)], None).await;

    assert_eq!(slept.json(), json!({ "status": "disconnected" }));
    assert_eq!(server.get("/admin/sessions").await.json()["active_sessions"], 0);
    assert_eq!(server.found(json!({ "query": "boiler" })).await.len(), 1);
}

#[actix_web::test]
async fn access_counts_survive_a_restart() {
    let server = TestServer::start();
    let id = server.add("often asked").await;
    for detail in ["full", "brief", "full"] {
        server.ok("search_memories", json!({ "query": "often asked", "detail": detail })).await;
    }

    let server = server.restart().await;

    let got = server.ok("get_memory", json!({ "id": id })).await;
    assert_eq!(got["memory"]["access_count"], 4);
}

#[actix_web::test]
async fn what_was_deleted_long_ago_is_swept_away() {
    let server = TestServer::start();
    let id = server.add("old news").await;
    server.ok("delete_memory", json!({ "id": id })).await;
    server.clock.advance(days(31));

    // Falling asleep sweeps.
    server.send("DELETE", "/mcp", &[("X-API-Key", KEY)], None).await;

    let restored = server.post(&format!("/api/v1/memories/{id}/restore"), json!({})).await;
    assert_eq!(restored.status, 404);
}

#[actix_web::test]
async fn one_write_is_seen_by_the_very_next_search_of_another_connection() {
    let server = TestServer::start();

    for n in 0..30 {
        let mark = format!("marker{n}");
        server.add(&format!("the word is {mark}")).await;
        let asked = json!({ "query": mark, "mode": "keyword" });
        assert_eq!(server.found(asked).await.len(), 1, "{mark}");
    }
}

#[actix_web::test]
async fn many_calls_at_once_are_all_answered() {
    let server = TestServer::start();

    let calls = (0..200).map(|n| server.add(Box::leak(format!("parallel {n}").into_boxed_str())));
    let ids = futures_util::future::join_all(calls).await;

    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), 200);
    assert_eq!(server.ok("list_memories", json!({})).await["total"], 200);
}

#[actix_web::test]
async fn listeners_hear_of_writes() {
    let server = TestServer::start();
    let client = awc::Client::builder().timeout(Duration::from_secs(20)).finish();
    let request = client.get(format!("{}/api/v1/events", server.url));
    let mut events = request.insert_header(("X-API-Key", KEY)).send().await.unwrap();
    let mut heard = String::new();
    while !heard.contains(": listening") {
        heard.push_str(&next_piece(&mut events).await);
    }

    let id = server.add("loud").await;

    while !heard.contains("event: change") {
        heard.push_str(&next_piece(&mut events).await);
    }
    assert!(heard.contains(&id), "{heard}");
    server.stop().await;
    assert!(futures_util::StreamExt::next(&mut events).await.is_none(), "the stream did not end");
}

async fn next_piece<S>(events: &mut awc::ClientResponse<S>) -> String
where
    awc::ClientResponse<S>: futures_util::Stream<Item = Result<actix_web::web::Bytes, awc::error::PayloadError>>
        + Unpin,
{
    let piece = futures_util::StreamExt::next(events).await.unwrap().unwrap();
    String::from_utf8(piece.to_vec()).unwrap()
}
