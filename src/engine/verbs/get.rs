use serde::Serialize;

use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::{Answer, Asked, Engine, EngineError, MemoryView};
use crate::model::{Memory, MemoryId};

/// Reads one memory by its id.
#[derive(Debug, Clone)]
pub struct Get {
    pub id: MemoryId,
    pub history: bool,
}

#[derive(Debug, Serialize)]
pub struct Got {
    pub memory: MemoryView,
    /// The versions before this one, oldest first; empty unless asked for.
    pub history: Vec<Memory>,
}

impl Get {
    pub fn parse(mut arguments: Arguments) -> Result<Self, InvalidArguments> {
        let verb = Self {
            id: arguments.require("id"),
            history: arguments.take("history").unwrap_or_default(),
        };
        arguments.finish(verb)
    }

    pub(in crate::engine) fn apply(
        self,
        engine: &mut Engine,
        asked: Asked<'_>,
    ) -> Result<Answer, EngineError> {
        let memory = engine.read_alive(self.id, asked.now)?;
        engine.touch(self.id, asked.now)?;
        let history = if self.history { engine.versions(self.id)? } else { Vec::new() };
        let memory = engine.view(memory)?;
        Ok(Answer::Got(Box::new(Got { memory, history })))
    }
}
