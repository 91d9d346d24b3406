use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Add;
use super::add::Times;
use crate::engine::arguments::Change;
use crate::engine::draft::Draft;
use crate::engine::graph::{ENTITY, Entity, Graph, Node, RELATION, Relation};
use crate::engine::write::Write;
use crate::engine::{Asked, AskedFor, Engine, EngineError, GivenOut, QueryText, Verb};
use crate::model::foreign::shortened;
use crate::model::{
    Caller, Category, Given, Kind, Memory, MemoryId, Project, Scope, Status, Title, folded,
};

/// What can be done with a knowledge graph, by the rules of the official server for it: names are
/// compared letter for letter, and what is there already is left alone.
#[derive(Debug, Clone)]
pub enum AskGraph {
    CreateEntities(Vec<Entity>),
    CreateRelations(Vec<Relation>),
    /// The name of an entity and what is observed of it.
    AddObservations(Vec<(String, Vec<String>)>),
    DeleteEntities(Vec<String>),
    DeleteObservations(Vec<(String, Vec<String>)>),
    DeleteRelations(Vec<Relation>),
    Read,
    /// Whatever holds this text, in any case.
    Search(QueryText),
    Open(Vec<String>),
}

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum GraphAnswer {
    Created(Vec<Entity>),
    Related(Vec<Relation>),
    /// For each that was asked for: the name, and what was new.
    Observed(Vec<(String, Vec<String>)>),
    /// There is no entity of this name, and nothing was done.
    Unknown(String),
    Deleted,
    Found {
        entities: Vec<Entity>,
        relations: Vec<Relation>,
        #[serde(skip)]
        given: Vec<Given>,
    },
}

impl Verb for AskGraph {
    type Answer = GraphAnswer;

    fn scope(&self) -> Scope {
        match self {
            Self::Read | Self::Search(_) | Self::Open(_) => Scope::Read,
            _ => Scope::Write,
        }
    }

    fn asking(&self, _: &Caller) -> Option<AskedFor> {
        let query = match self {
            Self::Read => None,
            Self::Search(query) => Some(query.as_str().to_owned()),
            Self::Open(names) => Some(shortened(&names.join(", ")).into_owned()),
            _ => return None,
        };
        Some(AskedFor::Graph { query })
    }

    fn given(answer: &GraphAnswer) -> GivenOut {
        match answer {
            GraphAnswer::Found { given, .. } => GivenOut::of(given.iter().copied()),
            _ => GivenOut::default(),
        }
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<GraphAnswer, EngineError> {
        match self {
            Self::CreateEntities(entities) => engine.create_entities(entities, asked),
            Self::CreateRelations(relations) => engine.create_relations(relations, asked),
            Self::AddObservations(added) => engine.add_observations(added, asked),
            Self::DeleteEntities(names) => engine.delete_entities(&names, asked),
            Self::DeleteObservations(gone) => engine.delete_observations(&gone, asked),
            Self::DeleteRelations(relations) => engine.delete_relations(&relations, asked),
            Self::Read => engine.look(asked, |_| true, true),
            Self::Search(query) => {
                let query = query.as_str().to_lowercase();
                let holds = |text: &str| text.to_lowercase().contains(&query);
                let is_meant = |entity: &Entity| {
                    holds(&entity.name)
                        || holds(&entity.kind)
                        || entity.observations.iter().any(|one| holds(one))
                };
                engine.look(asked, is_meant, false)
            }
            Self::Open(names) => engine.look(asked, |entity| names.contains(&entity.name), false),
        }
    }
}

impl Engine {
    fn create_entities(
        &mut self,
        entities: Vec<Entity>,
        asked: Asked<'_>,
    ) -> Result<GraphAnswer, EngineError> {
        let sight = Sight(asked);
        let graph = self.graph()?;
        let is_new = |entity: &Entity| !graph.named(&entity.name).any(|(_, node)| sight.has(node));
        let made: Vec<Entity> = entities.into_iter().filter(is_new).collect();
        let mut write = self.begin()?;
        for entity in &made {
            let draft = Draft {
                title: Title::parse(&entity.name).map_or(Change::Keep, Change::Set),
                category: Category::parse(&entity.kind).map_or(Change::Keep, Change::Set),
                ..Draft::default()
            };
            self.put_part(&mut write, ENTITY, entity.text(), draft, asked)?;
        }
        self.commit(write)?;
        Ok(GraphAnswer::Created(made))
    }

    fn create_relations(
        &mut self,
        relations: Vec<Relation>,
        asked: Asked<'_>,
    ) -> Result<GraphAnswer, EngineError> {
        let sight = Sight(asked);
        let graph = self.graph()?;
        let is_new = |relation: &Relation| {
            !graph.at(&relation.from).any(|(_, node)| node.part == *relation && sight.has(node))
        };
        let made: Vec<Relation> = relations.into_iter().filter(is_new).collect();
        let mut write = self.begin()?;
        for relation in &made {
            self.put_part(&mut write, RELATION, relation.text(), Draft::default(), asked)?;
        }
        self.commit(write)?;
        Ok(GraphAnswer::Related(made))
    }

    fn add_observations(
        &mut self,
        added: Vec<(String, Vec<String>)>,
        asked: Asked<'_>,
    ) -> Result<GraphAnswer, EngineError> {
        let sight = Sight(asked);
        let graph = self.graph()?;
        let mut changed: BTreeMap<MemoryId, Entity> = BTreeMap::new();
        let mut told = Vec::new();
        for (name, contents) in added {
            let Some((id, node)) = graph.named(&name).find(|(_, node)| sight.has(node)) else {
                return Ok(GraphAnswer::Unknown(name));
            };
            let entity = changed.entry(id).or_insert_with(|| node.part.clone());
            let is_new = |one: &String| !entity.observations.contains(one);
            let new: Vec<String> = contents.into_iter().filter(is_new).collect();
            entity.observations.extend(new.iter().cloned());
            told.push((name, new));
        }
        self.put_changed(changed, asked)?;
        Ok(GraphAnswer::Observed(told))
    }

