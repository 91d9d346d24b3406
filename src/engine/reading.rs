use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::{Engine, EngineError, MemoryView};
use crate::model::{Access, Memory, MemoryId, Status, Timestamp};
use crate::retrieval::{Document, EmbedderForMany, TableEmbedder, Vector};
use crate::store::StoreError;

/// How many memories a waking session reads at once, and how many bytes of text. It holds up to
/// three times as many.
const WAKING: usize = 1_024;
const WAKING_BYTES: usize = 4 << 20;

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
        let Self { store, mind, ids, .. } = self;
        let rows = store.scan::<Memory>();
        let embedder = TableEmbedder::built_in();
        thread::scope(|scope| {
            let (sender, parts) = sync_channel(1);
            scope.spawn(move || read_parts(rows, embedder, &sender));
            for part in parts {
                let Part { memories, vectors } = part?;
                let documents: Vec<_> = memories
                    .iter()
                    .map(|memory| (mind.note(memory), Document::of(memory)))
                    .collect();
                mind.index.extend(&documents, &vectors);
                memories.iter().for_each(|memory| ids.continue_after(memory.id));
            }
            Ok::<_, StoreError>(())
        })?;
        mind.index.settle();
        self.continue_after_steps()
    }

    /// Reads a memory that the catalog knows.
    pub(super) fn read(&self, id: MemoryId) -> Result<Memory, EngineError> {
        let memory = self.store.get::<Memory>(&id)?;
        let seen = memory.filter(|memory| self.mind.catalog.shows(memory.project.as_ref()));
        seen.ok_or(EngineError::NotFound { id })
    }

    /// Reads a memory that can be seen: not deleted, and not past its time.
    pub(super) fn read_alive(&self, id: MemoryId, now: Timestamp) -> Result<Memory, EngineError> {
        let memory = self.read(id)?;
        if memory.status == Status::Deleted || memory.is_expired(now) {
            return Err(EngineError::NotFound { id });
        }
        Ok(memory)
    }

    pub(super) fn view(&self, memory: Memory) -> Result<MemoryView, EngineError> {
        let access = self.access(memory.id)?;
        Ok(MemoryView::new(memory, &self.user, access))
    }

    /// Notes that a memory was given out. Written later, with [`Engine::write_access`].
    pub(super) fn touch(&mut self, id: MemoryId, now: Timestamp) -> Result<(), EngineError> {
        let before = self.access(id)?;
        self.touch_after(id, before.count, now);
        Ok(())
    }

    /// The same of a memory that is known to have been given out so often before.
    pub(super) fn touch_after(&mut self, id: MemoryId, before: u64, now: Timestamp) {
        self.touched.insert(id, Access { count: before.saturating_add(1), last: now });
    }

    pub(super) fn access(&self, id: MemoryId) -> Result<Access, EngineError> {
        match self.touched.get(&id) {
            Some(access) => Ok(*access),
            None => Ok(self.store.get::<Access>(&id)?.unwrap_or_default()),
        }
    }

    /// Every version of a memory before its present one that may be shown, oldest first. It may have
    /// been in another project then.
    pub(super) fn versions(&self, id: MemoryId) -> Result<Vec<Memory>, EngineError> {
        let mut versions = self.all_versions(id)?;
        versions.retain(|version| self.mind.catalog.shows(version.project.as_ref()));
        Ok(versions)
    }

    /// Every version of a memory before its present one, to be erased with it.
    pub(super) fn all_versions(&self, id: MemoryId) -> Result<Vec<Memory>, EngineError> {
        let rows = self.store.scan_range::<crate::store::PastVersion>(&((id, 0)..=(id, u32::MAX)));
        rows.map(|row| Ok(row?.1.0)).collect()
    }
}

/// Reads all memories, and sends them on until nobody listens any more.
fn read_parts(
    mut rows: impl Iterator<Item = Result<(MemoryId, Memory), StoreError>>,
    embedder: Option<&TableEmbedder>,
    sender: &SyncSender<Result<Part, StoreError>>,
) {
    let mut embedder = embedder.map(TableEmbedder::for_many);
    loop {
        let part = read_part(&mut rows, embedder.as_mut());
        let is_last = part.as_ref().map_or(true, |part| part.memories.is_empty());
        if sender.send(part).is_err() || is_last {
            return;
        }
    }
}

fn read_part(
    rows: &mut impl Iterator<Item = Result<(MemoryId, Memory), StoreError>>,
    embedder: Option<&mut EmbedderForMany<'_>>,
) -> Result<Part, StoreError> {
    let (mut memories, mut bytes) = (Vec::new(), 0);
    while memories.len() < WAKING
        && bytes < WAKING_BYTES
        && let Some(row) = rows.next()
    {
        let (_, memory) = row?;
        bytes += memory.content.len();
        memories.push(memory);
    }
    let vectors = embedder.map_or_else(Vec::new, |embedder| {
        let documents = memories.iter().map(Document::of);
        documents.map(|document| document.vector(|parts| embedder.embed(parts))).collect()
    });
    Ok(Part { memories, vectors })
}
