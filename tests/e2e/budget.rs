//! Nobody but the owner spends the owner's budget.

use serde_json::json;

use crate::harness::{KEY, TestServer, rpc};

/// What a browser says of an image or a fetch that a page of somebody else asks for.
const BY_A_PAGE: &[(&str, &str)] =
    &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")];

/// The default of `rate_limit.requests`.
const BUDGET: usize = 100;

#[actix_web::test]
async fn a_page_of_somebody_else_does_not_spend_the_budget_of_a_key() {
    let server = TestServer::with(&[("RATE_LIMIT_REQUESTS", "")]);

    for path in ["/mcp", "/api/v1/memories", "/nope"] {
        for _ in 0..BUDGET / 2 {
            let reply = server.send("GET", path, BY_A_PAGE, None).await;
            assert!(reply.status >= 400, "{path}: {}", reply.status);
        }
    }

    assert_is_served(&server).await;
}

#[actix_web::test]
async fn requests_without_a_key_have_a_budget_of_their_own() {
    let server = TestServer::with(&[("RATE_LIMIT_REQUESTS", "")]);

    for _ in 0..BUDGET + 50 {
        let reply = server.send("GET", "/mcp", &[], None).await;
        assert!(reply.status >= 400, "{}", reply.status);
    }

    assert_is_served(&server).await;
}

#[actix_web::test]
async fn a_right_key_passes_whatever_was_tried_before_it() {
    let server = TestServer::with(&[("AUTH_FAIL_LIMIT", "10")]);
    let old = [("X-API-Key", "the-key-before-this-one-0123456789")];

    for _ in 0..12 {
        let reply = server.send("GET", "/api/v1/tags", &old, None).await;
        assert!(matches!(reply.status, 401 | 429), "{}", reply.text());
    }
    assert_is_served(&server).await;

    let mut codes = Vec::new();
    for n in 0..12 {
        let guess = format!("a-guess-0123456789-{n}");
        let header = [("X-API-Key", guess.as_str())];
        codes.push(server.send("GET", "/api/v1/tags", &header, None).await.status);
    }
    assert_eq!(codes.last(), Some(&429), "nothing limits guesses: {codes:?}");
    assert_is_served(&server).await;
}

#[actix_web::test]
async fn one_client_with_an_old_key_counts_once() {
    let server = TestServer::with(&[("AUTH_FAIL_LIMIT", "3")]);
    let old = [("X-API-Key", "the-key-before-this-one-0123456789")];

    for _ in 0..8 {
        let reply = server.send("GET", "/api/v1/tags", &old, None).await;
        assert_eq!(reply.status, 401, "{}", reply.text());
    }
}

/// The key of the settings still opens the doors, REST's and MCP's.
async fn assert_is_served(server: &TestServer) {
    let over_rest = server.get("/api/v1/tags").await;
    assert_eq!(over_rest.status, 200, "{}", over_rest.text());
    let key = [("X-API-Key", KEY)];
    let over_mcp = server.send("POST", "/mcp", &key, Some(&rpc("tools/list", json!({})))).await;
    assert_eq!(over_mcp.status, 200, "{}", over_mcp.text());
}
