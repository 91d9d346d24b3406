use actix_web::rt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{KEY, PATIENCE, TestServer, rpc};

/// What a client is told that asks whether its body is wanted.
const INVITED: &str = "HTTP/1.1 100 Continue\r\n\r\n";

#[actix_web::test]
async fn a_stranger_is_turned_away_everywhere() {
    let server = TestServer::start();

    for path in ["/mcp", "/api/v1/memories", "/api/v1/search", "/admin/stats", "/nope"] {
        for key in [None, Some("wrong-key-0123456789")] {
            let headers: Vec<(&str, &str)> =
                key.map(|key| ("X-API-Key", key)).into_iter().collect();
            let reply = server.send("POST", path, &headers, Some(&json!({}))).await;
            assert_eq!(reply.status, 401, "{path}");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"memoryd\""));
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        }
    }
}

#[actix_web::test]
async fn keys_that_contradict_each_other_are_refused() {
    let server = TestServer::start();
    let other = format!("Bearer {KEY}x");

    let disagree = [("X-API-Key", KEY), ("Authorization", other.as_str())];
    let agree = [("X-API-Key", KEY), ("X-MCP-Token", KEY)];

    assert_eq!(server.send("GET", "/api/v1/tags", &disagree, None).await.status, 401);
    assert_eq!(server.send("GET", "/api/v1/tags", &agree, None).await.status, 200);
}

#[actix_web::test]
async fn failed_attempts_have_a_limit_of_their_own() {
    let server = TestServer::with(&[("AUTH_FAIL_LIMIT", "3")]);

    let mut codes = Vec::new();
    for n in 0..5 {
        // A guesser tries another one each time; a client with an old key repeats itself.
        let guess = format!("wrong-key-0123456789-{n}");
        let wrong = [("X-API-Key", guess.as_str())];
        codes.push(server.send("GET", "/api/v1/tags", &wrong, None).await.status);
    }

    assert_eq!(codes, [401, 401, 401, 429, 429]);
    assert_eq!(server.get("/api/v1/tags").await.status, 200, "a good key passes");
}

#[actix_web::test]
async fn each_message_of_a_batch_counts() {
    let server = TestServer::with(&[("RATE_LIMIT_REQUESTS", "5"), ("RATE_LIMIT_WINDOW", "60")]);
    let batch = |len: usize| json!(vec![rpc("ping", json!({})); len]);
    let told = async |body| {
        let reply = server.post("/mcp", body).await;
        let remaining = reply.header("ratelimit-remaining").map(str::to_owned);
        (reply.status, remaining.unwrap_or_default())
    };

    assert_eq!(told(batch(3)).await, (200, "2".to_owned()));
    assert_eq!(told(batch(3)).await, (429, "1".to_owned()), "only its first message fits");
    assert_eq!(told(batch(1)).await, (200, "0".to_owned()));
    assert_eq!(told(rpc("ping", json!({}))).await.0, 429);
}

#[actix_web::test]
async fn a_body_over_the_limit_is_refused_and_the_server_lives() {
    let server = TestServer::with(&[("MAX_BODY_BYTES", "4096")]);

    let reply = server.post("/api/v1/memories", json!({ "content": "x".repeat(8000) })).await;

    assert_eq!(reply.status, 413);
    assert_eq!(reply.json()["code"], "body_too_large");
    server.add("still here").await;
}

/// A request that asks whether its body is wanted.
fn asking_first(path: &str, headers: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\n{headers}\r\n"
    )
}

