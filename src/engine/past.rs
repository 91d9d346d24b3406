use super::filter::Matcher;
use super::{Engine, EngineError};
use crate::model::{Memory, MemoryId, Timestamp};

impl Engine {
    /// Every memory that matched at an earlier moment, as it was then.
    pub(super) fn state_at(
        &self,
        moment: Timestamp,
        matcher: &Matcher,
    ) -> Result<Vec<Memory>, EngineError> {
        let mut found = Vec::new();
        for (_, entry) in self.mind.catalog.iter().filter(|(_, entry)| entry.created <= moment) {
            if entry.updated <= moment {
                if matcher.accepts(entry) {
                    found.push(self.read(entry.id)?);
                }
            } else if let Some(memory) = self.version_at(entry.id, moment)?
                && matcher.accepts(&self.mind.catalog.entry_of(&memory))
            {
                found.push(memory);
            }
        }
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
