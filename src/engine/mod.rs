//! What a session can do with its memories.
//!
//! Synchronous and single-threaded: the actor that owns an [`Engine`] gives it one command at a
//! time. Time comes in as an argument, so a test decides what "now" is.

mod arguments;
mod catalog;
mod command;
mod cursor;
mod filter;
mod meaning;
mod past;
mod reading;
mod verbs;
mod view;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{Access, Caller, Memory, MemoryId, MemoryIds, Scope, Timestamp, UserId};
use crate::retrieval::{Index, ModelId};
use crate::store::{Receipt, SessionStore, StoreError};
pub use arguments::{Arguments, Change, FieldProblem, InvalidArguments};
use catalog::Catalog;
pub use command::{Answer, Command};
pub use filter::{Filter, QueryScope, TagMatch};
pub use meaning::{Embedded, Unembedded};
pub use verbs::*;
pub use view::{BriefView, MemoryView};

/// Why a command was refused. Every message is fit to show to the caller.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    #[error(transparent)]
    Invalid(#[from] InvalidArguments),

    #[error("memory {id} does not exist")]
    NotFound { id: MemoryId },

    #[error("memory {id} is at version {found}, not {expected}; read it again")]
    Conflict { id: MemoryId, expected: u32, found: u32 },

    #[error("content is {len} bytes; the limit is {limit}")]
    TooLarge { len: usize, limit: usize },

    #[error("this needs the scope {needed}")]
    Denied { needed: Scope },

    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The bounds a session keeps to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one memory's text.
    pub content_bytes: usize,
    /// How long a deleted or expired memory can be brought back.
    pub undo: Duration,
}

/// An answer, and the write it must wait for.
#[derive(Debug)]
pub struct Applied {
    pub answer: Answer,
    /// Present when something was written. The answer may be given out once it resolves.
    pub receipt: Option<Receipt>,
    /// The memories that are not as they were before.
    pub written: Vec<MemoryId>,
}

/// One session's memories and the rules that guard them.
#[derive(Debug)]
pub struct Engine {
    user: UserId,
    limits: Limits,
    store: SessionStore,
    catalog: Catalog,
    index: Index,
    /// Whose vectors the index holds, if not the built-in table's.
    model: Option<ModelId>,
    /// What has no vector of that model yet.
    waiting: BTreeSet<MemoryId>,
    ids: MemoryIds,
    /// Counts not yet written: a search must not cost a write.
    touched: BTreeMap<MemoryId, Access>,
    /// New in the batch that is being made: the store does not know them yet.
    pending: BTreeMap<MemoryId, Memory>,
    /// What the command at hand wrote.
    written: Vec<MemoryId>,
    /// Of the last write of the command at hand.
    receipt: Option<Receipt>,
}

/// What every verb needs to know besides its own fields.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    caller: &'a Caller,
    now: Timestamp,
}

impl Engine {
    /// Reads a session's memories and builds its indexes.
    /// With a model, vectors come from outside; without one the index makes its own.
    pub fn open(
        store: SessionStore,
        user: UserId,
        limits: Limits,
        model: Option<ModelId>,
    ) -> Result<Self, EngineError> {
        let mut engine = Self {
            user,
            limits,
            store,
            catalog: Catalog::default(),
            index: model.map_or_else(Index::new, Index::for_model),
            model,
            waiting: BTreeSet::new(),
            ids: MemoryIds::default(),
            touched: BTreeMap::new(),
            pending: BTreeMap::new(),
            written: Vec::new(),
            receipt: None,
        };
        engine.load()?;
        engine.load_vectors()?;
        Ok(engine)
    }

    /// Carries out one command.
    pub fn apply(
        &mut self,
        command: Command,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Applied, EngineError> {
        let asked = Asked { caller, now };
        let answer = match command {
            Command::Add(verb) => verb.apply(self, asked),
            Command::Search(verb) => verb.apply(self, asked),
            Command::Get(verb) => verb.apply(self, asked),
            Command::List(verb) => verb.apply(self, asked),
            Command::Update(verb) => verb.apply(self, asked),
            Command::Delete(verb) => verb.apply(self, asked),
            Command::Context(verb) => verb.apply(self, asked),
            Command::History(verb) => verb.apply(self),
            Command::Restore(verb) => verb.apply(self, asked),
            Command::Related(verb) => verb.apply(self, asked),
            Command::Tags(verb) => Ok(verb.apply(self, asked)),
            Command::Projects(verb) => Ok(verb.apply(self, asked)),
            Command::Stats(verb) => Ok(verb.apply(self, asked)),
            Command::Export(verb) => verb.apply(self),
            Command::Import(verb) => verb.apply(self, asked),
        };
        let receipt = self.receipt.take();
        let written = std::mem::take(&mut self.written);
        answer.map(|answer| Applied { answer, receipt, written })
    }
}
