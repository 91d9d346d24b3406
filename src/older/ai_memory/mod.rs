//! The AI-memory server: memories, tasks, projects, categories, tags and AI instructions. Every answer
//! is `{success, data, message}`, and an id is ours, or a number of one's own.

mod contexts;
mod groups;
mod memories;
mod tasks;

use serde_json::{Map, Value, json};

use super::{Asking, OlderCall, Told, quoted, refused};
use crate::actors::CallError;
use crate::engine::{
    Detail, EngineError, Field, Filter, Get, InvalidArguments, List, Mode, NumberAll, OfNumber,
    QueryText, Search, Shape, Shown,
};
use crate::model::{Memory, MemoryId, Scope};

pub use memories::{SEARCH, STORE};
pub use tasks::{
    ARCHIVE as ARCHIVE_TASK, COMPLETE as COMPLETE_TASK, CREATE as CREATE_TASK,
    DELETE as DELETE_TASK, GET as GET_TASK, LIST as LIST_TASKS, SEARCH as SEARCH_TASKS,
    STATS as TASK_STATS, UPDATE as UPDATE_TASK,
};

/// Every call, in the order in which they are listed.
pub static CALLS: std::sync::LazyLock<Vec<&'static OlderCall>> = std::sync::LazyLock::new(|| {
    let parts: [&[&OlderCall]; 4] =
        [&memories::CALLS, &tasks::CALLS, &groups::CALLS, &contexts::CALLS];
    parts.concat()
});

const ID: Field = Field::required("id", Shape::Name, "Its id, or its number");
const LIMIT: Field = Field::new("limit", Shape::Whole { least: 1, most: 1_000 }, "Default 50");
const QUERY: Field = Field::required("query", Shape::Query, "");

const DEFAULT_LIMIT: usize = 50;
const PAGE: usize = 100;
/// The names of an envelope.
const ENVELOPE: &[(&str, &str)] = &[("success", "boolean"), ("message", "string")];

/// An answer as that server gave it, with what it says quoted below the message.
fn envelope(data: Value, message: String, shown: &[Memory], ignored: Vec<String>) -> Told {
    let text = match shown.is_empty() {
        true => message.clone(),
        false => {
            quoted(&message, shown.iter().map(|memory| (label(memory), memory.content.as_str())))
        }
    };
    let body = Map::from_iter([
        ("success".to_owned(), true.into()),
        ("data".to_owned(), data),
        ("message".to_owned(), message.into()),
    ]);
    Told::new(Value::Object(body), text, ignored)
}

fn label(memory: &Memory) -> String {
    let title = memory.title.as_ref().map_or("", |title| title.as_str());
    format!("[{}] {} {title}", memory.id, memory.kind)
}

/// The memory that an id or a number names.
async fn id_of(asking: &Asking<'_>, said: &str) -> Result<MemoryId, CallError> {
    if let Ok(id) = MemoryId::parse(said) {
        return Ok(id);
    }
    let number = said.trim().parse::<u64>();
    let number = number
        .map_err(|_| refused(InvalidArguments::one(ID.name, "expected an id, or a number")))?;
    let named = asking.ask(OfNumber(number)).await?;
    named.ok_or_else(|| {
        // No memory has this id, so it is told as any other that is not there.
        EngineError::NotFound { id: MemoryId::default() }.into()
    })
}

/// One memory of a kind, if a kind is named.
async fn read(asking: &Asking<'_>, said: &str, kind: Option<&str>) -> Result<Memory, CallError> {
    let id = id_of(asking, said).await?;
    let got = asking.ask(Get { id, history: false, max_tokens: None }).await?;
    let memory = got.memory.memory;
    match kind.is_none_or(|kind| memory.kind.as_str() == kind) {
        true => Ok(memory),
        false => Err(EngineError::NotFound { id }.into()),
    }
}

/// All that fits a filter, the newest first, as far as somebody wants it.
async fn all(
    asking: &Asking<'_>,
    filter: Filter,
    wanted: impl Fn(&Memory) -> bool,
    limit: usize,
) -> Result<Vec<Memory>, CallError> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let list = List { filter: filter.clone(), limit: PAGE, cursor, ..List::default() };
        let listed = asking.ask(list).await?;
        found.extend(listed.memories.into_iter().filter_map(whole).filter(&wanted));
        match listed.next_cursor {
            Some(next) if found.len() < limit => cursor = Some(next),
            _ => break,
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// What answers a question, best first.
async fn found(
    asking: &Asking<'_>,
    query: &QueryText,
    filter: Filter,
    limit: usize,
) -> Result<Vec<Memory>, CallError> {
    let search = Search {
        query: query.clone(),
        filter,
        limit: limit.min(PAGE),
        min_score: 0.0,
        detail: Detail::Full,
        max_tokens: None,
        mode: Mode::Auto,
        cursor: None,
        vector: None,
        is_replay: false,
    };
    let found = asking.ask(search).await?;
    Ok(found.results.into_iter().filter_map(|hit| whole(hit.memory)).collect())
}

/// Memories as that server told them, each with its number.
async fn items(asking: &Asking<'_>, memories: &[Memory]) -> Result<Vec<Value>, CallError> {
    // Who may only write learns no numbers.
    if !asking.caller.may(Scope::Read) {
        return Ok(memories.iter().map(|memory| item(memory, None)).collect());
    }
    let ids = memories.iter().map(|memory| memory.id).collect();
    let numbers = asking.ask(NumberAll(ids)).await?;
    Ok(memories.iter().zip(numbers).map(|(memory, number)| item(memory, Some(number))).collect())
}

async fn one(asking: &Asking<'_>, memory: &Memory) -> Result<Value, CallError> {
    let mut items = items(asking, std::slice::from_ref(memory)).await?;
    Ok(items.pop().unwrap_or_default())
}

fn item(memory: &Memory, number: Option<u64>) -> Value {
    if memory.kind.as_str() == tasks::TASK {
        return tasks::item(memory, number);
    }
    json!({
        "id": memory.id,
        "seq": number,
        "title": memory.title,
        "content": memory.content,
        "kind": memory.kind,
        "category": memory.category,
        "project": memory.project,
        "tags": memory.tags,
        "priority": memory.priority,
        "status": memory.status,
        "metadata": memory.metadata,
        "created_at": memory.created_at,
        "updated_at": memory.updated_at,
    })
}

fn of_kind(kind: &str) -> Filter {
    Filter { kinds: vec![kind.to_owned()], ..Filter::default() }
}

fn whole(shown: Shown) -> Option<Memory> {
    match shown {
        Shown::Full(view) => Some(view.memory),
        Shown::Brief(_) => None,
    }
}
