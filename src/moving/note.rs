//! A memory as a file of Markdown: its text as it is, below a head that says all else, so that
//! `formats/own_notes.rs` makes the same memory of it again.
//!
//! All names of the head are plain words, and all texts stand in quotation marks, as JSON writes them: any
//! reader of YAML understands it, and programs for notes show it as a list of properties.

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use crate::model::{Memory, Metadata, Priority, Source, Status};

/// The name under which the id of a memory stands, by which such a file is known.
pub(super) const OWN_ID: &str = "memoryd";

/// A file of a folder of notes.
#[derive(Debug)]
pub struct MemoryNote {
    /// Where it lies in the folder, with `/` between the names. No two memories have the same.
    pub path: String,
    pub text: String,
}

/// Characters of a title in the name of a file.
const SLUG_CHARS: usize = 40;
/// Letters that a name is made of without a title.
const UNTITLED: &str = "memory";

impl MemoryNote {
    #[must_use]
    pub fn of(memory: &Memory) -> Self {
        let folder = memory.project.as_ref().map(|project| slug(project.as_str()));
        let folder = folder.filter(|folder| !folder.is_empty());
        let named = memory.title.as_ref().map_or(memory.content.as_str(), |title| title.as_str());
        let name = Some(slug(named)).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| UNTITLED.to_owned());
        let folder = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
        let path = format!("{folder}{name}-{}.md", memory.id);
        let text = format!("---\n{}---\n\n{}\n", head(memory), memory.content);
        Self { path, text }
    }
}

/// A name that every system takes: letters and digits, with a hyphen for anything between them.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.nfc().take(SLUG_CHARS) {
        if letter.is_alphanumeric() {
            slug.extend(letter.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').nfc().collect()
}

/// The lines of the head, the id first. What is as usual is left out.
fn head(memory: &Memory) -> String {
    let mut head = Head::default();
    head.add(OWN_ID, &memory.id);
    head.add_some("title", memory.title.as_ref());
    head.add("kind", &memory.kind);
    head.add_if("tags", &memory.tags, !memory.tags.as_slice().is_empty());
    head.add_some("project", memory.project.as_ref());
    head.add_some("category", memory.category.as_ref());
    head.add_if("priority", &memory.priority, memory.priority != Priority::default());
    head.add_if("pinned", &memory.pinned, memory.pinned);
    head.add_if("status", &memory.status, memory.status != Status::Active);
    head.add("created_at", &memory.created_at);
    head.add("updated_at", &memory.updated_at);
    head.add_some("event_at", memory.event_at.as_ref());
    head.add_some("expires_at", memory.expires_at.as_ref());
    head.add_some("supersedes", memory.supersedes.as_ref());
    head.add_some("superseded_by", memory.superseded_by.as_ref());
    head.add_if("provisional", &memory.provisional, memory.provisional);
    head.add("version", &memory.version);
    // As text: what programs for notes do to one value within another differs.
    head.add_if("source", &json(&memory.source), memory.source != Source::default());
    head.add_if("metadata", &json(&memory.metadata), memory.metadata != Metadata::default());
    head.lines
}

#[derive(Default)]
struct Head {
    lines: String,
}

impl Head {
    fn add(&mut self, name: &str, value: &impl Serialize) {
        self.lines.push_str(&format!("{name}: {}\n", json(value)));
    }

    fn add_if(&mut self, name: &str, value: &impl Serialize, is_said: bool) {
        if is_said {
            self.add(name, value);
        }
    }

    fn add_some(&mut self, name: &str, value: Option<&impl Serialize>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}

fn json(value: &impl Serialize) -> String {
    // Plain data always is JSON, and writing to memory does not fail.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemoryId, Project, Timestamp, Title};

    #[test]
    fn a_file_is_called_by_project_and_title_and_leads_nowhere_else() {
        let memory = Memory::new(MemoryId::default(), "Tea, hot".to_owned(), Timestamp(0));
        let path = |title: &str, project: &str| {
            let (title, project) = (Title::parse(title).ok(), Project::parse(project).ok());
            MemoryNote::of(&Memory { title, project, ..memory.clone() }).path
        };
        let id = memory.id.to_string();

        assert_eq!(path("", ""), format!("tea-hot-{id}.md"));
        assert_eq!(path("../../etc/passwd", ".."), format!("etc-passwd-{id}.md"));
        assert_eq!(path("Cafe\u{301} \u{1f375}!", "A/B"), format!("a-b/caf\u{e9}-{id}.md"));
        assert_eq!(path("???", ""), format!("memory-{id}.md"));
        assert!(path(&"\u{1d400}".repeat(200), "").len() < 255);
    }
}
