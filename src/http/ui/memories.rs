//! Lists of memories: all of them, those in the trash, those to review, the instructions.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::{Map, Value};

use super::csrf;
use super::form::{FormBody, encoded, local_path};
use super::page::{Page, respond, see_other};
use super::sessions::{BrowserSession, BrowserSessions};
use super::view::{MemoryRow, counted_of};
use crate::actors::Sessions;
use crate::engine::{
    Arguments, Delete, DeleteTarget, History, List, Order, Restore, Shown, Spoken, Update,
};
use crate::error::Error;
use crate::http::ask::query;
use crate::model::{MemoryId, Scope, Status, folded};

/// Rows of a page.
const ROWS: usize = 50;
/// Memories that are read at a time, and in all, to find those that nobody was given.
const PART: usize = 100;
const MOST_LOOKED_AT: usize = 5_000;
/// The purpose of the form around a list.
const BULK: &str = "bulk";

/// What a page of a list may be asked, by the names of the verb.
const FILTERS: [&str; 12] = [
    "tags", "kind", "project", "category", "status", "since", "until", "pinned", "priority",
    "sort", "order", "cursor",
];

/// One of the lists.
struct Preset {
    title: &'static str,
    /// What the page offers: `list`, `trash`, `inbox` or `instructions`.
    mode: &'static str,
    path: &'static str,
    /// Why there may be nothing.
    empty: &'static str,
    narrow: fn(&mut List),
}

const ALL: Preset = Preset {
    title: "Memories",
    mode: "list",
    path: "/ui/memories",
    empty: "Nothing fits these filters. Without any, everything that is in sight is shown.",
    narrow: |_| {},
};

const TRASH: Preset = Preset {
    title: "Trash",
    mode: "trash",
    path: "/ui/trash",
    empty: "Nothing is in the trash. What is deleted lies here for as long as storage.undo_days says.",
    narrow: |list| list.filter.statuses = vec![Status::Deleted],
};

const INBOX: Preset = Preset {
    title: "Review",
    mode: "inbox",
    path: "/ui/inbox",
    empty: "Nothing waits for you. What guests and imports bring is shown here until somebody confirms it.",
    narrow: |list| list.filter.only_provisional = true,
};

const INSTRUCTIONS: Preset = Preset {
    title: "Instructions",
    mode: "instructions",
    path: "/ui/instructions",
    empty: "There is no instruction. Only these are shown to assistants as something to obey.",
    narrow: |list| list.filter.kinds = vec!["instruction".to_owned()],
};

#[derive(Template)]
#[template(path = "ui/memories.html")]
struct ListPage {
    page: Page,
    mode: &'static str,
    path: &'static str,
    rows: Vec<MemoryRow>,
    total: String,
    empty: &'static str,
    /// The page after this one; empty at the end.
    next: String,
    /// Where one is, to come back to.
    here: String,
    csrf: String,
    chosen: FilterView,
    may_instruct: bool,
}

/// What the filters of a page say, as they were typed.
#[derive(Default)]
struct FilterView {
    project: String,
    kind: String,
    tags: String,
    status: String,
    since: String,
    until: String,
    sort: String,
    is_pinned: bool,
    is_set: bool,
}

pub(in crate::http) async fn list(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    show(&request, &session, &sessions, &ALL).await
}

pub(in crate::http) async fn trash(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    show(&request, &session, &sessions, &TRASH).await
}

pub(in crate::http) async fn inbox(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    show(&request, &session, &sessions, &INBOX).await
}

pub(in crate::http) async fn instructions(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    show(&request, &session, &sessions, &INSTRUCTIONS).await
}

