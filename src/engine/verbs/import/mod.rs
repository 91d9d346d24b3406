//! Storing many memories at once: lines of an export, of other servers, or with the fields of `Add`.

mod item;
mod lines;
mod moved;
mod others;
mod runs;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use super::{MoreVersions, Whole};
use crate::engine::arguments::InvalidArguments;
use crate::engine::catalog::is_same_text;
use crate::engine::draft::Draft;
use crate::engine::secrets::SecretKinds;
use crate::engine::verbs::export::LAST_VERSION;
use crate::engine::write::{Write, guard_instruction};
use crate::engine::{AddStatus, Asked, Engine, EngineError, Field, Shape, Verb};
use crate::model::{Memory, MemoryId, Scope, Source, Timestamp};
use crate::store::PastVersion;
use item::{ImportItem, NewLine};
pub use lines::{FileLine, ImportLines, LineCutter};
use moved::MovedOutcome;
pub use moved::{IMPORT, MovedCounts, MovedLine, NOTES_FORMAT, OnChange};
pub use runs::ListImports;
pub use told::{Imported, TriedLine, TriedOutcome};

/// Names the change that a part of an import goes on with: what the answer to the first part told.
pub const IMPORT_STEP: Field =
    Field::new("step", Shape::Id, "The change that this goes on with, as an earlier part told it");

/// Says that whoever imports stands for what is in the lines.
pub const IMPORT_CONFIRM: Field =
    Field::new("confirm", Shape::Flag, "You stand for what is in it: it is not provisional");

/// Names the change that an import is, whatever part of it comes first.
pub const IMPORT_RUN: Field =
    Field::new("run", Shape::Id, "The id that the change is to have: one of today");

/// Asks only what would become of the lines.
pub const IMPORT_DRY_RUN: Field =
    Field::new("dry_run", Shape::Flag, "Only tell what would become of it");

/// Stores many memories, each line by itself: what is wrong with one is no matter to the others.
#[derive(Debug, Clone)]
pub struct Import {
    /// Each as it came, with its number, counted from one.
    pub lines: Vec<(usize, Vec<u8>)>,
    /// The change that it goes on with, if it is not the first part of a file.
    pub step: Option<MemoryId>,
    /// The change that it is, whether it is the first part or not.
    pub run: Option<MemoryId>,
    /// Whether whoever imports it stands for it. Lines of an export are what they were in any case.
    pub confirms: bool,
    /// Only tell what would become of each line.
    pub dry_run: bool,
}

/// What a line brought that was not here before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brought {
    /// A memory, a version of one, or what was missing of its history.
    Memory,
    /// Earlier versions of a memory that is here, told behind its own line and so not counted.
    Versions,
    Nothing,
    /// A line of another product's.
    Moved(MovedOutcome),
}

/// What an import has put into the write that it is making.
struct Work {
    write: Write,
    /// The earlier versions; the store does not show them before they are committed.
    versions: BTreeSet<(MemoryId, u32)>,
    /// How many of the memories of other products hold what looks like a secret, by its name.
    secrets: BTreeMap<String, usize>,
}

/// No client names itself at such length at the door.
const SOURCE_CHARS: usize = 256;

/// Reads a line of a file, whatever it holds.
#[cfg(feature = "fuzzing")]
pub fn read_import_line(line: &[u8]) {
    // A refusal is as good as an item; only a panic is not.
    let _ = ImportItem::read(line);
}

impl Verb for Import {
    type Answer = Imported;

