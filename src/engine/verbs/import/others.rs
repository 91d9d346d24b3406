//! Lines that other servers wrote, told in the fields of [`Add`].
//!
//! - mem0: the text is `memory` or `data`.
//! - doobidoo's memory service: `memory_type` is the kind, and times come twice.
//! - The official knowledge graph: `{"type": "entity", "name", "entityType", "observations"}` and
//!   `{"type": "relation", "from", "to", "relationType"}`.
//!
//! What has no field here is kept in the metadata, together under one name.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::item::TIMES;
use crate::engine::draft::{METADATA_LIMIT, check_metadata};
use crate::engine::{Add, Spoken};
use crate::model::{Category, Kind, Title, json};

type Object = Map<String, Value>;

/// Under what name the metadata holds the fields that are not ours.
const IMPORTED: &str = "imported";
/// Within that, the names of those for which there was no room, such as vectors.
const LEFT_OUT: &str = "left_out";
/// Bytes that are kept free for those names.
const NAMES_BYTES: usize = 1_024;
/// Bytes of punctuation around the other fields.
const FRAME_BYTES: usize = 64;

/// What others call a text, if nothing is called as here.
const TEXTS: [&str; 3] = ["memory", "data", "text"];

/// Says a line in the fields of [`Add`] and [`TIMES`]; one that is said so stays as it is.
pub(super) fn in_our_fields(mut line: Object) -> Object {
    read_graph(&mut line);
    read_text(&mut line);
    read_kind(&mut line);
    take_first(&mut line, "created_at", &["created_at_iso", "createdAt"]);
    take_first(&mut line, "updated_at", &["updated_at_iso", "updatedAt"]);
    keep_the_rest(line)
}

fn read_graph(line: &mut Object) {
    let read = match text_at(line, "type") {
        Some("entity") => entity(line),
        Some("relation") => relation(line),
        _ => None,
    };
    let Some(read) = read.filter(|_| !says(line, "content")) else { return };
    line.shift_remove("observations");
    for (name, value) in read {
        if !says(line, &name) {
            line.insert(name, value);
        }
    }
}

fn entity(line: &Object) -> Option<Object> {
    let name = text_at(line, "name")?;
    let title = Title::parse(name).ok();
    let observations = line.get("observations").and_then(Value::as_array);
    let mut content: Vec<String> = observations.into_iter().flatten().map(observation).collect();
    if content.is_empty() || title.is_none() {
        content.insert(0, name.to_owned());
    }
    let mut read = fact(content.join("\n"));
    if let Some(title) = title {
        read.insert("title".to_owned(), title.as_str().into());
    }
    let category = text_at(line, "entityType").and_then(|name| Category::parse(name).ok());
    if let Some(category) = category {
        read.insert("category".to_owned(), category.as_str().into());
    }
    Some(read)
}

fn relation(line: &Object) -> Option<Object> {
    let (from, to) = (text_at(line, "from")?, text_at(line, "to")?);
    Some(fact(format!("{from} {} {to}", text_at(line, "relationType")?)))
}

fn fact(content: String) -> Object {
    let mut read = Object::new();
    read.insert("content".to_owned(), Value::String(content));
    read.insert("kind".to_owned(), Value::from("fact"));
    read
}

/// Some variants of the graph write objects with more than the text.
fn observation(value: &Value) -> String {
    let text = value.as_str().or_else(|| value.get("content")?.as_str());
    text.map_or_else(|| value.to_string(), str::to_owned)
}

fn read_text(line: &mut Object) {
    // Blocks, as in a turn of a dialogue.
    if line.get("content").is_some_and(Value::is_array) && !says(line, "messages") {
        let blocks = line.shift_remove("content");
        line.insert("messages".to_owned(), json!([{ "content": blocks }]));
    }
    if ["content", "messages", "user_input"].into_iter().any(|name| says(line, name)) {
        return;
    }
    let named = TEXTS.into_iter().find(|name| text_at(line, name).is_some());
    if let Some(text) = named.and_then(|name| line.shift_remove(name)) {
        line.insert("content".to_owned(), text);
    }
}

