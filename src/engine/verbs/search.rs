use serde::{Deserialize, Serialize};

use super::list::{CURSOR, MAX_LIMIT, MAX_LIMIT_U32, bad_cursor};
use crate::engine::arguments::Arguments;
use crate::engine::cursor::Cursor;
use crate::engine::fitting::fit;
use crate::engine::view::{BriefView, estimate_tokens};
use crate::engine::{
    Asked, AskedFor, Asker, Engine, EngineError, Field, Filter, GivenOut, MemoryView, QueryText,
    Question, Shape, Spoken, Verb,
};
use crate::model::{Caller, Kind, Memory, MemoryId, Scope, Timestamp};
pub use crate::retrieval::Why;
use crate::retrieval::{self, DocId, Hit, Query, Vector};

/// Finds the memories that answer a question, best first.
#[derive(Debug, Clone)]
pub struct Search {
    pub query: QueryText,
    pub filter: Filter,
    pub limit: usize,
    pub min_score: f32,
    pub detail: Detail,
    /// About how many tokens the results may fill; as many as they like if nothing is said.
    pub max_tokens: Option<usize>,
    pub mode: Mode,
    pub cursor: Option<String>,
    /// What another model than the built-in table made of the question, if there is one.
    pub vector: Option<Vec<f32>>,
    /// Whether it only looks what would be found: nothing is counted as given.
    pub is_replay: bool,
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

const QUERY: Field = Field::new("query", Shape::Query, "A question, or words");
const LIMIT: Field =
    Field::new("limit", Shape::Whole { least: 1, most: MAX_LIMIT_U32 }, "Default 10");
const MIN_SCORE: Field = Field::new("min_score", Shape::Share { least: -1, most: 1_000 }, "");
pub(super) const DETAIL: Field =
    Field::new("detail", Shape::Word(&["full", "brief"]), "brief shows snippets");
pub(super) const MAX_TOKENS: Field =
    Field::new("max_tokens", Shape::Whole { least: 0, most: u32::MAX }, "Rough size of the answer");
const MODE: Field = Field::new("mode", Shape::Word(&["auto", "keyword", "semantic", "hybrid"]), "");

impl Spoken for Search {
    fn fields() -> Vec<&'static Field> {
        let filter = Filter::fields().chain(Filter::PAST_FIELDS);
        let more = [&LIMIT, &MIN_SCORE, &DETAIL, &MAX_TOKENS, &MODE, &CURSOR];
        [&QUERY].into_iter().chain(filter).chain(more).collect()
    }

    fn take(arguments: &mut Arguments) -> Self {
        let verb = Self {
            query: arguments.take(&QUERY).unwrap_or_default(),
            filter: Filter::take_with_past(arguments),
            limit: arguments.take(&LIMIT).unwrap_or(DEFAULT_LIMIT),
            min_score: arguments.take(&MIN_SCORE).unwrap_or(0.0),
            detail: arguments.take(&DETAIL).unwrap_or_default(),
            max_tokens: arguments.take(&MAX_TOKENS).or(arguments.budget()),
            mode: arguments.take(&MODE).unwrap_or_default(),
            cursor: arguments.take(&CURSOR),
            vector: None,
            is_replay: false,
        };
        if verb.query.is_empty() && !verb.filter.chooses() {
            arguments.refuse_missing(&QUERY, "is required, unless a filter says what to list");
        }
        verb
    }
}

