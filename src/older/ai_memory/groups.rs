use serde_json::{Value, json};

use super::memories::{CATEGORY, PRIORITY, PROJECT};
use super::tasks::call;
use super::{DEFAULT_LIMIT, ENVELOPE, ID, LIMIT, all, envelope, items, of_kind, one, read};
use crate::actors::CallError;
use crate::engine::{
    Add, Arguments, Change, Delete, Draft, Field, Filter, ListProjects, ListTags, Shape, Update,
};
use crate::model::foreign::shortened;
use crate::model::{Category, Kind, Memory, Metadata, Priority, Project, Title};
use crate::older::{Asking, Effect, OlderCall, Told, finish};

static CREATE_PROJECT: OlderCall = call!(
    "create_project",
    "Create project",
    "Make a project, with what it is about.",
    Adds,
    [NAME, DESCRIPTION],
    create_project
);
static LIST_PROJECTS: OlderCall =
    call!("list_projects", "List projects", "List the projects.", Reads, [], list_projects);
static DELETE_PROJECT: OlderCall = call!(
    "delete_project",
    "Delete project",
    "Delete what is said of a project; what belongs to it stays.",
    Destroys,
    [NAME],
    delete_project
);
static CREATE_CATEGORY: OlderCall = call!(
    "create_category",
    "Create category",
    "Make a category, with what it is for.",
    Adds,
    [NAME, DESCRIPTION],
    create_category
);
static LIST_CATEGORIES: OlderCall =
    call!("list_categories", "List categories", "List the categories.", Reads, [], list_categories);
static DELETE_CATEGORY: OlderCall = call!(
    "delete_category",
    "Delete category",
    "Delete what is said of a category; what bears it stays.",
    Destroys,
    [NAME],
    delete_category
);
static LIST_TAGS: OlderCall = call!(
    "list_tags",
    "List tags",
    "List the tags in use, the most used first.",
    Reads,
    [],
    list_tags
);
static CREATE_INSTRUCTION: OlderCall = call!(
    "create_ai_instruction",
    "Create AI instruction",
    "Store something that assistants are to follow: everywhere, in a project, or for a category.",
    Adds,
    [TITLE, CONTENT, SCOPE, PROJECT, CATEGORY, PRIORITY],
    create_instruction
);
static LIST_INSTRUCTIONS: OlderCall = call!(
    "list_ai_instructions",
    "List AI instructions",
    "List what assistants are to follow.",
    Reads,
    [SCOPE, PROJECT, CATEGORY, LIMIT],
    list_instructions
);
static GET_INSTRUCTION: OlderCall = call!(
    "get_ai_instruction",
    "Get AI instruction",
    "Read one instruction.",
    Reads,
    [ID],
    get_instruction
);
static UPDATE_INSTRUCTION: OlderCall = call!(
    "update_ai_instruction",
    "Update AI instruction",
    "Change an instruction.",
    Changes,
    [ID, NEW_TITLE, NEW_CONTENT, PRIORITY],
    update_instruction
);
static DELETE_INSTRUCTION: OlderCall = call!(
    "delete_ai_instruction",
    "Delete AI instruction",
    "Delete an instruction; it can be restored for a while.",
    Destroys,
    [ID],
    delete_instruction
);

pub(super) static CALLS: [&OlderCall; 12] = [
    &CREATE_PROJECT,
    &LIST_PROJECTS,
    &DELETE_PROJECT,
    &CREATE_CATEGORY,
    &LIST_CATEGORIES,
    &DELETE_CATEGORY,
    &LIST_TAGS,
    &CREATE_INSTRUCTION,
    &LIST_INSTRUCTIONS,
    &GET_INSTRUCTION,
    &UPDATE_INSTRUCTION,
    &DELETE_INSTRUCTION,
];

const NAME: Field = Field::required("name", Shape::Name, "");
const DESCRIPTION: Field = Field::new("description", Shape::Text, "");
const TITLE: Field = Field::required("title", Shape::Name, "");
const NEW_TITLE: Field = Field::new("title", Shape::Name, "");
const CONTENT: Field = Field::required("content", Shape::Text, "");
const NEW_CONTENT: Field = Field::new("content", Shape::Text, "");
const SCOPE: Field = Field::new("scope", Shape::Word(&["global", "project", "category"]), "");

const PROJECT_KIND: &str = "project";
const CATEGORY_KIND: &str = "category";
pub(super) const INSTRUCTION: &str = "instruction";
const MOST: usize = 1_000;

