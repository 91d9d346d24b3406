//! `memoryd connect` and `client-config`, with the files of clients under a home of the test's own.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;

use serde_json::{Value, json};

use crate::KEY;
use crate::process::{Program, command, hello, talk};

/// Each client, and its file below the home.
const CLIENTS: &[(&str, &str)] = &[
    ("claude-code", ".claude.json"),
    ("vscode", ".config/Code/User/mcp.json"),
    ("cursor", ".cursor/mcp.json"),
    ("codex", ".codex/config.toml"),
    ("gemini", ".gemini/settings.json"),
    ("claude-desktop", ".config/Claude/claude_desktop_config.json"),
    ("windsurf", ".codeium/windsurf/mcp_config.json"),
    ("zed", ".config/zed/settings.json"),
    ("opencode", ".config/opencode/opencode.json"),
];

const COMMENTED: &str =
    "{\n\t// mine\n\t\"mcpServers\": {\n\t\t\"docs\": { \"command\": \"x\" }, // kept\n\t},\n}\n";

/// Half of what Claude Code keeps there.
const BUSY: &str = "{\n  \"numStartups\": 1,\n  \"projects\": {}\n}\n";

fn told(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

fn done(program: &Program, arguments: &[&str]) -> String {
    let output = program.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", told(&output));
    told(&output)
}

fn refused(program: &Program, arguments: &[&str]) -> String {
    let output = program.run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", told(&output));
    told(&output)
}

/// Writes a file below the home of a program.
fn write(program: &Program, name: &str, text: &str) -> PathBuf {
    let path = program.dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn tokens(program: &Program) -> Vec<Value> {
    let output = program.run(&["token", "list", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    told["tokens"].as_array().unwrap().clone()
}

/// The states of the tokens of one name.
fn states(program: &Program, name: &str) -> Vec<String> {
    let of_name = tokens(program).into_iter().filter(|token| token["name"] == name);
    of_name.map(|token| token["state"].as_str().unwrap().to_owned()).collect()
}

/// The token that stands in a text.
fn token_in(text: &str) -> String {
    let is_one = |start: &usize| !text[*start..].starts_with("mcp_servers");
    let mut starts = text.match_indices("mcp_").map(|(start, _)| start);
    let start = starts.find(is_one).unwrap_or_else(|| panic!("no token in {text}"));
    text[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect()
}

#[test]
fn every_client_is_connected_once_and_disconnected_without_a_trace() {
    let program = Program::start();
    for (client, file) in CLIENTS {
        let path = program.dir.path().join(file);

        let first = done(&program, &["connect", client, "--yes"]);

        let written = read(&path);
        let token = token_in(&written);
        assert!(first.contains("tools") && first.contains("+++ "), "{client}: {first}");
        assert!(!first.contains(&token), "{client} is told in full: {first}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{client}");
        assert_eq!(states(&program, client), ["active"], "{client}");

        let second = done(&program, &["connect", client, "--yes"]);

        assert!(second.contains("connected already"), "{client}: {second}");
        assert_eq!(read(&path), written, "{client}");
        assert_eq!(states(&program, client), ["active"], "{client}");

        let undone = done(&program, &["connect", client, "--undo", "--yes"]);

        assert!(!path.exists(), "{client}: {}", read(&path));
        assert!(undone.contains("is revoked"), "{client}: {undone}");
        assert_eq!(states(&program, client), ["revoked"], "{client}");
        let again = done(&program, &["connect", client, "--undo", "--yes"]);
        assert!(again.contains("nothing was changed"), "{client}: {again}");
    }
}

#[test]
fn the_rest_of_a_file_its_mode_and_its_link_stay() {
    let program = Program::start();
    let real = write(&program, "dotfiles/cursor.json", COMMENTED);
    fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
    fs::create_dir(program.dir.path().join(".cursor")).unwrap();
    let link = program.dir.path().join(".cursor/mcp.json");
    symlink("../dotfiles/cursor.json", &link).unwrap();

    done(&program, &["connect", "cursor", "--yes"]);

    let edited = read(&real);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    for kept in
        ["\t// mine\n", "\t\t\"docs\": { \"command\": \"x\" }, // kept\n", "\t\t\"memory\": {\n"]
    {
        assert!(edited.contains(kept), "{edited}");
    }
    let copy = program.dir.path().join("dotfiles/cursor.json.memoryd-backup");
    assert_eq!(read(&copy), COMMENTED);

    done(&program, &["connect", "cursor", "--undo", "--yes"]);

    assert_eq!(read(&real), COMMENTED);
    assert!(!copy.exists() && fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn what_the_client_wrote_meanwhile_survives_the_undoing() {
    let program = Program::start();
    let path = write(&program, ".claude.json", BUSY);
    done(&program, &["connect", "claude-code", "--yes"]);
    fs::write(&path, read(&path).replace("\"numStartups\": 1", "\"numStartups\": 2")).unwrap();

    done(&program, &["connect", "claude-code", "--undo", "--yes"]);

    assert_eq!(read(&path), BUSY.replace("\"numStartups\": 1", "\"numStartups\": 2"));
}

#[test]
fn a_token_that_is_no_longer_good_is_replaced() {
    let program = Program::start();
    let path = program.dir.path().join(".codex/config.toml");
    done(&program, &["connect", "codex", "--yes"]);
    let before = token_in(&read(&path));
    done(&program, &["token", "revoke", &before]);

    done(&program, &["connect", "codex", "--yes"]);

    let after = token_in(&read(&path));
    assert_ne!(after, before);
    assert_eq!(read(&path).matches("[mcp_servers.memory]").count(), 1);
    assert_eq!(states(&program, "codex-2"), ["active"]);
    done(&program, &["connect", "codex", "--undo", "--yes"]);
    assert!(!path.exists());
}

#[test]
fn a_token_that_others_may_use_as_well_is_not_revoked() {
    let program = Program::start();
    let made = done(&program, &["token", "create", "--name", "laptop"]);
    let laptop = token_in(&made);
    let url = format!("http://127.0.0.1:{}/mcp", program.port);
    let entry = json!({ "url": url, "headers": { "Authorization": format!("Bearer {laptop}") } });
    let text = json!({ "mcpServers": { "memory": entry } }).to_string();
    let path = write(&program, ".cursor/mcp.json", &text);

    let first = done(&program, &["connect", "cursor", "--yes"]);

    assert!(first.contains("stays good"), "{first}");
    assert_ne!(token_in(&read(&path)), laptop);
    assert_eq!(states(&program, "laptop"), ["active"]);
}

#[test]
fn a_change_is_shown_without_the_keys_in_the_file() {
    let program = Program::start();
    let url = format!("http://127.0.0.1:{}/mcp", program.port);
    let key = "the-key-of-the-whole-server";
    let entry = json!({ "url": url, "headers": { "Authorization": format!("Bearer {key}") } });
    let github = format!("ghp_{}", "aB3".repeat(12));
    let other = json!({ "command": "x", "env": { "TOKEN": github } });
    let text = format!(
        "{{\n  \"mcpServers\": {{\n    \"other\": {other},\n    \"memory\": {entry}\n  }}\n}}\n"
    );
    let path = write(&program, ".cursor/mcp.json", &text);

    let first = done(&program, &["connect", "cursor", "--yes"]);

    assert!(first.contains("Bearer [key]") && first.contains("[masked: GitHub token]"), "{first}");
    assert!(!first.contains(key) && !first.contains(&github), "{first}");
    assert!(read(&path).contains(&github));
}

#[test]
fn nothing_is_written_without_a_yes_into_damage_or_over_another_server() {
    let program = Program::start();
    let asked = write(&program, ".cursor/mcp.json", COMMENTED);
    let damaged = write(&program, ".codeium/windsurf/mcp_config.json", "{\n  \"mcpServers\": {\n");
    let strict = write(&program, ".claude.json", "{\n  // no\n}");
    let other = write(
        &program,
        ".gemini/settings.json",
        "{\"mcpServers\":{\"memory\":{\"command\":\"npx\"}}}",
    );
    let files = [&asked, &damaged, &strict, &other].map(|path| read(path));

    let answers = [
        (&["connect", "cursor"][..], "[y/N]"),
        (&["connect", "windsurf", "--yes"], "line 3, column 1: the file ends too early"),
        (&["connect", "claude-code", "--yes"], "line 2, column 3: a comment"),
        (&["connect", "gemini", "--yes"], "another server called memory"),
        (&["connect", "zed", "--project", "--yes"], "has no file for a project"),
    ];
    for (arguments, expected) in answers {
        let told = refused(&program, arguments);
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }

    assert_eq!([&asked, &damaged, &strict, &other].map(|path| read(path)), files);
    assert_eq!(tokens(&program).len(), 0);
    done(&program, &["connect", "gemini", "--yes", "--name", "memoryd"]);
    assert!(read(&other).contains("npx"));
}

#[test]
fn a_read_only_file_is_left_alone_and_no_token_is_made() {
    let program = Program::start();
    let path = write(&program, ".cursor/mcp.json", "{}");
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();

    let told = refused(&program, &["connect", "cursor", "--yes"]);

    assert!(told.contains("read-only"), "{told}");
    assert_eq!(read(&path), "{}");
    assert_eq!(tokens(&program).len(), 0);
}

#[test]
fn the_file_of_a_project_names_a_variable() {
    let program = Program::start();
    let path = program.dir.path().join(".mcp.json");

    let first = done(&program, &["connect", "claude-code", "--project", "--yes"]);

    let token =
        token_in(first.lines().find(|line| line.starts_with("export MEMORY_KEY=")).unwrap());
    let written: Value = serde_json::from_str(&read(&path)).unwrap();
    let header = &written["mcpServers"]["memory"]["headers"]["Authorization"];
    assert_eq!(header, "Bearer ${MEMORY_KEY}");
    assert!(done(&program, &["connect", "claude-code", "--project"]).contains("connected already"));

    let mut undo =
        command(program.dir.path(), &["connect", "claude-code", "--project", "--undo", "-y"]);
    let undone = undo.env("MEMORY_KEY", token).output().unwrap();

    assert!(undone.status.success() && !path.exists(), "{}", told(&undone));
    assert_eq!(states(&program, "claude-code"), ["revoked"]);
}

#[test]
fn open_webui_gets_a_token_and_its_owner_the_lines() {
    let program = Program::start();

    let first = done(&program, &["connect", "open-webui", "--yes"]);

    let line = first.lines().find(|line| line.starts_with("TOOL_SERVER_CONNECTIONS='")).unwrap();
    let text = line.trim_start_matches("TOOL_SERVER_CONNECTIONS='").trim_end_matches('\'');
    let connections: Value = serde_json::from_str(text).unwrap();
    assert_eq!(connections[0]["key"], token_in(line).as_str());
    assert_eq!(states(&program, "open-webui"), ["active"]);
    assert!(done(&program, &["connect", "open-webui", "--yes"]).contains("nothing was changed"));
    done(&program, &["connect", "open-webui", "--undo", "--yes"]);
    assert_eq!(states(&program, "open-webui"), ["revoked"]);
}

#[test]
fn without_a_server_a_client_is_told_of_the_one_to_come() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = command(dir.path(), arguments).env("PORT", "3000").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", told(&output));
        told(&output)
    };

    let cursor = run(&["connect", "cursor", "--yes"]);
    let desktop = run(&["connect", "claude-desktop", "--yes"]);

    assert!(cursor.contains("not tried"), "{cursor}");
    assert!(read(&dir.path().join(".cursor/mcp.json")).contains("http://127.0.0.1:3000/mcp"));
    assert!(desktop.contains("tools"), "{desktop}");
    assert!(run(&["connect", "claude-desktop", "--yes"]).contains("connected already"));
    run(&["connect", "cursor", "--undo", "--yes"]);
    assert!(!dir.path().join(".cursor/mcp.json").exists());
}

#[test]
fn a_token_that_cannot_be_revoked_is_named_with_what_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let deaf = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = deaf.local_addr().unwrap().port().to_string();
    thread::spawn(move || deaf.incoming().for_each(drop));
    let run =
        |arguments: &[&str]| command(dir.path(), arguments).env("PORT", &port).output().unwrap();
    let made = run(&["connect", "cursor", "--yes"]);
    assert!(made.status.success(), "{}", told(&made));
    let path = dir.path().join(".cursor/mcp.json");
    let token = token_in(&read(&path));
    let url = format!("http://127.0.0.1:{port}");

    let undo = ["connect", "cursor", "--undo", "--yes", "--url", &url, "--key", KEY];
    let undone = run(&undo);

    assert_eq!(undone.status.code(), Some(1), "{}", told(&undone));
    assert!(!path.exists());
    let said = told(&undone);
    let command = said.split("memoryd token revoke ").nth(1).unwrap_or_else(|| panic!("{said}"));
    let (prefix, rest) = command.split_once(' ').unwrap();
    assert!(prefix.len() > "mcp_".len() && token.starts_with(prefix), "{said}");
    assert!(rest.starts_with(&format!("--url {url} ")) && !said.contains(&token), "{said}");
    let revoked = run(&["token", "revoke", prefix]);
    assert!(revoked.status.success(), "{}", told(&revoked));
}

#[test]
fn a_token_is_what_it_was_made_for_also_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| told(&command(dir.path(), arguments).output().unwrap());
    let token = token_in(&run(&["token", "create", "--name", "reader", "--scopes", "read"]));
    let add = ("tools/call", json!({ "name": "add_memory", "arguments": { "content": "x" } }));

    let mut reader = command(dir.path(), &["stdio"]);
    let answers = talk(reader.env("MCP_API_KEY", &token), &[hello(), add]);

    assert!(answers[1].to_string().contains("scope"), "{}", answers[1]);
    run(&["token", "revoke", "reader"]);
    let mut revoked = command(dir.path(), &["export"]);
    let refused = revoked.env("MCP_API_KEY", &token).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
}

#[test]
fn client_config_prints_and_writes_nothing() {
    let program = Program::start();
    let home = || fs::read_dir(program.dir.path()).unwrap().count();
    let before = home();

    for arguments in [&["client-config", "codex"][..], &["connect", "codex", "--print"]] {
        let output = program.run(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("[mcp_servers.memory]\nurl = \"http://127.0.0.1:"), "{text}");
        assert!(text.contains("YOUR_KEY"), "{text}");
    }
    let output =
        program.run(&["client-config", "zed", "--json", "--url", "https://nas.lan:3443/mcp"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(told["entry"]["url"], "https://nas.lan:3443/mcp");
    assert!(told["file"].as_str().unwrap().ends_with(".config/zed/settings.json"), "{told}");
    assert_eq!((home(), tokens(&program).len()), (before, 0));
}
