use serde::{Deserialize, Serialize};

use super::{Category, EventTime, Kind, MemoryId, Project, Tags, Timestamp, Title};

/// Whatever a client wants to keep beside the text.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// One stored text with its metadata, as of one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pub id: MemoryId,
    /// Byte for byte as it came.
    pub content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
    pub kind: Kind,
    #[serde(default)]
    pub tags: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Project>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    #[serde(default)]
    pub priority: Priority,
    #[serde(default)]
    pub pinned: bool,
    #[serde(default)]
    pub source: Source,
    #[serde(default)]
    pub metadata: Metadata,
    pub created_at: Timestamp,
    /// When this version was written.
    pub updated_at: Timestamp,
    /// When what the text tells of took place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_at: Option<EventTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<MemoryId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<MemoryId>,
    #[serde(default)]
    pub status: Status,
    /// Nobody who may be trusted has said it yet: it is found when asked for, and given to nobody unasked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
    /// 1 for the first; each change adds one.
    pub version: u32,
}

/// A memory without its source and what stands at its default: to a model each field costs tokens.
#[derive(Debug, Serialize)]
pub struct LeanMemory<'a> {
    id: MemoryId,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a Title>,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a Tags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a Project>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a Category>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pinned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Metadata>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_at: Option<EventTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<MemoryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<MemoryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    provisional: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// Who wrote a memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Source {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// What the client called its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Through what it came: `mcp`, `local`, `rest`, `cli`, `browser`, `import`, `hook`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
}

impl Source {
    /// The interface of what a hook took down.
    pub const HOOK: &str = "hook";

    /// Whether a hook took it down, and nobody decided that it should be kept.
    #[must_use]
    pub fn is_hook(&self) -> bool {
        self.interface.as_deref() == Some(Self::HOOK)
    }
}

/// Where a memory stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Active,
    Archived,
    Superseded,
    /// Out of sight, but not yet out of the store: it can be restored for a while.
    Deleted,
}

/// 1 (least) to 5 (most); 3 unless somebody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Priority(u8);

/// How often a memory was found, kept apart from its text because it changes with every search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Access {
    pub count: u64,
    pub last: Timestamp,
}

impl Memory {
    /// The first version of a text of which nothing else is said.
    #[must_use]
    pub fn new(id: MemoryId, content: String, now: Timestamp) -> Self {
        Self {
            id,
            content,
            title: None,
            kind: Kind::note(),
            tags: Tags::default(),
            project: None,
            category: None,
            priority: Priority::default(),
            pinned: false,
            source: Source::default(),
            metadata: Metadata::default(),
            created_at: now,
            updated_at: now,
            event_at: None,
            expires_at: None,
            supersedes: None,
            superseded_by: None,
            status: Status::Active,
            provisional: false,
            version: 1,
        }
    }

    /// What of it stands not at its default. The fields are named one by one, so that nobody adds another without
    /// a thought of it here.
    #[must_use]
    pub fn lean(&self) -> LeanMemory<'_> {
        let Self {
            id,
            content,
            title,
            kind,
            tags,
            project,
            category,
            priority,
            pinned,
            source: _,
            metadata,
            created_at,
            updated_at,
            event_at,
            expires_at,
            supersedes,
            superseded_by,
            status,
            provisional,
            version,
        } = self;
        LeanMemory {
            id: *id,
            title: title.as_ref(),
            content,
            kind: kind.unless_note(),
            tags: tags.unless_none(),
            project: project.as_ref(),
            category: category.as_ref(),
            priority: Some(*priority).filter(|priority| *priority != Priority::default()),
            pinned: *pinned,
            metadata: Some(metadata).filter(|metadata| !metadata.is_empty()),
            created_at: *created_at,
            updated_at: Some(*updated_at).filter(|updated| updated != created_at),
            event_at: *event_at,
            expires_at: *expires_at,
            supersedes: *supersedes,
            superseded_by: *superseded_by,
            status: Some(*status).filter(|status| *status != Status::Active),
            provisional: *provisional,
            version: Some(*version).filter(|version| *version > 1),
        }
    }

    /// When what it tells of took place, as far as anybody said.
    #[must_use]
    pub fn moment(&self) -> EventTime {
        self.event_at.unwrap_or_else(|| self.created_at.into())
    }

    /// Whether it is in sight.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.status == Status::Active && !self.is_expired(now)
    }

    /// The memory as it is when it is brought back: what had ended it does so no more.
    #[must_use]
    pub fn revived(self, now: Timestamp) -> Self {
        let expires_at = self.expires_at.filter(|_| !self.is_expired(now));
        Self { status: Status::Active, superseded_by: None, expires_at, ..self }
    }

    /// Whether its time is over. Expired memories are hidden at once and removed by the sweeper.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires| expires <= now)
    }
}

impl Priority {
    #[must_use]
    pub fn new(value: u8) -> Option<Self> {
        (1..=5).contains(&value).then_some(Self(value))
    }

    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(3)
    }
}

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u8::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| serde::de::Error::custom("expected a priority from 1 to 5"))
    }
}

/// What a memory is called by those who are used to numbers: each user's own, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(pub u64);
