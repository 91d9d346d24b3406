use serde_json::json;

use crate::harness::{KEY, TestServer, rpc};

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
