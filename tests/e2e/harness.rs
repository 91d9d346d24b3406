use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use actix_web::rt;
use memoryd::config::{Config, Flags, Reader, Surroundings};
use memoryd::model::{Clock, Timestamp};
use memoryd::outward::{Internet, PublicInternet};
use memoryd::server::{Control, Server};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Opens every test server, with every scope.
pub const KEY: &str = "test-key-0123456789abcdef0123456789";

/// How long an answer may take before a test fails instead of hanging.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A real server on a free port of its own, with its own data directory and its own clock.
///
/// The port is taken before `start` returns, so no test needs to wait or retry.
pub struct TestServer {
    pub clock: ManualClock,
    pub url: String,
    pub dir: Arc<TempDir>,
    env: Vec<(String, String)>,
    control: Control,
    running: rt::task::JoinHandle<()>,
}

/// A clock that moves only when told to. It starts on 2026-01-01.
#[derive(Debug, Clone)]
pub struct ManualClock {
    wall: Arc<AtomicI64>,
    running: Arc<AtomicU64>,
}

/// An answer as it came over the wire.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl TestServer {
    pub fn start() -> Self {
        Self::with(&[])
    }

    pub fn with(env: &[(&str, &str)]) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        Self::in_dir(dir, env, ManualClock::default())
    }

    /// On a network of the test's own.
    pub fn on(internet: Arc<dyn Internet>, env: &[(&str, &str)]) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        Self::in_dir_on(&internet, dir, env, ManualClock::default())
    }

    fn in_dir(dir: Arc<TempDir>, env: &[(&str, &str)], clock: ManualClock) -> Self {
        let internet: Arc<dyn Internet> = Arc::new(PublicInternet);
        Self::in_dir_on(&internet, dir, env, clock)
    }

    fn in_dir_on(
        internet: &Arc<dyn Internet>,
        dir: Arc<TempDir>,
        env: &[(&str, &str)],
        clock: ManualClock,
    ) -> Self {
        let data = dir.path().join("data");
        let mut all = vec![
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("DATA_DIR", data.to_str().unwrap()),
            ("MCP_API_KEY", KEY),
            ("RATE_LIMIT_REQUESTS", "0"),
            // Tests of other things need no model, which is slow without optimization.
            ("EMBEDDING_BUILTIN", "table"),
            ("HTTP_WORKERS", "1"),
        ];
        all.retain(|(name, _)| !env.iter().any(|(other, _)| other == name));
        all.extend(env.iter().filter(|(_, value)| !value.is_empty()));
        let surroundings = Surroundings::only(dir.path().to_owned(), &all);
        let config = Config::load(&Flags::default(), &surroundings, Reader::Serve).unwrap().config;
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let server = Server::start_on(internet, &config, &shared, None).unwrap();
        let scheme = if config.tls.enabled { "https" } else { "http" };
        let url = format!("{scheme}://127.0.0.1:{}", server.address().port());
        let control = server.control();
        let running = rt::spawn(async move { server.run().await.unwrap() });
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self { clock, url, dir, env, control, running }
    }

    /// Stops in good order, as a signal would.
    pub async fn stop(self) {
        self.control.stop().await;
        self.running.await.unwrap();
    }

    /// Stops and starts again on the same data.
    pub async fn restart(self) -> Self {
        self.restart_after(|| {}).await
    }

    /// The same with some other settings.
    pub async fn restart_with(self, env: &[(&str, &str)]) -> Self {
        let (dir, own, clock) = (Arc::clone(&self.dir), self.env.clone(), self.clock.clone());
        self.stop().await;
        let kept = own.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let mut all: Vec<(&str, &str)> =
            kept.filter(|(name, _)| !env.iter().any(|(other, _)| other == name)).collect();
        all.extend(env);
        Self::in_dir(dir, &all, clock)
    }

    /// The same, with something done to the data while nobody has it open.
    pub async fn restart_after(self, accident: impl FnOnce()) -> Self {
        let (dir, env, clock) = (Arc::clone(&self.dir), self.env.clone(), self.clock.clone());
        self.stop().await;
        accident();
        let env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        Self::in_dir(dir, &env, clock)
    }

    /// Calls a tool and returns its result, failed or not.
    pub async fn tool(&self, name: &str, arguments: Value) -> Value {
        self.tool_as(KEY, name, arguments).await
    }

    async fn tool_as(&self, key: &str, name: &str, arguments: Value) -> Value {
        let call = rpc("tools/call", json!({ "name": name, "arguments": arguments }));
        let reply = self.send("POST", "/mcp", &[("X-API-Key", key)], Some(&call)).await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        reply.json()["result"].clone()
    }

    /// What a tool call that must succeed has to say.
    pub async fn ok(&self, name: &str, arguments: Value) -> Value {
        let result = self.tool(name, arguments).await;
        assert_ne!(result["isError"], true, "{name}: {result}");
        result["structuredContent"].clone()
    }

    /// The code of a tool call that must fail.
    pub async fn refusal(&self, name: &str, arguments: Value) -> String {
        let result = self.tool(name, arguments).await;
        assert_eq!(result["isError"], true, "{name}: {result}");
        let text: Value =
            serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        text["error"]["code"].as_str().unwrap().to_owned()
    }

    /// Stores a text and returns its id.
    pub async fn add(&self, content: &str) -> String {
        let added = self.ok("add_memory", json!({ "content": content })).await;
        added["id"].as_str().unwrap().to_owned()
    }

    /// The texts that answer a question, best first.
    pub async fn found(&self, arguments: Value) -> Vec<String> {
        let found = self.ok("search_memories", arguments).await;
        let results = found["results"].as_array().unwrap();
        results.iter().map(|hit| hit["content"].as_str().unwrap().to_owned()).collect()
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[("X-API-Key", KEY)], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, &[("X-API-Key", KEY)], Some(&body)).await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Reply {
        let body = body.map(|body| ("application/json", serde_json::to_vec(body).unwrap()));
        self.send_raw(method, path, headers, body).await
    }

    pub async fn send_raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, Vec<u8>)>,
    ) -> Reply {
        let client = awc::Client::builder().timeout(PATIENCE).finish();
        self.send_by(&client, method, path, headers, body).await
    }

    /// The same by a client that is set up otherwise.
    pub async fn send_by(
        &self,
        client: &awc::Client,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, Vec<u8>)>,
    ) -> Reply {
        let mut request = client.request(method.parse().unwrap(), format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        let sent = match body {
            Some((kind, body)) => request.content_type(kind).send_body(body).await,
            None => request.send().await,
        };
        let mut response = sent.unwrap();
        let headers = response.headers().iter();
        let headers = headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let body = response.body().limit(64 << 20).await.unwrap().to_vec();
        Reply { status: response.status().as_u16(), headers, body }
    }

    /// Opens the stream of a user's changes, and waits for its first words.
    pub async fn listen(&self, headers: &[(&str, &str)]) -> rt::net::TcpStream {
        self.listen_at("/api/v1/events", headers).await
    }

    /// The same for any stream.
    pub async fn listen_at(&self, path: &str, headers: &[(&str, &str)]) -> rt::net::TcpStream {
        let address = self.url.trim_start_matches("http://");
        let mut stream = rt::net::TcpStream::connect(address).await.unwrap();
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{lines}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(": listening") {
            let mut part = [0; 1_024];
            let read = stream.read(&mut part).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
            seen.extend(&part[..read]);
        }
        stream
    }

    /// Sends bytes as they are, which a client would tidy up first, and returns what comes back
    /// until the server closes. The request has to ask for that with `Connection: close`.
    pub async fn raw(&self, request: &str) -> String {
        let address = self.url.trim_start_matches("http://");
        let mut stream = rt::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let ended = rt::time::timeout(PATIENCE, read).await.expect("no end");
        if let Err(error) = ended {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        }
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        let wall = Arc::new(AtomicI64::new(1_767_225_600_000));
        Self { wall, running: Arc::default() }
    }
}

impl ManualClock {
    /// Time passes.
    pub fn advance(&self, span: Duration) {
        // First, so that nobody takes it for a jump who looks in between.
        self.running.fetch_add(u64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
        self.jump_ahead(span);
    }

    /// As when somebody sets the clock to a time that is not yet.
    pub fn jump_ahead(&self, span: Duration) {
        self.wall.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// As when somebody sets the clock back.
    pub fn go_back(&self, span: Duration) {
        self.wall.fetch_sub(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::SeqCst))
    }

    fn running(&self) -> Duration {
        Duration::from_millis(self.running.load(Ordering::SeqCst))
    }
}

pub fn rpc(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

pub const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}