/// Sends a head alone, and returns that of what comes back first.
async fn first_word(server: &TestServer, head: &str) -> String {
    let address = server.url.trim_start_matches("http://");
    let mut stream = rt::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("\r\n\r\n") {
        let mut part = [0; 1_024];
        let read = rt::time::timeout(PATIENCE, stream.read(&mut part)).await;
        let read = read.expect("no answer").unwrap();
        assert!(read > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    seen
}

#[actix_web::test]
async fn nobody_is_invited_to_send_a_body_that_is_refused() {
    let server = TestServer::with(&[("MAX_BODY_BYTES", "4096")]);
    let key = format!("X-API-Key: {KEY}\r\n");
    let packed = format!("{key}Content-Encoding: gzip\r\nContent-Length: 100\r\n");

    for (path, headers, status) in [
        ("/api/v1/memories", format!("{key}Content-Length: 8000\r\n"), 413),
        ("/mcp", format!("{key}Content-Length: 8000\r\n"), 413),
        ("/api/v1/memories", packed, 415),
        ("/api/v1/memories", "Content-Length: 100\r\n".to_owned(), 401),
        ("/api/v1/memories", "Transfer-Encoding: chunked\r\n".to_owned(), 401),
        ("/api/v1/nothing-here", format!("{key}Content-Length: 100\r\n"), 404),
    ] {
        let answer = first_word(&server, &asking_first(path, &headers)).await;

        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        let head = answer.to_ascii_lowercase();
        // Whether the body comes all the same nobody knows.
        assert!(head.contains("\r\nconnection: close\r\n"), "{path}: {answer}");
        assert!(head.contains("\r\nx-request-id: "), "{path}: {answer}");
    }
    server.add("still here").await;
}

#[actix_web::test]
async fn who_asks_first_is_invited_once_the_body_is_waited_for() {
    let server = TestServer::with(&[("MAX_BODY_BYTES", "4096")]);
    let memory = json!({ "content": "the boiler was serviced" }).to_string();
    // Lines may be more than that together.
    let lines: String = (0..200)
        .map(|n| json!({ "content": format!("line {n} of an import") }).to_string() + "\n")
        .collect();
    assert!(lines.len() > 4_096);

    for (path, body, status) in
        [("/api/v1/memories", &memory, 201), ("/api/v1/import", &lines, 200)]
    {
        let address = server.url.trim_start_matches("http://");
        let mut stream = rt::net::TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let headers =
            format!("X-API-Key: {KEY}\r\nContent-Length: {length}\r\nConnection: close\r\n");
        stream.write_all(asking_first(path, &headers).as_bytes()).await.unwrap();
        let mut invited = vec![0; INVITED.len()];
        let read = stream.read_exact(&mut invited);
        rt::time::timeout(PATIENCE, read).await.expect("no word").unwrap();
        assert_eq!(String::from_utf8_lossy(&invited), INVITED, "{path}");

        stream.write_all(body.as_bytes()).await.unwrap();

        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        rt::time::timeout(PATIENCE, read).await.expect("no end").unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    let all: Value = server.ok("list_memories", json!({})).await;
    assert_eq!(all["total"], 201);
}

#[actix_web::test]
async fn a_connection_goes_on_after_a_body_that_was_invited() {
    let server = TestServer::start();
    let body = json!({ "content": "tea" }).to_string();
    let key = format!("X-API-Key: {KEY}\r\nContent-Length: {}\r\n", body.len());
    let first = asking_first("/api/v1/memories", &key);
    let last = format!(
        "GET /api/v1/tags HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n\
         Connection: close\r\n\r\n"
    );

    // One that does not wait for the word.
    let told = server.raw(&format!("{first}{body}{last}")).await;

    let statuses: Vec<&str> = told.split("HTTP/1.1 ").skip(1).map(|one| &one[..3]).collect();
    assert_eq!(statuses.iter().filter(|status| **status != "100").count(), 2, "{told}");
    assert!(statuses.contains(&"201") && statuses.ends_with(&["200"]), "{told}");
}

#[actix_web::test]
async fn a_compressed_body_is_refused() {
    let server = TestServer::start();
    let headers = [("X-API-Key", KEY), ("Content-Encoding", "gzip")];

    let reply = server.send("POST", "/api/v1/memories", &headers, Some(&json!({}))).await;

    assert_eq!(reply.status, 415);
}

#[actix_web::test]
async fn a_key_in_the_query_string_opens_nothing() {
    let server = TestServer::start();

    for name in ["api_key", "token", "access_token", "X-API-Key"] {
        let path = format!("/api/v1/tags?{name}={KEY}");
        assert_eq!(server.send("GET", &path, &[], None).await.status, 401);
    }
}

#[actix_web::test]
async fn oauth_metadata_is_a_plain_404() {
    let server = TestServer::start();

    for (method, path) in [
        ("GET", "/.well-known/oauth-protected-resource"),
        ("GET", "/.well-known/oauth-authorization-server/mcp"),
        ("GET", "/.well-known/openid-configuration"),
        ("GET", "/authorize"),
        ("POST", "/register"),
        ("POST", "/token"),
    ] {
        let reply = server.send(method, path, &[], None).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.json()["error"].is_string());
    }
}

#[actix_web::test]
async fn the_protocol_is_served_without_a_session() {
    let server = TestServer::start();
    let key = [("X-API-Key", KEY), ("Mcp-Session-Id", "from-before-the-restart")];

    let initialize = rpc("initialize", json!({ "protocolVersion": "2025-06-18" }));
    let reply = server.send("POST", "/mcp", &key, Some(&initialize)).await;
    assert_eq!(reply.json()["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(reply.header("mcp-session-id"), None);

    let server = server.restart().await;
    let list = server.send("POST", "/mcp", &key, Some(&rpc("tools/list", json!({})))).await;
    assert_eq!(list.json()["result"]["tools"].as_array().unwrap().len(), 7);
}

#[actix_web::test]
async fn a_head_that_is_asked_ahead_shifts_no_answer() {
    let server = TestServer::start();
    let key = format!("Host: localhost\r\nX-API-Key: {KEY}\r\n");
    let ahead = format!(
        "GET /api/v1/tags HTTP/1.1\r\n{key}\r\nHEAD /health HTTP/1.1\r\n{key}\r\n\
         GET /api/v1/projects HTTP/1.1\r\n{key}Connection: close\r\n\r\n"
    );
    let in_turn = format!("HEAD /health HTTP/1.1\r\n{key}Connection: close\r\n\r\n");

    let told = server.raw(&ahead).await;
    let after = server.raw(&in_turn).await;

    assert!(told.matches("HTTP/1.1 ").count() <= 1, "an answer stands in for a body: {told}");
    assert!(after.starts_with("HTTP/1.1 200 ") && after.ends_with("\r\n\r\n"), "{after}");
}

#[actix_web::test]
async fn whatever_is_asked_ahead_is_answered_in_turn() {
    let server = TestServer::start();
    let key = format!("Host: localhost\r\nX-API-Key: {KEY}\r\n");
    // Each part is more than is read ahead of an answer.
    let probes = format!("GET /health HTTP/1.1\r\n{key}\r\n").repeat(100);
    let body = json!({ "content": "tea ".repeat(5_000) }).to_string();
    let json = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let write = format!("POST /api/v1/memories HTTP/1.1\r\n{key}{json}\r\n{body}");
    let last = format!("GET /api/v1/tags HTTP/1.1\r\n{key}Connection: close\r\n\r\n");

    let told = server.raw(&format!("{probes}{write}{probes}{write}{last}")).await;

    let statuses: Vec<&str> = told.split("HTTP/1.1 ").skip(1).map(|one| &one[..3]).collect();
    let mut expected = vec!["200"; 203];
    expected[100] = "201";
    assert_eq!(statuses, expected);
}
