//! The tools of the Mem0 server: coding preferences, and links between memories.

use serde_json::{Map, Value, json};

use super::{Asking, Effect, OlderCall, Told, by_name, finish, quoted};
use crate::actors::CallError;
use crate::engine::{
    Add, Arguments, Change, Delete, Detail, Draft, Field, Filter, History, Link, Linked, List,
    Mode, QueryText, Search, Shape, Shown,
};
use crate::model::{Kind, Memory, MemoryId, Tag, Tags};

pub static ADD: OlderCall = OlderCall {
    name: "add_coding_preference",
    title: "Add coding preference",
    about: "Store how the user wants code to be written, or a solution with its context.",
    effect: Effect::Adds,
    fields: &[&TEXT],
    answer: &[("status", "string"), ("id", "string"), ("message", "string")],
    claims: by_name,
    takes_place: false,
    run: |asking, arguments| Box::pin(add(asking, arguments)),
};

pub static SEARCH: OlderCall = OlderCall {
    name: "search_coding_preferences",
    title: "Search coding preferences",
    about: "Find the coding preferences that answer a question, best first.",
    effect: Effect::Reads,
    fields: &[&QUERY, &LIMIT],
    answer: &[("results", "array"), ("total", "integer")],
    claims: by_name,
    takes_place: false,
    run: |asking, arguments| Box::pin(search(asking, arguments)),
};

pub static ALL: OlderCall = OlderCall {
    name: "get_all_coding_preferences",
    title: "All coding preferences",
    about: "List the coding preferences, the newest first.",
    effect: Effect::Reads,
    fields: &[&LIMIT],
    answer: &[("results", "array"), ("total", "integer")],
    claims: by_name,
    takes_place: false,
    run: |asking, arguments| Box::pin(all(asking, arguments)),
};

pub static DELETE: OlderCall = OlderCall {
    name: "delete_memory",
    title: "Delete memory",
    about: "Delete one memory by its id; it can be restored for a while.",
    effect: Effect::Destroys,
    fields: &[&MEMORY_ID],
    answer: &[("status", "string"), ("message", "string")],
    claims: |arguments, _| arguments.says(MEMORY_ID.name),
    takes_place: false,
    run: |asking, arguments| Box::pin(delete(asking, arguments)),
};

pub static HISTORY: OlderCall = OlderCall {
    name: "get_memory_history",
    title: "Memory history",
    about: "Tell what became of a memory, version by version.",
    effect: Effect::Reads,
    fields: &[&MEMORY_ID],
    answer: &[("history", "array")],
    claims: by_name,
    takes_place: false,
    run: |asking, arguments| Box::pin(history(asking, arguments)),
};

pub static LINK: OlderCall = OlderCall {
    name: "link_memories",
    title: "Link memories",
    about: "Join two memories by a named relation.",
    effect: Effect::Changes,
    fields: &[&FIRST, &SECOND, &RELATION, &METADATA],
    answer: &[("status", "string"), ("message", "string")],
    claims: by_name,
    takes_place: false,
    run: |asking, arguments| Box::pin(link(asking, arguments)),
};

pub static RELATED: OlderCall = OlderCall {
    name: "get_related_memories",
    title: "Related memories",
    about: "Follow the links of a memory, in both directions.",
    effect: Effect::Reads,
    fields: &[&MEMORY_ID, &DEPTH],
    answer: &[("related", "array"), ("total", "integer")],
    claims: by_name,
    takes_place: false,
    run: |asking, arguments| Box::pin(related(asking, arguments)),
};

/// Every call, in the order in which they are listed.
pub static CALLS: [&OlderCall; 7] = [&ADD, &SEARCH, &ALL, &DELETE, &HISTORY, &LINK, &RELATED];

const TEXT: Field = Field::required("text", Shape::Text, "");
const QUERY: Field = Field::required("query", Shape::Query, "");
const LIMIT: Field = Field::new("limit", Shape::Whole { least: 1, most: 100 }, "");
const MEMORY_ID: Field = Field::required("memory_id", Shape::Id, "");
const FIRST: Field = Field::required("memory_id_1", Shape::Id, "");
const SECOND: Field = Field::required("memory_id_2", Shape::Id, "");
const RELATION: Field = Field::new("relationship_type", Shape::Name, "Default related_to");
const METADATA: Field = Field::new("metadata", Shape::Object, "");
const DEPTH: Field = Field::new("depth", Shape::Whole { least: 1, most: 5 }, "Default 1");

/// What is stored so bears this tag.
const TAG: &str = "coding";
const DEFAULT_RESULTS: usize = 10;
const ALL_RESULTS: usize = 100;

async fn add(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let text: String = arguments.require(&TEXT);
    if text.trim().is_empty() {
        arguments.refuse_missing(&TEXT, "is required and must not be empty");
    }
    let ((), ignored) = finish(arguments, ())?;
    let draft = Draft {
        kind: Kind::parse("preference").map_or(Change::Keep, Change::Set),
        tags: Change::Set(Tags::from_vec(Tag::parse(TAG).into_iter().collect())),
        ..Draft::default()
    };
    let added = asking.ask(Add { content: text, draft, ..Add::default() }).await?;
    let message = format!("Successfully added preference: memory {}.", added.id);
    let body = json!({ "status": added.status, "id": added.id, "message": message });
    Ok(Told::new(body, message, ignored))
}

