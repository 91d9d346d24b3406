//! One memory: what it says, where it came from, what it was before; and the forms that change it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::{Map, Value};

use super::bulk::{AT_ONCE, BULK};
use super::csrf;
use super::form::{FormBody, local_path, text_of};
use super::login::must_confirm;
use super::markdown::{FormattedText, Piece, formatted};
use super::page::{FRAME, Page, respond, see_other};
use super::sessions::{BrowserSession, BrowserSessions};
use super::text::{PageText, PageTime};
use super::versions::{VersionView, versions};
use super::view::{MemoryRow, beginning};
use crate::actors::Sessions;
use crate::engine::{
    Arguments, Delete, DeleteTarget, Detail, Draft, Entity, Filter, Got, History, Mode, QueryText,
    Search, Spoken, Undo, Undone, Update,
};
use crate::error::Error;
use crate::http::ask::query;
use crate::http::front::PathId;
use crate::model::percent::encoded_path;
use crate::model::{Memory, MemoryId, Scope, Status, Timestamp};

/// The purpose of the forms of a memory.
pub(super) const MEMORY: &str = "memory";
/// Tokens of earlier versions that a page shows; some 200 KB would be more than anybody reads.
const HISTORY_TOKENS: usize = 20_000;
/// How the text may be shown besides.
const VIEW: &str = "view";
const FORMATTED: &str = "formatted";
/// How many neighbors are named.
const NEIGHBORS: usize = 5;

#[derive(Template)]
#[template(path = "ui/memory.html")]
struct MemoryPage {
    page: Page,
    row: MemoryRow,
    /// As it is stored.
    text: PageText,
    /// As Markdown, if that was asked for.
    is_formatted: bool,
    formatted: FormattedText,
    facts: Vec<Fact>,
    /// Where else its credential was at work, and what lies around it; empty if there is no such page.
    work: String,
    graph: String,
    metadata: PageText,
    supersedes: String,
    superseded_by: String,
    versions: Vec<VersionView>,
    older: usize,
    related: Vec<MemoryRow>,
    is_deleted: bool,
    is_provisional: bool,
    may_change: bool,
    is_fresh: bool,
    csrf: String,
    bulk_csrf: String,
}

/// One thing that is told of a memory: some words, or a moment.
struct Fact {
    name: &'static str,
    text: PageText,
    at: PageTime,
}

/// Shows a memory, whatever its state.
pub(in crate::http) async fn show(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let id = id_of(&request)?;
    let is_formatted = text_of(&query(&request, |_| false)?, VIEW) == FORMATTED;
    let history = History { id, max_tokens: Some(HISTORY_TOKENS) };
    let got = sessions.ask(&session.caller, history).await?;
    let related = neighbors(&sessions, &session, &got.memory.memory).await?;
    let memory = &got.memory.memory;
    let row = MemoryRow::of(memory);
    let title = if row.title.is_empty() { "Memory".to_owned() } else { row.title.to_string() };
    let is_instruction = memory.kind.is_instruction();
    let needed = if is_instruction { Scope::Instructions } else { Scope::Write };
    let page = MemoryPage {
        page: Page::of(&request, Some(&session), &title),
        text: PageText::of(&memory.content),
        is_formatted,
        formatted: if is_formatted { formatted(&memory.content) } else { FormattedText::default() },
        facts: facts(&got),
        work: work_of(memory),
        graph: graph_of(memory),
        metadata: metadata(memory),
        supersedes: memory.supersedes.map(|id| id.to_string()).unwrap_or_default(),
        superseded_by: memory.superseded_by.map(|id| id.to_string()).unwrap_or_default(),
        versions: versions(&got),
        older: got.older_versions,
        related,
        is_deleted: memory.status == Status::Deleted,
        is_provisional: memory.provisional,
        may_change: session.may(needed),
        is_fresh: session.is_fresh,
        csrf: session.csrf(MEMORY),
        bulk_csrf: session.csrf(BULK),
        row,
    };
    Ok(respond(StatusCode::OK, &page))
}

/// Makes a memory again what it was at a version, as a new version.
pub(in crate::http) async fn restore_version(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, MEMORY, form.csrf())?;
    let id = id_of(&request)?;
    let got = sessions.ask(&session.caller, History { id, max_tokens: None }).await?;
    let wanted = form.get("version").parse::<u32>().ok();
    let old = got.history.into_iter().find(|old| Some(old.version) == wanted);
    let old = old.ok_or(Error::UnknownMemory)?;
    let number = old.version;
    let verb =
        Update { content: Some(old.content.clone()), draft: Draft::of(old), ..Update::of(id) };
    sessions.ask(&session.caller, verb).await?;
    browsers.leave_note(&session, format!("It is again as in version {number}."), Some(id));
    Ok(see_other(&place_of(id)))
}

/// Erases a memory for good. Its id has to be typed, so that nobody does it by a slip.
pub(in crate::http) async fn purge(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, MEMORY, form.csrf())?;
    let id = id_of(&request)?;
    if let Some(first) = must_confirm(&session, &place_of(id)) {
        return Ok(first);
    }
    if MemoryId::parse(form.get("typed").trim()).ok() != Some(id) {
        let text = "Nothing was erased: what was typed is not the id of this memory.".to_owned();
        browsers.leave_note(&session, text, None);
        return Ok(see_other(&place_of(id)));
    }
    let target = DeleteTarget::One(id);
    let verb = Delete { target, dry_run: Some(false), purge: true, wait: false, expect: None };
    sessions.ask(&session.caller, verb).await?;
    browsers.leave_note(&session, "The memory is erased, with its history.".to_owned(), None);
    Ok(see_other("/ui/memories"))
}