/// What a stranger's file calls an instruction is none here, unless it uses our own word for it.
fn read_kind(line: &mut Object) {
    if says(line, "kind") {
        return;
    }
    let word = text_at(line, "memory_type").map(|word| word.to_lowercase().replace(' ', "-"));
    let kind = word.and_then(|word| Kind::parse(&word).ok());
    if let Some(kind) = kind.filter(|kind| !kind.is_instruction()) {
        line.shift_remove("memory_type");
        line.insert("kind".to_owned(), kind.as_str().into());
    }
}

/// Fills a field from the first of its other names that says something. These say the same again.
fn take_first(line: &mut Object, ours: &str, theirs: &[&str]) {
    for name in theirs {
        let said = line.shift_remove(*name);
        if let Some(said) = said.filter(|said| !json::is_blank(said))
            && !says(line, ours)
        {
            line.insert(ours.to_owned(), said);
        }
    }
}

fn keep_the_rest(line: Object) -> Object {
    let known = Add::fields().into_iter().map(|field| field.name).chain(TIMES);
    let known: Vec<&str> = known.collect();
    let (mut fields, mut rest) = (Object::new(), Object::new());
    for (name, value) in line {
        if known.contains(&name.as_str()) {
            fields.insert(name, value);
        } else if !json::is_blank(&value) {
            rest.insert(name, value);
        }
    }
    let metadata = match fields.shift_remove("metadata").map(unfolded) {
        Some(Value::Object(metadata)) => metadata,
        Some(other) if !json::is_blank(&other) => {
            rest.insert("metadata".to_owned(), other);
            Object::new()
        }
        _ => Object::new(),
    };
    let metadata = with_rest(metadata, rest);
    if !metadata.is_empty() {
        fields.insert("metadata".to_owned(), Value::Object(metadata));
    }
    fields
}

/// Metadata comes as JSON text, too.
fn unfolded(value: Value) -> Value {
    let read = value.as_str().and_then(|text| json::read(text.as_bytes()).ok());
    read.filter(Value::is_object).unwrap_or(value)
}

/// Puts the other fields into the metadata as far as there is room, and names those that are not.
fn with_rest(mut metadata: Object, rest: Object) -> Object {
    if rest.is_empty() {
        return metadata;
    }
    let mut name = IMPORTED.to_owned();
    while metadata.contains_key(&name) {
        name.push('_');
    }
    let used = length(&metadata).saturating_add(NAMES_BYTES + FRAME_BYTES);
    let (mut room, mut room_for_names) = (METADATA_LIMIT.saturating_sub(used), NAMES_BYTES);
    let (mut kept, mut left_out) = (Object::new(), Vec::new());
    for (field, value) in rest {
        let size = length(&field).saturating_add(length(&value)).saturating_add(2);
        if size <= room && is_flat_enough(&value) {
            room -= size;
            kept.insert(field, value);
            continue;
        }
        let shown: String = field.chars().filter(|c| !c.is_control()).take(64).collect();
        let size = length(&shown).saturating_add(1);
        if size <= room_for_names {
            room_for_names -= size;
            left_out.push(shown);
        }
    }
    if !left_out.is_empty() {
        kept.insert(LEFT_OUT.to_owned(), left_out.into());
    }
    metadata.insert(name, Value::Object(kept));
    metadata
}

/// Whether it may lie one deeper in the metadata than other values do.
fn is_flat_enough(value: &Value) -> bool {
    let lower = Object::from_iter([(IMPORTED.to_owned(), json!({ IMPORTED: value }))]);
    check_metadata(&lower).is_ok()
}

fn length(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |text| text.len())
}

fn says(line: &Object, name: &str) -> bool {
    line.get(name).is_some_and(|value| !json::is_blank(value))
}

