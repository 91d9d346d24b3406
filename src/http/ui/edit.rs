//! Writing and changing a memory. What somebody has typed is never lost: what is wrong is told beside it,
//! and what somebody else has written meanwhile is shown next to it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use serde_json::{Map, Value};

use super::csrf;
use super::form::{FormBody, text_of};
use super::memory::{MEMORY, id_of, place_of};
use super::page::{Page, respond, see_other};
use super::sessions::{BrowserSession, BrowserSessions};
use super::text::PageText;
use crate::actors::{CallError, Sessions};
use crate::engine::{Add, AddStatus, Arguments, EngineError, Look, Spoken, Update};
use crate::error::Error;
use crate::http::ask::query;
use crate::model::Memory;

#[derive(Template)]
#[template(path = "ui/edit.html")]
struct EditPage {
    page: Page,
    /// Where the form goes.
    action: String,
    /// The memory that is changed; empty for a new one.
    id: String,
    typed: Typed,
    problem: PageText,
    /// What the memory says by now, if somebody else has changed it.
    theirs: PageText,
    /// Whether it waits for somebody who confirms it.
    is_provisional: bool,
    csrf: String,
    limit: usize,
}

/// What stands in the fields, as it was typed.
#[derive(Default)]
struct Typed {
    content: String,
    title: String,
    tags: String,
    project: String,
    kind: String,
    category: String,
    priority: String,
    is_pinned: bool,
    /// Whether whoever saves it stands for it.
    is_confirmed: bool,
    /// The version that was looked at.
    version: String,
}

/// Those of the fields that a memory can do without.
const CLEARABLE: [&str; 4] = ["title", "tags", "project", "category"];
const SAID: [&str; 6] = ["title", "tags", "project", "kind", "category", "priority"];

/// The form for a new memory.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn new_form(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let asked = query(&request, |_| false)?;
    let (kind, project) = (text_of(&asked, "kind"), text_of(&asked, "project"));
    let typed = Typed { kind, project, ..Typed::default() };
    Ok(EditPage::new(&request, &session, &sessions, typed).respond(StatusCode::OK))
}

/// Stores a new memory.
pub(in crate::http) async fn create(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    let typed = Typed::of(&form);
    let added = match csrf::check(&request, &session, MEMORY, form.csrf()) {
        Ok(()) => add(&sessions, &session, &typed).await,
        Err(refused) => Err(refused),
    };
    match added {
        Ok(added) => {
            let text = match added.status {
                AddStatus::Duplicate => "The same text was there already: this is it.",
                AddStatus::Created | AddStatus::Superseded => "Stored.",
            };
            browsers.leave_note(&session, text.to_owned(), Some(added.id));
            Ok(see_other(&place_of(added.id)))
        }
        Err(refused) => {
            let page = EditPage::new(&request, &session, &sessions, typed);
            Ok(page.telling(&refused))
        }
    }
}

/// The form for a memory that is there.
pub(in crate::http) async fn edit_form(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let look = Look { id: id_of(&request)? };
    let memory = sessions.ask(&session.caller, look).await?.memory.memory;
    let typed = Typed::of_memory(&memory);
    let page = EditPage::new(&request, &session, &sessions, typed);
    Ok(page.about(&memory).respond(StatusCode::OK))
}

/// Changes a memory, unless somebody else has changed it meanwhile.
pub(in crate::http) async fn save(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    let id = id_of(&request)?;
    let mut typed = Typed::of(&form);
    let memory = sessions.ask(&session.caller, Look { id }).await?.memory.memory;
    // Browsers end every line with two characters. What had one keeps one.
    if !memory.content.contains('\r') {
        typed.content = typed.content.replace("\r\n", "\n");
    }
    let saved = match csrf::check(&request, &session, MEMORY, form.csrf()) {
        Ok(()) => change(&sessions, &session, &memory, &typed).await,
        Err(refused) => Err(refused),
    };
    let Err(refused) = saved else {
        browsers.leave_note(&session, "Saved.".to_owned(), Some(id));
        return Ok(see_other(&place_of(id)));
    };
    let is_conflict =
        matches!(refused, Error::Call(CallError::Refused(EngineError::Conflict { .. })));
    let mut page = EditPage::new(&request, &session, &sessions, typed).about(&memory);
    if is_conflict {
        page.theirs = PageText::of(&memory.content);
        // Who has seen both and saves again means it.
        page.typed.version = memory.version.to_string();
    }
    Ok(page.telling(&refused))
}

