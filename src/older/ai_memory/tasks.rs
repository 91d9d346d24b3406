use serde_json::{Map, Value, json};

use super::memories::{CATEGORY, PRIORITY, PROJECT, TAGS, take_draft, take_filter};
use super::{
    DEFAULT_LIMIT, ENVELOPE, ID, LIMIT, QUERY, all, envelope, found, items, of_kind, one, read,
};
use crate::actors::CallError;
use crate::engine::{
    Add, AddAll, Arguments, Change, Delete, Draft, Field, Filter, QueryText, Shape, Update,
};
use crate::model::{EventTime, Kind, Memory, Metadata, Status, Timestamp};
use crate::older::{Asking, Effect, OlderCall, Told, finish};

/// Declares a call of this part.
macro_rules! call {
    ($name:literal, $title:literal, $about:literal, $effect:ident, [$($field:expr),*], $run:ident) => {
        OlderCall {
            name: $name,
            title: $title,
            about: $about,
            effect: Effect::$effect,
            fields: &[$(&$field),*],
            answer: ENVELOPE,
            claims: |_, _| false,
            takes_place: false,
            run: |asking, arguments| Box::pin($run(asking, arguments)),
        }
    };
}
pub(super) use call;

pub static CREATE: OlderCall = call!(
    "create_task",
    "Create task",
    "Make a task.",
    Adds,
    [TITLE, DESCRIPTION, STATUS, PROJECT, CATEGORY, TAGS, PRIORITY, DUE],
    create
);
static BATCH: OlderCall = call!(
    "batch_create_tasks",
    "Create tasks",
    "Make several tasks at once: all of them or none.",
    Adds,
    [TASKS],
    create_many
);
pub static LIST: OlderCall = call!(
    "list_tasks",
    "List tasks",
    "List tasks, the newest first.",
    Reads,
    [STATUS, PROJECT, CATEGORY, PRIORITY, ARCHIVED, LIMIT],
    list
);
pub static GET: OlderCall = call!("get_task", "Get task", "Read one task.", Reads, [ID], get);
pub static UPDATE: OlderCall = call!(
    "update_task",
    "Update task",
    "Change some fields of a task.",
    Changes,
    [ID, NEW_TITLE, DESCRIPTION, STATUS, PROJECT, CATEGORY, TAGS, PRIORITY, DUE],
    update
);
pub static COMPLETE: OlderCall =
    call!("complete_task", "Complete task", "Say that a task is done.", Changes, [ID], complete);
pub static ARCHIVE: OlderCall = call!(
    "archive_task",
    "Archive task",
    "Take a task out of the lists, and keep it.",
    Changes,
    [ID],
    archive
);
pub static DELETE: OlderCall = call!(
    "delete_task",
    "Delete task",
    "Delete a task; it can be restored for a while.",
    Destroys,
    [ID],
    delete
);
pub static SEARCH: OlderCall = call!(
    "search_tasks",
    "Search tasks",
    "Find tasks that answer a question, best first.",
    Reads,
    [QUERY, STATUS, PROJECT, LIMIT],
    search
);
pub static STATS: OlderCall =
    call!("get_task_stats", "Task stats", "Count the tasks.", Reads, [PROJECT, CATEGORY], stats);
static EXPORT: OlderCall = call!(
    "export_tasks",
    "Export tasks",
    "Write all tasks as JSON, CSV or Markdown.",
    Reads,
    [FORMAT, PROJECT, STATUS],
    export
);
static STATUSES: OlderCall = call!(
    "list_statuses",
    "List statuses",
    "The states that a task can be in.",
    Reads,
    [],
    statuses
);

pub(super) static CALLS: [&OlderCall; 12] = [
    &CREATE, &LIST, &GET, &UPDATE, &COMPLETE, &ARCHIVE, &DELETE, &SEARCH, &BATCH, &STATS, &EXPORT,
    &STATUSES,
];

const TITLE: Field = Field::required("title", Shape::Name, "");
const NEW_TITLE: Field = Field::new("title", Shape::Name, "");
const DESCRIPTION: Field = Field::new("description", Shape::Text, "");
pub(super) const STATUS: Field = Field::new("status", Shape::Word(&STATES), "");
const DUE: Field = Field::new("due_date", Shape::EndMoment, "Such as 2026-03-01");
const ARCHIVED: Field = Field::new("include_archived", Shape::Flag, "");
const TASKS: Field = Field::required("tasks", Shape::Objects, "Each as create_task takes it");
const FORMAT: Field =
    Field::new("format", Shape::Word(&["json", "csv", "markdown"]), "Default json");

