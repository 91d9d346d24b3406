use std::collections::BTreeSet;

use serde::Serialize;

use crate::engine::arguments::Arguments;
use crate::engine::{Asked, Engine, EngineError, Field, Spoken, Verb};
use crate::model::{Scope, Status, Timestamp};

/// Counts what a session holds.
#[derive(Debug, Clone, Copy)]
pub struct Stats;

#[derive(Debug, Default, Serialize)]
pub struct Totals {
    pub memories: usize,
    pub active: usize,
    pub archived: usize,
    pub superseded: usize,
    pub deleted: usize,
    pub expired: usize,
    pub pinned: usize,
    pub tags: usize,
    pub projects: usize,
    /// How many memories have a vector of the session's model, while there is a model: the rest
    /// are ranked by words until theirs are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vectors: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Timestamp>,
}

impl Spoken for Stats {
    fn fields() -> Vec<&'static Field> {
        Vec::new()
    }

    fn take(_: &mut Arguments) -> Self {
        Self
    }
}

impl Verb for Stats {
    type Answer = Totals;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Totals, EngineError> {
        let catalog = &engine.mind.catalog;
        let mut totals = Totals::default();
        let (mut tags, mut projects) = (BTreeSet::new(), BTreeSet::new());
        for (_, entry) in catalog.iter() {
            totals.memories += 1;
            if entry.is_expired(asked.now) {
                totals.expired += 1;
                continue;
            }
            match entry.status {
                Status::Archived => totals.archived += 1,
                Status::Superseded => totals.superseded += 1,
                Status::Deleted => totals.deleted += 1,
                Status::Active => {
                    totals.active += 1;
                    totals.pinned += usize::from(entry.pinned);
                    tags.extend(entry.tags.iter().copied());
                    projects.extend(entry.project);
                    let created = Some(entry.created);
                    totals.oldest = totals.oldest.min(created).or(created);
                    totals.newest = totals.newest.max(created);
                }
            }
        }
        totals.tags = tags.len();
        totals.projects = projects.len();
        totals.vectors = engine.vectors();
        Ok(totals)
    }
}
