//! What mem0 gives out as JSON: `{"results": [...]}`, a list, or a page of one, of objects with `id`,
//! `memory`, `user_id`, `agent_id`, `app_id`, `run_id`, `categories`, `metadata`, `created_at`,
//! `updated_at` and `expiration_date`, any of which may be missing.
//!
//! A file may have the memories of several users. Those of the one with the most are taken, unless all
//! are wanted.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{first_text, first_time, names, rest, text};
use crate::model::{EventTime, Timestamp};
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Look, Sniff};
use crate::moving::walk::pieces;
use crate::moving::{Files, Line, MovingError};

/// The text is `memory` today; others were seen.
const TEXTS: [&str; 4] = ["memory", "data", "text", "content"];
/// Where memories stand; in a file that is a list, under no name.
const LISTS: [&str; 3] = ["", "results", "memories"];
const TAKEN: [&str; 11] = [
    "id",
    "memory",
    "data",
    "text",
    "content",
    "categories",
    "app_id",
    "created_at",
    "updated_at",
    "expiration_date",
    "embedding",
];

/// Whose a memory is: a text that others call the same is then one of mem0.
const OWNERS: [&str; 4] = ["user_id", "agent_id", "app_id", "run_id"];

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let has_id = sniff.lists_any(&["id"]);
    // OpenMemory has owners, too, and a state.
    let is_owned = sniff.lists_any(&OWNERS) && sniff.lists_any(&TEXTS);
    let is_owned = is_owned && !sniff.lists_any(&["state"]);
    let is_list = sniff.look == Look::List && (sniff.lists_any(&["memory"]) || is_owned);
    let is_page = sniff.names.contains("results")
        && (is_owned || sniff.lists_any(&["memory", "data", "text"]));
    Fit::sure_if(has_id && (is_list || is_page))
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    let mut own = None;
    if files.can_be_read_again() && !out.wanted().all_users {
        own = most_frequent_user(files, out)?;
    }
    files.each(out, &mut |_, reader, out| {
        pieces(reader, out, &mut |out, piece| {
            // What else stands at the top are counts and addresses of pages.
            let may_say = piece.value.is_object() || LISTS.contains(&piece.name.as_str());
            let Some(object) = memory(&piece.name, piece.value) else {
                if may_say {
                    out.skip("elements that are no memories, such as relations");
                }
                return Ok(());
            };
            let user = text(&object, "user_id");
            // Of what comes as a stream the first one has to do.
            own = own.take().or_else(|| user.map(str::to_owned));
            let is_own = user.is_none() || user == own.as_deref();
            if !is_own && !out.wanted().all_users {
                out.skip("of other users (--all-users takes them)");
                return Ok(());
            }
            match line(object) {
                Some(line) => out.line(line),
                None => {
                    out.skip("empty");
                    Ok(())
                }
            }
        })
    })
}

fn most_frequent_user(
    files: &mut Files<'_>,
    out: &mut Out<'_>,
) -> Result<Option<String>, MovingError> {
    let mut users: BTreeMap<String, usize> = BTreeMap::new();
    out.look_only(|out| {
        files.each(out, &mut |_, reader, out| {
            pieces(reader, out, &mut |_, piece| {
                let object = memory(&piece.name, piece.value);
                if let Some(user) = object.as_ref().and_then(|object| text(object, "user_id")) {
                    *users.entry(user.to_owned()).or_default() += 1;
                }
                Ok(())
            })
        })
    })?;
    Ok(users.into_iter().min_by_key(|(_, count)| Reverse(*count)).map(|(user, _)| user))
}

/// The object of a piece that is a memory.
fn memory(name: &str, value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) if LISTS.contains(&name) => Some(object),
        _ => None,
    }
}

fn line(object: Map<String, Value>) -> Option<Line> {
    let content = first_text(&object, &TEXTS)?.to_owned();
    let id = first_text(&object, &["id", "hash"]).unwrap_or(&content).to_owned();
    Some(Line {
        tags: names(object.get("categories")),
        project: text(&object, "app_id").map(str::to_owned),
        created_at: first_time(&object, &["created_at"]),
        updated_at: first_time(&object, &["updated_at"]),
        expires_at: text(&object, "expiration_date").and_then(end_of),
        kind: Some("fact"),
        extras: rest(object, &TAKEN),
        ..Line::new(id, content)
    })
}

/// The end of a day, if it is one.
fn end_of(text: &str) -> Option<Timestamp> {
    EventTime::read_end(text).ok().map(|end| end.at)
}
