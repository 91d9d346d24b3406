use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;

use super::graph::Sight;
use crate::engine::graph::{Entity, Graph, Relation};
use crate::engine::{Asked, Engine, EngineError, Verb};
use crate::model::few;
use crate::model::{MemoryId, Scope};

/// Walks the knowledge graph from a name outwards, for whoever looks at it: nothing counts as given.
#[derive(Debug, Clone)]
pub struct Neighborhood {
    /// Where it begins; nothing for the entities that have the most relations.
    pub name: Option<String>,
    /// So many names at most.
    pub most: usize,
}

#[derive(Debug, Default, Serialize)]
pub struct Neighbors {
    /// The nearest first.
    pub nodes: Vec<Neighbor>,
    /// Those between the names that are told, as many as somebody looks at.
    pub relations: Vec<Relation>,
    /// The entities in sight, told or not.
    pub total: usize,
}

/// A name of the graph.
#[derive(Debug, Clone, Serialize)]
pub struct Neighbor {
    pub name: String,
    /// What it is; empty where relations name what no entity is.
    pub kind: String,
    /// The memory that it lies in.
    pub id: Option<MemoryId>,
    /// How many relations lie between it and the first.
    pub steps: usize,
}

/// More lines than these are one dark spot.
const MOST_RELATIONS: usize = 500;

impl Verb for Neighborhood {
    type Answer = Neighbors;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Neighbors, EngineError> {
        let sight = Sight(asked);
        let graph: &Graph = engine.graph()?;
        let total = graph.entities.values().filter(|node| sight.has(node)).count();
        let Some(name) = self.name else {
            return Ok(Neighbors {
                nodes: central(graph, &sight, self.most),
                total,
                ..Neighbors::default()
            });
        };
        let steps = walk(graph, &sight, name, self.most);
        let relations = between(graph, &sight, &steps);
        let node = |(name, steps): (String, usize)| neighbor(graph, &sight, name, steps);
        let mut nodes: Vec<Neighbor> = steps.into_iter().map(node).collect();
        few::sort_by_key(&mut nodes, |node| node.steps);
        // A name that nothing bears is nowhere.
        if nodes.len() == 1 && relations.is_empty() {
            nodes.retain(|node| node.id.is_some());
        }
        Ok(Neighbors { nodes, relations, total })
    }
}

/// The entities with the most relations.
fn central(graph: &Graph, sight: &Sight<'_>, most: usize) -> Vec<Neighbor> {
    let seen = graph.entities.iter().filter(|(_, node)| sight.has(node));
    let mut counted: Vec<_> = seen
        .map(|(id, node)| {
            let relations = graph.at(&node.part.name).filter(|(_, node)| sight.has(node));
            (Reverse(relations.count()), *id, &node.part)
        })
        .collect();
    few::sort_by_key(&mut counted, |(count, ..)| *count);
    counted.truncate(most);
    let neighbor = |(_, id, entity): (_, MemoryId, &Entity)| {
        let (name, kind) = (entity.name.clone(), entity.kind.clone());
        Neighbor { name, kind, id: Some(id), steps: 0 }
    };
    counted.into_iter().map(neighbor).collect()
}

/// The names that are reached, the nearest first until there are enough, with how far each is.
fn walk(graph: &Graph, sight: &Sight<'_>, name: String, most: usize) -> BTreeMap<String, usize> {
    let mut steps = BTreeMap::from([(name.clone(), 0)]);
    let mut waiting = VecDeque::from([(name, 0)]);
    while let Some((name, away)) = waiting.pop_front() {
        for (_, node) in graph.at(&name).filter(|(_, node)| sight.has(node)) {
            for end in [&node.part.from, &node.part.to] {
                if steps.len() >= most {
                    return steps;
                }
                if let Entry::Vacant(place) = steps.entry(end.clone()) {
                    place.insert(away + 1);
                    waiting.push_back((end.clone(), away + 1));
                }
            }
        }
    }
    steps
}

/// The relations whose both ends are told.
fn between(graph: &Graph, sight: &Sight<'_>, steps: &BTreeMap<String, usize>) -> Vec<Relation> {
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for name in steps.keys() {
        for (id, node) in graph.at(name).filter(|(_, node)| sight.has(node)) {
            let relation = &node.part;
            let is_within = steps.contains_key(&relation.from) && steps.contains_key(&relation.to);
            if is_within && known.insert(id) {
                found.push(relation.clone());
            }
            if found.len() >= MOST_RELATIONS {
                return found;
            }
        }
    }
    found
}

fn neighbor(graph: &Graph, sight: &Sight<'_>, name: String, steps: usize) -> Neighbor {
    let entity = graph.named(&name).find(|(_, node)| sight.has(node));
    let kind = entity.map(|(_, node)| node.part.kind.clone()).unwrap_or_default();
    let id = entity.map(|(id, _)| id);
    Neighbor { name, kind, id, steps }
}
