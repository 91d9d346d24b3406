use serde::Serialize;

use super::add::{REPEATED_TOKENS, TTL_DAYS, expiry};
use crate::engine::arguments::{Arguments, Change};
use crate::engine::draft::Draft;
use crate::engine::secrets::SecretKinds;
use crate::engine::write::guard_instruction;
use crate::engine::{Asked, Engine, EngineError, Field, MemoryView, Shape, Spoken, Verb};
use crate::model::{Memory, MemoryId, Scope, Status, Timestamp};

/// Changes some fields of a memory. The version before it is kept.
#[derive(Debug, Clone)]
pub struct Update {
    pub id: MemoryId,
    pub content: Option<String>,
    /// Goes below the text that is there, on a line of its own.
    pub append: Option<String>,
    pub draft: Draft,
    pub ttl_days: Change<f64>,
    pub supersedes: Option<MemoryId>,
    pub status: Option<Status>,
    /// Refuse unless the memory still is at this version.
    pub if_version: Option<u32>,
    /// Somebody who may be trusted says that it is so.
    pub confirm: bool,
    /// As in [`super::Add::repeat_tokens`].
    pub repeat_tokens: Option<usize>,
}

#[derive(Debug, Serialize)]
pub struct Updated {
    pub memory: MemoryView,
    pub previous_version: u32,
    /// What it holds that looks like a secret, by name.
    #[serde(skip_serializing_if = "SecretKinds::is_empty")]
    pub secrets: SecretKinds,
}

const ID: Field = Field::required("id", Shape::Id, "");
const CONTENT: Field = Field::new("content", Shape::Text, "Replaces the text");
const APPEND: Field = Field::new("append", Shape::Text, "Goes below it");
const SUPERSEDES: Field = Field::new("supersedes", Shape::Id, "");
const STATUS: Field = Field::new("status", Shape::Word(&["active", "archived", "superseded"]), "");
const IF_VERSION: Field =
    Field::new("if_version", Shape::Whole { least: 1, most: u32::MAX }, "Refuse at another");
const CONFIRM: Field = Field::new("confirm", Shape::Flag, "");
const CLEAR: Field = Field::new("clear", Shape::Words(Draft::CLEARABLE), "Fields to empty");

impl Spoken for Update {
    fn fields() -> Vec<&'static Field> {
        let own = [&ID, &CONTENT, &APPEND];
        let more = [&TTL_DAYS, &SUPERSEDES, &STATUS, &IF_VERSION, &CONFIRM, &CLEAR];
        own.into_iter().chain(Draft::FIELDS).chain(more).collect()
    }

    fn take(arguments: &mut Arguments) -> Self {
        arguments.take_cleared(&CLEAR);
        let said = |text: &String| !text.trim().is_empty();
        let verb = Self {
            id: arguments.require(&ID),
            content: arguments.take(&CONTENT).filter(said),
            append: arguments.take(&APPEND).filter(said),
            draft: Draft::take(arguments),
            ttl_days: arguments.change(&TTL_DAYS),
            supersedes: arguments.take(&SUPERSEDES),
            status: arguments.take(&STATUS),
            if_version: arguments.take(&IF_VERSION),
            confirm: arguments.take(&CONFIRM).unwrap_or(false),
            repeat_tokens: arguments.budget().map(|_| REPEATED_TOKENS),
        };
        verb.refuse_contradictions(arguments);
        verb
    }
}

impl Verb for Update {
    type Answer = Updated;

    fn scope(&self) -> Scope {
        if self.draft.is_instruction() { Scope::Instructions } else { Scope::Write }
    }

    /// Writes what really changed; nothing if nothing did.
    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Updated, EngineError> {
        let mut write = engine.begin()?;
        // Whoever makes a deleted memory active again brings it back.
        let before = match self.status {
            Some(Status::Active) => engine.read(self.id)?,
            _ => engine.read_alive(self.id, asked.now)?,
        };
        guard_instruction(&before, asked)?;
        if let Some(expected) = self.if_version.filter(|version| *version != before.version) {
            return Err(EngineError::Conflict { id: self.id, expected, found: before.version });
        }
        let replaced = self.supersedes.filter(|id| before.supersedes != Some(*id));
        let replaced = replaced.map(|id| engine.read_replaced(id, asked)).transpose()?;
        let repeated = self.repeat_tokens.unwrap_or(usize::MAX);
        let mut after = self.changed(&before, asked.now);
        engine.check_content(&after.content)?;
        let mut secrets = SecretKinds::new();
        engine.screen(&mut after, &mut secrets)?;
        let previous_version = before.version;
        if after != before {
            if let Some(old) = replaced {
                write.supersede(&old, before.id, asked.now)?;
            }
            after = write.replace(&before, after, asked.now)?;
            engine.commit(write)?;
        }
        let mut memory = engine.view(after)?;
        memory.cut_to(repeated);
        Ok(Updated { memory, previous_version, secrets })
    }
}

impl Update {
    /// One that changes nothing yet.
    #[must_use]
    pub fn of(id: MemoryId) -> Self {
        Self {
            id,
            content: None,
            append: None,
            draft: Draft::default(),
            ttl_days: Change::Keep,
            supersedes: None,
            status: None,
            if_version: None,
            confirm: false,
            repeat_tokens: None,
        }
    }

    fn changed(self, before: &Memory, now: Timestamp) -> Memory {
        let mut after = before.clone();
        after.provisional &= !self.confirm && !self.draft.is_instruction();
        match self.status {
            Some(Status::Active) => after = after.revived(now),
            Some(status) => after.status = status,
            None => {}
        }
        match (self.content, self.append) {
            (Some(content), _) => after.content = content,
            (None, Some(append)) => after.content = format!("{}\n{append}", before.content),
            (None, None) => {}
        }
        match self.ttl_days {
            Change::Keep => {}
            Change::Clear => after.expires_at = None,
            Change::Set(days) => after.expires_at = Some(expiry(now, days)),
        }
        after.supersedes = self.supersedes.or(before.supersedes);
        self.draft.write_to(&mut after);
        after
    }

    fn refuse_contradictions(&self, arguments: &mut Arguments) {
        if self.content.is_some() && self.append.is_some() {
            arguments.refuse("append", "goes without content");
        }
        if self.supersedes == Some(self.id) {
            arguments.refuse("supersedes", "a memory cannot supersede itself");
        }
    }
}
