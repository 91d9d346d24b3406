use serde::Serialize;

use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::writing::guard_instruction;
use crate::engine::{Answer, Asked, Engine, EngineError, Filter};
use crate::model::{Memory, MemoryId, Status, Timestamp};

/// Deletes memories by id or by filter. Deleted ones can be restored for a while, purged ones not.
#[derive(Debug, Clone)]
pub struct Delete {
    pub target: DeleteTarget,
    /// Only say what would be deleted.
    pub dry_run: bool,
    pub purge: bool,
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

impl Delete {
    pub fn parse(mut arguments: Arguments) -> Result<Self, InvalidArguments> {
        let id: Option<MemoryId> = arguments.take("id");
        let ids: Option<Vec<MemoryId>> = arguments.take("ids");
        let dry_run: Option<bool> = arguments.take("dry_run");
        let purge = arguments.take("purge").unwrap_or_default();
        let filter = Filter::take(&mut arguments);
        if filter.as_of.is_some() {
            arguments.refuse("as_of", "the past cannot be deleted");
        }
        let named = usize::from(id.is_some()) + usize::from(ids.is_some());
        if named + usize::from(!filter.is_empty()) != 1 {
            arguments.refuse("id", "give exactly one of id, ids, or a filter");
        }
        let target = match (id, ids) {
            (Some(id), _) => DeleteTarget::One(id),
            (None, Some(ids)) => DeleteTarget::Many(ids),
            (None, None) => DeleteTarget::Matching(Box::new(filter)),
        };
        let is_filter = matches!(target, DeleteTarget::Matching(_));
        let dry_run = dry_run.unwrap_or(is_filter);
        arguments.finish(Self { target, dry_run, purge })
    }

    pub(in crate::engine) fn apply(
        self,
        engine: &mut Engine,
        asked: Asked<'_>,
    ) -> Result<Answer, EngineError> {
        let memories = self.matched(engine, asked)?;
        for memory in &memories {
            guard_instruction(memory, asked)?;
        }
        let ids: Vec<MemoryId> = memories.iter().map(|memory| memory.id).collect();
        if !self.dry_run {
            if self.purge {
                engine.erase(&ids)?;
            } else {
                engine.set_status(&memories, Status::Deleted, asked.now)?;
            }
        }
        let is_undoable = !self.dry_run && !self.purge && !ids.is_empty();
        Ok(Answer::Deleted(Deleted {
            matched: ids.len(),
            deleted: if self.dry_run { 0 } else { ids.len() },
            dry_run: self.dry_run,
            undo_until: is_undoable.then(|| asked.now.plus(engine.limits.undo)),
            ids,
        }))
    }

    fn matched(&self, engine: &Engine, asked: Asked<'_>) -> Result<Vec<Memory>, EngineError> {
        // What was deleted before can still be purged, though nobody can see it any more.
        let read = |id: MemoryId| {
            if self.purge { engine.read(id) } else { engine.read_alive(id, asked.now) }
        };
        match &self.target {
            DeleteTarget::One(id) => Ok(vec![read(*id)?]),
            DeleteTarget::Many(ids) => {
                let mut ids = ids.clone();
                ids.sort_unstable();
                ids.dedup();
                let found = ids.into_iter().map(read);
                found.filter(|one| !matches!(one, Err(EngineError::NotFound { .. }))).collect()
            }
            DeleteTarget::Matching(filter) => {
                let filter = filter.as_ref().clone().for_caller(asked.caller);
                let matcher = filter.matcher(&engine.catalog, asked.now);
                let matching = engine.catalog.iter().filter(|(_, entry)| matcher.accepts(entry));
                matching.map(|(_, entry)| engine.read(entry.id)).collect()
            }
        }
    }
}
