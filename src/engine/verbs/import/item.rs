use serde_json::Value;

use super::moved::MovedLine;
use super::others;
use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::verbs::add::Times;
use crate::engine::verbs::export::LINE_MARKS;
use crate::engine::{Add, Asked, Field, MoreVersions, Shape, Spoken, Whole};
use crate::model::json::{self, Unreadable};
use crate::model::{Memory, MemoryId, foreign};

/// What one line says.
#[derive(Debug, Clone)]
pub enum ImportItem {
    New(Box<NewLine>),
    Whole(Box<Whole>),
    /// Goes on with the history of a memory that an earlier line brought.
    More(MoreVersions),
    /// What another product had.
    Moved(Box<MovedLine>),
}

/// A memory that comes without a history, perhaps with the times of its first and last writing.
#[derive(Debug, Clone)]
pub struct NewLine {
    pub(super) add: Add,
    pub(super) times: Times,
}

const CREATED_AT: Field = Field::new("created_at", Shape::Moment, "");
const UPDATED_AT: Field = Field::new("updated_at", Shape::Moment, "");

/// Values of one line. A single version of a memory, however full its metadata is, has far fewer, and
/// those are the only lines of an export that may hold more than [`LINE_MARKS`].
const MOST_VALUES: usize = LINE_MARKS + (64 << 10);

/// Enough to know a text by.
const BEGINNING_CHARS: usize = 120;

/// The fields of an [`Add`] that no tool takes.
pub(super) const TIMES: [&str; 2] = [CREATED_AT.name, UPDATED_AT.name];

impl ImportItem {
    /// Reads one line of a file; an empty one holds nothing.
    pub(super) fn read(line: &[u8]) -> Result<Option<Self>, InvalidArguments> {
        let refused = |problem: &str| InvalidArguments::one("line", problem);
        let text = std::str::from_utf8(line).map_err(|_| refused("is not UTF-8"))?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        if json::holds_more_than(line, MOST_VALUES) {
            return Err(refused(&format!("holds more values than the limit of {MOST_VALUES}")));
        }
        let value = json::read(line).map_err(|unreadable| match unreadable {
            Unreadable::NotJson => refused("is not a JSON object"),
            Unreadable::Twice => refused("has a name twice in one object"),
        })?;
        Self::parse(value).map(Some)
    }

    fn parse(value: Value) -> Result<Self, InvalidArguments> {
        let refused = |error: serde_json::Error| {
            InvalidArguments::one("line", &foreign::shortened(&error.to_string()))
        };
        let has = |key: &str| value.get(key).is_some();
        let id = value.get("id").and_then(Value::as_str);
        let is_ours = id.is_some_and(|id| MemoryId::parse(id).is_ok());
        if is_ours && ["content", "kind", "version", "created_at"].into_iter().all(has) {
            if has("moved") {
                let line = serde_json::from_value(value).map_err(refused)?;
                return Ok(Self::Moved(Box::new(line)));
            }
            return serde_json::from_value(value).map(Self::Whole).map_err(refused);
        }
        if is_ours && has("history") && !has("content") {
            return serde_json::from_value(value).map(Self::More).map_err(refused);
        }
        let Value::Object(fields) = value else {
            return Err(InvalidArguments::one("line", "is not a JSON object"));
        };
        let mut arguments = Arguments::new(others::in_our_fields(fields));
        let times = Times {
            created_at: arguments.take(&CREATED_AT),
            updated_at: arguments.take(&UPDATED_AT),
        };
        let add = Add::parse(arguments)?.verb;
        Ok(Self::New(Box::new(NewLine { add, times })))
    }

    /// Notes who brings it, with which import, and whether they stand for it. Lines of an export are what
    /// they were.
    pub(super) fn take_author(&mut self, confirms: bool, run: Option<MemoryId>, asked: Asked<'_>) {
        match self {
            Self::New(line) => line.add.is_unconfirmed = !confirms,
            Self::Moved(line) => line.take_author(confirms, run, asked),
            Self::Whole(_) | Self::More(_) => {}
        }
    }

    /// The kind of what another product had.
    pub(super) fn moved_kind(&self) -> Option<String> {
        match self {
            Self::Moved(line) => Some(line.memory.kind.as_str().to_owned()),
            Self::New(_) | Self::Whole(_) | Self::More(_) => None,
        }
    }

    /// The beginning of its text; nothing of what has none of its own.
    pub(super) fn beginning(&self) -> String {
        let text = match self {
            Self::New(line) => line.add.content.as_str(),
            Self::Whole(whole) => whole.memory.content.as_str(),
            Self::Moved(line) => line.memory.content.as_str(),
            Self::More(_) => "",
        };
        text.chars().take(BEGINNING_CHARS).collect()
    }

    /// Whether it is one that nobody stands for, which is not to be obeyed.
    pub(super) fn is_doubtful_instruction(&self) -> bool {
        let is_doubtful = |memory: &Memory| memory.provisional && memory.kind.is_instruction();
        match self {
            Self::New(line) => line.add.is_unconfirmed && line.add.is_instruction(),
            Self::Whole(whole) => {
                is_doubtful(&whole.memory) || whole.history.iter().any(is_doubtful)
            }
            Self::More(more) => more.history.iter().any(is_doubtful),
            Self::Moved(line) => is_doubtful(&line.memory),
        }
    }

    pub(super) fn is_instruction(&self) -> bool {
        let among =
            |versions: &[Memory]| versions.iter().any(|version| version.kind.is_instruction());
        match self {
            Self::New(line) => line.add.is_instruction(),
            Self::Whole(whole) => whole.memory.kind.is_instruction() || among(&whole.history),
            Self::More(more) => among(&more.history),
            Self::Moved(line) => line.memory.kind.is_instruction(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_known_by_what_it_says() {
        let id = "01JC3V5Y9ZK7Q2M8N4T6W0X1ER";
        let memory = json!({
            "id": id, "content": "tea", "kind": "note", "version": 2,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        });
        let mut elsewhere = memory.clone();
        elsewhere["id"] = json!("6e1b");

        let read = |line: &Value| ImportItem::read(line.to_string().as_bytes()).unwrap().unwrap();

        assert!(matches!(read(&memory), ImportItem::Whole(_)));
        assert!(matches!(read(&json!({ "id": id, "history": [memory] })), ImportItem::More(_)));
        assert!(matches!(read(&json!({ "content": "tea" })), ImportItem::New(_)));
        assert!(matches!(read(&elsewhere), ImportItem::New(_)));
        assert!(ImportItem::read(b" \r").unwrap().is_none());
        for odd in [&b"\xe9"[..], b"null", b"[{}]", b"{}", b"{\"content\": \" \"}"] {
            assert!(ImportItem::read(odd).is_err());
        }
    }

    #[test]
    fn a_line_says_nothing_twice_and_holds_no_more_than_an_export() {
        let problem = |line: &str| ImportItem::read(line.as_bytes()).unwrap_err().to_string();
        let list =
            |count: usize| format!("{{\"content\": \"x\", \"vector\": [0{}]}}", ",0".repeat(count));

        for twice in [
            r#"{"content": "tea", "content": "coffee"}"#,
            r#"{"content": "tea", "metadata": {"a": 1, "a": 2}}"#,
        ] {
            assert!(problem(twice).contains("twice"), "{}", problem(twice));
        }
        assert!(problem(&list(MOST_VALUES)).contains("the limit of"));
        assert!(ImportItem::read(list(LINE_MARKS).as_bytes()).is_ok());
    }
}
