use super::get::ID;
use super::list::MAX_LIMIT_U32;
use super::{Mode, SearchResults};
use crate::engine::arguments::Arguments;
use crate::engine::{
    Asked, AskedFor, Engine, EngineError, Field, Filter, GivenOut, QueryText, Search, Shape,
    Spoken, Verb,
};
use crate::model::{Caller, MemoryId, Scope};

/// Finds what speaks of the same things as one memory.
#[derive(Debug, Clone)]
pub struct Related {
    pub id: MemoryId,
    pub limit: usize,
}

const DEFAULT_LIMIT: usize = 10;
/// Of a long text, this much says what it is about.
const QUERY_CHARS: usize = 1_000;

const LIMIT: Field =
    Field::new("limit", Shape::Whole { least: 1, most: MAX_LIMIT_U32 }, "Default 10");

impl Spoken for Related {
    fn fields() -> Vec<&'static Field> {
        vec![&ID, &LIMIT]
    }

    fn take(arguments: &mut Arguments) -> Self {
        let id = arguments.require(&ID);
        Self { id, limit: arguments.take(&LIMIT).unwrap_or(DEFAULT_LIMIT) }
    }
}

impl Verb for Related {
    type Answer = SearchResults;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn asking(&self, _: &Caller) -> Option<AskedFor> {
        Some(AskedFor::Related { id: self.id })
    }

    fn given(answer: &SearchResults) -> GivenOut {
        answer.into()
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<SearchResults, EngineError> {
        let memory = engine.read_alive(self.id, asked.now)?;
        let title = memory.title.as_ref().map_or("", |title| title.as_str());
        let text: String =
            format!("{title} {}", memory.content).chars().take(QUERY_CHARS).collect();
        let doc = engine.mind.catalog.find(self.id);
        let search = Search {
            query: QueryText::beginning_of(&text),
            filter: Filter::default(),
            limit: self.limit + 1,
            min_score: 0.0,
            detail: super::Detail::Full,
            max_tokens: None,
            mode: Mode::Auto,
            cursor: None,
            // What the model made of it once, if it has read it.
            vector: doc.and_then(|doc| engine.mind.index.direction(doc)),
            is_replay: false,
        };
        let found = search.apply(engine, asked)?;
        Ok(self.without_itself(found))
    }
}

impl Related {
    fn without_itself(&self, mut found: SearchResults) -> SearchResults {
        found.results.retain(|hit| hit.memory.id() != self.id);
        found.results.truncate(self.limit);
        found.total = found.results.len();
        found.truncated = false;
        found.next_cursor = None;
        found
    }
}
