//! What a proxy of this machine changes: loopback is not the owner any more.

use super::tests::{GOOD, TestServer};

const SIGNS: [(&str, &str); 4] = [
    ("X-Forwarded-For", "198.51.100.7"),
    ("X-Forwarded-Proto", "https"),
    ("Via", "1.1 proxy"),
    ("X-Real-IP", "127.0.0.1"),
];

const OPEN: (&str, &str) = ("METRICS_OPEN", "true");

#[actix_web::test]
async fn figures_take_a_key_once_a_proxy_was_seen() {
    for sign in SIGNS {
        let server = TestServer::start(&[OPEN]);
        assert_eq!(server.status("/metrics", &[]).await, 200);

        // Whatever it was that was asked, and whoever asked it.
        server.status("/health", &[sign]).await;

        assert_eq!(server.status("/metrics", &[]).await, 401, "{sign:?}");
        assert_eq!(server.status("/metrics", &[GOOD]).await, 200, "{sign:?}");
    }
}

#[actix_web::test]
async fn figures_take_a_key_where_the_settings_speak_of_a_proxy() {
    for (setting, status) in [
        (("TRUSTED_PROXIES", "127.0.0.1/32"), 401),
        (("PUBLIC_URL", "https://memory.example.com"), 401),
        (("TRUSTED_PROXIES", "none"), 200),
        (("PUBLIC_URL", "http://localhost:3000"), 200),
    ] {
        let server = TestServer::start(&[OPEN, setting]);
        assert_eq!(server.status("/metrics", &[]).await, status, "{setting:?}");
        assert_eq!(server.status("/metrics", &[GOOD]).await, 200, "{setting:?}");
    }
}

#[actix_web::test]
async fn without_authentication_nobody_comes_through_a_proxy() {
    let server = TestServer::start(&[("DISABLE_AUTH", "true")]);

    for sign in SIGNS.iter().chain(&[("Forwarded", "for=127.0.0.1")]) {
        let refused = server.get("/me", &[*sign]).await;
        assert_eq!(refused.status, 403, "{sign:?}");
        assert_eq!(refused.body["code"], "forwarded_refused");
    }
    assert_eq!(server.status("/me", &[]).await, 200);
}
