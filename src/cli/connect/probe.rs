//! Tries the way that a client will go: it says hello and asks for the tools.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use actix_web::rt;
use serde_json::{Value, json};

use crate::cli::daemon::Channel;
use crate::cli::selftest::{initialize, tools};
use crate::model::Secret;

/// How long a program may take to start, open a store, and answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// By the URL, with the key. Says how many tools there are.
pub(in crate::cli) async fn over_http(
    base: &str,
    authorities: Vec<PathBuf>,
    key: &str,
) -> Result<String, String> {
    let key = Secret::new(key.to_owned());
    let channel =
        Channel::with_key(base, authorities, &key).map_err(|failed| failed.to_string())?;
    initialize(&channel).await?;
    tools(&channel).await
}

/// By the program that the client starts.
pub(in crate::cli) async fn over_stdio(program: &[String], key: &str) -> Result<String, String> {
    let (program, key) = (program.to_vec(), key.to_owned());
    // The program may want the store that this one has just closed, and tasks of this thread still let go of.
    let tried = rt::task::spawn_blocking(move || start_and_ask(&program, &key)).await;
    tried.map_err(|error| error.to_string())?
}

/// Blocks until it has answered.
fn start_and_ask(program: &[String], key: &str) -> Result<String, String> {
    let [path, arguments @ ..] = program else { return Err("there is no program".to_owned()) };
    let mut command = Command::new(path);
    command.args(arguments).env("MCP_API_KEY", key);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("cannot start {path}: {error}"))?;
    let told = converse(&mut child);
    // It ends with its input. One that does not has nothing to lose.
    if told.is_err() {
        let _ = child.kill();
    }
    child.wait().map_err(|error| error.to_string())?;
    told
}

fn converse(child: &mut Child) -> Result<String, String> {
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("the program has no input".to_owned());
    };
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody waits any more.
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let hello = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "memoryd", "version": env!("CARGO_PKG_VERSION") },
    });
    let mut ask = |method: &str, params: Value| -> Result<Value, String> {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        writeln!(input, "{call}").map_err(|_| "the program ended at once".to_owned())?;
        let answer = lines.recv_timeout(PATIENCE).map_err(|_| "the program does not answer")?;
        serde_json::from_str(&answer).map_err(|_| "the program answers something else".to_owned())
    };
    ask("initialize", hello)?;
    let listed = ask("tools/list", json!({}))?;
    match listed.pointer("/result/tools").and_then(Value::as_array).map_or(0, Vec::len) {
        0 => Err("the list of tools is empty".to_owned()),
        count => Ok(count.to_string()),
    }
}
