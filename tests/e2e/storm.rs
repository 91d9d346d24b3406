//! Writes from all sides while somebody puts the session to sleep again and again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use actix_web::rt::time::interval;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::harness::{KEY, TestServer, rpc};

const WRITERS: usize = 8;
const SPAN: Duration = Duration::from_secs(20);
/// Between two clients that disconnect.
const NAP: Duration = Duration::from_millis(200);
/// Every version is kept whole, so that a text to which all is appended takes the square of its
/// length. After so many versions the writers go on with another memory.
const VERSIONS: u64 = 100;
/// Fewer writes would show nothing.
const ENOUGH: usize = 100;

#[actix_web::test]
async fn nothing_acknowledged_is_lost_while_the_session_falls_asleep_under_its_writers() {
    let server = TestServer::start();
    let storm = Storm::default();
    let first = Client::new(&server).add("shared by all").await;
    storm.shared.borrow_mut().push(first);
    let over = Instant::now() + SPAN;

    let writers = join_all((0..WRITERS).map(|n| storm.write(Client::new(&server), n, over)));
    join(writers, disconnect(Client::new(&server), over)).await;

    let counts = (storm.appended.borrow().len(), storm.added.borrow().len());
    assert!(counts.0 > ENOUGH && counts.1 > ENOUGH, "only {counts:?} writes");
    storm.assert_kept(&server).await;
    let server = server.restart().await;
    storm.assert_kept(&server).await;
}

/// Everything whose answer arrived.
#[derive(Default)]
struct Storm {
    /// The memories to which all append; the last is the present one.
    shared: RefCell<Vec<String>>,
    /// Where a word was appended, and the word.
    appended: RefCell<Vec<(String, String)>>,
    /// Id to text.
    added: RefCell<BTreeMap<String, String>>,
}

impl Storm {
    async fn write(&self, client: Client, writer: usize, over: Instant) {
        let mut turn = 0;
        while Instant::now() < over {
            let number = writer * 1_000_000 + turn;
            self.append(&client, &format!("append{number}")).await;
            self.add_and_find(&client, &format!("marker{number}")).await;
            turn += 1;
        }
    }

    async fn append(&self, client: &Client, word: &str) {
        let shared = self.shared.borrow().last().unwrap().clone();
        let updated = client.ok("update_memory", json!({ "id": shared, "append": word })).await;
        self.appended.borrow_mut().push((shared, word.to_owned()));
        if updated["memory"]["version"] == VERSIONS {
            let next = client.add(&format!("shared by all, after {word}")).await;
            self.shared.borrow_mut().push(next);
        }
    }

    async fn add_and_find(&self, client: &Client, word: &str) {
        let text = format!("the word is {word}");
        let id = client.add(&text).await;
        self.added.borrow_mut().insert(id.clone(), text);
        let asked = json!({ "query": word, "mode": "keyword" });
        let found = client.ok("search_memories", asked).await;
        let results = found["results"].as_array().unwrap();
        let is_found = results.iter().any(|hit| hit["id"] == id.as_str());
        assert!(is_found, "{word} is not found by the next search");
    }

    /// Looks for every acknowledged write in what is stored now, former versions included.
    async fn assert_kept(&self, server: &TestServer) {
        let stored = everything(server).await;
        let is_lost = |id: &str, line: &str| {
            stored.get(id).is_none_or(|lines: &BTreeSet<String>| !lines.contains(line))
        };
        let appended = self.appended.borrow();
        let lost_appends: Vec<_> = appended.iter().filter(|(id, word)| is_lost(id, word)).collect();
        assert!(lost_appends.is_empty(), "of {} appends: {lost_appends:?}", appended.len());
        let added = self.added.borrow();
        let lost_texts: Vec<_> = added.iter().filter(|(id, text)| is_lost(id, text)).collect();
        assert!(lost_texts.is_empty(), "of {} texts: {lost_texts:?}", added.len());
    }
}

/// A client with a connection that it keeps, as assistants have one.
struct Client {
    http: awc::Client,
    url: String,
}

impl Client {
    fn new(server: &TestServer) -> Self {
        let http = awc::Client::builder().timeout(Duration::from_secs(60)).finish();
        Self { http, url: format!("{}/mcp", server.url) }
    }

    /// What a call that must succeed has to say.
    async fn ok(&self, name: &str, arguments: Value) -> Value {
        let call = rpc("tools/call", json!({ "name": name, "arguments": arguments }));
        let request = self.http.post(&self.url).insert_header(("X-API-Key", KEY));
        let mut response = request.send_json(&call).await.unwrap();
        let body = response.body().limit(64 << 20).await.unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(response.status().as_u16(), 200, "{name}: {answer}");
        assert_ne!(answer["result"]["isError"], true, "{name}: {answer}");
        answer["result"]["structuredContent"].clone()
    }

    async fn add(&self, content: &str) -> String {
        let added = self.ok("add_memory", json!({ "content": content })).await;
        assert_eq!(added["status"], "created", "{content}");
        added["id"].as_str().unwrap().to_owned()
    }
}

/// Says goodbye five times a second, which puts the session of all the others to sleep.
async fn disconnect(client: Client, over: Instant) {
    let mut naps = interval(NAP);
    while Instant::now() < over {
        naps.tick().await;
        let request = client.http.delete(&client.url).insert_header(("X-API-Key", KEY));
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
    }
}

/// The lines of each memory's text, now and in every version before.
async fn everything(server: &TestServer) -> BTreeMap<String, BTreeSet<String>> {
    let exported = server.get("/api/v1/export").await;
    let mut stored: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in exported.text().lines() {
        let memory: Value = serde_json::from_str(line).unwrap();
        let id = memory["id"].as_str().unwrap().to_owned();
        let lines = stored.entry(id).or_default();
        let versions = memory["history"].as_array().unwrap();
        for version in versions.iter().chain([&memory]) {
            let content = version["content"].as_str().unwrap();
            lines.extend(content.lines().map(str::to_owned));
        }
    }
    stored
}