async fn show(
    request: &HttpRequest,
    session: &BrowserSession,
    sessions: &Sessions,
    preset: &Preset,
) -> Result<HttpResponse, Error> {
    let mut asked = query(request, |name| name == "tags")?;
    asked.retain(|name, _| FILTERS.contains(&name.as_str()));
    let verb = List::parse(Arguments::new(asked.clone()))?.verb;
    // Who looks with a browser is given nothing, as an assistant would be.
    let mut verb = List { limit: ROWS, is_unnoted: true, ..verb };
    (preset.narrow)(&mut verb);
    let listed = sessions.ask(&session.caller, verb).await?;
    let next = listed.next_cursor.map(|cursor| {
        asked.insert("cursor".to_owned(), Value::from(cursor));
        format!("{}?{}", preset.path, written(&asked))
    });
    asked.shift_remove("cursor");
    let page = ListPage {
        page: Page::of(request, Some(session), preset.title),
        mode: preset.mode,
        path: preset.path,
        rows: listed.memories.iter().filter_map(MemoryRow::of_shown).collect(),
        total: counted_of(listed.total),
        empty: preset.empty,
        next: next.unwrap_or_default(),
        here: request.uri().path_and_query().map_or(preset.path, |here| here.as_str()).to_owned(),
        csrf: session.csrf(BULK),
        chosen: FilterView::of(&asked),
        may_instruct: session.may(Scope::Instructions),
    };
    Ok(respond(StatusCode::OK, &page))
}

/// The oldest memories that were never given to anybody.
pub(in crate::http) async fn unused(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let (mut rows, mut cursor, mut looked) = (Vec::new(), None, 0);
    while rows.len() < ROWS && looked < MOST_LOOKED_AT {
        let (limit, order) = (PART, Order::Asc);
        let verb = List { limit, order, cursor, is_unnoted: true, ..List::default() };
        let listed = sessions.ask(&session.caller, verb).await?;
        looked += listed.memories.len();
        let is_unused = |shown: &&Shown| match shown {
            Shown::Full(view) => view.access_count == 0,
            Shown::Brief(_) => false,
        };
        rows.extend(listed.memories.iter().filter(is_unused).filter_map(MemoryRow::of_shown));
        cursor = listed.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    rows.truncate(ROWS);
    let page = ListPage {
        page: Page::of(&request, Some(&session), "Never given out"),
        mode: "unused",
        path: "/ui/unused",
        total: counted_of(rows.len()),
        rows,
        empty: "Everything that was looked at has been given to somebody.",
        next: String::new(),
        here: "/ui/unused".to_owned(),
        csrf: session.csrf(BULK),
        chosen: FilterView::default(),
        may_instruct: false,
    };
    Ok(respond(StatusCode::OK, &page))
}

/// Does the same to several memories: to the one whose own button was pressed, or to those that are
/// checked.
pub(in crate::http) async fn bulk(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, BULK, form.csrf())?;
    let (action, ids) = match form.get("one").split_once(':') {
        Some((action, id)) => (action, vec![id]),
        None => (form.get("action"), form.all("ids").collect()),
    };
    let ids: Vec<MemoryId> = ids.into_iter().filter_map(|id| MemoryId::parse(id).ok()).collect();
    let action = Bulk::parse(action, form.get("value")).ok_or(Error::FormRefused)?;
    let count = ids.len();
    for id in &ids {
        action.carry_out(&sessions, &session, *id).await?;
    }
    let text = match count {
        0 => "Nothing was chosen.".to_owned(),
        1 => format!("One memory {}.", action.done()),
        count => format!("{count} memories {}.", action.done()),
    };
    let undo = ids.first().copied().filter(|_| count == 1);
    browsers.leave_note(&session, text, undo);
    Ok(see_other(local_path(form.get("next"))))
}

