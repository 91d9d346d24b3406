use serde::Serialize;

use crate::model::{Access, Kind, Memory, MemoryId, Project, Tags, Timestamp, Title, UserId};

/// A memory as a caller sees it.
#[derive(Debug, Clone, Serialize)]
pub struct MemoryView {
    #[serde(flatten)]
    pub memory: Memory,
    pub user_id: UserId,
    pub access_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_accessed_at: Option<Timestamp>,
    /// How many characters of the text are left out; nothing if it is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_chars: Option<usize>,
}

/// Enough of a memory to recognize it.
#[derive(Debug, Clone, Serialize)]
pub struct BriefView {
    pub id: MemoryId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
    pub snippet: String,
    pub kind: Kind,
    pub tags: Tags,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<Project>,
    pub created_at: Timestamp,
    /// Which version this is.
    #[serde(skip)]
    pub version: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

/// How many characters of a text a snippet shows.
const SNIPPET_CHARS: usize = 200;

impl MemoryView {
    pub(super) fn new(memory: Memory, user: &UserId, access: Access) -> Self {
        Self {
            memory,
            user_id: user.clone(),
            access_count: access.count,
            last_accessed_at: (access.count > 0).then_some(access.last),
            cut_chars: None,
        }
    }
}

impl BriefView {
    pub(super) fn of(memory: &Memory) -> Self {
        Self {
            id: memory.id,
            title: memory.title.clone(),
            snippet: snippet(&memory.content),
            kind: memory.kind.clone(),
            tags: memory.tags.clone(),
            project: memory.project.clone(),
            created_at: memory.created_at,
            version: memory.version,
            provisional: memory.provisional,
        }
    }
}

/// The beginning of a text on one line.
pub(super) fn snippet(content: &str) -> String {
    beginning(content, SNIPPET_CHARS)
}

/// So many characters of a text on one line.
pub(super) fn beginning(content: &str, chars: usize) -> String {
    let line = content.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(chars) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// About how many tokens a model makes of a text: four letters of ASCII to one, and one for every
/// other character, which errs on the high side.
#[must_use]
pub(super) fn estimate_tokens(text: &str) -> usize {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let other = text.chars().filter(|c| !c.is_ascii()).count();
    ascii.div_ceil(4) + other
}
