//! The ways from the command line and from stdio to a server, however it was set up.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::KEY;
use crate::process::{Conversation, Program, command, ended, hello, search, talk};

const ANNA: &str = "key-of-anna-0123456789abcdef";
const BEN: &str = "key-of-ben-0123456789abcdef";

#[test]
fn the_command_line_and_stdio_reach_a_server_however_it_was_set_up() {
    for settings in [
        &[("TRUSTED_HOSTS", "mem.example.com")][..],
        &[("REQUIRE_HTTPS", "true"), ("TRUSTED_HOSTS", "mem.example.com")],
        &[("HOST", "::1")],
        &[("HOST", "0.0.0.0")],
        &[("HOST", "::")],
        &[("SSL_CERT_PATH", "certs/server.pem"), ("SSL_KEY_PATH", "certs/server-key.pem")],
    ] {
        if settings.iter().any(|(_, value)| value.contains("::")) && !has_ipv6() {
            continue;
        }
        let program = served_with(settings);

        let imported = import(program.dir.path(), "the boiler was serviced");
        assert!(imported.status.success(), "{settings:?}: {imported:?}");
        assert_reached(program.dir.path(), settings);

        // Where there can be no socket, the port is the door.
        fs::remove_file(program.data().join("memoryd.sock")).unwrap();
        assert_reached(program.dir.path(), settings);
    }
}

#[test]
fn a_verb_makes_no_store_beside_a_server_that_has_its_data_elsewhere() {
    let program = Program::start();
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("in.jsonl"), "{\"content\": \"the boiler was serviced\"}\n")
        .unwrap();
    let url = format!("http://127.0.0.1:{}", program.port);
    let run = |arguments: &[&str]| {
        let mut verb = command(home.path(), arguments);
        verb.env_remove("DATA_DIR").env("PORT", program.port.to_string()).output().unwrap()
    };

    for arguments in [
        &["connect", "cursor", "--yes"][..],
        &["connect", "claude-desktop", "--yes"],
        &["import", "in.jsonl"],
        &["token", "create", "--name", "x"],
        &["export"],
        &["open"],
        &["selftest"],
    ] {
        let refused = run(arguments);

        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains(&format!("--url {url} ")), "{arguments:?}: {told}");
    }
    assert!(!home.path().join("data").exists() && !home.path().join(".cursor").exists());
    let looked = run(&["doctor", "--json"]);
    let told: Value = serde_json::from_slice(&looked.stdout).unwrap();
    assert!(
        told.to_string().contains(&format!("the memoryd at {url} has its data elsewhere")),
        "{told}"
    );

    // Once it is named, it is the one.
    for arguments in [&["connect", "cursor", "--yes"][..], &["import", "in.jsonl"]] {
        let done = run(&[arguments, &["--url", &url, "--key", KEY]].concat());
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    }
    let found = program.tool("search_memories", json!({ "query": "boiler" })).unwrap();
    let results = found["result"]["structuredContent"]["results"].as_array();
    assert_eq!(results.map(Vec::len), Some(1), "{found}");
    // So is a data directory that somebody names.
    let own = home.path().join("own");
    let named = run(&["import", "in.jsonl", "--data-dir", own.to_str().unwrap()]);
    assert!(named.status.success() && own.exists(), "{named:?}");
}

#[test]
fn a_server_that_its_client_was_told_nothing_of_is_none() {
    let dir = tempfile::tempdir().unwrap();

    for open in ["--url=", "--url=${user_config.url}"] {
        let answers = talk(&mut command(dir.path(), &["stdio", open]), &[hello()]);

        assert!(answers[0]["result"]["serverInfo"].is_object(), "{open}: {}", answers[0]);
    }
}

