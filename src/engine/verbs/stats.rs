use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use hashbrown::HashSet;
use serde::Serialize;

use crate::engine::arguments::Arguments;
use crate::engine::catalog::{Entry, Word};
use crate::engine::{Asked, Engine, EngineError, Field, Spoken, Verb};
use crate::model::few;
use crate::model::{MemoryId, Recall, Scope, Status, Timestamp};

/// Counts what a session holds.
#[derive(Debug, Clone, Copy)]
pub struct Stats;

/// Counts the memories that have a vector of the session's model, and all of them, as [`Totals`] has
/// both; nothing while there is no model. Without all else that [`Stats`] reads.
#[derive(Debug, Clone, Copy)]
pub struct CountVectors;

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
    /// What was given out of the memories, as long as that is kept, for those who may see all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<GivenTotals>,
}

/// What was given out, by estimate in tokens.
#[derive(Debug, Default, Serialize)]
pub struct GivenTotals {
    pub answers: usize,
    pub tokens: u64,
    /// The tokens that each client was given.
    pub by_client: BTreeMap<String, u64>,
    /// The memories that took the most of them, with the tokens of each.
    pub by_memory: Vec<(MemoryId, u64)>,
    /// For the pages.
    #[serde(skip)]
    pub recent: RecentAnswers,
}

/// The answers of the last 30 days, as far as they are kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RecentAnswers {
    pub count: usize,
    /// Half of them took no longer; nothing where that is not known of any.
    pub median: Option<Duration>,
}

const RECENT: Duration = Duration::from_secs(30 * 86_400);

/// How many memories are named as those that were given most.
const MOST_GIVEN: usize = 10;

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
        let mut tally = StatsTally::default();
        for (_, entry) in engine.mind.catalog.iter() {
            tally.count(entry, asked.now);
        }
        tally.into_totals(engine, asked)
    }
}

impl Verb for CountVectors {
    type Answer = Option<(usize, usize)>;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, _: Asked<'_>) -> Result<Self::Answer, EngineError> {
        let all = engine.mind.catalog.iter().count();
        Ok(engine.vectors(all).map(|read| (read, all)))
    }
}

/// Counts one memory after the other, so that whoever walks over all of them for something else has the
/// totals as well.
#[derive(Debug, Default)]
pub(super) struct StatsTally {
    totals: Totals,
    tags: HashSet<Word>,
    projects: HashSet<Word>,
}

impl StatsTally {
    /// Counts a memory. Returns whether it is in sight.
    pub(super) fn count(&mut self, entry: &Entry, now: Timestamp) -> bool {
        let totals = &mut self.totals;
        totals.memories += 1;
        if entry.is_expired(now) {
            totals.expired += 1;
            return false;
        }
        match entry.status {
            Status::Archived => totals.archived += 1,
            Status::Superseded => totals.superseded += 1,
            Status::Deleted => totals.deleted += 1,
            Status::Active => {
                totals.active += 1;
                totals.pinned += usize::from(entry.pinned);
                self.tags.extend(entry.tags.iter().copied());
                self.projects.extend(entry.project);
                let created = Some(entry.created);
                totals.oldest = totals.oldest.min(created).or(created);
                totals.newest = totals.newest.max(created);
                return true;
            }
        }
        false
    }

    /// What was counted, and what else there is to say of a session.
    pub(super) fn into_totals(
        self,
        engine: &Engine,
        asked: Asked<'_>,
    ) -> Result<Totals, EngineError> {
        let Self { mut totals, tags, projects } = self;
        totals.tags = tags.len();
        totals.projects = projects.len();
        totals.vectors = engine.vectors(totals.memories);
        if engine.keeps_recalls() && asked.caller.may(Scope::Admin) {
            totals.given = Some(GivenTotals::of(&engine.recalls()?, asked.now));
        }
        Ok(totals)
    }
}

