//! What was done and what was given out; and the way back from what one client did.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::csrf;
use super::form::{FormBody, text_of};
use super::memory::take_back;
use super::page::{Page, respond, see_other};
use super::sessions::{BrowserSession, BrowserSessions};
use super::text::{PageText, PageTime};
use super::told::told_list;
use super::view::{beginning, counted, counted_of, place};
use crate::actors::{AdminRequest, Sessions};
use crate::engine::{Arguments, ListRecalls, RecallView, ToldStep, Undone};
use crate::error::Error;
use crate::http::ask::query;
use crate::model::{AuditKind, MemoryId, Timestamp};

/// The purpose of the forms of this page.
const UNDO: &str = "undo";
/// Events and answers of a page.
const EVENTS: u32 = 200;
const RECALLS: usize = 50;
/// Memories that are named of one answer.
const NAMED: usize = 5;
const HERE: &str = "/ui/activity";
/// What names the work of a client.
const WORK: [&str; 3] = ["credential", "session", "since"];

#[derive(Template)]
#[template(path = "ui/activity.html")]
struct ActivityPage {
    page: Page,
    events: Vec<EventLine>,
    recalls: Vec<RecallLine>,
    recalls_total: String,
    asked: AskedActivity,
    kinds: Vec<KindChoice>,
    /// Those that are named on the page, to be chosen from.
    credentials: BTreeSet<String>,
    /// The answers before these; empty at the end.
    next: String,
}

/// Which part of it is asked for, as it was typed.
struct AskedActivity {
    days: String,
    client: String,
    /// Only where this memory was given.
    memory: String,
    event: String,
    is_failed: bool,
    /// How many answers were shown before.
    from: usize,
}

/// A sort of events that can be asked for.
struct KindChoice {
    word: &'static str,
    label: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "ui/undo.html")]
struct UndoPage {
    page: Page,
    credential: String,
    session: String,
    since: String,
    steps: Vec<StepLine>,
    reverted: Vec<(String, String)>,
    conflicts: Vec<(String, PageText, &'static str)>,
    gone: usize,
    csrf: String,
}

/// An event of the audit, as it is told.
#[derive(Deserialize)]
struct Told {
    at: Timestamp,
    event: String,
    user: Option<String>,
    credential: Option<String>,
    prefix: Option<String>,
    reason: Option<String>,
    address: Option<String>,
    client: Option<String>,
    #[serde(default)]
    count: u64,
}

/// The same as a line of a page.
struct EventLine {
    at: PageTime,
    event: PageText,
    who: PageText,
    from: PageText,
    what: PageText,
    count: u64,
}

/// An answer that gave out memories.
struct RecallLine {
    at: PageTime,
    client: PageText,
    credential: PageText,
    asked: PageText,
    tokens: String,
    given: Vec<(String, PageText)>,
    more: usize,
}

struct StepLine {
    at: PageTime,
    who: PageText,
    memories: usize,
}

/// Shows the audit, and what was given to whom.
pub(in crate::http) async fn activity(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let asked = AskedActivity::of(&query(&request, |_| false)?);
    let mut events = audit(&sessions, &session, &asked).await?;
    events.reverse();
    let why = asked.recalls(sessions.accounts().now());
    let recalled = sessions.why(&session.caller, None, why).await?;
    let shown = asked.from.saturating_add(recalled.recalls.len());
    let page = ActivityPage {
        page: Page::of(&request, Some(&session), "Activity"),
        credentials: credentials(&events, &recalled.recalls),
        events: events.iter().map(EventLine::of).collect(),
        recalls: recalled.recalls.iter().map(RecallLine::of).collect(),
        recalls_total: counted_of(recalled.total),
        kinds: AuditKind::ALL.iter().map(|kind| KindChoice::of(*kind, &asked.event)).collect(),
        next: if shown < recalled.total { asked.place(shown) } else { String::new() },
        asked,
    };
    Ok(respond(StatusCode::OK, &page))
}

/// Shows what would be taken back of what a credential or a session did. Nothing is changed by it.
pub(in crate::http) async fn undo_preview(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let mut asked = query(&request, |_| false)?;
    asked.retain(|name, _| WORK.contains(&name.as_str()));
    let typed = WORK.map(|name| text_of(&asked, name));
    let undone = take_back(&sessions, &session, asked, true).await?;
    let page = UndoPage::of(
        Page::of(&request, Some(&session), "Undo the work of a client"),
        &undone,
        typed,
        session.csrf(UNDO),
    );
    Ok(respond(StatusCode::OK, &page))
}

/// Takes it back.
pub(in crate::http) async fn undo_work(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, UNDO, form.csrf())?;
    let undone = take_back(&sessions, &session, form.arguments(&WORK), false).await?;
    let (back, left) = (undone.reverted.len(), undone.conflicts.len());
    let text = format!("{back} memories are as they were; {left} were changed since and stay.");
    browsers.leave_note(&session, text, None);
    Ok(see_other(HERE))
}

