//! What only a process of its own can show: signals, files, standard input, a second process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::KEY;

/// The real program, serving from a folder of its own.
pub struct Program {
    pub dir: TempDir,
    pub port: u16,
    child: Child,
}

/// Long enough for a slow machine; a test that needs it has failed already.
const PATIENCE: Duration = Duration::from_secs(60);

impl Program {
    pub fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    pub fn start_in(dir: TempDir) -> Self {
        let serve = command(dir.path(), &["serve"]);
        Self::start_as(serve, dir)
    }

    /// Starts the server by a command of the test's own, which has to become the program.
    pub fn start_as(mut serve: Command, dir: TempDir) -> Self {
        let mut child = spawn(&mut serve);
        let port = port_of(&mut child).recv_timeout(PATIENCE);
        Self { dir, port: port.expect("the program did not start"), child }
    }

    /// Ends the process without any warning.
    pub fn kill(mut self) -> TempDir {
        // It may be dead already.
        let _ = self.child.kill();
        self.child.wait().unwrap();
        let spare = tempfile::tempdir().unwrap();
        std::mem::replace(&mut self.dir, spare)
    }

    /// Ends the process at once, while others still talk to it.
    pub fn interrupt(&self) {
        send(self.child.id(), "KILL");
    }

    /// Sends a signal by name and waits for the end.
    pub fn signal(&mut self, name: &str) -> Option<i32> {
        send(self.child.id(), name);
        self.child.wait().unwrap().code()
    }

    /// Sends a signal twice at once, as `timeout` and process groups do, and waits for the end.
    pub fn signal_twice(&mut self, name: &str) -> Option<i32> {
        send(self.child.id(), name);
        send(self.child.id(), name);
        self.child.wait().unwrap().code()
    }

    /// Stops in good order and gives the folder on.
    pub fn stop(mut self) -> TempDir {
        assert_eq!(self.signal("TERM"), Some(0));
        self.kill()
    }

    /// Tells the process to stop and starts the next one at once, as an impatient service manager
    /// does. `meanwhile` is done when the next one waits, or has given up.
    pub fn relieve(mut self, meanwhile: impl FnOnce()) -> Self {
        send(self.child.id(), "TERM");
        let mut next = spawn(&mut command(self.dir.path(), &["serve"]));
        let started = port_of(&mut next);
        // Long enough to find the store in use, and to say so.
        let early = started.recv_timeout(Duration::from_secs(1)).ok();
        meanwhile();
        let port = early.or_else(|| started.recv_timeout(PATIENCE).ok());
        let code = std::mem::replace(&mut self.child, next).wait().unwrap().code();
        assert_eq!(code, Some(0), "the first process did not stop in good order");
        self.port = port.expect("the next process did not start");
        self
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn tool(&self, name: &str, arguments: Value) -> Option<Value> {
        let params = json!({ "name": name, "arguments": arguments });
        call(
            self.port,
            &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }),
        )
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        command(self.dir.path(), arguments).output().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memoryd"));
    command.args(arguments);
    surround(&mut command, dir);
    command
}

/// Nothing of the test's own surroundings reaches the program.
pub fn surround(command: &mut Command, dir: &Path) {
    command
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .env("DATA_DIR", dir.join("data"))
        .env("PORT", "0")
        .env("RATE_LIMIT_REQUESTS", "0")
        // Tests of other things need no model, which is slow without optimization.
        .env("EMBEDDING_BUILTIN", "table")
        .stdin(Stdio::null());
}

fn spawn(serve: &mut Command) -> Child {
    serve.env("MCP_API_KEY", KEY).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn send(pid: u32, signal: &str) {
    let arguments = [format!("-{signal}"), pid.to_string()];
    assert!(Command::new("kill").args(arguments).status().unwrap().success());
}

/// Reads the start lines and tells the port once the server is up; keeps reading them, so that the
/// program never blocks on a full pipe.
fn port_of(child: &mut Child) -> mpsc::Receiver<u16> {
    let output = child.stdout.take().unwrap();
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        let mut port = None;
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(rest) = line.strip_prefix("INFO: Port ") {
                port = rest.split(' ').next().and_then(|port| port.parse().ok());
            }
            if line.contains("started successfully") {
                let up = port.take().expect("no port was printed");
                // The test may be over.
                let _ = tx.send(up);
            }
        }
    });
    rx
}

