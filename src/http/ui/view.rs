//! Memories as the pages show them.

use std::time::Duration;

use super::text::{PageText, PageTime};
use crate::engine::Shown;
use crate::model::percent::encoded_path;
use crate::model::{Memory, Status};

/// A name that leads to what bears it.
#[derive(Debug, Clone)]
pub(super) struct NameLink {
    pub(super) name: PageText,
    pub(super) path: String,
}

/// A memory as a line of a list.
#[derive(Debug, Clone)]
pub(super) struct MemoryRow {
    pub(super) id: String,
    pub(super) title: PageText,
    pub(super) snippet: PageText,
    pub(super) kind: PageText,
    pub(super) tags: Vec<NameLink>,
    pub(super) project: Option<NameLink>,
    pub(super) client: Option<NameLink>,
    /// What is to be said of it, if it is not simply there.
    pub(super) state: &'static str,
    pub(super) is_pinned: bool,
    pub(super) created: PageTime,
    /// Since when it is in the trash, and until when it can be restored; empty where it is not there.
    pub(super) trashed: PageTime,
    pub(super) erased: PageTime,
}

/// Characters of a text that a line shows.
const SNIPPET_CHARS: usize = 240;

impl NameLink {
    pub(super) fn tag(name: &str) -> Self {
        Self::new(name, "tags")
    }

    pub(super) fn project(name: &str) -> Self {
        Self::new(name, "project")
    }

    pub(super) fn client(name: &str) -> Self {
        Self::new(name, "client")
    }

    fn new(name: &str, field: &str) -> Self {
        let path = format!("/ui/memories?{field}={}", encoded_path(name));
        Self { name: PageText::of(name), path }
    }
}

impl MemoryRow {
    pub(super) fn of(memory: &Memory) -> Self {
        Self {
            id: memory.id.to_string(),
            title: PageText::of_any(memory.title.as_ref().map(|title| title.as_str())),
            snippet: PageText::of(&beginning(&memory.content)),
            kind: PageText::of(memory.kind.as_str()),
            tags: memory.tags.as_slice().iter().map(|tag| NameLink::tag(tag.as_str())).collect(),
            project: memory.project.as_ref().map(|project| NameLink::project(project.as_str())),
            client: memory.source.writer().map(NameLink::client),
            state: state_of(memory),
            is_pinned: memory.pinned,
            created: PageTime::of(memory.created_at),
            trashed: PageTime::default(),
            erased: PageTime::default(),
        }
    }

    /// The same with how long it can be restored, if it is in the trash: `undo` after it came there.
    pub(super) fn of_life(memory: &Memory, undo: Duration) -> Self {
        let trashed = Some(memory.updated_at).filter(|_| memory.status == Status::Deleted);
        Self {
            trashed: PageTime::of_any(trashed),
            erased: PageTime::of_any(trashed.map(|at| at.plus(undo))),
            ..Self::of(memory)
        }
    }

    /// Nothing of what was asked for without its text.
    pub(super) fn of_shown(shown: &Shown) -> Option<Self> {
        match shown {
            Shown::Full(view) => Some(Self::of(&view.memory)),
            Shown::Brief(_) => None,
        }
    }
}

/// The path of a page of which something is asked. What says nothing is left out.
pub(super) fn place<'a>(path: &str, asked: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let said = asked.into_iter().filter(|(_, text)| !text.is_empty());
    let parts: Vec<String> =
        said.map(|(name, text)| format!("{name}={}", encoded_path(text))).collect();
    format!("{path}?{}", parts.join("&"))
}

/// What is to be said of a memory that is not simply there.
pub(super) fn state_of(memory: &Memory) -> &'static str {
    match memory.status {
        Status::Deleted => "in the trash",
        Status::Superseded => "superseded",
        Status::Archived => "archived",
        Status::Active if memory.provisional => "to review",
        Status::Active => "",
    }
}

/// What a credential may do, and where.
pub(super) fn allowed(scopes: &[String], project: Option<&str>, is_guest: bool) -> String {
    let mut allowed = scopes.join(", ");
    if let Some(project) = project {
        allowed.push_str(&format!("; in {project} only"));
    }
    if is_guest {
        allowed.push_str("; as a guest");
    }
    allowed
}

/// The beginning of a text on one line.
pub(super) fn beginning(content: &str) -> String {
    let mut line = String::new();
    let mut count = 0;
    for word in content.split_whitespace() {
        if count > 0 {
            line.push(' ');
        }
        for c in word.chars() {
            if count >= SNIPPET_CHARS {
                line.push_str("...");
                return line;
            }
            line.push(c);
            count += 1;
        }
        count += 1;
    }
    line
}

/// A number with its thousands parted.
pub(super) fn counted(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            shown.push('\u{202f}');
        }
        shown.push(digit);
    }
    shown
}

/// The same of what is counted in memory.
pub(super) fn counted_of(number: usize) -> String {
    counted(u64::try_from(number).unwrap_or(u64::MAX))
}

/// Bytes for people.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, size) in UNITS {
        if number >= size {
            let tenths = number.saturating_mul(10) / size;
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{number} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_the_beginning_of_a_text_and_numbers_are_readable() {
        assert_eq!(beginning(" a\n b\t c "), "a b c");
        let long = beginning(&"word ".repeat(1_000));
        assert!(long.len() < SNIPPET_CHARS + 5 && long.ends_with("..."), "{long}");
        assert_eq!(counted(0), "0");
        assert_eq!(counted(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!((bytes(512), bytes(1 << 20)), ("512 B".to_owned(), "1.0 MiB".to_owned()));
    }

    #[test]
    fn a_place_says_what_is_asked_and_of_several_values_each() {
        let asked = [("tags", "a b"), ("kind", ""), ("tags", "c&d"), ("project", "x/y")];

        assert_eq!(place("/ui/memories", asked), "/ui/memories?tags=a%20b&tags=c%26d&project=x/y");
    }
}
