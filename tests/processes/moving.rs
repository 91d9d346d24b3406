//! `memoryd import` of what another product remembered, with a server and without.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::process::{Program, command};

const LINES: &str = r#"{"type":"entity","name":"Ada","entityType":"person","observations":["likes tea"]}
{"type":"relation","from":"Ada","to":"Acme","relationType":"works_at"}
{"type":"entity","na
"#;

fn run(dir: &Path, arguments: &[&str]) -> Output {
    command(dir, &[&["import"][..], arguments].concat()).output().unwrap()
}

fn told(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn count(dir: &Path) -> usize {
    let exported = command(dir, &["export"]).output().unwrap();
    let exported = String::from_utf8(exported.stdout).unwrap();
    exported.lines().filter(|line| !line.contains("\"status\":\"deleted\"")).count()
}

#[test]
fn a_knowledge_graph_is_tried_taken_listed_and_undone_through_every_door() {
    let program = Program::start();
    let alone = tempfile::tempdir().unwrap();

    for dir in [program.dir.path(), alone.path()] {
        fs::write(dir.join("memory.json"), LINES).unwrap();

        let tried = run(dir, &["memory.json", "--dry-run", "--json"]);
        assert_eq!((tried.status.code(), count(dir)), (Some(1), 0), "{tried:?}");
        let taken = run(dir, &["memory.json", "--json"]);
        assert_eq!(taken.status.code(), Some(1), "one line is torn: {taken:?}");

        let (tried, taken) = (told(&tried), told(&taken));
        assert_eq!(tried["kinds"], taken["kinds"]);
        assert_eq!((&taken["kinds"]["entity"]["new"], &taken["failed"]), (&json!(1), &json!(1)));
        assert_eq!(taken["failures"][0]["place"], "memory.json #3");
        assert_eq!(count(dir), 2);
        let again = told(&run(dir, &["memory.json", "--json"]));
        assert_eq!(again["kinds"]["relation"]["unchanged"], 1, "{again}");
        let run_id = taken["run"].as_str().unwrap();
        let listed = told(&run(dir, &["--list", "--json"]));
        assert_eq!(listed["imports"][0]["run"], run_id, "{listed}");

        let undone = run(dir, &["--undo", run_id]);

        assert_eq!((undone.status.code(), count(dir)), (Some(0), 0), "{undone:?}");
    }
}

#[test]
fn a_damaged_file_in_a_folder_is_named_and_the_others_are_taken() {
    let program = Program::start();
    let alone = tempfile::tempdir().unwrap();

    for dir in [program.dir.path(), alone.path()] {
        let notes = dir.join("notes");
        fs::create_dir(&notes).unwrap();
        fs::write(notes.join("a.md"), "# Tea\n\nLikes green tea.\n").unwrap();
        fs::write(notes.join("b.zip"), b"PK\x03\x04 and no more").unwrap();

        let taken = run(dir, &["notes", "--json"]);

        assert_eq!((taken.status.code(), count(dir)), (Some(1), 1), "{taken:?}");
        let taken = told(&taken);
        assert_eq!(taken["failures"][0]["place"], "b.zip", "{taken}");
        assert_eq!((&taken["kinds"]["note"]["new"], &taken["failed"]), (&json!(1), &json!(1)));
    }
}

#[test]
fn what_is_of_no_format_ends_with_2_and_a_database_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("words.txt"), "just words").unwrap();
    fs::write(dir.path().join("memory.db"), b"SQLite format 3\0 and more").unwrap();
    fs::write(dir.path().join("own.jsonl"), "{\"content\": \"x\"}\n").unwrap();

    let words = run(dir.path(), &["words.txt"]);
    let database = run(dir.path(), &["memory.db"]);
    let own = run(dir.path(), &["own.jsonl", "--project", "p"]);

    let errors = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(words.status.code(), Some(2));
    assert!(errors(&words).contains("--format: memoryd, server-memory"), "{}", errors(&words));
    assert!(errors(&database).contains("docs/IMPORT.md"), "{}", errors(&database));
    assert!(errors(&own).contains("--project is for other formats"), "{}", errors(&own));
}