impl GivenTotals {
    fn of(recalls: &[Recall], now: Timestamp) -> Self {
        let recent = RecentAnswers::of(recalls, now);
        let mut totals = Self { answers: recalls.len(), recent, ..Self::default() };
        let mut by_memory: BTreeMap<MemoryId, u64> = BTreeMap::new();
        for Recall { author, tokens, given, .. } in recalls {
            totals.tokens += u64::from(*tokens);
            let client = author.client.as_deref().unwrap_or("unnamed");
            *totals.by_client.entry(client.to_owned()).or_default() += u64::from(*tokens);
            for one in given {
                *by_memory.entry(one.id).or_default() += u64::from(one.tokens);
            }
        }
        totals.by_memory = by_memory.into_iter().collect();
        few::sort_by_key(&mut totals.by_memory, |(id, tokens)| (Reverse(*tokens), *id));
        totals.by_memory.truncate(MOST_GIVEN);
        totals
    }
}

impl RecentAnswers {
    fn of(recalls: &[Recall], now: Timestamp) -> Self {
        let is_recent = |recall: &&Recall| now < recall.at.plus(RECENT);
        let recent: Vec<&Recall> = recalls.iter().filter(is_recent).collect();
        let mut took: Vec<Duration> = recent.iter().filter_map(|recall| recall.took).collect();
        took.sort_unstable();
        // Of two in the middle it is the shorter one.
        let median = took.get(took.len().saturating_sub(1) / 2).copied();
        Self { count: recent.len(), median }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Embedded;
    use crate::model::{Author, Caller, CredentialName, Interface, Memory, Project, Scopes};
    use crate::retrieval::ModelDigest;
    use crate::store::{Store, StoreOptions};

    #[test]
    fn the_vectors_are_counted_as_the_totals_have_them() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let Engine { user, limits, .. } = Engine::of_test(&store);
        let open = |model| {
            Engine::open(store.session(&user).unwrap(), user.clone(), limits, model).unwrap()
        };
        let mut engine = open(Some(ModelDigest([7; 16])));
        let id = |number: u128| MemoryId::from_bytes(number.to_be_bytes());
        let house = Project::parse("house").unwrap();
        let mut write = engine.begin().unwrap();
        for number in 0..6 {
            let project = (number < 3).then(|| house.clone());
            let expires_at = (number == 0).then_some(Timestamp(2));
            let memory = Memory::new(id(number), format!("note {number}"), Timestamp(1));
            write.enter(&Memory { project, expires_at, ..memory }).unwrap();
        }
        engine.commit(write).unwrap();
        let made = |number| Embedded { id: id(number), version: 1, vector: vec![1.0, 0.5] };
        engine.place(vec![made(1), made(4), made(5)]).unwrap();
        let free = Caller::of_test("ada", "laptop", Scopes::all());
        let bound = Caller { bound: Some(house), ..free.clone() };

        for (caller, counts) in [(&free, (3, 6)), (&bound, (1, 3))] {
            let totals = engine.ask(Stats, caller, Timestamp(3)).unwrap();
            assert_eq!(totals.vectors.map(|read| (read, totals.memories)), Some(counts));
            assert_eq!(engine.ask(CountVectors, caller, Timestamp(3)).unwrap(), Some(counts));
        }
        drop(engine);
        let counted = open(None).ask(CountVectors, &free, Timestamp(3)).unwrap();
        assert_eq!(counted, None, "there is no model");
    }

    #[test]
    fn the_median_is_of_what_is_known_of_the_last_month() {
        let now = Timestamp(100 * 86_400_000);
        let recall = |days_ago: i64, took_ms: Option<u64>| Recall {
            at: Timestamp(now.0 - days_ago * 86_400_000),
            author: Author {
                credential: CredentialName::parse("laptop").unwrap(),
                token: None,
                client: None,
                session: None,
                face: Interface::Mcp,
            },
            asked: String::new(),
            tokens: 0,
            given: Vec::new(),
            took: took_ms.map(Duration::from_millis),
        };
        let of = |recalls: &[Recall]| RecentAnswers::of(recalls, now);

        assert_eq!(of(&[]), RecentAnswers::default());
        assert_eq!(of(&[recall(1, None)]), RecentAnswers { count: 1, median: None });
        let several = [
            recall(40, Some(900)),
            recall(30, Some(800)),
            recall(29, Some(7)),
            recall(2, None),
            recall(1, Some(3)),
            recall(0, Some(50)),
            recall(0, Some(4)),
        ];
        let median = Some(Duration::from_millis(4));
        assert_eq!(of(&several), RecentAnswers { count: 5, median });
    }
}
