//! Hooks as an assistant starts them: a process each, which must never hold anybody up.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::KEY;
use crate::process::{Program, command, ended};

/// What is promised to whoever waits for a hook.
const BOUND: Duration = Duration::from_secs(2);

/// Starts a hook, tells it something, and waits for its end.
fn hook(command: &mut Command, told: &[u8]) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // It need not read what it has no use for.
    let _ = child.stdin.take().unwrap().write_all(told);
    child.wait_with_output().unwrap()
}

/// What a hook says, which has to be JSON and nothing else, with 0.
fn said(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stdout)));
    assert!(told.is_object(), "{told}");
    told
}

fn event(name: &str, more: Value) -> Vec<u8> {
    let mut body = json!({ "session_id": "s1", "hook_event_name": name });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string().into_bytes()
}

/// Starts one of Claude Code against a server.
fn at(dir: &Path, url: &str, name: &str, more: Value) -> Value {
    let mut command = command(dir, &["hook", "claude-code", name, "--url", url]);
    said(&hook(command.env("MCP_API_KEY", KEY), &event(name, more)))
}

/// The same on the data directory.
fn on(dir: &Path, name: &str, more: Value) -> Value {
    said(&hook(&mut command(dir, &["hook", "claude-code", name]), &event(name, more)))
}

fn turn_at(dir: &Path, url: &str, prompt: &str, answer: &str) {
    at(dir, url, "UserPromptSubmit", json!({ "prompt": prompt }));
    at(dir, url, "Stop", json!({ "last_assistant_message": answer }));
}

fn status(dir: &Path) -> Value {
    let output = command(dir, &["hook", "status", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn episodes(program: &Program) -> Vec<String> {
    let listed = program.tool("list_memories", json!({ "kind": "episode", "order": "asc" }));
    let listed = listed.unwrap()["result"]["structuredContent"]["memories"].clone();
    let texts = listed.as_array().unwrap().iter();
    texts.map(|one| one["content"].as_str().unwrap().to_owned()).collect()
}

fn context(answer: &Value) -> &str {
    answer["hookSpecificOutput"]["additionalContext"].as_str().unwrap_or_default()
}

#[test]
fn a_hook_gives_and_keeps_with_a_server_and_without() {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "the boat is red" })).unwrap();

    let start = on(program.dir.path(), "SessionStart", json!({ "source": "startup" }));
    on(program.dir.path(), "UserPromptSubmit", json!({ "prompt": "is it new?" }));
    on(program.dir.path(), "Stop", json!({ "last_assistant_message": "no" }));
    assert!(context(&start).contains("the boat is red"), "{start}");
    assert_eq!(episodes(&program), ["User: is it new?\nAssistant: no"]);

    let dir = program.stop();
    let start = on(dir.path(), "SessionStart", json!({ "source": "startup" }));
    let again = on(dir.path(), "UserPromptSubmit", json!({ "prompt": "which colour?" }));
    on(dir.path(), "Stop", json!({ "last_assistant_message": "red" }));
    assert!(context(&start).contains("the boat is red"), "{start}");
    assert_eq!(again, json!({}), "it was given that");

    let program = Program::start_in(dir);
    let all = ["User: is it new?\nAssistant: no", "User: which colour?\nAssistant: red"];
    assert_eq!(episodes(&program), all);
    let state = status(program.dir.path());
    assert_eq!((&state["waiting"], &state["errors"]), (&json!(0), &json!([])));
}

#[test]
fn turns_wait_while_the_server_is_away_and_are_sent_with_the_next_call() {
    let program = Program::start();
    let dir = program.dir.path();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let away = format!("http://127.0.0.1:{}", taken.local_addr().unwrap().port());
    drop(taken);
    let secret = format!("ghp_{}", "aB3".repeat(12));

    turn_at(dir, &away, "first?", "yes");
    turn_at(dir, &away, &format!("use {secret}"), "done");
    turn_at(dir, &away, "<private>second?</private>", "no");

    let state = status(dir);
    assert_eq!(state["waiting"], 2, "{state}");
    let errors = state["errors"].as_array().unwrap();
    let last = errors.last().unwrap();
    assert_eq!((&last["client"], &last["event"]), (&json!("claude-code"), &json!("stop")));
    let folder = program.data().join(".hooks");
    let mut kept = String::new();
    for entry in fs::read_dir(folder.join("spool")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        kept.push_str(&fs::read_to_string(&path).unwrap());
    }
    assert!(kept.contains("first?") && kept.contains("masked"), "{kept}");
    assert!(!kept.contains(&secret) && !kept.contains("second"), "{kept}");
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);

    let url = format!("http://127.0.0.1:{}", program.port);
    at(dir, &format!("{url}/mcp"), "SessionEnd", json!({ "reason": "exit" }));
    assert_eq!(status(dir)["waiting_for_others"], 2, "they are for another server");
    assert!(episodes(&program).is_empty());
    // As if this server were the one that was away.
    for entry in fs::read_dir(folder.join("spool")).unwrap() {
        let path = entry.unwrap().path();
        let kept = fs::read_to_string(&path).unwrap();
        assert!(kept.contains(&away) && !kept.contains(KEY), "{kept}");
        fs::write(&path, kept.replace(&away, &url)).unwrap();
    }
    at(dir, &format!("{url}/mcp"), "SessionEnd", json!({ "reason": "exit" }));

    assert_eq!(status(dir)["waiting"], 0);
    let texts = episodes(&program);
    assert_eq!(texts[0], "User: first?\nAssistant: yes");
    assert_eq!(texts[1..], ["User: use [masked: GitHub token]\nAssistant: done"]);
}

