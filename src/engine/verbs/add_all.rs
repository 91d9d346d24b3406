use serde::Serialize;

use super::add::Times;
use super::{Add, AddStatus};
use crate::engine::{Asked, Engine, EngineError, Verb};
use crate::model::{Memory, Scope};

/// Stores several memories as one change: all of them, or none. More than one batch holds are several
/// batches, each whole.
#[derive(Debug, Clone, Default)]
pub struct AddAll(pub Vec<Add>);

/// One of them, in the order in which they were said.
#[derive(Debug, Serialize)]
pub struct Stored {
    pub status: AddStatus,
    pub memory: Memory,
}

impl Verb for AddAll {
    type Answer = Vec<Stored>;

    fn scope(&self) -> Scope {
        if self.0.iter().any(Add::is_instruction) { Scope::Instructions } else { Scope::Write }
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Vec<Stored>, EngineError> {
        let mut write = engine.begin()?;
        let mut stored = Vec::new();
        // What would be refused is refused before anything is submitted.
        self.0.iter().try_for_each(|add| engine.check_content(&add.content))?;
        for add in self.0 {
            let put = add.put(engine, &mut write, Times::default(), asked)?;
            stored.push(Stored { status: put.status, memory: put.memory });
            engine.commit_if_full(&mut write)?;
        }
        engine.commit(write)?;
        Ok(stored)
    }
}
