//! Made-up files of each format, with what is odd in real ones, from `tests/data/import`.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Bundle, LinePart, MovingError, MovingReport, Recognised, Wanted, format_named, read};
use crate::engine::Imported;
use crate::model::{MemoryId, Timestamp};

/// 2026-01-01.
const NOW: Timestamp = Timestamp(1_767_225_600_000);

/// What was made of some files.
pub(super) struct Moved {
    pub(super) lines: Vec<Value>,
    pub(super) report: MovingReport,
}

impl Moved {
    /// The field of every line, as text.
    pub(super) fn all(&self, field: &str) -> Vec<&str> {
        self.lines.iter().map(|line| line[field].as_str().unwrap_or("-")).collect()
    }

    /// The line with this text.
    pub(super) fn line(&self, content: &str) -> &Value {
        let found = self.lines.iter().find(|line| line["content"] == content);
        found.unwrap_or_else(|| panic!("no line {content:?} among {:#?}", self.all("content")))
    }

    fn ids(&self) -> Vec<&str> {
        let mut ids = self.all("id");
        ids.sort_unstable();
        ids
    }
}

/// The usual, with all parts.
pub(super) fn everything() -> Wanted {
    Wanted { only: LinePart::ALL.to_vec(), ..usual() }
}

pub(super) fn usual() -> Wanted {
    Wanted::new(MemoryId::default(), NOW, 64 << 10)
}

pub(super) fn sample(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/import").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a file whatever it is called.
pub(super) fn moved(bytes: &[u8], wanted: &Wanted) -> Moved {
    let bundle = Bundle::of_bytes("some file", bytes.to_vec()).unwrap();
    try_moved(bundle, wanted).unwrap()
}

pub(super) fn try_moved(mut bundle: Bundle, wanted: &Wanted) -> Result<Moved, MovingError> {
    let recognised = Recognised::of(&mut bundle, None)?;
    let mut lines = Vec::new();
    let tally = read(&mut bundle, &recognised, wanted, &mut |carried| {
        lines.push(serde_json::from_slice(&carried.line).unwrap());
        Ok(())
    })?;
    Ok(Moved { lines, report: tally.report(Imported::default(), true) })
}

/// A file gives the same ids again, also with the elements of its list the other way round.
pub(super) fn is_the_same_again(bytes: &[u8], other: &[u8]) {
    let (once, again) = (moved(bytes, &everything()), moved(other, &everything()));
    assert!(!once.lines.is_empty());
    assert_eq!(once.ids(), again.ids());
}

#[test]
fn what_no_format_knows_names_those_that_there_are() {
    let bundle = || Bundle::of_bytes("x", b"just words".to_vec()).unwrap();

    let error = try_moved(bundle(), &usual()).err().unwrap().to_string();

    assert!(error.contains("server-memory"), "{error}");
    assert!(format_named("nonsense").is_err() && format_named("auto").unwrap().is_none());
    let named = format_named("server-memory").unwrap();
    assert!(Recognised::of(&mut bundle(), named).is_ok(), "what is named is believed");
}

#[test]
fn our_own_lines_are_left_to_the_import() {
    for text in ["{\"content\": \"x\"}\n", "", "no json\n{\"content\": \"x\"}\n"] {
        let mut bundle = Bundle::of_bytes("x", text.as_bytes().to_vec()).unwrap();

        assert!(Recognised::of(&mut bundle, None).unwrap().is_own(), "{text}");
    }
}

#[test]
fn a_knowledge_graph_comes_with_what_is_odd_in_its_file() {
    let bytes = sample("server-memory.jsonl");

    let moved = moved(&bytes, &usual());

    let ada = moved.line("Ada\nperson\n- likes tea\n- lives in Rome\n- plays chess");
    assert_eq!(ada["kind"], "entity");
    assert_eq!(ada["title"], "Ada");
    assert_eq!(ada["metadata"]["import"]["format"], "server-memory");
    assert_eq!(ada["source"]["client"], "import:server-memory");
    assert_eq!(moved.line("Acme\n")["category"], Value::Null);
    assert_eq!(moved.line("Glued\nnote\n- was on the same line")["kind"], "entity");
    assert_eq!(moved.line("Basic\n\n- another spelling")["created_at"], "2025-03-01T10:00:00.000Z");
    assert_eq!(moved.line("Ada\nworks_at\nAcme")["kind"], "relation");
    assert_eq!((moved.lines.len(), moved.report.failed), (7, 1));
    assert_eq!(moved.report.failures[0].place, "some file #4");
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    lines.reverse();
    let ids = |bytes: &[u8]| super::tests::moved(bytes, &usual()).ids().join(" ");
    assert_eq!(ids(&lines.join(&b'\n')), ids(&bytes));
}

#[test]
fn what_servers_of_the_graph_write_and_cannot_read_themselves_is_read() {
    let entity = json!({
        "type": "entity", "name": "Two\nlines \"x\"", "entityType": "", "observations": ["a\u{2028}b"],
    });
    let relation = json!({
        "type": "relation", "from_id": "Ada", "to_id": "Nobody", "relation_type": "knows",
    });
    let lines = format!("\u{feff}{entity}\r\n\r\n{relation}");

    let in_lines = moved(lines.as_bytes(), &usual());
    let in_list = moved(format!("[{entity},{relation}]").as_bytes(), &usual());

    assert_eq!((in_lines.report.failed, in_lines.lines.len()), (0, 2));
    let named = &in_lines.lines[0];
    assert_eq!((&named["title"], &named["kind"]), (&json!("Two lines \"x\""), &json!("entity")));
    assert!(named["content"].as_str().unwrap().contains("a\u{2028}b"), "{named}");
    in_lines.line("Ada\nknows\nNobody");
    assert_eq!(in_lines.ids(), in_list.ids());
}

#[test]
fn the_output_of_read_graph_is_the_same_graph() {
    let moved = moved(&sample("server-memory-graph.json"), &usual());

    assert_eq!(moved.all("content"), ["Ada\nperson\n- likes tea", "Ada\nworks_at\nAcme"]);
    let facts = Wanted { splits: true, ..usual() };
    let facts = super::tests::moved(&sample("server-memory-graph.json"), &facts);
    assert_eq!(facts.all("content"), ["Ada: likes tea", "Ada\nworks_at\nAcme"]);
}

#[test]
fn what_is_not_wanted_is_counted_and_left_out() {
    let bytes = sample("server-memory.jsonl");
    let limited = Wanted { limit: Some(2), ..usual() };
    let conversations = Wanted { only: vec![LinePart::Conversations], ..usual() };

    assert_eq!(moved(&bytes, &limited).lines.len(), 2);
    let none = moved(&bytes, &conversations);
    assert_eq!((none.lines.len(), none.report.skipped["not asked for: memories"]), (0, 7));
}

#[test]
fn a_text_that_is_too_long_comes_in_parts() {
    let observations: Vec<String> = (0..40).map(|n| format!("{n} {}", "x".repeat(90))).collect();
    let entity = json!({
        "type": "entity", "name": "Long", "entityType": "note", "observations": observations,
    });
    let wanted = Wanted { content_bytes: 1_000, ..usual() };

    let moved = moved(entity.to_string().as_bytes(), &wanted);

    assert!(moved.lines[0]["content"].as_str().unwrap().len() <= 1_000);
    assert_eq!(moved.lines.iter().filter(|line| line["kind"] == "entity").count(), 1);
    let told = moved.all("content").concat();
    assert!(observations.iter().all(|one| told.contains(one.as_str())));
}
