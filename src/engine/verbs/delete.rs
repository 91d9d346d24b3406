use std::collections::BTreeSet;

use serde::Serialize;

use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::catalog::Entry;
use crate::engine::write::guard_entry;
use crate::engine::{Asked, Engine, EngineError, Field, Filter, Shape, Spoken, Verb};
use crate::model::{AuditKind, MemoryId, Scope, Status, Timestamp};

/// Deletes memories by id or by filter. Deleted ones can be restored for a while, purged ones not.
#[derive(Debug, Clone)]
pub struct Delete {
    pub target: DeleteTarget,
    /// Only say what would be deleted. Nothing if the call does not say: then a filter is tried, and
    /// what is named by id is deleted.
    pub dry_run: Option<bool>,
    pub purge: bool,
    /// Answer only when what is purged has left every file.
    pub wait: bool,
    /// How many memories the caller means to delete by a filter.
    pub expect: Option<usize>,
}

/// Which memories to delete.
#[derive(Debug, Clone)]
pub enum DeleteTarget {
    One(MemoryId),
    Many(Vec<MemoryId>),
    Matching(Box<Filter>),
}

#[derive(Debug, Serialize)]
pub struct Deleted {
    pub matched: usize,
    pub deleted: usize,
    pub dry_run: bool,
    pub ids: Vec<MemoryId>,
    /// Until then `restore` brings them back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo_until: Option<Timestamp>,
}

/// As many as this go by a filter without a word on how many.
const MOST_UNCOUNTED: usize = 10;

const ID: Field = Field::new("id", Shape::Id, "");
const IDS: Field = Field::new("ids", Shape::Ids, "");
const DRY_RUN: Field = Field::new("dry_run", Shape::Flag, "Default true with a filter");
const ALL: Field = Field::new("all", Shape::Flag, "Everything");
const EXPECT: Field =
    Field::new("expect", Shape::Whole { least: 0, most: u32::MAX }, "Needed beyond 10");
const PURGE: Field = Field::new("purge", Shape::Flag, "For good, with the history");
/// For every verb that purges.
pub(super) const WAIT: Field = Field::new("wait", Shape::Flag, "Until off the disk");

impl Spoken for Delete {
    fn fields() -> Vec<&'static Field> {
        [&ID, &IDS]
            .into_iter()
            .chain(Filter::fields())
            .chain([&ALL, &DRY_RUN, &EXPECT, &PURGE, &WAIT])
            .collect()
    }

    const REFUSES_UNKNOWN: bool = true;

    fn take(arguments: &mut Arguments) -> Self {
        let id: Option<MemoryId> = arguments.take(&ID);
        let ids: Option<Vec<MemoryId>> = arguments.take(&IDS);
        let filter = Filter::take(arguments);
        let dry_run: Option<bool> = arguments.take(&DRY_RUN);
        let purge = arguments.take(&PURGE).unwrap_or_default();
        let wait = take_wait(arguments, purge);
        let expect = arguments.take(&EXPECT);
        let all = arguments.take(&ALL).unwrap_or_default();
        let named = usize::from(id.is_some()) + usize::from(ids.is_some());
        if named + usize::from(filter.chooses() || all) != 1 {
            // How a filter is meant chooses nothing: it must not make a call that deletes all.
            let problem = format!(
                "give exactly one of id, ids, or a filter that chooses: {}; all: true means \
                 everything",
                Filter::choosing()
            );
            arguments.refuse("id", &problem);
        }
        let target = match (id, ids) {
            (Some(id), _) => DeleteTarget::One(id),
            (None, Some(ids)) => DeleteTarget::Many(ids),
            (None, None) => DeleteTarget::Matching(Box::new(filter)),
        };
        Self { target, dry_run, purge, wait, expect }
    }
}

impl Verb for Delete {
    type Answer = Deleted;

    fn scope(&self) -> Scope {
        Scope::Write
    }

    fn deed(&self) -> Option<(AuditKind, String)> {
        let what = if self.purge { "for good" } else { "until they are restored" };
        (!self.only_shows()).then(|| (AuditKind::MemoriesDeleted, what.to_owned()))
    }

