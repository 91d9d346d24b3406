//! Every change is a step with an id and an author, so that it can be told and undone.

use super::steps::{kept_steps, parts_of};
use super::write::Write;
use super::{Engine, EngineError, InvalidArguments};
use crate::model::{Author, Caller, MemoryId, Step, Timestamp};

/// Whose command is under way.
#[derive(Debug)]
pub(super) struct Stamp {
    author: Author,
    now: Timestamp,
    /// The id of what it changes; nothing before it has changed anything.
    step: Option<MemoryId>,
    parts: u32,
    is_guest: bool,
}

impl Stamp {
    pub(super) fn of(caller: &Caller, now: Timestamp) -> Self {
        let author = Author {
            credential: caller.credential.clone(),
            token: caller.token.clone(),
            client: caller.client.clone(),
            session: caller.session.clone(),
            face: caller.face,
        };
        Self { author, now, step: None, parts: 0, is_guest: caller.is_guest }
    }
}

impl Stamp {
    pub(super) fn author(&self) -> &Author {
        &self.author
    }

    pub(super) fn is_guest(&self) -> bool {
        self.is_guest
    }
}

impl Engine {
    /// The id of the step that the command under way makes; nothing before it has changed anything.
    pub(super) fn step(&self) -> Option<MemoryId> {
        let stamp = self.stamp.as_ref().filter(|stamp| stamp.parts > 0)?;
        stamp.step
    }

    /// Goes on with a step that an earlier command began, as the parts of an import do.
    pub(super) fn continue_step(&mut self, step: MemoryId) -> Result<(), EngineError> {
        if self.take_up(step, "step")? == 0 {
            return Err(InvalidArguments::one("step", "there is no such change").into());
        }
        Ok(())
    }

    /// Begins a step whose id the caller has chosen, or goes on with it. What is swept is found in the
    /// order of ids, so a new one has to be of this time.
    pub(super) fn begin_run(&mut self, run: MemoryId, now: Timestamp) -> Result<(), EngineError> {
        let at = run.created_at();
        if self.take_up(run, "run")? == 0 && (at.is_far_ahead_of(now) || now.is_far_ahead_of(at)) {
            return Err(InvalidArguments::one("run", "has to be an id of today").into());
        }
        Ok(())
    }

    /// Returns how many parts of the step there are.
    fn take_up(&mut self, step: MemoryId, argument: &str) -> Result<u32, EngineError> {
        let Some(stamp) = &mut self.stamp else { return Ok(0) };
        let mut parts = 0;
        for row in kept_steps(&self.store, &parts_of(step)) {
            let ((_, part), kept) = row?;
            parts = part.saturating_add(1);
            if kept.author.credential != stamp.author.credential {
                let problem = "is a change by another credential";
                return Err(InvalidArguments::one(argument, problem).into());
            }
        }
        stamp.step = Some(step);
        stamp.parts = parts;
        Ok(parts)
    }

    /// Puts into a write what is kept of it as a step. What nobody asked for is none.
    pub(super) fn put_step(&mut self, write: &mut Write) {
        let Self { stamp: Some(stamp), ids, steps, .. } = self else { return };
        let changes = write.changes();
        if changes.is_empty() {
            return;
        }
        let step = *stamp.step.get_or_insert_with(|| ids.next(stamp.now));
        let part = stamp.parts;
        stamp.parts = part.saturating_add(1);
        steps.note_one_more();
        write
            .put_step((step, part), &Step { at: stamp.now, author: stamp.author.clone(), changes });
    }
}