pub(super) const TASK: &str = "task";
const STATES: [&str; 5] = ["not_started", "in_progress", "completed", "cancelled", "on_hold"];
const DONE: &str = "completed";
/// What is still to do.
pub(super) const OPEN: [&str; 3] = ["not_started", "in_progress", "on_hold"];
/// More tasks than anybody has.
const EVERYTHING: usize = 100_000;

/// A task as it was said.
struct Said {
    title: Option<String>,
    description: Option<String>,
    status: Option<String>,
    due: Option<EventTime>,
    draft: Draft,
}

fn take(arguments: &mut Arguments, is_new: bool) -> Said {
    let title = match is_new {
        true => Some(arguments.require(&TITLE)),
        false => arguments.take(&NEW_TITLE),
    };
    // The title is taken out already, so the draft is without it.
    let draft = take_draft(arguments);
    Said {
        title,
        description: arguments.take(&DESCRIPTION),
        status: arguments.take(&STATUS),
        due: arguments.take(&DUE),
        draft,
    }
}

/// The text of a task: its title, and below it what is said of it.
fn text(title: &str, description: &str) -> String {
    match description.trim().is_empty() {
        true => title.to_owned(),
        false => format!("{title}\n\n{description}"),
    }
}

fn description(memory: &Memory) -> &str {
    memory.content.split_once("\n\n").map_or("", |(_, description)| description)
}

fn title(memory: &Memory) -> &str {
    memory.content.split_once("\n\n").map_or(memory.content.as_str(), |(title, _)| title)
}

/// What is kept of a task's state.
fn state(memory: &Memory) -> Map<String, Value> {
    memory.metadata.get(TASK).and_then(Value::as_object).cloned().unwrap_or_default()
}

pub(super) fn status(memory: &Memory) -> String {
    let state = state(memory);
    let status = state.get("status").and_then(Value::as_str);
    status.unwrap_or(STATES[0]).to_owned()
}

pub(super) fn due(memory: &Memory) -> Option<Timestamp> {
    memory.event_at.map(|due| due.at)
}

pub(super) fn item(memory: &Memory, number: Option<u64>) -> Value {
    let state = state(memory);
    json!({
        "id": memory.id,
        "seq": number,
        "title": title(memory),
        "description": description(memory),
        "status": status(memory),
        "priority": memory.priority,
        "project": memory.project,
        "category": memory.category,
        "tags": memory.tags,
        "due_date": memory.event_at.map(EventTime::day),
        "completed_at": state.get("completed_at"),
        "archived": memory.status == Status::Archived,
        "created_at": memory.created_at,
        "updated_at": memory.updated_at,
    })
}

fn with_status(before: &Metadata, status: &str, now: Timestamp) -> Metadata {
    let mut metadata = before.clone();
    let mut state = metadata.get(TASK).and_then(Value::as_object).cloned().unwrap_or_default();
    state.insert("status".to_owned(), status.into());
    match status == DONE {
        true => drop(state.entry("completed_at").or_insert(json!(now))),
        false => drop(state.shift_remove("completed_at")),
    }
    metadata.insert(TASK.to_owned(), Value::Object(state));
    metadata
}

fn to_add(said: Said, now: Timestamp) -> Add {
    let Said { title, description, status, due, draft } = said;
    let title = title.unwrap_or_default();
    let status = status.unwrap_or_else(|| STATES[0].to_owned());
    Add {
        content: text(&title, &description.unwrap_or_default()),
        draft: Draft {
            title: crate::model::Title::parse(&title).map_or(Change::Keep, Change::Set),
            kind: Kind::parse(TASK).map_or(Change::Keep, Change::Set),
            event_at: due.map_or(Change::Keep, Change::Set),
            metadata: Change::Set(with_status(&Metadata::new(), &status, now)),
            ..draft
        },
        ..Add::default()
    }
}

async fn create(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let said = take(&mut arguments, true);
    let (said, ignored) = finish(arguments, said)?;
    let added = asking.ask(to_add(said, asking.now())).await?;
    let data = one(&asking, &added.memory.memory).await?;
    Ok(envelope(data, format!("Task created: {}", added.id), &[], ignored))
}

