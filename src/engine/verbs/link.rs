use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::engine::write::guard_instruction;
use crate::engine::{Asked, Engine, EngineError, InvalidArguments, MemoryView, Verb};
use crate::model::{Memory, MemoryId, Scope};

/// Joins two memories by a named relation, which both keep in their metadata.
#[derive(Debug, Clone)]
pub struct Link {
    pub from: MemoryId,
    pub to: MemoryId,
    pub relation: String,
    /// More that is said of it.
    pub metadata: Map<String, Value>,
}

/// Follows the links of a memory, in both directions, over so many steps.
#[derive(Debug, Clone, Copy)]
pub struct Linked {
    pub id: MemoryId,
    pub depth: usize,
}

/// A memory that others lead to.
#[derive(Debug, Serialize)]
pub struct LinkedMemory {
    pub memory: MemoryView,
    /// The memory from which it was reached, and by what.
    pub from: MemoryId,
    pub relation: String,
    /// How many steps away it is.
    pub depth: usize,
}

/// The name in the metadata under which links stand.
const LINKS: &str = "links";
/// More are a search, not a neighbourhood.
const MOST_LINKED: usize = 100;

impl Verb for Link {
    /// Whether there was no such link before.
    type Answer = bool;

    fn scope(&self) -> Scope {
        Scope::Write
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<bool, EngineError> {
        if self.from == self.to {
            return Err(InvalidArguments::one("to", "a memory is not linked with itself").into());
        }
        let mut write = engine.begin()?;
        let mut is_new = false;
        for (own, name, other) in [(self.from, "to", self.to), (self.to, "from", self.from)] {
            let before = engine.read_alive(own, asked.now)?;
            guard_instruction(&before, asked)?;
            let mut link = self.metadata.clone();
            link.insert(name.to_owned(), json!(other));
            link.insert("relation".to_owned(), self.relation.clone().into());
            let link = Value::Object(link);
            let mut metadata = before.metadata.clone();
            let links = metadata.entry(LINKS).or_insert_with(|| json!([]));
            let Value::Array(links) = links else {
                let problem = format!("memory {own} has metadata called {LINKS} already");
                return Err(InvalidArguments::one("id", &problem).into());
            };
            if links.contains(&link) {
                continue;
            }
            links.push(link);
            is_new = true;
            write.replace(&before, Memory { metadata, ..before.clone() }, asked.now)?;
        }
        engine.commit(write)?;
        Ok(is_new)
    }
}

impl Verb for Linked {
    type Answer = Vec<LinkedMemory>;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(
        self,
        engine: &mut Engine,
        asked: Asked<'_>,
    ) -> Result<Vec<LinkedMemory>, EngineError> {
        let start = engine.read_alive(self.id, asked.now)?;
        let mut known = BTreeSet::from([self.id]);
        let mut edge = vec![start];
        let mut found = Vec::new();
        for depth in 1..=self.depth {
            let mut next: BTreeMap<MemoryId, (MemoryId, String)> = BTreeMap::new();
            for memory in &edge {
                for (id, relation) in links_of(memory) {
                    if known.insert(id) {
                        next.insert(id, (memory.id, relation));
                    }
                }
            }
            edge.clear();
            for (id, (from, relation)) in next {
                if found.len() >= MOST_LINKED {
                    return Ok(found);
                }
                // What is gone, or out of sight, leads nowhere.
                let memory = match engine.read_alive(id, asked.now) {
                    Ok(memory) => memory,
                    Err(EngineError::NotFound { .. }) => continue,
                    Err(error) => return Err(error),
                };
                edge.push(memory.clone());
                let memory = engine.view(memory)?;
                found.push(LinkedMemory { memory, from, relation, depth });
            }
        }
        Ok(found)
    }
}

fn links_of(memory: &Memory) -> impl Iterator<Item = (MemoryId, String)> + '_ {
    let links = memory.metadata.get(LINKS).and_then(Value::as_array);
    links.into_iter().flatten().filter_map(|link| {
        let other = link.get("to").or_else(|| link.get("from"))?.as_str()?;
        let relation = link.get("relation").and_then(Value::as_str).unwrap_or_default();
        Some((MemoryId::parse(other).ok()?, relation.to_owned()))
    })
}
