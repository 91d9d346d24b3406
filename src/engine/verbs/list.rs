use serde::{Deserialize, Serialize};

use super::search::{DETAIL, Detail, MAX_TOKENS, Shown};
use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::catalog::Entry;
use crate::engine::cursor::Cursor;
use crate::engine::fitting::fit;
use crate::engine::{
    Asked, AskedFor, Engine, EngineError, Field, Filter, GivenOut, Shape, Spoken, Verb,
};
use crate::model::{Caller, Given, MemoryId, Scope, Timestamp};

/// Lists memories in an order of their own, without a question.
#[derive(Debug, Clone)]
pub struct List {
    pub filter: Filter,
    pub sort: Sort,
    pub order: Order,
    pub limit: usize,
    pub detail: Detail,
    /// As in [`super::Search::max_tokens`].
    pub max_tokens: Option<usize>,
    pub cursor: Option<String>,
    /// Whether it is one page of an export, and not kept as given.
    pub is_unnoted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    #[default]
    CreatedAt,
    UpdatedAt,
    EventAt,
    Priority,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    Asc,
    #[default]
    Desc,
}

#[derive(Debug, Serialize)]
pub struct Listed {
    pub memories: Vec<Shown>,
    /// How many there are in all.
    pub total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

pub(super) const MAX_LIMIT: usize = 100;
pub(super) const MAX_LIMIT_U32: u32 = 100;
const DEFAULT_LIMIT: usize = 20;

/// A row's place: what it is sorted by, then its id.
type Place = (i64, u128);

const SORT: Field =
    Field::new("sort", Shape::Word(&["created_at", "updated_at", "event_at", "priority"]), "");
const ORDER: Field = Field::new("order", Shape::Word(&["desc", "asc"]), "");
const LIMIT: Field =
    Field::new("limit", Shape::Whole { least: 1, most: MAX_LIMIT_U32 }, "Default 20");
pub(super) const CURSOR: Field =
    Field::new("cursor", Shape::Name, "next_cursor of the page before");

impl Default for List {
    /// The newest of everything that is active.
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            sort: Sort::default(),
            order: Order::default(),
            limit: DEFAULT_LIMIT,
            detail: Detail::Full,
            max_tokens: None,
            cursor: None,
            is_unnoted: false,
        }
    }
}

impl Spoken for List {
    fn fields() -> Vec<&'static Field> {
        let filter = Filter::fields().chain(Filter::PAST_FIELDS);
        filter.chain([&SORT, &ORDER, &LIMIT, &DETAIL, &MAX_TOKENS, &CURSOR]).collect()
    }

    fn take(arguments: &mut Arguments) -> Self {
        Self {
            filter: Filter::take_with_past(arguments),
            sort: arguments.take(&SORT).unwrap_or_default(),
            order: arguments.take(&ORDER).unwrap_or_default(),
            limit: arguments.take(&LIMIT).unwrap_or(DEFAULT_LIMIT),
            detail: arguments.take(&DETAIL).unwrap_or_default(),
            max_tokens: arguments.take(&MAX_TOKENS).or(arguments.budget()),
            cursor: arguments.take(&CURSOR),
            is_unnoted: false,
        }
    }
}

impl Verb for List {
    type Answer = Listed;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn asking(&self, caller: &Caller) -> Option<AskedFor> {
        let filter = || self.filter.clone().for_caller(caller);
        (!self.is_unnoted).then(|| AskedFor::List { filter: filter() })
    }

    fn given(answer: &Listed) -> GivenOut {
        GivenOut::of(answer.memories.iter().map(Given::from))
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Listed, EngineError> {
        let filter = self.filter.for_caller(asked.caller);
        let question = (filter.clone(), self.sort, self.order);
        let start = match &self.cursor {
            None => None,
            Some(text) => Some(Cursor::decode(text, &question).ok_or_else(bad_cursor)?),
        };
        let rows = engine.rows(&filter, self.sort, asked.now)?;
        let total = rows.len();
        let start = start.map(|cursor| (cursor.key, cursor.tie));
        let mut rows = after(rows, start, self.order);
        let count = rows.len();
        let page = first(&mut rows, self.limit, self.order);
        let mut memories = engine.page(page, filter.past(), self.detail)?;
        if let Some(budget) = self.max_tokens {
            fit(&mut memories, budget);
        }
        let last = memories.len().checked_sub(1).and_then(|last| page.get(last));
        let next = last.filter(|_| count > memories.len());
        let next_cursor = next.map(|(key, tie)| Cursor::new(&question, *key, *tie).encode());
        Ok(Listed { memories, total, next_cursor })
    }
}

impl Engine {
    fn rows(
        &mut self,
        filter: &Filter,
        sort: Sort,
        now: Timestamp,
    ) -> Result<Vec<Place>, EngineError> {
        if let Some(moment) = filter.past() {
            return self.with_past(moment, |engine, past| {
                let matcher = filter.matcher(&engine.mind.catalog, moment);
                let matching = past.iter().filter(|entry| matcher.accepts(entry));
                matching.map(|entry| place(entry, sort)).collect()
            });
        }
        let matcher = filter.matcher(&self.mind.catalog, now);
        let matching = self.mind.catalog.iter().filter(|(_, entry)| matcher.accepts(entry));
        Ok(matching.map(|(_, entry)| place(entry, sort)).collect())
    }

    fn page(
        &self,
        page: &[Place],
        past: Option<Timestamp>,
        detail: Detail,
    ) -> Result<Vec<Shown>, EngineError> {
        let ids = page.iter().map(|(_, tie)| MemoryId::from_bytes(tie.to_be_bytes()));
        ids.map(|id| match past {
            None => self.shown_as(self.read(id)?, detail),
            Some(moment) => self.shown_as(self.read_at(id, moment)?, detail),
        })
        .collect()
    }
}

pub(super) fn bad_cursor() -> EngineError {
    let problem = "does not belong to this question; start without one";
    EngineError::Invalid(InvalidArguments::one("cursor", problem))
}

fn place(entry: &Entry, sort: Sort) -> Place {
    let key = match sort {
        Sort::CreatedAt => entry.created.0,
        Sort::UpdatedAt => entry.updated.0,
        Sort::EventAt => entry.moment().0,
        Sort::Priority => i64::from(entry.priority.get()),
    };
    (key, u128::from_be_bytes(entry.id.to_bytes()))
}

fn after(mut rows: Vec<Place>, start: Option<Place>, order: Order) -> Vec<Place> {
    if let Some(start) = start {
        rows.retain(|row| match order {
            Order::Asc => *row > start,
            Order::Desc => *row < start,
        });
    }
    rows
}

/// The first rows in order, without sorting the rest.
fn first(rows: &mut [Place], limit: usize, order: Order) -> &[Place] {
    let compare = |one: &Place, other: &Place| match order {
        Order::Asc => one.cmp(other),
        Order::Desc => other.cmp(one),
    };
    let end = limit.min(rows.len());
    if end < rows.len() {
        rows.select_nth_unstable_by(end, compare);
    }
    let page = rows.get_mut(..end).unwrap_or_default();
    page.sort_unstable_by(compare);
    page
}
