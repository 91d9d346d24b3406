//! The layers as a whole, before a real listener, in the order of docs/API.md.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::bounds::tests::bounds;
use super::connection_tests;
use super::{ConnectionBounds, Connections, Front, Guard, PathId, extractors, receive};
use crate::actors::{Limiter, Quota, Quotas};
use crate::auth::{Credentials, Keyring, RingKey};
use crate::config::{Config, Flags, Reader, Surroundings};
use crate::http::body::{BodyRules, JsonBody};
use crate::http::metrics::Metrics;
use crate::http::route::{Row, get, post, register, register_nothing};
use crate::model::{Caller, Scope, UserId};

pub(super) const KEY: &str = "front-test-key-0123456789abcdef";
const PLAIN_KEY: &str = "plain-test-key-0123456789abcdef";

pub(super) struct TestServer {
    pub(super) base: String,
    handle: ServerHandle,
    pub(super) metrics: Arc<Metrics>,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Value,
}

impl TestServer {
    pub(super) fn start(env: &[(&str, &str)]) -> Self {
        let patience = Duration::from_secs(60);
        Self::bounded(env, ConnectionBounds { patience, idle: patience, ..bounds(1_024, &[]) })
    }

    pub(super) fn bounded(env: &[(&str, &str)], bounds: ConnectionBounds) -> Self {
        let (_, stopping) = watch::channel(false);
        let connections = Connections::new(bounds, &[], stopping);
        let metrics = Arc::new(Metrics::default());
        let front = web::Data::new(front_of(env, Arc::clone(&metrics)));
        let rules = BodyRules { limit: 1_000, timeout: Duration::from_millis(300) };
        let server = HttpServer::new(move || {
            App::new()
                .app_data(front.clone())
                .configure(extractors(rules))
                .configure(routes)
                .wrap(front.cors())
                .wrap(from_fn(receive))
        });
        let server = server.on_connect(move |stream, data| connections.welcome(stream, data));
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let base = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { base, handle, metrics }
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = awc::Client::new().request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        let mut response = request.send_body(body.to_owned()).await.unwrap();
        let body = response.body().await.unwrap();
        let headers = response.headers().iter();
        let text = |(name, value): (&_, &awc::http::header::HeaderValue)| {
            let name: &awc::http::header::HeaderName = name;
            (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
        };
        Answer {
            status: response.status().as_u16(),
            headers: headers.map(text).collect(),
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        }
    }

    pub(super) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, headers, "").await
    }

    pub(super) async fn status(&self, path: &str, headers: &[(&str, &str)]) -> u16 {
        self.get(path, headers).await.status
    }

    /// A connection on which `head` was sent, with the header `Host` added.
    pub(super) async fn connect(&self, head: &str) -> TcpStream {
        let address = self.base.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = head.replacen("\r\n", &format!("\r\nHost: {address}\r\n"), 1);
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    /// The whole answer to a request whose target is sent byte for byte, which no client does.
    pub(super) async fn raw(&self, target: &str, headers: &str) -> String {
        let head = format!("{target} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
        let mut answer = String::new();
        self.connect(&head).await.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        actix_web::rt::spawn(self.handle.stop(false));
    }
}

/// The layers as these settings make them, with two keys: an administrator's and a plain one.
pub(in crate::http) fn front_of(env: &[(&str, &str)], metrics: Arc<Metrics>) -> Front {
    let dir = tempfile::tempdir().unwrap();
    let mut env = env.to_vec();
    env.push(("MCP_API_KEY", KEY));
    env.push(("MCP_API_KEYS", "ada:plain-test-key-0123456789abcdef"));
    let surroundings = Surroundings::only(dir.path().to_owned(), &env);
    let config = Config::load(&Flags::default(), &surroundings, Reader::Serve).unwrap().config;
    let key = |key: crate::config::ConfiguredKey| RingKey {
        name: key.name,
        user: key.user,
        secret: key.secret,
        scopes: key.scopes,
    };
    let keyring: Keyring = config.keys().into_iter().map(key).collect();
    let credentials = match config.auth.disabled {
        true => Credentials::disabled(UserId::default_user()).unwrap(),
        false => Credentials::new(keyring, Arc::default()),
    };
    let limiter = Limiter::start(Quotas {
        requests: Quota { limit: config.rate_limit.requests, window: config.rate_limit.window },
        failures: Quota { limit: config.auth.fail_limit, window: config.auth.fail_window },
    });
    Front::new(&config, credentials, None, limiter, metrics)
}

fn routes(app: &mut web::ServiceConfig) {
    register_nothing(app, "/.well-known/{any:.*}", "a test");
    register(app, rows());
}

fn rows() -> Vec<Row> {
    let fine = || async { HttpResponse::Ok().json(json!({ "status": "healthy" })) };
    let me = |caller: Caller| async move {
        HttpResponse::Ok().json(json!({
            "user": caller.user,
            "credential": caller.credential,
            "project": caller.project,
            "address": caller.address,
        }))
    };
    let memory = |request: HttpRequest| async move {
        PathId::of(&request).map(|id| id.unwrap().0.to_string())
    };
    #[allow(unreachable_code, reason = "the handler's type comes from what it never returns")]
    let broken = || async {
        panic!("as the test wants it");
        HttpResponse::Ok().finish()
    };
    vec![
        get("/").guard(Guard::Open("a test")).to(fine),
        get("/health").guard(Guard::Open("a test")).to(fine),
        get("/metrics").guard(Guard::Monitoring).to(fine),
        get("/admin").guard(Guard::Scope(Scope::Admin)).to(fine),
        post("/echo").to(|body: JsonBody| async move { HttpResponse::Ok().json(body.0) }),
        get("/me").to(me),
        get("/memories/{id}").to(memory),
        get("/panic").to(broken),
        get("/endless").guard(Guard::Open("a test")).to(connection_tests::endless),
        get("/silent").guard(Guard::Open("a test")).to(connection_tests::silent),
        get("/large").guard(Guard::Open("a test")).to(connection_tests::large),
    ]
}

pub(super) const GOOD: (&str, &str) = ("X-API-Key", KEY);
pub(super) const PLAIN: (&str, &str) = ("X-API-Key", PLAIN_KEY);
pub(super) const JSON: (&str, &str) = ("Content-Type", "application/json");

#[actix_web::test]
async fn every_answer_wears_the_security_headers() {
    let server = TestServer::start(&[("SERVER_HEADER", "MemoryOS-MCP")]);

    for (method, path, headers, status) in [
        (Method::GET, "/", &[][..], 200),
        (Method::HEAD, "/health", &[], 200),
        (Method::GET, "/nope", &[], 401),
        (Method::GET, "/nope", &[GOOD], 404),
        (Method::GET, "/memories/none", &[GOOD], 404),
        (Method::DELETE, "/me", &[GOOD], 405),
        (Method::GET, "/panic", &[GOOD], 500),
        (Method::GET, "/me", &[("Origin", "https://evil.example")], 403),
        (Method::OPTIONS, "/me", &[("Access-Control-Request-Method", "POST")], 400),
        (Method::GET, "/.well-known/oauth-protected-resource", &[], 404),
    ] {
        let answer = server.send(method.clone(), path, headers, "").await;
        let has = |name: &str, value: &str| assert_eq!(answer.headers[name], value, "{path}");
        assert_eq!(answer.status, status, "{method} {path}");
        has("x-content-type-options", "nosniff");
        has("x-frame-options", "DENY");
        has("x-xss-protection", "1; mode=block");
        has("referrer-policy", "strict-origin-when-cross-origin");
        has("server", "MemoryOS-MCP");
        has("cache-control", "no-store");
        assert!(!answer.headers["x-request-id"].is_empty());
        assert!(!answer.headers.contains_key("strict-transport-security"));
        if status >= 400 {
            let texts =
                ["error", "message", "detail", "code"].map(|name| answer.body[name].is_string());
            assert_eq!(texts, [true; 4], "{method} {path}: {}", answer.body);
        }
    }
}

#[actix_web::test]
async fn a_wrong_method_learns_the_right_ones() {
    let server = TestServer::start(&[]);

    let answer = server.send(Method::PUT, "/me", &[GOOD], "").await;

    assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "GET, HEAD"));
}

