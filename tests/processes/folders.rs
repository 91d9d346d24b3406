//! Folders that are not ours: those in which an assistant is opened, and those that hold something
//! else than a store.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Program, command, ended, hello, search, talk};

/// Files of ordinary projects, and of those that mean ill.
const OF_STRANGERS: &[(&str, &str)] = &[
    (".env", "USE_HTTPS=true\n"),
    (".env", "KEY=\"unclosed\n"),
    (".env", "PORT=tcp://1\n"),
    (".env", "LOG_LEVEL=verbose\n"),
    (".env", "X Y=1\n"),
    (".env", "TEXT=\"of several\nlines\"\n"),
    (".env", "DEFAULT_USER_ID=somebody-else\n"),
    ("config.toml", "baseURL = \"x\"\n"),
    ("config.toml", "[mcp_servers.memory]\ncommand = \"memoryd\"\n"),
    ("config.toml", "no settings at all\n"),
];

#[test]
fn stdio_and_export_obey_nothing_of_the_folder_they_were_started_in() {
    let owner = owner();

    for (name, text) in OF_STRANGERS {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), text).unwrap();

        assert_found_twice(folder.path(), &owner);
        let exported = started_in(folder.path(), "export", &owner).output().unwrap();
        let told = String::from_utf8(exported.stdout).unwrap();
        assert!(exported.status.success() && told.contains("boiler"), "{text}: {told}");
        assert_eq!(names_in(folder.path()), [*name], "something was left behind");
    }
}

#[test]
fn no_text_goes_to_an_address_that_the_folder_names() {
    let owner = owner();
    let stranger = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    stranger.set_nonblocking(true).unwrap();
    let port = stranger.local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/v1");

    for (name, text) in [
        (".env", format!("EMBEDDING_URL={url}\nEMBEDDING_MODEL=x\n")),
        ("config.toml", format!("[embedding]\nurl = \"{url}\"\nmodel = \"x\"\n")),
        (".env", "RUN_DIR=.\n".to_owned()),
        ("config.toml", "[server]\nrun_dir = \".\"\n".to_owned()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), &text).unwrap();
        // As if a server ran that keeps its files here.
        fs::write(folder.path().join(".mcp_port"), port.to_string()).unwrap();
        fs::write(folder.path().join(".mcp_token"), "x".repeat(43)).unwrap();

        assert_found_twice(folder.path(), &owner);

        let called = stranger.accept().map(|_| ()).map_err(|error| error.kind());
        assert_eq!(called, Err(ErrorKind::WouldBlock), "{text}");
    }
}

/// As when an administrator looks after the data of a service. Only root can give files away.
#[test]
fn what_root_does_to_the_data_of_a_service_leaves_it_to_the_service() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    if fs::metadata(&data).unwrap().uid() == 0 {
        std::os::unix::fs::chown(&data, Some(12_345), Some(12_345)).unwrap();
    }
    let owner = fs::metadata(&data).unwrap().uid();
    fs::write(dir.path().join("in.jsonl"), "{\"content\": \"the boiler was serviced\"}\n").unwrap();

    for arguments in [&["import", "in.jsonl"][..], &["export"], &["check"]] {
        let done = command(dir.path(), arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
    let program = Program::start_in(dir);

    let mut folders = vec![program.data()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            // Those of the running server go with it.
            if path.file_name().unwrap().to_str().is_some_and(|name| name.starts_with(".mcp_"))
                || path.ends_with("memoryd.sock")
            {
                continue;
            }
            let found = fs::symlink_metadata(&path).unwrap();
            assert_eq!(found.uid(), owner, "{}", path.display());
            seen += 1;
            if found.is_dir() {
                folders.push(path);
            }
        }
    }
    assert!(seen > 5, "only {seen} files were there");
}

#[test]
fn a_data_folder_that_was_there_keeps_its_mode() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();

    let program = Program::start_in(dir);
    program.tool("add_memory", json!({ "content": "the boiler was serviced" })).unwrap();
    assert_eq!(mode(&data), 0o755);
    let dir = program.stop();
    let data_dir = data.to_str().unwrap();
    for arguments in [&["export", "--data-dir", data_dir][..], &["stdio", "--data-dir", data_dir]] {
        assert!(ended(&mut command(dir.path(), arguments)).status.success(), "{arguments:?}");
        assert_eq!(mode(&data), 0o755, "{arguments:?}");
    }
}

#[test]
fn a_folder_that_holds_something_else_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    fs::write(data.join("thesis.txt"), "years of work").unwrap();
    fs::write(dir.path().join("in.jsonl"), "{\"content\": \"x\"}\n").unwrap();

    for arguments in [&["export"][..], &["import", "in.jsonl"], &["stdio"], &["serve"]] {
        let output = ended(&mut command(dir.path(), arguments));

        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains(data.to_str().unwrap()), "{arguments:?}: {told}");
        assert_eq!(names_in(&data), ["thesis.txt"], "{arguments:?}");
        assert_eq!(mode(&data), 0o755, "{arguments:?}");
    }
}

#[test]
fn an_export_where_no_store_is_fails_and_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();

    for arguments in [&["export"][..], &["export", "--output", "out.jsonl"]] {
        let output = ended(&mut command(dir.path(), arguments));

        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains("error: "), "{told}");
        assert!(output.stdout.is_empty());
        assert!(names_in(dir.path()).is_empty(), "{:?}", names_in(dir.path()));
    }
    fs::create_dir(dir.path().join("data")).unwrap();
    let output = ended(&mut command(dir.path(), &["export"]));
    assert_eq!(output.status.code(), Some(1), "an empty folder is no store");
    assert!(names_in(&dir.path().join("data")).is_empty());
}

/// The home of somebody who remembers one thing, with no server running.
fn owner() -> TempDir {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "the boiler was serviced" })).unwrap();
    program.stop()
}

/// A verb in a stranger's folder, told by a flag alone where its owner's memories are.
fn started_in(folder: &Path, verb: &str, owner: &TempDir) -> Command {
    let data = owner.path().join("data");
    let mut command = command(folder, &[verb, "--data-dir", data.to_str().unwrap()]);
    command.env("HOME", owner.path()).env_remove("DATA_DIR");
    command
}

fn assert_found_twice(folder: &Path, owner: &TempDir) {
    let calls = [hello(), search(), search()];
    let answers: Vec<Value> = talk(&mut started_in(folder, "stdio", owner), &calls);
    assert!(answers[0]["result"]["serverInfo"].is_object(), "{}", answers[0]);
    for answer in &answers[1..] {
        let content = &answer["result"]["structuredContent"]["results"][0]["content"];
        assert_eq!(content, "the boiler was serviced", "{answer}");
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| name(entry.unwrap())).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
