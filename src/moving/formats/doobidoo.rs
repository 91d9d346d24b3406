//! What doobidoo's memory service gives out as JSON: `{"export_metadata": {...}, "memories": [...]}` of
//! objects with `content`, `content_hash`, `tags`, `memory_type`, `metadata`, `created_at` and
//! `updated_at`, the times also as `..._iso`.

use serde_json::{Map, Value};

use super::fields::{first_time, kind_of, names, rest, text, unfolded};
use crate::model::Status;
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Sniff};
use crate::moving::walk::pieces;
use crate::moving::{Files, Line, MovingError};

/// What every memory there has that has no other tag.
const NO_TAG: &str = "untagged";
const PROJECT_START: &str = "proj:";
const TAKEN: [&str; 13] = [
    "content",
    "content_hash",
    "tags",
    "memory_type",
    "metadata",
    "created_at",
    "created_at_iso",
    "updated_at",
    "updated_at_iso",
    "embedding",
    "deleted_at",
    "embedding_pending",
    "id",
];

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let is_export = sniff.names.contains("export_metadata") && !sniff.names.contains("apps");
    let has_hashes = sniff.lists_all(&["content", "content_hash"]);
    Fit::sure_if(is_export || has_hashes)
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    files.each(out, &mut |_, reader, out| {
        pieces(reader, out, &mut |out, piece| match (piece.name.as_str(), piece.value) {
            ("" | "memories", Value::Object(object)) => out.line(line(object)),
            ("export_metadata", _) => Ok(()),
            _ => {
                out.skip("what is derived from memories");
                Ok(())
            }
        })
    })
}

fn line(object: Map<String, Value>) -> Line {
    let content = text(&object, "content").unwrap_or_default().to_owned();
    let (mut tags, mut project) = (Vec::new(), None);
    for tag in names(object.get("tags")) {
        match tag.strip_prefix(PROJECT_START) {
            Some(name) if project.is_none() => project = Some(name.to_owned()),
            _ if tag == NO_TAG => {}
            _ => tags.push(tag),
        }
    }
    let word = text(&object, "memory_type").unwrap_or_default().to_lowercase();
    let is_deleted = object.get("deleted_at").is_some_and(|at| !at.is_null());
    let mut extras = unfolded(object.get("metadata"));
    let native_id = text(&object, "content_hash").unwrap_or(&content).to_owned();
    let created_at = first_time(&object, &["created_at", "created_at_iso"]);
    let updated_at = first_time(&object, &["updated_at", "updated_at_iso"]);
    for (name, value) in rest(object, &TAKEN) {
        extras.entry(name).or_insert(value);
    }
    Line {
        kind: kind_of(&word),
        category: (kind_of(&word).is_none() && !word.is_empty()).then_some(word),
        tags,
        project,
        created_at,
        updated_at,
        status: if is_deleted { Status::Deleted } else { Status::Active },
        extras,
        ..Line::new(native_id, content)
    }
}
