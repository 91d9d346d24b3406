//! The unit of work: everything that one change does, collected before any of it is seen.
//!
//! A verb asks [`Engine::begin`] for a [`Write`], which is refused at once where the store takes no
//! writes. It puts its changes in, and hands the whole to [`Engine::commit`]. The store accepts the
//! batch or refuses it; only then, and by the very same value, do catalog and index follow. So a
//! refusal leaves the engine as it was, and no search sees a change that was not submitted.
//!
//! What is put in is held to the limits of a memory there, whichever verb and face it came from: what
//! is kept can be read on every face, exported, and taken back.
//!
//! Accepted is not durable. Every commit leaves a [`Written`] for the owner of the engine, who takes
//! it with [`Engine::take_written`] after each command, waits for the receipt, and tells of the changes.
//! If the receipt fails, the engine knows what the store does not: the owner drops it. Opening
//! another one waits for everything that was submitted before (`store/session.rs`), so it starts
//! from what became durable, no more and no less.
//!
//! Several writes of one command are several batches, each whole. If one is refused, those before it
//! stay; sending the same again goes on behind them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::catalog::Entry;
use super::changed::MemoryChange;
use super::draft::{Draft, METADATA_LIMIT};
use super::files::{FILE, PATH};
use super::stamp::Stamp;
use super::{Asked, Engine, EngineError, IMPORT};
use crate::model::{
    self, Access, Memory, MemoryId, Number, RecallPage, Scope, Status, StepChange, StepPage,
    Timestamp,
};
use crate::retrieval::{ParsedDocument, Vector};
use crate::store::{Batch, ErasedImport, PastVersion, Receipt, StoredVector};

/// How many memories go into one batch, and how many bytes of text, far below what a frame of the
/// journal may hold: it is held in memory whole.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 4 << 20;

/// What one command changes. No search sees any of it before the batch is accepted.
#[derive(Debug, Default)]
pub(super) struct Write {
    batch: Batch,
    steps: Vec<Step>,
    /// What the memories and versions said that it removes.
    erased: Vec<String>,
    /// Of texts and metadata, about.
    bytes: usize,
    /// Bytes of one memory's text at most.
    content_limit: usize,
    /// Whether it is only to tell what would come of it: then it is never submitted.
    is_trial: bool,
}

/// One change as catalog and index follow it.
#[derive(Debug)]
pub(super) enum Step {
    Enter(Box<Memory>),
    Replace { before: Box<Memory>, after: Box<Memory> },
    Forget(Box<Memory>),
    Embed { id: MemoryId, vector: Vector },
}

/// What was submitted since somebody last asked.
#[derive(Debug)]
pub struct Written {
    /// Comes true when all of it is durable.
    pub receipt: Receipt,
    pub changes: Vec<MemoryChange>,
    /// The program that asked for it, as it names itself.
    pub client: Option<String>,
}

impl Write {
    /// Stores a memory that is not there yet.
    pub(super) fn enter(&mut self, memory: &Memory) -> Result<(), EngineError> {
        self.check(None, memory)?;
        self.batch.put::<Memory>(&memory.id, memory);
        self.weigh(memory);
        self.steps.push(Step::Enter(Box::new(memory.clone())));
        Ok(())
    }

    /// Replaces a memory by its next version; the present one goes into the history. Returns what
    /// is stored.
    pub(super) fn replace(
        &mut self,
        before: &Memory,
        mut after: Memory,
        now: Timestamp,
    ) -> Result<Memory, EngineError> {
        after.version = before.version.saturating_add(1);
        // The clock may have gone back a little; versions must not. One that was written while it was
        // far ahead is no reason to tell a wrong time from then on.
        let is_wrong = before.updated_at.is_far_ahead_of(now);
        after.updated_at = if is_wrong { now } else { now.max(before.updated_at) };
        self.put_over(before, &after)?;
        self.put_version(before);
        Ok(after)
    }

    /// Puts a memory in the place of another with the same id, with its own version and times.
    pub(super) fn put_over(&mut self, before: &Memory, after: &Memory) -> Result<(), EngineError> {
        self.check(Some(before), after)?;
        self.batch.put::<Memory>(&after.id, after);
        self.weigh(after);
        let (before, after) = (Box::new(before.clone()), Box::new(after.clone()));
        self.steps.push(Step::Replace { before, after });
        Ok(())
    }

