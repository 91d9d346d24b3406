//! The versions of a memory, each held against the one before it.

use super::diff::{DiffPart, diff};
use super::text::{PageText, PageTime};
use super::view::{beginning, state_of};
use crate::engine::Got;
use crate::model::Memory;

/// A version of a memory, and what it changed of the one before.
pub(super) struct VersionView {
    pub(super) number: u32,
    pub(super) at: PageTime,
    pub(super) title: PageText,
    pub(super) state: &'static str,
    /// What it changed besides the text.
    pub(super) changes: Vec<FieldChange>,
    /// What it changed of the text; empty if that stayed.
    pub(super) parts: Vec<DiffPart>,
    pub(super) is_current: bool,
}

/// What is said of a memory, as it was before a version and from then on.
pub(super) struct FieldChange {
    pub(super) name: &'static str,
    pub(super) before: PageText,
    pub(super) after: PageText,
}

/// The newest first. Of the oldest that is known nobody says what it changed.
pub(super) fn versions(got: &Got) -> Vec<VersionView> {
    let all: Vec<&Memory> = got.history.iter().chain([&got.memory.memory]).collect();
    let mut views = Vec::with_capacity(all.len());
    let mut before: Option<&Memory> = None;
    for memory in all {
        let changed = before.filter(|before| before.content != memory.content);
        views.push(VersionView {
            number: memory.version,
            at: PageTime::of(memory.updated_at),
            title: PageText::of_any(memory.title.as_ref().map(|title| title.as_str())),
            state: state_of(memory),
            changes: before.map(|before| changes(before, memory)).unwrap_or_default(),
            parts: changed.map(|old| diff(&old.content, &memory.content)).unwrap_or_default(),
            is_current: memory.version == got.memory.memory.version,
        });
        before = Some(memory);
    }
    views.reverse();
    views
}

fn changes(before: &Memory, after: &Memory) -> Vec<FieldChange> {
    let pairs = said(before).into_iter().zip(said(after));
    let changed = pairs.filter(|((_, before), (_, after))| before != after);
    changed
        .map(|((name, before), (_, after))| FieldChange {
            name,
            before: PageText::of(&beginning(&before)),
            after: PageText::of(&beginning(&after)),
        })
        .collect()
}

/// What is said of a memory besides its text, in words.
fn said(memory: &Memory) -> [(&'static str, String); 11] {
    let text = |text: Option<String>| text.unwrap_or_default();
    let tags: Vec<&str> = memory.tags.as_slice().iter().map(|tag| tag.as_str()).collect();
    // A map of JSON always is JSON.
    let metadata = serde_json::to_string(&memory.metadata).unwrap_or_default();
    [
        ("Title", text(memory.title.as_ref().map(ToString::to_string))),
        ("Kind", memory.kind.to_string()),
        ("Tags", tags.join(", ")),
        ("Project", text(memory.project.as_ref().map(ToString::to_string))),
        ("Category", text(memory.category.as_ref().map(ToString::to_string))),
        ("Priority", memory.priority.get().to_string()),
        ("Pinned", if memory.pinned { "yes" } else { "no" }.to_owned()),
        ("Took place", text(memory.event_at.map(|at| at.to_string()))),
        ("Forgotten at", text(memory.expires_at.map(|at| at.to_string()))),
        ("State", state_of(memory).to_owned()),
        ("Metadata", metadata),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemoryId, Project, Status, Timestamp};

    #[test]
    fn what_a_version_changed_besides_the_text_is_told_by_name() {
        let before = Memory::new(MemoryId::default(), "tea".to_owned(), Timestamp(0));
        let after = Memory {
            project: Some(Project::parse("house").unwrap()),
            pinned: true,
            status: Status::Deleted,
            version: 2,
            ..before.clone()
        };

        let told = changes(&before, &after);

        let told: Vec<(&str, &str, &str)> = told
            .iter()
            .map(|change| (change.name, change.before.as_str(), change.after.as_str()))
            .collect();
        assert_eq!(
            told,
            [("Project", "", "house"), ("Pinned", "no", "yes"), ("State", "", "in the trash")]
        );
        assert!(changes(&after, &after).is_empty());
    }
}