    fn awaits_scrub(&self) -> bool {
        self.wait && !self.only_shows()
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Deleted, EngineError> {
        guard_wait(self.wait, asked)?;
        let ids = self.matched(engine, asked)?;
        let dry_run = self.only_shows();
        if !dry_run {
            self.require_count(ids.len())?;
            if self.purge {
                engine.erase(&ids)?;
            } else {
                engine.set_status(&ids, Status::Deleted, asked.now)?;
            }
        }
        let is_undoable = !dry_run && !self.purge && !ids.is_empty();
        Ok(Deleted {
            matched: ids.len(),
            deleted: if dry_run { 0 } else { ids.len() },
            dry_run,
            undo_until: is_undoable.then(|| asked.now.plus(engine.limits.undo)),
            ids,
        })
    }
}

impl Delete {
    /// One memory, which can be restored for a while.
    #[must_use]
    pub fn one(id: MemoryId) -> Self {
        Self {
            target: DeleteTarget::One(id),
            dry_run: Some(false),
            purge: false,
            wait: false,
            expect: None,
        }
    }

    fn only_shows(&self) -> bool {
        self.dry_run.unwrap_or(!self.names_memories())
    }

    /// Whether the call names each memory, so that no more can go than was meant.
    #[must_use]
    pub fn names_memories(&self) -> bool {
        !matches!(self.target, DeleteTarget::Matching(_))
    }

    /// A filter may hit more than was meant. Beyond a few, whoever deletes says how many.
    fn require_count(&self, matched: usize) -> Result<(), EngineError> {
        let is_expected = match self.expect {
            Some(expected) => expected == matched,
            None => self.names_memories() || matched <= MOST_UNCOUNTED,
        };
        if is_expected {
            return Ok(());
        }
        let problem = format!(
            "{matched} memories match; nothing was deleted. Say expect: {matched} to delete them"
        );
        Err(InvalidArguments::one("expect", &problem).into())
    }

    /// The memories that are meant, all of which the caller may delete. Their texts are not read.
    fn matched(&self, engine: &Engine, asked: Asked<'_>) -> Result<Vec<MemoryId>, EngineError> {
        let catalog = &engine.mind.catalog;
        // What was deleted before can still be purged, though nobody can see it any more.
        let is_there = |entry: &Entry| {
            let is_seen = entry.status != Status::Deleted && !entry.is_expired(asked.now);
            self.purge || is_seen
        };
        let find = |id: MemoryId| {
            let entry = catalog.find(id).and_then(|doc| catalog.get(doc));
            entry.filter(|entry| is_there(entry))
        };
        let entries: Vec<&Entry> = match &self.target {
            DeleteTarget::One(id) => vec![find(*id).ok_or(EngineError::NotFound { id: *id })?],
            DeleteTarget::Many(ids) => {
                let ids: BTreeSet<MemoryId> = ids.iter().copied().collect();
                ids.into_iter().filter_map(find).collect()
            }
            DeleteTarget::Matching(filter) => {
                let filter = filter.as_ref().clone().for_caller(asked.caller);
                let matcher = filter.matcher(catalog, asked.now);
                let matching = catalog.iter().filter(|(_, entry)| matcher.accepts(entry));
                matching.map(|(_, entry)| entry).collect()
            }
        };
        for entry in &entries {
            guard_entry(engine, entry, asked)?;
        }
        Ok(entries.into_iter().map(|entry| entry.id).collect())
    }
}

/// Takes the word to wait, which says nothing where nothing is purged.
pub(super) fn take_wait(arguments: &mut Arguments, purge: bool) -> bool {
    let wait: bool = arguments.take(&WAIT).unwrap_or_default();
    if wait && !purge {
        arguments.refuse(WAIT.name, "goes with purge: true");
    }
    wait
}

/// All files of all users are made anew for whoever waits, so it is the administrator's to ask.
pub(super) fn guard_wait(wait: bool, asked: Asked<'_>) -> Result<(), EngineError> {
    let needed = Scope::Admin;
    if wait && !asked.caller.may(needed) { Err(EngineError::Denied { needed }) } else { Ok(()) }
}
