//! The Mem0 server: its REST as its image answers, and what its official client asks for.
//!
//! `agent_id`, `run_id` and `app_id` say of a memory whom it came by; they are tags here, and choose no
//! user.

use serde_json::{Value, json};

use super::filters::{Filters, Identifiers};
use super::sieve::Sieved;
use super::texts::pieces;
use super::{Asking, Told, finish};
use crate::actors::CallError;
use crate::engine::{
    Add, AddAll, AddStatus, Arguments, Change, Delete, DeleteTarget, Detail, Draft, Field, Filter,
    Get, History, List, MemoryView, Message, Mode, QueryText, Search, Shape, Shown, Update,
};
use crate::model::{EventTime, Memory, MemoryId, Metadata, Status, Tags, Timestamp};

pub const MESSAGES: Field = Field::required("messages", Shape::Turns, "Or one text");
pub const AGENT_ID: Field = Field::new("agent_id", Shape::Name, "");
pub const RUN_ID: Field = Field::new("run_id", Shape::Name, "");
pub const APP_ID: Field = Field::new("app_id", Shape::Name, "");
pub const METADATA: Field = Field::new("metadata", Shape::Object, "");
pub const INFER: Field =
    Field::new("infer", Shape::Flag, "Default true: what the user said; false: every message");
pub const EXPIRATION: Field = Field::new("expiration_date", Shape::EndMoment, "Its last day");
pub const TIMESTAMP: Field = Field::new("timestamp", Shape::Moment, "When it was said");
pub const QUERY: Field = Field::required("query", Shape::Query, "");
pub const FILTERS: Field = Field::new("filters", Shape::Object, "By identifiers and metadata");
pub const TOP_K: Field = Field::new("top_k", Shape::Whole { least: 1, most: 1_000 }, "");
pub const LIMIT: Field = Field::new("limit", Shape::Whole { least: 1, most: 1_000_000 }, "");
pub const THRESHOLD: Field = Field::new("threshold", Shape::Share { least: -1, most: 1 }, "");
pub const TEXT: Field = Field::new("text", Shape::Text, "The new text");

/// What `POST /memories` takes.
pub static ADDED: [&Field; 9] =
    [&MESSAGES, &AGENT_ID, &RUN_ID, &APP_ID, &METADATA, &INFER, &EXPIRATION, &TIMESTAMP, &FILTERS];
/// What `POST /search` takes.
pub static SEARCHED: [&Field; 8] =
    [&QUERY, &FILTERS, &AGENT_ID, &RUN_ID, &APP_ID, &TOP_K, &LIMIT, &THRESHOLD];
/// What `PUT /memories/{id}` takes.
pub static UPDATED: [&Field; 4] = [&TEXT, &METADATA, &EXPIRATION, &TIMESTAMP];

/// A page of everything.
pub const PAGE: usize = 100;
const DEFAULT_RESULTS: usize = 20;
/// How much is looked at where what is found is filtered afterwards.
const LOOKED_AT: usize = 100;
/// Says which part of a longer message a memory is.
const PART: &str = "part";
/// Under this name in the metadata stands who spoke, which that server tells apart from it.
const SPEAKER: &str = "mem0";
const MS_PER_DAY: f64 = 86_400_000.0;
const MARGIN_MS: i64 = 1_000;

