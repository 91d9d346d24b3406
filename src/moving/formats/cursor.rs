//! What tells Cursor what to do: `.cursor/rules/**/*.mdc`, `.cursorrules`, and `AGENTS.md`, which others
//! read as well.
//!
//! The head of a rule is not quite YAML (`globs: **/*.ts, *.js`), so it is read line by line.

use serde_json::Value;

use super::front_matter::block;
use super::paths::{id_of_path, last, stem};
use super::{claude_code, own_notes};
use crate::model::Metadata;
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Sniff};
use crate::moving::walk::text;
use crate::moving::{Files, Line, MovingError};

const ENDING: &str = ".mdc";
const NAMES: [&str; 2] = [".cursorrules", "AGENTS.md"];
/// What is true or false, also where it stands in quotation marks.
const ALWAYS: &str = "alwaysApply";

/// Whether a file is known by its place.
pub(super) fn is_of_it(path: &str) -> bool {
    let name = last(path);
    NAMES.contains(&name) || name.ends_with(ENDING)
}

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let head = block(&sniff.text).map(|(block, _)| head(block)).unwrap_or_default();
    let is_rule = head.contains_key(ALWAYS) || head.contains_key("globs");
    // A name that others have, and an id of ours, say more than what stands in a head.
    let is_of_others = claude_code::is_of_it(&sniff.path) || own_notes::fit(sniff) > Fit::No;
    Fit::sure_if(is_of_it(&sniff.path) || (is_rule && !is_of_others))
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    files.each(out, &mut |path, reader, out| {
        let Some(text) = text(reader, out)? else { return Ok(()) };
        let (head, body) = match block(&text) {
            Some((block, body)) => (head(block), body),
            None => (Metadata::new(), text.as_str()),
        };
        let described = head.get("description").and_then(Value::as_str);
        let title = described.map_or_else(|| title_of(path), str::to_owned);
        out.line(Line {
            title: Some(title),
            is_candidate: true,
            extras: head,
            ..Line::new(id_of_path(path, &text), body.trim())
        })
    })
}

fn title_of(path: &str) -> String {
    let name = last(path);
    if NAMES.contains(&name) { path.to_owned() } else { stem(path) }
}

/// The lines of a head that say something, whatever stands behind their names.
fn head(block: &str) -> Metadata {
    let mut head = Metadata::new();
    let mut list: Option<String> = None;
    for line in block.lines() {
        let item = line.trim_start().strip_prefix("- ").map(unquoted);
        if let (Some(item), Some(name)) = (item, list.as_deref()) {
            add_item(&mut head, name, item);
        } else if let Some((name, value)) = line.split_once(':').filter(|(name, _)| is_name(name)) {
            let value = unquoted(value);
            let value = match value {
                "true" | "false" if name.trim() == ALWAYS => Value::Bool(value == "true"),
                value => value.into(),
            };
            if value != "" {
                head.insert(name.trim().to_owned(), value);
            }
            list = Some(name.trim().to_owned());
        }
    }
    head
}

/// Adds to a list that stands below its name.
fn add_item(head: &mut Metadata, name: &str, item: &str) {
    let value = head.entry(name.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(items) = value {
        items.push(item.into());
    }
}

fn is_name(name: &str) -> bool {
    let name = name.trim();
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

fn unquoted(value: &str) -> &str {
    let value = value.trim();
    let inner = |mark: char| value.strip_prefix(mark).and_then(|value| value.strip_suffix(mark));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_head_is_read_line_by_line() {
        let block =
            "description: \"How we test: always\"\nglobs: **/*.ts, *.js\nalwaysApply: \"true\"\n";

        let read = Value::Object(head(block));

        let told = json!({
            "description": "How we test: always", "globs": "**/*.ts, *.js", "alwaysApply": true,
        });
        assert_eq!(read, told);
        let listed = Value::Object(head("globs:\n  - \"*.rs\"\n  - *.toml\nalwaysApply: false"));
        assert_eq!(listed, json!({ "globs": ["*.rs", "*.toml"], "alwaysApply": false }));
    }
}
