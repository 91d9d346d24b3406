//! Lists of memories: all of them, those in the trash, those to review, the instructions.

use std::slice;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::{Map, Value};

use super::about::AboutServer;
use super::bulk::BULK;
use super::form::text_of;
use super::page::{Page, respond};
use super::sessions::BrowserSession;
use super::view::{MemoryRow, counted_of, place};
use crate::actors::Sessions;
use crate::engine::{Arguments, List, Named, Order, Shown, Sort, Spoken};
use crate::error::Error;
use crate::http::ask::query;
use crate::model::{EventTime, Scope, Status};

/// Rows of a page.
const ROWS: usize = 50;
/// Memories that are read at a time, and in all, to find those that nobody was given.
const PART: usize = 100;
const MOST_LOOKED_AT: usize = 5_000;

/// Who wrote what is listed, as lines name it.
const CLIENT: &str = "client";

/// Where a list goes on.
const CURSOR: &str = "cursor";

/// How a list may be shown besides.
const VIEW: &str = "view";
const TIMELINE: &str = "timeline";

/// What a page of a list may be asked besides the names of [`Named`], by the names of the verb.
const FILTERS: [&str; 11] = [
    "tags", "kind", "project", "status", "since", "until", "pinned", "priority", "sort", "order",
    CURSOR,
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
    /// One group without a heading, or one for each day.
    days: Vec<DayGroup>,
    is_empty: bool,
    total: String,
    empty: &'static str,
    /// The page after this one; empty at the end. And the first one, where this is another.
    next: String,
    first: String,
    csrf: String,
    chosen: FilterView,
    may_instruct: bool,
}

/// What lies on one day.
struct DayGroup {
    /// Empty where nothing is grouped.
    day: String,
    rows: Vec<MemoryRow>,
}

/// What the filters of a page say, as they were typed.
#[derive(Default)]
struct FilterView {
    project: String,
    kind: String,
    tags: String,
    client: String,
    status: String,
    since: String,
    until: String,
    sort: String,
    order: String,
    is_pinned: bool,
    is_timeline: bool,
    is_set: bool,
}

pub(in crate::http) async fn list(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    about: web::Data<AboutServer>,
) -> Result<HttpResponse, Error> {
    show(&request, &session, &sessions, &about, &ALL).await
}

pub(in crate::http) async fn trash(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    about: web::Data<AboutServer>,
) -> Result<HttpResponse, Error> {
    show(&request, &session, &sessions, &about, &TRASH).await
}

pub(in crate::http) async fn inbox(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    about: web::Data<AboutServer>,
) -> Result<HttpResponse, Error> {
    show(&request, &session, &sessions, &about, &INBOX).await
}

pub(in crate::http) async fn instructions(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    about: web::Data<AboutServer>,
) -> Result<HttpResponse, Error> {
    show(&request, &session, &sessions, &about, &INSTRUCTIONS).await
}

async fn show(
    request: &HttpRequest,
    session: &BrowserSession,
    sessions: &Sessions,
    about: &AboutServer,
    preset: &Preset,
) -> Result<HttpResponse, Error> {
    let mut asked = query(request, |name| name == "tags")?;
    let is_timeline = text_of(&asked, VIEW) == TIMELINE;
    let writer = Some(text_of(&asked, CLIENT)).filter(|name| !name.is_empty());
    asked.retain(|name, _| is_filter(name));
    let verb = List::parse(Arguments::new(asked.clone()))?.verb;
    // Days have no priority.
    let has_no_day = is_timeline && verb.sort == Sort::Priority;
    let sort = if has_no_day { Sort::CreatedAt } else { verb.sort };
    // Who looks with a browser is given nothing, as an assistant would be.
    let mut verb = List { limit: ROWS, sort, is_unnoted: true, ..verb };
    (preset.narrow)(&mut verb);
    verb.filter.writer = writer.clone();
    let listed = sessions.ask(&session.caller, verb).await?;
    if is_timeline {
        asked.insert(VIEW.to_owned(), TIMELINE.into());
    }
    if let Some(writer) = writer {
        asked.insert(CLIENT.to_owned(), writer.into());
    }
    let is_further = asked.shift_remove(CURSOR).is_some();
    let next = listed
        .next_cursor
        .map(|cursor| place(preset.path, pairs(&asked).chain([(CURSOR, cursor.as_str())])));
    let page = ListPage {
        page: Page::of(request, Some(session), preset.title),
        mode: preset.mode,
        path: preset.path,
        is_empty: listed.memories.is_empty(),
        days: grouped(&listed.memories, is_timeline.then_some(sort), about.undo),
        total: counted_of(listed.total),
        empty: preset.empty,
        next: next.unwrap_or_default(),
        first: if is_further { place(preset.path, pairs(&asked)) } else { String::new() },
        csrf: session.csrf(BULK),
        chosen: FilterView::of(&asked),
        may_instruct: session.may(Scope::Instructions),
    };
    Ok(respond(StatusCode::OK, &page))
}

fn is_filter(name: &str) -> bool {
    FILTERS.contains(&name) || Named::FIELDS.iter().any(|field| field.name == name)
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
        is_empty: rows.is_empty(),
        days: vec![DayGroup { day: String::new(), rows }],
        empty: "Everything that was looked at has been given to somebody.",
        next: String::new(),
        first: String::new(),
        csrf: session.csrf(BULK),
        chosen: FilterView::default(),
        may_instruct: false,
    };
    Ok(respond(StatusCode::OK, &page))
}

/// The memories of a page in groups of a day (in UTC), by the moment that they are sorted by; in one
/// group if nothing is said.
fn grouped(memories: &[Shown], sort: Option<Sort>, undo: Duration) -> Vec<DayGroup> {
    let mut groups: Vec<DayGroup> = Vec::new();
    for shown in memories {
        let Shown::Full(view) = shown else { continue };
        let memory = &view.memory;
        let row = MemoryRow::of_life(memory, undo);
        let moment = sort.map(|sort| match sort {
            Sort::UpdatedAt => memory.updated_at,
            Sort::EventAt => memory.event_at.map_or(memory.created_at, |event| event.at),
            Sort::CreatedAt | Sort::Priority => memory.created_at,
        });
        let day = moment.map(|at| EventTime::from(at).day()).unwrap_or_default();
        match groups.last_mut().filter(|group| group.day == day) {
            Some(group) => group.rows.push(row),
            None => groups.push(DayGroup { day, rows: vec![row] }),
        }
    }
    groups
}

/// Arguments as a query has them, of a list each value.
fn pairs(asked: &Map<String, Value>) -> impl Iterator<Item = (&str, &str)> {
    asked.iter().flat_map(|(name, value)| {
        let values = value.as_array().map_or(slice::from_ref(value), Vec::as_slice);
        values.iter().filter_map(Value::as_str).map(move |text| (name.as_str(), text))
    })
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
            client: text(CLIENT),
            status: text("status"),
            since: text("since"),
            until: text("until"),
            sort: text("sort"),
            order: text("order"),
            is_pinned: text("pinned") == "true",
            is_timeline: text(VIEW) == TIMELINE,
            is_set: !asked.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_list_each_value_is_asked_for_again() {
        let asked = json!({ "tags": ["a", "b"], "kind": "note" });

        let said: Vec<_> = pairs(asked.as_object().unwrap()).collect();

        assert_eq!(said, [("tags", "a"), ("tags", "b"), ("kind", "note")]);
    }
}