/// Stores messages, each as it is. A long one is cut into pieces, one memory each.
pub async fn add(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let messages = take_messages(&mut arguments);
    let named = Identifiers::take(&mut arguments);
    let infer = arguments.take(&INFER).unwrap_or(true);
    let metadata: Metadata = arguments.take(&METADATA).unwrap_or_default();
    let said_at: Option<EventTime> = arguments.take(&TIMESTAMP);
    let end: Option<Timestamp> = arguments.take(&EXPIRATION);
    let days = end.map(|end| days_until(end, asking.now(), &mut arguments));
    let tags = named.tags(&mut arguments);
    let (kept, _) = finish(arguments, wanted(messages, infer))?;
    let limit = asking.sessions.content_limit();
    let draft = Draft {
        tags: if tags.as_slice().is_empty() { Change::Keep } else { Change::Set(tags) },
        event_at: said_at.map_or(Change::Keep, Change::Set),
        ..Draft::default()
    };
    let (mut adds, mut spoken) = (Vec::new(), Vec::new());
    for message in &kept {
        let before = adds.len();
        let metadata = spoken_by(message, &metadata, infer);
        adds.extend(parts_of(message, limit, &metadata).map(|(content, metadata)| Add {
            content,
            draft: Draft { metadata, ..draft.clone() },
            ttl_days: days,
            ..Add::default()
        }));
        spoken.resize(spoken.len() + adds.len() - before, message);
    }
    let stored = asking.ask(AddAll(adds)).await?;
    let results: Vec<Value> = stored
        .iter()
        .zip(spoken)
        .map(|(one, said)| {
            let mut told = json!({
                "id": one.memory.id,
                "memory": one.memory.content,
                "event": if one.status == AddStatus::Duplicate { "NONE" } else { "ADD" },
                "created_at": one.memory.created_at,
            });
            if let Some(told) = told.as_object_mut().filter(|_| !infer) {
                let actor = Some(&said.name).filter(|name| !name.is_empty());
                told.insert("role".to_owned(), said.role.clone().into());
                told.insert("actor_id".to_owned(), json!(actor));
            }
            told
        })
        .collect();
    let body = json!({
        "results": results,
        "relations": [],
        "status": "success",
        "memory_id": stored.first().map(|one| one.memory.id),
        "timestamp": asking.now(),
    });
    Ok(Told::new(body, format!("Stored {} memories.", stored.len()), Vec::new()))
}

/// Metadata with who spoke, where every message is kept as it is.
fn spoken_by(message: &Message, metadata: &Metadata, infer: bool) -> Metadata {
    let mut metadata = metadata.clone();
    if !infer {
        let actor = Some(&message.name).filter(|name| !name.is_empty());
        let speaker = json!({ "role": message.role, "actor_id": actor });
        metadata.insert(SPEAKER.to_owned(), speaker);
    }
    metadata
}

/// The pieces of a message, each with the metadata of all, and which part it is.
fn parts_of<'a>(
    message: &'a Message,
    limit: usize,
    metadata: &'a Metadata,
) -> impl Iterator<Item = (String, Change<Metadata>)> + 'a {
    let parts = pieces(&message.content, limit);
    let count = parts.len();
    parts.into_iter().zip(1..).map(move |(text, part)| {
        let mut metadata = metadata.clone();
        if count > 1 {
            metadata.insert(PART.to_owned(), format!("{part}/{count}").into());
        }
        let said = if metadata.is_empty() { Change::Keep } else { Change::Set(metadata) };
        (text.to_owned(), said)
    })
}

/// Finds what answers a question, best first.
pub async fn search(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let query: QueryText = arguments.require(&QUERY);
    let named = Identifiers::take(&mut arguments);
    let filters = Filters::take(&mut arguments);
    let top_k: Option<usize> = arguments.take(&TOP_K);
    let limit: Option<usize> = arguments.take(&LIMIT);
    let threshold: f32 = arguments.take(&THRESHOLD).unwrap_or(0.0);
    let tags = named.tags(&mut arguments);
    let ((), _) = finish(arguments, ())?;
    let limit = top_k.or(limit).unwrap_or(DEFAULT_RESULTS);
    let search = Search {
        query,
        filter: by_tags(&tags),
        limit: if filters.is_some() { LOOKED_AT } else { limit.min(LOOKED_AT) },
        min_score: threshold,
        detail: Detail::Full,
        max_tokens: None,
        mode: Mode::Auto,
        cursor: None,
        vector: None,
        is_replay: false,
    };
    let found = asking.ask(Sieved { verb: search, filters, limit }).await?.results;
    let items = found.into_iter().filter_map(|hit| match hit.memory {
        Shown::Full(view) => Some(item(&view, Some(hit.score))),
        Shown::Brief(_) => None,
    });
    let results: Vec<Value> = items.collect();
    Ok(Told::new(json!({ "results": results }), String::new(), Vec::new()))
}

/// Reads one memory.
pub async fn get(asking: Asking<'_>, id: MemoryId) -> Result<Value, CallError> {
    let got = asking.ask(Get { id, history: false, max_tokens: None }).await?;
    Ok(item(&got.memory, None))
}

