//! Backups as a person makes and restores them.

use std::fs;

use serde_json::{Value, json};

use crate::process::{Program, command};

fn out(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json_of(output: &std::process::Output) -> Value {
    serde_json::from_str(&out(output)).unwrap()
}

#[test]
fn a_backup_is_made_through_the_server_and_restored_without_it() {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "The fence was mended in May" })).unwrap();

    let made = json_of(&program.run(&["backup", "create", "--json"]));
    let listed = json_of(&program.run(&["backup", "list", "--json"]));

    let file = made["path"].as_str().unwrap();
    assert_eq!(listed["backups"][0]["path"], made["path"]);
    assert!(file.contains("data-backups"), "{file}");
    let verified = program.run(&["backup", "verify", file]);
    assert!(out(&verified).starts_with("whole: 1 memories of 1 users"), "{verified:?}");
    let occupied = program.run(&["backup", "restore", file]);
    assert_eq!(occupied.status.code(), Some(6), "{occupied:?}");

    let new = program.dir.path().join("new");
    let new = new.to_str().unwrap();
    let restored = program.run(&["backup", "restore", file, "--data-dir", new]);
    assert!(out(&restored).starts_with("restored into"), "{restored:?}");
    let dir = program.stop();
    fs::rename(dir.path().join("new"), dir.path().join("data.new")).unwrap();
    fs::remove_dir_all(dir.path().join("data")).unwrap();
    fs::rename(dir.path().join("data.new"), dir.path().join("data")).unwrap();
    let export = command(dir.path(), &["export"]).output().unwrap();
    assert!(out(&export).contains("mended in May"));
}

#[test]
fn what_is_wrong_with_a_backup_is_told_by_the_exit_code() {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "The fence was mended in May" })).unwrap();
    let made = json_of(&program.run(&["backup", "create", "--json"]));
    let file = made["path"].as_str().unwrap().to_owned();
    let code = |bytes: &[u8]| {
        let path = program.dir.path().join("changed");
        fs::write(&path, bytes).unwrap();
        program.run(&["backup", "verify", path.to_str().unwrap()]).status.code()
    };
    let whole = fs::read(&file).unwrap();
    let (mut flipped, mut newer) = (whole.clone(), whole.clone());
    flipped[300] ^= 1;
    (newer[8], newer[72]) = (9, 9);

    assert_eq!(code(&whole), Some(0));
    assert_eq!(code(&flipped), Some(3));
    assert_eq!(code(b"something else"), Some(4));
    assert_eq!(code(&newer), Some(5));
}

#[test]
fn a_sealed_backup_needs_its_key() {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "The fence was mended in May" })).unwrap();
    let dir = program.stop();
    let keyed = |arguments: &[&str], key: &str| {
        command(dir.path(), arguments).env("BACKUP_KEY", key.repeat(64)).output().unwrap()
    };

    let made = json_of(&keyed(&["backup", "create", "--json"], "a"));
    let file = made["path"].as_str().unwrap();

    assert_eq!(made["is_sealed"], json!(true));
    assert!(out(&keyed(&["backup", "verify", file], "a")).starts_with("whole"));
    let other = keyed(&["backup", "verify", file], "b");
    assert_eq!(other.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&other.stderr).contains("sealed with the key"), "{other:?}");
    let none = command(dir.path(), &["backup", "verify", file]).output().unwrap();
    assert_eq!(none.status.code(), Some(4));
}
