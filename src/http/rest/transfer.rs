use actix_web::web::{self, Bytes, BytesMut};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use serde::Serialize;

use crate::actors::Sessions;
use crate::engine::{
    Export, ExportPlace, Exported, IMPORT_RUN, IMPORT_STEP, ImportLines, Imported, LineCutter,
};
use crate::error::Error;
use crate::http::OpenStreams;
use crate::http::ask::{acting, acting_with};
use crate::http::lines::Lines;
use crate::http::moving::{AskedMove, CameOfIt, MOVED_BYTES};
use crate::model::{AuditKind, Caller};

/// Writes every memory with its history as JSON Lines, which `import` takes back whole.
pub(in crate::http) async fn export(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    streams: web::Data<OpenStreams>,
) -> Result<HttpResponse, Error> {
    let caller = acting(&request, &sessions, &caller)?;
    let place = streams.open(&caller)?;
    // The first page is read before the status goes out, so that a refusal still can be one.
    let first = sessions.ask(&caller, Export::first_page()).await?;
    let accounts = sessions.accounts();
    accounts.note_deed(AuditKind::MemoriesExported, &caller, "over REST".to_owned());
    let read = stream::unfold(Some(Page::Ready(first)), move |state| {
        let (sessions, caller) = (sessions.clone(), caller.clone());
        async move { next_part(state?, &sessions, &caller).await }
    });
    let pages = place.held_by(read);
    Ok(HttpResponse::Ok().content_type("application/x-ndjson").streaming(pages))
}

enum Page {
    Ready(Exported),
    After(ExportPlace),
}

type Part = Result<Bytes, actix_web::Error>;

/// One page as lines, and what comes behind it. An error ends the body early, which clients see.
async fn next_part(
    state: Page,
    sessions: &Sessions,
    caller: &Caller,
) -> Option<(Part, Option<Page>)> {
    let read = match state {
        Page::Ready(read) => Ok(read),
        Page::After(place) => sessions.ask(caller, Export::page_after(place)).await,
    };
    match read {
        Ok(read) => Some((Ok(lines(&read)), read.next.map(Page::After))),
        Err(failed) => {
            let error = Error::from(failed);
            error.log();
            Some((Err(error.into()), None))
        }
    }
}

fn lines(page: &Exported) -> Bytes {
    let mut text = Vec::new();
    for item in &page.items {
        // Writing to memory does not fail, and a memory always is JSON.
        if serde_json::to_writer(&mut text, item).is_ok() {
            text.push(b'\n');
        }
    }
    BytesMut::from(text.as_slice()).freeze()
}

/// Reads JSON Lines: lines of an export or of other servers, or the arguments of `add_memory`. With a
/// format it reads a file of another product's instead.
///
/// A bad line is named and passed over. What was read before a connection broke stays; sending it
/// again adds nothing.
pub(in crate::http) async fn import(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    streams: web::Data<OpenStreams>,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    // Who sends it, for whomever: its memory is theirs.
    let sender = caller.user.clone();
    let (caller, (asked, step, run)) = acting_with(&request, &sessions, &caller, |arguments| {
        let asked = AskedMove::take(arguments);
        (asked, arguments.take(&IMPORT_STEP), arguments.take(&IMPORT_RUN))
    })?;
    let mut payload = payload.into_inner();
    let lines = ImportLines::going_on_with(step).of_run(run).confirmed(asked.confirms);
    let dry_run = asked.dry_run;
    let lines = if dry_run { lines.tried() } else { lines };
    if asked.format.is_none() {
        let body = Lines::of(&request, &mut payload)?;
        let told = read_lines(body, lines, &sessions, &caller).await?;
        return Ok(answer(&sessions, &caller, told.imported, dry_run, &told));
    }
    // Held until the report is made.
    let _place = streams.upload(&sender)?;
    let file = Lines::of_anything(&request, &mut payload)?.whole(MOVED_BYTES).await?;
    match asked.carry_out(file, &sessions, &caller).await? {
        CameOfIt::Moved(report) => {
            Ok(answer(&sessions, &caller, report.stored(), dry_run, &report))
        }
        CameOfIt::OwnLines(file) => {
            let told = take_lines(&file, lines, &sessions, &caller).await?;
            Ok(answer(&sessions, &caller, told.imported, dry_run, &told))
        }
    }
}

async fn read_lines(
    mut body: Lines,
    mut lines: ImportLines,
    sessions: &Sessions,
    caller: &Caller,
) -> Result<Imported, Error> {
    while let Some(line) = body.next().await {
        if let Some(part) = lines.take(line?) {
            lines.note(sessions.ask(caller, part).await?);
        }
    }
    if let Some(part) = lines.rest() {
        lines.note(sessions.ask(caller, part).await?);
    }
    Ok(lines.told())
}

/// Has the session take the lines of a text, a part after another.
pub(in crate::http) async fn take_lines(
    text: &[u8],
    lines: ImportLines,
    sessions: &Sessions,
    caller: &Caller,
) -> Result<Imported, Error> {
    let mut cutter = LineCutter::default();
    let mut cut = cutter.cut(text);
    cut.extend(cutter.end());
    Ok(sessions.import(caller, lines, cut).await?)
}

fn answer(
    sessions: &Sessions,
    caller: &Caller,
    stored: usize,
    dry_run: bool,
    told: &impl Serialize,
) -> HttpResponse {
    if !dry_run {
        let what = format!("{stored} memories over REST");
        sessions.accounts().note_deed(AuditKind::MemoriesImported, caller, what);
    }
    HttpResponse::Ok().json(told)
}
