//! What claude-mem gives out as JSON: `{"exportedAt", "observations": [...], "sessions": [...],
//! "summaries": [...], "prompts": [...]}`, or one table of its database as a list. Lists within an element
//! are JSON in a text.

use serde_json::{Map, Value};

use super::fields::{first_moment, first_text, first_time, id_text, names, rest, text};
use super::turns::turn;
use crate::model::{Metadata, foreign};
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Look, Sniff};
use crate::moving::walk::pieces;
use crate::moving::{Files, Line, MovingError};

const TIMES: [&str; 2] = ["created_at_epoch", "created_at"];
const TAKEN: [&str; 17] = [
    "id",
    "text",
    "title",
    "narrative",
    "facts",
    "concepts",
    "type",
    "project",
    "prompt_text",
    "request",
    "investigated",
    "learned",
    "completed",
    "next_steps",
    "notes",
    "created_at_epoch",
    "created_at",
];
/// Columns by which its tables are known.
const TABLES: [&[&str]; 3] = [
    &["narrative", "facts", "concepts"],
    &["request", "learned", "next_steps"],
    &["prompt_number", "prompt_text"],
];
/// What a summary says, each with what stands before it.
const PARTS: [(&str, &str); 6] = [
    ("request", "Request"),
    ("investigated", "Investigated"),
    ("learned", "Learned"),
    ("completed", "Completed"),
    ("next_steps", "Next steps"),
    ("notes", "Notes"),
];

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let is_export = sniff.look == Look::Object
        && sniff.names.contains("observations")
        && sniff.has_any(&["exportedAt", "summaries", "prompts", "sessions"]);
    let is_table = sniff.look == Look::List && TABLES.iter().any(|names| sniff.lists_all(names));
    Fit::sure_if(is_export || is_table)
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    files.each(out, &mut |_, reader, out| {
        pieces(reader, out, &mut |out, piece| match (piece.name.as_str(), piece.value) {
            ("", Value::Object(object)) => out.line(row(object)),
            ("observations", Value::Object(object)) => out.line(observation(object)),
            ("summaries", Value::Object(object)) => out.line(summary(object)),
            ("prompts", Value::Object(object)) => out.line(prompt(object)),
            ("sessions", _) => {
                out.skip("sessions, of which all else tells");
                Ok(())
            }
            ("", _) | (_, Value::Object(_)) => {
                out.skip("elements of no known sort");
                Ok(())
            }
            // The counts and the question with which it was exported.
            _ => Ok(()),
        })
    })
}

/// A row of a table, which tells by its columns of which.
fn row(object: Map<String, Value>) -> Line {
    if object.contains_key("prompt_text") {
        prompt(object)
    } else if object.contains_key("learned") {
        summary(object)
    } else {
        observation(object)
    }
}

fn observation(object: Map<String, Value>) -> Line {
    let mut content = first_text(&object, &["narrative", "text", "subtitle", "title"])
        .map(without_private)
        .unwrap_or_default();
    for fact in names(object.get("facts")) {
        content.push_str(&format!("\n- {}", without_private(&fact)));
    }
    let line = line(&object, "obs", content.trim());
    Line {
        title: text(&object, "title").map(without_private),
        category: text(&object, "type").map(str::to_owned),
        tags: names(object.get("concepts")),
        extras: others(object),
        ..line
    }
}

fn summary(object: Map<String, Value>) -> Line {
    let said = PARTS.iter().filter_map(|(name, word)| {
        Some(format!("{word}: {}", without_private(text(&object, name)?)))
    });
    let content = said.collect::<Vec<_>>().join("\n");
    let line = line(&object, "sum", &content);
    Line { category: Some("summary".to_owned()), extras: others(object), ..line }
}

fn prompt(object: Map<String, Value>) -> Line {
    let said = first_text(&object, &["prompt_text", "text"]).map(without_private);
    let talk = first_text(&object, &["content_session_id", "claude_session_id", "session_id"]);
    let talk = talk.unwrap_or_default();
    let line = line(&object, "prompt", &said.unwrap_or_default());
    let at = first_moment(&object, &TIMES);
    let turn = turn(line.native_id, "user", line.content, at).of_talk(talk);
    Line { project: line.project, extras: others(object), ..turn }
}

/// What all of them have.
fn line(object: &Map<String, Value>, sort: &str, content: &str) -> Line {
    let id = object.get("id").and_then(id_text).unwrap_or_else(|| content.to_owned());
    Line {
        project: text(object, "project").map(str::to_owned),
        created_at: first_time(object, &TIMES),
        ..Line::new(format!("{sort}:{id}"), content)
    }
}

/// The fields that nobody has taken.
fn others(object: Map<String, Value>) -> Metadata {
    let fields = rest(object, &TAKEN).into_iter();
    fields.map(|(name, value)| (name, value_without_private(value))).collect()
}

fn value_without_private(value: Value) -> Value {
    match value {
        Value::String(text) => foreign::without_tagged(&text, foreign::PRIVATE).0.into(),
        Value::Array(items) => items.into_iter().map(value_without_private).collect(),
        other => other,
    }
}

/// A text without what was said in private.
fn without_private(text: &str) -> String {
    foreign::without_tagged(text, foreign::PRIVATE).0.trim().to_owned()
}
