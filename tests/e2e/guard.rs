//! The guard and the router must look at the same thing, however a path is spelled.

use crate::harness::{KEY, TestServer};

/// May read and write as the user `ada`, and nothing else.
const ORDINARY: &str = "ada-key-0123456789abcdef";

/// Ways to write the path of the metrics, some of which a router could take for the plain one.
const METRICS: &[&str] = &[
    "/metrics",
    "/metrics?x",
    "/%6detrics",
    "/%6Detrics",
    "/m%65trics",
    "/%6d%65%74%72%69%63%73",
    "/%256detrics",
    "//metrics",
    "/metrics/",
    "/metrics//",
    "/./metrics",
    "/%2e/metrics",
    "/metrics/.",
    "/%2fmetrics",
    "/metrics%2f",
    "/metrics%00",
    "/metrics%20",
    "/metrics;a=b",
    "/METRICS",
    "/health/../metrics",
    "/.well-known/oauth-x/../../metrics",
    "/.well-known/oauth-x/%2e%2e/%2e%2e/metrics",
    "http://localhost/metrics",
    "http://localhost/%6detrics",
];

/// The same for what an ordinary key may read of itself, and only an administrator of all.
const ADMIN: &[&str] = &[
    "/admin/stats",
    "/admin/%73tats",
    "/%61dmin/stats",
    "/%61dmin/%73tat%73",
    "//admin/stats",
    "/admin//stats",
    "/admin/stats/",
    "/admin/./stats",
    "/ADMIN/stats",
    "/admin%2fstats",
    "/admin/%73essions",
    "/%61pi/v1/%65xport",
    "/api/v1/%6demories",
    "/.well-known/oauth-x/../../admin/stats",
];

#[actix_web::test]
async fn an_ordinary_key_reads_no_metrics_however_the_path_is_spelled() {
    let server = start();

    for path in METRICS {
        for method in ["GET", "HEAD"] {
            let answer = ask(&server, method, path, &[("X-API-Key", ORDINARY)]).await;
            let is_refused = !answer.starts_with("HTTP/1.1 200") && !answer.contains("# TYPE ");
            assert!(is_refused, "{method} {path}: {answer:.300}");
        }
    }
    let answer = ask(&server, "GET", "/metrics", &[("X-API-Key", KEY)]).await;
    assert!(answer.contains("# TYPE "), "an administrator is turned away: {answer:.300}");

    for path in ADMIN {
        let answer = ask(&server, "GET", path, &[("X-API-Key", ORDINARY)]).await;
        assert!(!answer.contains("journal_bytes"), "{path}: {answer:.300}");
        // Somebody else on the network, for whom nothing is open that is open to this machine.
        let strange = ask(&server, "GET", path, &[("X-Forwarded-For", "203.0.113.9")]).await;
        assert!(!strange.starts_with("HTTP/1.1 200"), "{path}: {strange:.300}");
    }
}

#[actix_web::test]
async fn from_elsewhere_no_spelling_of_the_metrics_is_open_to_any_but_an_administrator() {
    let server = start();

    for path in METRICS {
        let forwarded = ("X-Forwarded-For", "203.0.113.9");
        let with_key = ask(&server, "GET", path, &[("X-API-Key", ORDINARY), forwarded]).await;
        assert!(!with_key.starts_with("HTTP/1.1 200"), "{path}: {with_key:.300}");
        let without = ask(&server, "GET", path, &[forwarded]).await;
        assert!(!without.starts_with("HTTP/1.1 200"), "{path}: {without:.300}");
    }
}

fn start() -> TestServer {
    let named = format!("ada:{ORDINARY}");
    TestServer::with(&[("MCP_API_KEYS", named.as_str())])
}

/// Asks for a path that goes over the wire just as it stands here.
async fn ask(server: &TestServer, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n");
    server.raw(&request).await
}