async fn create_many(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let tasks: Vec<Map<String, Value>> = arguments.require(&TASKS);
    let ((), ignored) = finish(arguments, ())?;
    let mut adds = Vec::new();
    for task in tasks {
        let mut arguments = Arguments::new(task);
        let said = take(&mut arguments, true);
        let (said, _) = finish(arguments, said)?;
        adds.push(to_add(said, asking.now()));
    }
    let stored = asking.ask(AddAll(adds)).await?;
    let memories: Vec<Memory> = stored.into_iter().map(|one| one.memory).collect();
    let data = items(&asking, &memories).await?;
    Ok(envelope(json!(data), format!("{} tasks created", data.len()), &[], ignored))
}

/// The tasks that are meant, the newest first.
pub(super) async fn tasks(
    asking: &Asking<'_>,
    filter: Filter,
    wanted: impl Fn(&Memory) -> bool,
    limit: usize,
) -> Result<Vec<Memory>, CallError> {
    let filter = Filter { kinds: of_kind(TASK).kinds, ..filter };
    all(asking, filter, wanted, limit).await
}

async fn list(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let status_wanted: Option<String> = arguments.take(&STATUS);
    let mut filter = take_filter(&mut arguments);
    filter.min_priority = arguments.take(&PRIORITY);
    if arguments.take(&ARCHIVED).unwrap_or(false) {
        filter.statuses = vec![Status::Active, Status::Archived];
    }
    let limit = arguments.take(&LIMIT).unwrap_or(DEFAULT_LIMIT);
    let ((), ignored) = finish(arguments, ())?;
    let is_wanted =
        |task: &Memory| status_wanted.as_ref().is_none_or(|wanted| status(task) == *wanted);
    let tasks = tasks(&asking, filter, is_wanted, limit).await?;
    let data = items(&asking, &tasks).await?;
    Ok(envelope(json!(data), format!("{} tasks", data.len()), &tasks, ignored))
}

async fn get(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let id: String = arguments.require(&ID);
    let ((), ignored) = finish(arguments, ())?;
    let task = read(&asking, &id, Some(TASK)).await?;
    let data = one(&asking, &task).await?;
    Ok(envelope(data, format!("Task {}: {}", task.id, status(&task)), &[task], ignored))
}

async fn update(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let id: String = arguments.require(&ID);
    let said = take(&mut arguments, false);
    let (said, ignored) = finish(arguments, said)?;
    change(&asking, &id, said, None, "updated", ignored).await
}

async fn complete(asking: Asking<'_>, arguments: Arguments) -> Result<Told, CallError> {
    let said = Said {
        title: None,
        description: None,
        status: Some(DONE.to_owned()),
        due: None,
        draft: Draft::default(),
    };
    by_id(asking, arguments, said, None, "completed").await
}

async fn archive(asking: Asking<'_>, arguments: Arguments) -> Result<Told, CallError> {
    let said =
        Said { title: None, description: None, status: None, due: None, draft: Draft::default() };
    by_id(asking, arguments, said, Some(Status::Archived), "archived").await
}

async fn by_id(
    asking: Asking<'_>,
    mut arguments: Arguments,
    said: Said,
    place: Option<Status>,
    done: &str,
) -> Result<Told, CallError> {
    let id: String = arguments.require(&ID);
    let ((), ignored) = finish(arguments, ())?;
    change(&asking, &id, said, place, done, ignored).await
}

async fn change(
    asking: &Asking<'_>,
    id: &str,
    said: Said,
    place: Option<Status>,
    done: &str,
    ignored: Vec<String>,
) -> Result<Told, CallError> {
    let before = read(asking, id, Some(TASK)).await?;
    let Said { title: new_title, description: new, status: state, due, draft } = said;
    let is_retold = new_title.is_some() || new.is_some();
    let content = is_retold.then(|| {
        let own = title(&before).to_owned();
        let below = description(&before).to_owned();
        text(&new_title.clone().unwrap_or(own), &new.unwrap_or(below))
    });
    let named = new_title.and_then(|title| crate::model::Title::parse(&title).ok());
    let update = Update {
        content,
        draft: Draft {
            title: named.map_or(Change::Keep, Change::Set),
            event_at: due.map_or(Change::Keep, Change::Set),
            metadata: match state {
                Some(state) => Change::Set(with_status(&before.metadata, &state, asking.now())),
                None => Change::Keep,
            },
            ..draft
        },
        status: place,
        // Nobody else's change of the same moment is lost.
        if_version: Some(before.version),
        ..Update::of(before.id)
    };
    let updated = asking.ask(update).await?;
    let data = one(asking, &updated.memory.memory).await?;
    Ok(envelope(data, format!("Task {done}: {}", before.id), &[], ignored))
}

