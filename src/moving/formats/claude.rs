//! The export of Claude: an archive with `conversations.json`, `projects.json`, `memories.json` and
//! `users.json`, or since 2026 archives of each part with a file an entry, or any of these files alone.
//!
//! Conversations do not say of which project they are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::fields::{first_moment, first_text, first_time, text};
use super::turns::turn;
use super::wiki::item;
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Sniff};
use crate::moving::walk::objects;
use crate::moving::{Files, Line, LinePart, MovingError};

const MEMORY_MARKS: [&str; 3] = ["conversations_memory", "project_memories", "memory_files"];
/// What stands in the native ids of what was told in no project.
const OF_ALL: &str = "conversations_memory";

/// What is known of projects by their ids, and what waits for the names of all.
#[derive(Default)]
struct Projects {
    names: BTreeMap<String, String>,
    memories: Vec<(String, String)>,
}

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let has = |name: &str| sniff.names.contains(name) || sniff.inner.contains(name);
    let is_memory = MEMORY_MARKS.iter().any(|mark| has(mark));
    let is_project = has("prompt_template") && (has("docs") || has("uuid"));
    Fit::sure_if(has("chat_messages") || is_memory || is_project)
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    let mut projects = Projects::default();
    files.each(out, &mut |_, reader, out| {
        objects(reader, out, &mut |out, object| {
            if object.contains_key("chat_messages") {
                conversation(&object, out)
            } else if MEMORY_MARKS.iter().any(|mark| object.contains_key(*mark)) {
                projects.keep_memories(&object, out);
                memories(&object, out)
            } else if object.contains_key("prompt_template") || object.contains_key("docs") {
                projects.read(&object, out)
            } else {
                out.skip("neither conversation, project nor memory");
                Ok(())
            }
        })
    })?;
    projects.send(out)
}

impl Projects {
    fn keep_memories(&mut self, object: &Map<String, Value>, out: &mut Out<'_>) {
        let told = object.get("project_memories").and_then(Value::as_object);
        for (id, told) in told.into_iter().flatten() {
            if let Some(told) = told.as_str().filter(|told| out.keeps(id.len() + told.len())) {
                self.memories.push((id.clone(), told.to_owned()));
            }
        }
    }

    fn read(&mut self, object: &Map<String, Value>, out: &mut Out<'_>) -> Result<(), MovingError> {
        let id = text(object, "uuid").unwrap_or_default();
        let name = text(object, "name").unwrap_or(id).to_owned();
        let begun = first_time(object, &["created_at"]);
        if let Some(told) = text(object, "prompt_template") {
            out.line(Line {
                part: LinePart::Projects,
                title: Some(name.clone()),
                project: Some(name.clone()),
                is_candidate: true,
                created_at: begun,
                ..Line::new(format!("prompt\0{id}"), told)
            })?;
        }
        let docs = object.get("docs").and_then(Value::as_array);
        for doc in docs.into_iter().flatten().filter_map(Value::as_object) {
            let file = text(doc, "filename").unwrap_or_default();
            let native = text(doc, "uuid").map_or_else(|| format!("{id}\0{file}"), str::to_owned);
            out.line(Line {
                part: LinePart::Projects,
                title: Some(file.to_owned()),
                kind: Some("file"),
                project: Some(name.clone()),
                created_at: first_time(doc, &["created_at"]).or(begun),
                ..Line::new(native, text(doc, "content").unwrap_or_default())
            })?;
        }
        self.names.insert(id.to_owned(), name);
        Ok(())
    }

    /// Now all names are known.
    fn send(self, out: &mut Out<'_>) -> Result<(), MovingError> {
        out.file("memories of projects");
        for (id, told) in self.memories {
            let project = self.names.get(&id).unwrap_or(&id).clone();
            out.line(Line {
                title: Some(project.clone()),
                project: Some(project),
                ..Line::new(id, told)
            })?;
        }
        Ok(())
    }
}