impl Verb for Search {
    type Answer = SearchResults;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn question(&mut self) -> Option<Question<'_>> {
        if self.mode == Mode::Keyword || self.query.is_empty() {
            return None;
        }
        let text = self.query.as_str().to_owned();
        Some(Question { text, vector: &mut self.vector, asker: Asker::Search })
    }

    fn asking(&self, caller: &Caller) -> Option<AskedFor> {
        (!self.is_replay).then(|| AskedFor::Search {
            query: self.query.clone(),
            filter: self.filter.clone().for_caller(caller),
            mode: self.mode,
            limit: self.limit,
            min_score: self.min_score,
            max_tokens: self.max_tokens,
            is_next_page: self.cursor.is_some(),
            is_sieved: false,
        })
    }

    fn given(answer: &SearchResults) -> GivenOut {
        answer.into()
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<SearchResults, EngineError> {
        let filter = self.filter.clone().for_caller(asked.caller);
        let question = (&self.query, &filter, self.mode);
        let start = match &self.cursor {
            None => 0,
            Some(text) => Cursor::decode(text, &question).ok_or_else(bad_cursor)?.offset(),
        };
        let named = engine.named(self.query.as_str(), &filter, asked.now);
        // Of those that are only counted nobody knows which they are, nor how well they answer.
        let needs_all = named.is_some() || self.min_score > 0.0;
        let places = if needs_all { DEPTH } else { start.saturating_add(self.limit).min(DEPTH) };
        let found = if self.query.is_empty() {
            let ranked = engine.newest(&filter, asked.now)?;
            Found { mode: Mode::Keyword, total: ranked.len(), ranked }
        } else {
            let (text, vector) = (self.query.as_str(), self.vector.as_deref());
            engine.rank(Wanted { text, vector, places }, &filter, self.mode, asked.now)?
        };
        let Found { mode: mode_used, mut ranked, total } = found;
        let counted_only = total - ranked.len();
        if let Some(named) = named {
            ranked.retain(|hit| !matches!(hit.memory, RankedMemory::Present(doc) if doc == named));
            ranked.insert(0, Ranked::named(named));
        }
        ranked.retain(|hit| hit.score >= self.min_score);
        let total = ranked.len() + counted_only;
        let (mut shown, mut scores) = (Vec::new(), Vec::new());
        for hit in ranked.into_iter().skip(start).take(self.limit) {
            shown.push(engine.shown(hit.memory, self.detail)?);
            scores.push((hit.score, hit.why));
        }
        if let Some(budget) = self.max_tokens {
            fit(&mut shown, budget);
        }
        for one in shown.iter().filter(|_| !self.is_replay) {
            match one {
                Shown::Full(view) => {
                    engine.touch_after(view.memory.id, view.access_count, asked.now);
                }
                Shown::Brief(brief) => engine.touch(brief.id, asked.now)?,
            }
        }
        let hits = shown.into_iter().zip(scores);
        let results: Vec<SearchHit> =
            hits.map(|(memory, (score, why))| SearchHit { memory, score, why }).collect();
        let end = start + results.len();
        let next = (end < total).then(|| Cursor::at_offset(&question, end).encode());
        let truncated = next.is_some();
        Ok(SearchResults { results, total, mode_used, truncated, next_cursor: next })
    }
}

/// What a search found.
#[derive(Debug)]
pub(in crate::engine) struct Found {
    mode: Mode,
    /// The best, best first.
    pub(in crate::engine) ranked: Vec<Ranked>,
    /// How many there are, counted up to [`DEPTH`].
    total: usize,
}

/// A memory and how well it answers.
#[derive(Debug)]
pub(in crate::engine) struct Ranked {
    pub(in crate::engine) memory: RankedMemory,
    pub(in crate::engine) score: f32,
    why: Why,
}

/// Memories are read only when they are shown, those of the past as they were at a moment.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum RankedMemory {
    Present(DocId),
    Past(MemoryId, Timestamp),
}

/// A text to look for, and its vector where the index cannot make it.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Wanted<'a> {
    pub(in crate::engine) text: &'a str,
    pub(in crate::engine) vector: Option<&'a [f32]>,
    /// So many of the best; others are only counted.
    pub(in crate::engine) places: usize,
}

impl Engine {
    /// Ranks what matches, and says which ranking it was: without a vector of a model that somebody
    /// chose only words are left. The one that the program carries is stood in for by the table.
    pub(in crate::engine) fn rank(
        &mut self,
        wanted: Wanted<'_>,
        filter: &Filter,
        mode: Mode,
        now: Timestamp,
    ) -> Result<Found, EngineError> {
        let knows_meaning = wanted.vector.is_some() || !self.mind.index.has_chosen_model();
        let (mode, ranking) = match mode {
            Mode::Semantic if knows_meaning => (mode, retrieval::Ranking::Semantic),
            Mode::Auto | Mode::Hybrid if knows_meaning => {
                (Mode::Hybrid, retrieval::Ranking::Hybrid)
            }
            _ => (Mode::Keyword, retrieval::Ranking::Keyword),
        };
        let vector = wanted.vector.map(Vector::quantize);
        let query = Query::new(wanted.text, now).with_mode(ranking);
        let query = Query { vector: vector.as_ref(), ..query };
        let (ranked, total) = match filter.past() {
            Some(moment) if self.has_changed_since(moment) => {
                self.rank_past(query, wanted.places, filter, moment)?
            }
            past => {
                let query = Query { now: past.unwrap_or(now), ..query };
                let matcher = filter.matcher(&self.mind.catalog, now);
                let allowed =
                    |doc| self.mind.entry(doc).is_some_and(|entry| matcher.accepts(entry));
                let found = self.mind.index.answers(&query, &allowed, wanted.places, DEPTH);
                (found.hits.into_iter().map(Ranked::present).collect(), found.total)
            }
        };
        Ok(Found { mode, ranked, total })
    }

