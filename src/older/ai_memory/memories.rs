use serde_json::json;

use super::{
    DEFAULT_LIMIT, ENVELOPE, ID, LIMIT, QUERY, all, envelope, found, id_of, items, one, read,
};
use crate::actors::CallError;
use crate::engine::{
    Add, Arguments, Change, Delete, Draft, Field, Filter, Named, QueryText, Shape, Update,
};
use crate::model::{Category, Priority, Project, Tags, Title};
use crate::older::{Asking, Effect, OlderCall, Told, finish};

pub static STORE: OlderCall = OlderCall {
    name: "store_memory",
    title: "Store memory",
    about: "Store a memory with a title.",
    effect: Effect::Adds,
    fields: &[&CONTENT, &TITLE, &CATEGORY, &PROJECT, &TAGS, &PRIORITY],
    answer: ENVELOPE,
    claims: |_, _| false,
    takes_place: false,
    run: |asking, arguments| Box::pin(store(asking, arguments)),
};

pub static SEARCH: OlderCall = OlderCall {
    name: "search_memories",
    title: "Search memories",
    about: "Find memories that answer a question, best first.",
    effect: Effect::Reads,
    fields: &[&QUERY, &PROJECT, &CATEGORY, &LIMIT],
    answer: ENVELOPE,
    claims: |_, _| false,
    takes_place: false,
    run: |asking, arguments| Box::pin(search(asking, arguments)),
};

static LIST: OlderCall = OlderCall {
    name: "list_memories",
    title: "List memories",
    about: "List memories, the newest first.",
    effect: Effect::Reads,
    fields: &[&PROJECT, &CATEGORY, &LIMIT],
    answer: ENVELOPE,
    claims: |_, _| false,
    takes_place: false,
    run: |asking, arguments| Box::pin(list(asking, arguments)),
};

static GET: OlderCall = OlderCall {
    name: "get_memory",
    title: "Get memory",
    about: "Read one memory by its id or its number.",
    effect: Effect::Reads,
    fields: &[&ID],
    answer: ENVELOPE,
    claims: is_numbered,
    takes_place: false,
    run: |asking, arguments| Box::pin(get(asking, arguments)),
};

static UPDATE: OlderCall = OlderCall {
    name: "update_memory",
    title: "Update memory",
    about: "Change some fields of a memory, by its id or its number.",
    effect: Effect::Changes,
    fields: &[&ID, &NEW_CONTENT, &TITLE, &CATEGORY, &PROJECT, &TAGS, &PRIORITY],
    answer: ENVELOPE,
    claims: is_numbered,
    takes_place: false,
    run: |asking, arguments| Box::pin(update(asking, arguments)),
};

static DELETE: OlderCall = OlderCall {
    name: "delete_memory",
    title: "Delete memory",
    about: "Delete one memory, by its id or its number; it can be restored for a while.",
    effect: Effect::Destroys,
    fields: &[&ID],
    answer: ENVELOPE,
    claims: is_numbered,
    takes_place: false,
    run: |asking, arguments| Box::pin(delete(asking, arguments)),
};

pub(super) static CALLS: [&OlderCall; 6] = [&STORE, &SEARCH, &LIST, &GET, &UPDATE, &DELETE];

const CONTENT: Field = Field::required("content", Shape::Text, "");
const NEW_CONTENT: Field = Field::new("content", Shape::Text, "");
const TITLE: Field = Field::new("title", Shape::Name, "");
pub(super) const CATEGORY: Field = Field::new("category", Shape::Name, "");
pub(super) const PROJECT: Field = Field::new("project", Shape::Name, "");
pub(super) const TAGS: Field = Field::new("tags", Shape::Names, "A list, or one text with commas");
pub(super) const PRIORITY: Field = Field::new("priority", Shape::Whole { least: 1, most: 5 }, "");

/// No id of ours is a number.
fn is_numbered(arguments: &Arguments, _: bool) -> bool {
    arguments.get(ID.name).is_some_and(|id| {
        id.is_number() || id.as_str().is_some_and(|id| id.trim().parse::<u64>().is_ok())
    })
}

/// What is said of a memory besides its text.
pub(super) fn take_draft(arguments: &mut Arguments) -> Draft {
    fn set<T>(said: Option<T>) -> Change<T> {
        said.map_or(Change::Keep, Change::Set)
    }
    Draft {
        title: set::<Title>(arguments.take(&TITLE)),
        category: set::<Category>(arguments.take(&CATEGORY)),
        project: set::<Project>(arguments.take(&PROJECT)),
        tags: set::<Tags>(arguments.take(&TAGS)),
        priority: set::<Priority>(arguments.take(&PRIORITY)),
        ..Draft::default()
    }
}

/// Which project and category a list is of.
pub(super) fn take_filter(arguments: &mut Arguments) -> Filter {
    let project: Option<Project> = arguments.take(&PROJECT);
    let category: Option<Category> = arguments.take(&CATEGORY);
    Filter {
        project: project.map(|project| project.as_str().to_owned()),
        named: Named {
            category: category.map(|category| category.as_str().to_owned()),
            ..Named::default()
        },
        ..Filter::default()
    }
}

async fn store(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let content: String = arguments.require(&CONTENT);
    if content.trim().is_empty() {
        arguments.refuse_missing(&CONTENT, "is required and must not be empty");
    }
    let draft = take_draft(&mut arguments);
    let ((), ignored) = finish(arguments, ())?;
    let added = asking.ask(Add { content, draft, ..Add::default() }).await?;
    let data = one(&asking, &added.memory.memory).await?;
    Ok(envelope(data, format!("Memory stored: {}", added.id), &[], ignored))
}

async fn search(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let query: QueryText = arguments.require(&QUERY);
    let limit = arguments.take(&LIMIT).unwrap_or(10);
    let filter = take_filter(&mut arguments);
    let ((), ignored) = finish(arguments, ())?;
    let memories = found(&asking, &query, filter, limit).await?;
    let data = items(&asking, &memories).await?;
    Ok(envelope(json!(data), format!("{} memories found", data.len()), &memories, ignored))
}

async fn list(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let limit = arguments.take(&LIMIT).unwrap_or(DEFAULT_LIMIT);
    let filter = take_filter(&mut arguments);
    let ((), ignored) = finish(arguments, ())?;
    let memories = all(&asking, filter, |_| true, limit).await?;
    let data = items(&asking, &memories).await?;
    Ok(envelope(json!(data), format!("{} memories", data.len()), &memories, ignored))
}

async fn get(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let id: String = arguments.require(&ID);
    let ((), ignored) = finish(arguments, ())?;
    let memory = read(&asking, &id, None).await?;
    let data = one(&asking, &memory).await?;
    Ok(envelope(data, format!("Memory {}", memory.id), &[memory], ignored))
}

async fn update(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let id: String = arguments.require(&ID);
    let content: Option<String> = arguments.take(&NEW_CONTENT);
    let draft = take_draft(&mut arguments);
    let ((), ignored) = finish(arguments, ())?;
    let id = id_of(&asking, &id).await?;
    let content = content.filter(|content| !content.trim().is_empty());
    let updated = asking.ask(Update { content, draft, ..Update::of(id) }).await?;
    let data = one(&asking, &updated.memory.memory).await?;
    Ok(envelope(data, format!("Memory updated: {id}"), &[], ignored))
}

async fn delete(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let id: String = arguments.require(&ID);
    let ((), ignored) = finish(arguments, ())?;
    let id = id_of(&asking, &id).await?;
    asking.ask(Delete::one(id)).await?;
    Ok(envelope(json!({ "id": id }), format!("Memory deleted: {id}"), &[], ignored))
}
