use super::Got;
use super::get::ID;
use crate::engine::arguments::Arguments;
use crate::engine::{Asked, Engine, EngineError, Field, Spoken, Verb};
use crate::model::{MemoryId, Scope};

/// Reads every version of one memory, also of a deleted one.
#[derive(Debug, Clone)]
pub struct History {
    pub id: MemoryId,
}

impl Spoken for History {
    fn fields() -> Vec<&'static Field> {
        vec![&ID]
    }

    fn take(arguments: &mut Arguments) -> Self {
        Self { id: arguments.require(&ID) }
    }
}

impl Verb for History {
    type Answer = Got;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, _: Asked<'_>) -> Result<Got, EngineError> {
        let memory = engine.view(engine.read(self.id)?)?;
        Ok(Got { memory, history: engine.versions(self.id)? })
    }
}
