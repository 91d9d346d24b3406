//! `memoryd selftest`: asks a running server to do what it is there for, and tells what it did.

use actix_web::http::Method;
use awc::ClientRequest;
use serde_json::{Value, json};

use super::arguments::SelftestArguments;
use super::daemon::{Channel, Daemon};
use super::waiting::wait_for;
use super::{Failed, Outcome, elsewhere, say, say_json};
use crate::auth;
use crate::config::Config;

/// What was looked at, and whether it is as it should be.
struct Check {
    what: String,
    problem: Option<String>,
}

/// What every answer has to wear.
const HEADERS: [&str; 5] = [
    "x-content-type-options",
    "x-frame-options",
    "x-xss-protection",
    "referrer-policy",
    "x-request-id",
];

/// Prints a line a check. It fails if one of them does.
pub(super) fn run(config: &Config, arguments: &SelftestArguments, wants_json: bool) -> Outcome {
    let checks = wait_for(async {
        let Some(daemon) = Daemon::of(&arguments.server, config).await? else {
            elsewhere::refuse(config, &arguments.server).await?;
            return Err(Failed::new(
                "no server runs on this data directory; start one, or name one with --url"
                    .to_owned(),
            ));
        };
        all(&daemon).await
    })?;
    let failed = checks.iter().filter(|check| check.problem.is_some()).count();
    if wants_json {
        let told: Vec<Value> = checks
            .iter()
            .map(|check| json!({ "check": check.what, "ok": check.problem.is_none(), "problem": check.problem }))
            .collect();
        say_json(&json!({ "checks": told, "failed": failed }))?;
    } else {
        for Check { what, problem } in &checks {
            match problem {
                None => say(&format!("ok    {what}"))?,
                Some(problem) => say(&format!("FAIL  {what}: {problem}"))?,
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failed::new(format!("{failed} of {} checks failed", checks.len()))),
    }
}

async fn all(daemon: &Daemon) -> Result<Vec<Check>, Failed> {
    let (own, stranger) = (daemon.channel()?, daemon.channel_without_key()?);
    let mut checks = Vec::new();
    let mut tell = |what: &str, outcome: Result<String, String>| {
        let (what, problem) = match outcome {
            Ok(more) if more.is_empty() => (what.to_owned(), None),
            Ok(more) => (format!("{what}: {more}"), None),
            Err(problem) => (what.to_owned(), Some(problem)),
        };
        checks.push(Check { what, problem });
    };
    let health = ask(stranger.request(Method::GET, "/health"), None).await;
    tell("the server answers, and can write", health.and_then(|reply| reply.is(200)));
    let open = ask(stranger.request(Method::GET, "/api/v1/memories"), None).await;
    tell("who has no key is turned away", open.and_then(|reply| reply.is(401)));
    let wrong = auth::generate_key().map_err(Failed::because)?;
    let wrong = stranger
        .request(Method::GET, "/api/v1/memories")
        .insert_header(("X-API-Key", wrong.reveal()));
    tell("a wrong key is turned away", ask(wrong, None).await.and_then(|reply| reply.is(401)));
    let status = ask(own.request(Method::GET, "/api/status"), None).await;
    let as_whom = |reply: Reply| {
        reply.is(200)?;
        let scopes = reply.body.get("scopes").cloned().unwrap_or_default();
        Ok(format!(
            "user {}, scopes {scopes}",
            reply.body.get("user_id").cloned().unwrap_or_default()
        ))
    };
    tell("the key is good", status.and_then(as_whom));
    let dressed = ask(stranger.request(Method::GET, "/nothing/there"), None).await;
    tell(
        "every answer wears the headers that browsers want",
        dressed.and_then(|r| r.has_headers()),
    );
    tell("the protocol is spoken", initialize(&own).await);
    tell("tools are listed", tools(&own).await);
    for (what, outcome) in round_trip(&own).await {
        tell(what, outcome);
    }
    Ok(checks)
}

/// Stores a memory, finds it, and erases it again.
async fn round_trip(own: &Channel) -> Vec<(&'static str, Result<String, String>)> {
    let mark = match auth::generate_key() {
        Ok(key) => key.reveal().chars().filter(char::is_ascii_alphanumeric).take(12).collect(),
        Err(error) => return vec![("a memory is stored", Err(error.to_string()))],
    };
    let mark: String = mark;
    let content = format!("memoryd selftest {mark}");
    let added =
        ask(own.request(Method::POST, "/api/v1/memories"), Some(json!({ "content": content })))
            .await;
    let id = match added.and_then(|reply| reply.is(201).map(|_| reply)) {
        Ok(reply) => reply.body.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
        Err(problem) => return vec![("a memory is stored", Err(problem))],
    };
    let search = format!("/api/v1/search?query={mark}");
    let is_found = |reply: Reply| {
        reply.is(200)?;
        let results = reply.body.get("results").and_then(Value::as_array);
        let is_there = results.is_some_and(|results| {
            results.iter().any(|hit| hit.get("id").and_then(Value::as_str) == Some(&*id))
        });
        Ok(is_there)
    };
    let found = ask(own.request(Method::GET, &search), None).await.and_then(&is_found);
    let path = format!("/api/v1/memories/{id}");
    let erased = ask(own.request(Method::DELETE, &format!("{path}?purge=true")), None).await;
    let gone = ask(own.request(Method::GET, &search), None).await.and_then(&is_found);
    let expect = |outcome: Result<bool, String>, wanted: bool, problem: &str| match outcome {
        Ok(is_there) if is_there == wanted => Ok(String::new()),
        Ok(_) => Err(problem.to_owned()),
        Err(problem) => Err(problem),
    };
    vec![
        ("a memory is stored", Ok(String::new())),
        ("it is found at once", expect(found, true, "the search does not find it")),
        ("it is erased", erased.and_then(|reply| reply.is(200))),
        ("and not found any more", expect(gone, false, "the search still finds it")),
    ]
}

/// Says hello, and tells the version of the protocol that is spoken.
pub(super) async fn initialize(own: &Channel) -> Result<String, String> {
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {} });
    let reply = ask(own.request(Method::POST, "/mcp"), Some(hello)).await?;
    reply.is(200)?;
    let version = reply.body.pointer("/result/protocolVersion").and_then(Value::as_str);
    version.map(str::to_owned).ok_or_else(|| "the answer names no version".to_owned())
}

