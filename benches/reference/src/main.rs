//! What memoryd is measured against: the same framework, the same calls over HTTP, and SQLite FTS5 below.
//!
//! `memoryd-reference each|group` takes `PORT`, `DATA_DIR` and `MCP_API_KEY` as memoryd does, and answers `/health`,
//! `add_memory` and `search_memories` of `/mcp`, and `/api/v1/import`. With `each` every add is a commit of its own; with
//! `group` one thread commits together what came while the last commit ran. Either is on the disk before it is answered.
//! It does nothing else that a memory server does, and asks the store on the workers themselves: that is as fast as
//! SQLite can be asked here.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::{env, iter, thread};

use actix_web::error::{ErrorBadRequest, ErrorInternalServerError};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// The words are kept once, in the table; a word is found in all its forms, as memoryd finds it.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS memories
        (id INTEGER PRIMARY KEY, content TEXT NOT NULL, created_at INTEGER NOT NULL DEFAULT (unixepoch()));
    CREATE VIRTUAL TABLE IF NOT EXISTS words
        USING fts5(content, content = 'memories', content_rowid = 'id', tokenize = 'porter unicode61');";

/// Durable, and with the whole store in memory.
const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -131072; PRAGMA mmap_size = 1073741824;";

const SEARCH: &str = "
    SELECT memories.id, memories.content, memories.created_at, rank
    FROM words JOIN memories ON memories.id = words.rowid WHERE words MATCH ?1 ORDER BY rank LIMIT 10";

/// An import comes as one body.
const BODY_BYTES: usize = 64 << 20;

/// What a worker answers with. The connection is its own.
struct Store {
    connection: Connection,
    writer: Writer,
    key: String,
}

#[derive(Clone)]
enum Writer {
    Each(Arc<Mutex<Connection>>),
    Group(mpsc::Sender<Waiting>),
}

struct Waiting {
    content: String,
    committed: oneshot::Sender<i64>,
}

#[derive(Deserialize)]
struct Call {
    id: Value,
    params: Params,
}

#[derive(Deserialize)]
#[serde(tag = "name", content = "arguments", rename_all = "snake_case")]
enum Params {
    AddMemory { content: String },
    SearchMemories { query: String },
}

#[derive(Deserialize)]
struct Line {
    content: String,
}

#[derive(Serialize)]
struct Added {
    id: i64,
    status: &'static str,
}

#[derive(Serialize)]
struct Found {
    results: Vec<Hit>,
}

#[derive(Serialize)]
struct Hit {
    id: i64,
    content: String,
    created_at: i64,
    score: f64,
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = format!("{}.sqlite", env::var("DATA_DIR")?);
    let (port, key) = (env::var("PORT")?.parse::<u16>()?, env::var("MCP_API_KEY")?);
    let connection = open(&path)?;
    connection.execute_batch(SCHEMA)?;
    let writer = match env::args().nth(1).as_deref() {
        Some("each") => Writer::Each(Arc::new(Mutex::new(connection))),
        Some("group") => Writer::group(connection),
        _ => return Err("usage: memoryd-reference each|group".into()),
    };
    let app = move || {
        let connection = open(&path).expect("the store was opened before");
        let store = Store { connection, writer: writer.clone(), key: key.clone() };
        App::new()
            .app_data(web::Data::new(store))
            .app_data(web::PayloadConfig::new(BODY_BYTES))
            .route("/health", web::get().to(health))
            .route("/mcp", web::post().to(call))
            .route("/api/v1/import", web::post().to(import))
    };
    Ok(HttpServer::new(app).tcp_nodelay(true).bind(("127.0.0.1", port))?.run().await?)
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

async fn call(
    request: HttpRequest,
    body: web::Bytes,
    store: web::Data<Store>,
) -> actix_web::Result<HttpResponse> {
    if !store.admits(&request) {
        return Ok(HttpResponse::Unauthorized().finish());
    }
    let call: Call = serde_json::from_slice(&body).map_err(ErrorBadRequest)?;
    match call.params {
        Params::AddMemory { content } => {
            let id = store.writer.add(content).await.map_err(ErrorInternalServerError)?;
            answered(&call.id, &Added { id, status: "created" })
        }
        Params::SearchMemories { query } => {
            let results = store.search(&query).map_err(ErrorInternalServerError)?;
            answered(&call.id, &Found { results })
        }
    }
}

/// As text and as structured content, like every tool of memoryd.
fn answered(id: &Value, told: &impl Serialize) -> actix_web::Result<HttpResponse> {
    let told = serde_json::to_string(told).map_err(ErrorInternalServerError)?;
    let text = Value::from(told.as_str());
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":{text}}}],"structuredContent":{told}}}}}"#
    );
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}

