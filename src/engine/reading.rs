use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::catalog::Entry;
use super::{Engine, EngineError, MemoryView};
use crate::model::{Access, Memory, MemoryId, Status, Timestamp};
use crate::retrieval::{DocId, Document, Embedder, Vector};
use crate::store::StoreError;

/// How many memories a waking session reads at once. It holds up to three times as many.
const WAKING: usize = 1_024;

/// Memories on their way from the store into the index.
struct Part {
    memories: Vec<Memory>,
    /// In the same order; none if the index does not make its own.
    vectors: Vec<Vector>,
}

impl Engine {
    /// Fills the catalog and the index from the store. A second thread reads and makes the vectors,
    /// which is half of the work.
    pub(super) fn load(&mut self) -> Result<(), EngineError> {
        let Self { store, catalog, index, ids, .. } = self;
        let (rows, embedder) = (store.scan::<Memory>(), index.embedder());
        thread::scope(|scope| {
            let (sender, parts) = sync_channel(1);
            scope.spawn(move || read_parts(rows, embedder, &sender));
            for part in parts {
                let Part { memories, vectors } = part?;
                let enter = |memory| (catalog.put(memory), Document::of(memory));
                index.extend(&memories.iter().map(enter).collect::<Vec<_>>(), &vectors);
                memories.iter().for_each(|memory| ids.continue_after(memory.id));
            }
            Ok::<_, StoreError>(())
        })?;
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

/// Reads all memories, and sends them on until nobody listens any more.
fn read_parts(
    rows: impl Iterator<Item = Result<(MemoryId, Memory), StoreError>>,
    embedder: Option<&Embedder>,
    sender: &SyncSender<Result<Part, StoreError>>,
) {
    let mut embedder = embedder.map(Embedder::for_many);
    let mut rows = rows.map(|row| row.map(|(_, memory)| memory)).peekable();
    while rows.peek().is_some() {
        let memories: Result<Vec<_>, _> = rows.by_ref().take(WAKING).collect();
        let part = memories.map(|memories| {
            let mut vectors = Vec::new();
            if let Some(embedder) = &mut embedder {
                let documents = memories.iter().map(Document::of);
                vectors.extend(
                    documents.map(|document| document.vector(|parts| embedder.embed(parts))),
                );
            }
            Part { memories, vectors }
        });
        let has_failed = part.is_err();
        if sender.send(part).is_err() || has_failed {
            return;
        }
    }
}