/// Asks for the tools, and tells how many there are.
pub(super) async fn tools(own: &Channel) -> Result<String, String> {
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let reply = ask(own.request(Method::POST, "/mcp"), Some(list)).await?;
    reply.is(200)?;
    let tools = reply.body.pointer("/result/tools").and_then(Value::as_array);
    match tools.map_or(0, Vec::len) {
        0 => Err("the list is empty".to_owned()),
        count => Ok(count.to_string()),
    }
}

struct Reply {
    status: u16,
    missing: Vec<&'static str>,
    body: Value,
}

impl Reply {
    fn is(&self, status: u16) -> Result<String, String> {
        if self.status == status {
            return Ok(String::new());
        }
        let why = self.body.get("detail").and_then(Value::as_str).unwrap_or_default();
        Err(format!("the status is {}, not {status} {why}", self.status))
    }

    fn has_headers(&self) -> Result<String, String> {
        match self.missing.is_empty() {
            true => Ok(String::new()),
            false => Err(format!("missing: {}", self.missing.join(", "))),
        }
    }
}

async fn ask(request: ClientRequest, body: Option<Value>) -> Result<Reply, String> {
    let sent = match body {
        Some(body) => request.send_json(&body).await,
        None => request.send().await,
    };
    let mut response = sent.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let missing = HEADERS.into_iter().filter(|name| !response.headers().contains_key(*name));
    let missing = missing.collect();
    let bytes = response.body().await.map_err(|error| error.to_string())?;
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(Reply { status, missing, body })
}
