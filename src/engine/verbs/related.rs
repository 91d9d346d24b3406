use super::list::take_limit;
use super::{Mode, SearchResults};
use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::{Answer, Asked, Engine, EngineError, Filter, Search};
use crate::model::MemoryId;

/// Finds what speaks of the same things as one memory.
#[derive(Debug, Clone)]
pub struct Related {
    pub id: MemoryId,
    pub limit: usize,
}

const DEFAULT_LIMIT: usize = 10;
/// Of a long text, this much says what it is about.
const QUERY_CHARS: usize = 1_000;

impl Related {
    pub fn parse(mut arguments: Arguments) -> Result<Self, InvalidArguments> {
        let verb =
            Self { id: arguments.require("id"), limit: take_limit(&mut arguments, DEFAULT_LIMIT) };
        arguments.finish(verb)
    }

    pub(in crate::engine) fn apply(
        self,
        engine: &mut Engine,
        asked: Asked<'_>,
    ) -> Result<Answer, EngineError> {
        let memory = engine.read_alive(self.id, asked.now)?;
        let title = memory.title.as_ref().map_or("", |title| title.as_str());
        let text: String =
            format!("{title} {}", memory.content).chars().take(QUERY_CHARS).collect();
        let search = Search {
            query: text,
            filter: Filter::default(),
            limit: self.limit + 1,
            min_score: 0.0,
            detail: super::Detail::Full,
            max_tokens: None,
            mode: Mode::Auto,
            cursor: None,
            vector: None,
        };
        let answer = search.apply(engine, asked)?;
        Ok(match answer {
            Answer::Found(found) => Answer::Found(self.without_itself(found)),
            other => other,
        })
    }

    fn without_itself(&self, mut found: SearchResults) -> SearchResults {
        found.results.retain(|hit| hit.memory.id() != self.id);
        found.results.truncate(self.limit);
        found.total = found.results.len();
        found.truncated = false;
        found.next_cursor = None;
        found
    }
}
