use serde::{Deserialize, Serialize};

use super::list::{MAX_LIMIT, bad_cursor, take_limit};
use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::cursor::Cursor;
use crate::engine::filter::Matcher;
use crate::engine::view::{BriefView, estimate_tokens};
use crate::engine::{Answer, Asked, Engine, EngineError, Filter, MemoryView};
use crate::model::{Memory, MemoryId, Timestamp};
pub use crate::retrieval::Why;
use crate::retrieval::{DocId, Document, Hit, Index, Query};

/// Finds the memories that answer a question, best first.
#[derive(Debug, Clone)]
pub struct Search {
    pub query: String,
    pub filter: Filter,
    pub limit: usize,
    pub min_score: f32,
    pub detail: Detail,
    /// About how many tokens the results may fill.
    pub max_tokens: Option<usize>,
    pub mode: Mode,
    pub cursor: Option<String>,
}

/// How much of each memory an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    Brief,
    #[default]
    Full,
}

/// Which ranking to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Auto,
    Keyword,
    Semantic,
    Hybrid,
}

#[derive(Debug, Serialize)]
pub struct SearchResults {
    pub results: Vec<SearchHit>,
    /// How many memories matched, counted up to 200.
    pub total: usize,
    pub mode_used: Mode,
    /// Whether `max_tokens` or `limit` cut the list; `next_cursor` goes on behind the cut.
    pub truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct SearchHit {
    #[serde(flatten)]
    pub memory: Shown,
    pub score: f32,
    pub why: Why,
}

/// One memory at the detail that was asked for.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Shown {
    Full(Box<MemoryView>),
    Brief(BriefView),
}

/// How deep a question looks; nobody reads on behind it.
const DEPTH: usize = 200;
const DEFAULT_LIMIT: usize = 10;
/// A longer question is a text, and should be stored or shortened.
const QUERY_LIMIT: usize = 8 * 1024;

impl Search {
    pub fn parse(mut arguments: Arguments) -> Result<Self, InvalidArguments> {
        let verb = Self {
            query: arguments.require("query"),
            filter: Filter::take(&mut arguments),
            limit: take_limit(&mut arguments, DEFAULT_LIMIT),
            min_score: arguments.take("min_score").unwrap_or(0.0),
            detail: arguments.take("detail").unwrap_or_default(),
            max_tokens: arguments.take("max_tokens"),
            mode: arguments.take("mode").unwrap_or_default(),
            cursor: arguments.take("cursor"),
        };
        if verb.query.len() > QUERY_LIMIT {
            let problem = format!("is {} bytes; the limit is {QUERY_LIMIT}", verb.query.len());
            arguments.refuse("query", &problem);
        }
        arguments.finish(verb)
    }

    pub(in crate::engine) fn apply(
        self,
        engine: &mut Engine,
        asked: Asked<'_>,
    ) -> Result<Answer, EngineError> {
        let filter = self.filter.clone().for_caller(asked.caller);
        let question = (&self.query, &filter, self.mode);
        let start = match &self.cursor {
            None => 0,
            Some(text) => Cursor::decode(text, &question).ok_or_else(bad_cursor)?.offset(),
        };
        let (mode_used, mut ranked) = engine.rank(&self.query, &filter, self.mode, asked.now)?;
        ranked.retain(|hit| hit.score >= self.min_score);
        let total = ranked.len();
        let mut results = Vec::new();
        let mut left = self.max_tokens.unwrap_or(usize::MAX);
        for hit in ranked.into_iter().skip(start).take(self.limit) {
            let shown = engine.shown(hit.memory, self.detail, asked.now)?;
            let cost = shown.cost();
            if cost > left && !results.is_empty() {
                break;
            }
            left = left.saturating_sub(cost);
            results.push(SearchHit { memory: shown, score: hit.score, why: hit.why });
        }
        let end = start + results.len();
        let next = (end < total).then(|| Cursor::at_offset(&question, end).encode());
        let truncated = next.is_some();
        Ok(Answer::Found(SearchResults { results, total, mode_used, truncated, next_cursor: next }))
    }
}