    /// Lines with instructions need more, which is asked for line by line.
    fn scope(&self) -> Scope {
        Scope::Write
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Imported, EngineError> {
        let mut told = Imported::default();
        match (self.run, self.step) {
            (Some(run), _) => engine.begin_run(run, asked.now)?,
            (None, Some(step)) => engine.continue_step(step)?,
            (None, None) => {}
        }
        let write = if self.dry_run { engine.begin_trial()? } else { engine.begin()? };
        let mut work = Work { write, versions: BTreeSet::new(), secrets: BTreeMap::new() };
        for (line, text) in self.lines {
            let mut item = match ImportItem::read(&text) {
                Ok(Some(item)) => item,
                Ok(None) => continue,
                Err(problem) => {
                    told.refuse(line, &problem.to_string());
                    if self.dry_run {
                        told.try_unreadable(line, &text);
                    }
                    continue;
                }
            };
            item.take_author(self.confirms, self.run, asked);
            let beginning = self.dry_run.then(|| item.beginning());
            let moved = item.moved_kind();
            let came_of_it = engine.import_line(&mut work, item, asked);
            if let Some(kind) = moved {
                told.count_moved(kind, &came_of_it);
            }
            let outcome = told.count(line, came_of_it)?;
            if let Some(text) = beginning {
                told.try_line(TriedLine { line, text, outcome });
            }
            engine.commit_if_full(&mut work.write)?;
        }
        told.secrets = work.secrets;
        if self.dry_run {
            engine.check_trial(&work.write)?;
        } else {
            engine.commit(work.write)?;
            told.step = engine.step();
        }
        Ok(told)
    }
}

impl Engine {
    fn import_line(
        &mut self,
        work: &mut Work,
        item: ImportItem,
        asked: Asked<'_>,
    ) -> Result<Brought, EngineError> {
        let needed = Scope::Instructions;
        if item.is_instruction() && !asked.caller.may(needed) {
            return Err(EngineError::Denied { needed });
        }
        if item.is_doubtful_instruction() {
            let problem = "an instruction has to be confirmed: import it with confirm";
            return Err(InvalidArguments::one("kind", problem).into());
        }
        let catalog = &self.mind.catalog;
        let is_within = match &item {
            ImportItem::New(line) => catalog.shows(line.add.project(asked).as_ref()),
            ImportItem::Whole(whole) => {
                let memory = &whole.memory;
                catalog.shows(memory.project.as_ref()) && !catalog.hides(memory.id)
            }
            ImportItem::Moved(line) => {
                let memory = &line.memory;
                catalog.shows(memory.project.as_ref()) && !catalog.hides(memory.id)
            }
            ImportItem::More(more) => !catalog.hides(more.id),
        };
        if !is_within {
            return Err(EngineError::Bound);
        }
        match item {
            ImportItem::New(line) => self.import_new(&mut work.write, *line, asked),
            ImportItem::Whole(mut whole) => {
                self.screen_all([&mut whole.memory], &mut whole.history)?;
                self.import_whole(work, &whole, asked)
            }
            ImportItem::More(mut more) => {
                self.screen_all([], &mut more.history)?;
                self.import_more(work, &more, asked)
            }
            ImportItem::Moved(line) => self.import_moved(work, *line, asked),
        }
    }

    /// Looks for secrets in a memory and its history.
    fn screen_all<'a>(
        &self,
        memory: impl IntoIterator<Item = &'a mut Memory>,
        history: &'a mut [Memory],
    ) -> Result<(), EngineError> {
        let mut found = SecretKinds::new();
        memory.into_iter().chain(history).try_for_each(|one| self.screen(one, &mut found))
    }

    fn import_new(
        &mut self,
        write: &mut Write,
        line: NewLine,
        asked: Asked<'_>,
    ) -> Result<Brought, EngineError> {
        let put = line.add.put(self, write, line.times, asked)?;
        Ok(match put.status {
            AddStatus::Duplicate => Brought::Nothing,
            AddStatus::Created | AddStatus::Superseded => Brought::Memory,
        })
    }

