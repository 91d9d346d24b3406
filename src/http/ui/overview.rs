use std::cmp::Reverse;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::chart::Chart;
use super::page::{Page, respond};
use super::sessions::BrowserSession;
use super::text::{PageText, PageTime};
use super::view::{NameLink, bytes, counted, counted_of};
use crate::actors::Sessions;
use crate::engine::{GivenTotals, Growth};
use crate::error::Error;
use crate::http::Face;
use crate::model::Scope;
use crate::model::few;

/// Days that the chart shows.
const DAYS: u32 = 30;
/// With less room than this a store that is folded may not find enough beside itself.
const LITTLE_ROOM: u64 = 512 << 20;
/// Rows of each table.
const ROWS: usize = 10;

#[derive(Template)]
#[template(path = "ui/overview.html")]
struct OverviewPage {
    page: Page,
    numbers: Vec<Figure>,
    charts: Vec<Chart>,
    kinds: Vec<(PageText, String)>,
    projects: Vec<(NameLink, String)>,
    clients: Vec<(NameLink, String)>,
    by_memory: Vec<(String, String)>,
    /// What was given out of late; empty for who may not know, and where it is not kept.
    answers: String,
    median: String,
    warnings: Vec<PageText>,
    /// Nothing for who may not know.
    backup: Option<BackupLook>,
    storage: String,
    certificate: PageText,
    is_empty: bool,
}

/// The newest backup; empty if there is none.
#[derive(Default)]
struct BackupLook {
    path: PageText,
    size: String,
    made: PageTime,
}

/// A number that leads to what it counts.
struct Figure {
    label: &'static str,
    count: String,
    path: &'static str,
}

/// How things stand.
pub(in crate::http) async fn overview(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    face: web::Data<Face>,
) -> Result<HttpResponse, Error> {
    let caller = &session.caller;
    let grown = sessions.ask(caller, Growth { days: DAYS }).await?;
    let totals = grown.totals;
    let answers = totals.given.as_ref().map(|given| counted_of(given.recent.count));
    let given = totals.given.unwrap_or_default();
    let figure = |label, count, path| Figure { label, count: counted_of(count), path };
    let page = OverviewPage {
        page: Page::of(&request, Some(&session), "Overview"),
        numbers: vec![
            figure("in sight", totals.active, "/ui/memories"),
            figure("to review", grown.provisional, "/ui/inbox"),
            figure("in the trash", totals.deleted, "/ui/trash"),
            figure("superseded", totals.superseded, "/ui/memories?status=superseded"),
            figure("pinned", totals.pinned, "/ui/memories?pinned=true"),
            figure("tags", totals.tags, "/ui/tags"),
        ],
        charts: charts(&grown.days, &given),
        kinds: grown
            .kinds
            .iter()
            .take(ROWS)
            .map(|one| (PageText::of(&one.name), counted_of(one.count)))
            .collect(),
        projects: grown
            .projects
            .iter()
            .take(ROWS)
            .map(|one| (NameLink::project(&one.name), counted_of(one.count)))
            .collect(),
        clients: grown
            .writers
            .iter()
            .take(ROWS)
            .map(|one| (NameLink::client(&one.name), counted_of(one.count)))
            .collect(),
        by_memory: given
            .by_memory
            .iter()
            .map(|(id, tokens)| (id.to_string(), counted(*tokens)))
            .collect(),
        answers: answers.unwrap_or_default(),
        median: given.recent.median.map(milliseconds).unwrap_or_default(),
        warnings: warnings(&sessions, &face, &session),
        backup: backup(&sessions, &session),
        storage: storage(&sessions, &session),
        certificate: certificate(&face, &session),
        is_empty: totals.memories == 0,
    };
    Ok(respond(StatusCode::OK, &page))
}

/// What came in, and what each client was given, for those who may see all.
fn charts(days: &[(String, usize)], given: &GivenTotals) -> Vec<Chart> {
    let stored = Chart::columns("Stored on each of the last 30 days", ("Day", "Stored"), days);
    let mut clients: Vec<(String, usize)> = given
        .by_client
        .iter()
        .map(|(client, tokens)| (client.clone(), usize::try_from(*tokens).unwrap_or(usize::MAX)))
        .collect();
    few::sort_by_key(&mut clients, |(_, tokens)| Reverse(*tokens));
    clients.truncate(ROWS);
    let mut charts = vec![stored];
    if !clients.is_empty() {
        let title = "Tokens given to each client, by estimate";
        charts.push(Chart::columns(title, ("Client", "Tokens"), &clients));
    }
    charts
}

/// To a tenth: most answers take a few.
fn milliseconds(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1_000.0)
}

/// For how long the certificate is good.
fn certificate(face: &Face, session: &BrowserSession) -> PageText {
    let source = face.certificate.as_ref().filter(|_| session.may(Scope::Admin));
    let days = source.and_then(|certificate| certificate().days_left);
    PageText::of(&days.map(|days| format!("{days} days")).unwrap_or_default())
}

/// What its owner should see to, with the setting to change.
pub(super) fn warnings(
    sessions: &Sessions,
    face: &Face,
    session: &BrowserSession,
) -> Vec<PageText> {
    let mut told = Vec::new();
    if let Some(problem) = sessions.storage_problem() {
        told.push(format!("Nothing can be stored: {problem}"));
    }
    if let Some(doubt) = sessions.clock_doubt() {
        told.push(format!("Nothing is erased by time: {doubt}"));
    }
    if session.may(Scope::Admin) {
        if let Some(certificate) = &face.certificate {
            told.extend(certificate().problems);
        }
        if !face.is_guarded {
            told.push("No key is needed on this machine: see auth.disabled (DISABLE_AUTH)".into());
        }
        let disk = sessions.disk();
        if let Some((_, free)) = disk.filter(|(_, free)| *free < LITTLE_ROOM) {
            told.push(format!("Only {} are free on the disk of the data directory", bytes(free)));
        }
        if !sessions.backups().are_scheduled() {
            told.push("No backup is made by itself: see backup.every in config.toml".into());
        }
    }
    told.iter().map(|told| PageText::of(told)).collect()
}

/// Of the newest backup where it lies, how large it is and when it was made, for who may know.
fn backup(sessions: &Sessions, session: &BrowserSession) -> Option<BackupLook> {
    session.may(Scope::Admin).then(|| {
        let newest = sessions.backups().newest().map(|line| BackupLook {
            path: PageText::of(&line.path.display().to_string()),
            size: bytes(line.bytes),
            made: PageTime::of(line.made_at),
        });
        newest.unwrap_or_default()
    })
}

/// What the store takes, and what is left for it.
fn storage(sessions: &Sessions, session: &BrowserSession) -> String {
    if !session.may(Scope::Admin) {
        return String::new();
    }
    let usage = sessions.usage();
    let taken = bytes(usage.journal_bytes.saturating_add(usage.sled_bytes));
    match sessions.disk() {
        Some((_, free)) => {
            format!("The store takes {taken}; {} are free on its disk.", bytes(free))
        }
        None => format!("The store takes {taken}."),
    }
}
