//! The token-file server: what is known of a user, by kinds of information.

use serde_json::{Value, json};

use super::{Asking, Effect, OlderCall, Told, by_name, finish, quoted};
use crate::actors::CallError;
use crate::engine::{
    Add, Arguments, Change, Delete, DeleteTarget, Detail, Draft, Field, Filter, List, Mode, Named,
    QueryText, Search, Shape, Shown,
};
use crate::model::{Category, Kind, Memory, MemoryId, Metadata};

pub static REMEMBER: OlderCall = OlderCall {
    name: "remember_user_info",
    title: "Remember user info",
    about: "Store something about the user, by the kind of information that it is.",
    effect: Effect::Adds,
    fields: &[&TYPE, &INFORMATION],
    answer: &[("status", "string"), ("memory_id", "string"), ("timestamp", "string")],
    claims: by_name,
    takes_place: false,
    run: |asking, arguments| Box::pin(remember(asking, arguments)),
};

pub static SEARCH: OlderCall = OlderCall {
    name: "search_user_memory",
    title: "Search user memory",
    about: "Find what is known of the user that answers a question, best first.",
    effect: Effect::Reads,
    fields: &[&QUERY, &LIMIT],
    answer: &[("memories", "array"), ("total", "integer")],
    claims: by_name,
    takes_place: false,
    run: |asking, arguments| Box::pin(search(asking, arguments)),
};

pub static GET: OlderCall = OlderCall {
    name: "get_user_memories",
    title: "Get user memories",
    about: "List what is known of the user, the newest first.",
    effect: Effect::Reads,
    fields: &[&ONE_TYPE, &LIMIT],
    answer: &[("memories", "array"), ("total", "integer")],
    claims: by_name,
    takes_place: false,
    run: |asking, arguments| Box::pin(list(asking, arguments)),
};

pub static DELETE: OlderCall = OlderCall {
    name: "delete_user_memories",
    title: "Delete user memories",
    about: "Delete what is known of the user of one kind of information; it can be restored for a while.",
    effect: Effect::Destroys,
    fields: &[&ONE_TYPE, &ALL],
    answer: &[("status", "string"), ("deleted_count", "integer")],
    claims: by_name,
    takes_place: false,
    run: |asking, arguments| Box::pin(delete(asking, arguments)),
};

/// Every call, in the order in which they are listed.
pub static CALLS: [&OlderCall; 4] = [&REMEMBER, &SEARCH, &GET, &DELETE];

const TYPE: Field = Field::required("information_type", Shape::Name, "Such as preferences");
const INFORMATION: Field = Field::required("information", Shape::Text, "");
const QUERY: Field = Field::required("query", Shape::Query, "");
const ONE_TYPE: Field = Field::new("type", Shape::Name, "Only this kind of information");
const LIMIT: Field = Field::new("limit", Shape::Whole { least: 1, most: 100 }, "Default 10");
const ALL: Field = Field::new("all", Shape::Flag, "Of every kind");

const DEFAULT_LIMIT: usize = 10;
/// The name in the metadata under which the type stands as well.
const INFORMATION_TYPE: &str = TYPE.name;

async fn remember(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let category: Category = match arguments.take(&TYPE) {
        Some(category) => category,
        None => {
            arguments.refuse_missing(&TYPE, "is required");
            return finish(arguments, ()).map(|_| Told::default());
        }
    };
    let information: String = arguments.require(&INFORMATION);
    let ((), ignored) = finish(arguments, ())?;
    let (body, id) = store(&asking, category, information).await?;
    Ok(Told::new(body, format!("Stored as memory {id}."), ignored))
}

/// Stores one piece of information, and answers as that server did.
pub async fn store(
    asking: &Asking<'_>,
    category: Category,
    information: String,
) -> Result<(Value, MemoryId), CallError> {
    // The same text of another type is another thing.
    let of_type = (INFORMATION_TYPE.to_owned(), category.as_str().into());
    let draft = Draft {
        kind: Kind::parse("fact").map_or(Change::Keep, Change::Set),
        metadata: Change::Set(Metadata::from_iter([of_type])),
        category: Change::Set(category),
        ..Draft::default()
    };
    let added = asking.ask(Add { content: information, draft, ..Add::default() }).await?;
    let body = json!({
        "status": "success",
        "memory_id": added.id,
        "timestamp": added.memory.memory.created_at,
    });
    Ok((body, added.id))
}