#[actix_web::test]
async fn credentials_are_told_apart() {
    let server = TestServer::start(&[("AUTH_FAIL_LIMIT", "100")]);
    let bearer = format!("bearer {KEY}");

    for (headers, status, error) in [
        (&[][..], 401, "Missing or invalid Authorization header"),
        (&[("Authorization", "Basic eDp5")], 401, "Missing or invalid Authorization header"),
        (&[("Authorization", "Bearer")], 401, "Missing or invalid Authorization header"),
        (&[("X-MCP-Token", "wrong")], 401, "Invalid authentication token"),
        (&[GOOD, ("X-API-Key", "other")], 401, "Invalid authentication token"),
        (&[GOOD, ("X-MCP-UserID", "bob")], 401, "User ID mismatch"),
        (&[("Authorization", &bearer), ("X-MCP-UserID", "default")], 200, ""),
        (&[GOOD, ("Authorization", "Basic eDp5")], 200, ""),
    ] {
        let answer = server.get("/me", headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(answer.body["error"].as_str().unwrap_or_default(), error, "{headers:?}");
        if status == 401 {
            assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"memoryd\"");
        }
    }
    assert_eq!(server.metrics.stats_json()["failed_authentications"], 6);
}

#[actix_web::test]
async fn metrics_are_for_this_machine_and_for_administrators() {
    let closed = TestServer::start(&[]);
    assert_eq!(closed.status("/metrics", &[]).await, 401);
    let server = TestServer::start(&[("METRICS_OPEN", "true")]);
    let remote = ("X-Forwarded-For", "198.51.100.7");

    assert_eq!(server.status("/metrics", &[]).await, 200);
    assert_eq!(server.status("/metrics", &[("Host", "evil.example")]).await, 401);
    assert_eq!(server.status("/metrics", &[remote]).await, 401);
    for said in [("Forwarded", "for=127.0.0.1"), ("X-Real-IP", "127.0.0.1")] {
        assert_eq!(server.status("/metrics", &[said]).await, 401, "{said:?}: a proxy is between");
    }
    assert_eq!(server.status("/metrics", &[remote, GOOD]).await, 200);
    let refused = server.get("/metrics", &[remote, PLAIN]).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("insufficient_scope")));
    assert!(refused.headers["www-authenticate"].contains("error=\"insufficient_scope\""));
}

