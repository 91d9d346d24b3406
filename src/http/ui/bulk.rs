//! The same done to several memories, with the count of what would change first.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::{Map, Value};

use super::csrf;
use super::form::{FormBody, local_path};
use super::page::{Page, respond, see_other};
use super::sessions::{BrowserSession, BrowserSessions};
use super::text::PageText;
use crate::actors::{CallError, Sessions};
use crate::engine::{Arguments, Delete, DeleteTarget, EngineError, Look, Restore, Spoken, Update};
use crate::error::Error;
use crate::model::{Memory, MemoryId, Scope, Status, folded};

/// The purpose of the form around a list.
pub(super) const BULK: &str = "bulk";
/// So many memories are changed at a time: each is a change of its own that is on the disk.
pub(super) const AT_ONCE: usize = 500;
const HERE: &str = "/ui/bulk";

/// Asks whether what is about to be done is meant, and says what would come of it.
#[derive(Template)]
#[template(path = "ui/sure.html")]
pub(super) struct SurePage {
    pub(super) page: Page,
    pub(super) told: Vec<PageText>,
    /// Where the form goes that does it, with all that it carries.
    pub(super) action: &'static str,
    pub(super) fields: Vec<(&'static str, String)>,
    /// What its button says; empty if there is nothing to do.
    pub(super) button: String,
    pub(super) back: String,
}

/// What would come of an action.
#[derive(Default)]
struct Plan {
    changing: Vec<MemoryId>,
    unchanged: usize,
    /// Instructions, which this credential may not touch.
    refused: usize,
    gone: usize,
}

/// Does the same to several memories: to the one whose own button was pressed, at once; or to those
/// that are checked, after a page that says what would change.
pub(in crate::http) async fn bulk(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, BULK, form.csrf())?;
    let (name, ids, is_own_button) = match form.get("one").split_once(':') {
        Some((name, id)) => (name, vec![id], true),
        None => (form.get("action"), form.all("ids").collect(), false),
    };
    let ids = ids.into_iter().filter_map(|id| MemoryId::parse(id).ok()).take(AT_ONCE);
    let mut ids: Vec<MemoryId> = ids.collect();
    let action = Bulk::parse(name, form.get("value")).ok_or(Error::FormRefused)?;
    if !is_own_button && !ids.is_empty() {
        let plan = Plan::of(&action, &ids, &sessions, &session).await?;
        if form.get("sure") != "true" {
            let page = plan.page(&request, &session, &action, &form);
            return Ok(respond(StatusCode::OK, &page));
        }
        ids = plan.changing;
    }
    for id in &ids {
        action.carry_out(&sessions, &session, *id).await?;
    }
    let text = match ids.len() {
        0 => "Nothing was chosen, or there was nothing to change.".to_owned(),
        count => format!("{} {}.", memories(count), action.done()),
    };
    browsers.leave_note(&session, text, ids);
    Ok(see_other(local_path(form.get("next"))))
}

/// A count of memories.
pub(super) fn memories(count: usize) -> String {
    match count {
        1 => "One memory".to_owned(),
        count => format!("{count} memories"),
    }
}

impl Plan {
    async fn of(
        action: &Bulk<'_>,
        ids: &[MemoryId],
        sessions: &Sessions,
        session: &BrowserSession,
    ) -> Result<Self, Error> {
        let mut plan = Self::default();
        for &id in ids {
            match sessions.ask(&session.caller, Look { id }).await {
                Ok(got) => {
                    let memory = &got.memory.memory;
                    if !action.changes(memory) {
                        plan.unchanged += 1;
                    } else if memory.kind.is_instruction() && !session.may(Scope::Instructions) {
                        plan.refused += 1;
                    } else {
                        plan.changing.push(id);
                    }
                }
                Err(CallError::Refused(EngineError::NotFound { .. })) => plan.gone += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(plan)
    }

    fn page(
        &self,
        request: &HttpRequest,
        session: &BrowserSession,
        action: &Bulk<'_>,
        form: &FormBody,
    ) -> SurePage {
        let changing = self.changing.len();
        let mut told = vec![format!("{} would be {}.", memories(changing), action.done())];
        for (count, why) in [
            (self.unchanged, "would stay: it is so already"),
            (self.refused, "would stay: an instruction takes the scope instructions"),
            (self.gone, "not there any more"),
        ] {
            told.extend((count > 0).then(|| format!("{}: {why}.", memories(count))));
        }
        let mut fields = vec![
            ("csrf", session.csrf(BULK)),
            ("sure", "true".to_owned()),
            ("action", form.get("action").to_owned()),
            ("value", form.get("value").to_owned()),
            ("next", form.get("next").to_owned()),
        ];
        // All that were chosen: what changes until then is looked at again.
        fields.extend(form.all("ids").map(|id| ("ids", id.to_owned())));
        SurePage {
            page: Page::of(request, Some(session), "Is that meant?"),
            told: told.iter().map(|line| PageText::of(line)).collect(),
            action: HERE,
            fields,
            button: match changing {
                0 => String::new(),
                count => format!("Do it to {count}"),
            },
            back: local_path(form.get("next")).to_owned(),
        }
    }
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

    /// Whether a memory would not be as it is.
    fn changes(&self, memory: &Memory) -> bool {
        let has = |wanted: &str| {
            let mut tags = memory.tags.as_slice().iter();
            tags.any(|tag| folded(tag.as_str()) == folded(wanted))
        };
        match self {
            Self::Trash => memory.status != Status::Deleted,
            Self::Restore => memory.status == Status::Deleted,
            Self::Confirm => memory.provisional,
            Self::Pin(is_pinned) => memory.pinned != *is_pinned,
            Self::Tag(tag) => !has(tag),
            Self::Untag(tag) => has(tag),
            Self::Move(to) => memory.project.as_ref().map_or("", |own| own.as_str()) != *to,
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

/// Changes one field of a memory.
pub(super) async fn change(
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
    let memory = sessions.ask(&session.caller, Look { id }).await?.memory.memory;
    let is_old = |tag: &str| old.is_some_and(|old| folded(old) == folded(tag));
    let kept = memory.tags.as_slice().iter().map(|tag| tag.as_str()).filter(|tag| !is_old(tag));
    let tags: Vec<Value> = kept.chain(new).map(Value::from).collect();
    if tags.is_empty() {
        return change(sessions, session, id, "clear", "tags".into()).await;
    }
    change(sessions, session, id, "tags", Value::Array(tags)).await
}
