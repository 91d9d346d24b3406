//! Nobody gets what is another's: however many ask at once with the same ids, and whatever they name.

use actix_web::rt;
use serde_json::{Value, json};

use crate::harness::{KEY, Reply, TestServer, rpc};
use crate::tokens::token;

const LIST: &str = "/api/v1/memories";
const CLIENTS: usize = 200;
/// Memories of each; afterwards it only reads.
const ADDS: usize = 10;

/// One client with a user of its own. All send the same ids.
struct Client {
    url: String,
    token: String,
    mark: String,
    first: Option<String>,
}

impl Client {
    async fn send(&self, request: awc::ClientRequest, body: &Value) -> String {
        let request = request.insert_header(("X-API-Key", self.token.as_str()));
        let sent =
            if body.is_null() { request.send().await } else { request.send_json(body).await };
        let mut response = sent.unwrap();
        let body = response.body().limit(16 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(response.status().is_success(), "{}: {text}", response.status());
        text
    }

    /// Calls again and again, and counts the answers that hold anything of somebody else.
    async fn run(mut self, calls: usize) -> usize {
        let connection =
            awc::Client::builder().timeout(std::time::Duration::from_secs(120)).finish();
        let mut crossed = 0;
        for call in 0..calls {
            let text = if call % 5 == 4 {
                let path = format!("{}/api/v1/search?query=note", self.url);
                self.send(connection.get(path), &Value::Null).await
            } else {
                let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": self.asked(call) });
                let path = format!("{}/mcp", self.url);
                let text = self.send(connection.post(path), &body).await;
                let answer: Value = serde_json::from_str(&text).unwrap();
                assert_eq!((&answer["id"], &answer["error"]), (&json!(7), &Value::Null), "{text}");
                let told = &answer["result"]["structuredContent"];
                if self.first.is_none() {
                    self.first = told["id"].as_str().map(str::to_owned);
                }
                text
            };
            let of_others =
                text.match_indices("mark").filter(|(at, _)| !text[*at..].starts_with(&self.mark));
            crossed += usize::from(of_others.count() > 0 || !text.contains(&self.mark));
        }
        crossed
    }

    fn asked(&self, call: usize) -> Value {
        let (name, arguments) = match call % 5 {
            0 if call / 5 < ADDS => {
                ("add_memory", json!({ "content": format!("{} note {call}", self.mark) }))
            }
            0 => ("get_memory", json!({ "id": self.first })),
            1 => ("search_memories", json!({ "query": "note", "detail": "brief" })),
            2 => ("get_context", json!({ "query": "note", "max_tokens": 500 })),
            _ => ("list_memories", json!({ "limit": 5 })),
        };
        json!({ "name": name, "arguments": arguments })
    }
}

#[actix_web::test]
async fn of_interleaved_calls_with_equal_ids_no_answer_is_crossed() {
    let server = TestServer::with(&[("HTTP_WORKERS", "4")]);
    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        let token = token(&server, json!({ "user_id": format!("user-{n}") })).await;
        let mark = format!("mark{n:03}x");
        clients.push(Client { url: server.url.clone(), token, mark, first: None });
    }

    let each = calls() / CLIENTS;
    let running: Vec<_> = clients.into_iter().map(|client| rt::spawn(client.run(each))).collect();
    let mut crossed = 0;
    for client in running {
        crossed += client.await.unwrap();
    }

    assert_eq!(crossed, 0, "of {}", each * CLIENTS);
}

/// CI makes some; `make torture-isolation` a hundred thousand.
#[allow(clippy::disallowed_methods, reason = "it is no setting of the server")]
fn calls() -> usize {
    let told = std::env::var("MEMORYD_CALLS").ok().and_then(|n| n.parse::<usize>().ok());
    told.unwrap_or(4_000)
}

/// A credential, and whose memories in which project it may know of.
struct Knower {
    token: String,
    user: usize,
    bound: Option<usize>,
}

struct Target {
    id: String,
    user: usize,
    project: usize,
    mark: String,
}

const USERS: usize = 4;
const PROJECTS: [&str; 4] = ["boat", "Boat house", "bo", "boat/house"];

/// Numbers that look random and are the same in every run (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }
}

