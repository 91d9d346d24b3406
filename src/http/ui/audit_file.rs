//! The whole audit as a file, read a part at a time.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::{self, Bytes};
use futures_util::stream;

use super::sessions::BrowserSession;
use crate::actors::{AuditPart, AuditPlace, Sessions};
use crate::error::Error;
use crate::http::OpenStreams;
use crate::model::Caller;

/// Events that are read at a time.
const PART: usize = 1_000;

/// What comes next of the file.
enum Next {
    Ready(AuditPart),
    After(AuditPlace),
}

type Piece = Result<Bytes, actix_web::Error>;

/// Gives out everything that the audit says, one event a line, the oldest first.
pub(in crate::http) async fn audit_file(
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    streams: web::Data<OpenStreams>,
) -> Result<HttpResponse, Error> {
    let caller = session.caller;
    // The first part is read before the status goes out, so that a refusal still can be one.
    let first = part(&sessions, &caller, None).await?;
    let place = streams.open(&caller)?;
    let read = stream::unfold(Some(Next::Ready(first)), move |next| {
        let (sessions, caller) = (sessions.clone(), caller.clone());
        async move { piece(next?, &sessions, &caller).await }
    });
    let mut response = HttpResponse::Ok();
    response.content_type("application/x-ndjson");
    response.insert_header((CONTENT_DISPOSITION, "attachment; filename=\"memoryd-audit.jsonl\""));
    Ok(response.streaming(place.held_by(read)))
}

async fn part(
    sessions: &Sessions,
    caller: &Caller,
    after: Option<AuditPlace>,
) -> Result<AuditPart, Error> {
    let administration = sessions.accounts().administration(caller)?;
    Ok(administration.audit_part(after, PART).await?)
}

/// An error ends the file early, which browsers see.
async fn piece(next: Next, sessions: &Sessions, caller: &Caller) -> Option<(Piece, Option<Next>)> {
    let read = match next {
        Next::Ready(read) => Ok(read),
        Next::After(place) => part(sessions, caller, Some(place)).await,
    };
    match read {
        Ok(read) => {
            // An event always is JSON.
            let lines = read.events.iter().filter_map(|event| serde_json::to_string(event).ok());
            let text: String = lines.map(|line| line + "\n").collect();
            Some((Ok(Bytes::from(text)), read.next.map(Next::After)))
        }
        Err(failed) => {
            failed.log();
            Some((Err(failed.into()), None))
        }
    }
}
