//! Changes one table of a TOML file and not another character of it.

use std::ops::Range;

use serde_json::{Map, Value, json};
use toml_edit::{ImDocument, Item, Table, TableLike};

use super::edit::{Damage, line_start, newline_of};
use crate::clients::KnownClient;
use crate::model::few;

/// The tables of a section by their names; nothing if there is no such section.
pub(super) fn section(text: &str, section: &str) -> Result<Option<Map<String, Value>>, Damage> {
    let document = read(text)?;
    let Some(found) = document.as_table().get(section) else { return Ok(None) };
    Ok(Some(map_of(table_of(text, section, found)?)))
}

/// The text with a table at its end, in place of one of the same name.
pub(super) fn with(
    text: &str,
    client: &KnownClient,
    name: &str,
    entry: &Value,
) -> Result<String, Damage> {
    let section = client.section;
    let document = read(text)?;
    if let Some(found) = document.as_table().get(section) {
        table_of(text, section, found)?;
    }
    let mut expected = map_of(document.as_table());
    let servers = expected.entry(section).or_insert_with(|| json!({}));
    if let Some(servers) = servers.as_object_mut() {
        servers.insert(name.to_owned(), entry.clone());
    }
    let newline = newline_of(text);
    let mut edited = without(text, section, name)?;
    if !edited.is_empty() && !edited.ends_with('\n') {
        edited.push_str(newline);
    }
    if !edited.trim().is_empty() {
        edited.push_str(newline);
    }
    edited.push_str(&client.file_with(name, entry).replace('\n', newline));
    finish(text, edited, &expected)
}

/// The text without a table, and without the empty line before it.
pub(super) fn without(text: &str, section: &str, name: &str) -> Result<String, Damage> {
    let document = read(text)?;
    let Some(found) = document.as_table().get(section) else { return Ok(text.to_owned()) };
    let servers = table_of(text, section, found)?;
    let Some(entry) = servers.get(name) else { return Ok(text.to_owned()) };
    let mut spans = Vec::new();
    match entry {
        Item::Table(table) => collect(table, &mut spans),
        // A line of its own under the header of the section.
        _ if found.is_table() => {
            let key = servers.get_key_value(name).and_then(|(key, _)| key.span());
            let value = entry.span();
            spans.extend(key.zip(value).map(|(key, value)| key.start..value.end));
        }
        _ => {}
    }
    let mut expected = map_of(document.as_table());
    if let Some(servers) = expected.get_mut(section).and_then(Value::as_object_mut) {
        servers.remove(name);
        // A table that only the names of others made is not there without them.
        let is_named = found.as_table().is_some_and(|table| !table.is_implicit());
        if servers.is_empty() && !is_named {
            expected.remove(section);
        }
    }
    finish(text, cut(text, spans), &expected)
}

fn read(text: &str) -> Result<ImDocument<&str>, Damage> {
    ImDocument::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        // More than the first line would quote the file, which may hold a key.
        let problem = error.message().lines().next().unwrap_or("this is no TOML");
        Damage::at(text, at, problem)
    })
}

/// The tables of a section, if they stand as tables.
fn table_of<'d>(text: &str, section: &str, found: &'d Item) -> Result<&'d Table, Damage> {
    let at = found.span().map_or(0, |span| span.start);
    let problem =
        || format!("{section} is written on one line; write it as [{section}.NAME] tables");
    match found {
        Item::Table(table) => Ok(table),
        _ => Err(Damage::at(text, at, &problem())),
    }
}

/// Where the headers and lines of a table and of those within it stand.
fn collect(table: &Table, spans: &mut Vec<Range<usize>>) {
    if !table.is_implicit() && !table.is_dotted() {
        spans.extend(table.span());
    }
    for (_, item) in table.iter() {
        if let Item::Table(inner) = item {
            collect(inner, spans);
        }
    }
}

/// Takes out whole lines.
fn cut(text: &str, mut spans: Vec<Range<usize>>) -> String {
    few::sort_by_key(&mut spans, |span| span.start);
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        let mut start = line_start(text, span.start);
        let head = text.get(..start).unwrap_or_default();
        for blank in ["\r\n\r\n", "\n\n"] {
            if head.ends_with(blank) {
                start = start.saturating_sub(blank.len() / 2);
                break;
            }
        }
        let rest = text.get(span.end..).unwrap_or_default();
        let line = rest.find('\n').map_or(rest.len(), |newline| newline.saturating_add(1));
        kept.push_str(text.get(at..start).unwrap_or_default());
        at = span.end.saturating_add(line).max(at);
    }
    kept.push_str(text.get(at..).unwrap_or_default());
    kept
}

/// Looks whether what was edited is what was meant.
fn finish(text: &str, edited: String, expected: &Map<String, Value>) -> Result<String, Damage> {
    let is_meant = read(&edited).is_ok_and(|document| map_of(document.as_table()) == *expected);
    if is_meant { Ok(edited) } else { Err(Damage::unfit(text, 0)) }
}

fn map_of(table: &dyn TableLike) -> Map<String, Value> {
    table.iter().map(|(key, item)| (key.to_owned(), value_of(item))).collect()
}

fn value_of(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => value_of_value(value),
        Item::Table(table) => Value::Object(map_of(table)),
        Item::ArrayOfTables(tables) => {
            tables.iter().map(|table| Value::Object(map_of(table))).collect()
        }
    }
}

fn value_of_value(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => json!(text.value()),
        toml_edit::Value::Integer(number) => json!(number.value()),
        toml_edit::Value::Float(number) => json!(number.value().to_string()),
        toml_edit::Value::Boolean(truth) => json!(truth.value()),
        toml_edit::Value::Datetime(moment) => json!(moment.value().to_string()),
        toml_edit::Value::Array(items) => items.iter().map(value_of_value).collect(),
        toml_edit::Value::InlineTable(table) => Value::Object(map_of(table)),
    }
}
