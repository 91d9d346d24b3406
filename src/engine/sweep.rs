//! What a session does by itself, now and then: it erases what is over, and writes what it counted.

use super::{Engine, EngineError};
use crate::model::{MemoryId, Status, Timestamp};

impl Engine {
    /// Removes what was deleted or has expired longer ago than it can be brought back, and writes
    /// down what was found how often. What may be erased is said apart: the clock may be doubted.
    pub fn sweep(&mut self, now: Timestamp, erasable: Timestamp) -> Result<(), EngineError> {
        // Whoever looked back has done so for now, and it may be as large as what is awake.
        self.mind.past = None;
        let undo = self.limits.undo;
        let over = |moment: Timestamp| moment.plus(undo) <= erasable;
        let ended: Vec<MemoryId> = self
            .mind
            .catalog
            .iter()
            .filter(|(_, entry)| {
                entry.expires.is_some_and(over)
                    || (entry.status == Status::Deleted && over(entry.updated))
            })
            .map(|(_, entry)| entry.id)
            .collect();
        self.erase(&ended)?;
        self.sweep_steps(erasable)?;
        self.pack_steps()?;
        self.write_access()?;
        self.sweep_recalls(now, erasable)?;
        self.mind.rest();
        self.store.rest();
        Ok(())
    }

    /// The memories whose time ran out within a span, its end included.
    #[must_use]
    pub fn ended(&self, after: Timestamp, until: Timestamp) -> Vec<MemoryId> {
        self.mind.ended(after, until)
    }

    /// When the next memory's time runs out.
    #[must_use]
    pub fn next_end(&self, after: Timestamp) -> Option<Timestamp> {
        self.mind.next_end(after)
    }

    /// Writes the counts of what was found since the last time.
    pub fn write_access(&mut self) -> Result<(), EngineError> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let mut write = self.begin()?;
        for (id, access) in &self.touched {
            write.put_access(*id, access);
        }
        self.commit(write)?;
        self.touched.clear();
        Ok(())
    }
}
