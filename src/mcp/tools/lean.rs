//! Memories as a model gets them most often: when it has changed them, and as results of a search.
//!
//! Each field costs its tokens, so what stands at its default is left out here, and what a model does
//! nothing with. `get_memory` and `list_memories` show all of a memory, and REST does so everywhere.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::engine::{
    AddStatus, Added, BriefView, MemoryView, Mode, SearchHit, SearchResults, Shown, Similar,
    Updated,
};
use crate::model::{
    Category, EventTime, Kind, Memory, MemoryId, Metadata, Priority, Project, Status, Tags,
    Timestamp, Title,
};

/// As [`Added`].
#[derive(Serialize)]
pub(super) struct LeanAdded<'a> {
    id: MemoryId,
    status: AddStatus,
    memory: LeanMemory<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged: Option<&'a [&'static str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'a [&'static str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<&'a BTreeSet<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<&'a [MemoryId]>,
    similar: Vec<LeanSimilar<'a>>,
}

/// As [`Updated`].
#[derive(Serialize)]
pub(super) struct LeanUpdated<'a> {
    memory: LeanMemory<'a>,
    previous_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<&'a BTreeSet<&'static str>>,
}

/// As [`SearchResults`].
#[derive(Serialize)]
pub(super) struct LeanResults<'a> {
    results: Vec<LeanHit<'a>>,
    total: usize,
    mode_used: Mode,
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct LeanHit<'a> {
    #[serde(flatten)]
    memory: LeanMemory<'a>,
    score: f64,
    why: LeanWhy,
}

#[derive(Serialize)]
struct LeanSimilar<'a> {
    #[serde(flatten)]
    memory: LeanMemory<'a>,
    score: f64,
}

/// The parts of a score that gave something.
#[derive(Serialize)]
struct LeanWhy {
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speaker: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priors: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<f64>,
}

#[derive(Default, Serialize)]
struct LeanMemory<'a> {
    id: MemoryId,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a Title>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snippet: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a Tags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a Project>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a Category>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pinned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Metadata>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_at: Option<EventTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<MemoryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<MemoryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    provisional: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_chars: Option<usize>,
}

pub(super) fn added(answer: &Added) -> LeanAdded<'_> {
    LeanAdded {
        id: answer.id,
        status: answer.status,
        memory: LeanMemory::changed(&answer.memory),
        merged: if_any(&answer.merged),
        kept: if_any(&answer.kept),
        secrets: Some(&answer.secrets).filter(|found| !found.is_empty()),
        confirmed: if_any(&answer.confirmed),
        similar: answer.similar.iter().map(LeanSimilar::of).collect(),
    }
}

pub(super) fn updated(answer: &Updated) -> LeanUpdated<'_> {
    LeanUpdated {
        memory: LeanMemory::changed(&answer.memory),
        previous_version: answer.previous_version,
        secrets: Some(&answer.secrets).filter(|found| !found.is_empty()),
    }
}

pub(super) fn found(answer: &SearchResults) -> LeanResults<'_> {
    LeanResults {
        results: answer.results.iter().map(LeanHit::of).collect(),
        total: answer.total,
        mode_used: answer.mode_used,
        truncated: answer.truncated,
        next_cursor: answer.next_cursor.as_deref(),
    }
}

impl<'a> LeanHit<'a> {
    fn of(hit: &'a SearchHit) -> Self {
        let memory = match &hit.memory {
            Shown::Full(view) => LeanMemory::whole(view),
            Shown::Brief(brief) => LeanMemory::brief(brief),
        };
        let why = LeanWhy {
            words: part(hit.why.words),
            meaning: part(hit.why.meaning),
            speaker: part(hit.why.speaker),
            time: part(hit.why.time),
            priors: part(hit.why.priors),
            repeats: part(hit.why.repeats),
        };
        Self { memory, score: three_digits(hit.score), why }
    }
}

impl<'a> LeanSimilar<'a> {
    fn of(similar: &'a Similar) -> Self {
        let memory = LeanMemory::brief(&similar.memory);
        Self { memory, score: three_digits(similar.score) }
    }
}

impl<'a> LeanMemory<'a> {
    // The fields are named one by one, so that nobody adds another without a thought of it here.
    fn whole(view: &'a MemoryView) -> Self {
        let MemoryView { memory, user_id: _, access_count: _, last_accessed_at: _, cut_chars } =
            view;
        let Memory {
            id,
            content,
            title,
            kind,
            tags,
            project,
            category,
            priority,
            pinned,
            source: _,
            metadata,
            created_at,
            updated_at,
            event_at,
            expires_at,
            supersedes,
            superseded_by,
            status,
            provisional,
            version,
        } = memory;
        Self {
            id: *id,
            title: title.as_ref(),
            content: Some(content.as_str()),
            snippet: None,
            kind: unusual(kind),
            tags: marked(tags),
            project: project.as_ref(),
            category: category.as_ref(),
            priority: Some(*priority).filter(|priority| *priority != Priority::default()),
            pinned: *pinned,
            metadata: Some(metadata).filter(|metadata| !metadata.is_empty()),
            created_at: *created_at,
            updated_at: Some(*updated_at).filter(|updated| updated != created_at),
            event_at: *event_at,
            expires_at: *expires_at,
            supersedes: *supersedes,
            superseded_by: *superseded_by,
            status: Some(*status).filter(|status| *status != Status::Active),
            provisional: *provisional,
            version: Some(*version).filter(|version| *version > 1),
            cut_chars: *cut_chars,
        }
    }

    fn brief(brief: &'a BriefView) -> Self {
        Self {
            id: brief.id,
            title: brief.title.as_ref(),
            snippet: Some(brief.snippet.as_str()),
            kind: unusual(&brief.kind),
            tags: marked(&brief.tags),
            project: brief.project.as_ref(),
            created_at: brief.created_at,
            provisional: brief.provisional,
            ..Self::default()
        }
    }

    /// What has become of a memory is said, also where it is what becomes of most.
    fn changed(view: &'a MemoryView) -> Self {
        let memory = &view.memory;
        Self { status: Some(memory.status), version: Some(memory.version), ..Self::whole(view) }
    }
}

fn unusual(kind: &Kind) -> Option<&Kind> {
    Some(kind).filter(|kind| **kind != Kind::note())
}

fn marked(tags: &Tags) -> Option<&Tags> {
    Some(tags).filter(|tags| !tags.as_slice().is_empty())
}

fn if_any<T>(list: &[T]) -> Option<&[T]> {
    Some(list).filter(|list| !list.is_empty())
}

/// A part of a score, unless it is nothing.
fn part(share: f32) -> Option<f64> {
    Some(three_digits(share)).filter(|share| share.abs() > 0.0)
}

/// As many digits as tell two results apart. The wider type has no more than these in JSON.
fn three_digits(share: f32) -> f64 {
    (f64::from(share) * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_has_three_digits_and_nothing_is_left_out() {
        let told = |share| serde_json::to_string(&part(share)).unwrap();

        assert_eq!(told(0.731_234_5), "0.731");
        assert_eq!(told(-0.05), "-0.05");
        assert_eq!(told(1.0), "1.0");
        assert_eq!((part(0.0), part(-0.0), part(0.000_4)), (None, None, None));
    }
}
