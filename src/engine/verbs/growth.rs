use std::collections::BTreeMap;

use serde::Serialize;

use super::names::{NameCount, NameTally};
use super::stats::{StatsTally, Totals};
use crate::engine::{Asked, Engine, EngineError, Verb};
use crate::model::{EventTime, Scope, Timestamp};

/// Counts what was stored on each of the last days, and what it is; with what [`super::Stats`] and
/// [`super::ListProjects`] tell, all in one walk.
#[derive(Debug, Clone, Copy)]
pub struct Growth {
    pub days: u32,
}

#[derive(Debug, Default, Serialize)]
pub struct Grown {
    /// Each day in UTC with what was stored on it and is still there, the oldest first.
    pub days: Vec<(String, usize)>,
    /// The kinds of what is in sight, the most frequent first.
    pub kinds: Vec<NameCount>,
    /// Who wrote what is in sight, as far as it is known, the most first.
    pub writers: Vec<NameCount>,
    /// What nobody who may be trusted has confirmed.
    pub provisional: usize,
    pub totals: Totals,
    /// As [`super::ListProjects`] has them.
    pub projects: Vec<NameCount>,
}

const DAY_MS: i64 = 86_400_000;

impl Verb for Growth {
    type Answer = Grown;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Grown, EngineError> {
        let catalog = &engine.mind.catalog;
        let today = day_of(asked.now);
        let mut days: BTreeMap<i64, usize> =
            (0..i64::from(self.days)).map(|ago| (today - ago, 0)).collect();
        let mut tally = StatsTally::default();
        let [mut kinds, mut writers, mut projects] = <[NameTally; 3]>::default();
        let mut grown = Grown::default();
        for (_, entry) in catalog.iter() {
            if !tally.count(entry, asked.now) {
                continue;
            }
            projects.count(entry.project.as_slice(), entry.updated);
            if let Some(count) = days.get_mut(&day_of(entry.created)) {
                *count += 1;
            }
            kinds.count(&[entry.kind], entry.updated);
            writers.count(entry.writer.as_slice(), entry.updated);
            grown.provisional += usize::from(entry.provisional);
        }
        grown.days = days.into_iter().map(|(day, count)| (name_of(day), count)).collect();
        grown.kinds = kinds.into_names(catalog);
        grown.writers = writers.into_names(catalog);
        grown.projects = projects.into_names(catalog);
        grown.totals = tally.into_totals(engine, asked)?;
        Ok(grown)
    }
}

/// Counted from the first of 1970, in UTC.
fn day_of(at: Timestamp) -> i64 {
    at.0.div_euclid(DAY_MS)
}

fn name_of(day: i64) -> String {
    EventTime::from(Timestamp(day.saturating_mul(DAY_MS))).day()
}
