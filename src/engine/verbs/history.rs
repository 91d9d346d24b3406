use super::Got;
use super::get::{ID, ROOM};
use crate::engine::arguments::Arguments;
use crate::engine::{Asked, Engine, EngineError, Field, Spoken, Verb};
use crate::model::{MemoryId, Scope};

/// Reads every version of one memory, also of a deleted one.
#[derive(Debug, Clone)]
pub struct History {
    pub id: MemoryId,
    /// As in [`super::Get::max_tokens`].
    pub max_tokens: Option<usize>,
}

impl Spoken for History {
    fn fields() -> Vec<&'static Field> {
        vec![&ID, &ROOM]
    }

    fn take(arguments: &mut Arguments) -> Self {
        Self {
            id: arguments.require(&ID),
            max_tokens: arguments.take(&ROOM).or(arguments.budget()),
        }
    }
}

impl Verb for History {
    type Answer = Got;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, _: Asked<'_>) -> Result<Got, EngineError> {
        let memory = engine.view(engine.read(self.id)?)?;
        Ok(Got::within(self.max_tokens, memory, engine.versions(self.id)?))
    }
}