fn memories(object: &Map<String, Value>, out: &mut Out<'_>) -> Result<(), MovingError> {
    let told = text(object, "conversations_memory").unwrap_or_default();
    let mut headings = BTreeSet::new();
    for (heading, said) in facts(told) {
        // A text below its heading may change; a second one below the same is known by what it says.
        let is_known = !said.starts_with(ITEM) && headings.insert(heading.clone());
        let id = match is_known {
            true => format!("{OF_ALL}#{heading}"),
            false => format!("{OF_ALL}#{heading}\0{said}"),
        };
        let title = (!heading.is_empty()).then_some(heading);
        let content = said.trim_start_matches(ITEM).trim();
        out.line(Line { title, kind: Some("fact"), ..Line::new(id, content) })?;
    }
    let files = object.get("memory_files").and_then(Value::as_array);
    for file in files.into_iter().flatten().filter_map(Value::as_object) {
        let content = text(file, "content").unwrap_or_default();
        let path = text(file, "path").unwrap_or(content);
        out.line(Line {
            title: text(file, "path").map(str::to_owned),
            updated_at: first_time(file, &["updated_at"]),
            ..Line::new(path, content)
        })?;
    }
    Ok(())
}

/// How an item of a list begins, once it is read.
const ITEM: &str = "- ";

/// The facts of a text in Markdown: each item of a list, and what stands between headings besides, with
/// the heading above it. What stands twice below one heading is one.
fn facts(text: &str) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = Vec::new();
    let (mut heading, mut said) = (String::new(), Vec::new());
    for line in text.lines() {
        let bare = line.trim();
        let named = bare.trim_start_matches('#');
        let is_bold = bare.len() > 4 && bare.starts_with("**") && bare.ends_with("**");
        let is_heading = is_bold || (named.len() < bare.len() && named.starts_with(' '));
        if is_heading {
            end_of_section(&heading, &mut said, &mut facts);
            heading = named.trim().trim_matches('*').to_owned();
        } else if let Some(item) = item(bare) {
            facts.push((heading.clone(), format!("{ITEM}{}", item.trim())));
        } else if line.starts_with("  ") && said.is_empty() && !bare.is_empty() {
            // An item that goes on, unless there is none.
            match facts.last_mut() {
                Some((_, item)) => item.push_str(&format!(" {bare}")),
                None => said.push(line),
            }
        } else {
            said.push(line);
        }
    }
    end_of_section(&heading, &mut said, &mut facts);
    facts
}

fn end_of_section(heading: &str, said: &mut Vec<&str>, facts: &mut Vec<(String, String)>) {
    let whole = std::mem::take(said).join("\n").trim().to_owned();
    if !whole.is_empty() {
        facts.push((heading.to_owned(), whole));
    }
}

fn conversation(object: &Map<String, Value>, out: &mut Out<'_>) -> Result<(), MovingError> {
    if !out.wants(LinePart::Conversations) {
        out.skip_part(LinePart::Conversations);
        return Ok(());
    }
    let begun = first_moment(object, &["created_at"]);
    let id = text(object, "uuid").unwrap_or_default();
    let title = text(object, "name").map(str::to_owned);
    let messages = object.get("chat_messages").and_then(Value::as_array);
    for message in messages.into_iter().flatten().filter_map(Value::as_object) {
        let said = said(message);
        let native = first_text(message, &["uuid", "created_at"]).unwrap_or(&said).to_owned();
        let at = first_moment(message, &["created_at"]).or(begun);
        let role = match text(message, "sender") {
            Some("human") => "user",
            Some(other) => other,
            None => "",
        };
        let turn = |native: String, content: String| turn(native, role, content, at).of_talk(id);
        out.line(Line { title: title.clone(), ..turn(format!("{id}#{native}"), said) })?;
        let attached = message.get("attachments").and_then(Value::as_array);
        for file in attached.into_iter().flatten().filter_map(Value::as_object) {
            let name = first_text(file, &["file_name", "id"]).unwrap_or_default();
            let content = text(file, "extracted_content").unwrap_or_default().to_owned();
            // Texts that somebody pasted all have the same name.
            let file = turn(format!("{id}#{native}\0{name}\0{content}"), content);
            out.line(Line { kind: Some("file"), title: Some(name.to_owned()), ..file })?;
        }
    }
    Ok(())
}

/// What was said: the blocks of text, without thoughts and calls of tools.
fn said(message: &Map<String, Value>) -> String {
    let blocks = message.get("content").and_then(Value::as_array);
    let blocks = blocks.into_iter().flatten().filter_map(Value::as_object);
    let said = blocks.filter(|block| text(block, "type").is_none_or(|sort| sort == "text"));
    let said: Vec<&str> = said.filter_map(|block| text(block, "text")).collect();
    match said.is_empty() {
        true => text(message, "text").unwrap_or_default().to_owned(),
        false => said.join("\n\n"),
    }
}
