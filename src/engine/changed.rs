//! What is told of a change to whoever listens: never what a memory says.

use super::write::Step;
use crate::model::{Memory, MemoryId, Project, Status};

/// A memory that is not as it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryChange {
    pub id: MemoryId,
    /// `added`, `changed`, `deleted`, `restored`, `erased`, or `ended` for one whose time ran out.
    pub op: &'static str,
    /// Where it lies, as far as that is known.
    pub project: Option<Project>,
}

impl MemoryChange {
    /// Nothing of a vector, which nobody sees.
    pub(super) fn of(step: &Step) -> Option<Self> {
        let told =
            |op, memory: &Memory| Some(Self { id: memory.id, op, project: memory.project.clone() });
        match step {
            Step::Enter(memory) => told("added", memory),
            Step::Forget(memory) => told("erased", memory),
            Step::Replace { before, after } => {
                let was_there = before.status != Status::Deleted;
                let is_there = after.status != Status::Deleted;
                let op = match (was_there, is_there) {
                    (true, false) => "deleted",
                    (false, true) => "restored",
                    _ => "changed",
                };
                told(op, after)
            }
            Step::Embed { .. } => None,
        }
    }

    /// Of a memory whose time ran out.
    #[must_use]
    pub fn ended(id: MemoryId) -> Self {
        Self { id, op: "ended", project: None }
    }
}