#[actix_web::test]
async fn no_spelling_of_a_path_comes_past_its_guard() {
    let server = TestServer::start(&[("RATE_LIMIT_REQUESTS", "0")]);
    let remote = "X-Forwarded-For: 198.51.100.7\r\n";
    let plain = format!("{remote}X-API-Key: {PLAIN_KEY}\r\n");

    for name in ["metrics", "admin"] {
        let encoded: String = name.bytes().map(|b| format!("%{b:02X}")).collect();
        for target in [
            format!("/{name}"),
            format!("/%{:02x}{}", name.as_bytes()[0], &name[1..]),
            format!("/{encoded}"),
            format!("//{name}"),
            format!("/{name}/"),
            format!("/{}", name.to_uppercase()),
            format!("/./{name}"),
            format!("/%2e/{name}"),
            format!("/health/../{name}"),
            format!("/health/%2e%2e/{name}"),
            format!("/{name}%2f"),
            format!("/{name};x"),
            format!("/{name}?x=1"),
            format!("http://127.0.0.1/{name}"),
        ] {
            let closed = server.raw(&format!("GET {target}"), remote).await;
            assert!(!closed.starts_with("HTTP/1.1 2"), "a stranger came to {target}: {closed}");
            let refused = server.raw(&format!("GET {target}"), &plain).await;
            assert!(!refused.starts_with("HTTP/1.1 2"), "a plain key came to {target}: {refused}");
        }
    }
    assert!(server.raw("GET /%6detrics", &plain).await.starts_with("HTTP/1.1 403 "));
    let admin = format!("{remote}X-API-Key: {KEY}\r\n");
    assert!(server.raw("GET /%6detrics", &admin).await.starts_with("HTTP/1.1 200 "));
}

