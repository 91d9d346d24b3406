//! Tags and projects: what there is, and one name for what has two.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::{Map, Value};

use super::bulk::{AT_ONCE, SurePage, change, memories, retag};
use super::csrf;
use super::form::FormBody;
use super::page::{Page, respond, see_other};
use super::sessions::{BrowserSession, BrowserSessions};
use super::text::PageText;
use super::view::{NameLink, counted_of};
use crate::actors::Sessions;
use crate::engine::{Arguments, Detail, List, ListProjects, ListTags, Spoken};
use crate::error::Error;
use crate::model::{MemoryId, folded};

/// The purpose of the forms of this page.
const NAMES: &str = "names";
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

/// Gives a tag or a project another name, or makes it one with another, after a page that says how
/// many memories that changes.
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
    if form.get("sure") != "true" {
        // What differs in capitals only is one name already.
        let is_same = folded(from) == folded(to);
        let there = match is_same {
            true => 0,
            false => bearing(&sessions, &session, field, to).await?.len(),
        };
        let page = sure(&request, &session, &form, (ids.len(), there));
        return Ok(respond(StatusCode::OK, &page));
    }
    for id in &ids {
        if is_tag {
            retag(&sessions, &session, *id, Some(from), Some(to)).await?;
        } else {
            change(&sessions, &session, *id, "project", to.into()).await?;
        }
    }
    let text = match ids.len() {
        AT_ONCE => format!("{AT_ONCE} memories are changed; there may be more, so do it again."),
        count => format!("{} changed.", memories(count)),
    };
    browsers.leave_note(&session, text, None);
    Ok(see_other("/ui/tags"))
}

/// Says what a new name would change: `counts` are the memories of the old name and of the new one.
fn sure(
    request: &HttpRequest,
    session: &BrowserSession,
    form: &FormBody,
    counts: (usize, usize),
) -> SurePage {
    let (changing, there) = counts;
    let (from, to) = (form.get("from").trim(), form.get("to").trim());
    let rest = if changing == AT_ONCE { " There may be more: then do it again." } else { "" };
    let mut told = vec![format!("{} of {from} would be of {to}.{rest}", memories(changing))];
    if there > 0 {
        let there = if there == AT_ONCE { "Many memories are".to_owned() } else { memories(there) };
        told.push(format!(
            "{there} of {to} already: both become one, and nothing parts them again."
        ));
    }
    let fields = ["what", "from", "to"].map(|name| (name, form.get(name).to_owned()));
    SurePage {
        page: Page::of(request, Some(session), "Is that meant?"),
        told: told.iter().map(|line| PageText::of(line)).collect(),
        action: "/ui/tags",
        fields: [("csrf", session.csrf(NAMES)), ("sure", "true".to_owned())]
            .into_iter()
            .chain(fields)
            .collect(),
        button: match changing {
            0 => String::new(),
            count => format!("Rename in {count}"),
        },
        back: "/ui/tags".to_owned(),
    }
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