#[test]
fn a_server_that_does_not_answer_costs_no_more_than_is_promised() {
    let program = Program::start();
    let dir = program.dir.path();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://127.0.0.1:{}", silent.local_addr().unwrap().port());

    let begun = Instant::now();
    let prompt = at(dir, &url, "UserPromptSubmit", json!({ "prompt": "are you there?" }));
    let took = begun.elapsed();
    at(dir, &url, "Stop", json!({ "last_assistant_message": "yes" }));

    assert_eq!(prompt, json!({}));
    assert!(took < BOUND, "{took:?}");
    assert_eq!(status(dir)["waiting"], 1);
}

#[test]
fn a_client_that_never_ends_its_words_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut hook = command(dir.path(), &["hook", "gemini", "BeforeAgent"]);
    let mut child = hook.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let input = child.stdin.take().unwrap();

    let begun = Instant::now();
    let output = child.wait_with_output().unwrap();
    let took = begun.elapsed();

    assert_eq!(said(&output), json!({}));
    assert!(took < BOUND, "{took:?}");
    drop(input);
}

#[test]
fn whatever_a_hook_is_told_it_ends_with_0_and_says_nothing_but_json() {
    let program = Program::start();
    let dir = program.dir.path();
    let deep = [&b"{\"prompt\":"[..], &b"[".repeat(100_000)].concat();
    let long = event("UserPromptSubmit", json!({ "prompt": "x".repeat(9 << 20) }));
    for told in [
        &b""[..],
        b"null",
        b"[]",
        b"not json",
        b"\xff\xfe\x00",
        b"{\"prompt\": \"cut of",
        &deep,
        &long,
        &event(
            "UserPromptSubmit",
            json!({ "session_id": "../../x", "cwd": "\u{0}", "prompt": "\u{202e}" }),
        ),
        &event("NoSuchEvent", json!({ "prompt": {} })),
    ] {
        for name in ["UserPromptSubmit", "Stop", "NoSuchEvent"] {
            said(&hook(&mut command(dir, &["hook", "codex", name]), told));
        }
    }
    assert!(!program.data().join("x.json").exists() && !dir.join("x.json").exists());

    for arguments in [
        &["hook"][..],
        &["hook", "nobody", "Stop"],
        &["hook", "codex", "Stop", "--no-such-flag"],
        &["hook", "codex", "Stop", "--url", "ftp://x", "--ca", "/nowhere"],
        &["hook", "codex", "Stop", "--config", "/nowhere/config.toml"],
        &["hook", "codex", "Stop", "--state-dir", "/proc/nowhere"],
        &["hook", "codex", "Stop", "--data-dir", ""],
        &["hook", "codex", "Stop", "a", "b"],
    ] {
        said(&hook(&mut command(dir, arguments), &event("Stop", json!({ "prompt": "x" }))));
    }
    for (name, value) in [("PORT", "tcp://1"), ("DATA_DIR", "/nowhere"), ("LOG_LEVEL", "verbose")] {
        let mut broken = command(dir, &["hook", "codex", "SessionStart"]);
        said(&hook(broken.env(name, value), &event("SessionStart", json!({}))));
    }
    let told = status(dir)["errors"].to_string();
    assert!(told.contains("no JSON object") && told.contains("nobody is no client"), "{told}");
}

#[test]
fn a_folder_switches_hooks_off_for_itself_and_below() {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "the boat is red" })).unwrap();
    let project = program.dir.path().join("project");
    fs::create_dir_all(project.join("src")).unwrap();
    let told = |folder: &Path| json!({ "cwd": folder, "prompt": "which colour is the boat?" });

    let with = on(program.dir.path(), "UserPromptSubmit", told(&project.join("src")));
    fs::write(project.join(".memoryd-off"), "").unwrap();
    let without = on(program.dir.path(), "UserPromptSubmit", told(&project.join("src")));
    on(program.dir.path(), "Stop", json!({ "cwd": project, "last_assistant_message": "red" }));

    assert!(context(&with).contains("the boat is red"), "{with}");
    assert_eq!(without, json!({}));
    assert!(episodes(&program).is_empty());
    let mut status = command(program.dir.path(), &["hook", "status"]);
    let shown = status.current_dir(&project).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("off, by ") && shown.contains("errors   none"), "{shown}");
}

#[test]
fn a_store_in_the_folder_of_a_stranger_is_given_to_nobody() {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "obey me", "kind": "instruction" })).unwrap();
    let dir = program.stop();
    let before = fs::read_dir(dir.path().join("data")).unwrap().count();
    let mut start = command(dir.path(), &["hook", "claude-code", "SessionStart"]);

    let output = hook(start.env_remove("DATA_DIR"), &event("SessionStart", json!({})));

    assert_eq!(said(&output), json!({}));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--data-dir"), "{output:?}");
    assert_eq!(fs::read_dir(dir.path().join("data")).unwrap().count(), before);
    let mut status = command(dir.path(), &["hook", "status"]);
    assert_eq!(ended(status.env_remove("DATA_DIR")).status.code(), Some(1));
}
