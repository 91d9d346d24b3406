//! The file of the official knowledge graph: `{"type": "entity", "name", "entityType", "observations"}`
//! and `{"type": "relation", "from", "to", "relationType"}`, one a line, or in a list, or as the tool
//! `read_graph` gives it. It knows no times.
//!
//! Entities and relations become those of our graph, so that its tools see them. Of several lines with
//! one name the observations go together.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::fields::{first_text, first_time, rest};
use crate::engine::{Entity, Relation};
use crate::moving::cut::glued;
use crate::moving::line::bytes_of;
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Look, Sniff};
use crate::moving::walk::{lines, pieces, sniffed, value_of};
use crate::moving::{Files, Line, MovingError};

const ENTITY_NAMES: [&str; 3] = ["name", "entityName", "id"];
const ENTITY_KINDS: [&str; 3] = ["entityType", "entity_type", "kind"];
const FROM: [&str; 3] = ["from", "from_id", "source"];
const TO: [&str; 3] = ["to", "to_id", "target"];
const RELATION_KINDS: [&str; 3] = ["relationType", "relation_type", "relation"];
const TIMES: [&str; 2] = ["createdAt", "created_at"];
const TAKEN: [&str; 12] = [
    "type",
    "name",
    "entityName",
    "id",
    "entityType",
    "entity_type",
    "observations",
    "createdAt",
    "created_at",
    "from",
    "to",
    "relationType",
];

/// The entities of a file in the order in which they come, and the relations.
#[derive(Default)]
struct Read {
    entities: Vec<(Entity, Line)>,
    places: HashMap<String, usize>,
    relations: Vec<(Relation, Line)>,
    /// Relations, and observations of entities, that came before.
    known: BTreeSet<String>,
}

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let marks = ["entityType", "relationType", "entity_type", "relation_type", "entityName"];
    let is_line = sniff.names.contains("type") && sniff.has_any(&marks);
    let is_list = sniff.look == Look::List && sniff.lists_any(&marks);
    let is_graph = sniff.names.contains("entities")
        && (sniff.names.contains("relations") || sniff.lists_any(&marks));
    Fit::sure_if(is_line || is_list || is_graph)
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    files.each(out, &mut |_, reader, out| {
        let mut read = Read::default();
        let sniff = sniffed(reader)?;
        // A list, or one object with both lists, is no lines.
        if sniff.look == Look::List || sniff.names.contains("entities") {
            pieces(reader, out, &mut |out, piece| {
                read.take(piece.value, &piece.name, out);
                Ok(())
            })?;
        } else {
            lines(reader, out, &mut |out, line| {
                read.take_line(line, out);
                Ok(())
            })?;
        }
        read.send(out)
    })
}

impl Read {
    /// A line may be torn, or be two that lost the end between them.
    fn take_line(&mut self, line: &[u8], out: &mut Out<'_>) {
        for value in glued(line) {
            if let Some(value) = value_of(value, out) {
                self.take(value, "", out);
            }
        }
    }

    fn take(&mut self, value: Value, list: &str, out: &mut Out<'_>) {
        if !out.keeps(bytes_of(&value)) {
            return;
        }
        let Value::Object(object) = value else {
            out.fail("is no object");
            return;
        };
        let sort = object.get("type").and_then(Value::as_str).unwrap_or_default();
        let is_relation = sort == "relation" || list == "relations";
        let is_entity = sort == "entity" || list == "entities";
        match (is_entity, is_relation) {
            (_, true) => self.take_relation(&object, out),
            (true, false) => self.take_entity(object, out),
            (false, false) => out.skip("neither entity nor relation"),
        }
    }