async fn search(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let query: QueryText = arguments.require(&QUERY);
    let limit = arguments.take(&LIMIT).unwrap_or(DEFAULT_LIMIT);
    let ((), ignored) = finish(arguments, ())?;
    let memories = found(&asking, query, limit).await?;
    Ok(told(&asking, &memories, memories.len(), ignored))
}

/// What answers a question, best first.
pub async fn found(
    asking: &Asking<'_>,
    query: QueryText,
    limit: usize,
) -> Result<Vec<Memory>, CallError> {
    let search = Search {
        query,
        filter: Filter::default(),
        limit,
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

async fn list(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let kind: Option<Category> = arguments.take(&ONE_TYPE);
    let limit = arguments.take(&LIMIT).unwrap_or(DEFAULT_LIMIT);
    let ((), ignored) = finish(arguments, ())?;
    let listed = asking.ask(List { filter: of_type(kind), limit, ..List::default() }).await?;
    let memories: Vec<Memory> = listed.memories.into_iter().filter_map(whole).collect();
    Ok(told(&asking, &memories, listed.total, ignored))
}

async fn delete(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let kind: Option<Category> = arguments.take(&ONE_TYPE);
    let all = arguments.take(&ALL).unwrap_or(false);
    if kind.is_none() && !all {
        arguments.refuse_missing(&ONE_TYPE, "say which kind of information, or all: true");
    }
    let ((), ignored) = finish(arguments, ())?;
    let count = delete_of_type(&asking, kind).await?;
    let body = json!({ "status": "success", "deleted_count": count });
    Ok(Told::new(body, format!("Deleted {count} memories."), ignored))
}

/// Deletes everything of a kind of information; everything of the user if none is named.
pub async fn delete_of_type(
    asking: &Asking<'_>,
    kind: Option<Category>,
) -> Result<usize, CallError> {
    let filter = of_type(kind);
    let matching = |dry_run, expect| Delete {
        target: DeleteTarget::Matching(Box::new(filter.clone())),
        dry_run: Some(dry_run),
        purge: false,
        wait: false,
        expect,
    };
    let there = asking.ask(matching(true, None)).await?.matched;
    if there == 0 {
        return Ok(0);
    }
    Ok(asking.ask(matching(false, Some(there))).await?.deleted)
}

/// A memory as that server told it.
pub fn item(asking: &Asking<'_>, memory: &Memory) -> Value {
    json!({
        "id": memory.id,
        "user_id": asking.caller.user,
        "information_type": information_type(memory),
        "information": memory.content,
        "timestamp": memory.moment(),
        "created_at": memory.created_at,
        "key": information_type(memory),
        "value": memory.content,
    })
}

/// The kind of information that a memory is.
pub(in crate::older) fn information_type(memory: &Memory) -> &str {
    memory.category.as_ref().map_or(memory.kind.as_str(), |category| category.as_str())
}

fn of_type(kind: Option<Category>) -> Filter {
    let category = kind.map(|kind| kind.as_str().to_owned());
    Filter { named: Named { category, ..Named::default() }, ..Filter::default() }
}

fn told(asking: &Asking<'_>, memories: &[Memory], total: usize, ignored: Vec<String>) -> Told {
    let items: Vec<Value> = memories.iter().map(|memory| item(asking, memory)).collect();
    let shown = memories
        .iter()
        .map(|memory| (information_type(memory).to_owned(), memory.content.as_str()));
    let text = quoted(&format!("{} of {total} memories.", memories.len()), shown);
    Told::new(json!({ "memories": items, "total": total }), text, ignored)
}

fn whole(shown: Shown) -> Option<Memory> {
    match shown {
        Shown::Full(view) => Some(view.memory),
        Shown::Brief(_) => None,
    }
}
