//! The program when others are in a hurry, or take more than their share.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::KEY;
use crate::process::{Program, ended, surround};

/// More than a process may usually open.
const IDLE: usize = 1_100;
/// For those connections and whatever else the tests have open.
const DESCRIPTORS: u64 = 4_096;
/// Long enough for idle connections to be closed, if they have to make room first.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_server_that_is_started_while_the_one_before_still_stops_comes_up() {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "the boiler was serviced" })).unwrap();
    // A request on its way, for which the first process waits before it ends.
    let mut unfinished = TcpStream::connect(("127.0.0.1", program.port)).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    unfinished.write_all(head.as_bytes()).unwrap();
    assert!(program.tool("list_memories", json!({})).is_some());

    let program = program.relieve(|| drop(unfinished));

    let listed = program.tool("list_memories", json!({})).unwrap();
    assert_eq!(listed["result"]["structuredContent"]["total"], 1);
    let noted = fs::read_to_string(program.data().join(".mcp_port")).unwrap();
    assert_eq!(noted.trim(), program.port.to_string(), "the first took the second's files along");
    assert!(program.data().join(".mcp_token").exists());
}

#[test]
fn idle_connections_stop_neither_writes_nor_the_health_of_the_store() {
    raise_own_limit();
    let dir = tempfile::tempdir().unwrap();
    let mut shell = Command::new("/bin/sh");
    // The soft limit only: the program may raise it again.
    let script = "ulimit -S -n 1024 && exec \"$0\" serve";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_memoryd")]);
    surround(&mut shell, dir.path());
    let program = Program::start_as(shell, dir);
    // What was written just before has to reach the trees while nothing is left to open.
    assert!(is_written(&program, "before"));

    let address = SocketAddr::from(([127, 0, 0, 1], program.port));
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok();
    let idle: Vec<TcpStream> = (0..IDLE).map_while(connect).collect();

    assert!(idle.len() > 1_000, "only {} connections", idle.len());
    assert!(is_written(&program, "meanwhile"));
    assert_eq!(first_status(program.port, "GET", "/health", None), 200);
    drop(idle);
    assert!(is_written(&program, "afterwards"));
    assert_eq!(first_status(program.port, "GET", "/health", None), 200);
}

#[test]
fn a_limit_for_the_length_of_a_file_is_a_failure_and_kills_no_verb() {
    let dir = tempfile::tempdir().unwrap();
    let line = json!({ "content": "word ".repeat(10_000) }).to_string();
    fs::write(dir.path().join("in.jsonl"), line).unwrap();
    for verb in ["import in.jsonl", "stdio"] {
        let mut shell = Command::new("/bin/sh");
        // In half KiB: less than an empty store takes.
        let script = format!("ulimit -f 64 && exec \"$0\" {verb}");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_memoryd")]);
        surround(&mut shell, dir.path());

        let output = ended(&mut shell);

        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code().is_some(), "{verb} ended with {}: {told}", output.status);
    }
}

fn is_written(program: &Program, content: &str) -> bool {
    let body = json!({ "content": content });
    first_status(program.port, "POST", "/api/v1/memories", Some(&body)) == 201
}

/// The status of the first answer that arrives at all. A connection that is closed for want of
/// room is tried again; an answer counts, whatever it says.
fn first_status(port: u16, method: &str, path: &str, body: Option<&Value>) -> u16 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = status(port, method, path, body) {
            return status;
        }
        assert!(Instant::now() < deadline, "{method} {path} is never answered");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

fn status(port: u16, method: &str, path: &str, body: Option<&Value>) -> Option<u16> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// This process holds the other ends of the connections.
fn raise_own_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(DESCRIPTORS, |maximum| maximum.min(DESCRIPTORS));
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).unwrap();
    }
}