/// Makes a group of some kind, or says more of the one that is there.
async fn create(
    asking: &Asking<'_>,
    mut arguments: Arguments,
    kind: &str,
) -> Result<Told, CallError> {
    let name: Title = match arguments.take(&NAME) {
        Some(name) => name,
        None => {
            arguments.refuse_missing(&NAME, "is required");
            return finish(arguments, ()).map(|_| Told::default());
        }
    };
    let description: Option<String> = arguments.take(&DESCRIPTION);
    let ((), ignored) = finish(arguments, ())?;
    let content = description.filter(|text| !text.trim().is_empty());
    let content = content.unwrap_or_else(|| name.as_str().to_owned());
    let memory = match described(asking, kind, name.as_str()).await? {
        Some(there) => {
            let update = Update { content: Some(content), ..Update::of(there.id) };
            asking.ask(update).await?.memory.memory
        }
        None => {
            let project = Project::parse(name.as_str()).ok().filter(|_| kind == PROJECT_KIND);
            let draft = Draft {
                title: Change::Set(name.clone()),
                kind: Kind::parse(kind).map_or(Change::Keep, Change::Set),
                project: project.map_or(Change::Keep, Change::Set),
                metadata: Change::Set(Metadata::from_iter([("name".to_owned(), json!(name))])),
                ..Draft::default()
            };
            asking.ask(Add { content, draft, ..Add::default() }).await?.memory.memory
        }
    };
    let mut data = one(asking, &memory).await?;
    if let Some(data) = data.as_object_mut() {
        data.insert("name".to_owned(), json!(name));
        data.insert("description".to_owned(), memory.content.clone().into());
    }
    Ok(envelope(data, format!("{kind} {}", memory.id), &[], ignored))
}

/// What is said of a group, if anything is.
pub(super) async fn described(
    asking: &Asking<'_>,
    kind: &str,
    name: &str,
) -> Result<Option<Memory>, CallError> {
    let is_it = |memory: &Memory| {
        memory.title.as_ref().is_some_and(|title| title.as_str().eq_ignore_ascii_case(name))
    };
    Ok(all(asking, of_kind(kind), is_it, 1).await?.pop())
}

async fn delete(
    asking: &Asking<'_>,
    mut arguments: Arguments,
    kind: &str,
) -> Result<Told, CallError> {
    let name: String = arguments.require(&NAME);
    let ((), ignored) = finish(arguments, ())?;
    let deleted = match described(asking, kind, &name).await? {
        Some(there) => asking.ask(Delete::one(there.id)).await?.deleted,
        None => 0,
    };
    let data = json!({ "name": shortened(&name), "deleted": deleted > 0 });
    Ok(envelope(data, format!("{deleted} deleted"), &[], ignored))
}

/// Groups that are used, with what is said of each, and those of which something is said.
async fn groups(
    asking: &Asking<'_>,
    kind: &str,
    used: Vec<(String, usize)>,
) -> Result<Vec<Value>, CallError> {
    let said = all(asking, of_kind(kind), |_| true, MOST).await?;
    let name_of = |memory: &Memory| memory.title.as_ref().map(Title::to_string).unwrap_or_default();
    let about = |name: &str| said.iter().find(|memory| name_of(memory).eq_ignore_ascii_case(name));
    let mut told: Vec<Value> = used
        .iter()
        .map(|(name, count)| {
            let about = about(name).map(|memory| &memory.content);
            json!({ "name": name, "description": about, "count": count })
        })
        .collect();
    let is_used = |name: &str| used.iter().any(|(used, _)| used.eq_ignore_ascii_case(name));
    for memory in said.iter().filter(|memory| !is_used(&name_of(memory))) {
        told.push(json!({ "name": name_of(memory), "description": memory.content, "count": 0 }));
    }
    Ok(told)
}

async fn create_project(asking: Asking<'_>, arguments: Arguments) -> Result<Told, CallError> {
    create(&asking, arguments, PROJECT_KIND).await
}

async fn create_category(asking: Asking<'_>, arguments: Arguments) -> Result<Told, CallError> {
    create(&asking, arguments, CATEGORY_KIND).await
}

async fn delete_project(asking: Asking<'_>, arguments: Arguments) -> Result<Told, CallError> {
    delete(&asking, arguments, PROJECT_KIND).await
}

async fn delete_category(asking: Asking<'_>, arguments: Arguments) -> Result<Told, CallError> {
    delete(&asking, arguments, CATEGORY_KIND).await
}

async fn list_projects(asking: Asking<'_>, arguments: Arguments) -> Result<Told, CallError> {
    let ((), ignored) = finish(arguments, ())?;
    let used = asking.ask(ListProjects).await?;
    let used = used.projects.into_iter().map(|one| (one.name, one.count)).collect();
    let data = groups(&asking, PROJECT_KIND, used).await?;
    Ok(envelope(json!(data), format!("{} projects", data.len()), &[], ignored))
}

async fn list_categories(asking: Asking<'_>, arguments: Arguments) -> Result<Told, CallError> {
    let ((), ignored) = finish(arguments, ())?;
    let mut used: Vec<(String, usize)> = Vec::new();
    for memory in all(&asking, Filter::default(), |memory| memory.category.is_some(), MOST).await? {
        let name = memory.category.as_ref().map(Category::to_string).unwrap_or_default();
        match used.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => used.push((name, 1)),
        }
    }
    let data = groups(&asking, CATEGORY_KIND, used).await?;
    Ok(envelope(json!(data), format!("{} categories", data.len()), &[], ignored))
}

async fn list_tags(asking: Asking<'_>, arguments: Arguments) -> Result<Told, CallError> {
    let ((), ignored) = finish(arguments, ())?;
    let tags = asking.ask(ListTags).await?.tags;
    Ok(envelope(json!(tags), format!("{} tags", tags.len()), &[], ignored))
}

