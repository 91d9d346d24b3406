use serde::{Deserialize, Serialize};

use super::{Category, EventTime, Kind, MemoryId, Project, Tags, Timestamp, Title};

/// Whatever a client wants to keep beside the text.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// Declares what a memory has besides its id, its text and its title: the type of each field, and when a model is
/// told of it. In a new memory a field is what its type is by default. A function cannot name a field of two structs.
macro_rules! memory {
    ($($(#[$($more:tt)*])* $name:ident: $type:ty, $told:ident;)*) => {
        /// One stored text with its metadata, as of one version.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub struct Memory {
            pub id: MemoryId,
            /// Byte for byte as it came.
            pub content: String,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub title: Option<Title>,
            $($(#[$($more)*])* pub $name: $type,)*
        }

        /// A memory without its source and what stands at its default: to a model each field costs tokens.
        #[derive(Debug, Serialize)]
        pub struct LeanMemory<'a> {
            pub id: MemoryId,
            #[serde(skip_serializing_if = "Option::is_none")]
            pub title: Option<&'a Title>,
            pub content: &'a str,
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<&'a $type>,
            )*
        }

        impl Memory {
            /// What it has, by name.
            pub const FIELDS: &'static [&'static str] =
                &["id", "content", "title", $(stringify!($name),)*];

            /// What of it a model is told.
            #[must_use]
            pub fn lean(&self) -> LeanMemory<'_> {
                LeanMemory {
                    id: self.id,
                    title: self.title.as_ref(),
                    content: &self.content,
                    $($name: $told(self, &self.$name),)*
                }
            }

            /// A text of which nothing at all is said.
            fn bare(id: MemoryId, content: String) -> Self {
                Self { id, content, title: None, $($name: Default::default(),)* }
            }
        }
    };
}

memory! {
    kind: Kind, unless_usual;
    #[serde(default)]
    tags: Tags, unless_usual;
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<Project>, unless_usual;
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<Category>, unless_usual;
    #[serde(default)]
    priority: Priority, unless_usual;
    #[serde(default)]
    pinned: bool, unless_usual;
    #[serde(default)]
    source: Source, never;
    #[serde(default)]
    metadata: Metadata, unless_usual;
    created_at: Timestamp, always;
    /// When this version was written.
    updated_at: Timestamp, if_changed;
    /// When what the text tells of took place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_at: Option<EventTime>, unless_usual;
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>, unless_usual;
    #[serde(default, skip_serializing_if = "Option::is_none")]
    supersedes: Option<MemoryId>, unless_usual;
    #[serde(default, skip_serializing_if = "Option::is_none")]
    superseded_by: Option<MemoryId>, unless_usual;
    #[serde(default)]
    status: Status, unless_usual;
    /// Nobody who may be trusted has said it yet: it is found when asked for, and given to nobody unasked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    provisional: bool, unless_usual;
    /// 1 for the first; each change adds one.
    version: u32, if_later;
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

    /// The program that wrote it, as it names itself; else the credential.
    #[must_use]
    pub fn writer(&self) -> Option<&str> {
        self.client.as_deref().or(self.credential.as_deref())
    }

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
        Self { created_at: now, updated_at: now, version: 1, ..Self::bare(id, content) }
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

fn always<'a, T>(_: &Memory, value: &'a T) -> Option<&'a T> {
    Some(value)
}

/// For what a model does nothing with.
fn never<'a, T>(_: &Memory, _: &'a T) -> Option<&'a T> {
    None
}

fn unless_usual<'a, T: Default + PartialEq>(_: &Memory, value: &'a T) -> Option<&'a T> {
    Some(value).filter(|value| **value != T::default())
}

fn if_changed<'a>(memory: &Memory, updated_at: &'a Timestamp) -> Option<&'a Timestamp> {
    Some(updated_at).filter(|updated_at| **updated_at != memory.created_at)
}

fn if_later<'a>(_: &Memory, version: &'a u32) -> Option<&'a u32> {
    Some(version).filter(|version| **version > 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_is_told_of_a_new_memory_only_what_is_its_own() {
        let memory = Memory::new(MemoryId::default(), "tea".to_owned(), Timestamp(0));

        let told = serde_json::to_value(memory.lean()).unwrap();

        let names: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["id", "content", "created_at"]);
    }

    #[test]
    fn a_model_is_told_all_that_somebody_said_of_a_memory_and_not_who() {
        let said = json!({
            "id": MemoryId::default(), "title": "T", "content": "tea", "kind": "fact", "tags": ["a"],
            "project": "p", "category": "c", "priority": 5, "pinned": true, "metadata": { "k": 1 },
            "created_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-02T00:00:00.000Z",
            "event_at": "2025-01-01T00:00:00.000Z", "expires_at": "2027-01-01T00:00:00.000Z",
            "supersedes": MemoryId::LAST, "superseded_by": MemoryId::LAST, "status": "archived",
            "provisional": true, "version": 2,
        });
        let mut whole = said.clone();
        whole["source"] = json!({ "client": "claude" });
        let memory: Memory = serde_json::from_value(whole.clone()).unwrap();

        let told = serde_json::to_string(&memory.lean()).unwrap();

        assert_eq!(told, said.to_string());
        let stored = serde_json::to_value(&memory).unwrap();
        assert_eq!(stored, whole);
        let names: Vec<&str> = stored.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, Memory::FIELDS);
    }
}