/// Waits for a program that should end by itself, and ends it if it does not.
pub fn ended(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || tx.send(child.wait_with_output()));
    match rx.recv_timeout(PATIENCE) {
        Ok(output) => output.unwrap(),
        Err(_) => {
            send(pid, "KILL");
            panic!("the program goes on: {command:?}");
        }
    }
}

/// Talks to a program over its standard input and output, one answer to each call, closes its
/// input, and returns the answers.
pub fn talk(command: &mut Command, calls: &[(&str, Value)]) -> Vec<Value> {
    let mut conversation = Conversation::start(command);
    let answers = calls.iter().map(|call| conversation.ask(call)).collect();
    assert!(conversation.end().success());
    answers
}

/// A stdio client that waits for each answer before it goes on.
pub struct Conversation {
    child: Child,
    answers: BufReader<ChildStdout>,
    asked: u32,
}

impl Conversation {
    pub fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = piped.spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers, asked: 0 }
    }

    pub fn ask(&mut self, (method, params): &(&str, Value)) -> Value {
        self.asked += 1;
        let call =
            json!({ "jsonrpc": "2.0", "id": self.asked, "method": method, "params": params });
        let mut line = String::new();
        // If the program has ended, there is no answer either.
        let _ = self.child.stdin.as_mut().map(|input| writeln!(input, "{call}"));
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{call}: {line:?}"))
    }

    /// Closes its input, and waits until it is gone.
    pub fn end(&mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        self.child.wait().unwrap()
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.end();
    }
}

/// The first call of every client.
pub fn hello() -> (&'static str, Value) {
    let client = json!({ "name": "test", "version": "1" });
    let params =
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    ("initialize", params)
}

/// A call that looks for the boiler.
pub fn search() -> (&'static str, Value) {
    ("tools/call", json!({ "name": "search_memories", "arguments": { "query": "boiler" } }))
}

/// One JSON-RPC call over a connection of its own; nothing if the connection broke.
pub fn call(port: u16, message: &Value) -> Option<Value> {
    let body = message.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(body).ok())?
}

#[test]
fn a_signal_stops_in_good_order() {
    for name in ["TERM", "INT"] {
        let mut program = Program::start();
        let files = [".mcp_token", ".mcp_port", ".mcp_server", "memoryd.sock"];
        let files = files.map(|file| program.data().join(file));
        assert!(files.iter().all(|file| file.exists()));

        let code = program.signal(name);

        assert_eq!(code, Some(0), "SIG{name}");
        assert!(!files.iter().any(|file| file.exists()), "SIG{name}");
    }
}

#[test]
fn two_signals_at_once_are_one() {
    let mut program = Program::start();

    assert_eq!(program.signal_twice("TERM"), Some(0));
}

#[test]
fn a_second_process_on_the_same_data_is_told_so() {
    let program = Program::start();

    let second = command(program.dir.path(), &["serve"]).output().unwrap();

    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(told.contains("error: ") && told.contains("in use"), "{told}");
    assert!(program.tool("list_memories", json!({})).is_some());
}

#[test]
fn stdio_joins_the_running_server_and_serves_alone() {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "the boiler was serviced" })).unwrap();

    let beside = stdio(program.dir.path());
    assert!(beside.contains("the boiler was serviced"), "{beside}");

    let dir = program.kill();
    let alone = stdio(dir.path());
    assert!(alone.contains("the boiler was serviced"), "{alone}");
}

/// Initializes, searches, and returns what was answered last.
fn stdio(dir: &Path) -> String {
    talk(&mut command(dir, &["stdio"]), &[hello(), search()])[1].to_string()
}

