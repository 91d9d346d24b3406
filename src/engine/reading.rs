use super::catalog::Entry;
use super::{Engine, EngineError, MemoryView};
use crate::model::{Access, Memory, MemoryId, Status, Timestamp};
use crate::retrieval::{DocId, Document};

/// How many memories a waking session holds in full at once.
const WAKING: usize = 4_096;

impl Engine {
    /// Fills the catalog and the index from the store.
    pub(super) fn load(&mut self) -> Result<(), EngineError> {
        let Self { store, catalog, index, ids, .. } = self;
        let mut part: Vec<(DocId, Memory)> = Vec::with_capacity(WAKING);
        let mut enter = |part: &mut Vec<(DocId, Memory)>| {
            let documents: Vec<_> =
                part.iter().map(|(doc, memory)| (*doc, Document::of(memory))).collect();
            index.extend(&documents);
            part.clear();
        };
        for row in store.scan::<Memory>() {
            let (id, memory) = row?;
            ids.continue_after(id);
            part.push((catalog.put(&memory), memory));
            if part.len() == WAKING {
                enter(&mut part);
            }
        }
        enter(&mut part);
        index.settle();
        Ok(())
    }

    /// Reads a memory that the catalog knows.
    pub(super) fn read(&self, id: MemoryId) -> Result<Memory, EngineError> {
        if let Some(memory) = self.pending.get(&id) {
            return Ok(memory.clone());
        }
        self.store.get::<Memory>(&id)?.ok_or(EngineError::NotFound { id })
    }

    /// Reads a memory that can be seen: not deleted, and not past its time.
    pub(super) fn read_alive(&self, id: MemoryId, now: Timestamp) -> Result<Memory, EngineError> {
        let memory = self.read(id)?;
        if memory.status == Status::Deleted || memory.is_expired(now) {
            return Err(EngineError::NotFound { id });
        }
        Ok(memory)
    }

    pub(super) fn entry(&self, doc: DocId) -> Option<&Entry> {
        self.catalog.get(doc)
    }

    pub(super) fn view(&self, memory: Memory) -> Result<MemoryView, EngineError> {
        let access = self.access(memory.id)?;
        Ok(MemoryView::new(memory, &self.user, access))
    }

    /// Notes that a memory was given out. Written later, with [`Engine::write_access`].
    pub(super) fn touch(&mut self, id: MemoryId, now: Timestamp) -> Result<(), EngineError> {
        let before = self.access(id)?;
        self.touched.insert(id, Access { count: before.count.saturating_add(1), last: now });
        Ok(())
    }

    pub(super) fn access(&self, id: MemoryId) -> Result<Access, EngineError> {
        match self.touched.get(&id) {
            Some(access) => Ok(*access),
            None => Ok(self.store.get::<Access>(&id)?.unwrap_or_default()),
        }
    }

    /// Every version of a memory before its present one, oldest first.
    pub(super) fn versions(&self, id: MemoryId) -> Result<Vec<Memory>, EngineError> {
        let rows = self.store.scan_range::<crate::store::History>(&((id, 0)..=(id, u32::MAX)));
        rows.map(|row| Ok(row?.1.0)).collect()
    }
}