/// A memory and how well it answers.
#[derive(Debug)]
pub(in crate::engine) struct Ranked {
    pub(in crate::engine) memory: RankedMemory,
    pub(in crate::engine) score: f32,
    why: Why,
}

/// Present memories are read only when they are shown.
#[derive(Debug)]
pub(in crate::engine) enum RankedMemory {
    Present(DocId),
    Past(Box<Memory>),
}

impl Engine {
    pub(in crate::engine) fn rank(
        &self,
        query: &str,
        filter: &Filter,
        mode: Mode,
        now: Timestamp,
    ) -> Result<(Mode, Vec<Ranked>), EngineError> {
        if matches!(mode, Mode::Semantic | Mode::Hybrid) {
            let problem = "only keyword and auto are available in this version";
            return Err(EngineError::Invalid(InvalidArguments::one("mode", problem)));
        }
        let matcher = filter.matcher(&self.catalog, now);
        let ranked = match filter.past() {
            Some(moment) => self.rank_past(query, &matcher, moment)?,
            None => {
                let allowed = |doc| self.entry(doc).is_some_and(|entry| matcher.accepts(entry));
                let hits = self.index.rank(&Query::new(query, now), &allowed, DEPTH);
                hits.into_iter().map(Ranked::present).collect()
            }
        };
        Ok((Mode::Keyword, ranked))
    }

    /// Ranks what was known at an earlier moment, by an index made for this one question.
    fn rank_past(
        &self,
        query: &str,
        matcher: &Matcher,
        moment: Timestamp,
    ) -> Result<Vec<Ranked>, EngineError> {
        let state = self.state_at(moment, matcher)?;
        let mut index = Index::default();
        for (n, memory) in (0..).zip(&state) {
            index.insert(DocId(n), &Document::of(memory));
        }
        let hits = index.rank(&Query::new(query, moment), &|_| true, DEPTH);
        let mut state: Vec<Option<Memory>> = state.into_iter().map(Some).collect();
        let taken = hits.into_iter().filter_map(|hit| {
            let memory = state.get_mut(hit.doc.0 as usize)?.take()?;
            let memory = RankedMemory::Past(Box::new(memory));
            Some(Ranked { memory, score: hit.score, why: hit.why })
        });
        Ok(taken.collect())
    }

    fn shown(
        &mut self,
        ranked: RankedMemory,
        detail: Detail,
        now: Timestamp,
    ) -> Result<Shown, EngineError> {
        let memory = self.load_ranked(ranked)?;
        self.touch(memory.id, now)?;
        Ok(match detail {
            Detail::Brief => Shown::Brief(BriefView::of(&memory)),
            Detail::Full => Shown::Full(Box::new(self.view(memory)?)),
        })
    }

    pub(in crate::engine) fn load_ranked(
        &self,
        ranked: RankedMemory,
    ) -> Result<Memory, EngineError> {
        match ranked {
            RankedMemory::Past(memory) => Ok(*memory),
            RankedMemory::Present(doc) => {
                let id = self.entry(doc).map(|entry| entry.id).unwrap_or_default();
                self.read(id)
            }
        }
    }
}

impl Ranked {
    fn present(hit: Hit) -> Self {
        Self { memory: RankedMemory::Present(hit.doc), score: hit.score, why: hit.why }
    }
}

impl Shown {
    #[must_use]
    pub fn id(&self) -> MemoryId {
        match self {
            Self::Full(view) => view.memory.id,
            Self::Brief(brief) => brief.id,
        }
    }

    /// Tokens, by estimate, without the small fields around the text.
    fn cost(&self) -> usize {
        match self {
            Self::Full(view) => estimate_tokens(&view.memory.content),
            Self::Brief(brief) => estimate_tokens(&brief.snippet),
        }
    }
}

/// The ranking shows at most this many at once.
const _: () = assert!(MAX_LIMIT <= DEPTH);