/// Changes a memory, and tells what it is now.
pub async fn update(
    asking: Asking<'_>,
    id: MemoryId,
    mut arguments: Arguments,
) -> Result<Value, CallError> {
    let texts = ["data", "memory", "content"];
    let other = texts.into_iter().find(|name| arguments.says(name) && !arguments.says(TEXT.name));
    if let Some(text) = other.and_then(|name| arguments.get(name).cloned()) {
        arguments.set(TEXT.name, text);
    }
    let clears_end = arguments.get(EXPIRATION.name).is_some_and(Value::is_null);
    let text: Option<String> = arguments.take(&TEXT);
    let metadata: Option<Metadata> = arguments.take(&METADATA);
    let end: Option<Timestamp> = arguments.take(&EXPIRATION);
    let said_at: Option<EventTime> = arguments.take(&TIMESTAMP);
    let days = end.map(|end| days_until(end, asking.now(), &mut arguments));
    if text.is_none() && metadata.is_none() && end.is_none() && said_at.is_none() && !clears_end {
        let problem = "say at least one of text, metadata, timestamp and expiration_date";
        arguments.refuse(TEXT.name, problem);
    }
    let ((), _) = finish(arguments, ())?;
    let update = Update {
        content: text.filter(|text| !text.trim().is_empty()),
        draft: Draft {
            metadata: metadata.map_or(Change::Keep, Change::Set),
            event_at: said_at.map_or(Change::Keep, Change::Set),
            ..Draft::default()
        },
        ttl_days: match days {
            Some(days) => Change::Set(days),
            None if clears_end => Change::Clear,
            None => Change::Keep,
        },
        ..Update::of(id)
    };
    let updated = asking.ask(update).await?;
    let mut told = item(&updated.memory, None);
    if let Some(told) = told.as_object_mut() {
        told.insert("text".to_owned(), updated.memory.memory.content.clone().into());
        told.insert("message".to_owned(), "Memory updated successfully!".into());
    }
    Ok(told)
}

/// Deletes a memory; it can be restored for a while.
pub async fn delete(asking: Asking<'_>, id: MemoryId) -> Result<Value, CallError> {
    asking.ask(Delete::one(id)).await?;
    Ok(json!({ "message": "Memory deleted successfully", "status": "success" }))
}

/// What became of a memory, version by version, the oldest first; also of a deleted one.
pub async fn history(asking: Asking<'_>, id: MemoryId) -> Result<Value, CallError> {
    let got = asking.ask(History { id, max_tokens: None }).await?;
    let versions: Vec<&Memory> = got.history.iter().chain([&got.memory.memory]).collect();
    let mut entries = Vec::new();
    let mut before: Option<&Memory> = None;
    for version in versions {
        let is_deleted = version.status == Status::Deleted;
        let event = match before {
            None => "ADD",
            Some(_) if is_deleted => "DELETE",
            Some(_) => "UPDATE",
        };
        entries.push(json!({
            "id": format!("{id}-{}", version.version),
            "memory_id": id,
            "old_memory": before.map(|before| &before.content),
            "new_memory": (!is_deleted).then_some(&version.content),
            "event": event,
            "created_at": version.created_at,
            "updated_at": before.map(|_| version.updated_at),
            "is_deleted": is_deleted,
            "actor_id": null,
            "role": null,
            "user_id": got.memory.user_id,
        }));
        before = Some(version);
    }
    Ok(Value::Array(entries))
}

/// Some items, how many there are in all, and where the next page begins.
type ItemPage = (Vec<Value>, usize, Option<String>);

/// One page of what there is, the newest first, and where the next one begins.
pub async fn page(
    asking: Asking<'_>,
    named: &Tags,
    limit: usize,
    cursor: Option<String>,
) -> Result<ItemPage, CallError> {
    page_of(asking, named, None, limit, cursor).await
}

/// The same of what fits a filter: a page may then have fewer items than it was made of.
async fn page_of(
    asking: Asking<'_>,
    named: &Tags,
    filters: Option<Filters>,
    limit: usize,
    cursor: Option<String>,
) -> Result<ItemPage, CallError> {
    let limit = limit.clamp(1, PAGE);
    let list = List { filter: by_tags(named), limit, cursor, is_unnoted: true, ..List::default() };
    let listed = asking.ask(Sieved { verb: list, filters, limit }).await?;
    let items = listed.memories.iter().filter_map(|shown| match shown {
        Shown::Full(view) => Some(item(view, None)),
        Shown::Brief(_) => None,
    });
    Ok((items.collect(), listed.total, listed.next_cursor))
}

