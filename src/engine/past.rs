use super::catalog::Catalog;
use super::{Engine, EngineError, Filter};
use crate::model::{Memory, MemoryId, Timestamp};

impl Engine {
    /// Every memory that matched at an earlier moment, as it was then.
    pub(super) fn state_at(
        &self,
        moment: Timestamp,
        filter: &Filter,
    ) -> Result<Vec<Memory>, EngineError> {
        let mut found = Vec::new();
        // Names that only earlier versions bore are not in the session's own catalog.
        let mut then = Catalog::default();
        for (_, entry) in self.mind.catalog.iter().filter(|(_, entry)| entry.created <= moment) {
            let memory = if entry.updated <= moment {
                Some(self.read(entry.id)?)
            } else {
                self.version_at(entry.id, moment)?
            };
            if let Some(memory) = memory {
                then.put(&memory);
                found.push(memory);
            }
        }
        let matcher = filter.matcher(&then, moment);
        found.retain(|memory| {
            let entry = then.find(memory.id).and_then(|doc| then.get(doc));
            entry.is_some_and(|entry| matcher.accepts(entry))
        });
        Ok(found)
    }

    /// A memory as it was; as it is, if it was not there yet.
    pub(super) fn read_at(&self, id: MemoryId, moment: Timestamp) -> Result<Memory, EngineError> {
        let now = self.read(id)?;
        if now.updated_at <= moment {
            return Ok(now);
        }
        Ok(self.version_at(id, moment)?.unwrap_or(now))
    }

    fn version_at(&self, id: MemoryId, moment: Timestamp) -> Result<Option<Memory>, EngineError> {
        let versions = self.versions(id)?;
        Ok(versions.into_iter().rfind(|version| version.updated_at <= moment))
    }
}
