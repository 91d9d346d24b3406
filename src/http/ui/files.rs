//! What is in sight as a file for people: a table, or a text. Neither comes back whole.

use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;

use super::login::must_confirm;
use super::sessions::BrowserSession;
use crate::actors::Sessions;
use crate::engine::{List, Listed, Order, Shown};
use crate::error::Error;
use crate::http::OpenStreams;
use crate::model::{AuditKind, Caller, Memory};
use crate::moving::{CSV_END, CSV_HEAD, csv_row};

/// Memories that are read at a time.
const PART: usize = 100;

/// How the file is written.
#[derive(Debug, Clone, Copy)]
enum Form {
    Csv,
    Markdown,
}

/// What comes next of a file.
enum Part {
    First(Listed),
    After(String),
}

type Piece = Result<Bytes, actix_web::Error>;

/// A table for spreadsheets.
pub(in crate::http) async fn table(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    streams: web::Data<OpenStreams>,
) -> Result<HttpResponse, Error> {
    file(Form::Csv, &request, &session, sessions, &streams).await
}

/// A text for readers.
pub(in crate::http) async fn text(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    streams: web::Data<OpenStreams>,
) -> Result<HttpResponse, Error> {
    file(Form::Markdown, &request, &session, sessions, &streams).await
}

async fn file(
    form: Form,
    request: &HttpRequest,
    session: &BrowserSession,
    sessions: web::Data<Sessions>,
    streams: &OpenStreams,
) -> Result<HttpResponse, Error> {
    if let Some(first) = must_confirm(session, "/ui/transfer") {
        return Ok(first);
    }
    let caller = session.caller.clone();
    let place = streams.open(&caller)?;
    // The first part is read before the status goes out, so that a refusal still can be one.
    let first = part(&sessions, &caller, None).await?;
    let what = format!("in the dashboard, {}", request.path());
    sessions.accounts().note_deed(AuditKind::MemoriesExported, &caller, what);
    let read = stream::unfold(Some(Part::First(first)), move |next| {
        let (sessions, caller) = (sessions.clone(), caller.clone());
        async move { piece(form, next?, &sessions, &caller).await }
    });
    let (kind, name) = form.names();
    let attached = format!("attachment; filename=\"{name}\"");
    let mut response = HttpResponse::Ok();
    response.content_type(kind).insert_header((CONTENT_DISPOSITION, attached));
    Ok(response.streaming(place.held_by(read)))
}

async fn part(
    sessions: &Sessions,
    caller: &Caller,
    cursor: Option<String>,
) -> Result<Listed, Error> {
    let (limit, order) = (PART, Order::Asc);
    let verb = List { limit, order, cursor, is_unnoted: true, ..List::default() };
    Ok(sessions.ask(caller, verb).await?)
}

/// An error ends the file early, which browsers see.
async fn piece(
    form: Form,
    next: Part,
    sessions: &Sessions,
    caller: &Caller,
) -> Option<(Piece, Option<Part>)> {
    let (mut text, listed) = match next {
        Part::First(listed) => (form.head(), Ok(listed)),
        Part::After(cursor) => (String::new(), part(sessions, caller, Some(cursor)).await),
    };
    match listed {
        Ok(listed) => {
            for shown in &listed.memories {
                if let Shown::Full(view) = shown {
                    form.write(&mut text, &view.memory);
                }
            }
            Some((Ok(Bytes::from(text)), listed.next_cursor.map(Part::After)))
        }
        Err(failed) => {
            failed.log();
            Some((Err(failed.into()), None))
        }
    }
}

impl Form {
    /// The media type, and what the file is called.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Csv => ("text/csv; charset=utf-8", "memoryd.csv"),
            Self::Markdown => ("text/markdown; charset=utf-8", "memoryd.md"),
        }
    }

    fn head(self) -> String {
        match self {
            Self::Csv => format!("{CSV_HEAD}{CSV_END}"),
            Self::Markdown => "# Memories\n".to_owned(),
        }
    }

    fn write(self, text: &mut String, memory: &Memory) {
        match self {
            Self::Csv => {
                text.push_str(&csv_row(memory));
                text.push_str(CSV_END);
            }
            Self::Markdown => write_quoted(text, memory),
        }
    }
}

fn write_quoted(text: &mut String, memory: &Memory) {
    let tags: Vec<&str> = memory.tags.as_slice().iter().map(|tag| tag.as_str()).collect();
    let said = [
        memory.kind.to_string(),
        memory.project.as_ref().map(|name| name.to_string()).unwrap_or_default(),
        tags.join(", "),
        memory.created_at.to_string(),
        memory.id.to_string(),
    ];
    let said: Vec<&str> = said.iter().map(String::as_str).filter(|one| !one.is_empty()).collect();
    let heading = memory.title.as_ref().map_or("Memory", |title| title.as_str());
    text.push_str(&format!("\n## {heading}\n\n{}\n\n", said.join(" - ")));
    // Quoted, so that no text can pass for a heading of ours. A return alone ends a line of Markdown, too.
    for line in memory.content.lines().flat_map(|line| line.split('\r')) {
        text.push_str(&format!("> {line}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemoryId, Timestamp};

    #[test]
    fn no_text_leaves_its_quote() {
        let memory = Memory::new(MemoryId::default(), "a\n# b\rc\r\nd".to_owned(), Timestamp(0));
        let mut text = String::new();
        Form::Markdown.write(&mut text, &memory);
        assert!(text.contains("> a\n> # b\n> c\n> d\n") && !text.contains("\n# b"), "{text}");
    }
}