async fn add(
    sessions: &Sessions,
    session: &BrowserSession,
    typed: &Typed,
) -> Result<crate::engine::Added, Error> {
    let mut said = typed.said();
    said.insert("content".to_owned(), typed.content.replace("\r\n", "\n").into());
    let verb = Add::parse(Arguments::new(said))?.verb;
    Ok(sessions.ask(&session.caller, verb).await?)
}

async fn change(
    sessions: &Sessions,
    session: &BrowserSession,
    memory: &Memory,
    typed: &Typed,
) -> Result<(), Error> {
    let mut said = typed.said();
    said.insert("id".to_owned(), memory.id.to_string().into());
    said.insert("content".to_owned(), typed.content.clone().into());
    if typed.is_confirmed {
        said.insert("confirm".to_owned(), true.into());
    }
    if !typed.version.is_empty() {
        said.insert("if_version".to_owned(), typed.version.clone().into());
    }
    let empty = CLEARABLE.into_iter().filter(|name| !said.contains_key(*name));
    let empty: Vec<Value> = empty.map(Value::from).collect();
    if !empty.is_empty() {
        said.insert("clear".to_owned(), Value::Array(empty));
    }
    let verb = Update::parse(Arguments::new(said))?.verb;
    sessions.ask(&session.caller, verb).await?;
    Ok(())
}

impl Typed {
    fn of(form: &FormBody) -> Self {
        let text = |name: &str| form.get(name).trim().to_owned();
        Self {
            content: form.get("content").to_owned(),
            title: text("title"),
            tags: text("tags"),
            project: text("project"),
            kind: text("kind"),
            category: text("category"),
            priority: text("priority"),
            is_pinned: form.get("pinned") == "true",
            is_confirmed: form.get("confirm") == "true",
            version: text("version"),
        }
    }

    fn of_memory(memory: &Memory) -> Self {
        let tags: Vec<&str> = memory.tags.as_slice().iter().map(|tag| tag.as_str()).collect();
        Self {
            content: memory.content.clone(),
            title: memory.title.as_ref().map(|title| title.to_string()).unwrap_or_default(),
            tags: tags.join(", "),
            project: memory.project.as_ref().map(|name| name.to_string()).unwrap_or_default(),
            kind: memory.kind.to_string(),
            category: memory.category.as_ref().map(|name| name.to_string()).unwrap_or_default(),
            priority: memory.priority.get().to_string(),
            is_pinned: memory.pinned,
            is_confirmed: false,
            version: memory.version.to_string(),
        }
    }

    /// What is said besides the text, as the arguments of a verb.
    fn said(&self) -> Map<String, Value> {
        let texts =
            [&self.title, &self.tags, &self.project, &self.kind, &self.category, &self.priority];
        let said = SAID.into_iter().zip(texts).filter(|(_, text)| !text.is_empty());
        let mut said: Map<String, Value> =
            said.map(|(name, text)| (name.to_owned(), Value::from(text.as_str()))).collect();
        said.insert("pinned".to_owned(), self.is_pinned.into());
        said
    }
}

impl EditPage {
    fn new(
        request: &HttpRequest,
        session: &BrowserSession,
        sessions: &Sessions,
        typed: Typed,
    ) -> Self {
        Self {
            page: Page::of(request, Some(session), "New memory"),
            action: "/ui/new".to_owned(),
            id: String::new(),
            typed,
            problem: PageText::default(),
            theirs: PageText::default(),
            is_provisional: false,
            csrf: session.csrf(MEMORY),
            limit: sessions.content_limit(),
        }
    }

    /// The same for a memory that is there.
    fn about(mut self, memory: &Memory) -> Self {
        self.page.title = "Edit a memory".to_owned();
        self.id = memory.id.to_string();
        self.is_provisional = memory.provisional;
        self.action = format!("/ui/memories/{}/edit", memory.id);
        self
    }

    fn telling(mut self, refused: &Error) -> HttpResponse {
        refused.log();
        self.problem = PageText::of(&refused.told());
        self.respond(refused.status_code())
    }

    fn respond(self, status: StatusCode) -> HttpResponse {
        respond(status, &self)
    }
}
