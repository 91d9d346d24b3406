use serde::Serialize;

use super::search::MAX_TOKENS;
use crate::engine::arguments::Arguments;
use crate::engine::view::estimate_tokens;
use crate::engine::{
    Asked, AskedFor, Engine, EngineError, Field, GivenOut, MemoryView, Shape, Spoken, Verb,
};
use crate::model::{Caller, Given, Memory, MemoryId, Scope};

/// Reads one memory by its id.
#[derive(Debug, Clone)]
pub struct Get {
    pub id: MemoryId,
    pub history: bool,
    /// How many tokens the versions before it may fill, as far as the memory itself leaves room;
    /// nothing for as many as there are.
    pub max_tokens: Option<usize>,
}

#[derive(Debug, Serialize)]
pub struct Got {
    pub memory: MemoryView,
    /// The versions before this one, oldest first; empty unless asked for.
    pub history: Vec<Memory>,
    /// How many of the oldest versions are not among them, because `max_tokens` left no room.
    #[serde(skip_serializing_if = "is_none_left_out")]
    pub older_versions: usize,
}

pub(super) const ID: Field = Field::required("id", Shape::Id, "");
/// About what a version costs besides its text.
const FIELDS_TOKENS: usize = 100;
const HISTORY: Field = Field::new("history", Shape::Flag, "Also the versions before");
pub(super) const ROOM: Field = Field::new("max_tokens", MAX_TOKENS.shape, "");

impl Spoken for Get {
    fn fields() -> Vec<&'static Field> {
        vec![&ID, &HISTORY, &ROOM]
    }

    fn take(arguments: &mut Arguments) -> Self {
        Self {
            id: arguments.require(&ID),
            history: arguments.take(&HISTORY).unwrap_or_default(),
            max_tokens: arguments.take(&ROOM).or(arguments.budget()),
        }
    }
}

impl Verb for Get {
    type Answer = Got;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn asking(&self, _: &Caller) -> Option<AskedFor> {
        Some(AskedFor::Get { id: self.id })
    }

    fn given(answer: &Got) -> GivenOut {
        GivenOut::of([Given::from(&answer.memory)])
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Got, EngineError> {
        let memory = engine.read_alive(self.id, asked.now)?;
        engine.touch(self.id, asked.now)?;
        let history = if self.history { engine.versions(self.id)? } else { Vec::new() };
        Ok(Got::within(self.max_tokens, engine.view(memory)?, history))
    }
}

impl Got {
    /// A memory whole, and as many of the newest versions before it as there is room for.
    pub(super) fn within(
        max_tokens: Option<usize>,
        memory: MemoryView,
        mut history: Vec<Memory>,
    ) -> Self {
        let mut left = max_tokens
            .unwrap_or(usize::MAX)
            .saturating_sub(estimate_tokens(&memory.memory.content));
        let fitting = history.iter().rev().take_while(|version| {
            let cost = estimate_tokens(&version.content) + FIELDS_TOKENS;
            let fits = cost <= left;
            left = left.saturating_sub(cost);
            fits
        });
        let older_versions = history.len() - fitting.count();
        history.drain(..older_versions);
        Self { memory, history, older_versions }
    }
}

fn is_none_left_out(count: &usize) -> bool {
    *count == 0
}
