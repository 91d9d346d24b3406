//! What a reader saw, and what an import says came of it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::{Imported, MovedCounts};
use crate::model::few;
use crate::model::{Memory, MemoryId, Timestamp};

/// What was seen while reading, before anybody took it.
#[derive(Debug, Default)]
pub struct Tally {
    /// Files of each format.
    pub(super) formats: BTreeMap<&'static str, usize>,
    /// Why how many elements are no lines.
    pub(super) skipped: BTreeMap<String, usize>,
    pub(super) failed: usize,
    pub(super) failures: Vec<MovingFailure>,
    /// Equal texts and ids within the run, by kind.
    pub(super) duplicates: BTreeMap<String, usize>,
    /// Texts in which something had to be replaced to read them at all.
    pub(super) mended: usize,
    pub(super) lines: usize,
    pub(super) bytes: usize,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    projects: BTreeMap<String, usize>,
    tags: BTreeMap<String, usize>,
    samples: Vec<MovingSample>,
}

/// What could not be taken, and where it stands.
#[derive(Debug, Clone, Serialize)]
pub struct MovingFailure {
    pub place: String,
    pub problem: String,
}

/// One line as somebody looks at it before all of them are taken.
#[derive(Debug, Clone, Serialize)]
pub struct MovingSample {
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub text: String,
}

/// What an import tells, tried or done.
#[derive(Debug, Default, Serialize)]
pub struct MovingReport {
    pub dry_run: bool,
    /// By which it is undone; nothing if it changed nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<MemoryId>,
    pub formats: BTreeMap<&'static str, usize>,
    pub kinds: BTreeMap<String, MovedCounts>,
    pub skipped: BTreeMap<String, usize>,
    pub failed: usize,
    pub failures: Vec<MovingFailure>,
    pub mended: usize,
    /// How many of what was stored hold what looks like a secret, by its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, usize>,
    pub lines: usize,
    pub bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// Those with the most lines.
    pub projects: Vec<(String, usize)>,
    pub tags: Vec<(String, usize)>,
    pub samples: Vec<MovingSample>,
}

/// More failures than these are counted, not told, and no more of each.
const TOLD_FAILURES: usize = 20;
const TOLD_CHARS: usize = 200;
/// As many as somebody reads.
const SAMPLES: usize = 3;
const SAMPLE_CHARS: usize = 120;
const NAMES: usize = 10;
/// More names than these are not counted apart: a file can make up as many as it likes.
const COUNTED_NAMES: usize = 10_000;

impl Tally {
    /// Notes a line that is on its way.
    pub(super) fn note(&mut self, memory: &Memory) {
        self.lines += 1;
        self.bytes += memory.content.len();
        let at = memory.moment().at;
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        if let Some(project) = &memory.project {
            count(&mut self.projects, project.as_str());
        }
        for tag in memory.tags.as_slice() {
            count(&mut self.tags, tag.as_str());
        }
        if self.samples.len() < SAMPLES {
            self.samples.push(MovingSample {
                kind: memory.kind.as_str().to_owned(),
                title: memory.title.as_ref().map(|title| title.as_str().to_owned()),
                text: memory.content.chars().take(SAMPLE_CHARS).collect(),
            });
        }
    }

    pub(super) fn fail(&mut self, place: String, problem: &str) {
        self.failed += 1;
        if self.failures.len() < TOLD_FAILURES {
            let problem = problem.chars().take(TOLD_CHARS).collect();
            self.failures.push(MovingFailure { place, problem });
        }
    }

    /// Notes what an import refused of a part, whose lines stood at these places.
    pub(super) fn fail_part(&mut self, part: &Imported, places: &[String]) {
        for problem in &part.errors {
            let place = problem.line.checked_sub(1).and_then(|line| places.get(line));
            self.fail(place.cloned().unwrap_or_default(), &problem.problem);
        }
        // Those that were not told one by one.
        self.failed += part.failed.saturating_sub(part.errors.len());
    }

