//! What a session can do with its memories.
//!
//! Synchronous and single-threaded: the actor that owns an [`Engine`] gives it one command at a
//! time. Time comes in as an argument, so a test decides what "now" is. It refuses what breaks a
//! memory's rules, and knows nothing of faces, threads or bytes.
//!
//! Begin reading at `verb.rs` (what can be asked) and `write.rs` (how anything changes), then take
//! any file of `verbs`.

mod arguments;
mod asked_words;
mod catalog;
mod changed;
mod confirming;
mod cursor;
mod draft;
mod field;
mod files;
mod filter;
mod fitting;
mod graph;
mod kept;
mod meaning;
mod mind;
mod numbers;
mod past;
mod query_text;
mod reading;
mod recall_pages;
mod recalls;
mod secret_marks;
mod secrets;
mod spelling;
mod stamp;
mod steps;
mod sweep;
mod text_digest;
mod verb;
mod verbs;
mod view;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Access, Caller, MemoryId, MemoryIds, Scope, SecretScreen, Timestamp, UserId};
use crate::retrieval::ModelDigest;
#[cfg(test)]
use crate::store::Store;
use crate::store::{SessionStore, StoreError};
pub use arguments::{Arguments, Change, FieldProblem, InvalidArguments, MODEL_TOKENS};
pub use changed::MemoryChange;
pub use draft::Draft;
pub use field::{Field, Shape};
pub use filter::{Filter, Named, QueryScope};
pub use graph::{Entity, Relation};
pub use meaning::{Embedded, Unembedded};
use mind::Mind;
pub use query_text::QueryText;
use recalls::Recalls;
pub use recalls::{AskedFor, GivenOut};
pub use secrets::without_secrets;
use stamp::Stamp;
use steps::Steps;
pub use verb::{Asked, Asker, Noted, Question, Said, Spoken, Verb};
pub use verbs::*;
pub use view::{BriefView, MemoryView};
pub use write::Written;

/// Names the user whose memories are meant, where a face lets an administrator say so.
pub const USER_ID: Field = Field::new("user_id", Shape::Name, "");

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

    #[error("the credential is bound to a project, and may change nothing outside of it")]
    Bound,

    #[error("a guest can change only what is provisional")]
    Guest,

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
    /// How long it is kept what was given to whom; zero for not at all.
    pub recalls: Duration,
    /// What is done about secrets in what is to be stored.
    pub secrets: SecretScreen,
}

/// One session's memories and the rules that guard them.
#[derive(Debug)]
pub struct Engine {
    user: UserId,
    limits: Limits,
    store: SessionStore,
    mind: Mind,
    ids: MemoryIds,
    /// Counts not yet written: a search must not cost a write.
    touched: BTreeMap<MemoryId, Access>,
    recalls: Recalls,
    steps: Steps,
    /// What was submitted and not yet handed to the owner.
    written: Option<Written>,
    /// Whose command is under way; nothing where the engine looks after itself.
    stamp: Option<Stamp>,
}

impl Engine {
    /// Reads a session's memories and builds its indexes, or reads what was kept of them.
    /// With a model, vectors come from outside; without one the index makes its own.
    pub fn open(
        store: SessionStore,
        user: UserId,
        limits: Limits,
        model: Option<ModelDigest>,
    ) -> Result<Self, EngineError> {
        let mut engine = Self {
            user,
            limits,
            store,
            mind: Mind::new(model),
            ids: MemoryIds::default(),
            touched: BTreeMap::new(),
            recalls: Recalls::default(),
            steps: Steps::default(),
            written: None,
            stamp: None,
        };
        if !engine.load_kept()? {
            engine.load()?;
            engine.load_vectors()?;
        }
        Ok(engine)
    }

    /// Ada's session of a test, in which changes can be undone for a day.
    #[cfg(test)]
    fn of_test(store: &Store) -> Self {
        let user = UserId::parse("ada").unwrap();
        let (day, secrets) = (Duration::from_secs(86_400), SecretScreen::Off);
        let limits = Limits { content_bytes: 1 << 16, undo: day, recalls: day, secrets };
        Self::open(store.session(&user).unwrap(), user, limits, None).unwrap()
    }

    /// Whether what it has read of the store still counts.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.store.is_sound()
    }

    /// Whether a write would wait now until the store has compared everything. What can be written later
    /// is: whoever only reads would wait behind it.
    fn awaits_proof(&self) -> bool {
        self.store.awaits_proof()
    }

    /// Carries out one command. Afterwards [`Engine::take_written`] has what it submitted.
    pub fn ask<V: Verb>(
        &mut self,
        verb: V,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<V::Answer, EngineError> {
        self.mind.catalog.show_only(caller.bound.as_ref());
        self.stamp = Some(Stamp::of(caller, now));
        let asking = if self.keeps_recalls() { verb.asking(caller) } else { None };
        let answer = verb.apply(self, Asked { caller, now });
        if let (Some(asking), Ok(answer)) = (asking, &answer) {
            self.note_recall(&asking, V::given(answer), now);
        }
        self.mind.catalog.show_only(None);
        self.stamp = None;
        answer
    }
}