fn text_at<'a>(line: &'a Object, name: &str) -> Option<&'a str> {
    line.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(line: Value) -> Value {
        let Value::Object(line) = line else { panic!("expected an object") };
        Value::Object(in_our_fields(line))
    }

    #[test]
    fn a_line_of_our_own_stays_as_it_is() {
        let line = json!({
            "content": " kept  byte for byte ", "tags": ["a"], "ttl_days": 3, "metadata": { "k": 1 },
            "created_at": "2026-01-01",
        });

        assert_eq!(ours(line.clone()), line);
    }

    #[test]
    fn a_line_of_mem0_is_known() {
        let line = json!({
            "id": "6e1b", "memory": "Likes tea", "hash": "ab", "user_id": "ada", "metadata": null,
            "categories": ["drinks"], "created_at": "2024-07-01T10:00:00-07:00", "updated_at": null,
        });

        let read = ours(line);

        assert_eq!(read["content"], "Likes tea");
        assert_eq!(read["created_at"], "2024-07-01T10:00:00-07:00");
        let rest = json!({
            "id": "6e1b", "hash": "ab", "user_id": "ada", "categories": ["drinks"],
        });
        assert_eq!(read["metadata"], json!({ "imported": rest }));
        assert_eq!(ours(json!({ "data": "Likes tea" })), json!({ "content": "Likes tea" }));
        assert_eq!(ours(json!({ "text": "tea", "content": "" }))["content"], "tea");
    }

    #[test]
    fn a_line_of_doobidoos_service_is_known() {
        let line = json!({
            "content": "Uses vim", "content_hash": "abc", "tags": "editor,untagged",
            "memory_type": "Decision", "created_at": 1_714_557_600.12,
            "created_at_iso": "2024-05-01T10:00:00Z", "updated_at": null,
            "updated_at_iso": "2024-05-02T10:00:00Z", "metadata": "{\"source\":\"cli\"}",
        });

        let read = ours(line);

        assert_eq!((&read["kind"], &read["tags"]), (&json!("decision"), &json!("editor,untagged")));
        assert_eq!(read["created_at"], 1_714_557_600.12);
        assert_eq!(read["updated_at"], "2024-05-02T10:00:00Z");
        let imported = json!({ "content_hash": "abc" });
        assert_eq!(read["metadata"], json!({ "source": "cli", "imported": imported }));
        let obeyed = ours(json!({ "content": "x", "memory_type": "instruction" }));
        assert_eq!(obeyed.get("kind"), None);
    }

    #[test]
    fn lines_of_the_knowledge_graph_are_known() {
        let entity = ours(json!({
            "type": "entity", "name": "Ada", "entityType": "person",
            "observations": ["likes tea", { "content": "lives in Rome" }],
        }));
        let bare = ours(json!({ "type": "entity", "name": "Ben", "entityType": "",
            "observations": [] }));
        let relation = ours(json!({ "type": "relation", "from": "Ada", "to": "Acme",
            "relationType": "works_at" }));

        assert_eq!(entity["content"], "likes tea\nlives in Rome");
        assert_eq!((&entity["title"], &entity["category"]), (&json!("Ada"), &json!("person")));
        assert_eq!(entity["metadata"]["imported"]["entityType"], "person");
        assert_eq!(entity["metadata"]["imported"].get("observations"), None);
        assert_eq!((&bare["content"], &bare["title"]), (&json!("Ben"), &json!("Ben")));
        assert_eq!(
            (&relation["content"], &relation["kind"]),
            (&json!("Ada works_at Acme"), &json!("fact"))
        );
        let long = "x".repeat(300);
        let named = ours(json!({ "type": "entity", "name": long, "observations": ["tall"] }));
        assert_eq!(named["content"], format!("{long}\ntall"));
    }

    #[test]
    fn what_does_not_fit_is_named_and_the_rest_is_kept() {
        let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
        let line = json!({
            "content": "x", "embedding": vec![0.5; 10_000], "deep": deep, "hash": "ab",
            "metadata": { "imported": "taken" },
        });

        let read = ours(line);

        let kept = json!({ "hash": "ab", "left_out": ["embedding", "deep"] });
        assert_eq!(read["metadata"], json!({ "imported": "taken", "imported_": kept }));
        let Value::Object(metadata) = &read["metadata"] else { panic!("expected an object") };
        assert_eq!(check_metadata(metadata), Ok(()));
        let many: Object = (0..5_000).map(|n| (format!("field {n}"), json!(n))).collect();
        let read = ours(Value::Object(many));
        let Value::Object(metadata) = &read["metadata"] else { panic!("expected an object") };
        assert_eq!(check_metadata(metadata), Ok(()));
    }

    #[test]
    fn a_text_in_blocks_is_a_turn() {
        let blocks = json!([{ "type": "text", "text": "hi" }]);

        let read = ours(json!({ "role": "user", "content": blocks }));

        assert_eq!(read["messages"], json!([{ "content": blocks }]));
        assert_eq!(read["metadata"]["imported"]["role"], "user");
    }
}
