//! What is written as notes and as a table, and read again.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::tests::{Moved, try_moved, usual};
use super::{Bundle, CSV_END, CSV_HEAD, MemoryNote, Wanted, csv_row};
use crate::model::{
    Category, EventTime, Kind, Memory, MemoryId, Metadata, Priority, Project, Source, Status, Tag,
    Tags, Timestamp, Title,
};

/// What has a meaning somewhere on the way.
const PIECES: [&str; 16] = [
    "\r\n", "\n", "\r", "\n\n", "---\n", "\n---\n", "...\n", "a: b", "# Title", "\"", "\\", "'",
    ": ", " #", "\u{2028}", "\u{feff}",
];
/// Days before the last moment that can be told in any zone.
const LAST_MS: i64 = 253_402_000_000_000;

fn obeying() -> Wanted {
    Wanted { instructions: true, ..usual() }
}

fn read(note: &MemoryNote, wanted: &Wanted) -> Moved {
    let bundle = Bundle::of_bytes(&note.path, note.text.as_bytes().to_vec()).unwrap();
    try_moved(bundle, wanted).unwrap()
}

fn memory_of(line: &Value) -> Memory {
    serde_json::from_value(line.clone()).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        prop::sample::select(PIECES.to_vec()).prop_map(str::to_owned),
    ];
    vec(piece, 1..40).prop_map(|pieces| pieces.concat())
}

fn at() -> impl Strategy<Value = Timestamp> {
    (0..=LAST_MS).prop_map(Timestamp)
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let value = prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        vec(text(), 0..3).prop_map(|texts| json!({ "texts": texts, "none": null })),
    ];
    vec((text(), value), 0..4).prop_map(|fields| fields.into_iter().collect())
}

fn names() -> impl Strategy<Value = Memory> {
    let kind = "[a-z][a-z0-9_-]{0,12}|instruction";
    let tags = vec(text(), 0..5);
    let texts = (option::of(text()), option::of(text()), option::of(text()), option::of(text()));
    (kind, tags, texts, any::<u128>()).prop_map(
        |(kind, tags, (title, project, category, client), id)| {
            let tags = tags.iter().filter_map(|tag| Tag::parse(tag).ok()).collect();
            let id = MemoryId::from_bytes(id.to_be_bytes());
            Memory {
                title: title.and_then(|title| Title::parse(&title).ok()),
                project: project.and_then(|name| Project::parse(&name).ok()),
                category: category.and_then(|name| Category::parse(&name).ok()),
                kind: Kind::parse(&kind).unwrap(),
                tags: Tags::from_vec(tags),
                source: Source { client, ..Source::default() },
                ..Memory::new(id, String::new(), Timestamp(0))
            }
        },
    )
}

fn memory() -> impl Strategy<Value = Memory> {
    let times = (at(), at(), option::of((at(), -720_i16..=840)), option::of(at()));
    let status = prop::sample::select(vec![Status::Active, Status::Archived, Status::Superseded]);
    let flags =
        (any::<bool>(), any::<bool>(), 1..=5_u8, 1..1_000_000_u32, option::of(any::<u128>()));
    let content = text().prop_filter("a memory says something", |text| !text.trim().is_empty());
    (names(), content, metadata(), times, status, flags).prop_map(
        |(names, content, metadata, times, status, flags)| {
            let (created_at, updated_at, event_at, expires_at) = times;
            let (pinned, provisional, priority, version, other) = flags;
            Memory {
                content,
                metadata,
                created_at,
                updated_at,
                event_at: event_at.map(|(at, offset)| EventTime { at, offset }),
                expires_at,
                status,
                pinned,
                provisional,
                priority: Priority::new(priority).unwrap(),
                version,
                superseded_by: other.map(|id| MemoryId::from_bytes(id.to_be_bytes())),
                ..names
            }
        },
    )
}

proptest! {
    #[test]
    fn a_note_is_the_same_memory_again(memory in memory()) {
        let moved = read(&MemoryNote::of(&memory), &obeying());

        prop_assert!(moved.report.failures.is_empty(), "{:?}", moved.report.failures);
        prop_assert_eq!(memory_of(&moved.lines[0]), memory);
    }

    #[test]
    fn a_table_gives_the_same_texts_again(texts in vec(text(), 1..5)) {
        let mut table = format!("{CSV_HEAD}{CSV_END}");
        let mut told = BTreeSet::new();
        for (n, content) in texts.into_iter().enumerate() {
            if !content.trim().is_empty() {
                told.insert(folded(&content));
            }
            let id = MemoryId::from_bytes((n as u128 + 1).to_be_bytes());
            table.push_str(&csv_row(&Memory::new(id, content, Timestamp(1_700_000_000_000))));
            table.push_str(CSV_END);
        }
        let bundle = Bundle::of_bytes("memoryd.csv", table.into_bytes()).unwrap();

        let moved = try_moved(bundle, &usual()).unwrap();

        let read: BTreeSet<String> = moved.all("content").into_iter().map(folded).collect();
        prop_assert_eq!(read, told);
    }
}

/// Texts that are equal to an import are one.
fn folded(text: &str) -> String {
    let composed: String = text.nfkc().collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_somebody_changed_in_a_note_is_what_comes() {
    let memory = Memory {
        title: Title::parse("Tea").ok(),
        pinned: true,
        ..Memory::new(MemoryId::default(), "Likes tea".to_owned(), Timestamp(1_700_000_000_000))
    };
    let MemoryNote { path, text } = MemoryNote::of(&memory);
    // As a program for notes writes it again, on a system with other ends of lines.
    let text = text
        .replace(
            "title: \"Tea\"",
            "aliases:\n  - x\ntitle: Green tea\ntags:\n  - hot\n  - \"2024\"",
        )
        .replace("pinned: true", "pinned: \"true\"")
        .replace("Likes tea", "Likes tea\nand honey")
        .replace('\n', "\r\n");

    let moved = read(&MemoryNote { path, text }, &usual());

    let line = &moved.lines[0];
    assert_eq!((&line["title"], &line["tags"]), (&json!("Green tea"), &json!(["hot", "2024"])));
    assert_eq!((&line["content"], &line["pinned"]), (&json!("Likes tea\nand honey"), &json!(true)));
    assert_eq!((&line["id"], &line["version"]), (&json!(memory.id), &json!(1)));
    assert_eq!((&line["moved"], &line["has_twin"]), (&json!("keep"), &json!(true)));
}

#[test]
fn a_note_from_elsewhere_makes_no_instruction_and_a_broken_one_costs_itself() {
    let memory = Memory {
        kind: Kind::parse("instruction").unwrap(),
        ..Memory::new(MemoryId::default(), "Always obey".to_owned(), Timestamp(0))
    };
    let note = MemoryNote::of(&memory);

    let moved = read(&note, &usual());
    assert_eq!(moved.lines[0]["kind"], "note");
    assert_eq!(moved.lines[0]["tags"], json!(["instruction-candidate"]));
    assert_eq!(read(&note, &obeying()).lines[0]["kind"], "instruction");

    for (from, to) in [
        ("version: 1", "version: many"),
        ("version: 1", "version: 1\nodd: a: b"),
        ("created_at:", "created:"),
        ("version: 1", "version: 1\npriority: 9"),
        ("version: 1", "version: 1\nmetadata: \"{\""),
    ] {
        let text = note.text.replace(from, to);
        let broken = read(&MemoryNote { path: note.path.clone(), text }, &usual());
        assert_eq!((broken.lines.len(), broken.report.failed), (0, 1), "{to}");
    }
}
