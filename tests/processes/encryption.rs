//! A store that only its owner's key opens, as a person makes one.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Program, command};

const KEY_FILE: &str = "disk.key";

fn write_key(dir: &Path, digit: &str) {
    fs::write(dir.join(KEY_FILE), format!("{}\n", digit.repeat(64))).unwrap();
}

fn with_key(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = command(dir, arguments);
    command.env("ENCRYPTION_KEY_FILE", dir.join(KEY_FILE));
    command
}

fn start(dir: TempDir) -> Program {
    let serve = with_key(dir.path(), &["serve"]);
    Program::start_as(serve, dir)
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn is_readable(dir: &Path, word: &str) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_readable(&path, word);
        }
        // A socket cannot be read.
        let bytes = fs::read(&path).unwrap_or_default();
        bytes.windows(word.len()).any(|window| window == word.as_bytes())
    })
}

#[test]
fn an_encrypted_store_is_read_with_its_key_only() {
    let plain = Program::start();
    plain.tool("add_memory", json!({ "content": "The Sanddorn grows by the fence" })).unwrap();
    let dir = plain.stop();
    assert!(is_readable(&dir.path().join("data"), "Sanddorn"));
    write_key(dir.path(), "a");

    let program = start(dir);
    program.tool("add_memory", json!({ "content": "More Sanddorn in October" })).unwrap();
    assert!(!is_readable(&program.data(), "Sanddorn"));
    let dir = program.kill();
    assert!(!is_readable(&dir.path().join("data"), "Sanddorn"));

    let export = with_key(dir.path(), &["export"]).output().unwrap();
    let exported = String::from_utf8_lossy(&export.stdout).into_owned();
    assert_eq!(exported.matches("Sanddorn").count(), 2, "{}", told(&export));
    let check = command(dir.path(), &["check"]).output().unwrap();
    assert!(check.status.success(), "{}", told(&check));
    for verb in ["serve", "export"] {
        let none = command(dir.path(), &[verb]).output().unwrap();
        assert!(!none.status.success());
        assert!(told(&none).contains("set storage.encryption_key_file"), "{}", told(&none));
    }
    write_key(dir.path(), "b");
    let other = with_key(dir.path(), &["serve"]).output().unwrap();
    assert!(!other.status.success());
    assert!(told(&other).contains("is encrypted with the key"), "{}", told(&other));
}

#[test]
fn a_new_key_takes_the_place_of_the_old_one_at_one_start() {
    let dir = tempfile::tempdir().unwrap();
    write_key(dir.path(), "a");
    let program = start(dir);
    program.tool("add_memory", json!({ "content": "The Sanddorn grows by the fence" })).unwrap();
    let dir = program.stop();
    write_key(dir.path(), "b");
    let mut serve = with_key(dir.path(), &["serve"]);
    serve.env("ENCRYPTION_PREVIOUS_KEY", "a".repeat(64));

    let dir = Program::start_as(serve, dir).stop();

    let export = with_key(dir.path(), &["export"]).output().unwrap();
    assert!(String::from_utf8_lossy(&export.stdout).contains("Sanddorn"), "{}", told(&export));
    write_key(dir.path(), "a");
    let old = with_key(dir.path(), &["export"]).output().unwrap();
    assert!(!old.status.success());
}

#[test]
fn a_backup_of_an_encrypted_store_wants_the_key_of_the_store() {
    let dir = tempfile::tempdir().unwrap();
    write_key(dir.path(), "a");
    let program = start(dir);
    program.tool("add_memory", json!({ "content": "The Sanddorn grows by the fence" })).unwrap();
    let dir = program.stop();
    let made = with_key(dir.path(), &["backup", "create", "--json"]).output().unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let file = made["path"].as_str().unwrap();
    let place = dir.path().join("restored");
    let at_place = ["--data-dir", place.to_str().unwrap()];
    let restore = [&["backup", "restore", file][..], &at_place].concat();

    let verified = command(dir.path(), &["backup", "verify", file]).output().unwrap();
    let none = command(dir.path(), &restore).output().unwrap();
    write_key(dir.path(), "b");
    let other = with_key(dir.path(), &restore).output().unwrap();
    write_key(dir.path(), "a");
    let restored = with_key(dir.path(), &restore).output().unwrap();

    assert!(verified.status.success(), "{}", told(&verified));
    for refused in [&none, &other] {
        assert_eq!(refused.status.code(), Some(4), "{}", told(refused));
        assert!(told(refused).contains("ENCRYPTION_KEY_FILE"), "{}", told(refused));
    }
    assert!(restored.status.success(), "{}", told(&restored));
    let export = with_key(dir.path(), &[&["export"][..], &at_place].concat()).output().unwrap();
    assert!(String::from_utf8_lossy(&export.stdout).contains("Sanddorn"), "{}", told(&export));
}
