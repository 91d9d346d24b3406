//! Several clients that each start a program of their own on one data directory, and servers that
//! come and go meanwhile.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::process::{Program, command, hello};

/// A client with a stdio process of its own.
struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    calls: u64,
}

impl Client {
    fn open(dir: &Path) -> Self {
        let mut stdio = command(dir, &["stdio"]);
        stdio.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = stdio.spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut client = Self { child, input, output, calls: 0 };
        let (method, params) = hello();
        let answer = client.call(method, params);
        assert!(answer["result"]["serverInfo"].is_object(), "{answer}");
        client
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        writeln!(self.input.as_mut().unwrap(), "{call}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"));
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    fn tool(&mut self, name: &str, arguments: Value) -> Value {
        let answer = self.call("tools/call", json!({ "name": name, "arguments": arguments }));
        let result = &answer["result"];
        assert!(result.is_object() && result["isError"] != true, "{name}: {answer}");
        result["structuredContent"].clone()
    }

    fn add(&mut self, content: &str) {
        self.tool("add_memory", json!({ "content": content }));
    }

    fn all(&mut self) -> Vec<String> {
        texts(&self.tool("list_memories", json!({ "limit": 100 })))
    }

    /// As when an assistant is closed.
    fn leave(mut self) -> Option<i32> {
        self.input.take();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn clients_without_a_server_share_the_store_and_inherit_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Client::open(dir.path());
    first.add("of the first");
    let mut second = Client::open(dir.path());
    let mut third = Client::open(dir.path());
    second.add("of the second");
    assert_eq!(first.all(), ["of the first", "of the second"]);

    let exported = command(dir.path(), &["export"]).output().unwrap();
    assert!(exported.status.success(), "{exported:?}");
    assert_eq!(String::from_utf8(exported.stdout).unwrap().lines().count(), 2);

    assert_eq!(first.leave(), Some(0));
    second.add("after the first");
    third.add("of the third");
    assert_eq!(second.leave(), Some(0));
    let expected = ["after the first", "of the first", "of the second", "of the third"];
    assert_eq!(third.all(), expected);
    assert_eq!(third.leave(), Some(0));
    assert_nothing_is_left(dir.path());
}

#[test]
fn a_client_that_is_killed_costs_the_others_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Client::open(dir.path());
    let mut second = Client::open(dir.path());
    first.add("of the first");

    drop(first);

    second.add("of the second");
    assert_eq!(second.all(), ["of the first", "of the second"]);
}

#[test]
fn a_server_that_comes_and_goes_costs_a_client_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let mut owner = Client::open(&path);
    let mut guest = Client::open(&path);
    owner.add("before");

    let program = Program::start_in(dir);
    owner.add("with the server");
    guest.add("of the guest");
    let seen = program.tool("list_memories", json!({ "limit": 100 })).unwrap();
    let seen = texts(&seen["result"]["structuredContent"]);
    assert_eq!(seen, ["before", "of the guest", "with the server"]);

    let dir = program.kill();
    owner.add("after a kill");
    guest.add("of the guest after a kill");

    let program = Program::start_in(dir);
    guest.add("with the next server");
    let dir = program.stop();
    owner.add("after a stop");
    let all = guest.all();

    assert_eq!(all.len(), 7, "{all:?}");
    assert_eq!(owner.leave(), Some(0));
    assert_eq!(guest.leave(), Some(0));
    assert_nothing_is_left(dir.path());
}

fn texts(listed: &Value) -> Vec<String> {
    let memories = listed["memories"].as_array().unwrap_or_else(|| panic!("{listed}"));
    let text = |memory: &Value| memory["content"].as_str().unwrap().to_owned();
    let mut texts: Vec<String> = memories.iter().map(text).collect();
    texts.sort();
    texts
}

/// The files of running processes go with them.
fn assert_nothing_is_left(dir: &Path) {
    for name in
        [".mcp_token", ".mcp_port", ".mcp_server", ".mcp_stdio", ".mcp_claim", "memoryd.sock"]
    {
        assert!(!dir.join("data").join(name).exists(), "{name}");
    }
}
