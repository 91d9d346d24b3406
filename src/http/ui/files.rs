//! What is in sight as a file for people: a table, or a text. `import` takes neither back.

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

/// Memories that are read at a time.
const PART: usize = 100;
const CSV_HEAD: &str = "id,created,changed,kind,project,tags,title,text,client\r\n";

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
        Part::First(listed) => (form.head().to_owned(), Ok(listed)),
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

    fn head(self) -> &'static str {
        match self {
            Self::Csv => CSV_HEAD,
            Self::Markdown => "# Memories\n",
        }
    }

    fn write(self, text: &mut String, memory: &Memory) {
        let tags: Vec<&str> = memory.tags.as_slice().iter().map(|tag| tag.as_str()).collect();
        let fields = [
            memory.id.to_string(),
            memory.created_at.to_string(),
            memory.updated_at.to_string(),
            memory.kind.to_string(),
            memory.project.as_ref().map(|name| name.to_string()).unwrap_or_default(),
            tags.join(", "),
            memory.title.as_ref().map(|title| title.to_string()).unwrap_or_default(),
        ];
        match self {
            Self::Csv => {
                let client = memory.source.client.clone().unwrap_or_default();
                let more = [memory.content.clone(), client];
                let cells: Vec<String> =
                    fields.iter().chain(&more).map(|field| cell(field)).collect();
                text.push_str(&cells.join(","));
                text.push_str("\r\n");
            }
            Self::Markdown => {
                let [id, created, _, kind, project, tags, title] = fields;
                let said = [kind, project, tags, created, id];
                let said: Vec<&str> =
                    said.iter().map(String::as_str).filter(|one| !one.is_empty()).collect();
                let heading = if title.is_empty() { "Memory" } else { title.as_str() };
                text.push_str(&format!("\n## {heading}\n\n{}\n\n", said.join(" - ")));
                // Quoted, so that no text can pass for a heading of ours. A return alone ends a line
                // of Markdown, too.
                for line in memory.content.lines().flat_map(|line| line.split('\r')) {
                    text.push_str(&format!("> {line}\n"));
                }
            }
        }
    }
}

/// A cell that no spreadsheet takes for a formula.
fn cell(field: &str) -> String {
    let is_formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if is_formula { "'" } else { "" };
    format!("\"{mark}{}\"", field.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemoryId, Timestamp};

    #[test]
    fn no_text_leaves_its_cell_or_its_quote() {
        for (field, written) in [
            ("plain", "\"plain\""),
            ("=1+1", "\"'=1+1\""),
            ("\"a\",b\r\nc", "\"\"\"a\"\",b\r\nc\""),
            ("@x", "\"'@x\""),
        ] {
            assert_eq!(cell(field), written);
        }
        let memory = Memory::new(MemoryId::default(), "a\n# b\rc\r\nd".to_owned(), Timestamp(0));
        let mut text = String::new();
        Form::Markdown.write(&mut text, &memory);
        assert!(text.contains("> a\n> # b\n> c\n> d\n") && !text.contains("\n# b"), "{text}");
    }
}