    /// Keeps ids, times and versions. What is here already in the same or a later version stays, and
    /// takes in what is missing of its history.
    fn import_whole(
        &mut self,
        work: &mut Work,
        whole: &Whole,
        asked: Asked<'_>,
    ) -> Result<Brought, EngineError> {
        let memory = &whole.memory;
        self.check_whole(whole)?;
        let there = self.newest_of(&work.write, memory.id)?;
        if let Some(there) = &there {
            if there.version >= memory.version {
                let is_new = self.put_missing(work, there, &whole.history, asked)?;
                return Ok(if is_new { Brought::Memory } else { Brought::Nothing });
            }
            guard_instruction(there, asked)?;
        } else if self.is_told_already(&work.write, whole, asked.now)? {
            return Ok(Brought::Nothing);
        }
        if !work.write.is_trial() {
            // A line behind this one may need an id before the write is committed.
            self.ids.continue_after(memory.id);
        }
        match &there {
            // What is here stays in the history, unless the line knows better.
            Some(there) => {
                work.put_version(memory.id, there);
                work.write.put_over(there, memory)?;
            }
            None => work.write.enter(memory)?,
        }
        if whole.access.count > 0 {
            work.write.put_access(memory.id, &whole.access);
            if !work.write.is_trial() {
                self.touched.remove(&memory.id);
            }
        }
        // The memory comes first: whatever interrupts this leaves nothing that nobody can see or
        // erase, and the same line brings the rest another time.
        let own = there.as_ref().map(|there| there.version);
        for version in whole.history.iter().filter(|version| Some(version.version) != own) {
            work.put_version(memory.id, version);
            self.commit_if_full(&mut work.write)?;
        }
        Ok(Brought::Memory)
    }

    fn import_more(
        &mut self,
        work: &mut Work,
        more: &MoreVersions,
        asked: Asked<'_>,
    ) -> Result<Brought, EngineError> {
        for version in &more.history {
            self.check_version(version)?;
        }
        let there = self.newest_of(&work.write, more.id)?;
        let there = there.ok_or_else(|| {
            InvalidArguments::one("id", "is no memory that is here; its own line has to come first")
        })?;
        self.put_missing(work, &there, &more.history, asked)?;
        Ok(Brought::Versions)
    }

    /// Puts those versions into the history of a memory that are not there. Returns whether there
    /// were any.
    fn put_missing(
        &mut self,
        work: &mut Work,
        there: &Memory,
        history: &[Memory],
        asked: Asked<'_>,
    ) -> Result<bool, EngineError> {
        let mut is_new = false;
        for version in history.iter().filter(|version| version.version < there.version) {
            let key = (there.id, version.version);
            if work.versions.contains(&key) || self.store.get::<PastVersion>(&key)?.is_some() {
                continue;
            }
            guard_instruction(there, asked)?;
            work.put_version(there.id, version);
            self.commit_if_full(&mut work.write)?;
            is_new = true;
        }
        Ok(is_new)
    }

    /// A memory as it is, or as the write will have it.
    fn newest_of(&self, write: &Write, id: MemoryId) -> Result<Option<Memory>, EngineError> {
        match write.newest(id) {
            Some(fresh) => Ok(Some(fresh.clone())),
            None if self.mind.catalog.find(id).is_some() => self.read(id).map(Some),
            None => Ok(None),
        }
    }

