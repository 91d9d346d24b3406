//! A memory as a file of Markdown: its text as it is, below a head that says all else, so that
//! `formats/own_notes.rs` makes the same memory of it again.
//!
//! All names of the head are plain words, and all texts stand in quotation marks, as JSON writes them: any
//! reader of YAML understands it, and programs for notes show it as a list of properties.

use serde::Serialize;
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;

use crate::model::Memory;

/// The name under which the id of a memory stands, by which such a file is known.
pub(super) const OWN_ID: &str = "memoryd";

/// A file of a folder of notes.
#[derive(Debug)]
pub struct MemoryNote {
    /// Where it lies in the folder, with `/` between the names. No two memories have the same.
    pub path: String,
    pub text: String,
}

/// What stands in a head before all else, in this order. The rest follows as in the memory.
const FIRST: [&str; 8] =
    ["title", "kind", "tags", "project", "category", "priority", "pinned", "status"];
/// What stands there last, as JSON in a text: what programs for notes do to one value within another differs.
pub(super) const FOLDED: [&str; 2] = ["source", "metadata"];
/// What stands there also where it is as in a new memory.
const ALWAYS: [&str; 4] = ["kind", "created_at", "updated_at", "version"];

/// Characters of a title in the name of a file.
const SLUG_CHARS: usize = 40;
/// Letters that a name is made of without a title.
const UNTITLED: &str = "memory";

impl MemoryNote {
    #[must_use]
    pub fn of(memory: &Memory) -> Self {
        let folder = memory.project.as_ref().map(|project| slug(project.as_str()));
        let folder = folder.filter(|folder| !folder.is_empty());
        let named = memory.title.as_ref().map_or(memory.content.as_str(), |title| title.as_str());
        let name = Some(slug(named)).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| UNTITLED.to_owned());
        let folder = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
        let path = format!("{folder}{name}-{}.md", memory.id);
        let text = format!("---\n{}---\n\n{}\n", head(memory), memory.content);
        Self { path, text }
    }
}

/// A name that every system takes: letters and digits, with a hyphen for anything between them.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.nfc().take(SLUG_CHARS) {
        if letter.is_alphanumeric() {
            slug.extend(letter.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').nfc().collect()
}

/// The lines of the head, the id first. What is as in a new memory is left out, and so is the text.
fn head(memory: &Memory) -> String {
    let mut fields = fields_of(Memory { content: String::new(), ..memory.clone() });
    let usual = fields_of(Memory::new(memory.id, String::new(), memory.created_at));
    fields
        .retain(|name, value| ALWAYS.contains(&name.as_str()) || usual.get(name) != Some(&*value));
    let folded = taken(&mut fields, &FOLDED);
    let first = taken(&mut fields, &FIRST);
    let mut lines = line(OWN_ID, &memory.id);
    for (name, value) in first.iter().chain(&fields) {
        lines.push_str(&line(name, value));
    }
    for (name, value) in &folded {
        lines.push_str(&line(name, &json(value)));
    }
    lines
}

/// Takes some fields out of others, in this order.
fn taken(fields: &mut Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    names.iter().filter_map(|name| fields.shift_remove_entry(*name)).collect()
}

fn fields_of(memory: Memory) -> Map<String, Value> {
    match serde_json::to_value(memory) {
        Ok(Value::Object(fields)) => fields,
        // Plain data with named fields always is an object.
        Ok(_) | Err(_) => Map::new(),
    }
}

fn line(name: &str, value: &impl Serialize) -> String {
    format!("{name}: {}\n", json(value))
}

fn json(value: &impl Serialize) -> String {
    // Plain data always is JSON, and writing to memory does not fail.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{MemoryId, Project, Timestamp, Title};

    #[test]
    fn a_head_says_in_its_order_what_is_not_as_in_a_new_memory() {
        let plain = Memory::new(MemoryId::default(), "tea".to_owned(), Timestamp(0));
        let full: Memory = serde_json::from_value(json!({
            "id": MemoryId::default(), "content": "tea", "title": "T", "kind": "fact",
            "tags": ["a", "b"], "project": "p", "category": "c", "priority": 5, "pinned": true,
            "source": { "client": "claude" }, "metadata": { "k": 1 },
            "created_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-02T00:00:00.000Z",
            "event_at": "2025-01-01T00:00:00.000Z", "expires_at": "2027-01-01T00:00:00.000Z",
            "supersedes": MemoryId::default(), "superseded_by": MemoryId::default(),
            "status": "archived", "provisional": true, "version": 2,
        }))
        .unwrap();

        let id = "\"00000000000000000000000000\"";
        let born = "1970-01-01T00:00:00.000Z";
        let of_plain = format!(
            "memoryd: {id}\nkind: \"note\"\ncreated_at: \"{born}\"\nupdated_at: \"{born}\"\nversion: 1\n"
        );
        assert_eq!(head(&plain), of_plain);
        let of_full = format!(
            r#"memoryd: {id}
title: "T"
kind: "fact"
tags: ["a","b"]
project: "p"
category: "c"
priority: 5
pinned: true
status: "archived"
created_at: "2026-01-01T00:00:00.000Z"
updated_at: "2026-01-02T00:00:00.000Z"
event_at: "2025-01-01T00:00:00.000Z"
expires_at: "2027-01-01T00:00:00.000Z"
supersedes: {id}
superseded_by: {id}
provisional: true
version: 2
source: "{{\"client\":\"claude\"}}"
metadata: "{{\"k\":1}}"
"#
        );
        assert_eq!(head(&full), of_full);
    }

    #[test]
    fn a_file_is_called_by_project_and_title_and_leads_nowhere_else() {
        let memory = Memory::new(MemoryId::default(), "Tea, hot".to_owned(), Timestamp(0));
        let path = |title: &str, project: &str| {
            let (title, project) = (Title::parse(title).ok(), Project::parse(project).ok());
            MemoryNote::of(&Memory { title, project, ..memory.clone() }).path
        };
        let id = memory.id.to_string();

        assert_eq!(path("", ""), format!("tea-hot-{id}.md"));
        assert_eq!(path("../../etc/passwd", ".."), format!("etc-passwd-{id}.md"));
        assert_eq!(path("Cafe\u{301} \u{1f375}!", "A/B"), format!("a-b/caf\u{e9}-{id}.md"));
        assert_eq!(path("???", ""), format!("memory-{id}.md"));
        assert!(path(&"\u{1d400}".repeat(200), "").len() < 255);
    }
}