    /// Marks a memory as replaced by another.
    pub(super) fn supersede(
        &mut self,
        old: &Memory,
        by: MemoryId,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let status = Status::Superseded;
        self.replace(old, Memory { status, superseded_by: Some(by), ..old.clone() }, now)?;
        Ok(())
    }

    /// Removes a memory for good, with all its versions.
    pub(super) fn forget(&mut self, memory: Memory, versions: &[Memory]) {
        let id = memory.id;
        versions.iter().for_each(|version| self.forget_version(version));
        self.batch.remove::<Access>(&id);
        self.batch.remove::<StoredVector>(&id);
        self.batch.remove::<Number>(&id);
        self.batch.remove::<Memory>(&id);
        let path = memory.metadata.get(PATH).and_then(Value::as_str);
        self.erased.extend(path.filter(|_| memory.kind.as_str() == FILE).map(str::to_owned));
        self.erased.push(memory.content.clone());
        self.steps.push(Step::Forget(Box::new(memory)));
    }

    /// What stays as it was is not looked at again: whatever is wrong with it, it can be deleted.
    fn check(&self, before: Option<&Memory>, after: &Memory) -> Result<(), EngineError> {
        if before.is_none_or(|before| before.content != after.content) {
            check_length(&after.content, self.content_limit)?;
        }
        Draft::check(before, after)?;
        Ok(())
    }

    /// Notes that what was erased may come again.
    pub(super) fn forget_erasure(&mut self, id: &MemoryId) {
        self.batch.remove::<ErasedImport>(id);
    }

    pub(super) fn put_version(&mut self, version: &Memory) {
        self.weigh(version);
        self.batch
            .put::<PastVersion>(&(version.id, version.version), &PastVersion(version.clone()));
    }

    pub(super) fn put_access(&mut self, id: MemoryId, access: &Access) {
        self.batch.put::<Access>(&id, access);
    }

    pub(super) fn embed(&mut self, id: MemoryId, stored: &StoredVector, vector: Vector) {
        self.batch.put::<StoredVector>(&id, stored);
        self.steps.push(Step::Embed { id, vector });
    }

    /// What it does to which memory, in order.
    pub(super) fn changes(&self) -> Vec<StepChange> {
        let change = |step: &Step| match step {
            Step::Enter(memory) => {
                Some(StepChange { id: memory.id, before: 0, after: memory.version })
            }
            Step::Replace { before, after } => {
                Some(StepChange { id: after.id, before: before.version, after: after.version })
            }
            Step::Forget(memory) => {
                Some(StepChange { id: memory.id, before: memory.version, after: 0 })
            }
            Step::Embed { .. } => None,
        };
        self.steps.iter().filter_map(change).collect()
    }

    pub(super) fn put_step(&mut self, key: (MemoryId, u32), step: &model::Step) {
        self.batch.put::<model::Step>(&key, step);
    }

    pub(super) fn forget_step(&mut self, key: &(MemoryId, u32)) {
        self.batch.remove::<model::Step>(key);
    }

    pub(super) fn put_steps(&mut self, last: &(MemoryId, u32), page: &StepPage) {
        self.batch.put::<StepPage>(last, page);
    }

    pub(super) fn forget_steps(&mut self, last: &(MemoryId, u32)) {
        self.batch.remove::<StepPage>(last);
    }

    pub(super) fn put_number(&mut self, id: &MemoryId, number: &Number) {
        self.batch.put::<Number>(id, number);
    }

    pub(super) fn put_recalls(&mut self, id: &MemoryId, page: &RecallPage) {
        self.batch.put::<RecallPage>(id, page);
    }

    pub(super) fn forget_recalls(&mut self, id: &MemoryId) {
        self.batch.remove::<RecallPage>(id);
    }

    /// Removes an earlier version for good.
    pub(super) fn forget_version(&mut self, version: &Memory) {
        self.batch.remove::<PastVersion>(&(version.id, version.version));
        self.erased.push(version.content.clone());
    }

    /// The texts that it erases and does not store as well.
    pub(super) fn erased_texts(&self) -> impl Iterator<Item = &str> {
        let is_kept = |text: &str| self.stored().any(|memory| memory.content == text);
        self.erased.iter().map(String::as_str).filter(move |text| !is_kept(text))
    }

    pub(super) fn is_trial(&self) -> bool {
        self.is_trial
    }