    fn take_entity(&mut self, object: Map<String, Value>, out: &mut Out<'_>) {
        let Some(name) = first_text(&object, &ENTITY_NAMES).map(str::to_owned) else {
            out.fail("an entity without a name");
            return;
        };
        let kind = first_text(&object, &ENTITY_KINDS).unwrap_or_default().to_owned();
        let observations = object.get("observations").and_then(Value::as_array);
        let observations = observations.into_iter().flatten().map(observation);
        let observations: Vec<String> = observations.filter(|one| !one.trim().is_empty()).collect();
        let at = self.places.get(&name).copied().unwrap_or(self.entities.len());
        let known = &mut self.known;
        let mut is_fresh = |one: &String| known.insert(format!("obs\0{at}\0{one}"));
        if let Some((there, _)) = self.entities.get_mut(at) {
            there.observations.extend(observations.into_iter().filter(is_fresh));
            out.skip("lines of a name that came before, whose observations it took");
            return;
        }
        let line = Line {
            title: Some(name.clone()),
            category: Some(kind.clone()),
            created_at: first_time(&object, &TIMES),
            extras: rest(object, &TAKEN),
            kind: Some("entity"),
            ..Line::new(format!("entity\0{name}"), "")
        };
        for one in &observations {
            is_fresh(one);
        }
        self.places.insert(name.clone(), at);
        self.entities.push((Entity { name, kind, observations }, line));
    }

    fn take_relation(&mut self, object: &Map<String, Value>, out: &mut Out<'_>) {
        let named = |names: &[&str]| first_text(object, names).map(str::to_owned);
        let (Some(from), Some(to)) = (named(&FROM), named(&TO)) else {
            out.fail("a relation without two ends");
            return;
        };
        let kind = named(&RELATION_KINDS).unwrap_or_default();
        let id = format!("rel\0{from}\0{kind}\0{to}");
        if !self.known.insert(id.clone()) {
            out.skip("relations that came before");
            return;
        }
        let created_at = first_time(object, &TIMES);
        let line = Line { created_at, kind: Some("relation"), ..Line::new(id, "") };
        self.relations.push((Relation { from, to, kind }, line));
    }

    /// What was read in lines may have been told in several places, so it goes only now.
    fn send(self, out: &mut Out<'_>) -> Result<(), MovingError> {
        for (n, (entity, line)) in self.entities.into_iter().enumerate() {
            out.at(n + 1);
            let room = if out.wanted().splits { 0 } else { out.wanted().content_bytes };
            let (whole, rest) = fitting(entity, room);
            if !out.wanted().splits {
                out.line(Line { content: whole.text(), ..line.clone() })?;
            }
            send_observations(&whole.name, &rest, &line, out)?;
        }
        for (n, (relation, line)) in self.relations.into_iter().enumerate() {
            out.at(n + 1);
            out.line(Line { content: relation.text(), ..line })?;
        }
        Ok(())
    }
}

/// An entity with as many observations as one memory has room for, and the rest of them.
fn fitting(mut entity: Entity, room: usize) -> (Entity, Vec<String>) {
    let observations = std::mem::take(&mut entity.observations);
    let mut used = entity.text().len();
    let is_within = |one: &String| {
        let alone =
            Entity { name: String::new(), kind: String::new(), observations: vec![one.clone()] };
        // With the ends of two empty lines, of which one is its own.
        used = used.saturating_add(alone.text().len() - 1);
        used <= room
    };
    let (within, rest) = observations.into_iter().partition(is_within);
    (Entity { observations: within, ..entity }, rest)
}

/// Each observation as a fact of its own, which needs the name to be understood.
fn send_observations(
    name: &str,
    observations: &[String],
    line: &Line,
    out: &mut Out<'_>,
) -> Result<(), MovingError> {
    for one in observations {
        let fact = Line {
            native_id: format!("{}\0{one}", line.native_id),
            content: format!("{name}: {one}"),
            kind: Some("fact"),
            ..line.clone()
        };
        out.line(fact)?;
    }
    Ok(())
}

/// Some variants of the graph write objects with more than the text.
fn observation(value: &Value) -> String {
    let text = value.as_str().or_else(|| value.get("content")?.as_str());
    text.map_or_else(|| value.to_string(), str::to_owned)
}