/// Everything there is of some identifiers, the newest first, as far as it fits a filter.
pub async fn all(
    asking: Asking<'_>,
    named: &Tags,
    filters: Option<&Filters>,
) -> Result<Vec<Value>, CallError> {
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let (more, _, next) = page_of(asking, named, filters.cloned(), PAGE, cursor).await?;
        items.extend(more);
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(items),
        }
    }
}

/// Deletes all that bears some identifiers: everything of the user if there are none.
pub async fn delete_all(asking: Asking<'_>, named: &Tags) -> Result<usize, CallError> {
    let filter = by_tags(named);
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

/// A memory as that server tells it, with the fields of the token-file server beside them.
pub(in crate::older) fn item(view: &MemoryView, score: Option<f32>) -> Value {
    let memory = &view.memory;
    let mut metadata = memory.metadata.clone();
    let speaker = metadata.shift_remove(SPEAKER);
    let mut told = json!({
        "id": memory.id,
        "memory": memory.content,
        "hash": format!("{:x}", md5::compute(memory.content.as_bytes())),
        "metadata": (!metadata.is_empty()).then_some(&metadata),
        "score": score,
        "created_at": memory.created_at,
        "updated_at": memory.updated_at,
        "user_id": view.user_id,
        "categories": memory.category.iter().collect::<Vec<_>>(),
        "information_type": super::token_file::information_type(memory),
        "information": memory.content,
        "timestamp": memory.created_at,
        "key": super::token_file::information_type(memory),
        "value": memory.content,
    });
    if let Some(told) = told.as_object_mut() {
        if let Some(Value::Object(speaker)) = speaker {
            told.extend(speaker);
        }
        for (name, value) in Identifiers::of(&memory.tags) {
            told.insert(name.to_owned(), value.into());
        }
        if let Some(end) = memory.expires_at {
            told.insert("expiration_date".to_owned(), EventTime::from(end).day().into());
        }
    }
    told
}

fn by_tags(tags: &Tags) -> Filter {
    let tags = tags.as_slice().iter().map(|tag| tag.as_str().to_owned()).collect();
    Filter { tags, ..Filter::default() }
}

/// One text, one message or several.
fn take_messages(arguments: &mut Arguments) -> Vec<Message> {
    let said = arguments.get(MESSAGES.name).cloned();
    let one = match said {
        Some(Value::String(text)) if !text.trim_start().starts_with('[') => {
            Some(json!([{ "role": "user", "content": text }]))
        }
        Some(message @ Value::Object(_)) => Some(json!([message])),
        _ => None,
    };
    if let Some(one) = one {
        arguments.set(MESSAGES.name, one);
    }
    let messages: Vec<Message> = arguments.require(&MESSAGES);
    let has_text = messages.iter().any(|message| !message.content.trim().is_empty());
    if !messages.is_empty() && !has_text {
        arguments.refuse(MESSAGES.name, "hold no text");
    }
    messages
}

/// What is kept of a conversation: what the user said, unless every message is wanted, or nothing else
/// is there.
fn wanted(messages: Vec<Message>, infer: bool) -> Vec<Message> {
    let mut spoken = messages;
    spoken.retain(|message| !message.content.trim().is_empty() && message.role != "system");
    let is_users = |message: &Message| message.role.is_empty() || message.role == "user";
    if infer && spoken.iter().any(is_users) {
        spoken.retain(is_users);
    }
    spoken
}

/// How long a memory lives that ends at a moment.
#[allow(clippy::cast_precision_loss, reason = "milliseconds of some thousand years")]
fn days_until(end: Timestamp, now: Timestamp, arguments: &mut Arguments) -> f64 {
    // A little sooner: what is counted from a moment later must not reach into the next day.
    let left = end.0.saturating_sub(now.0).saturating_sub(MARGIN_MS);
    if left <= 0 {
        arguments.refuse(EXPIRATION.name, "lies in the past");
    }
    left as f64 / MS_PER_DAY
}
