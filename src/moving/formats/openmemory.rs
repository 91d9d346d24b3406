//! What OpenMemory gives out as an archive: `memories.jsonl.gz`, one memory a line with the names of its
//! app and categories, and `memories.json` with the tables that it was made from. Either may come alone. A
//! query of its database gives the same lines as a list.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{first_time, names, rest, text};
use crate::model::Status;
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Look, Sniff};
use crate::moving::walk::{lines, objects, sniffed, value_of, whole};
use crate::moving::{Files, Line, MovingError};

const TAKEN: [&str; 9] = [
    "id",
    "content",
    "created_at",
    "updated_at",
    "state",
    "categories",
    "category_ids",
    "archived_at",
    "deleted_at",
];

/// What every line has.
const LINE: [&str; 5] = ["id", "content", "state", "app", "categories"];

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let has_all = |names: &[&str]| names.iter().all(|name| sniff.names.contains(*name));
    let is_tables = has_all(&["memories"])
        && sniff.has_any(&["memory_categories", "apps", "status_history", "export_meta"])
        && !sniff.names.contains("export_metadata");
    let is_line = sniff.look == Look::Object && has_all(&LINE);
    let is_list = sniff.look == Look::List && sniff.lists_all(&LINE);
    Fit::sure_if(is_tables || is_line || is_list)
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    let is_lines = |path: &str| path.contains(".jsonl");
    // In the lines the names are resolved, so the tables say nothing more.
    let has_lines = files.paths().any(is_lines);
    files.each_of(|path| !has_lines || is_lines(path), out, &mut |_, reader, out| {
        let sniff = sniffed(reader)?;
        if sniff.look == Look::List {
            return objects(reader, out, &mut |out, object| send_line(object, out));
        }
        if sniff.names.contains("memories") {
            return match whole(reader, out)? {
                Some(tables) => read_tables(&tables, out),
                None => Ok(()),
            };
        }
        lines(reader, out, &mut |out, text| match value_of(text, out) {
            Some(Value::Object(object)) => send_line(object, out),
            Some(_) => {
                out.skip("elements that are no objects");
                Ok(())
            }
            None => Ok(()),
        })
    })
}

fn read_tables(tables: &Value, out: &mut Out<'_>) -> Result<(), MovingError> {
    let table = |name: &str| tables.get(name).and_then(Value::as_array).into_iter().flatten();
    let id = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    let categories: BTreeMap<String, String> =
        table("categories").filter_map(|row| Some((id(row, "id")?, id(row, "name")?))).collect();
    let mut of_memory: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in table("memory_categories") {
        if let (Some(memory), Some(category)) = (id(row, "memory_id"), id(row, "category_id")) {
            of_memory.entry(memory).or_default().push(category);
        }
    }
    for (n, row) in table("memories").enumerate() {
        out.at(n + 1);
        let Value::Object(object) = row else { continue };
        let own = text(object, "id").and_then(|id| of_memory.get(id)).cloned().unwrap_or_default();
        let ids = names(object.get("category_ids")).into_iter().chain(own);
        let tags = ids.filter_map(|id| categories.get(&id).cloned()).collect();
        send(object.clone(), tags, out)?;
    }
    Ok(())
}

fn send_line(object: Map<String, Value>, out: &mut Out<'_>) -> Result<(), MovingError> {
    let tags = names(object.get("categories"));
    send(object, tags, out)
}

fn send(
    object: Map<String, Value>,
    mut tags: Vec<String>,
    out: &mut Out<'_>,
) -> Result<(), MovingError> {
    let content = text(&object, "content").unwrap_or_default().to_owned();
    let status = match text(&object, "state") {
        Some("archived") => Status::Archived,
        Some("deleted") => Status::Deleted,
        Some("paused") => {
            tags.push("paused".to_owned());
            Status::Active
        }
        _ => Status::Active,
    };
    let created_at = first_time(&object, &["created_at"]);
    let updated_at = first_time(&object, &["updated_at"]);
    let native_id = text(&object, "id").unwrap_or(&content).to_owned();
    out.line(Line {
        tags,
        status,
        kind: Some("fact"),
        created_at,
        updated_at,
        extras: rest(object, &TAKEN),
        ..Line::new(native_id, content)
    })
}
