use actix_web::web::{self, Bytes, BytesMut};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;

use crate::actors::Sessions;
use crate::engine::{Export, ExportPlace, Exported, IMPORT_CONFIRM, IMPORT_STEP, ImportLines};
use crate::error::Error;
use crate::http::OpenStreams;
use crate::http::ask::{acting, acting_with};
use crate::http::lines::Lines;
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

/// Reads JSON Lines: lines of an export or of other servers, or the arguments of `add_memory`.
///
/// A bad line is named and passed over. What was read before a connection broke stays; sending it
/// again adds nothing.
pub(in crate::http) async fn import(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    mut body: Lines,
) -> Result<HttpResponse, Error> {
    let (caller, mut lines) = acting_with(&request, &sessions, &caller, |arguments| {
        let confirms = arguments.take(&IMPORT_CONFIRM).unwrap_or(false);
        ImportLines::going_on_with(arguments.take(&IMPORT_STEP)).confirmed(confirms)
    })?;
    while let Some(line) = body.next().await {
        if let Some(part) = lines.take(line?) {
            lines.note(sessions.ask(&caller, part).await?);
        }
    }
    if let Some(part) = lines.rest() {
        lines.note(sessions.ask(&caller, part).await?);
    }
    let told = lines.told();
    let what = format!("{} memories over REST", told.imported);
    sessions.accounts().note_deed(AuditKind::MemoriesImported, &caller, what);
    Ok(HttpResponse::Ok().json(told))
}