    /// Ranks what was known at an earlier moment. [`Engine::with_past_index`] says what it costs.
    fn rank_past(
        &mut self,
        query: Query<'_>,
        places: usize,
        filter: &Filter,
        moment: Timestamp,
    ) -> Result<(Vec<Ranked>, usize), EngineError> {
        let query = Query { now: moment, vector: None, ..query };
        self.with_past_index(moment, |engine, past, index| {
            let matcher = filter.matcher(&engine.mind.catalog, moment);
            let allowed = |doc| past.get(doc).is_some_and(|entry| matcher.accepts(entry));
            let found = index.answers(&query, &allowed, places, DEPTH);
            let taken = found.hits.into_iter().filter_map(|hit| {
                let memory = RankedMemory::Past(past.get(hit.doc)?.id, moment);
                Some(Ranked { memory, score: hit.score, why: hit.why })
            });
            (taken.collect(), found.total)
        })
    }

    fn shown(&self, ranked: RankedMemory, detail: Detail) -> Result<Shown, EngineError> {
        let memory = self.load_ranked(ranked)?;
        self.shown_as(memory, detail)
    }

    pub(in crate::engine) fn shown_as(
        &self,
        memory: Memory,
        detail: Detail,
    ) -> Result<Shown, EngineError> {
        Ok(match detail {
            Detail::Brief => Shown::Brief(BriefView::of(&memory)),
            Detail::Full => Shown::Full(Box::new(self.view(memory)?)),
        })
    }

    /// The memory whose id is the question.
    fn named(&self, query: &str, filter: &Filter, now: Timestamp) -> Option<DocId> {
        let id = MemoryId::parse(query.trim()).ok().filter(|_| filter.past().is_none())?;
        let doc = self.mind.catalog.find(id)?;
        let matcher = filter.matcher(&self.mind.catalog, now);
        self.mind.entry(doc).filter(|entry| matcher.accepts(entry)).map(|_| doc)
    }

    /// What matches a filter, newest first, for a question without a word.
    fn newest(&mut self, filter: &Filter, now: Timestamp) -> Result<Vec<Ranked>, EngineError> {
        if let Some(moment) = filter.past() {
            return self.with_past(moment, |engine, past| {
                let matcher = filter.matcher(&engine.mind.catalog, moment);
                let mut found: Vec<_> =
                    past.iter().filter(|entry| matcher.accepts(entry)).collect();
                found.sort_unstable_by_key(|entry| std::cmp::Reverse((entry.created, entry.id)));
                let past = found.into_iter().map(|entry| RankedMemory::Past(entry.id, moment));
                past.take(DEPTH).map(Ranked::unranked).collect()
            });
        }
        let matcher = filter.matcher(&self.mind.catalog, now);
        let mut found: Vec<_> =
            self.mind.catalog.iter().filter(|(_, entry)| matcher.accepts(entry)).collect();
        found.sort_unstable_by_key(|(_, entry)| std::cmp::Reverse((entry.created, entry.id)));
        let present = found.into_iter().map(|(doc, _)| RankedMemory::Present(doc));
        Ok(present.take(DEPTH).map(Ranked::unranked).collect())
    }

    fn load_ranked(&self, ranked: RankedMemory) -> Result<Memory, EngineError> {
        match ranked {
            RankedMemory::Past(id, moment) => self.read_at(id, moment),
            RankedMemory::Present(_) => self.read(self.id_of(&ranked)),
        }
    }

    pub(in crate::engine) fn id_of(&self, ranked: &RankedMemory) -> MemoryId {
        match ranked {
            RankedMemory::Past(id, _) => *id,
            RankedMemory::Present(doc) => {
                self.mind.entry(*doc).map(|entry| entry.id).unwrap_or_default()
            }
        }
    }
}

impl Ranked {
    /// Whoever asks for an id wants that memory.
    fn named(doc: DocId) -> Self {
        Self { memory: RankedMemory::Present(doc), score: 1.0, why: Why::default() }
    }

    fn unranked(memory: RankedMemory) -> Self {
        Self { memory, score: 0.0, why: Why::default() }
    }

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

    #[must_use]
    pub fn kind(&self) -> &Kind {
        match self {
            Self::Full(view) => &view.memory.kind,
            Self::Brief(brief) => &brief.kind,
        }
    }

    /// Tokens, by estimate, without the small fields around the text.
    #[must_use]
    pub fn cost(&self) -> usize {
        match self {
            Self::Full(view) => estimate_tokens(&view.memory.content),
            Self::Brief(brief) => estimate_tokens(&brief.snippet),
        }
    }
}

/// The ranking shows at most this many at once.
const _: () = assert!(MAX_LIMIT <= DEPTH);
