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

/// After so many bytes of JSON a page ends. It has one line at least.
const PAGE_BYTES: usize = 4 << 20;
/// A line has at most so many bytes of JSON, unless a single version alone has more.
const LINE_BYTES: usize = 4 << 20;

/// A line, with what the page must know of it.
struct Line {
    text: ExportLine,
    bytes: usize,
    /// The version that it has no room for.
    next: Option<u32>,
}

/// Some versions of a memory in a row.
struct Versions {
    history: Vec<Memory>,
    /// With what stands before them in the line.
    bytes: usize,
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
                    engine.line_from(id, version)?
                }
                Some(ExportPlace { version: None, .. }) => continue,
            };
            bytes = bytes.saturating_add(line.bytes);
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
    fn line_of(&self, memory: Memory, now: Timestamp) -> Result<Line, EngineError> {
        let Versions { history, bytes, next } =
            self.versions_from(memory.id, 0, length(&memory))?;
        let (access, has_twin) = (self.access(memory.id)?, self.has_twin(&memory, now));
        let whole = Whole { memory, access, history, has_twin };
        Ok(Line { text: ExportLine::Whole(Box::new(whole)), bytes, next })
    }

    /// A line that goes on with the history of a memory.
    fn line_from(&self, id: MemoryId, version: u32) -> Result<Line, EngineError> {
        let Versions { history, bytes, next } = self.versions_from(id, version, 0)?;
        Ok(Line { text: ExportLine::More(MoreVersions { id, history }), bytes, next })
    }

    fn versions_from(
        &self,
        id: MemoryId,
        first: u32,
        bytes: usize,
    ) -> Result<Versions, EngineError> {
        let mut versions = Versions { history: Vec::new(), bytes, next: None };
        for row in self.store.scan_range::<PastVersion>(&((id, first)..=(id, u32::MAX))) {
            let ((_, number), PastVersion(version)) = row?;
            if !self.mind.catalog.shows(version.project.as_ref()) {
                continue;
            }
            let bytes = versions.bytes.saturating_add(length(&version));
            if versions.bytes > 0 && bytes > LINE_BYTES {
                versions.next = Some(number);
                break;
            }
            versions.bytes = bytes;
            versions.history.push(version);
        }
        Ok(versions)
    }

    fn has_twin(&self, memory: &Memory, now: Timestamp) -> bool {
        let mut same = self.mind.catalog.same_text(&memory.content);
        memory.is_alive(now) && same.any(|entry| entry.id != memory.id && entry.is_alive(now))
    }
}

/// How many bytes of JSON a memory makes. Those of a text depend on what it holds: a control
/// character takes six.
fn length(memory: &Memory) -> usize {
    let mut counted = Counted(0);
    // Counting does not fail, and a memory always is JSON.
    serde_json::to_writer(&mut counted, memory).map_or(0, |()| counted.0)
}

struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