async fn search(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let query: QueryText = arguments.require(&QUERY);
    let limit = arguments.take(&LIMIT).unwrap_or(DEFAULT_RESULTS);
    let ((), ignored) = finish(arguments, ())?;
    let search = Search {
        query,
        filter: coding(),
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
    let total = found.total;
    let found =
        found.results.into_iter().filter_map(|hit| Some((whole(hit.memory)?, Some(hit.score))));
    Ok(told(&found.collect::<Vec<_>>(), total, ignored))
}

async fn all(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let limit = arguments.take(&LIMIT).unwrap_or(ALL_RESULTS);
    let ((), ignored) = finish(arguments, ())?;
    let listed = asking.ask(List { filter: coding(), limit, ..List::default() }).await?;
    let found = listed.memories.into_iter().filter_map(|shown| Some((whole(shown)?, None)));
    Ok(told(&found.collect::<Vec<_>>(), listed.total, ignored))
}

async fn delete(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let id: MemoryId = arguments.require(&MEMORY_ID);
    let ((), ignored) = finish(arguments, ())?;
    asking.ask(Delete::one(id)).await?;
    let message = format!("Memory {id} deleted successfully");
    Ok(Told::new(json!({ "status": "success", "message": message }), message, ignored))
}

async fn history(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let id: MemoryId = arguments.require(&MEMORY_ID);
    let ((), ignored) = finish(arguments, ())?;
    let got = asking.ask(History { id, max_tokens: None }).await?;
    let versions: Vec<&Memory> = got.history.iter().chain([&got.memory.memory]).collect();
    let shown = versions.iter().map(|memory| {
        (format!("version {} of {}", memory.version, memory.updated_at), memory.content.as_str())
    });
    let text = quoted(&format!("Memory {id} has {} versions.", versions.len()), shown);
    let entries: Vec<Value> = versions
        .iter()
        .map(|memory| {
            json!({
                "memory_id": id, "version": memory.version, "memory": memory.content,
                "status": memory.status, "updated_at": memory.updated_at,
            })
        })
        .collect();
    Ok(Told::new(json!({ "history": entries }), text, ignored))
}

async fn link(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let from: MemoryId = arguments.require(&FIRST);
    let to: MemoryId = arguments.require(&SECOND);
    let relation: String = arguments.take(&RELATION).unwrap_or_else(|| "related_to".to_owned());
    let metadata: Map<String, Value> = arguments.take(&METADATA).unwrap_or_default();
    let ((), ignored) = finish(arguments, ())?;
    let is_new = asking.ask(Link { from, to, relation: relation.clone(), metadata }).await?;
    let relation = crate::model::foreign::shortened(&relation);
    let message = match is_new {
        true => format!("Linked {from} {relation} {to}."),
        false => format!("{from} {relation} {to} was linked already."),
    };
    let status = if is_new { "created" } else { "duplicate" };
    Ok(Told::new(json!({ "status": status, "message": message }), message, ignored))
}

async fn related(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let id: MemoryId = arguments.require(&MEMORY_ID);
    let depth = arguments.take(&DEPTH).unwrap_or(1);
    let ((), ignored) = finish(arguments, ())?;
    let linked = asking.ask(Linked { id, depth }).await?;
    let shown = linked.iter().map(|one| {
        let memory = &one.memory.memory;
        (format!("{} {} {}", one.from, one.relation, memory.id), memory.content.as_str())
    });
    let text = quoted(&format!("{} memories are linked with {id}.", linked.len()), shown);
    let told: Vec<Value> = linked
        .iter()
        .map(|one| {
            let memory = &one.memory.memory;
            json!({
                "id": memory.id, "memory": memory.content, "relationship_type": one.relation,
                "from": one.from, "depth": one.depth,
            })
        })
        .collect();
    Ok(Told::new(json!({ "related": told, "total": linked.len() }), text, ignored))
}

fn coding() -> Filter {
    Filter { tags: vec![TAG.to_owned()], ..Filter::default() }
}

fn told(found: &[(Memory, Option<f32>)], total: usize, ignored: Vec<String>) -> Told {
    let results: Vec<Value> = found
        .iter()
        .map(|(memory, score)| {
            json!({
                "id": memory.id, "memory": memory.content, "score": score,
                "created_at": memory.created_at, "updated_at": memory.updated_at,
            })
        })
        .collect();
    let shown = found.iter().map(|(memory, _)| (memory.id.to_string(), memory.content.as_str()));
    let text = quoted(&format!("{} of {total} coding preferences.", found.len()), shown);
    Told::new(json!({ "results": results, "total": total }), text, ignored)
}

fn whole(shown: Shown) -> Option<Memory> {
    match shown {
        Shown::Full(view) => Some(view.memory),
        Shown::Brief(_) => None,
    }
}
