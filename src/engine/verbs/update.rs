use serde::Serialize;

use super::add::{expiry, take_metadata, take_ttl};
use crate::engine::arguments::{Arguments, Change, InvalidArguments};
use crate::engine::writing::guard_instruction;
use crate::engine::{Answer, Asked, Engine, EngineError, MemoryView};
use crate::model::{
    Category, Kind, Memory, MemoryId, Metadata, Priority, Project, Status, Tags, Timestamp, Title,
};
use crate::store::Batch;

/// Changes some fields of a memory. The version before it is kept.
#[derive(Debug, Clone)]
pub struct Update {
    pub id: MemoryId,
    pub content: Option<String>,
    /// Goes below the text that is there, on a line of its own.
    pub append: Option<String>,
    pub title: Change<Title>,
    pub kind: Option<Kind>,
    pub tags: Change<Tags>,
    pub project: Change<Project>,
    pub category: Change<Category>,
    pub priority: Option<Priority>,
    pub metadata: Option<Metadata>,
    pub event_at: Change<Timestamp>,
    pub ttl_days: Change<f64>,
    pub supersedes: Option<MemoryId>,
    pub pinned: Option<bool>,
    pub status: Option<Status>,
    /// Refuse unless the memory still is at this version.
    pub if_version: Option<u32>,
}

#[derive(Debug, Serialize)]
pub struct Updated {
    pub memory: MemoryView,
    pub previous_version: u32,
}

impl Update {
    pub fn parse(mut arguments: Arguments) -> Result<Self, InvalidArguments> {
        let verb = Self {
            id: arguments.require("id"),
            content: arguments.take("content"),
            append: arguments.take("append"),
            title: arguments.change("title"),
            kind: arguments.take("kind"),
            tags: arguments.change("tags"),
            project: arguments.change("project"),
            category: arguments.change("category"),
            priority: arguments.take("priority"),
            metadata: take_metadata(&mut arguments),
            event_at: arguments.change("event_at"),
            ttl_days: change_ttl(&mut arguments),
            supersedes: arguments.take("supersedes"),
            pinned: arguments.take("pinned"),
            status: arguments.take("status"),
            if_version: arguments.take("if_version"),
        };
        verb.refuse_contradictions(&mut arguments);
        arguments.finish(verb)
    }

    #[must_use]
    pub fn makes_instruction(&self) -> bool {
        self.kind.as_ref().is_some_and(Kind::is_instruction)
    }

    pub(in crate::engine) fn apply(
        self,
        engine: &mut Engine,
        asked: Asked<'_>,
    ) -> Result<Answer, EngineError> {
        let before = engine.read_alive(self.id, asked.now)?;
        guard_instruction(&before, asked)?;
        if let Some(expected) = self.if_version.filter(|version| *version != before.version) {
            return Err(EngineError::Conflict { id: self.id, expected, found: before.version });
        }
        let replaced = self.supersedes.filter(|id| before.supersedes != Some(*id));
        let replaced = replaced.map(|id| engine.read_replaced(id, asked)).transpose()?;
        let after = self.changed(&before, asked.now);
        engine.check_content(&after.content)?;
        let memory = engine.change(&before, after, replaced, asked)?;
        let memory = engine.view(memory)?;
        Ok(Answer::Updated(Box::new(Updated { memory, previous_version: before.version })))
    }

    fn changed(self, before: &Memory, now: Timestamp) -> Memory {
        let content = match (self.content, self.append) {
            (Some(content), _) => content,
            (None, Some(append)) => format!("{}\n{append}", before.content),
            (None, None) => before.content.clone(),
        };
        let expires_at = match self.ttl_days {
            Change::Keep => before.expires_at,
            Change::Clear => None,
            Change::Set(days) => Some(expiry(now, days)),
        };
        Memory {
            content,
            title: changed(self.title, &before.title),
            kind: self.kind.unwrap_or_else(|| before.kind.clone()),
            tags: match self.tags {
                Change::Keep => before.tags.clone(),
                Change::Clear => Tags::default(),
                Change::Set(tags) => tags,
            },
            project: changed(self.project, &before.project),
            category: changed(self.category, &before.category),
            priority: self.priority.unwrap_or(before.priority),
            pinned: self.pinned.unwrap_or(before.pinned),
            metadata: self.metadata.unwrap_or_else(|| before.metadata.clone()),
            event_at: changed(self.event_at, &before.event_at),
            expires_at,
            supersedes: self.supersedes.or(before.supersedes),
            status: self.status.unwrap_or(before.status),
            ..before.clone()
        }
    }

    fn refuse_contradictions(&self, arguments: &mut Arguments) {
        if self.content.is_some() && self.append.is_some() {
            arguments.refuse("append", "goes without content");
        }
        if self.content.as_ref().is_some_and(|content| content.trim().is_empty()) {
            arguments.refuse("content", "must not be empty");
        }
        if self.supersedes == Some(self.id) {
            arguments.refuse("supersedes", "a memory cannot supersede itself");
        }
        if matches!(self.status, Some(Status::Deleted)) {
            arguments.refuse("status", "use delete_memory to delete");
        }
    }
}

impl Engine {
    /// Writes what really changed; nothing if nothing did.
    fn change(
        &mut self,
        before: &Memory,
        after: Memory,
        replaced: Option<Memory>,
        asked: Asked<'_>,
    ) -> Result<Memory, EngineError> {
        if after == *before {
            return Ok(after);
        }
        let mut batch = Batch::default();
        if let Some(old) = replaced {
            self.put_superseded(&mut batch, &old, before.id, asked.now);
        }
        let after = self.put_next(&mut batch, before, after, asked.now);
        self.commit(batch)?;
        Ok(after)
    }
}

fn changed<T: Clone>(change: Change<T>, before: &Option<T>) -> Option<T> {
    match change {
        Change::Keep => before.clone(),
        Change::Clear => None,
        Change::Set(value) => Some(value),
    }
}

fn change_ttl(arguments: &mut Arguments) -> Change<f64> {
    if arguments.has("ttl_days") {
        return take_ttl(arguments).map_or(Change::Keep, Change::Set);
    }
    arguments.change("ttl_days")
}
