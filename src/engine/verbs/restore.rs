use super::Updated;
use super::get::ID;
use crate::engine::arguments::Arguments;
use crate::engine::secrets::SecretKinds;
use crate::engine::write::guard_instruction;
use crate::engine::{Asked, Engine, EngineError, Field, Spoken, Verb};
use crate::model::{MemoryId, Scope};

/// Brings a deleted, archived, superseded or expired memory back.
#[derive(Debug, Clone)]
pub struct Restore {
    pub id: MemoryId,
}

impl Spoken for Restore {
    fn fields() -> Vec<&'static Field> {
        vec![&ID]
    }

    fn take(arguments: &mut Arguments) -> Self {
        Self { id: arguments.require(&ID) }
    }
}

impl Verb for Restore {
    type Answer = Updated;

    fn scope(&self) -> Scope {
        Scope::Write
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Updated, EngineError> {
        let mut write = engine.begin()?;
        let before = engine.read(self.id)?;
        guard_instruction(&before, asked)?;
        let previous_version = before.version;
        let mut after = before.clone().revived(asked.now);
        if after != before {
            after = write.replace(&before, after, asked.now)?;
            engine.commit(write)?;
        }
        let secrets = SecretKinds::new();
        Ok(Updated { memory: engine.view(after)?, previous_version, secrets })
    }
}