    /// Whether a living memory under another id says all that this one does, as when two stores are
    /// merged that hold the same text. One that says more comes beside it: it has an id, a history
    /// and perhaps links of its own, and a mixture of both would be what nobody ever said.
    fn is_told_already(
        &self,
        write: &Write,
        whole: &Whole,
        now: Timestamp,
    ) -> Result<bool, EngineError> {
        let memory = &whole.memory;
        let is_plain = memory.version == 1 && memory.supersedes.is_none() && !whole.has_twin;
        if !is_plain || !memory.is_alive(now) {
            return Ok(false);
        }
        if write.memories().any(|there| there.is_alive(now) && says_all_of(there, memory)) {
            return Ok(true);
        }
        let same = self.mind.catalog.same_text(&memory.content);
        let alive = same.filter(|entry| entry.is_alive(now)).map(|entry| entry.id);
        for id in alive.filter(|id| write.newest(*id).is_none()) {
            if says_all_of(&self.read(id)?, memory) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Holds a line to the limits that hold at every other door.
    fn check_whole(&self, whole: &Whole) -> Result<(), EngineError> {
        let last = whole.memory.version;
        self.check_version(&whole.memory)?;
        for version in &whole.history {
            self.check_version(version)?;
            if version.version >= last {
                let problem = format!("has version {}, and the memory {last}", version.version);
                return Err(InvalidArguments::one("history", &problem).into());
            }
        }
        Ok(())
    }

    fn check_version(&self, version: &Memory) -> Result<(), EngineError> {
        self.check_content(&version.content)?;
        Draft::check(None, version)?;
        let refuse = |field: &str, problem: &str| -> EngineError {
            InvalidArguments::one(field, problem).into()
        };
        if !(1..=LAST_VERSION).contains(&version.version) {
            return Err(refuse("version", &format!("expected 1 to {LAST_VERSION}")));
        }
        let Source { client, credential, session, interface } = &version.source;
        let names = [client, credential, session, interface];
        if names.into_iter().flatten().any(|name| name.chars().count() > SOURCE_CHARS) {
            return Err(refuse(
                "source",
                &format!("a name has more than {SOURCE_CHARS} characters"),
            ));
        }
        Ok(())
    }
}

impl Work {
    /// Puts an earlier version of a memory, whatever id it says it has.
    fn put_version(&mut self, id: MemoryId, version: &Memory) {
        self.write.put_version(&Memory { id, ..version.clone() });
        self.versions.insert((id, version.version));
    }
}

/// Whether one memory says everything that another one does, and lives as long.
fn says_all_of(there: &Memory, other: &Memory) -> bool {
    let tags = there.tags.as_slice();
    let is_as_lasting = match (there.expires_at, other.expires_at) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(end), Some(other)) => end >= other,
    };
    is_same_text(&there.content, &other.content)
        && is_as_lasting
        && there.kind == other.kind
        && there.project == other.project
        && Draft::covers(there, other)
        && (other.event_at.is_none() || there.event_at == other.event_at)
        && (!other.pinned || there.pinned)
        && other.tags.as_slice().iter().all(|tag| tags.contains(tag))
        && other.metadata.iter().all(|(name, value)| there.metadata.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn memory(more: &Value) -> Memory {
        let mut memory = json!({
            "id": "01JC3V5Y9ZK7Q2M8N4T6W0X1ER", "content": "tea", "kind": "note", "version": 1,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        });
        memory.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(memory).unwrap()
    }

    #[test]
    fn a_memory_says_all_of_another_only_if_nothing_would_be_lost() {
        let rich = memory(&json!({ "tags": ["a", "b"], "title": "T", "metadata": { "k": 1 } }));
        for poor in [json!({}), json!({ "content": " tea\n" }), json!({ "tags": ["b"] })] {
            assert!(says_all_of(&rich, &memory(&poor)), "{poor}");
        }
        for other in [
            json!({ "content": "coffee" }),
            json!({ "tags": ["c"] }),
            json!({ "title": "U" }),
            json!({ "category": "c" }),
            json!({ "event_at": "2026-01-01T00:00:00Z" }),
            json!({ "kind": "fact" }),
            json!({ "project": "p" }),
            json!({ "pinned": true }),
            json!({ "priority": 5 }),
            json!({ "metadata": { "k": 2 } }),
        ] {
            assert!(!says_all_of(&rich, &memory(&other)), "{other}");
        }
        let brief = memory(&json!({ "expires_at": "2026-02-01T00:00:00Z" }));
        assert!(says_all_of(&memory(&json!({})), &brief));
        assert!(!says_all_of(&brief, &memory(&json!({}))));
    }
}