#[test]
fn the_command_line_exports_and_imports_with_and_without_a_server() {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "carried over" })).unwrap();

    let exported = program.run(&["export"]);
    assert!(exported.status.success());
    let text = String::from_utf8(exported.stdout).unwrap();
    assert!(text.contains("carried over"), "{text}");

    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("in.jsonl"), &text).unwrap();
    let imported = command(other.path(), &["import", "in.jsonl"]).output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let again = command(other.path(), &["export"]).output().unwrap();
    assert_eq!(String::from_utf8(again.stdout).unwrap(), text);

    let checked = command(other.path(), &["check", "--json"]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn what_others_said_moves_no_cursor_of_a_terminal() {
    let program = Program::start();
    let odd = "roof \u{202e}der\u{9b}2J \u{1b}[31m";
    program.tool("add_memory", json!({ "content": odd })).unwrap();
    program.tool("search_memories", json!({ "query": odd })).unwrap();

    for arguments in [&["why"][..], &["why", "--json"]] {
        let told = String::from_utf8(program.run(arguments).stdout).unwrap();

        assert!(told.contains("roof"), "{told:?}");
        assert!(!told.contains(['\u{202e}', '\u{9b}', '\u{1b}']), "{told:?}");
    }
}

#[test]
fn what_makes_no_sense_stops_with_one_line() {
    let dir = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("DISABLE_AUTH", "maybe"),
        ("PORT", "99999"),
        ("RATE_LIMIT_WINDOW", "soon"),
        ("SSL_CERT_PATH", "/nowhere/cert.pem"),
    ] {
        let output = command(dir.path(), &["serve"]).env(name, value).output().unwrap();

        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {told}");
        assert!(told.contains(name), "{name}: {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let usage = command(dir.path(), &["--no-such-flag"]).output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn only_serve_obeys_the_folder_that_it_is_started_in() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".env"), "USE_HTTPS=true\nKEY=\"unclosed\n").unwrap();
    std::fs::write(dir.path().join("config.toml"), "baseURL = 'https://example.org/'\n").unwrap();

    let imported = command(dir.path(), &["import", "-"]).output().unwrap();
    let served = command(dir.path(), &["serve"]).output().unwrap();

    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    assert_eq!(served.status.code(), Some(1), "{}", String::from_utf8_lossy(&served.stderr));
}

#[test]
fn a_server_without_keys_that_is_open_to_every_page_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut serve = command(dir.path(), &["serve"]);

    let output = ended(serve.env("DISABLE_AUTH", "true").env("ALLOWED_ORIGINS", "*"));

    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let names_both = |line: &str| line.contains("DISABLE_AUTH") && line.contains("ALLOWED_ORIGINS");
    assert!(told.lines().any(names_both), "{told}");
    assert!(!dir.path().join("data").exists(), "a mistake in the settings touched the disk");
}

#[test]
fn a_key_may_begin_with_a_hyphen() {
    let dir = tempfile::tempdir().unwrap();

    let key = "-key-that-looks-like-a-flag-0123456789";
    let output = command(dir.path(), &["check", "--api-key", key]).output().unwrap();

    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!told.contains("unexpected argument"), "{told}");
    // Whoever looks at the list of processes reads it, which is not told by showing it once more.
    assert!(told.contains("(ps)") && told.contains("MCP_API_KEY_FILE"), "{told}");
    assert!(!told.contains(key), "{told}");
}

#[test]
fn generated_keys_and_completions_are_printed() {
    let dir = tempfile::tempdir().unwrap();

    let key = command(dir.path(), &["--generate-key"]).output().unwrap();
    let as_json = command(dir.path(), &["--generate-key", "--json"]).output().unwrap();
    let script = command(dir.path(), &["completions", "bash"]).output().unwrap();

    let line = String::from_utf8(key.stdout).unwrap();
    assert_eq!(line.trim().rsplit(' ').next().unwrap().len(), 43, "{line}");
    let told: Value = serde_json::from_slice(&as_json.stdout).unwrap();
    assert_eq!(told["key"].as_str().unwrap().len(), 43);
    assert!(String::from_utf8(script.stdout).unwrap().contains("_memoryd"));
}

#[test]
fn a_verb_that_only_reads_makes_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out.jsonl");

    let exported = command(dir.path(), &["export", "-o", output.to_str().unwrap()]).output();
    let checked = command(dir.path(), &["check"]).output();

    for done in [exported.unwrap(), checked.unwrap()] {
        let told = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{told}");
        assert!(told.contains("there is no data of memoryd in"), "{told}");
    }
    assert!(!output.exists() && !dir.path().join("data").exists());
}

#[test]
fn a_folder_of_somebody_else_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("data/photos")).unwrap();

    let served = command(dir.path(), &["serve"]).output().unwrap();

    let told = String::from_utf8(served.stderr).unwrap();
    assert_eq!(served.status.code(), Some(1), "{told}");
    assert!(told.contains("photos") && told.contains("--data-dir"), "{told}");
    assert_eq!(std::fs::read_dir(dir.path().join("data")).unwrap().count(), 1);
}
