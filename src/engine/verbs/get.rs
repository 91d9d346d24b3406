use serde::Serialize;

use crate::engine::arguments::Arguments;
use crate::engine::{Asked, Engine, EngineError, Field, MemoryView, Shape, Spoken, Verb};
use crate::model::{Memory, MemoryId, Scope};

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

pub(super) const ID: Field = Field::required("id", Shape::Id, "");
const HISTORY: Field = Field::new("history", Shape::Flag, "Also the versions before this one");

impl Spoken for Get {
    fn fields() -> Vec<&'static Field> {
        vec![&ID, &HISTORY]
    }

    fn take(arguments: &mut Arguments) -> Self {
        Self { id: arguments.require(&ID), history: arguments.take(&HISTORY).unwrap_or_default() }
    }
}

impl Verb for Get {
    type Answer = Got;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Got, EngineError> {
        let memory = engine.read_alive(self.id, asked.now)?;
        engine.touch(self.id, asked.now)?;
        let history = if self.history { engine.versions(self.id)? } else { Vec::new() };
        Ok(Got { memory: engine.view(memory)?, history })
    }
}
