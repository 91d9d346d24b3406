use serde::{Deserialize, Serialize};

use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::catalog::is_same_text;
use crate::engine::view::BriefView;
use crate::engine::{Answer, Asked, Engine, EngineError, MemoryView};
use crate::model::{
    Category, Kind, Memory, MemoryId, Metadata, Priority, Project, Source, Status, Tags, Timestamp,
    Title,
};
use crate::retrieval::Document;
use crate::store::Batch;

/// Stores a new memory, unless the same one is there already.
#[derive(Debug, Clone)]
pub struct Add {
    pub content: String,
    pub title: Option<Title>,
    /// A conversation if it came as one, else a note, unless somebody says.
    pub kind: Option<Kind>,
    pub is_dialogue: bool,
    pub tags: Tags,
    pub project: Option<Project>,
    pub category: Option<Category>,
    pub priority: Priority,
    pub metadata: Metadata,
    pub event_at: Option<Timestamp>,
    pub ttl_days: Option<f64>,
    pub supersedes: Option<MemoryId>,
    pub pinned: bool,
}

/// One turn of a conversation, as chat APIs write it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Message {
    #[serde(default)]
    pub role: String,
    pub content: String,
}

/// What became of an [`Add`].
#[derive(Debug, Serialize)]
pub struct Added {
    pub id: MemoryId,
    pub status: AddStatus,
    pub memory: MemoryView,
    /// What says nearly the same, best first. The caller may want to update one of those instead.
    pub similar: Vec<Similar>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AddStatus {
    Created,
    /// The same text was there; nothing was written, and `memory` is the one that was there.
    Duplicate,
    /// Created, and the memory named by `supersedes` is no longer active.
    Superseded,
}

#[derive(Debug, Serialize)]
pub struct Similar {
    #[serde(flatten)]
    pub memory: BriefView,
    pub score: f32,
}

/// Bytes of one memory's metadata, as JSON. Enough for a form; long texts belong into `content`.
const METADATA_LIMIT: usize = 16 * 1024;
/// About a hundred years.
const MAX_TTL_DAYS: f64 = 36_500.0;
const MS_PER_DAY: f64 = 86_400_000.0;
/// How many similar memories an answer names.
const SIMILAR: usize = 3;

impl Add {
    pub fn parse(mut arguments: Arguments) -> Result<Self, InvalidArguments> {
        let (content, is_dialogue) = take_content(&mut arguments);
        if content.trim().is_empty() {
            arguments.refuse("content", "is required and must not be empty");
        }
        let verb = Self {
            content,
            title: arguments.take("title"),
            kind: arguments.take("kind"),
            is_dialogue,
            tags: arguments.take("tags").unwrap_or_default(),
            project: arguments.take("project"),
            category: arguments.take("category"),
            priority: arguments.take("priority").unwrap_or_default(),
            metadata: take_metadata(&mut arguments).unwrap_or_default(),
            event_at: arguments.take("event_at"),
            ttl_days: take_ttl(&mut arguments),
            supersedes: arguments.take("supersedes"),
            pinned: arguments.take("pinned").unwrap_or_default(),
        };
        arguments.finish(verb)
    }

    #[must_use]
    pub fn is_instruction(&self) -> bool {
        self.kind.as_ref().is_some_and(Kind::is_instruction)
    }

    pub(in crate::engine) fn apply(
        self,
        engine: &mut Engine,
        asked: Asked<'_>,
    ) -> Result<Answer, EngineError> {
        engine.check_content(&self.content)?;
        let project = self.project.clone().or_else(|| asked.caller.project.clone());
        let replaced = self.supersedes.map(|id| engine.read_replaced(id, asked)).transpose()?;
        if replaced.is_none()
            && let Some(there) = self.find_same(engine, project.as_ref(), asked.now)?
        {
            return engine.added(AddStatus::Duplicate, there, Vec::new());
        }

        let memory = self.into_memory(engine, project, asked);
        let similar = engine.similar_to(&memory, asked.now)?;
        let mut batch = Batch::default();
        engine.put_new(&mut batch, &memory);
        let status = match &replaced {
            None => AddStatus::Created,
            Some(old) => {
                engine.put_superseded(&mut batch, old, memory.id, asked.now);
                AddStatus::Superseded
            }
        };
        engine.commit(batch)?;
        engine.added(status, memory, similar)
    }

    /// The memory that says the same of the same: what the newcomer leaves open may be anything.
    pub(super) fn find_same(
        &self,
        engine: &Engine,
        project: Option<&Project>,
        now: Timestamp,
    ) -> Result<Option<Memory>, EngineError> {
        let ids: Vec<MemoryId> = engine
            .catalog
            .same_text(&self.content)
            .filter(|entry| entry.is_alive(now))
            .map(|entry| entry.id)
            .collect();
        for id in ids {
            let there = engine.read(id)?;
            let same = is_same_text(&there.content, &self.content)
                && project.is_none_or(|project| there.project.as_ref() == Some(project))
                && self.kind.as_ref().is_none_or(|kind| there.kind == *kind)
                && self.event_at.is_none_or(|event| Some(event) == there.event_at)
                && (self.metadata.is_empty() || self.metadata == there.metadata);
            if same {
                return Ok(Some(there));
            }
        }
        Ok(None)
    }