#[test]
fn who_took_the_port_of_a_dead_server_is_told_no_secret() {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "the boiler was serviced" })).unwrap();
    let token = fs::read_to_string(program.data().join(".mcp_token")).unwrap();
    let port = program.port;
    let dir = program.kill();
    let stranger = Stranger::on(port);

    let exported = command(dir.path(), &["export"]).env("MCP_API_KEY", KEY).output().unwrap();
    let found = talk(&mut command(dir.path(), &["stdio"]), &[hello(), search()]);

    let heard = stranger.heard();
    assert!(exported.status.success(), "{exported:?}");
    assert!(String::from_utf8_lossy(&exported.stdout).contains("boiler"));
    assert!(found[1].to_string().contains("the boiler was serviced"), "{}", found[1]);
    assert!(!heard.contains(&token) && !heard.contains(KEY), "{heard}");
}

#[test]
fn the_owner_spends_no_quota_over_the_socket() {
    let program = served_with(&[("RATE_LIMIT_REQUESTS", "3"), ("RATE_LIMIT_WINDOW", "60")]);
    let calls: Vec<_> = std::iter::once(hello()).chain((0..9).map(|_| search())).collect();

    let answers = talk(&mut command(program.dir.path(), &["stdio"]), &calls);

    assert!(answers.iter().all(|answer| answer["result"].is_object()), "{answers:?}");
    let over_the_port = (0..9).filter_map(|_| program.tool("get_context", json!({}))).count();
    assert_eq!(over_the_port, 3);
}

#[test]
fn who_takes_the_port_while_a_client_talks_is_told_no_secret() {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "the boiler was serviced" })).unwrap();
    let token = fs::read_to_string(program.data().join(".mcp_token")).unwrap();
    fs::remove_file(program.data().join("memoryd.sock")).unwrap();
    let mut stdio = Conversation::start(&mut command(program.dir.path(), &["stdio"]));
    assert!(stdio.ask(&hello())["result"]["serverInfo"].is_object());
    let port = program.port;
    let _dir = program.kill();
    let stranger = Stranger::on(port);

    let found = stdio.ask(&search());

    let heard = stranger.heard();
    assert!(found.to_string().contains("the boiler was serviced"), "{found}");
    assert!(heard.contains("GET /health"), "it was not even asked who it is");
    assert!(!heard.contains(&token) && !heard.contains(KEY), "{heard}");
}

#[test]
fn http_without_tls_is_told_so_in_words() {
    let program = served_with(&[
        ("SSL_CERT_PATH", "certs/server.pem"),
        ("SSL_KEY_PATH", "certs/server-key.pem"),
    ]);
    let said = |request: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", program.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };

    let with_a_body = format!("POST /mcp HTTP/1.1\r\nHost: x\r\n\r\n{}", "x".repeat(10_000));
    for request in ["GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", &with_a_body] {
        let answer = said(request.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert_eq!(body["code"], "plain_http");
        assert!(body["message"].as_str().unwrap().contains("https://"), "{body}");
    }
    assert!(program.run(&["export"]).status.success(), "TLS goes on");
}

#[test]
fn handshakes_that_stand_still_hold_up_nobody_and_end() {
    // More than actix-tls lets go on at a time; and each is a file for both of us.
    const HALVES: usize = 300;
    let program = served_with(&[
        ("SSL_CERT_PATH", "certs/server.pem"),
        ("SSL_KEY_PATH", "certs/server-key.pem"),
        ("HTTP_HANDSHAKE_TIMEOUT", "3"),
    ]);
    // The head of a record and of a ClientHello that does not go on.
    let half: Vec<u8> = [&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..], &[7; 29]].concat();
    let begin = |_| {
        let mut stream = TcpStream::connect(("127.0.0.1", program.port)).unwrap();
        stream.write_all(&half).unwrap();
        stream
    };

    let halves: Vec<TcpStream> = (0..HALVES).map(begin).collect();
    let url = format!("https://localhost:{}", program.port);
    let ca = program.dir.path().join("certs/ca.pem");
    let elsewhere = tempfile::tempdir().unwrap();
    let arguments = ["export", "--url", &url, "--key", KEY, "--ca", ca.to_str().unwrap()];
    let exported = ended(&mut command(elsewhere.path(), &arguments));

    assert!(exported.status.success(), "{exported:?}");
    for mut stream in halves {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut rest = Vec::new();
        // An alert, or nothing, or that it was cut off; but it ends.
        let kind = stream.read_to_end(&mut rest).err().map(|error| error.kind());
        assert!(!matches!(kind, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "it is kept");
    }
}

#[test]
fn the_token_of_this_machine_goes_to_no_server_elsewhere() {
    let program = Program::start();
    let token = fs::read_to_string(program.data().join(".mcp_token")).unwrap();
    let stranger = Stranger::on(0);
    let url = format!("http://127.0.0.1:{}/mcp", stranger.port);

    let exported = ended(&mut command(program.dir.path(), &["export", "--url", &url]));

    let told = String::from_utf8(exported.stderr).unwrap();
    assert_eq!(exported.status.code(), Some(1), "{told}");
    assert!(told.contains("no key"), "{told}");
    assert!(!stranger.heard().contains(&token));
}

#[test]
fn a_server_is_reached_by_its_url_as_people_paste_it() {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "the boiler was serviced" })).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();

    for end in ["/mcp", "/", "", "/mcp/"] {
        let url = format!("http://localhost:{}{end}", program.port);
        let mut stdio = command(elsewhere.path(), &["stdio", "--url", &url, "--key", KEY]);
        let found = talk(&mut stdio, &[hello(), search()]);
        assert!(found[1].to_string().contains("the boiler was serviced"), "{url}: {}", found[1]);
    }
    // Without a key it is the server of this data directory, or nobody.
    let url = format!("http://localhost:{}/mcp", program.port);
    assert!(program.run(&["export", "--url", &url]).status.success());
    assert!(!elsewhere.path().join("data").exists(), "a store was made for nothing");
}

