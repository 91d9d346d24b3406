use super::Updated;
use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::writing::guard_instruction;
use crate::engine::{Answer, Asked, Engine, EngineError};
use crate::model::{Memory, MemoryId, Status};
use crate::store::Batch;

/// Brings a deleted, archived, superseded or expired memory back.
#[derive(Debug, Clone)]
pub struct Restore {
    pub id: MemoryId,
}

impl Restore {
    pub fn parse(mut arguments: Arguments) -> Result<Self, InvalidArguments> {
        let verb = Self { id: arguments.require("id") };
        arguments.finish(verb)
    }

    pub(in crate::engine) fn apply(
        self,
        engine: &mut Engine,
        asked: Asked<'_>,
    ) -> Result<Answer, EngineError> {
        let before = engine.read(self.id)?;
        guard_instruction(&before, asked)?;
        let previous_version = before.version;
        let expires_at = before.expires_at.filter(|_| !before.is_expired(asked.now));
        let after =
            Memory { status: Status::Active, superseded_by: None, expires_at, ..before.clone() };
        if after == before {
            let memory = engine.view(before)?;
            return Ok(Answer::Updated(Box::new(Updated { memory, previous_version })));
        }
        let mut batch = Batch::default();
        let after = engine.put_next(&mut batch, &before, after, asked.now);
        engine.commit(batch)?;
        let memory = engine.view(after)?;
        Ok(Answer::Updated(Box::new(Updated { memory, previous_version })))
    }
}