async fn knowers(server: &TestServer) -> Vec<Knower> {
    let mut knowers = Vec::new();
    for user in 0..USERS {
        let name = format!("user-{user}");
        let free = token(server, json!({ "user_id": name })).await;
        knowers.push(Knower { token: free, user, bound: None });
        for (project, called) in PROJECTS.iter().enumerate() {
            let wanted = json!({ "user_id": name, "project": called });
            knowers.push(Knower { token: token(server, wanted).await, user, bound: Some(project) });
        }
    }
    knowers
}

async fn targets(server: &TestServer) -> Vec<Target> {
    let mut targets = Vec::new();
    for user in 0..USERS {
        for (project, called) in PROJECTS.iter().enumerate() {
            let mark = format!("mark{user}{project}x");
            let body = json!({
                "user_id": format!("user-{user}"), "content": format!("{mark} shared words"),
                "project": called, "tags": ["shared"],
            });
            let added = server.post(LIST, body).await.json();
            let id = added["id"].as_str().unwrap().to_owned();
            targets.push(Target { id, user, project, mark });
        }
    }
    targets
}

/// Asks for a memory in one of many ways. The first eight only read.
async fn ask(server: &TestServer, knower: &Knower, target: &Target, way: usize) -> Reply {
    let key = [("X-API-Key", knower.token.as_str())];
    let id = &target.id;
    let get = async |path: String| server.send("GET", &path, &key, None).await;
    let post =
        async |path: String, body: Value| server.send("POST", &path, &key, Some(&body)).await;
    let tool = async |name: &str, arguments: Value| {
        post("/mcp".to_owned(), rpc("tools/call", json!({ "name": name, "arguments": arguments })))
            .await
    };
    match way {
        0 => get(format!("{LIST}/{id}")).await,
        1 => get(format!("{LIST}/{id}/history")).await,
        2 => get(format!("/api/v1/search?query={id}")).await,
        3 => get("/api/v1/search?query=shared+words&limit=100".to_owned()).await,
        4 => tool("get_memory", json!({ "id": id })).await,
        5 => {
            post(
                "/mcp".to_owned(),
                rpc("resources/read", json!({ "uri": format!("memory://memory/{id}") })),
            )
            .await
        }
        6 => get(format!("{LIST}?tags=shared&limit=100")).await,
        7 => get("/api/v1/export".to_owned()).await,
        8 => tool("update_memory", json!({ "id": id, "content": "taken" })).await,
        9 => tool("delete_memory", json!({ "id": id, "purge": true })).await,
        10 => post(format!("{LIST}/{id}/restore"), json!({})).await,
        11 => post(LIST.to_owned(), json!({ "content": "newer", "supersedes": id })).await,
        12 => post("/api/v1/undo".to_owned(), json!({ "id": id, "dry_run": false })).await,
        _ => get(format!("{LIST}/{id}/related")).await,
    }
}

#[actix_web::test]
async fn no_id_and_no_name_opens_what_is_another_s() {
    let server = TestServer::start();
    let (knowers, targets) = (knowers(&server).await, targets(&server).await);
    let mut dice = Dice(0x5eed_0001);
    let mut seen = [0, 0];

    for round in 0..600 {
        let knower = &knowers[dice.roll(knowers.len())];
        let target = &targets[dice.roll(targets.len())];
        let is_own = knower.user == target.user
            && knower.bound.is_none_or(|project| project == target.project);
        // What may be changed would be, so its owner only reads it.
        let way = dice.roll(if is_own { 8 } else { 14 });
        let reply = ask(&server, knower, target, way).await;
        let text = reply.text();
        assert_eq!(text.contains(&target.mark), is_own, "round {round}, way {way}: {text}");
        seen[usize::from(is_own)] += 1;
    }

    assert!(seen[0] > 200 && seen[1] > 30, "{seen:?}");
    for target in &targets {
        let path = format!("{LIST}/{}?user_id=user-{}", target.id, target.user);
        let there = server.send("GET", &path, &[("X-API-Key", KEY)], None).await.json();
        assert_eq!(there["memory"]["version"], 1, "nobody has changed {}: {there}", target.mark);
    }
}
