//! What OpenMemory gives out as an archive: `memories.jsonl.gz`, one memory a line with the names of its
//! app and categories, and `memories.json` with the tables that it was made from. Either may come alone. A
//! query of its database gives the same lines as a list.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{first_time, names, rest, text};
use crate::model::Status;
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Look, Sniff};
use crate::moving::walk::{lines, objects, pieces, sniffed, value_of};
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

/// The table of the memories.
const TABLE: &str = "memories";
/// Tables that only this product has beside it.
const BESIDE: [&str; 4] = ["memory_categories", "apps", "status_history", "export_meta"];

/// What the tables beside that of the memories say of categories.
#[derive(Default)]
struct Categories {
    names: BTreeMap<String, String>,
    of_memories: BTreeMap<String, Vec<String>>,
    /// Whether there was no room for all of it.
    is_full: bool,
}

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let has = |name: &str| sniff.names.contains(name);
    let is_tables = has(TABLE) && sniff.has_any(&BESIDE) && !has("export_metadata");
    let is_line = sniff.look == Look::Object && LINE.iter().all(|name| has(name));
    let is_list = sniff.look == Look::List && sniff.lists_all(&LINE);
    Fit::sure_if(is_tables || is_line || is_list)
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    let is_lines = |path: &str| path.contains(".jsonl");
    // In the lines the names are resolved, so the tables say nothing more.
    let has_lines = files.paths().any(is_lines);
    let mut known = Categories::default();
    let is_read_twice = !has_lines && files.can_be_read_again();
    if is_read_twice {
        out.look_only(|out| {
            files.each(out, &mut |_, reader, out| match is_of_tables(&sniffed(reader)?) {
                true => pieces(reader, out, &mut |out, piece| {
                    known.take(&piece.name, &piece.value, out);
                    Ok(())
                }),
                false => Ok(()),
            })
        })?;
        known.tell(out);
    }
    files.each_of(|path| !has_lines || is_lines(path), out, &mut |_, reader, out| {
        let sniff = sniffed(reader)?;
        if sniff.look == Look::List {
            return objects(reader, out, &mut |out, object| send_line(object, out));
        }
        if is_of_tables(&sniff) {
            return pieces(reader, out, &mut |out, piece| match piece.value {
                Value::Object(memory) if piece.name == TABLE => {
                    let tags = known.of(&memory);
                    send(memory, tags, out)
                }
                // In a stream they come before the memories, or too late.
                row if !is_read_twice => {
                    known.take(&piece.name, &row, out);
                    Ok(())
                }
                _ => Ok(()),
            });
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

/// Whether it is the tables. That of the memories may lie behind what is looked at.
fn is_of_tables(sniff: &Sniff) -> bool {
    sniff.names.contains(TABLE) || sniff.has_any(&BESIDE)
}

impl Categories {
    /// Keeps a row that says how a category is called, or which memory has it.
    fn take(&mut self, table: &str, row: &Value, out: &mut Out<'_>) {
        let text = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
        let told = match table {
            "categories" => text("id").zip(text("name")),
            "memory_categories" => text("memory_id").zip(text("category_id")),
            _ => None,
        };
        let Some((id, told)) = told else { return };
        self.is_full = self.is_full || !out.keeps(id.len() + told.len());
        if self.is_full {
            return;
        }
        if table == "categories" {
            self.names.insert(id, told);
        } else {
            self.of_memories.entry(id).or_default().push(told);
        }
    }

    /// Tells of what there was no room for: that was noted where nothing is told.
    fn tell(&self, out: &mut Out<'_>) {
        if self.is_full {
            out.fail("it has more categories of memories than can be kept until all is read");
        }
    }

    /// The names of those of a memory.
    fn of(&self, memory: &Map<String, Value>) -> Vec<String> {
        let own = text(memory, "id").and_then(|id| self.of_memories.get(id));
        let own = own.into_iter().flatten().cloned();
        let ids = names(memory.get("category_ids")).into_iter().chain(own);
        ids.filter_map(|id| self.names.get(&id).cloned()).collect()
    }
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