fn credentials(events: &[Told], recalls: &[RecallView]) -> BTreeSet<String> {
    let of_events = events.iter().filter_map(|event| event.credential.clone());
    let of_recalls = recalls.iter().map(|recall| recall.author.credential.to_string());
    of_events.chain(of_recalls).collect()
}

async fn audit(
    sessions: &Sessions,
    session: &BrowserSession,
    wanted: &AskedActivity,
) -> Result<Vec<Told>, Error> {
    let mut arguments = serde_json::Map::new();
    arguments.insert("limit".to_owned(), EVENTS.into());
    for (name, text) in [("days", &wanted.days), ("event", &wanted.event)] {
        if !text.is_empty() {
            arguments.insert(name.to_owned(), text.as_str().into());
        }
    }
    if wanted.is_failed {
        arguments.insert("failed".to_owned(), true.into());
    }
    let asked = AdminRequest::Audit(Arguments::new(arguments));
    told_list(sessions, session, asked, "events").await
}

impl AskedActivity {
    fn of(asked: &serde_json::Map<String, serde_json::Value>) -> Self {
        let text = |name: &str| text_of(asked, name);
        Self {
            days: text("days"),
            client: text("client"),
            memory: text("memory"),
            event: text("event"),
            is_failed: text("failed") == "true",
            from: text("from").parse().unwrap_or_default(),
        }
    }

    /// The answers that are meant, of so many days up to now.
    fn recalls(&self, now: Timestamp) -> ListRecalls {
        let days = self.days.parse::<u32>().ok();
        ListRecalls {
            client: Some(self.client.clone()).filter(|client| !client.is_empty()),
            memory: MemoryId::parse(&self.memory).ok(),
            since: days.map(|days| now.minus_days(days)),
            limit: RECALLS,
            skip: self.from,
            ..ListRecalls::default()
        }
    }

    /// Where the same is asked, after so many answers.
    fn place(&self, from: usize) -> String {
        let failed = if self.is_failed { "true" } else { "" };
        let from = from.to_string();
        let asked = [
            ("days", self.days.as_str()),
            ("client", &self.client),
            ("memory", &self.memory),
            ("event", &self.event),
            ("failed", failed),
            ("from", &from),
        ];
        place(HERE, asked)
    }
}

impl KindChoice {
    fn of(kind: AuditKind, chosen: &str) -> Self {
        let word = kind.word();
        Self { word, label: word.replace('_', " "), is_chosen: word == chosen }
    }
}

impl EventLine {
    fn of(told: &Told) -> Self {
        let who = [&told.credential, &told.user, &told.prefix].into_iter().flatten();
        let who: Vec<&str> = who.map(String::as_str).collect();
        let from = [&told.address, &told.client].into_iter().flatten();
        let from: Vec<&str> = from.map(String::as_str).collect();
        Self {
            at: PageTime::of(told.at),
            event: PageText::of(&told.event.replace('_', " ")),
            who: PageText::of(&who.join(", ")),
            from: PageText::of(&from.join(", ")),
            what: PageText::of_any(told.reason.as_deref()),
            count: told.count,
        }
    }
}

impl RecallLine {
    fn of(recall: &RecallView) -> Self {
        let named = recall.given.iter().take(NAMED).map(|given| {
            let snippet = given.snippet.as_deref().unwrap_or("its text is no longer kept");
            (given.id.to_string(), PageText::of(&beginning(snippet)))
        });
        Self {
            at: PageTime::of(recall.at),
            client: PageText::of_any(recall.author.client.as_deref()),
            credential: PageText::of(recall.author.credential.as_str()),
            asked: PageText::of(&beginning(&recall.asked.to_string())),
            tokens: counted(u64::from(recall.tokens)),
            given: named.collect(),
            more: recall.given.len().saturating_sub(NAMED),
        }
    }
}

impl UndoPage {
    fn of(
        page: Page,
        undone: &Undone,
        [credential, session, since]: [String; 3],
        csrf: String,
    ) -> Self {
        let step = |step: &ToldStep| StepLine {
            at: PageTime::of(step.at),
            who: PageText::of(&format!(
                "{} {}",
                step.author.credential,
                step.author.client.as_deref().unwrap_or_default()
            )),
            memories: step.memories,
        };
        let conflicts = undone.conflicts.iter();
        Self {
            page,
            credential,
            session,
            since,
            steps: undone.steps.iter().map(step).collect(),
            reverted: undone
                .reverted
                .iter()
                .map(|one| (one.id.to_string(), one.becomes.to_owned()))
                .collect(),
            conflicts: conflicts
                .map(|one| (one.id.to_string(), PageText::of(&one.now.snippet), one.why))
                .collect(),
            gone: undone.gone.len(),
            csrf,
        }
    }
}
