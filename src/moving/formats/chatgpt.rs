//! The export of ChatGPT: an archive with `conversations.json`, or since 2026 `conversations-000.json` and
//! so on, or one of these alone; what was saved as a memory is found within the conversations. Also a
//! list of memories that somebody copied from its settings: `[2026-01-02] - likes tea`, one a line.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::fields::{first_moment, first_text, first_time, moment, text};
use super::turns::{clean, text_of_parts, turn};
use crate::model::{EventTime, Timestamp};
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Look, Sniff, is_dated_list};
use crate::moving::walk::{lines, objects, sniffed};
use crate::moving::{Files, Line, LinePart, MovingError};

/// What it knew of the user last, of all conversations.
#[derive(Default)]
struct Latest {
    memories: Option<(Option<Timestamp>, String)>,
    custom: Option<(Option<Timestamp>, Map<String, Value>)>,
}

/// The tool to which the assistant writes what is to be remembered.
const MEMORY_TOOL: &str = "bio";
/// What was written then may have been deleted since.
const HISTORICAL: &str = "historical";
/// How the ids of projects begin; those of custom assistants do not.
const PROJECT_START: &str = "g-p-";

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let is_list = sniff.look == Look::List;
    let is_copied = sniff.look == Look::Text && is_dated_list(&sniff.text);
    if is_list && sniff.lists_any(&["mapping"]) {
        Fit::Sure
    } else if is_copied || (is_list && sniff.lists_all(&["content", "enabled"])) {
        Fit::Likely
    } else {
        Fit::No
    }
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    let mut latest = Latest::default();
    files.each(out, &mut |_, reader, out| {
        if is_dated_list(&sniffed(reader)?.text) {
            return lines(reader, out, &mut |out, line| {
                send_dated(&String::from_utf8_lossy(line), out)
            });
        }
        objects(reader, out, &mut |out, object| match object.get("mapping") {
            Some(Value::Object(nodes)) => conversation(&object, nodes, &mut latest, out),
            _ => saved(&object, out),
        })
    })?;
    latest.send(out)
}

/// An element of the file of saved memories.
fn saved(object: &Map<String, Value>, out: &mut Out<'_>) -> Result<(), MovingError> {
    let Some(content) = text(object, "content") else {
        out.skip("neither conversation nor memory");
        return Ok(());
    };
    if object.get("enabled") == Some(&Value::Bool(false)) {
        out.skip("switched off");
        return Ok(());
    }
    out.line(Line {
        kind: Some("fact"),
        created_at: first_time(object, &["created_at", "create_time"]),
        updated_at: first_time(object, &["updated_at", "update_time"]),
        ..Line::new(first_text(object, &["id"]).unwrap_or(content), content)
    })
}

fn conversation(
    object: &Map<String, Value>,
    nodes: &Map<String, Value>,
    latest: &mut Latest,
    out: &mut Out<'_>,
) -> Result<(), MovingError> {
    if object.get("is_do_not_remember") == Some(&Value::Bool(true)) {
        out.skip("not to be remembered");
        return Ok(());
    }
    let begun = first_moment(object, &["create_time"]).or_else(|| earliest(nodes));
    let title = text(object, "title").unwrap_or_default();
    let id = match first_text(object, &["conversation_id", "id"]) {
        Some(id) => id.to_owned(),
        None => format!("{title}\0{}", begun.map_or(0, |at| at.at.0)),
    };
    let talk = Talk { id, title, begun, project: project_of(object) };
    for (name, node) in nodes {
        if let Some(message) = node.get("message").and_then(Value::as_object) {
            talk.send_remembered(name, message, latest, out)?;
        }
    }
    if !out.wants(LinePart::Conversations) {
        out.skip_part(LinePart::Conversations);
        return Ok(());
    }
    for (name, message) in branch(object, nodes) {
        talk.send_turn(name, message, out)?;
    }
    Ok(())
}

/// What holds for all messages of a conversation.
struct Talk<'a> {
    id: String,
    title: &'a str,
    begun: Option<EventTime>,
    project: Option<String>,
}

