//! Tags and projects: what there is, and one name for what has two.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::{Map, Value};

use super::csrf;
use super::form::FormBody;
use super::memories::retag;
use super::page::{Page, respond, see_other};
use super::sessions::{BrowserSession, BrowserSessions};
use super::view::{NameLink, counted_of};
use crate::actors::Sessions;
use crate::engine::{Arguments, Detail, List, ListProjects, ListTags, Spoken, Update};
use crate::error::Error;
use crate::model::MemoryId;

/// The purpose of the forms of this page.
const NAMES: &str = "names";
/// So many memories are renamed at a time: each is a change of its own that is on the disk.
const AT_ONCE: usize = 500;
/// As many as a list gives.
const PART: usize = 100;
/// Names that a page shows of each sort.
const SHOWN: usize = 500;

#[derive(Template)]
#[template(path = "ui/names.html")]
struct NamesPage {
    page: Page,
    tags: Vec<(NameLink, String)>,
    projects: Vec<(NameLink, String)>,
    more: usize,
    csrf: String,
}

/// Lists tags and projects, the most used first.
pub(in crate::http) async fn names(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let tags = sessions.ask(&session.caller, ListTags).await?.tags;
    let projects = sessions.ask(&session.caller, ListProjects).await?.projects;
    let more = tags.len().saturating_sub(SHOWN) + projects.len().saturating_sub(SHOWN);
    let tags = tags.iter().take(SHOWN);
    let projects = projects.iter().take(SHOWN);
    let page = NamesPage {
        page: Page::of(&request, Some(&session), "Tags and projects"),
        tags: tags.map(|one| (NameLink::tag(&one.name), counted_of(one.count))).collect(),
        projects: projects
            .map(|one| (NameLink::project(&one.name), counted_of(one.count)))
            .collect(),
        more,
        csrf: session.csrf(NAMES),
    };
    Ok(respond(StatusCode::OK, &page))
}

/// Gives a tag or a project another name, or makes it one with another.
pub(in crate::http) async fn rename(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, NAMES, form.csrf())?;
    let (from, to) = (form.get("from").trim(), form.get("to").trim());
    let is_tag = form.get("what") == "tag";
    let field = if is_tag { "tags" } else { "project" };
    if from.is_empty() || to.is_empty() {
        browsers.leave_note(&session, "Both names are needed.".to_owned(), None);
        return Ok(see_other("/ui/tags"));
    }
    let ids = bearing(&sessions, &session, field, from).await?;
    for id in &ids {
        if is_tag {
            retag(&sessions, &session, *id, Some(from), Some(to)).await?;
        } else {
            move_to(&sessions, &session, *id, to).await?;
        }
    }
    let text = match ids.len() {
        AT_ONCE => format!("{AT_ONCE} memories are changed; there may be more, so do it again."),
        count => format!("{count} memories are changed."),
    };
    browsers.leave_note(&session, text, None);
    Ok(see_other("/ui/tags"))
}

/// The memories in sight that bear a name, as many as are renamed at a time.
async fn bearing(
    sessions: &Sessions,
    session: &BrowserSession,
    field: &str,
    name: &str,
) -> Result<Vec<MemoryId>, Error> {
    let mut ids = Vec::new();
    let mut cursor = None;
    while ids.len() < AT_ONCE {
        let mut asked = Map::new();
        asked.insert(field.to_owned(), Value::from(name));
        let verb = List::parse(Arguments::new(asked))?.verb;
        let (limit, detail) = (PART, Detail::Brief);
        let verb = List { limit, detail, cursor, is_unnoted: true, ..verb };
        let listed = sessions.ask(&session.caller, verb).await?;
        ids.extend(listed.memories.iter().map(|shown| shown.id()));
        cursor = listed.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(ids)
}

async fn move_to(
    sessions: &Sessions,
    session: &BrowserSession,
    id: MemoryId,
    project: &str,
) -> Result<(), Error> {
    let mut said = Map::new();
    said.insert("id".to_owned(), id.to_string().into());
    said.insert("project".to_owned(), project.into());
    let verb = Update::parse(Arguments::new(said))?.verb;
    sessions.ask(&session.caller, verb).await?;
    Ok(())
}