#[test]
fn https_elsewhere_is_trusted_by_its_authority_or_its_own_certificate() {
    let program = served_with(&[
        ("SSL_CERT_PATH", "certs/server.pem"),
        ("SSL_KEY_PATH", "certs/server-key.pem"),
    ]);
    let url = format!("https://localhost:{}", program.port);
    let certs = program.dir.path().join("certs");
    let (authority, own) = (certs.join("ca.pem"), certs.join("server.pem"));
    let elsewhere = tempfile::tempdir().unwrap();
    let stdio = |more: &[&str]| {
        let arguments = [&["stdio", "--url", &url, "--key", KEY][..], more].concat();
        command(elsewhere.path(), &arguments)
    };
    let is_let_in = |mut stdio: Command| {
        let answers = talk(&mut stdio, &[hello()]);
        answers[0]["result"]["serverInfo"].is_object()
    };

    let mut by_variable = stdio(&[]);
    by_variable.env("SSL_CERT_FILE", &authority);
    assert!(is_let_in(by_variable));
    assert!(is_let_in(stdio(&["--ca", authority.to_str().unwrap()])));
    assert!(is_let_in(stdio(&["--ca", own.to_str().unwrap()])));
    let arguments = ["export", "--url", &url, "--key", KEY];
    let refused = ended(&mut command(elsewhere.path(), &arguments));
    assert_eq!(refused.status.code(), Some(1), "a certificate that nobody vouches for was trusted");
}

#[test]
fn a_key_decides_who_a_verb_is_with_and_without_a_server() {
    let keys = format!("anna:{ANNA},ben:{BEN}");
    let program = served_with(&[("MCP_API_KEYS", &keys)]);
    let import = as_key(&program.dir, ANNA, &keys, &["import", "in.jsonl"]);
    assert!(import.status.success(), "{import:?}");

    let with = exports(&program.dir, &keys);
    let dir = program.stop();
    let without = exports(&dir, &keys);

    for (anna, ben, wrong) in [with, without] {
        assert!(anna.contains("boiler"), "{anna}");
        assert_eq!(ben, "");
        assert_eq!(wrong, "refused");
    }
}