async fn import(
    request: HttpRequest,
    body: String,
    store: web::Data<Store>,
) -> actix_web::Result<HttpResponse> {
    if !store.admits(&request) {
        return Ok(HttpResponse::Unauthorized().finish());
    }
    let lines: Result<Vec<Line>, _> = body.lines().map(serde_json::from_str).collect();
    let contents: Vec<String> =
        lines.map_err(ErrorBadRequest)?.into_iter().map(|line| line.content).collect();
    let ids = insert(&store.connection, &contents).map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::Ok().json(json!({ "imported": ids.len() })))
}

impl Store {
    fn admits(&self, request: &HttpRequest) -> bool {
        request.headers().get("x-api-key").is_some_and(|key| key.as_bytes() == self.key.as_bytes())
    }

    /// Any of the words may be in a memory, as with memoryd.
    fn search(&self, query: &str) -> rusqlite::Result<Vec<Hit>> {
        let words: Vec<String> =
            query.split_whitespace().map(|word| format!("\"{}\"", word.replace('"', ""))).collect();
        let mut statement = self.connection.prepare_cached(SEARCH)?;
        let found = statement.query_map([words.join(" OR ")], |row| {
            Ok(Hit {
                id: row.get(0)?,
                content: row.get(1)?,
                created_at: row.get(2)?,
                score: -row.get::<_, f64>(3)?,
            })
        })?;
        found.collect()
    }
}

impl Writer {
    /// Starts the thread that commits.
    fn group(connection: Connection) -> Self {
        let (sender, waiting) = mpsc::channel();
        thread::spawn(move || {
            if let Err(error) = commit_groups(&connection, &waiting) {
                eprintln!("error: no add is committed any more: {error}");
            }
        });
        Self::Group(sender)
    }

    async fn add(&self, content: String) -> Result<i64, Box<dyn Error>> {
        match self {
            Self::Each(connection) => {
                // Nobody leaves it half changed: a transaction that was not committed is rolled back.
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                let ids = insert(&connection, &[content])?;
                Ok(ids.first().copied().ok_or("nothing was stored")?)
            }
            Self::Group(sender) => {
                let (committed, receipt) = oneshot::channel();
                sender.send(Waiting { content, committed })?;
                Ok(receipt.await?)
            }
        }
    }
}

fn commit_groups(
    connection: &Connection,
    waiting: &mpsc::Receiver<Waiting>,
) -> rusqlite::Result<()> {
    while let Ok(first) = waiting.recv() {
        let (contents, receipts): (Vec<String>, Vec<oneshot::Sender<i64>>) = iter::once(first)
            .chain(waiting.try_iter())
            .map(|add| (add.content, add.committed))
            .unzip();
        let ids = insert(connection, &contents)?;
        for (receipt, id) in receipts.into_iter().zip(ids) {
            // Who has gone needs no answer.
            let _ = receipt.send(id);
        }
    }
    Ok(())
}

/// Stores the texts in one transaction, and is back once it is on the disk.
fn insert(connection: &Connection, contents: &[String]) -> rusqlite::Result<Vec<i64>> {
    let transaction = connection.unchecked_transaction()?;
    let mut ids = Vec::with_capacity(contents.len());
    for content in contents {
        transaction
            .prepare_cached("INSERT INTO memories(content) VALUES (?1)")?
            .execute([content])?;
        let id = transaction.last_insert_rowid();
        transaction
            .prepare_cached("INSERT INTO words(rowid, content) VALUES (?1, ?2)")?
            .execute((id, content))?;
        ids.push(id);
    }
    transaction.commit()?;
    Ok(ids)
}

fn open(path: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(PRAGMAS)?;
    Ok(connection)
}
