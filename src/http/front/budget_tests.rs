//! What strangers, wrong keys and web pages can use up.

use actix_web::http::Method;
use serde_json::json;

use super::tests::{GOOD, TestServer};

const LIMIT: [(&str, &str); 2] = [("RATE_LIMIT_REQUESTS", "2"), ("RATE_LIMIT_WINDOW", "60")];

#[actix_web::test]
async fn a_web_page_spends_nobodys_budget() {
    let server = TestServer::start(&LIMIT);

    for site in ["cross-site", "same-site"] {
        for path in ["/me", "/mcp", "/metrics", "/nope"] {
            let refused = server.get(path, &[("Sec-Fetch-Site", site)]).await;
            assert_eq!((refused.status, &refused.body["code"]), (403, &json!("origin_refused")));
            assert!(!refused.headers.contains_key("ratelimit-remaining"), "{path} was counted");
        }
    }
    assert_eq!(server.metrics.stats_json()["cors_violations"], 8);
    assert_eq!(server.metrics.stats_json()["failed_authentications"], 0);
    assert_eq!(server.status("/health", &[("Sec-Fetch-Site", "cross-site")]).await, 200);
    for site in ["none", "same-origin"] {
        assert_eq!(server.status("/me", &[GOOD, ("Sec-Fetch-Site", site)]).await, 200);
    }
}

#[actix_web::test]
async fn an_allowed_page_may_fetch_from_another_site() {
    let server = TestServer::start(&[("ALLOWED_ORIGINS", "https://claude.ai")]);
    let site = ("Sec-Fetch-Site", "cross-site");

    assert_eq!(server.status("/me", &[GOOD, site, ("Origin", "https://claude.ai")]).await, 200);
    assert_eq!(server.status("/me", &[GOOD, site, ("Origin", "https://evil.example")]).await, 403);
    assert_eq!(server.status("/me", &[GOOD, site]).await, 403);
}

#[actix_web::test]
async fn strangers_never_use_up_what_a_key_may_ask() {
    let server = TestServer::start(&LIMIT);

    for status in [401, 401, 429, 429] {
        assert_eq!(server.status("/me", &[]).await, status);
    }
    let first = server.get("/me", &[GOOD]).await;
    assert_eq!((first.status, first.headers["ratelimit-remaining"].as_str()), (200, "1"));
    assert_eq!(server.status("/me", &[GOOD]).await, 200);
    assert_eq!(server.status("/me", &[GOOD]).await, 429);
}

#[actix_web::test]
async fn too_many_wrong_keys_do_not_shut_the_door_to_good_ones() {
    let server = TestServer::start(&[("AUTH_FAIL_LIMIT", "2"), ("RATE_LIMIT_REQUESTS", "0")]);

    for (key, status) in [("wrong-key-1", 401), ("wrong-key-2", 401), ("wrong-key-3", 429)] {
        assert_eq!(server.status("/me", &[("X-API-Key", key)]).await, status, "{key}");
    }
    assert_eq!(server.status("/me", &[GOOD]).await, 200);
    assert_eq!(server.status("/me", &[]).await, 401, "no attempt");
}

#[actix_web::test]
async fn wrong_keys_have_no_limit_where_the_settings_have_none() {
    let server = TestServer::start(&[("AUTH_FAIL_LIMIT", "0"), ("RATE_LIMIT_REQUESTS", "0")]);

    for n in 0..30 {
        let key = format!("wrong-key-{n}");
        assert_eq!(server.status("/me", &[("X-API-Key", key.as_str())]).await, 401);
    }
    let fine = server.get("/me", &[GOOD]).await;
    assert!(fine.status == 200 && !fine.headers.contains_key("ratelimit-remaining"));
}

#[actix_web::test]
async fn a_program_with_an_old_key_makes_one_mistake_however_often_it_calls() {
    let server = TestServer::start(&[("AUTH_FAIL_LIMIT", "2"), ("RATE_LIMIT_REQUESTS", "0")]);

    for _ in 0..5 {
        assert_eq!(server.status("/me", &[("X-API-Key", "an-old-key")]).await, 401);
    }
    assert_eq!(server.status("/me", &[("X-MCP-Token", "another")]).await, 401);
    assert_eq!(server.status("/me", &[("X-MCP-Token", "a-third")]).await, 429);
}

#[actix_web::test]
async fn looking_for_oauth_is_no_failed_attempt() {
    let server = TestServer::start(&LIMIT);

    for _ in 0..5 {
        let path = "/.well-known/openid-configuration";
        for method in [Method::GET, Method::HEAD, Method::POST] {
            assert_eq!(server.send(method, path, &[], "").await.status, 404);
        }
    }
    assert_eq!(server.metrics.stats_json()["failed_authentications"], 0);
    assert_eq!(server.status("/me", &[]).await, 401, "nothing was counted before");
}
