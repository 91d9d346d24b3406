//! What was given to whom, and what the same question would bring.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{KEY, TestServer, days, rpc};
use crate::tokens::{left_on_disk, token};

const WHY: &str = "/api/v1/why";

/// Asks as a client that says its name.
async fn search_as(server: &TestServer, client: &str, query: &str) -> Value {
    server.clock.advance(Duration::from_secs(1));
    let info = json!({ "name": client, "version": "1.0" });
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": "search_memories", "arguments": { "query": query },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": info,
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let headers = [
        ("X-API-Key", KEY),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "search_memories"),
    ];
    let reply = server.send("POST", "/mcp", &headers, Some(&call)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["result"]["structuredContent"].clone()
}

async fn why(server: &TestServer, query: &str) -> Vec<Value> {
    let told = server.get(&format!("{WHY}?{query}")).await;
    assert_eq!(told.status, 200, "{}", told.text());
    told.json()["recalls"].as_array().unwrap().clone()
}

fn ids(given: &Value) -> Vec<&str> {
    given.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn it_is_told_what_a_client_was_given_and_what_has_become_of_it() {
    let server = TestServer::start();
    let boiler = server.add("the boiler is from 2019").await;
    let roof = server.add("the roof is red").await;
    search_as(&server, "cursor-vscode", "boiler").await;
    search_as(&server, "claude-code", "roof").await;
    let change = json!({ "id": boiler, "content": "the boiler is new" });
    server.ok("update_memory", change).await;

    let given = why(&server, "client=Cursor").await;

    assert_eq!(given.len(), 1);
    assert_eq!(
        (&given[0]["asked"]["verb"], &given[0]["asked"]["query"]),
        (&json!("search"), &json!("boiler"))
    );
    let one = &given[0]["given"][0];
    assert_eq!(
        (&one["id"], &one["version"], &one["now"]),
        (&json!(boiler), &json!(1), &json!("changed"))
    );
    assert_eq!(one["snippet"], "the boiler is from 2019", "as it was given");
    assert!(one["score"].as_f64().unwrap() > 0.0 && one["tokens"].as_u64().unwrap() > 0);
    let of_roof = why(&server, &format!("memory={roof}")).await;
    assert!(
        of_roof.iter().any(|recall| recall["client"].as_str().unwrap().contains("claude-code"))
    );
    server.ok("delete_memory", json!({ "id": boiler, "purge": true })).await;
    let given = why(&server, "client=cursor").await;
    assert_eq!(given[0]["given"][0]["now"], "erased");
    assert_eq!(given[0]["given"][0]["snippet"], Value::Null);
    // A start later it is still known, and nothing else than before.
    let server = server.restart().await;
    assert_eq!(why(&server, "client=cursor").await.len(), 1);
    assert_eq!(why(&server, "client=nobody").await.len(), 0);
    let answers = server.get("/api/v1/stats").await.json();
    assert!(answers["given"]["answers"].as_u64().unwrap() >= 2, "{answers}");
    assert!(answers["given"]["by_client"]["cursor-vscode/1.0"].is_u64(), "{answers}");
}

#[actix_web::test]
async fn a_question_is_asked_again_of_then_and_of_now() {
    let server = TestServer::start();
    let first = server.add("Ada plays the cello on Tuesdays").await;
    server.clock.advance(Duration::from_secs(60));
    search_as(&server, "cursor", "cello").await;
    server.get("/api/v1/context?query=cello").await;
    server.clock.advance(Duration::from_secs(60));
    server.ok("delete_memory", json!({ "id": first })).await;
    let second = server.add("the cello stands in the hall").await;
    let before = server.get("/api/v1/stats").await.json()["given"]["answers"].clone();

    for (verb, client) in [("search", "client=cursor"), ("context", "client=")] {
        let of = |recalls: Vec<Value>| {
            recalls.into_iter().find(|recall| recall["asked"]["verb"] == verb).unwrap()
        };
        let then = of(why(&server, &format!("{client}&replay=then")).await);
        assert_eq!(then["replay"]["given"], json!([first]), "{verb}: {then}");
        assert_eq!(
            (&then["replay"]["missing"], &then["replay"]["fresh"]),
            (&json!([]), &json!([]))
        );
        let now = of(why(&server, &format!("{client}&replay=now")).await);
        assert_eq!(now["replay"]["missing"], json!([first]), "{verb}: {now}");
        assert_eq!(now["replay"]["fresh"], json!([second]), "{verb}: {now}");
    }
    let after = server.get("/api/v1/stats").await.json()["given"]["answers"].clone();
    assert_eq!(before, after, "what is only looked at was given to nobody");
}

#[actix_web::test]
async fn it_is_bounded_in_time_and_can_be_off() {
    let server = TestServer::start();
    server.add("the roof is red").await;
    server.found(json!({ "query": "roof" })).await;
    server.get("/api/v1/context").await;
    assert_eq!(why(&server, "").await.len(), 2);
    // A start wakes who was there last, which is somebody else now.
    let server = server.restart().await;
    server.clock.advance(days(1));
    let other = json!({ "content": "the hall is blue" });
    server.send("POST", "/api/v1/memories?user_id=eve", &[("X-API-Key", KEY)], Some(&other)).await;
    let mut server = server.restart().await;
    server.clock.advance(days(30));
    let asleep = server.send("DELETE", "/mcp", &[("X-API-Key", KEY)], None).await;
    assert_eq!(asleep.status, 200);
    assert_eq!(why(&server, "").await.len(), 2, "a session that sleeps looks after nothing");
    server = server.restart().await;
    server.found(json!({ "query": "roof" })).await;
    let left = server.restart().await;
    assert_eq!(why(&left, "").await.len(), 1, "the old ones went when the session slept");

    let off = TestServer::with(&[("RECALL_DAYS", "0")]);
    off.add("the roof is red").await;
    off.found(json!({ "query": "roof" })).await;
    assert_eq!(why(&off, "").await.len(), 0);
    assert_eq!(off.get("/api/v1/stats").await.json()["given"], Value::Null);
}

#[actix_web::test]
async fn nobody_but_an_administrator_reads_what_others_asked() {
    let server = TestServer::start();
    let ada = token(&server, json!({ "user_id": "ada", "name": "laptop" })).await;
    let mine = [("X-API-Key", ada.as_str())];
    let body = json!({ "content": "the roof is red" });
    server.send("POST", "/api/v1/memories", &mine, Some(&body)).await;
    let call = rpc("tools/call", json!({ "name": "get_context", "arguments": {} }));
    server.send("POST", "/mcp", &mine, Some(&call)).await;

    assert_eq!(server.send("GET", WHY, &mine, None).await.status, 403);
    let of_ada = why(&server, "user_id=ada").await;
    assert_eq!(of_ada.len(), 1);
    assert_eq!(of_ada[0]["credential"], "laptop");
    assert_eq!(ids(&of_ada[0]["given"]).len(), 1);
    assert!(why(&server, "").await.is_empty(), "another user's are not one's own");
    let metrics = server.get("/metrics").await.text();
    assert!(metrics.contains("memoryd_tokens_given_total{client="), "{metrics}");
}

#[actix_web::test]
async fn questions_that_hold_a_text_lose_it_when_it_is_erased() {
    let server = TestServer::start();
    let text = "the safe opens with xyzzymark";
    let safe = server.add(text).await;
    let door = server.add("the door is green").await;
    let change = json!({ "id": door, "content": "the door opens with qwertymark" });
    let changed = server.ok("update_memory", change).await;
    assert_eq!(changed["memory"]["version"], 2);
    search_as(&server, "cursor", text).await;
    search_as(&server, "cursor", "does the door opens with qwertymark help?").await;
    search_as(&server, "cursor", "safe").await;
    // What was noted is on the disk now, and what comes is not yet.
    let server = server.restart().await;
    search_as(&server, "cursor", &format!("is it true that {text}")).await;
    assert!(left_on_disk(&server, &["xyzzymark"]) && left_on_disk(&server, &["qwertymark"]));

    let purged = format!("/api/v1/memories/{safe}?purge=true&wait=true");
    assert_eq!(server.send("DELETE", &purged, &[("X-API-Key", KEY)], None).await.status, 200);
    let undo = json!({ "id": door, "dry_run": false, "purge": true, "wait": true });
    assert_eq!(server.post("/api/v1/undo", undo).await.status, 200);

    assert!(!left_on_disk(&server, &["xyzzymark", "qwertymark"]));
    let given = why(&server, "client=cursor").await;
    let asked: Vec<&Value> = given.iter().map(|recall| &recall["asked"]).collect();
    let (lost, kept) = (json!({ "verb": "search" }), &asked[1]);
    assert_eq!((asked[0], kept["query"].as_str()), (&lost, Some("safe")), "{asked:?}");
    assert_eq!(asked[2..], [&lost, &lost]);
    // To whom it was given is told as before, by an id that tells nothing else.
    assert_eq!(given[1]["given"][0]["id"], json!(safe));
    assert_eq!(given[1]["given"][0]["now"], "erased");
    let server = server.restart().await;
    assert!(!left_on_disk(&server, &["xyzzymark", "qwertymark"]));
    assert_eq!(why(&server, "client=cursor&replay=now").await.len(), 4);
}