async fn create_instruction(
    asking: Asking<'_>,
    mut arguments: Arguments,
) -> Result<Told, CallError> {
    let title: Option<Title> = arguments.take(&TITLE);
    if title.is_none() {
        arguments.refuse_missing(&TITLE, "is required");
    }
    let content: String = arguments.require(&CONTENT);
    let scope: String = arguments.take(&SCOPE).unwrap_or_else(|| "global".to_owned());
    let project: Option<Project> = arguments.take(&PROJECT);
    let category: Option<Category> = arguments.take(&CATEGORY);
    let priority: Option<Priority> = arguments.take(&PRIORITY);
    if scope == "project" && project.is_none() {
        arguments.refuse_missing(&PROJECT, "is required with this scope");
    }
    if scope == "category" && category.is_none() {
        arguments.refuse_missing(&CATEGORY, "is required with this scope");
    }
    let ((), ignored) = finish(arguments, ())?;
    let draft = Draft {
        title: title.map_or(Change::Keep, Change::Set),
        kind: Kind::parse(INSTRUCTION).map_or(Change::Keep, Change::Set),
        project: project.filter(|_| scope != "global").map_or(Change::Keep, Change::Set),
        category: category.filter(|_| scope == "category").map_or(Change::Keep, Change::Set),
        priority: priority.map_or(Change::Keep, Change::Set),
        ..Draft::default()
    };
    let added = asking.ask(Add { content, draft, ..Add::default() }).await?;
    let data = instruction(&asking, &added.memory.memory).await?;
    Ok(envelope(data, format!("Instruction created: {}", added.id), &[], ignored))
}

/// Where an instruction holds.
pub(super) fn scope_of(memory: &Memory) -> &'static str {
    match (&memory.category, &memory.project) {
        (Some(_), _) => "category",
        (None, Some(_)) => "project",
        (None, None) => "global",
    }
}

async fn instruction(asking: &Asking<'_>, memory: &Memory) -> Result<Value, CallError> {
    let mut data = one(asking, memory).await?;
    if let Some(data) = data.as_object_mut() {
        data.insert("scope".to_owned(), scope_of(memory).into());
    }
    Ok(data)
}

async fn list_instructions(
    asking: Asking<'_>,
    mut arguments: Arguments,
) -> Result<Told, CallError> {
    let scope: Option<String> = arguments.take(&SCOPE);
    let filter = super::memories::take_filter(&mut arguments);
    let limit = arguments.take(&LIMIT).unwrap_or(DEFAULT_LIMIT);
    let ((), ignored) = finish(arguments, ())?;
    let filter = Filter { kinds: of_kind(INSTRUCTION).kinds, ..filter };
    let is_meant = |memory: &Memory| scope.as_ref().is_none_or(|scope| scope_of(memory) == scope);
    let found = all(&asking, filter, is_meant, limit).await?;
    let mut data = items(&asking, &found).await?;
    for (told, memory) in data.iter_mut().zip(&found) {
        if let Some(told) = told.as_object_mut() {
            told.insert("scope".to_owned(), scope_of(memory).into());
        }
    }
    Ok(envelope(json!(data), format!("{} instructions", data.len()), &found, ignored))
}

async fn get_instruction(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let id: String = arguments.require(&ID);
    let ((), ignored) = finish(arguments, ())?;
    let memory = read(&asking, &id, Some(INSTRUCTION)).await?;
    let data = instruction(&asking, &memory).await?;
    Ok(envelope(data, format!("Instruction {}", memory.id), &[memory], ignored))
}

async fn update_instruction(
    asking: Asking<'_>,
    mut arguments: Arguments,
) -> Result<Told, CallError> {
    let id: String = arguments.require(&ID);
    let title: Option<Title> = arguments.take(&NEW_TITLE);
    let content: Option<String> = arguments.take(&NEW_CONTENT);
    let priority: Option<Priority> = arguments.take(&PRIORITY);
    let ((), ignored) = finish(arguments, ())?;
    let id = read(&asking, &id, Some(INSTRUCTION)).await?.id;
    let draft = Draft {
        title: title.map_or(Change::Keep, Change::Set),
        priority: priority.map_or(Change::Keep, Change::Set),
        ..Draft::default()
    };
    let content = content.filter(|content| !content.trim().is_empty());
    let updated = asking.ask(Update { content, draft, ..Update::of(id) }).await?;
    let data = instruction(&asking, &updated.memory.memory).await?;
    Ok(envelope(data, format!("Instruction updated: {id}"), &[], ignored))
}

async fn delete_instruction(
    asking: Asking<'_>,
    mut arguments: Arguments,
) -> Result<Told, CallError> {
    let id: String = arguments.require(&ID);
    let ((), ignored) = finish(arguments, ())?;
    let id = read(&asking, &id, Some(INSTRUCTION)).await?.id;
    asking.ask(Delete::one(id)).await?;
    Ok(envelope(json!({ "id": id }), format!("Instruction deleted: {id}"), &[], ignored))
}
