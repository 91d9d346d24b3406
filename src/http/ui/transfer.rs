//! Taking everything out, and putting it in.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::csrf;
use super::form::{FormBody, text_of};
use super::login::{must_confirm, still_refused};
use super::memory::take_back;
use super::page::{Page, respond, see_other};
use super::sessions::{BrowserSession, BrowserSessions};
use super::text::{PageText, PageTime};
use super::view::{beginning, counted_of};
use crate::actors::Sessions;
use crate::engine::{ImportLines, Imported, ListImports, TriedOutcome};
use crate::error::Error;
use crate::http::ask::query;
use crate::http::front::Front;
use crate::http::moving::{AskedMove, CameOfIt};
use crate::http::{OpenStreams, rest};
use crate::model::AuditKind;
use crate::moving::MovingReport;

/// The purpose of the forms of this page.
const TRANSFER: &str = "transfer";
const HERE: &str = "/ui/transfer";
/// Earlier imports that are listed.
const IMPORTS: usize = 50;

#[derive(Template)]
#[template(path = "ui/transfer.html")]
struct TransferPage {
    page: Page,
    is_done: bool,
    /// Whether it tells what would come of it.
    is_tried: bool,
    /// Whether it takes the credential once more, and what was wrong with the one that came.
    asks_again: bool,
    problem: PageText,
    imported: usize,
    duplicates: usize,
    failed: usize,
    problems: Vec<PageText>,
    /// What is told of a file of another product's.
    facts: Vec<PageText>,
    tried: Vec<TriedRow>,
    /// What was tried, to be imported.
    content: String,
    is_confirmed: bool,
    /// The change that an import was, by which it is undone.
    step: String,
    /// Earlier imports that can be undone, and whether they were asked for.
    lists_imports: bool,
    imports: Vec<ImportLine>,
    csrf: String,
}

/// An import of what another product had.
struct ImportLine {
    /// By which it is undone.
    run: String,
    at: PageTime,
    who: PageText,
    what: PageText,
    memories: String,
}

/// What would become of a line.
struct TriedRow {
    line: usize,
    text: PageText,
    outcome: &'static str,
}

/// The page where memories are taken out and put in.
pub(in crate::http) async fn show(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    // Looking for them takes a look at every change that is kept.
    let lists_imports = text_of(&query(&request, |_| false)?, "imports") == "true";
    let imports = match lists_imports {
        true => earlier(&sessions, &session).await?,
        false => Vec::new(),
    };
    let page = TransferPage { lists_imports, imports, ..TransferPage::new(&request, &session) };
    Ok(respond(StatusCode::OK, &page))
}

/// The imports that can still be undone, the newest first.
async fn earlier(sessions: &Sessions, session: &BrowserSession) -> Result<Vec<ImportLine>, Error> {
    let listed = sessions.ask(&session.caller, ListImports).await?;
    let line = listed.imports.iter().take(IMPORTS).map(|import| ImportLine {
        run: import.run.to_string(),
        at: PageTime::of(import.at),
        who: PageText::of(import.author.credential.as_str()),
        what: PageText::of(format!("{} {}", import.format, import.file).trim()),
        memories: counted_of(import.memories),
    });
    Ok(line.collect())
}

/// Gives out everything as a file, to who has just shown who they are.
pub(in crate::http) async fn export(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    streams: web::Data<OpenStreams>,
) -> Result<HttpResponse, Error> {
    if let Some(first) = must_confirm(&session, HERE) {
        return Ok(first);
    }
    let mut response = rest::export(request, session.caller, sessions, streams).await?;
    let name = HeaderValue::from_static("attachment; filename=\"memoryd-export.jsonl\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

/// Takes in the lines of an export, or what another product had, after a page that tells what would
/// become of it.
pub(in crate::http) async fn import(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    front: web::Data<Front>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, TRANSFER, form.csrf())?;
    let (is_confirmed, is_sure) = (form.get("confirm") == "true", form.get("sure") == "true");
    let refused = match is_sure {
        true => {
            let typed = form.get("credential");
            still_refused(&request, &session, &browsers, &front, typed).await
        }
        false => None,
    };
    let is_tried = !is_sure || refused.is_some();
    let content = form.get("content").as_bytes().to_vec();
    let asked = AskedMove::usual(is_confirmed, is_tried);
    let page = match asked.carry_out(content, &sessions, &session.caller).await? {
        CameOfIt::Moved(report) => TransferPage::of_report(&request, &session, &report),
        CameOfIt::OwnLines(text) => {
            let lines = ImportLines::default().confirmed(is_confirmed).tried(is_tried);
            let told = rest::take_lines(&text, lines, &sessions, &session.caller).await?;
            TransferPage::of(&request, &session, &told)
        }
    };
    if is_tried {
        let (status, problem) = refused.unwrap_or_default();
        let page = TransferPage {
            is_tried,
            asks_again: !session.is_fresh,
            problem: PageText::of(&problem),
            content: form.get("content").to_owned(),
            is_confirmed,
            ..page
        };
        return Ok(respond(status, &page));
    }
    let what = format!("{} memories in the dashboard", page.imported);
    sessions.accounts().note_deed(AuditKind::MemoriesImported, &session.caller, what);
    Ok(respond(StatusCode::OK, &TransferPage { is_done: true, ..page }))
}

/// Takes an import back.
pub(in crate::http) async fn undo_import(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, TRANSFER, form.csrf())?;
    let undone = take_back(&sessions, &session, form.arguments(&["step"]), false).await?;
    let (back, left) = (undone.reverted.len(), undone.conflicts.len());
    let text = format!(
        "The import is taken back: {back} memories. {left} were changed since, and stay as they are."
    );
    browsers.leave_note(&session, text, None);
    Ok(see_other(HERE))
}

impl TransferPage {
    fn new(request: &HttpRequest, session: &BrowserSession) -> Self {
        Self::of(request, session, &Imported::default())
    }

    fn of(request: &HttpRequest, session: &BrowserSession, told: &Imported) -> Self {
        let problems = told.errors.iter();
        let problems =
            problems.map(|one| PageText::of(&format!("Line {}: {}", one.line, one.problem)));
        let tried = told.tried.iter();
        Self {
            page: Page::of(request, Some(session), "Import and export"),
            is_done: false,
            is_tried: false,
            asks_again: false,
            problem: PageText::default(),
            imported: told.imported,
            duplicates: told.duplicates,
            failed: told.failed,
            problems: problems.collect(),
            facts: Vec::new(),
            tried: tried.map(|one| TriedRow::of(one.line, &one.text, one.outcome)).collect(),
            content: String::new(),
            is_confirmed: false,
            step: told.step.map(|step| step.to_string()).unwrap_or_default(),
            lists_imports: false,
            imports: Vec::new(),
            csrf: session.csrf(TRANSFER),
        }
    }

    fn of_report(request: &HttpRequest, session: &BrowserSession, report: &MovingReport) -> Self {
        Self {
            imported: report.stored(),
            duplicates: report.known(),
            failed: report.failed,
            facts: report.lines().iter().map(|line| PageText::of(line)).collect(),
            step: report.run.map(|run| run.to_string()).unwrap_or_default(),
            ..Self::new(request, session)
        }
    }
}

impl TriedRow {
    fn of(line: usize, text: &str, outcome: TriedOutcome) -> Self {
        let outcome = match outcome {
            TriedOutcome::Stored => "would be stored",
            TriedOutcome::Known => "is there already",
            TriedOutcome::Refused => "cannot be taken",
        };
        Self { line, text: PageText::of(&beginning(text)), outcome }
    }
}
