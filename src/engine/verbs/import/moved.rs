//! Lines of what another product remembered, as `moving` makes them: whole memories whose ids follow from
//! what they are called there, so that the same file adds nothing when it comes again.

use serde::{Deserialize, Serialize};

use super::{Brought, Work};
use crate::engine::catalog::is_same_text;
use crate::engine::draft::Draft;
use crate::engine::secrets::SecretKinds;
use crate::engine::write::{Write, guard_instruction};
use crate::engine::{Asked, Engine, EngineError};
use crate::model::{Memory, MemoryId, Status, Timestamp};
use crate::store::{ErasedImport, PastVersion};

/// A memory that another product had.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MovedLine {
    #[serde(flatten)]
    pub memory: Memory,
    pub moved: OnChange,
    /// Whether the same text elsewhere is no reason to leave it out: turns of a dialogue are short.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_twin: bool,
    /// Whether it is a note that an export wrote: then it says all that there is of the memory, and not its
    /// text alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_note: bool,
    /// Whether it comes also if it was here and was erased.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_erased: bool,
}

/// What is done if the memory is here and says something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnChange {
    #[default]
    Keep,
    /// It gets a new version, and what it said stays in its history.
    Update,
}

/// What became of lines of one kind, or would.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MovedCounts {
    pub new: usize,
    pub updated: usize,
    pub unchanged: usize,
    /// Those that say something else here, and stay as they are.
    pub changed: usize,
    /// Those whose text is here under another id.
    pub duplicate: usize,
    /// Those that were deleted or erased here, and stay so.
    pub deleted_here: usize,
    pub failed: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MovedOutcome {
    New,
    Updated,
    Unchanged,
    Changed,
    Duplicate,
    DeletedHere,
}

/// Where the metadata tell of the import that brought a memory, and what its source has as the interface.
pub const IMPORT: &str = "import";
/// What the format of notes that an export wrote is called. Their metadata are their own and tell of no
/// import, so the source names it as its session.
pub const NOTES_FORMAT: &str = "memoryd-notes";

impl MovedLine {
    /// Notes who brings it, with which import. Only they can say that they stand for it.
    pub(super) fn take_author(&mut self, confirms: bool, run: Option<MemoryId>, asked: Asked<'_>) {
        let run = run.filter(|_| self.is_note).map(|run| run.to_string());
        let memory = &mut self.memory;
        memory.source.credential = Some(asked.caller.credential.to_string());
        memory.source.session = run.or_else(|| asked.caller.session.clone());
        memory.source.interface = Some(IMPORT.to_owned());
        memory.provisional = !confirms || asked.caller.is_guest;
        if memory.project.is_none() {
            memory.project = asked.caller.project.clone();
        }
    }
}

impl MovedCounts {
    pub(super) fn count(&mut self, outcome: Option<MovedOutcome>) {
        let place = match outcome {
            Some(MovedOutcome::New) => &mut self.new,
            Some(MovedOutcome::Updated) => &mut self.updated,
            Some(MovedOutcome::Unchanged) => &mut self.unchanged,
            Some(MovedOutcome::Changed) => &mut self.changed,
            Some(MovedOutcome::Duplicate) => &mut self.duplicate,
            Some(MovedOutcome::DeletedHere) => &mut self.deleted_here,
            None => &mut self.failed,
        };
        *place += 1;
    }

    /// Adds up the answers for the parts of one file.
    pub fn absorb(&mut self, part: &Self) {
        self.new += part.new;
        self.updated += part.updated;
        self.unchanged += part.unchanged;
        self.changed += part.changed;
        self.duplicate += part.duplicate;
        self.deleted_here += part.deleted_here;
        self.failed += part.failed;
    }
}

impl MovedOutcome {
    pub(super) fn stores(self) -> bool {
        matches!(self, Self::New | Self::Updated)
    }
}

impl Engine {
    pub(super) fn import_moved(
        &mut self,
        work: &mut Work,
        mut line: MovedLine,
        asked: Asked<'_>,
    ) -> Result<Brought, EngineError> {
        self.check_version(&line.memory)?;
        let mut found = SecretKinds::new();
        self.screen(&mut line.memory, &mut found)?;
        let outcome = match self.newest_of(&work.write, line.memory.id)? {
            Some(there) => self.meet(&mut work.write, &there, line, asked)?,
            None => self.bring(work, &line, asked)?,
        };
        if outcome.stores() {
            for name in found {
                *work.secrets.entry(name.to_owned()).or_default() += 1;
            }
        }
        Ok(Brought::Moved(outcome))
    }

    /// What becomes of a line whose memory is not here.
    fn bring(
        &mut self,
        work: &mut Work,
        line: &MovedLine,
        asked: Asked<'_>,
    ) -> Result<MovedOutcome, EngineError> {
        let memory = &line.memory;
        let is_erased = self.store.get::<ErasedImport>(&memory.id)?.is_some();
        if is_erased && !line.takes_erased {
            return Ok(MovedOutcome::DeletedHere);
        }
        if !line.has_twin
            && let Some(known) = self.known(work, memory, asked.now)?
        {
            return Ok(known);
        }
        self.enter_moved(&mut work.write, memory)?;
        if is_erased {
            work.write.forget_erasure(&memory.id);
        }
        Ok(MovedOutcome::New)
    }

