use super::Got;
use crate::engine::{Asked, Engine, EngineError, Verb};
use crate::model::{MemoryId, Scope};

/// Reads one memory as it is, also a deleted one, and none of its earlier versions. Nothing counts as
/// given by it.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub id: MemoryId,
}

impl Verb for Look {
    type Answer = Got;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, _: Asked<'_>) -> Result<Got, EngineError> {
        let memory = engine.view(engine.read(self.id)?)?;
        Ok(Got { memory, history: Vec::new(), older_versions: 0 })
    }
}
