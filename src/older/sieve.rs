//! Verbs of ours whose answers are sieved by the filters of the Mem0 server where the memories are: in
//! the session, and not on a worker that others wait for.

use super::filters::Filters;
use super::mem0::item;
use crate::engine::{
    Asked, AskedFor, Engine, EngineError, GivenOut, List, Listed, Question, Search, SearchResults,
    Shown, Verb,
};
use crate::model::{Caller, Scope};

/// A verb, and what of its answer is wanted.
#[derive(Debug)]
pub(in crate::older) struct Sieved<V> {
    pub(in crate::older) verb: V,
    pub(in crate::older) filters: Option<Filters>,
    /// How much of what fits.
    pub(in crate::older) limit: usize,
}

impl<V> Sieved<V> {
    fn fits(filters: Option<&Filters>, shown: &Shown, score: Option<f32>) -> bool {
        filters.is_none_or(|filters| match shown {
            Shown::Full(view) => filters.fits(&item(view, score)),
            Shown::Brief(_) => false,
        })
    }
}

impl Verb for Sieved<Search> {
    type Answer = SearchResults;

    fn scope(&self) -> Scope {
        self.verb.scope()
    }

    fn question(&mut self) -> Option<Question<'_>> {
        self.verb.question()
    }

    fn asking(&self, caller: &Caller) -> Option<AskedFor> {
        let mut asked = self.verb.asking(caller)?;
        if let AskedFor::Search { is_sieved, .. } = &mut asked {
            *is_sieved = self.filters.is_some();
        }
        Some(asked)
    }

    fn given(answer: &SearchResults) -> GivenOut {
        Search::given(answer)
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<SearchResults, EngineError> {
        let Self { verb, filters, limit } = self;
        let mut found = verb.apply(engine, asked)?;
        found.results.retain(|hit| Self::fits(filters.as_ref(), &hit.memory, Some(hit.score)));
        found.results.truncate(limit);
        Ok(found)
    }
}

impl Verb for Sieved<List> {
    type Answer = Listed;

    fn scope(&self) -> Scope {
        self.verb.scope()
    }

    fn asking(&self, caller: &Caller) -> Option<AskedFor> {
        self.verb.asking(caller)
    }

    fn given(answer: &Listed) -> GivenOut {
        List::given(answer)
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Listed, EngineError> {
        let Self { verb, filters, limit } = self;
        let mut listed = verb.apply(engine, asked)?;
        listed.memories.retain(|shown| Self::fits(filters.as_ref(), shown, None));
        listed.memories.truncate(limit);
        Ok(listed)
    }
}
