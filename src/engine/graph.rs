//! The memories that make a knowledge graph, found by what they are called.
//!
//! An entity is a memory of the kind `entity`, a relation one of the kind `relation`. Their texts hold
//! all of it, a line a part, so that both are found as every memory is, and come apart as they were
//! put together. What is here is made when somebody first asks, and follows every write from then on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::view::estimate_tokens;
use super::{Engine, EngineError};
use crate::model::{Given, Memory, MemoryId, Project, Status, Timestamp};

pub(super) const ENTITY: &str = "entity";
pub(super) const RELATION: &str = "relation";
/// Stands before each observation.
const ITEM: &str = "- ";

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entity {
    pub name: String,
    #[serde(rename = "entityType")]
    pub kind: String,
    pub observations: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Relation {
    pub from: String,
    pub to: String,
    #[serde(rename = "relationType")]
    pub kind: String,
}

/// A part of the graph and the memory that it lies in.
#[derive(Debug, Clone)]
pub(super) struct Node<T> {
    pub(super) part: T,
    pub(super) project: Option<Project>,
    version: u32,
    expires: Option<Timestamp>,
}

/// Both in the order in which they were made; ids grow.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) entities: BTreeMap<MemoryId, Node<Entity>>,
    pub(super) relations: BTreeMap<MemoryId, Node<Relation>>,
    names: HashMap<String, BTreeSet<MemoryId>>,
    ends: HashMap<String, BTreeSet<MemoryId>>,
}

impl Entity {
    pub fn text(&self) -> String {
        let head = [escaped(&self.name), escaped(&self.kind)];
        let items = self.observations.iter().map(|one| format!("{ITEM}{}", escaped(one)));
        head.into_iter().chain(items).collect::<Vec<_>>().join("\n")
    }

    /// What the entity is called that a memory is; nothing if it is none.
    pub fn name_in(memory: &Memory) -> Option<String> {
        (memory.kind.as_str() == ENTITY).then(|| Self::parse(&memory.content).name)
    }

    /// Whoever changed the text by hand left lines that are taken as they are.
    fn parse(text: &str) -> Self {
        let mut lines = text.split('\n').map(unescaped);
        let (name, kind) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let observations =
            lines.map(|line| line.strip_prefix(ITEM).map_or(line.clone(), str::to_owned)).collect();
        Self { name, kind, observations }
    }
}

impl Relation {
    pub fn text(&self) -> String {
        [&self.from, &self.kind, &self.to].map(|part| escaped(part)).join("\n")
    }

    fn parse(text: &str) -> Self {
        let mut lines = text.split('\n').map(unescaped);
        let mut next = || lines.next().unwrap_or_default();
        let (from, kind, to) = (next(), next(), next());
        Self { from, to, kind }
    }
}

impl<T> Node<T> {
    fn of(part: T, memory: &Memory) -> Self {
        let (project, version) = (memory.project.clone(), memory.version);
        Self { part, project, version, expires: memory.expires_at }
    }

    pub(super) fn given(&self, id: MemoryId, text: &str) -> Given {
        let tokens = u32::try_from(estimate_tokens(text)).unwrap_or(u32::MAX);
        Given { id, version: self.version, score: None, tokens }
    }

    pub(super) fn is_alive(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|end| end > now)
    }
}

impl Graph {
    /// Takes a memory in, if it is a part of a graph.
    pub(super) fn enter(&mut self, memory: &Memory) {
        if memory.status != Status::Active {
            return;
        }
        match memory.kind.as_str() {
            ENTITY => {
                let entity = Entity::parse(&memory.content);
                self.names.entry(entity.name.clone()).or_default().insert(memory.id);
                self.entities.insert(memory.id, Node::of(entity, memory));
            }
            RELATION => {
                let relation = Relation::parse(&memory.content);
                for end in [&relation.from, &relation.to] {
                    self.ends.entry(end.clone()).or_default().insert(memory.id);
                }
                self.relations.insert(memory.id, Node::of(relation, memory));
            }
            _ => {}
        }
    }

    pub(super) fn leave(&mut self, id: MemoryId) {
        if let Some(node) = self.entities.remove(&id) {
            remove(&mut self.names, &node.part.name, id);
        }
        if let Some(node) = self.relations.remove(&id) {
            remove(&mut self.ends, &node.part.from, id);
            remove(&mut self.ends, &node.part.to, id);
        }
    }

    /// The entities of a name, the first first.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = (MemoryId, &Node<Entity>)> {
        let ids = self.names.get(name).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.entities.get(id)?)))
    }

    /// The relations that begin or end at a name.
    pub(super) fn at(&self, name: &str) -> impl Iterator<Item = (MemoryId, &Node<Relation>)> {
        let ids = self.ends.get(name).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.relations.get(id)?)))
    }
}

impl Engine {
    /// The graph, made from the memories if nobody has asked before.
    pub(super) fn graph(&mut self) -> Result<&Graph, EngineError> {
        if self.mind.graph.is_none() {
            let catalog = &self.mind.catalog;
            let ids = catalog.ids_of_kinds(&[ENTITY, RELATION]);
            let mut graph = Graph::default();
            for id in ids {
                // Whatever a credential may not see is made out of sight later.
                if let Some(memory) = self.store.get::<Memory>(&id)? {
                    graph.enter(&memory);
                }
            }
            self.mind.graph = Some(graph);
        }
        Ok(self.mind.graph.get_or_insert_default())
    }
}

fn remove(sets: &mut HashMap<String, BTreeSet<MemoryId>>, name: &str, id: MemoryId) {
    if let Some(ids) = sets.get_mut(name) {
        ids.remove(&id);
        if ids.is_empty() {
            sets.remove(name);
        }
    }
}

/// A text on one line, so that it comes back as it was.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('n')) => text.push('\n'),
            ('\\', Some('r')) => text.push('\r'),
            ('\\', Some('\\')) => text.push('\\'),
            _ => {
                text.push(c);
                continue;
            }
        }
        chars.next();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_graph_comes_back_as_it_was() {
        for odd in ["", "Ada", "a\nb", "a\\nb\\", "\r\n\\\\n", "- x", "\u{0}\u{2028}"] {
            let odd = odd.to_owned();
            let entity = Entity {
                name: odd.clone(),
                kind: odd.clone(),
                observations: vec![odd.clone(), odd.clone()],
            };
            assert_eq!(Entity::parse(&entity.text()), entity, "{odd:?}");
            let bare = Entity { observations: Vec::new(), ..entity };
            assert_eq!(Entity::parse(&bare.text()), bare, "{odd:?}");
            let relation = Relation { from: odd.clone(), to: "x".to_owned(), kind: odd.clone() };
            assert_eq!(Relation::parse(&relation.text()), relation, "{odd:?}");
        }
    }
}