#[actix_web::test]
async fn the_limit_counts_each_client_and_spares_probes_and_preflights() {
    let server = TestServer::start(&[("RATE_LIMIT_REQUESTS", "3"), ("RATE_LIMIT_WINDOW", "60")]);
    let preflight = [("Origin", "http://localhost:1"), ("Access-Control-Request-Method", "POST")];

    for _ in 0..5 {
        assert_eq!(server.status("/health", &[]).await, 200);
        assert_eq!(server.send(Method::OPTIONS, "/me", &preflight, "").await.status, 200);
    }
    let first = server.get("/me", &[GOOD]).await;
    assert_eq!((first.status, first.headers["ratelimit-remaining"].as_str()), (200, "2"));
    assert_eq!(server.status("/nope", &[]).await, 401);
    assert_eq!(server.status("/me", &[GOOD]).await, 200);
    assert_eq!(server.status("/nope", &[GOOD]).await, 404);

    let refused = server.get("/me", &[GOOD, ("Origin", "http://localhost:1")]).await;
    assert_eq!((refused.status, &refused.body["error"]), (429, &json!("Rate limit exceeded")));
    assert_eq!(refused.body["retry_after"].to_string(), refused.headers["retry-after"]);
    assert_eq!(refused.headers["ratelimit-limit"], "3");
    assert_eq!(refused.headers["access-control-allow-origin"], "http://localhost:1");
    let other = ("X-Forwarded-For", "198.51.100.7");
    assert_eq!(server.status("/me", &[GOOD, other]).await, 200);
    assert_eq!(server.metrics.stats_json()["rate_limit_violations"], 1);
}

#[actix_web::test]
async fn origins_are_looked_at_before_keys() {
    let list = [("ALLOWED_ORIGINS", "https://claude.ai,https://app.example.com")];
    let server = TestServer::start(&list);
    let evil = ("Origin", "https://malicious-site.com");

    let refused = server.get("/me", &[GOOD, evil]).await;
    assert_eq!((refused.status, &refused.body["error"]), (403, &json!("Origin not allowed")));
    assert!(!refused.headers.contains_key("access-control-allow-origin"));
    let listed = server.get("/me", &[GOOD, ("Origin", "https://claude.ai")]).await;
    assert_eq!(listed.status, 200);
    assert_eq!(listed.headers["access-control-allow-origin"], "https://claude.ai");
    assert!(listed.headers["access-control-expose-headers"].contains("retry-after"));

    let asked = "content-type,x-api-key,mcp-protocol-version,x-some-inspector";
    let preflight = [
        ("Origin", "https://app.example.com"),
        ("Access-Control-Request-Method", "DELETE"),
        ("Access-Control-Request-Headers", asked),
    ];
    let allowed = server.send(Method::OPTIONS, "/mcp", &preflight, "").await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.headers["access-control-allow-origin"], "https://app.example.com");
    assert_eq!(allowed.headers["access-control-allow-headers"], asked);
    assert_eq!(allowed.headers["access-control-max-age"], "600");
    let evil = [evil, ("Access-Control-Request-Method", "POST")];
    assert_eq!(server.send(Method::OPTIONS, "/mcp", &evil, "").await.status, 403);
    assert_eq!(server.metrics.stats_json()["cors_violations"], 2);
}

#[actix_web::test]
async fn cors_can_be_open_to_all_or_off() {
    let open = TestServer::start(&[("ALLOWED_ORIGINS", "*")]);
    let any = open.get("/me", &[GOOD, ("Origin", "https://any.example")]).await;
    assert_eq!(any.headers["access-control-allow-origin"], "*");
    assert!(!any.headers.contains_key("access-control-allow-credentials"));

    let off = TestServer::start(&[("ENABLE_CORS", "false")]);
    let own = off.base.clone();
    let answer = off.get("/me", &[GOOD, ("Origin", &own)]).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.keys().any(|name| name.starts_with("access-control")));
    assert_eq!(off.status("/me", &[GOOD, ("Origin", "http://localhost:5173")]).await, 403);
}

