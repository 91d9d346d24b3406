use super::Got;
use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::{Answer, Engine, EngineError};
use crate::model::MemoryId;

/// Reads every version of one memory, also of a deleted one.
#[derive(Debug, Clone)]
pub struct History {
    pub id: MemoryId,
}

impl History {
    pub fn parse(mut arguments: Arguments) -> Result<Self, InvalidArguments> {
        let verb = Self { id: arguments.require("id") };
        arguments.finish(verb)
    }

    pub(in crate::engine) fn apply(self, engine: &Engine) -> Result<Answer, EngineError> {
        let memory = engine.view(engine.read(self.id)?)?;
        let history = engine.versions(self.id)?;
        Ok(Answer::Got(Box::new(Got { memory, history })))
    }
}
