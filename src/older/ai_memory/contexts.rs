use serde_json::{Value, json};

use super::groups::{INSTRUCTION, described, scope_of};
use super::tasks::{OPEN, TASK, call, due, status, tasks};
use super::{ENVELOPE, ID, LIMIT, all, envelope, found, items, of_kind, one, read};
use crate::actors::CallError;
use crate::engine::{Arguments, Field, Filter, QueryText, Shape};
use crate::model::few;
use crate::model::{Memory, folded};
use crate::older::{Asking, Effect, OlderCall, Told, finish};

static PROJECT_CONTEXT: OlderCall = call!(
    "get_project_context",
    "Project context",
    "What to know of a project: what it is about, its tasks, its memories and instructions.",
    Reads,
    [PROJECT, COMPLETED],
    project_context
);
static TASK_CONTEXT: OlderCall = call!(
    "get_task_context",
    "Task context",
    "What to know for a task: the task, its project, and what is remembered of the matter.",
    Reads,
    [ID],
    task_context
);
static MEMORY_CONTEXT: OlderCall = call!(
    "get_memory_context",
    "Memory context",
    "A memory with what speaks of the same.",
    Reads,
    [ID],
    memory_context
);
static WORK_PRIORITIES: OlderCall = call!(
    "get_work_priorities",
    "Work priorities",
    "The open tasks in the order in which to do them: overdue, then by priority, then by when they are due.",
    Reads,
    [ANY_PROJECT, LIMIT],
    work_priorities
);

pub(super) static CALLS: [&OlderCall; 4] =
    [&PROJECT_CONTEXT, &TASK_CONTEXT, &MEMORY_CONTEXT, &WORK_PRIORITIES];

const PROJECT: Field = Field::required("project", Shape::Name, "");
const ANY_PROJECT: Field = Field::new("project", Shape::Name, "");
const COMPLETED: Field = Field::new("include_completed", Shape::Flag, "Also tasks that are done");

const MOST_TASKS: usize = 1_000;
const MEMORIES: usize = 20;
const RELATED: usize = 10;
const DEFAULT_TASKS: usize = 10;

/// The instructions that hold in a project, or for a category.
async fn instructions(
    asking: &Asking<'_>,
    project: Option<&str>,
    category: Option<&str>,
) -> Result<Vec<Memory>, CallError> {
    let is_same = |own: Option<&str>, wanted: Option<&str>| match (own, wanted) {
        (Some(own), Some(wanted)) => folded(own) == folded(wanted),
        _ => false,
    };
    let holds = |memory: &Memory| match scope_of(memory) {
        "project" => is_same(memory.project.as_ref().map(|own| own.as_str()), project),
        "category" => is_same(memory.category.as_ref().map(|own| own.as_str()), category),
        _ => !memory.provisional,
    };
    all(asking, of_kind(INSTRUCTION), holds, MEMORIES).await
}

async fn project_context(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let project: String = arguments.require(&PROJECT);
    let with_done = arguments.take(&COMPLETED).unwrap_or(false);
    let ((), ignored) = finish(arguments, ())?;
    let within = || Filter { project: Some(project.clone()), ..Filter::default() };
    let is_wanted = |task: &Memory| with_done || OPEN.contains(&status(task).as_str());
    let tasks = tasks(&asking, within(), is_wanted, MOST_TASKS).await?;
    let is_memory = |memory: &Memory| {
        ![TASK, INSTRUCTION, "project"].contains(&memory.kind.as_str()) && !memory.provisional
    };
    let memories = all(&asking, within(), is_memory, MEMORIES).await?;
    let orders = instructions(&asking, Some(&project), None).await?;
    let about = described(&asking, "project", &project).await?;
    let data = json!({
        "project": { "name": project, "description": about.map(|memory| memory.content) },
        "tasks": items(&asking, &tasks).await?,
        "memories": items(&asking, &memories).await?,
        "instructions": items(&asking, &orders).await?,
    });
    let message = format!("{} tasks, {} memories", tasks.len(), memories.len());
    let shown = [orders, tasks, memories].concat();
    Ok(envelope(data, message, &shown, ignored))
}

async fn task_context(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let id: String = arguments.require(&ID);
    let ((), ignored) = finish(arguments, ())?;
    let task = read(&asking, &id, Some(TASK)).await?;
    let memories = related(&asking, &task).await?;
    let project = task.project.as_ref().map(|project| project.as_str());
    let category = task.category.as_ref().map(|category| category.as_str());
    let orders = instructions(&asking, project, category).await?;
    let data = json!({
        "task": one(&asking, &task).await?,
        "related_memories": items(&asking, &memories).await?,
        "instructions": items(&asking, &orders).await?,
    });
    let shown = [vec![task], orders, memories].concat();
    Ok(envelope(data, "What to know for the task".to_owned(), &shown, ignored))
}

async fn memory_context(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let id: String = arguments.require(&ID);
    let ((), ignored) = finish(arguments, ())?;
    let memory = read(&asking, &id, None).await?;
    let others = related(&asking, &memory).await?;
    let (tasks, memories): (Vec<Memory>, Vec<Memory>) =
        others.into_iter().partition(|other| other.kind.as_str() == TASK);
    let data = json!({
        "memory": one(&asking, &memory).await?,
        "related_memories": items(&asking, &memories).await?,
        "related_tasks": items(&asking, &tasks).await?,
    });
    let shown = [vec![memory], memories, tasks].concat();
    Ok(envelope(data, "What speaks of the same".to_owned(), &shown, ignored))
}

/// What speaks of the same as a memory, and was not only claimed by a stranger.
async fn related(asking: &Asking<'_>, memory: &Memory) -> Result<Vec<Memory>, CallError> {
    let text: String = memory.content.chars().take(1_000).collect();
    let filter = Filter { only_confirmed: true, ..Filter::default() };
    let mut found = found(asking, &QueryText::beginning_of(&text), filter, RELATED + 1).await?;
    found.retain(|other| other.id != memory.id && other.kind.as_str() != INSTRUCTION);
    found.truncate(RELATED);
    Ok(found)
}

async fn work_priorities(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let project: Option<String> = arguments.take(&ANY_PROJECT);
    let limit = arguments.take(&LIMIT).unwrap_or(DEFAULT_TASKS);
    let ((), ignored) = finish(arguments, ())?;
    let filter = Filter { project, ..Filter::default() };
    let is_open = |task: &Memory| OPEN.contains(&status(task).as_str());
    let mut open = tasks(&asking, filter, is_open, MOST_TASKS).await?;
    let now = asking.now();
    few::sort_by_key(&mut open, |task| {
        let end = due(task);
        let is_overdue = end.is_some_and(|end| end < now);
        let end = end.map_or(i64::MAX, |end| end.0);
        (!is_overdue, std::cmp::Reverse(task.priority), end, task.id)
    });
    open.truncate(limit);
    let mut data = items(&asking, &open).await?;
    for (told, task) in data.iter_mut().zip(&open) {
        if let Some(told) = told.as_object_mut() {
            told.insert("overdue".to_owned(), Value::Bool(due(task).is_some_and(|end| end < now)));
        }
    }
    Ok(envelope(json!(data), format!("{} open tasks", data.len()), &open, ignored))
}
