use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::bulk::BULK;
use super::form::text_of;
use super::page::{Page, respond};
use super::sessions::BrowserSession;
use super::text::PageText;
use super::view::{MemoryRow, counted_of, place};
use crate::actors::Sessions;
use crate::engine::{Arguments, Search, SearchHit, Spoken};
use crate::error::Error;
use crate::http::ask::query;

/// Hits of a page.
const HITS: usize = 20;
/// Where a list goes on.
const CURSOR: &str = "cursor";

#[derive(Template)]
#[template(path = "ui/search.html")]
struct SearchPage {
    page: Page,
    question: String,
    mode: String,
    project: String,
    is_asked: bool,
    problem: PageText,
    hits: Vec<HitView>,
    total: String,
    mode_used: String,
    took_ms: u128,
    tokens: String,
    /// The hits after these; empty at the end. And the first ones, where these are others.
    next: String,
    first: String,
    csrf: String,
}

/// A memory that was found, and why.
struct HitView {
    row: MemoryRow,
    pieces: Vec<Piece>,
    score: String,
    why: Vec<(&'static str, String)>,
}

/// A piece of a text, and whether the question has it.
struct Piece {
    text: PageText,
    is_hit: bool,
}

/// Finds memories, and tells why each was found.
pub(in crate::http) async fn search(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let mut asked = query(&request, |_| false)?;
    let [question, mode, project] = ["q", "mode", "project"].map(|name| text_of(&asked, name));
    let is_further = asked.contains_key(CURSOR);
    asked.retain(|name, _| ["mode", "project", CURSOR].contains(&name.as_str()));
    asked.insert("query".to_owned(), question.clone().into());
    let mut page = SearchPage {
        page: Page::of(&request, Some(&session), "Search"),
        is_asked: !question.is_empty(),
        question,
        mode,
        project,
        problem: PageText::default(),
        hits: Vec::new(),
        total: String::new(),
        mode_used: String::new(),
        took_ms: 0,
        tokens: String::new(),
        next: String::new(),
        first: String::new(),
        csrf: session.csrf(BULK),
    };
    if is_further {
        page.first = page.place("");
    }
    if page.is_asked {
        match Search::parse(Arguments::new(asked)) {
            Ok(said) => page.fill(&session, &sessions, said.verb).await?,
            Err(invalid) => page.problem = PageText::of(&invalid.to_string()),
        }
    }
    Ok(respond(StatusCode::OK, &page))
}

impl SearchPage {
    async fn fill(
        &mut self,
        session: &BrowserSession,
        sessions: &Sessions,
        verb: Search,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        // Nothing is counted as given: nobody but the owner looks.
        let verb = Search { limit: HITS, is_replay: true, ..verb };
        let found = sessions.ask(&session.caller, verb).await?;
        self.took_ms = begun.elapsed().as_millis();
        let terms = terms_of(&self.question);
        let tokens: usize = found.results.iter().map(|hit| hit.memory.cost()).sum();
        self.hits = found.results.iter().filter_map(|hit| HitView::of(hit, &terms)).collect();
        self.total = counted_of(found.total);
        self.mode_used = format!("{:?}", found.mode_used).to_lowercase();
        self.tokens = counted_of(tokens);
        self.next = found.next_cursor.map(|cursor| self.place(&cursor)).unwrap_or_default();
        Ok(())
    }

    /// Where the same is asked, from a place of the list on; from its beginning if none is named.
    fn place(&self, cursor: &str) -> String {
        let asked = [
            ("q", self.question.as_str()),
            ("mode", &self.mode),
            ("project", &self.project),
            (CURSOR, cursor),
        ];
        place("/ui/search", asked)
    }
}

impl HitView {
    fn of(hit: &SearchHit, terms: &[String]) -> Option<Self> {
        let row = MemoryRow::of_shown(&hit.memory)?;
        let why = &hit.why;
        let parts = [
            ("words", why.words),
            ("meaning", why.meaning),
            ("speaker", why.speaker),
            ("time", why.time),
            ("recency, priority, pin", why.priors),
            ("repeats", why.repeats),
        ];
        let said = parts.into_iter().filter(|(_, value)| *value != 0.0);
        Some(Self {
            pieces: pieces(row.snippet.as_str(), terms),
            score: format!("{:.3}", hit.score),
            why: said.map(|(name, value)| (name, format!("{value:+.3}"))).collect(),
            row,
        })
    }
}

/// The words of a question that are worth a mark.
fn terms_of(question: &str) -> Vec<String> {
    let words = question.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| word.chars().count() > 2).map(str::to_lowercase).collect()
}

/// Parts a text at the words that begin as one of the question.
fn pieces(text: &str, terms: &[String]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut plain = String::new();
    for word in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let bare = word.to_lowercase();
        if terms.iter().any(|term| bare.starts_with(term.as_str())) {
            if !plain.is_empty() {
                let text = PageText::of(&std::mem::take(&mut plain));
                pieces.push(Piece { text, is_hit: false });
            }
            pieces.push(Piece { text: PageText::of(word), is_hit: true });
        } else {
            plain.push_str(word);
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece { text: PageText::of(&plain), is_hit: false });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_question_are_marked_and_nothing_is_lost() {
        let parts = pieces("The <b>Dogs</b> bark", &terms_of("what does the dog say"));

        let hits: Vec<_> = parts.iter().filter(|p| p.is_hit).map(|p| p.text.as_str()).collect();
        let whole: String = parts.iter().map(|p| p.text.as_str()).collect();
        assert_eq!(hits, ["The ", "Dogs<"]);
        assert_eq!(whole, "The <b>Dogs</b> bark");
    }
}