    fn delete_observations(
        &mut self,
        gone: &[(String, Vec<String>)],
        asked: Asked<'_>,
    ) -> Result<GraphAnswer, EngineError> {
        let sight = Sight(asked);
        let graph = self.graph()?;
        let mut changed: BTreeMap<MemoryId, Entity> = BTreeMap::new();
        for (name, contents) in gone {
            if let Some((id, node)) = graph.named(name).find(|(_, node)| sight.has(node)) {
                let entity = changed.entry(id).or_insert_with(|| node.part.clone());
                entity.observations.retain(|one| !contents.contains(one));
            }
        }
        self.put_changed(changed, asked)?;
        Ok(GraphAnswer::Deleted)
    }

    fn delete_entities(
        &mut self,
        names: &[String],
        asked: Asked<'_>,
    ) -> Result<GraphAnswer, EngineError> {
        let sight = Sight(asked);
        let graph = self.graph()?;
        let mut gone = BTreeSet::new();
        for name in names {
            gone.extend(graph.named(name).filter(|(_, node)| sight.has(node)).map(|(id, _)| id));
            gone.extend(graph.at(name).filter(|(_, node)| sight.has(node)).map(|(id, _)| id));
        }
        let gone: Vec<MemoryId> = gone.into_iter().collect();
        self.set_status(&gone, Status::Deleted, asked.now)?;
        Ok(GraphAnswer::Deleted)
    }

    fn delete_relations(
        &mut self,
        relations: &[Relation],
        asked: Asked<'_>,
    ) -> Result<GraphAnswer, EngineError> {
        let sight = Sight(asked);
        let graph = self.graph()?;
        let mut gone = BTreeSet::new();
        for relation in relations {
            let same = graph.at(&relation.from).filter(|(_, node)| node.part == *relation);
            gone.extend(same.filter(|(_, node)| sight.has(node)).map(|(id, _)| id));
        }
        let gone: Vec<MemoryId> = gone.into_iter().collect();
        self.set_status(&gone, Status::Deleted, asked.now)?;
        Ok(GraphAnswer::Deleted)
    }

    /// The entities that are meant, with the relations that touch them; with all relations if all of
    /// the graph is meant.
    fn look(
        &mut self,
        asked: Asked<'_>,
        is_meant: impl Fn(&Entity) -> bool,
        is_all: bool,
    ) -> Result<GraphAnswer, EngineError> {
        let sight = Sight(asked);
        let graph: &Graph = self.graph()?;
        let seen = graph.entities.iter().filter(|(_, node)| sight.has(node));
        let meant = seen.filter(|(_, node)| is_meant(&node.part));
        let (entities, mut given): (Vec<Entity>, Vec<Given>) =
            meant.map(|(id, node)| (node.part.clone(), node.given(*id, &node.part.text()))).unzip();
        let names: BTreeSet<&str> = entities.iter().map(|entity| entity.name.as_str()).collect();
        let touches = |relation: &&Relation| {
            is_all || names.contains(relation.from.as_str()) || names.contains(relation.to.as_str())
        };
        let seen = graph.relations.iter().filter(|(_, node)| sight.has(node));
        let touching = seen.filter(|(_, node)| touches(&&node.part));
        let mut relations = Vec::new();
        for (id, node) in touching {
            relations.push(node.part.clone());
            given.push(node.given(*id, &node.part.text()));
        }
        Ok(GraphAnswer::Found { entities, relations, given })
    }

    /// Puts a new part of the graph into a write.
    fn put_part(
        &mut self,
        write: &mut Write,
        kind: &str,
        content: String,
        draft: Draft,
        asked: Asked<'_>,
    ) -> Result<(), EngineError> {
        self.check_content(&content)?;
        let kind = Kind::parse(kind).map_or(Change::Keep, Change::Set);
        let add = Add { content, draft: Draft { kind, ..draft }, ..Add::default() };
        let project = asked.caller.project.clone();
        let mut memory = add.into_memory(self, project, Times::default(), asked);
        self.screen(&mut memory, &mut BTreeSet::new())?;
        write.enter(&memory)?;
        self.commit_if_full(write)
    }

    fn put_changed(
        &mut self,
        changed: BTreeMap<MemoryId, Entity>,
        asked: Asked<'_>,
    ) -> Result<(), EngineError> {
        let mut write = self.begin()?;
        for (id, entity) in changed {
            let before = self.read(id)?;
            let content = entity.text();
            if content == before.content {
                continue;
            }
            self.check_content(&content)?;
            let mut after = Memory { content, ..before.clone() };
            self.screen(&mut after, &mut BTreeSet::new())?;
            write.replace(&before, after, asked.now)?;
            self.commit_if_full(&mut write)?;
        }
        self.commit(write)
    }
}

/// What of the graph a caller sees: that of the project in which the caller stands, if there is one,
/// and nothing outside of what the credential is bound to.
pub(super) struct Sight<'a>(pub(super) Asked<'a>);

impl Sight<'_> {
    pub(super) fn has<T>(&self, node: &Node<T>) -> bool {
        let Self(Asked { caller, now }) = self;
        let own = node.project.as_ref().map(|own| folded(own.as_str()));
        let is_within = |project: &Option<Project>| {
            project.as_ref().is_none_or(|wanted| own.as_ref() == Some(&folded(wanted.as_str())))
        };
        node.is_alive(*now) && is_within(&caller.project) && is_within(&caller.bound)
    }
}
