use crate::engine::{Asked, Engine, EngineError, Verb};
use crate::model::{MemoryId, Scope};

/// Asks for the numbers of memories, in their order. Those that have none are given one.
#[derive(Debug, Clone)]
pub struct NumberAll(pub Vec<MemoryId>);

/// Asks which memory a number stands for; nothing if it stands for none.
#[derive(Debug, Clone, Copy)]
pub struct OfNumber(pub u64);

impl Verb for NumberAll {
    type Answer = Vec<u64>;

    /// A number tells nothing, and changes no memory.
    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, _: Asked<'_>) -> Result<Vec<u64>, EngineError> {
        engine.numbers_of(&self.0)
    }

    /// A number that was told and then lost in a crash would be given to another memory.
    fn may_write(&self) -> bool {
        true
    }
}

impl Verb for OfNumber {
    type Answer = Option<MemoryId>;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, _: Asked<'_>) -> Result<Option<MemoryId>, EngineError> {
        engine.of_number(self.0)
    }
}