    /// Adds what another one noted of failures.
    pub(super) fn absorb_failures(&mut self, other: Self) {
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.truncate(TOLD_FAILURES);
    }

    /// What came of it all.
    pub(super) fn report(self, told: Imported, dry_run: bool) -> MovingReport {
        let mut kinds = told.moved;
        for (kind, duplicates) in self.duplicates {
            kinds.entry(kind).or_default().duplicate += duplicates;
        }
        MovingReport {
            dry_run,
            run: told.step,
            formats: self.formats,
            kinds,
            skipped: self.skipped,
            failed: self.failed,
            failures: self.failures,
            mended: self.mended,
            secrets: told.secrets,
            lines: self.lines,
            bytes: self.bytes,
            first: self.first,
            last: self.last,
            projects: most(self.projects),
            tags: most(self.tags),
            samples: self.samples,
        }
    }
}

impl MovingReport {
    /// How many memories are new, or have a new version.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.kinds.values().map(|counts| counts.new + counts.updated).sum()
    }

    /// How many were here already, or may not come back.
    #[must_use]
    pub fn known(&self) -> usize {
        let known = |counts: &MovedCounts| {
            counts.unchanged + counts.changed + counts.duplicate + counts.deleted_here
        };
        self.kinds.values().map(known).sum()
    }

    /// The same for a person, a line a fact.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let formats = self.formats.iter().map(|(name, files)| format!("{name} ({files} files)"));
        lines.push(format!("format: {}", formats.collect::<Vec<_>>().join(", ")));
        for (kind, counts) in &self.kinds {
            lines.push(format!("{kind}: {}", told(counts, self.dry_run)));
        }
        for (why, count) in &self.skipped {
            lines.push(format!("passed over: {count} {why}"));
        }
        for MovingFailure { place, problem } in &self.failures {
            lines.push(format!("failed: {place}: {problem}"));
        }
        for (name, count) in &self.secrets {
            lines.push(format!("looks like a secret: {count} {name}"));
        }
        if self.mended > 0 {
            lines.push(format!("mended: {} with characters that were damaged", self.mended));
        }
        if let (Some(first), Some(last)) = (self.first, self.last) {
            let bytes = self.bytes;
            lines.push(format!("from {first} to {last}, {bytes} bytes of text"));
        }
        for (what, names) in [("projects", &self.projects), ("tags", &self.tags)] {
            let names: Vec<String> =
                names.iter().map(|(name, count)| format!("{name} ({count})")).collect();
            if !names.is_empty() {
                lines.push(format!("{what}: {}", names.join(", ")));
            }
        }
        let samples = self.samples.iter().filter(|_| self.dry_run);
        lines.extend(samples.map(|sample| format!("such as: [{}] {}", sample.kind, sample.text)));
        lines
    }
}

/// What is not zero.
fn told(counts: &MovedCounts, dry_run: bool) -> String {
    let new = if dry_run { "would be new" } else { "new" };
    let told = [
        (counts.new, new),
        (counts.updated, "updated"),
        (counts.unchanged, "unchanged"),
        (counts.changed, "changed there, and kept as here (--update takes them)"),
        (counts.duplicate, "here already in the same words"),
        (counts.deleted_here, "deleted here"),
        (counts.failed, "failed"),
    ];
    let told = told.iter().filter(|(count, _)| *count > 0);
    told.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

fn count(names: &mut BTreeMap<String, usize>, name: &str) {
    if let Some(count) = names.get_mut(name) {
        *count += 1;
    } else if names.len() < COUNTED_NAMES {
        names.insert(name.to_owned(), 1);
    }
}

fn most(names: BTreeMap<String, usize>) -> Vec<(String, usize)> {
    let mut names: Vec<_> = names.into_iter().collect();
    few::sort_by_key(&mut names, |(_, count)| Reverse(*count));
    names.truncate(NAMES);
    names
}