    pub(super) fn into_memory(
        self,
        engine: &mut Engine,
        project: Option<Project>,
        asked: Asked<'_>,
    ) -> Memory {
        let Asked { caller, now } = asked;
        Memory {
            id: engine.ids.next(now),
            content: self.content,
            title: self.title,
            kind: self.kind.unwrap_or(if self.is_dialogue {
                Kind::conversation()
            } else {
                Kind::note()
            }),
            tags: self.tags,
            project,
            category: self.category,
            priority: self.priority,
            pinned: self.pinned,
            source: Source {
                client: caller.client.clone(),
                credential: Some(caller.credential.to_string()),
            },
            metadata: self.metadata,
            created_at: now,
            updated_at: now,
            event_at: self.event_at,
            expires_at: self.ttl_days.map(|days| expiry(now, days)),
            supersedes: self.supersedes,
            superseded_by: None,
            status: Status::Active,
            version: 1,
        }
    }
}

impl Engine {
    fn added(
        &self,
        status: AddStatus,
        memory: Memory,
        similar: Vec<Similar>,
    ) -> Result<Answer, EngineError> {
        let id = memory.id;
        let memory = self.view(memory)?;
        Ok(Answer::Added(Box::new(Added { id, status, memory, similar })))
    }

    fn similar_to(&self, memory: &Memory, now: Timestamp) -> Result<Vec<Similar>, EngineError> {
        let allowed = |doc| self.entry(doc).is_some_and(|entry| entry.is_alive(now));
        let found = self.index.similar(&Document::of(memory), &allowed, SIMILAR);
        let known = found.into_iter().filter_map(|(doc, score)| Some((self.entry(doc)?.id, score)));
        known
            .map(|(id, score)| Ok(Similar { memory: BriefView::of(&self.read(id)?), score }))
            .collect()
    }
}

/// When a memory ends that lives for so many days.
pub(super) fn expiry(now: Timestamp, days: f64) -> Timestamp {
    #[allow(clippy::cast_possible_truncation, reason = "at most MAX_TTL_DAYS, which fits")]
    let ms = (days * MS_PER_DAY) as i64;
    Timestamp(now.0.saturating_add(ms))
}

pub(super) fn take_ttl(arguments: &mut Arguments) -> Option<f64> {
    let days: f64 = arguments.take("ttl_days")?;
    if days > 0.0 && days <= MAX_TTL_DAYS {
        return Some(days);
    }
    arguments.refuse("ttl_days", "expected a number of days above 0 and at most 36500");
    None
}

pub(super) fn take_metadata(arguments: &mut Arguments) -> Option<Metadata> {
    let metadata: Metadata = arguments.take("metadata")?;
    let len = serde_json::to_string(&metadata).map_or(0, |text| text.len());
    if len > METADATA_LIMIT {
        let problem = format!("is {len} bytes; the limit is {METADATA_LIMIT}");
        arguments.refuse("metadata", &problem);
    }
    Some(metadata)
}

/// The text in any of its three spellings, and whether it is a dialogue.
fn take_content(arguments: &mut Arguments) -> (String, bool) {
    let given = ["content", "messages", "user_input"].map(|name| arguments.has(name));
    if given.iter().filter(|given| **given).count() > 1 {
        arguments.refuse("content", "give one of content, messages, or user_input");
    }
    let content: Option<String> = arguments.take("content");
    let messages: Option<Vec<Message>> = arguments.take("messages");
    let user_input: Option<String> = arguments.take("user_input");
    let agent_response: Option<String> = arguments.take("agent_response");
    if let Some(messages) = messages {
        return (render(&messages), messages.len() > 1);
    }
    match (content, user_input, agent_response) {
        (None, Some(user), Some(agent)) => (format!("User: {user}\nAssistant: {agent}"), true),
        (None, Some(user), None) => (user, true),
        (Some(content), _, None) => (content, false),
        (None, None, None) => (String::new(), false),
        (_, _, Some(_)) => {
            arguments.refuse("agent_response", "goes with user_input");
            (String::new(), false)
        }
    }
}

/// A single message is its text; several are a line each, with who spoke.
fn render(messages: &[Message]) -> String {
    if let [only] = messages {
        return only.content.clone();
    }
    let lines: Vec<String> = messages
        .iter()
        .map(|message| match message.role.as_str() {
            "" => message.content.clone(),
            role => format!("{role}: {}", message.content),
        })
        .collect();
    lines.join("\n")
}