    /// Whether it has as much as one batch should. A trial goes on; whoever makes one bounds it.
    pub(super) fn is_full(&self) -> bool {
        !self.is_trial && (self.steps.len() >= BATCH || self.bytes >= BATCH_BYTES)
    }

    /// What it makes of a memory: nothing if it does not touch it.
    pub(super) fn newest(&self, id: MemoryId) -> Option<&Memory> {
        self.stored().find(|memory| memory.id == id)
    }

    /// The memories that it stores, each in its newest version only.
    pub(super) fn memories(&self) -> impl Iterator<Item = &Memory> {
        let mut known = BTreeSet::new();
        self.stored().filter(move |memory| known.insert(memory.id))
    }

    /// What it stores, the last first.
    fn stored(&self) -> impl Iterator<Item = &Memory> {
        self.steps.iter().rev().filter_map(|step| match step {
            Step::Enter(memory) | Step::Replace { after: memory, .. } => Some(&**memory),
            Step::Forget(_) | Step::Embed { .. } => None,
        })
    }

    fn weigh(&mut self, memory: &Memory) {
        let metadata = if memory.metadata.is_empty() { 0 } else { METADATA_LIMIT };
        self.bytes += memory.content.len() + metadata;
    }
}

impl Engine {
    /// Begins a change. Refused where the store takes no writes, before anything costs anything.
    pub(super) fn begin(&self) -> Result<Write, EngineError> {
        self.store.require_writable()?;
        Ok(Write { content_limit: self.limits.content_bytes, ..Write::default() })
    }

    /// Begins what is only to tell what would come of it.
    pub(super) fn begin_trial(&self) -> Result<Write, EngineError> {
        Ok(Write { is_trial: true, ..self.begin()? })
    }

    /// What a commit would ask last of all, of what is not committed.
    pub(super) fn check_trial(&self, trial: &Write) -> Result<(), EngineError> {
        self.check_reach(&trial.steps)
    }

    /// Submits a change, and follows it if it was accepted.
    pub(super) fn commit(&mut self, write: Write) -> Result<(), EngineError> {
        self.commit_while(write, |_| (None, ()))
    }

    /// The same, and has something done while the disk works already, before catalog and index follow.
    /// They do so whatever comes of it. What was parsed of the memory that the change enters, if it is
    /// one, is not parsed again.
    pub(super) fn commit_while<T>(
        &mut self,
        write: Write,
        work: impl FnOnce(&Self) -> (Option<ParsedDocument>, T),
    ) -> Result<T, EngineError> {
        let steps = self.submit(write)?;
        let (parsed, made) = work(self);
        for step in steps {
            match &step {
                Step::Enter(memory) => self.ids.continue_after(memory.id),
                Step::Forget(memory) => drop(self.touched.remove(&memory.id)),
                Step::Replace { .. } | Step::Embed { .. } => {}
            }
            self.mind.take(step, parsed.as_ref());
        }
        Ok(made)
    }

    /// Hands a change to the store. Returns what catalog and index have to follow if it was accepted.
    fn submit(&mut self, mut write: Write) -> Result<Vec<Step>, EngineError> {
        if write.batch.is_empty() {
            return Ok(Vec::new());
        }
        self.check_reach(&write.steps)?;
        self.put_step(&mut write);
        let erased = self.forget_words(&mut write)?;
        let Write { batch, steps, .. } = write;
        let receipt = self.store.commit(batch)?;
        // Receipts come true in order, so the newest stands for all of them. It is noted before
        // anything else is done, so that whatever happens somebody waits for it.
        let mut changes = self.written.take().map_or_else(Vec::new, |last| last.changes);
        changes.extend(steps.iter().filter_map(MemoryChange::of));
        let client = self.stamp.as_ref().and_then(|stamp| stamp.author().client.clone());
        self.written = Some(Written { receipt, changes, client });
        self.forget_pending_words(&erased);
        // Vectors alone are nothing of the past.
        if steps.is_empty() || steps.iter().any(|step| !matches!(step, Step::Embed { .. })) {
            self.mind.past = None;
        }
        Ok(steps)
    }

    /// Goes on with a change that is too large for one batch: submits what there is once it is full,
    /// and waits for it, so that one command never fills the queue of all.
    pub(super) fn commit_if_full(&mut self, write: &mut Write) -> Result<(), EngineError> {
        if write.is_full() {
            let full = std::mem::replace(write, self.begin()?);
            self.commit(full)?;
            if let Some(receipt) = self.store.newest_receipt() {
                receipt.wait()?;
            }
        }
        Ok(())
    }

