use std::io;

use serde::{Deserialize, Serialize};

use crate::engine::{Asked, Engine, EngineError, Verb};
use crate::model::{Access, Memory, MemoryId, Scope, Timestamp};
use crate::store::PastVersion;

/// Reads memories with everything that belongs to them, page by page in the order of their ids.
/// Deleted ones are included while they can be restored.
#[derive(Debug, Clone)]
pub struct Export {
    pub after: Option<ExportPlace>,
    pub limit: usize,
}

#[derive(Debug, Serialize)]
pub struct Exported {
    pub items: Vec<ExportLine>,
    /// Where the next page starts; nothing at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<ExportPlace>,
}

/// Where a page ends: behind a memory, or within its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ExportPlace {
    id: MemoryId,
    /// The version of it that comes next; nothing if all of it was given out.
    version: Option<u32>,
}

/// One line of an export.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ExportLine {
    Whole(Box<Whole>),
    /// Comes behind the line of its memory, as often as it takes.
    More(MoreVersions),
}

/// A memory with its history: all that `import` needs to bring it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Whole {
    #[serde(flatten)]
    pub memory: Memory,
    #[serde(default)]
    pub access: Access,
    #[serde(default)]
    pub history: Vec<Memory>,
    /// Another living memory of the same store has the same text. Somebody wanted both, so neither is
    /// a duplicate, whoever takes them in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_twin: bool,
}

/// What of a history did not fit into the line of its memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MoreVersions {
    pub id: MemoryId,
    pub history: Vec<Memory>,
}

/// After so many bytes of JSON a page ends. It has one line at least. Each of many exports holds one while
/// its reader is slow.
const PAGE_BYTES: usize = 1 << 20;
/// A line has at most so many bytes of JSON, unless a single version alone has more.
const LINE_BYTES: usize = 4 << 20;
/// The same for the values that a line may hold, counted high, by every mark that may part two. Reading
/// a line back makes a tree of them, which is many times as large.
pub(super) const LINE_MARKS: usize = 256 << 10;
/// The last version that a line tells. Where a memory has gone beyond, all of its versions are told as
/// so many lower: what an import once took can be changed, and taken by an import again.
pub(super) const LAST_VERSION: u32 = 1_000_000_000;

/// A line, with what the page must know of it.
struct Line {
    text: ExportLine,
    size: JsonSize,
    /// The version that it has no room for.
    next: Option<u32>,
}

/// Some versions of a memory in a row.
struct Versions {
    history: Vec<Memory>,
    /// With what stands before them in the line.
    size: JsonSize,
    /// The version behind them.
    next: Option<u32>,
}

impl Export {
    /// The beginning, as much as one page holds.
    #[must_use]
    pub fn first_page() -> Self {
        Self { after: None, limit: super::list::MAX_LIMIT }
    }

    /// What comes behind the end of a page.
    #[must_use]
    pub fn page_after(place: ExportPlace) -> Self {
        Self { after: Some(place), limit: super::list::MAX_LIMIT }
    }
}

impl Verb for Export {
    type Answer = Exported;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Exported, EngineError> {
        let start = self.after.map_or(MemoryId::default(), |place| place.id);
        let mut page = Exported { items: Vec::new(), next: None };
        let mut bytes: usize = 0;
        for row in engine.store.scan_range::<Memory>(&(start..=MemoryId::LAST)) {
            let (id, memory) = row?;
            if !engine.mind.catalog.shows(memory.project.as_ref()) {
                continue;
            }
            let line = match self.after.filter(|place| place.id == id) {
                None => engine.line_of(memory, asked.now)?,
                Some(ExportPlace { version: Some(version), .. }) => {
                    engine.line_from(&memory, version)?
                }
                Some(ExportPlace { version: None, .. }) => continue,
            };
            bytes = bytes.saturating_add(line.size.bytes);
            page.items.push(line.text);
            let is_full = page.items.len() >= self.limit || bytes >= PAGE_BYTES;
            if is_full || line.next.is_some() {
                page.next = Some(ExportPlace { id, version: line.next });
                break;
            }
        }
        Ok(page)
    }
}

impl Engine {
    /// The line of a memory, with as much of its history as there is room for.
    fn line_of(&self, mut memory: Memory, now: Timestamp) -> Result<Line, EngineError> {
        let Versions { history, size, next } =
            self.versions_from(&memory, 0, JsonSize::of(&memory))?;
        let (access, has_twin) = (self.access(memory.id)?, self.has_twin(&memory, now));
        let beyond = beyond_last(&memory);
        memory.version -= beyond;
        let whole = Whole { memory, access, history, has_twin };
        Ok(Line { text: ExportLine::Whole(Box::new(whole)), size, next })
    }

    /// A line that goes on with the history of a memory.
    fn line_from(&self, memory: &Memory, version: u32) -> Result<Line, EngineError> {
        let Versions { history, size, next } =
            self.versions_from(memory, version, JsonSize::default())?;
        let more = MoreVersions { id: memory.id, history };
        Ok(Line { text: ExportLine::More(more), size, next })
    }

    fn versions_from(
        &self,
        memory: &Memory,
        first: u32,
        size: JsonSize,
    ) -> Result<Versions, EngineError> {
        let (id, lowered) = (memory.id, beyond_last(memory));
        let mut versions = Versions { history: Vec::new(), size, next: None };
        for row in self.store.scan_range::<PastVersion>(&((id, first)..=(id, u32::MAX))) {
            let ((_, number), PastVersion(mut version)) = row?;
            let told = number.checked_sub(lowered).filter(|told| *told > 0);
            let Some(told) = told.filter(|_| self.mind.catalog.shows(version.project.as_ref()))
            else {
                continue;
            };
            let size = versions.size.with(JsonSize::of(&version));
            if versions.size.bytes > 0 && !size.fits_a_line() {
                versions.next = Some(number);
                break;
            }
            version.version = told;
            versions.size = size;
            versions.history.push(version);
        }
        Ok(versions)
    }

    fn has_twin(&self, memory: &Memory, now: Timestamp) -> bool {
        let mut same = self.mind.catalog.same_text(&memory.content);
        memory.is_alive(now) && same.any(|entry| entry.id != memory.id && entry.is_alive(now))
    }
}

/// By how much a memory's version lies beyond the last one that is told.
fn beyond_last(memory: &Memory) -> u32 {
    memory.version.saturating_sub(LAST_VERSION)
}

/// How much JSON something makes.
#[derive(Debug, Clone, Copy, Default)]
struct JsonSize {
    /// Those of a text depend on what it holds: a control character takes six.
    bytes: usize,
    /// What parts or opens values, also where it stands within a text and does neither.
    marks: usize,
}

impl JsonSize {
    fn of(memory: &Memory) -> Self {
        let mut size = Self::default();
        // Counting does not fail, and a memory always is JSON.
        serde_json::to_writer(&mut size, memory).map_or_else(|_| Self::default(), |()| size)
    }

    fn with(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            marks: self.marks.saturating_add(other.marks),
        }
    }

    fn fits_a_line(self) -> bool {
        self.bytes <= LINE_BYTES && self.marks <= LINE_MARKS
    }
}

impl io::Write for JsonSize {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let marks = bytes.iter().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{'));
        *self = self.with(Self { bytes: bytes.len(), marks: marks.count() });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