/// Takes back the last change of a memory, or of those that were changed together.
pub(in crate::http) async fn undo(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, FRAME, form.csrf())?;
    let ids = form.all("id").filter_map(|id| MemoryId::parse(id).ok());
    let ids: Vec<MemoryId> = ids.take(AT_ONCE).collect();
    let (mut back, mut changed) = (0, 0);
    for id in &ids {
        let mut which = Map::new();
        which.insert("id".to_owned(), id.to_string().into());
        let undone = take_back(&sessions, &session, which, false).await?;
        back += undone.reverted.len();
        changed += undone.conflicts.len();
    }
    browsers.leave_note(&session, told_of_undo(back, changed), None);
    Ok(match ids.as_slice() {
        [id] => see_other(&place_of(*id)),
        _ => see_other(local_path(form.get("next"))),
    })
}

/// How many are as they were, and how many were changed again.
fn told_of_undo(back: usize, changed: usize) -> String {
    match (back, changed) {
        (0, 0) => "There was nothing to undo.".to_owned(),
        (0, 1) => "It was changed again since, and stays as it is.".to_owned(),
        (1, 0) => "Undone.".to_owned(),
        _ => format!(
            "{back} memories are as they were; {changed} were changed again since, and stay as they are."
        ),
    }
}

/// Takes back the changes that the arguments name, or only tells what that would do.
pub(super) async fn take_back(
    sessions: &Sessions,
    session: &BrowserSession,
    mut arguments: Map<String, Value>,
    is_tried: bool,
) -> Result<Undone, Error> {
    arguments.insert("dry_run".to_owned(), is_tried.into());
    let verb = Undo::parse(Arguments::new(arguments))?.verb;
    Ok(sessions.ask(&session.caller, verb).await?)
}

/// Where a memory is shown.
pub(super) fn place_of(id: MemoryId) -> String {
    format!("/ui/memories/{id}")
}

/// The memory that the path names.
pub(super) fn id_of(request: &HttpRequest) -> Result<MemoryId, Error> {
    Ok(PathId::of(request)?.ok_or(Error::UnknownMemory)?.0)
}

/// What is like it. Nobody is given anything by that.
async fn neighbors(
    sessions: &Sessions,
    session: &BrowserSession,
    memory: &Memory,
) -> Result<Vec<MemoryRow>, Error> {
    let verb = Search {
        query: QueryText::beginning_of(&beginning(&memory.content)),
        filter: Filter::default(),
        limit: NEIGHBORS + 1,
        min_score: 0.0,
        detail: Detail::Full,
        max_tokens: None,
        mode: Mode::Auto,
        cursor: None,
        vector: None,
        is_replay: true,
    };
    if verb.query.is_empty() {
        return Ok(Vec::new());
    }
    let found = sessions.ask(&session.caller, verb).await?;
    let others = found.results.iter().filter(|hit| hit.memory.id() != memory.id);
    Ok(others.take(NEIGHBORS).filter_map(|hit| MemoryRow::of_shown(&hit.memory)).collect())
}

fn facts(got: &Got) -> Vec<Fact> {
    let memory = &got.memory.memory;
    let source = &memory.source;
    let all = [
        Fact::text("Id", Some(memory.id.to_string())),
        Fact::text("Version", Some(memory.version.to_string())),
        Fact::at("Created", Some(memory.created_at)),
        Fact::at("Changed", Some(memory.updated_at)),
        Fact::text("Took place", memory.event_at.map(|at| at.to_string())),
        Fact::at("Forgotten at", memory.expires_at),
        Fact::text("Category", memory.category.as_ref().map(ToString::to_string)),
        Fact::text("Priority", Some(memory.priority.get().to_string())),
        Fact::text("Client", source.client.clone()),
        Fact::text("Credential", source.credential.clone()),
        Fact::text("Session", source.session.clone()),
        Fact::text("Came through", source.interface.clone()),
        Fact::text("Given out", Some(format!("{} times", got.memory.access_count))),
        Fact::at("Last given out", got.memory.last_accessed_at),
    ];
    all.into_iter().filter(|fact| !fact.text.is_empty() || !fact.at.is_empty()).collect()
}

impl Fact {
    fn text(name: &'static str, text: Option<String>) -> Self {
        Self { name, text: PageText::of(&text.unwrap_or_default()), at: PageTime::default() }
    }

    fn at(name: &'static str, at: Option<Timestamp>) -> Self {
        Self { name, text: PageText::default(), at: PageTime::of_any(at) }
    }
}

/// Where else the credential was at work; empty if it is not known.
fn work_of(memory: &Memory) -> String {
    let credential = memory.source.credential.as_deref().map(encoded_path);
    credential.map(|name| format!("/ui/activity/undo?credential={name}")).unwrap_or_default()
}

/// Where the neighborhood of an entity of the knowledge graph is drawn; empty if it is none.
fn graph_of(memory: &Memory) -> String {
    let name = Entity::name_in(memory);
    name.map(|name| format!("/ui/graph?name={}", encoded_path(&name))).unwrap_or_default()
}

fn metadata(memory: &Memory) -> PageText {
    if memory.metadata.is_empty() {
        return PageText::default();
    }
    // A map of JSON always is JSON.
    PageText::of(&serde_json::to_string_pretty(&memory.metadata).unwrap_or_default())
}
