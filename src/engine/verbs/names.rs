use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::arguments::Arguments;
use crate::engine::catalog::{Entry, Word};
use crate::engine::{Asked, Engine, EngineError, Field, Spoken, Verb};
use crate::model::{Scope, Timestamp};

/// Lists the tags in use, the most used first.
#[derive(Debug, Clone, Copy)]
pub struct ListTags;

/// Lists the projects in use, the most used first.
#[derive(Debug, Clone, Copy)]
pub struct ListProjects;

#[derive(Debug, Serialize)]
pub struct TagNames {
    pub tags: Vec<NameCount>,
}

#[derive(Debug, Serialize)]
pub struct ProjectNames {
    pub projects: Vec<NameCount>,
}

/// A name that groups memories, and how many bear it.
#[derive(Debug, Serialize)]
pub struct NameCount {
    pub name: String,
    pub count: usize,
    /// When one of its memories was last written.
    pub updated_at: Timestamp,
}

impl Spoken for ListTags {
    fn fields() -> Vec<&'static Field> {
        Vec::new()
    }

    fn take(_: &mut Arguments) -> Self {
        Self
    }
}

impl Verb for ListTags {
    type Answer = TagNames;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<TagNames, EngineError> {
        Ok(TagNames { tags: engine.counted(asked.now, |entry| entry.tags.to_vec()) })
    }
}

impl Spoken for ListProjects {
    fn fields() -> Vec<&'static Field> {
        Vec::new()
    }

    fn take(_: &mut Arguments) -> Self {
        Self
    }
}

impl Verb for ListProjects {
    type Answer = ProjectNames;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<ProjectNames, EngineError> {
        let of = |entry: &Entry| entry.project.into_iter().collect();
        Ok(ProjectNames { projects: engine.counted(asked.now, of) })
    }
}

impl Engine {
    fn counted(&self, now: Timestamp, of: impl Fn(&Entry) -> Vec<Word>) -> Vec<NameCount> {
        let catalog = &self.mind.catalog;
        let mut found: BTreeMap<Word, (usize, Timestamp)> = BTreeMap::new();
        for (_, entry) in catalog.iter().filter(|(_, entry)| entry.is_alive(now)) {
            for word in of(entry) {
                let (count, updated) = found.entry(word).or_insert((0, entry.updated));
                *count += 1;
                *updated = entry.updated.max(*updated);
            }
        }
        let counted = found.into_iter().map(|(word, (count, updated_at))| NameCount {
            name: catalog.name(word).to_owned(),
            count,
            updated_at,
        });
        let mut names: Vec<NameCount> = counted.collect();
        names.sort_by(|one, other| {
            other.count.cmp(&one.count).then_with(|| one.name.cmp(&other.name))
        });
        names
    }
}