    /// What becomes of a line whose memory is here under the same id.
    fn meet(
        &self,
        write: &mut Write,
        there: &Memory,
        line: MovedLine,
        asked: Asked<'_>,
    ) -> Result<MovedOutcome, EngineError> {
        let MovedLine { memory, moved, is_note, .. } = line;
        if there.status == Status::Deleted && memory.status != Status::Deleted {
            return Ok(MovedOutcome::DeletedHere);
        }
        let is_known = if is_note {
            self.is_known_note(there, &memory)?
        } else {
            is_same_text(&there.content, &memory.content)
        };
        if is_known {
            return Ok(MovedOutcome::Unchanged);
        }
        // What is obeyed is changed by what is meant to be obeyed, and by nothing else.
        if moved == OnChange::Keep || is_demoted(there, &memory) {
            return Ok(MovedOutcome::Changed);
        }
        guard_instruction(there, asked)?;
        if asked.caller.is_guest && !there.provisional {
            return Err(EngineError::Guest);
        }
        let after = if is_note { noted(there, memory) } else { said(there, memory) };
        write.replace(there, after, asked.now)?;
        Ok(MovedOutcome::Updated)
    }

    /// Whether a memory is what its note says, or the note is as it was written, whatever became of the
    /// memory since.
    fn is_known_note(&self, there: &Memory, note: &Memory) -> Result<bool, EngineError> {
        if is_demoted(there, note) {
            return Ok(is_same_text(&there.content, &note.content));
        }
        if says_same(there, note) {
            return Ok(true);
        }
        let then = self.store.get::<PastVersion>(&(there.id, note.version))?;
        Ok(then.is_some_and(|PastVersion(then)| says_same(&then, note)))
    }

    fn enter_moved(&mut self, write: &mut Write, memory: &Memory) -> Result<(), EngineError> {
        if !write.is_trial() {
            // A line behind this one may need an id before the write is committed.
            self.ids.continue_after(memory.id);
        }
        write.enter(memory)
    }

    /// Whether the same text is here under another id, or was and has been deleted.
    fn known(
        &self,
        work: &Work,
        memory: &Memory,
        now: Timestamp,
    ) -> Result<Option<MovedOutcome>, EngineError> {
        if !memory.is_alive(now) {
            return Ok(None);
        }
        let is_same = |there: &Memory| {
            is_same_text(&there.content, &memory.content)
                && there.kind == memory.kind
                && there.project == memory.project
        };
        if work.write.memories().any(|there| there.is_alive(now) && is_same(there)) {
            return Ok(Some(MovedOutcome::Duplicate));
        }
        let same = self.mind.catalog.same_text(&memory.content);
        let ids: Vec<MemoryId> = same.map(|entry| entry.id).collect();
        let mut known = None;
        for id in ids.into_iter().filter(|id| work.write.newest(*id).is_none()) {
            let there = self.read(id)?;
            if is_same(&there) && there.is_alive(now) {
                return Ok(Some(MovedOutcome::Duplicate));
            }
            let is_gone = there.status == Status::Deleted && there.metadata.contains_key(IMPORT);
            if is_same(&there) && is_gone {
                known = Some(MovedOutcome::DeletedHere);
            }
        }
        Ok(known)
    }
}

/// The memory with what another product says of it now. What it was made here stays.
fn said(there: &Memory, memory: Memory) -> Memory {
    let mut tags = there.tags.clone();
    tags.absorb(&memory.tags);
    Memory {
        content: memory.content,
        title: memory.title,
        tags,
        category: memory.category,
        metadata: memory.metadata,
        event_at: memory.event_at,
        source: memory.source,
        provisional: memory.provisional,
        ..there.clone()
    }
}

/// The memory with all that a note says of it.
fn noted(there: &Memory, mut note: Memory) -> Memory {
    // What replaces it, or brings it back from the deleted, is no word of a note.
    let is_kept = |status: Status| matches!(status, Status::Active | Status::Archived);
    let takes_status = is_kept(there.status) && is_kept(note.status);
    let mut after = Memory {
        content: std::mem::take(&mut note.content),
        expires_at: note.expires_at,
        source: std::mem::take(&mut note.source),
        provisional: note.provisional,
        status: if takes_status { note.status } else { there.status },
        ..there.clone()
    };
    Draft::of(note).write_to(&mut after);
    after
}

/// Whether a note says nothing of a memory that is not so already.
fn says_same(there: &Memory, note: &Memory) -> bool {
    let after = Memory {
        content: there.content.clone(),
        source: there.source.clone(),
        provisional: there.provisional,
        ..noted(there, note.clone())
    };
    is_same_text(&there.content, &note.content) && after == *there
}

/// Whether what is obeyed would be obeyed no more.
fn is_demoted(there: &Memory, after: &Memory) -> bool {
    there.kind.is_instruction() && !after.kind.is_instruction()
}
