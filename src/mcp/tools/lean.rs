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
use crate::model::{Kind, LeanMemory, MemoryId, Project, Tags, Timestamp, Title};

/// As [`Added`].
#[derive(Serialize)]
pub(super) struct LeanAdded<'a> {
    id: MemoryId,
    status: AddStatus,
    memory: LeanShown<'a>,
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
    memory: LeanShown<'a>,
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
    memory: LeanShown<'a>,
    score: f64,
    why: LeanWhy,
}

#[derive(Serialize)]
struct LeanSimilar<'a> {
    #[serde(flatten)]
    memory: LeanBrief<'a>,
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

/// One that is shown in full or in brief.
#[derive(Serialize)]
#[serde(untagged)]
enum LeanShown<'a> {
    Full {
        #[serde(flatten)]
        memory: LeanMemory<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cut_chars: Option<usize>,
    },
    Brief(LeanBrief<'a>),
}

#[derive(Serialize)]
struct LeanBrief<'a> {
    id: MemoryId,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a Title>,
    snippet: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a Tags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a Project>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    provisional: bool,
}

pub(super) fn added(answer: &Added) -> LeanAdded<'_> {
    LeanAdded {
        id: answer.id,
        status: answer.status,
        memory: LeanShown::changed(&answer.memory),
        merged: if_any(&answer.merged),
        kept: if_any(&answer.kept),
        secrets: Some(&answer.secrets).filter(|found| !found.is_empty()),
        confirmed: if_any(&answer.confirmed),
        similar: answer.similar.iter().map(LeanSimilar::of).collect(),
    }
}

pub(super) fn updated(answer: &Updated) -> LeanUpdated<'_> {
    LeanUpdated {
        memory: LeanShown::changed(&answer.memory),
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
            Shown::Full(view) => LeanShown::whole(view),
            Shown::Brief(brief) => LeanShown::Brief(LeanBrief::of(brief)),
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
        let memory = LeanBrief::of(&similar.memory);
        Self { memory, score: three_digits(similar.score) }
    }
}

impl<'a> LeanShown<'a> {
    fn whole(view: &'a MemoryView) -> Self {
        Self::Full { memory: view.memory.lean(), cut_chars: view.cut_chars }
    }

    /// What has become of a memory is said, also where it is what becomes of most.
    fn changed(view: &'a MemoryView) -> Self {
        let MemoryView { memory, cut_chars, .. } = view;
        let mut lean = memory.lean();
        lean.status = Some(&memory.status);
        lean.version = Some(&memory.version);
        Self::Full { memory: lean, cut_chars: *cut_chars }
    }
}

impl<'a> LeanBrief<'a> {
    fn of(brief: &'a BriefView) -> Self {
        Self {
            id: brief.id,
            title: brief.title.as_ref(),
            snippet: &brief.snippet,
            kind: brief.kind.unless_note(),
            tags: brief.tags.unless_none(),
            project: brief.project.as_ref(),
            created_at: brief.created_at,
            provisional: brief.provisional,
        }
    }
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
