//! Notes that `memoryd export --format markdown` wrote: each is a memory of ours, and comes back as it
//! was, with what somebody changed in it since.

use serde_json::{Map, Value};

use super::front_matter::{Parted, block, listed, part, said};
use crate::model::{Memory, MemoryId};
use crate::moving::note::{FOLDED, OWN_ID};
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Sniff};
use crate::moving::walk::text_as_it_is;
use crate::moving::{Files, MovingError};

/// What the head says in numbers, or as true or false, also where somebody's program put quotation marks around.
/// It says in words whatever else a memory has.
const PLAIN: [&str; 4] = ["priority", "pinned", "provisional", "version"];
/// What is read in a way of its own.
const APART: [&str; 4] = ["id", "content", "tags", "updated_at"];

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let is_id = |line: &str| {
        let value = line.strip_prefix(OWN_ID).and_then(|rest| rest.strip_prefix(':'));
        let id = value.map(|value| value.trim().trim_matches(['"', '\'']));
        id.is_some_and(|id| MemoryId::parse(id).is_ok())
    };
    // The end of a long head may lie behind what is looked at.
    let lines = block(&sniff.text).map_or(sniff.text.as_str(), |(head, _)| head);
    Fit::sure_if(sniff.text.starts_with("---") && lines.lines().any(is_id))
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    files.each(out, &mut |_, reader, out| {
        let Some(text) = text_as_it_is(reader, out)? else { return Ok(()) };
        // Whoever gave the head other ends of lines gave them to the text as well.
        let text = match text.starts_with("---\r\n") {
            true => text.replace("\r\n", "\n"),
            false => text,
        };
        match memory(&part(&text)) {
            Ok(memory) => out.memory(memory),
            Err(problem) => {
                out.fail(&problem);
                Ok(())
            }
        }
    })
}

fn is_in_words(name: &str) -> bool {
    !PLAIN.contains(&name) && !FOLDED.contains(&name) && !APART.contains(&name)
}

/// Tags as they are; somebody's program may have written them in another form.
fn tags(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        other => listed(other),
    }
}

/// The memory that a note says.
fn memory(parted: &Parted<'_>) -> Result<Memory, String> {
    let Parted { head, body, .. } = parted;
    let Some(id) = said(head, &[OWN_ID]) else {
        return Err("its head cannot be read".to_owned());
    };
    let content = body.strip_prefix('\n').unwrap_or(body);
    let content = content.strip_suffix('\n').unwrap_or(content);
    let mut fields = Map::new();
    fields.insert("id".to_owned(), id.into());
    fields.insert("content".to_owned(), content.into());
    fields.insert("tags".to_owned(), tags(head.get("tags")).into());
    for name in Memory::FIELDS.iter().filter(|name| is_in_words(name)) {
        if let Some(word) = said(head, &[*name]) {
            fields.insert((*name).to_owned(), word.into());
        }
    }
    let updated = said(head, &["updated_at"]).or_else(|| said(head, &["created_at"]));
    fields.insert("updated_at".to_owned(), updated.into());
    for name in PLAIN {
        if let Some(word) = said(head, &[name]) {
            let value = serde_json::from_str(&word).map_err(|_| format!("{name}: {word}"))?;
            fields.insert(name.to_owned(), value);
        }
    }
    fields.entry("version").or_insert_with(|| 1.into());
    fields.entry("kind").or_insert_with(|| "note".into());
    for name in FOLDED {
        if let Some(text) = said(head, &[name]) {
            let value = serde_json::from_str(&text).map_err(|_| format!("{name} is no JSON"))?;
            fields.insert(name.to_owned(), value);
        }
    }
    serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())
}