#[actix_web::test]
async fn hosts_and_https_are_enforced() {
    let server = TestServer::start(&[
        ("REQUIRE_HTTPS", "true"),
        ("TRUSTED_HOSTS", "yourdomain.com,*.home.lan"),
    ]);
    let https = ("X-Forwarded-Proto", "https");
    let host = ("Host", "yourdomain.com");

    let fine = server.get("/me", &[GOOD, https, host]).await;
    assert_eq!(fine.status, 200);
    assert!(fine.headers["strict-transport-security"].starts_with("max-age=31536000"));
    assert_eq!(server.status("/me", &[GOOD, https, ("Host", "a.home.lan:80")]).await, 200);
    assert_eq!(server.status("/me", &[GOOD, host]).await, 403);
    assert_eq!(server.status("/me", &[GOOD, https, ("Host", "evil.example")]).await, 400);
    assert_eq!(server.status("/health", &[]).await, 200);
    assert_eq!(server.status("/health", &[("X-Forwarded-For", "198.51.100.7")]).await, 400);
}

#[actix_web::test]
async fn without_authentication_only_names_of_this_machine_are_answered() {
    let server = TestServer::start(&[("DISABLE_AUTH", "true")]);

    assert_eq!(server.get("/me", &[]).await.body["user"], "default");
    assert_eq!(server.status("/me", &[("X-API-Key", "whatever")]).await, 200);
    assert_eq!(server.status("/me", &[("Host", "rebound.example:3000")]).await, 400);
}

#[actix_web::test]
async fn modes_decide_on_project_and_user() {
    let auto = TestServer::start(&[("PROJECT_ID_MODE", "auto")]);
    let dir = ("X-Project-Dir", "/projects/app1");
    assert_eq!(auto.get("/me", &[GOOD, dir]).await.body["project"], "project_app1_6fca7960");
    assert_eq!(auto.get("/me", &[GOOD]).await.body["project"], Value::Null);
    assert_eq!(auto.status("/me", &[GOOD, dir, ("X-Project-Dir", "/b")]).await, 400);

    let global = TestServer::start(&[("PROJECT_ID_MODE", "global"), ("DEFAULT_USER_ID", "shared")]);
    let me = global.get("/me", &[PLAIN, ("X-MCP-UserID", "ada")]).await.body;
    assert_eq!((&me["user"], &me["credential"]), (&json!("shared"), &json!("ada")));
}

#[actix_web::test]
async fn bodies_are_bounded_and_json() {
    let server = TestServer::start(&[]);
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1_000));

    for (headers, body, status) in [
        (&[GOOD, JSON][..], "{\"a\":1}", 200),
        (&[GOOD], "{\"a\":1}", 200),
        (&[GOOD, JSON], "", 400),
        (&[GOOD, JSON], "{nope", 400),
        (&[GOOD, JSON], "[]", 400),
        (&[GOOD, JSON], "{\"a\":1,\"a\":2}", 400),
        (&[GOOD, ("Content-Type", "text/plain")], "{}", 415),
        (&[GOOD, ("Content-Type", "application/json;charset=utf-16")], "{}", 415),
        (&[GOOD, ("Content-Type", "x/y+json")], "{}", 415),
        (&[GOOD, JSON, ("Content-Encoding", "gzip")], "{}", 415),
        (&[GOOD, JSON, ("Content-Encoding", "identity")], "{}", 200),
        (&[GOOD, JSON], &large, 413),
        (&[JSON], &large, 401),
    ] {
        let answer = server.send(Method::POST, "/echo", headers, body).await;
        assert_eq!(answer.status, status, "{headers:?} {body:.20}: {}", answer.body);
    }
    let answer = server.send(Method::POST, "/echo", &[GOOD, JSON], "{nope").await;
    assert_eq!(answer.body["error"], "Invalid JSON");
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = TestServer::start(&[]);
    let head =
        format!("POST /echo HTTP/1.1\r\nX-API-Key: {KEY}\r\nContent-Length: 9\r\n\r\n{{\"a\"");
    let mut stream = server.connect(&head).await;

    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();

    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"body_timeout\""), "{answer}");
}
