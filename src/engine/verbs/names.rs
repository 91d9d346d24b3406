use hashbrown::HashMap;
use serde::Serialize;

use crate::engine::arguments::Arguments;
use crate::engine::catalog::{Catalog, Entry, Word};
use crate::engine::{Asked, Engine, EngineError, Field, Spoken, Verb};
use crate::model::few;
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
        Ok(TagNames { tags: engine.counted(asked.now, |entry| &entry.tags) })
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
        Ok(ProjectNames { projects: engine.counted(asked.now, |entry| entry.project.as_slice()) })
    }
}

impl Engine {
    fn counted(&self, now: Timestamp, of: impl Fn(&Entry) -> &[Word]) -> Vec<NameCount> {
        let catalog = &self.mind.catalog;
        let mut names = NameTally::default();
        for (_, entry) in catalog.iter().filter(|(_, entry)| entry.is_alive(now)) {
            names.count(of(entry), entry.updated);
        }
        names.into_names(catalog)
    }
}

/// Counts the names of one memory after the other.
#[derive(Debug, Default)]
pub(super) struct NameTally(HashMap<Word, (usize, Timestamp)>);

impl NameTally {
    pub(super) fn count(&mut self, names: &[Word], updated_at: Timestamp) {
        for &word in names {
            let (count, updated) = self.0.entry(word).or_insert((0, updated_at));
            *count += 1;
            *updated = updated_at.max(*updated);
        }
    }

    /// The most used first.
    pub(super) fn into_names(self, catalog: &Catalog) -> Vec<NameCount> {
        let counted = self.0.into_iter().map(|(word, (count, updated_at))| NameCount {
            name: catalog.name(word).to_owned(),
            count,
            updated_at,
        });
        let mut names: Vec<NameCount> = counted.collect();
        few::sort_by(&mut names, |one, other| {
            other.count.cmp(&one.count).then_with(|| one.name.cmp(&other.name))
        });
        names
    }
}