/// What can be done to several memories.
enum Bulk<'a> {
    Trash,
    Restore,
    Confirm,
    Pin(bool),
    Tag(&'a str),
    Untag(&'a str),
    Move(&'a str),
}

impl<'a> Bulk<'a> {
    fn parse(action: &str, value: &'a str) -> Option<Self> {
        let value = value.trim();
        Some(match action {
            "trash" => Self::Trash,
            "restore" => Self::Restore,
            "confirm" => Self::Confirm,
            "pin" => Self::Pin(true),
            "unpin" => Self::Pin(false),
            "tag" if !value.is_empty() => Self::Tag(value),
            "untag" if !value.is_empty() => Self::Untag(value),
            "move" => Self::Move(value),
            _ => return None,
        })
    }

    fn done(&self) -> &'static str {
        match self {
            Self::Trash => "moved to the trash",
            Self::Restore => "restored",
            Self::Confirm => "confirmed",
            Self::Pin(true) => "pinned",
            Self::Pin(false) => "no longer pinned",
            Self::Tag(_) => "tagged",
            Self::Untag(_) => "freed of the tag",
            Self::Move(_) => "moved",
        }
    }

    async fn carry_out(
        &self,
        sessions: &Sessions,
        session: &BrowserSession,
        id: MemoryId,
    ) -> Result<(), Error> {
        let caller = &session.caller;
        match self {
            Self::Trash => {
                let target = DeleteTarget::One(id);
                let (dry_run, expect) = (Some(false), None);
                let verb = Delete { target, dry_run, purge: false, wait: false, expect };
                sessions.ask(caller, verb).await?;
            }
            Self::Restore => drop(sessions.ask(caller, Restore { id }).await?),
            Self::Confirm => {
                let verb = Update { confirm: true, ..Update::of(id) };
                sessions.ask(caller, verb).await?;
            }
            Self::Pin(is_pinned) => {
                change(sessions, session, id, "pinned", Value::from(*is_pinned)).await?;
            }
            Self::Move("") => change(sessions, session, id, "clear", "project".into()).await?,
            Self::Move(project) => {
                change(sessions, session, id, "project", Value::from(*project)).await?;
            }
            Self::Tag(tag) => retag(sessions, session, id, None, Some(*tag)).await?,
            Self::Untag(tag) => retag(sessions, session, id, Some(*tag), None).await?,
        }
        Ok(())
    }
}

async fn change(
    sessions: &Sessions,
    session: &BrowserSession,
    id: MemoryId,
    field: &str,
    value: Value,
) -> Result<(), Error> {
    let mut arguments = Map::new();
    arguments.insert("id".to_owned(), Value::from(id.to_string()));
    arguments.insert(field.to_owned(), value);
    let verb = Update::parse(Arguments::new(arguments))?.verb;
    sessions.ask(&session.caller, verb).await?;
    Ok(())
}

/// Takes one tag off a memory, and puts another one on it.
pub(super) async fn retag(
    sessions: &Sessions,
    session: &BrowserSession,
    id: MemoryId,
    old: Option<&str>,
    new: Option<&str>,
) -> Result<(), Error> {
    let read = History { id, max_tokens: Some(0) };
    let memory = sessions.ask(&session.caller, read).await?.memory.memory;
    let is_old = |tag: &str| old.is_some_and(|old| folded(old) == folded(tag));
    let kept = memory.tags.as_slice().iter().map(|tag| tag.as_str()).filter(|tag| !is_old(tag));
    let tags: Vec<Value> = kept.chain(new).map(Value::from).collect();
    if tags.is_empty() {
        return change(sessions, session, id, "clear", "tags".into()).await;
    }
    change(sessions, session, id, "tags", Value::Array(tags)).await
}

/// Arguments as a query.
fn written(asked: &Map<String, Value>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (name, value) in asked {
        let texts: Vec<&str> = match value {
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            value => value.as_str().into_iter().collect(),
        };
        parts.extend(texts.into_iter().map(|text| format!("{name}={}", encoded(text))));
    }
    parts.join("&")
}

impl FilterView {
    fn of(asked: &Map<String, Value>) -> Self {
        let text = |name: &str| match asked.get(name) {
            Some(Value::Array(list)) => {
                list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }
            Some(value) => value.as_str().unwrap_or_default().to_owned(),
            None => String::new(),
        };
        Self {
            project: text("project"),
            kind: text("kind"),
            tags: text("tags"),
            status: text("status"),
            since: text("since"),
            until: text("until"),
            sort: text("sort"),
            is_pinned: text("pinned") == "true",
            is_set: !asked.is_empty(),
        }
    }
}
