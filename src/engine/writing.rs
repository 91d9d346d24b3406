use super::{Asked, Engine, EngineError};
use crate::model::{Access, Memory, MemoryId, Scope, Status, Timestamp};
use crate::retrieval::Document;
use crate::store::{Batch, History, Receipt, StoredVector};

/// How many memories go into one batch: a frame of the journal is held in memory whole.
pub(super) const BATCH: usize = 64;

/// Writes enter the catalog and the index while their batch is still being made. If the batch then
/// fails, the engine knows more than the store, and its owner must drop it and open another.
impl Engine {
    /// Stores a memory that is not there yet.
    pub(super) fn put_new(&mut self, batch: &mut Batch, memory: &Memory) {
        batch.put::<Memory>(&memory.id, memory);
        self.pending.insert(memory.id, memory.clone());
        self.ids.continue_after(memory.id);
        self.written.push(memory.id);
        self.enter(memory);
    }

    /// Replaces a memory by its next version; the present one goes into the history.
    pub(super) fn put_next(
        &mut self,
        batch: &mut Batch,
        before: &Memory,
        mut after: Memory,
        now: Timestamp,
    ) -> Memory {
        after.version = before.version.saturating_add(1);
        // The clock may have gone back; versions must not.
        after.updated_at = now.max(before.updated_at);
        batch.put::<History>(&(before.id, before.version), &History(before.clone()));
        batch.put::<Memory>(&after.id, &after);
        self.written.push(after.id);
        self.leave(before);
        self.enter(&after);
        after
    }

    /// Reads the memory that another is to replace. That takes it out of sight, so it is guarded as
    /// a deletion is.
    pub(super) fn read_replaced(
        &self,
        id: MemoryId,
        asked: Asked<'_>,
    ) -> Result<Memory, EngineError> {
        let memory = self.read_alive(id, asked.now)?;
        guard_instruction(&memory, asked)?;
        Ok(memory)
    }

    /// Marks a memory as replaced by another.
    pub(super) fn put_superseded(
        &mut self,
        batch: &mut Batch,
        old: &Memory,
        by: MemoryId,
        now: Timestamp,
    ) {
        let status = Status::Superseded;
        let after = Memory { status, superseded_by: Some(by), ..old.clone() };
        self.put_next(batch, old, after, now);
    }

    /// Removes memories for good, with their histories.
    pub(super) fn erase(&mut self, ids: &[MemoryId]) -> Result<(), EngineError> {
        for part in ids.chunks(BATCH) {
            let mut batch = Batch::default();
            let mut gone = Vec::with_capacity(part.len());
            for &id in part {
                let memory = self.read(id)?;
                for version in self.versions(id)? {
                    batch.remove::<History>(&(id, version.version));
                }
                batch.remove::<Access>(&id);
                batch.remove::<StoredVector>(&id);
                batch.remove::<Memory>(&id);
                gone.push(memory);
            }
            self.commit(batch)?;
            for memory in &gone {
                self.written.push(memory.id);
                self.touched.remove(&memory.id);
                self.waiting.remove(&memory.id);
                self.leave(memory);
                self.catalog.remove(memory.id);
            }
        }
        Ok(())
    }

    /// Gives memories another status, each as a new version.
    pub(super) fn set_status(
        &mut self,
        memories: &[Memory],
        status: Status,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        for part in memories.chunks(BATCH) {
            let mut batch = Batch::default();
            for before in part {
                let after = Memory { status, ..before.clone() };
                self.put_next(&mut batch, before, after, now);
            }
            self.commit(batch)?;
        }
        Ok(())
    }

    /// Removes what was deleted or has expired longer ago than it can be brought back.
    pub fn sweep(&mut self, now: Timestamp) -> Result<Option<Receipt>, EngineError> {
        let undo = self.limits.undo;
        let over = |moment: Timestamp| moment.plus(undo) <= now;
        let ended: Vec<MemoryId> = self
            .catalog
            .iter()
            .filter(|(_, entry)| {
                entry.expires.is_some_and(over)
                    || (entry.status == Status::Deleted && over(entry.updated))
            })
            .map(|(_, entry)| entry.id)
            .collect();
        self.erase(&ended)?;
        self.write_access()?;
        Ok(self.receipt.take())
    }

    /// Writes the counts of what was found since the last time.
    pub fn write_access(&mut self) -> Result<(), EngineError> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        for (id, access) in &self.touched {
            batch.put::<Access>(id, access);
        }
        self.commit(batch)?;
        self.touched.clear();
        Ok(())
    }

    pub(super) fn commit(&mut self, batch: Batch) -> Result<(), EngineError> {
        if !batch.is_empty() {
            self.receipt = Some(self.store.commit(batch)?);
        }
        self.pending.clear();
        Ok(())
    }

    /// Makes a stored memory known to the catalog and the index.
    pub(super) fn enter(&mut self, memory: &Memory) {
        let doc = self.catalog.put(memory);
        if self.model.is_some() {
            self.waiting.insert(memory.id);
        }
        self.index.insert(doc, &Document::of(memory));
    }

    /// Takes a memory's text out of the index. Its place in the catalog stays.
    pub(super) fn leave(&mut self, memory: &Memory) {
        if let Some(doc) = self.catalog.find(memory.id) {
            self.index.remove(doc, &Document::of(memory));
        }
    }

    pub(super) fn check_content(&self, content: &str) -> Result<(), EngineError> {
        let (len, limit) = (content.len(), self.limits.content_bytes);
        if len > limit {
            return Err(EngineError::TooLarge { len, limit });
        }
        Ok(())
    }
}

/// What is or becomes an instruction may only be touched with that scope.
pub(super) fn guard_instruction(memory: &Memory, asked: Asked<'_>) -> Result<(), EngineError> {
    let needed = Scope::Instructions;
    if memory.kind.is_instruction() && !asked.caller.may(needed) {
        return Err(EngineError::Denied { needed });
    }
    Ok(())
}