    /// What was submitted since this was last asked. Whoever owns the engine must ask after every
    /// command, also after one that failed.
    pub fn take_written(&mut self) -> Option<Written> {
        self.written.take()
    }

    /// Comes true when everything submitted so far is durable.
    #[must_use]
    pub fn newest_receipt(&self) -> Option<Receipt> {
        self.store.newest_receipt()
    }

    /// Refuses what lies, or would lie, outside of what the command may know of.
    fn check_reach(&self, steps: &[Step]) -> Result<(), EngineError> {
        let catalog = &self.mind.catalog;
        let is_within = |step: &Step| match step {
            // An id that is taken by what cannot be seen is not to be had either.
            Step::Enter(memory) => {
                !catalog.hides(memory.id) && catalog.shows(memory.project.as_ref())
            }
            Step::Replace { before, after } => {
                let [before, after] = [before, after].map(|memory| memory.project.as_ref());
                catalog.shows(before) && catalog.shows(after)
            }
            Step::Forget(memory) => catalog.shows(memory.project.as_ref()),
            Step::Embed { .. } => true,
        };
        if !steps.iter().all(is_within) {
            return Err(EngineError::Bound);
        }
        let is_guest = self.stamp.as_ref().is_some_and(Stamp::is_guest);
        let is_free = |step: &Step| match step {
            Step::Enter(memory) | Step::Forget(memory) => memory.provisional,
            Step::Replace { before, after } => before.provisional && after.provisional,
            Step::Embed { .. } => true,
        };
        if is_guest && !steps.iter().all(is_free) { Err(EngineError::Guest) } else { Ok(()) }
    }

    /// Reads the memory that another is to replace. That takes it out of sight, so it is guarded as
    /// a deletion is.
    pub(super) fn read_replaced(
        &self,
        id: MemoryId,
        asked: Asked<'_>,
    ) -> Result<Memory, EngineError> {
        let memory = self.read_alive(id, asked.now)?;
        guard_instruction(&memory, asked)?;
        Ok(memory)
    }

    /// Removes memories for good, with their histories. Of what an import brought it is noted that it is
    /// gone, so that the same import does not bring it again.
    pub(super) fn erase(&mut self, ids: &[MemoryId]) -> Result<(), EngineError> {
        let mut write = self.begin()?;
        for &id in ids {
            let memory = self.read(id)?;
            if memory.metadata.contains_key(IMPORT) {
                write.batch.put::<ErasedImport>(&id, &ErasedImport);
            }
            write.forget(memory, &self.all_versions(id)?);
            self.commit_if_full(&mut write)?;
        }
        self.commit(write)
    }

    /// Gives memories another status, each as a new version.
    pub(super) fn set_status(
        &mut self,
        ids: &[MemoryId],
        status: Status,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let mut write = self.begin()?;
        for &id in ids {
            let before = self.read(id)?;
            write.replace(&before, Memory { status, ..before.clone() }, now)?;
            self.commit_if_full(&mut write)?;
        }
        self.commit(write)
    }

    pub(super) fn check_content(&self, content: &str) -> Result<(), EngineError> {
        check_length(content, self.limits.content_bytes)
    }
}

fn check_length(content: &str, limit: usize) -> Result<(), EngineError> {
    let len = content.len();
    if len > limit { Err(EngineError::TooLarge { len, limit }) } else { Ok(()) }
}

/// What is or becomes an instruction may only be touched with that scope.
pub(super) fn guard_instruction(memory: &Memory, asked: Asked<'_>) -> Result<(), EngineError> {
    let needed = Scope::Instructions;
    if memory.kind.is_instruction() && !asked.caller.may(needed) {
        return Err(EngineError::Denied { needed });
    }
    Ok(())
}

/// The same by what the catalog knows of a memory.
pub(super) fn guard_entry(
    engine: &Engine,
    entry: &Entry,
    asked: Asked<'_>,
) -> Result<(), EngineError> {
    let needed = Scope::Instructions;
    if engine.mind.catalog.name(entry.kind) == "instruction" && !asked.caller.may(needed) {
        return Err(EngineError::Denied { needed });
    }
    Ok(())
}
