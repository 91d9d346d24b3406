//! Exports and imports from the command line, with a server and without.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::process::{Program, command};

const ID: &str = "01JC3V5Y9ZK7Q2M8N4T6W0X1ER";

#[test]
fn a_bad_line_stops_no_import_and_is_named() {
    let program = Program::start();
    let alone = tempfile::tempdir().unwrap();
    let mut lines = b"\xef\xbb\xbf{\"content\": \"first\"}\r\n".to_vec();
    lines.extend(b"{\"content\": \"caf\xe9\"}\n");
    lines.extend(vec![b'x'; 33 << 20]);
    lines.extend(b"\nno json\n");
    // More than travels to a server at once, and what follows begins as a file might.
    for n in 0..30 {
        let content = format!("{n} {}", "word ".repeat(10_000));
        lines.extend(format!("{}\n", json!({ "content": content })).bytes());
        lines.extend(b"\xef\xbb\xbf{\"content\": \"a mark is none here\"}\n");
    }
    lines.extend(b"{\"content\": \"last\"}");

    for dir in [program.dir.path(), alone.path()] {
        fs::write(dir.join("in.jsonl"), &lines).unwrap();
        let output = command(dir, &["import", "in.jsonl", "--json"]).output().unwrap();

        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!((&told["imported"], &told["failed"]), (&json!(32), &json!(33)), "{told}");
        let errors = told["errors"].as_array().unwrap();
        let numbers: Vec<u64> =
            errors.iter().map(|error| error["line"].as_u64().unwrap()).collect();
        let marked = (0..17).map(|n| 6 + 2 * n);
        assert_eq!(numbers, [2, 3, 4].into_iter().chain(marked).collect::<Vec<u64>>());
    }
}

#[test]
fn a_long_history_goes_through_the_command_line_whole() {
    let program = Program::start();
    let alone = tempfile::tempdir().unwrap();
    let lines = long_history(600);

    for dir in [program.dir.path(), alone.path()] {
        fs::write(dir.join("in.jsonl"), &lines).unwrap();
        let told = imported(dir, "in.jsonl");
        assert_eq!((&told["imported"], &told["failed"]), (&json!(1), &json!(0)), "{told}");
    }
    let exported = export(program.dir.path());

    assert!(export(alone.path()) == exported, "the two doors give different exports");
    let versions: usize = exported
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| line["history"].as_array().unwrap().len())
        .sum();
    assert_eq!(versions, 599);
    let fresh = tempfile::tempdir().unwrap();
    fs::write(fresh.path().join("in.jsonl"), &exported).unwrap();
    assert_eq!(imported(fresh.path(), "in.jsonl")["imported"], 1);
    assert!(export(fresh.path()) == exported, "it did not come back whole");
}

#[test]
fn notes_come_back_as_what_they_were_and_a_table_calculates_nothing() {
    let program = Program::start();
    let alone = tempfile::tempdir().unwrap();
    let at = "2026-01-01T00:00:00.000Z";
    let memory = json!({
        "id": ID, "content": "=1+1\r\nlikes tea", "title": "Tea: green", "kind": "fact",
        "tags": ["#a", "b c"], "project": "a/b", "priority": 5, "pinned": true, "version": 3,
        "metadata": { "n": { "k": [1, "x: y"] } }, "created_at": at, "updated_at": at,
    });
    let gone = json!({
        "id": "01JC3V5Y9ZK7Q2M8N4T6W0X1ES", "content": "gone", "kind": "note", "version": 1,
        "status": "deleted", "created_at": at, "updated_at": at,
    });

    for dir in [program.dir.path(), alone.path()] {
        fs::write(dir.join("in.jsonl"), format!("{memory}\n{gone}\n")).unwrap();
        imported(dir, "in.jsonl");
        let export = ["export", "--format", "markdown", "notes"];
        succeeded(command(dir, &export).output().unwrap());
        let second = command(dir, &export).output().unwrap();
        assert!(String::from_utf8_lossy(&second.stderr).contains("notes is not empty"));

        let fresh = tempfile::tempdir().unwrap();
        let notes = dir.join("notes");
        let import = ["import", notes.to_str().unwrap(), "--confirm"];
        succeeded(command(fresh.path(), &import).output().unwrap());
        let same = succeeded(command(dir, &[&import[..], &["--json"]].concat()).output().unwrap());

        let back: Vec<Value> = self::export(fresh.path())
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(back.len(), 1, "what was deleted is in no note");
        for (name, value) in memory.as_object().unwrap() {
            assert_eq!(&back[0][name], value, "{name}");
        }
        let same: Value = serde_json::from_slice(&same.stdout).unwrap();
        assert_eq!(same["kinds"]["fact"]["unchanged"], 1, "{same}");
        let table = succeeded(command(dir, &["export", "--format", "csv"]).output().unwrap());
        let table = String::from_utf8(table.stdout).unwrap();
        assert!(table.contains("\"'=1+1\r\nlikes tea\""), "{table}");
        assert!(!table.contains("gone"), "{table}");
    }
}

fn imported(dir: &Path, file: &str) -> Value {
    let output = succeeded(command(dir, &["import", file, "--json"]).output().unwrap());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn export(dir: &Path) -> String {
    String::from_utf8(succeeded(command(dir, &["export"]).output().unwrap()).stdout).unwrap()
}

fn succeeded(output: Output) -> Output {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Lines that bring a memory with so many versions of 64 KiB.
fn long_history(count: u32) -> String {
    let text = "word ".repeat(13_000);
    let version = |n: u32| {
        json!({
            "id": ID, "content": format!("{n} {text}"), "kind": "note", "version": n,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        })
    };
    let mut lines = format!("{}\n", version(count));
    let earlier: Vec<u32> = (1..count).collect();
    for part in earlier.chunks(100) {
        let history: Vec<Value> = part.iter().map(|n| version(*n)).collect();
        lines.push_str(&format!("{}\n", json!({ "id": ID, "history": history })));
    }
    lines
}
