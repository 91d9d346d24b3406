use serde_json::Value;

use super::others;
use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::verbs::add::Times;
use crate::engine::{Add, Field, MoreVersions, Shape, Spoken, Whole};
use crate::model::{Memory, MemoryId};

/// What one line says.
#[derive(Debug, Clone)]
pub enum ImportItem {
    New(Box<NewLine>),
    Whole(Box<Whole>),
    /// Goes on with the history of a memory that an earlier line brought.
    More(MoreVersions),
}

/// A memory that comes without a history, perhaps with the times of its first and last writing.
#[derive(Debug, Clone)]
pub struct NewLine {
    pub(super) add: Add,
    pub(super) times: Times,
}

const CREATED_AT: Field = Field::new("created_at", Shape::Moment, "");
const UPDATED_AT: Field = Field::new("updated_at", Shape::Moment, "");

/// The fields of an [`Add`] that no tool takes.
pub(super) const TIMES: [&str; 2] = [CREATED_AT.name, UPDATED_AT.name];

impl ImportItem {
    /// Reads one line of a file; an empty one holds nothing.
    pub(super) fn read(line: &[u8]) -> Result<Option<Self>, InvalidArguments> {
        let refused = |problem| InvalidArguments::one("line", problem);
        let text = std::str::from_utf8(line).map_err(|_| refused("is not UTF-8"))?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        let value = serde_json::from_str(text).map_err(|_| refused("is not a JSON object"))?;
        Self::parse(value).map(Some)
    }

    fn parse(value: Value) -> Result<Self, InvalidArguments> {
        let refused = |error: serde_json::Error| InvalidArguments::one("line", &error.to_string());
        let has = |key: &str| value.get(key).is_some();
        let id = value.get("id").and_then(Value::as_str);
        let is_ours = id.is_some_and(|id| MemoryId::parse(id).is_ok());
        if is_ours && ["content", "kind", "version", "created_at"].into_iter().all(has) {
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

    /// Whether it is one that nobody stands for, which is not to be obeyed.
    pub(super) fn is_doubtful_instruction(&self) -> bool {
        let is_doubtful = |memory: &Memory| memory.provisional && memory.kind.is_instruction();
        match self {
            Self::New(line) => line.add.is_unconfirmed && line.add.is_instruction(),
            Self::Whole(whole) => {
                is_doubtful(&whole.memory) || whole.history.iter().any(is_doubtful)
            }
            Self::More(more) => more.history.iter().any(is_doubtful),
        }
    }

    pub(super) fn is_instruction(&self) -> bool {
        let among =
            |versions: &[Memory]| versions.iter().any(|version| version.kind.is_instruction());
        match self {
            Self::New(line) => line.add.is_instruction(),
            Self::Whole(whole) => whole.memory.kind.is_instruction() || among(&whole.history),
            Self::More(more) => among(&more.history),
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
}
