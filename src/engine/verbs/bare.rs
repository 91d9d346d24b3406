use crate::engine::{Asked, Engine, EngineError, Verb};
use crate::model::Scope;

/// A question as a model is to read it: without the names of those who speak in this session.
#[derive(Debug, Clone)]
pub struct Bare {
    pub question: String,
}

impl Verb for Bare {
    type Answer = String;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, _: Asked<'_>) -> Result<String, EngineError> {
        Ok(engine.mind.index.without_speakers(&self.question))
    }
}