#[test]
fn the_folder_that_a_client_was_opened_in_is_its_project() {
    let program = served_with(&[("PROJECT_ID_MODE", "auto")]);
    let folder = program.dir.path().join("garden");
    fs::create_dir(&folder).unwrap();
    let add = ("tools/call", json!({ "name": "add_memory", "arguments": { "content": "peas" } }));
    let project = |answer: &Value| {
        let memory = &answer["result"]["structuredContent"]["memory"];
        memory["project"].as_str().unwrap_or_default().to_owned()
    };
    let mut stdio = command(program.dir.path(), &["stdio"]);

    let with = talk(stdio.current_dir(&folder), &[hello(), add]);
    let dir = program.stop();
    let mut stdio = command(dir.path(), &["stdio"]);
    stdio.env("PROJECT_ID_MODE", "auto").current_dir(dir.path().join("garden"));
    let beans = json!({ "name": "add_memory", "arguments": { "content": "beans" } });
    let without = talk(&mut stdio, &[hello(), ("tools/call", beans)]);

    assert!(project(&with[1]).starts_with("project_garden_"), "{}", with[1]);
    assert_eq!(project(&with[1]), project(&without[1]));
}

/// A server with these settings, in a folder with certificates and a line to import.
fn served_with(settings: &[(&str, &str)]) -> Program {
    let dir = tempfile::tempdir().unwrap();
    let made = command(dir.path(), &["certs", "--out", "certs"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    fs::write(dir.path().join("in.jsonl"), "{\"content\": \"the boiler was serviced\"}\n").unwrap();
    let mut serve = command(dir.path(), &["serve"]);
    serve.envs(settings.iter().copied());
    Program::start_as(serve, dir)
}

fn import(dir: &Path, content: &str) -> std::process::Output {
    let file = dir.join("one.jsonl");
    fs::write(&file, format!("{}\n", json!({ "content": content }))).unwrap();
    command(dir, &["import", "one.jsonl"]).output().unwrap()
}

fn assert_reached(dir: &Path, settings: &[(&str, &str)]) {
    let exported = command(dir, &["export"]).output().unwrap();
    assert!(exported.status.success(), "{settings:?}: {exported:?}");
    let text = String::from_utf8(exported.stdout).unwrap();
    assert!(text.contains("the boiler was serviced"), "{settings:?}: {text}");
    let found = talk(&mut command(dir, &["stdio"]), &[hello(), search()]);
    assert!(found[1].to_string().contains("boiler was serviced"), "{settings:?}: {}", found[1]);
}

fn as_key(dir: &TempDir, key: &str, keys: &str, arguments: &[&str]) -> std::process::Output {
    let mut verb = command(dir.path(), arguments);
    ended(verb.args(["--key", key]).env("MCP_API_KEYS", keys))
}

/// What Anna, Ben and somebody with a wrong key get to see.
fn exports(dir: &TempDir, keys: &str) -> (String, String, String) {
    let export = |key: &str| {
        let exported = as_key(dir, key, keys, &["export"]);
        let text = String::from_utf8(exported.stdout).unwrap();
        if exported.status.success() { text } else { "refused".to_owned() }
    };
    (export(ANNA), export(BEN), export("a-key-of-nobody-0123456789"))
}

fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

/// Another program, which listens where a server did, and keeps what it is told.
struct Stranger {
    port: u16,
    is_over: Arc<AtomicBool>,
    heard: Arc<Mutex<Vec<u8>>>,
    listening: JoinHandle<()>,
}

impl Stranger {
    fn on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_over = Arc::new(AtomicBool::new(false));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (over, keeps) = (Arc::clone(&is_over), Arc::clone(&heard));
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                answer(&mut stream.unwrap(), &keeps);
            }
        });
        Self { port, is_over, heard, listening }
    }

    /// Everything that it was told.
    fn heard(self) -> String {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes it up.
        drop(TcpStream::connect(("127.0.0.1", self.port)).unwrap());
        self.listening.join().unwrap();
        let heard = self.heard.lock().unwrap();
        String::from_utf8_lossy(&heard).into_owned()
    }
}

/// Answers as a server of web pages does, whatever it is asked.
fn answer(stream: &mut TcpStream, heard: &Mutex<Vec<u8>>) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut part = [0; 4096];
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(length) => request.extend_from_slice(&part[..length]),
        }
    }
    heard.lock().unwrap().extend_from_slice(&request);
    // Who asked may be gone.
    let _ = stream
        .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}