async fn delete(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let id: String = arguments.require(&ID);
    let ((), ignored) = finish(arguments, ())?;
    let id = read(&asking, &id, Some(TASK)).await?.id;
    asking.ask(Delete::one(id)).await?;
    Ok(envelope(json!({ "id": id }), format!("Task deleted: {id}"), &[], ignored))
}

async fn search(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let query: QueryText = arguments.require(&QUERY);
    let wanted: Option<String> = arguments.take(&STATUS);
    let filter = Filter { kinds: of_kind(TASK).kinds, ..take_filter(&mut arguments) };
    let limit: usize = arguments.take(&LIMIT).unwrap_or(10);
    let ((), ignored) = finish(arguments, ())?;
    let mut tasks = found(&asking, &query, filter, 100).await?;
    tasks.retain(|task| wanted.as_ref().is_none_or(|wanted| status(task) == *wanted));
    tasks.truncate(limit);
    let data = items(&asking, &tasks).await?;
    Ok(envelope(json!(data), format!("{} tasks found", data.len()), &tasks, ignored))
}

async fn stats(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let filter = take_filter(&mut arguments);
    let ((), ignored) = finish(arguments, ())?;
    let tasks = tasks(&asking, filter, |_| true, EVERYTHING).await?;
    let now = asking.now();
    let count = |fits: &dyn Fn(&Memory) -> bool| tasks.iter().filter(|task| fits(task)).count();
    let by_status: Map<String, Value> = STATES
        .iter()
        .map(|state| ((*state).to_owned(), count(&|task| status(task) == *state).into()))
        .collect();
    let by_priority: Map<String, Value> = (1..=5)
        .map(|level| (level.to_string(), count(&|task| task.priority.get() == level).into()))
        .collect();
    let is_open = |task: &Memory| OPEN.contains(&status(task).as_str());
    let data = json!({
        "total": tasks.len(),
        "by_status": by_status,
        "by_priority": by_priority,
        "overdue": count(&|task| is_open(task) && due(task).is_some_and(|due| due < now)),
    });
    Ok(envelope(data, format!("{} tasks", tasks.len()), &[], ignored))
}

async fn export(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let format: String = arguments.take(&FORMAT).unwrap_or_else(|| "json".to_owned());
    let wanted: Option<String> = arguments.take(&STATUS);
    let filter = take_filter(&mut arguments);
    let ((), ignored) = finish(arguments, ())?;
    let is_wanted = |task: &Memory| wanted.as_ref().is_none_or(|wanted| status(task) == *wanted);
    let tasks = tasks(&asking, filter, is_wanted, EVERYTHING).await?;
    let rows = items(&asking, &tasks).await?;
    let content = match format.as_str() {
        "csv" => csv(&rows),
        "markdown" => markdown(&rows),
        _ => json!(rows).to_string(),
    };
    let data = json!({ "format": format, "count": rows.len(), "content": content });
    Ok(envelope(data, format!("{} tasks exported", rows.len()), &[], ignored))
}

/// Comma-separated values (RFC 4180), with a line of names.
fn csv(rows: &[Value]) -> String {
    const NAMES: [&str; 8] =
        ["id", "title", "description", "status", "priority", "project", "due_date", "created_at"];
    let cell = |value: &Value| {
        let text = value.as_str().map_or_else(
            || if value.is_null() { String::new() } else { value.to_string() },
            str::to_owned,
        );
        // What a spreadsheet would take for a formula is text.
        let text = match text.starts_with(['=', '+', '-', '@']) {
            true => format!("'{text}"),
            false => text,
        };
        format!("\"{}\"", text.replace('"', "\"\""))
    };
    let line =
        |row: &Value| NAMES.map(|name| cell(row.get(name).unwrap_or(&Value::Null))).join(",");
    let lines: Vec<String> = [NAMES.join(",")].into_iter().chain(rows.iter().map(line)).collect();
    lines.join("\r\n")
}

fn markdown(rows: &[Value]) -> String {
    let line = |row: &Value| {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let mark = if text("status") == DONE { "x" } else { " " };
        format!("- [{mark}] {} ({})", crate::model::foreign::inline(text("title")), text("status"))
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[allow(clippy::unused_async, reason = "a call is async")]
async fn statuses(_: Asking<'_>, arguments: Arguments) -> Result<Told, CallError> {
    let ((), ignored) = finish(arguments, ())?;
    Ok(envelope(json!(STATES), STATES.join(", "), &[], ignored))
}
