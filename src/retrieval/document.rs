//! What the index must know of a memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::{Memory, Metadata, Priority, Tag, Timestamp};

/// A memory's number within an awake session.
///
/// The engine counts them up in the order of [`crate::model::MemoryId`], so a larger one is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocId(pub u32);

/// Names what memories follow one another in: a run, a conversation, or the additions of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SittingKey(pub u64);

/// The searchable side of a memory, borrowed from it.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    pub content: &'a str,
    pub title: Option<&'a str>,
    pub tags: &'a [Tag],
    /// Who says it, if the client told.
    pub author: Option<&'a str>,
    /// When this version was written.
    pub written_at: Timestamp,
    /// When what it tells of took place.
    pub event_at: Option<Timestamp>,
    pub sitting: SittingKey,
    pub priority: Priority,
    pub pinned: bool,
}

/// Keys of metadata in which clients name a conversation.
const RUN_KEYS: [&str; 6] =
    ["run_id", "conversation_id", "session_id", "thread_id", "chat_id", "session"];
/// Keys of metadata in which clients name who speaks.
const AUTHOR_KEYS: [&str; 4] = ["speaker", "author", "actor_id", "role"];

impl<'a> Document<'a> {
    /// Takes from a memory what ranking needs.
    #[must_use]
    pub fn of(memory: &'a Memory) -> Self {
        Self {
            content: &memory.content,
            title: memory.title.as_ref().map(|title| title.as_str()),
            tags: memory.tags.as_slice(),
            author: AUTHOR_KEYS.iter().find_map(|key| text_at(&memory.metadata, key)),
            written_at: memory.updated_at,
            event_at: memory.event_at,
            sitting: SittingKey::of(memory),
            priority: memory.priority,
            pinned: memory.pinned,
        }
    }
}

impl SittingKey {
    /// The conversation that the client names, else the client itself.
    fn of(memory: &Memory) -> Self {
        let mut hasher = DefaultHasher::new();
        let run = RUN_KEYS.iter().find_map(|key| text_at(&memory.metadata, key));
        run.hash(&mut hasher);
        if run.is_none() {
            (&memory.source.client, &memory.source.credential).hash(&mut hasher);
        }
        Self(hasher.finish())
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
            written_at: Timestamp(0),
            event_at: None,
            sitting: SittingKey(0),
            priority: Priority::default(),
            pinned: false,
        }
    }
}
