use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::catalog::{Entry, Word};
use crate::engine::{Answer, Asked, Engine};
use crate::model::Timestamp;

/// Lists the tags in use.
#[derive(Debug, Clone, Copy)]
pub struct Tags;

/// Lists the projects in use.
#[derive(Debug, Clone, Copy)]
pub struct Projects;

/// Names that group memories, the most used first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shelves {
    Tags(Vec<Shelf>),
    Projects(Vec<Shelf>),
}

#[derive(Debug, Serialize)]
pub struct Shelf {
    pub name: String,
    pub count: usize,
    /// When one of its memories was last written.
    pub updated_at: Timestamp,
}

impl Tags {
    pub fn parse(arguments: Arguments) -> Result<Self, InvalidArguments> {
        arguments.finish(Self)
    }

    pub(in crate::engine) fn apply(self, engine: &Engine, asked: Asked<'_>) -> Answer {
        Answer::Shelves(Shelves::Tags(engine.shelves(asked.now, |entry| entry.tags.to_vec())))
    }
}

impl Projects {
    pub fn parse(arguments: Arguments) -> Result<Self, InvalidArguments> {
        arguments.finish(Self)
    }

    pub(in crate::engine) fn apply(self, engine: &Engine, asked: Asked<'_>) -> Answer {
        let of = |entry: &Entry| entry.project.into_iter().collect();
        Answer::Shelves(Shelves::Projects(engine.shelves(asked.now, of)))
    }
}

impl Engine {
    fn shelves(&self, now: Timestamp, of: impl Fn(&Entry) -> Vec<Word>) -> Vec<Shelf> {
        let mut found: BTreeMap<Word, (usize, Timestamp)> = BTreeMap::new();
        for (_, entry) in self.catalog.iter().filter(|(_, entry)| entry.is_alive(now)) {
            for word in of(entry) {
                let (count, updated) = found.entry(word).or_insert((0, entry.updated));
                *count += 1;
                *updated = entry.updated.max(*updated);
            }
        }
        let mut shelves: Vec<Shelf> = found
            .into_iter()
            .map(|(word, (count, updated_at))| {
                let name = self.catalog.name(word).to_owned();
                Shelf { name, count, updated_at }
            })
            .collect();
        shelves.sort_by(|one, other| {
            other.count.cmp(&one.count).then_with(|| one.name.cmp(&other.name))
        });
        shelves
    }
}