impl Talk<'_> {
    /// Sends what was to be remembered, and keeps what was known.
    fn send_remembered(
        &self,
        name: &str,
        message: &Map<String, Value>,
        latest: &mut Latest,
        out: &mut Out<'_>,
    ) -> Result<(), MovingError> {
        let content = message.get("content").and_then(Value::as_object);
        let at = first_moment(message, &["create_time"]).or(self.begun).map(|time| time.at);
        match content.and_then(|content| text(content, "content_type")) {
            Some("model_editable_context") => {
                let told = content.and_then(|content| text(content, "model_set_context"));
                if let Some(told) = told.filter(|_| is_newer(at, latest.memories.as_ref())) {
                    latest.memories = Some((at, told.to_owned()));
                }
            }
            Some("user_editable_context") if is_newer(at, latest.custom.as_ref()) => {
                latest.custom = content.map(|content| (at, content.clone()));
            }
            Some("user_editable_context") => {}
            _ if text(message, "recipient") == Some(MEMORY_TOOL) => {
                let content = content.map(text_of_parts).unwrap_or_default();
                let id = text(message, "id").unwrap_or(name);
                return out.line(Line {
                    kind: Some("fact"),
                    tags: vec![HISTORICAL.to_owned()],
                    created_at: at,
                    ..Line::new(format!("{}#{id}", self.id), clean(&content))
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn send_turn(
        &self,
        name: &str,
        message: &Map<String, Value>,
        out: &mut Out<'_>,
    ) -> Result<(), MovingError> {
        let role = message.get("author").and_then(|author| author.get("role")?.as_str());
        let role = role.unwrap_or_default();
        let metadata = message.get("metadata").and_then(Value::as_object);
        let is_hidden = metadata.is_some_and(|metadata| {
            metadata.get("is_visually_hidden_from_conversation") == Some(&Value::Bool(true))
        });
        let is_to_all = text(message, "recipient").is_none_or(|to| to == "all");
        let is_final = text(message, "channel").is_none_or(|channel| channel == "final");
        let content = message.get("content").and_then(Value::as_object);
        let sort = content.and_then(|content| text(content, "content_type")).unwrap_or("text");
        let is_said = matches!(sort, "text" | "multimodal_text");
        if !matches!(role, "user" | "assistant") || is_hidden || !is_to_all || !is_final || !is_said
        {
            out.skip("said by tools, hidden, or thought");
            return Ok(());
        }
        let said = clean(&content.map(text_of_parts).unwrap_or_default());
        let at = first_moment(message, &["create_time"]).or(self.begun);
        let id = text(message, "id").unwrap_or(name);
        let mut line = Line {
            title: Some(self.title.to_owned()),
            project: self.project.clone(),
            ..turn(format!("{}#{id}", self.id), role, said, at).of_talk(&self.id)
        };
        if let Some(model) = metadata.and_then(|metadata| text(metadata, "model_slug")) {
            line.metadata.insert("model".to_owned(), model.into());
        }
        out.line(line)
    }
}

impl Latest {
    fn send(self, out: &mut Out<'_>) -> Result<(), MovingError> {
        out.file("what was known last");
        for line in self.memories.iter().flat_map(|(_, told)| told.lines()) {
            send_dated(line, out)?;
        }
        let Some((_, custom)) = self.custom else { return Ok(()) };
        if let Some(profile) = text(&custom, "user_profile") {
            let line = Line::new("custom\0profile", profile);
            out.line(Line { kind: Some("preference"), ..line })?;
        }
        if let Some(told) = text(&custom, "user_instructions") {
            out.line(Line { is_candidate: true, ..Line::new("custom\0instructions", told) })?;
        }
        Ok(())
    }
}

/// A line of a list of memories: `[2026-01-02] - likes tea`, `1. [2026-01-02]. Likes tea`.
fn send_dated(line: &str, out: &mut Out<'_>) -> Result<(), MovingError> {
    let numbered = line.trim().trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let numbered = numbered.trim_start();
    let dated = numbered.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (at, said) = match dated {
        Some((date, said)) => (EventTime::read(date).ok(), said),
        None => (None, line),
    };
    let said = clean(said.trim_start_matches(['.', '-', ' ', '\u{2013}']));
    let id = format!("context\0{}\0{said}", at.map_or_else(String::new, EventTime::day));
    let line = Line { kind: Some("fact"), created_at: at.map(|at| at.at), ..Line::new(id, said) };
    out.line(line)
}

/// Whether something is newer than what is known.
fn is_newer<T>(at: Option<Timestamp>, known: Option<&(Option<Timestamp>, T)>) -> bool {
    known.is_none_or(|(known, _)| at >= *known)
}

/// The messages from the first one to the one that was seen last. Where nothing says which that is, it is
/// the newest that has no answer.
fn branch<'a>(
    object: &'a Map<String, Value>,
    nodes: &'a Map<String, Value>,
) -> Vec<(&'a str, &'a Map<String, Value>)> {
    let named = text(object, "current_node").filter(|name| nodes.contains_key(*name));
    let mut next = named.or_else(|| newest_leaf(nodes));
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    while let Some(name) = next
        && seen.insert(name)
        && let Some(node) = nodes.get(name)
    {
        if let Some(message) = node.get("message").and_then(Value::as_object) {
            found.push((name, message));
        }
        next = node.get("parent").and_then(Value::as_str);
    }
    found.reverse();
    found
}

fn newest_leaf(nodes: &Map<String, Value>) -> Option<&str> {
    let leaves = nodes.iter().filter(|(_, node)| is_leaf(node));
    let newest = leaves.max_by_key(|(_, node)| time_of(node).map(|time| time.at));
    newest.map(|(name, _)| name.as_str())
}

fn is_leaf(node: &Value) -> bool {
    node.get("children").and_then(Value::as_array).is_none_or(Vec::is_empty)
}

fn earliest(nodes: &Map<String, Value>) -> Option<EventTime> {
    nodes.values().filter_map(time_of).min_by_key(|time| time.at)
}

fn time_of(node: &Value) -> Option<EventTime> {
    moment(node.get("message")?.get("create_time")?)
}

fn project_of(object: &Map<String, Value>) -> Option<String> {
    let id = first_text(object, &["conversation_template_id", "gizmo_id"]);
    id.filter(|id| id.starts_with(PROJECT_START)).map(str::to_owned)
}
