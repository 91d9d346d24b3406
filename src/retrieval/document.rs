//! What the index must know of a memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::{Kind, Memory, Metadata, Priority, Tag, Timestamp};

use super::meaning::Vector;
use super::{speaker, when};

/// A memory's number within an awake session.
///
/// The engine counts them up in the order of [`crate::model::MemoryId`], so a larger one is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocId(pub u32);

/// Names what the turns of a conversation follow one another in: a run, or what a client adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SittingKey {
    pub run: u64,
    /// Whether the client says that it is a turn. "Boiler: installed 2017" only looks like one, and is
    /// one if the same name speaks again, in what was stored just before or after.
    pub is_told: bool,
}

/// The searchable side of a memory, borrowed from it.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    pub content: &'a str,
    pub title: Option<&'a str>,
    pub tags: &'a [Tag],
    /// Who says it, where the client or the text tells.
    pub author: Option<&'a str>,
    pub created_at: Timestamp,
    /// When this version was written.
    pub written_at: Timestamp,
    /// When what it tells of took place.
    pub event_at: Option<Timestamp>,
    /// Set for a turn of a conversation. A plain note has none, and is ranked by its own words.
    pub sitting: Option<SittingKey>,
    pub priority: Priority,
    pub pinned: bool,
}

/// Keys of metadata in which clients name a conversation.
const RUN_KEYS: [&str; 6] =
    ["run_id", "conversation_id", "session_id", "thread_id", "chat_id", "session"];
/// Keys of metadata in which clients name who speaks.
const AUTHOR_KEYS: [&str; 5] = ["speaker", "author", "actor_id", "actor", "role"];

impl<'a> Document<'a> {
    /// Takes from a memory what ranking needs.
    #[must_use]
    pub fn of(memory: &'a Memory) -> Self {
        let told = AUTHOR_KEYS.iter().find_map(|key| text_at(&memory.metadata, key));
        let author = told.or_else(|| speaker::label(&memory.content));
        Self {
            content: &memory.content,
            title: memory.title.as_ref().map(|title| title.as_str()),
            tags: memory.tags.as_slice(),
            author,
            created_at: memory.created_at,
            written_at: memory.updated_at,
            event_at: memory.event_at.map(|event| event.at),
            sitting: SittingKey::of(memory, told.is_some(), author.is_some()),
            priority: memory.priority,
            pinned: memory.pinned,
        }
    }

    /// The vector that `embed` makes of its parts. The table works best when it sees who speaks and
    /// when (measured: docs/RECALL.md).
    #[must_use]
    pub fn vector(&self, embed: impl FnOnce(&[&str]) -> Vector) -> Vector {
        let title = self.title.unwrap_or_default();
        let author = self.untold_author().unwrap_or_default();
        embed(&[title, author, self.content, &self.date_words()])
    }

    /// The text as a model is to read it: who speaks and when would draw it to whatever the same
    /// person says (measured: docs/RECALL.md). The title stands before it. What stands before the
    /// colon of a note is what it is about, and stays.
    #[must_use]
    pub fn bare_text(&self, is_turn: bool) -> String {
        let content = match speaker::label(self.content).filter(|_| is_turn) {
            Some(name) => self.content.get(name.len() + 1..).unwrap_or_default().trim_start(),
            None => self.content,
        };
        let title = self.title.unwrap_or_default();
        format!("{title} {content}").trim().to_owned()
    }

    /// The author, unless the content begins with the name already.
    pub(super) fn untold_author(&self) -> Option<&'a str> {
        self.author.filter(|author| !self.content.starts_with(author))
    }

    /// The words of its date, where it tells of one: people ask for "8 May" and for "2023".
    pub(super) fn date_words(&self) -> String {
        self.event_at.and_then(when::date_words).unwrap_or_default()
    }

    /// When it happened, as far as is known.
    #[must_use]
    pub fn moment(&self) -> Timestamp {
        self.event_at.unwrap_or(self.created_at)
    }
}

impl SittingKey {
    /// A turn has a run, a speaker, or the kind `conversation`. Where the client names no run, what
    /// it adds in a row takes its place.
    fn of(memory: &Memory, is_told: bool, has_label: bool) -> Option<Self> {
        let mut hasher = DefaultHasher::new();
        if let Some(run) = RUN_KEYS.iter().find_map(|key| text_at(&memory.metadata, key)) {
            run.hash(&mut hasher);
            return Some(Self { run: hasher.finish(), is_told: true });
        }
        let is_told = is_told || memory.kind == Kind::conversation();
        (&memory.source.client, &memory.source.credential).hash(&mut hasher);
        let is_turn = is_told || has_label;
        is_turn.then(|| Self { run: hasher.finish(), is_told })
    }
}

fn text_at<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a str> {
    metadata.get(key)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A plain note.
    pub(crate) fn note(content: &str) -> Document<'_> {
        Document {
            content,
            title: None,
            tags: &[],
            author: None,
            created_at: Timestamp(0),
            written_at: Timestamp(0),
            event_at: None,
            sitting: None,
            priority: Priority::default(),
            pinned: false,
        }
    }

    /// A line of a conversation.
    pub(crate) fn turn<'a>(author: &'a str, content: &'a str) -> Document<'a> {
        Document {
            author: Some(author),
            sitting: Some(SittingKey { run: 7, is_told: true }),
            ..note(content)
        }
    }
}
