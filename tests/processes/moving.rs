//! `memoryd import` of what another product remembered, with a server and without.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

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
fn every_sample_is_told_beforehand_taken_once_and_taken_back() {
    let samples = samples();
    assert!(samples.len() > 15, "{samples:?}");
    for path in samples {
        let dir = tempfile::tempdir().unwrap();
        let import = |source: &Path, more: &[&str]| {
            told(&run(dir.path(), &[&[source.to_str().unwrap()][..], EVERYTHING, more].concat()))
        };

        let tried = import(&path, &["--dry-run"]);
        assert_eq!(count(dir.path()), 0, "{path:?}");
        let taken = import(&path, &[]);

        let told_both =
            ["formats", "kinds", "skipped", "failed", "mended", "lines", "bytes", "tags"];
        for name in told_both {
            assert_eq!(tried[name], taken[name], "{path:?}: {name}");
        }
        assert!(new_in(&taken) > 0, "{path:?}: {taken}");
        let other = dir.path().join("another name.json");
        let anew = exported_anew(&path).inspect(|text| fs::write(&other, text).unwrap());
        for source in [Some(&path), anew.map(|_| &other)].into_iter().flatten() {
            let again = import(source, &[]);
            assert_eq!((new_in(&again), again.get("run")), (0, None), "{source:?}: {again}");
        }
        let undone = run(dir.path(), &["--undo", taken["run"].as_str().unwrap()]);
        assert_eq!((undone.status.code(), count(dir.path())), (Some(0), 0), "{path:?}: {undone:?}");
    }
}

const EVERYTHING: &[&str] =
    &["--only", "memories,conversations,projects,files", "--all-users", "--json"];

/// The made-up files and folders of every product.
fn samples() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/import");
    let found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = found.collect();
    found.sort();
    found
}

/// The same in another order and spelling, as a later export may have it; nothing of what is no JSON.
fn exported_anew(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    if path.extension()? == "jsonl" {
        let lines: Vec<&str> = text.lines().rev().collect();
        return Some(lines.join("\n"));
    }
    let mut value: Value = serde_json::from_str(&text).ok()?;
    let mut lists: Vec<&mut Value> = match &mut value {
        Value::Object(fields) => fields.values_mut().collect(),
        list => vec![list],
    };
    lists.iter_mut().filter_map(|list| list.as_array_mut()).for_each(|list| list.reverse());
    serde_json::to_string_pretty(&value).ok()
}

/// How many memories are new, or have a new version.
fn new_in(report: &Value) -> u64 {
    let kinds = report["kinds"].as_object().unwrap().values();
    kinds.map(|kind| kind["new"].as_u64().unwrap() + kind["updated"].as_u64().unwrap()).sum()
}

#[test]
fn two_imports_of_one_file_at_once_bring_everything_once() {
    let program = Program::start();
    let dir = program.dir.path();
    fs::write(dir.join("chats.json"), format!("[{}]", chats(2_000).join(","))).unwrap();
    let begin = || {
        let arguments = ["import", "chats.json", "--only", "conversations", "--json"];
        command(dir, &arguments).stdout(Stdio::piped()).spawn().unwrap()
    };

    let both = [begin(), begin()].map(|import| told(&import.wait_with_output().unwrap()));

    let count_of = |name: &str| -> u64 {
        let counts = both.iter().map(|told| told["kinds"]["conversation"][name].as_u64().unwrap());
        counts.sum()
    };
    assert_eq!((count_of("new"), count_of("unchanged")), (2_000, 2_000), "{both:?}");
    assert_eq!(count(dir), 2_000);
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
fn an_import_that_was_killed_in_the_middle_brings_everything_once_when_it_comes_again() {
    let chats = chats(3_000);
    let alone = tempfile::tempdir().unwrap();
    let mut served = tempfile::tempdir().unwrap();
    for part in [1_500, 2_000, 2_500] {
        let mut import = begun(alone.path(), &chats[..part]);
        import.kill().unwrap();
        import.wait().unwrap();

        let program = Program::start_in(served);
        let mut import = begun(program.dir.path(), &chats[..part]);
        program.interrupt();
        drop(import.stdin.take());
        assert!(!import.wait().unwrap().success());
        served = program.kill();
    }
    let program = Program::start_in(served);

    for dir in [program.dir.path(), alone.path()] {
        fs::write(dir.join("chats.json"), format!("[{}]", chats.join(","))).unwrap();
        let taken = run(dir, &["chats.json", "--only", "conversations", "--json"]);

        assert_eq!(taken.status.code(), Some(0), "{taken:?}");
        let taken = told(&taken);
        let counts = &taken["kinds"]["conversation"];
        let [new, unchanged] = ["new", "unchanged"].map(|name| counts[name].as_u64().unwrap());
        assert!(new > 0 && unchanged > 0 && new + unchanged == 3_000, "{taken}");
        let exported = command(dir, &["export"]).output().unwrap();
        let exported = String::from_utf8(exported.stdout).unwrap();
        let memories: Vec<Value> =
            exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let texts: BTreeSet<&str> =
            memories.iter().map(|memory| memory["content"].as_str().unwrap()).collect();
        assert_eq!((memories.len(), texts.len()), (3_000, 3_000));
        assert!(memories.iter().all(|memory| memory["version"] == 1));
    }
}

/// Conversations of one sentence each, as Claude exports them: turns go on their way as they are read.
fn chats(count: usize) -> Vec<String> {
    let chat = |n: usize| {
        let text = format!("sentence {n} {}", "lorem ipsum ".repeat(40));
        let said = json!({
            "uuid": format!("m{n}"), "sender": "human", "text": text,
            "created_at": "2026-01-02T10:00:00Z",
        });
        json!({ "uuid": format!("c{n}"), "chat_messages": [said] }).to_string()
    };
    (0..count).map(chat).collect()
}

/// An import that has read almost all of these, has stored those that it holds in no buffer, and waits for
/// more.
fn begun(dir: &Path, chats: &[String]) -> Child {
    let mut import = command(dir, &["import", "-", "--only", "conversations"]);
    let import = import.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut import = import.spawn().unwrap();
    let text = format!("[{}", chats.join(","));
    import.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    import
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
