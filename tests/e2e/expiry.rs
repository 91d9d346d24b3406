//! What ends by itself is told as it happens, and under its own name.

use std::time::Duration;

use actix_web::rt::time::timeout;
use actix_web::web::Bytes;
use awc::error::PayloadError;
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};

use crate::harness::{KEY, TestServer, days};

/// Many times as long as the sweeper of these tests sleeps.
const PATIENCE: Duration = Duration::from_secs(30);

#[actix_web::test]
async fn a_memory_that_expires_is_told_though_nobody_calls_and_apart_from_other_writes() {
    // The session looks for what has expired as often as it may fall asleep.
    let server = TestServer::with(&[("UNDO_DAYS", "0"), ("SESSION_TTL", "3")]);
    let client = awc::Client::builder().timeout(PATIENCE).finish();
    let request = client.get(format!("{}/api/v1/events", server.url));
    let mut events = request.insert_header(("X-API-Key", KEY)).send().await.unwrap();
    let mut heard = String::new();
    let arguments = json!({ "content": "parking level 4", "ttl_days": 1 });
    let brief = server.ok("add_memory", arguments).await["id"].clone();
    assert_eq!(next_change(&mut events, &mut heard).await, json!({ "memories": [brief] }));

    server.clock.advance(days(1));

    assert_eq!(next_change(&mut events, &mut heard).await, json!({ "memories": [brief] }));
    let lasting = server.add("the car is red").await;
    assert_eq!(next_change(&mut events, &mut heard).await, json!({ "memories": [lasting] }));
}

/// Waits for the next event that brings data; what keeps the connection alive brings none.
async fn next_change<S>(events: &mut S, heard: &mut String) -> Value
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    timeout(PATIENCE, read_change(events, heard)).await.expect("nothing was told in time")
}

async fn read_change<S>(events: &mut S, heard: &mut String) -> Value
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    loop {
        while let Some((event, rest)) = heard.split_once("\n\n") {
            let data = event.lines().find_map(|line| line.strip_prefix("data: "));
            let change: Option<Value> = data.map(|data| serde_json::from_str(data).unwrap());
            *heard = rest.to_owned();
            if let Some(change) = change {
                return change;
            }
        }
        let piece = events.next().await.expect("the stream ended").unwrap();
        heard.push_str(std::str::from_utf8(&piece).unwrap());
    }
}
