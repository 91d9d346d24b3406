use serde::{Deserialize, Serialize};

use super::codec::decode_body;
use super::{CodecError, Record};
use crate::journal::SessionNo;
use crate::model::{
    Access, Category, EventTime, Kind, Memory, MemoryId, Number, Priority, Project, Source, Status,
    Tag, Tags, Timestamp, Title, UserId,
};

/// An older version of a memory, under the memory's id and that version's number.
#[derive(Debug, Clone, PartialEq)]
pub struct PastVersion(pub Memory);

/// The number of a user's session, in the system tree. Its tree is called `s<number>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionNumber(pub(super) SessionNo);

/// That a memory which an import brought was erased here. The same import does not bring it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedImport;

/// What another model than the built-in table made of one version of a memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVector {
    pub model: [u8; 16],
    /// Of the memory; a vector of an older text is of no use.
    pub of_version: u32,
    /// One byte a component.
    pub codes: Vec<u8>,
}

/// A vector as it lies on disk since version 1.
#[derive(Debug, Serialize, Deserialize)]
pub struct VectorV1 {
    model: [u8; 16],
    of_version: u32,
    codes: Vec<u8>,
}

/// An access counter as it lies on disk since version 1.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccessV1 {
    count: u64,
    last: i64,
}

/// A number as it lies on disk since version 1. Whose it is, is in the key.
#[derive(Debug, Serialize, Deserialize)]
pub struct NumberV1(u64);

/// An erasure as it lies on disk since version 1: its key says all.
#[derive(Debug, Serialize, Deserialize)]
pub struct ErasedV1;

impl Record for Memory {
    type Key = MemoryId;
    type Body = MemoryBody;
    const PREFIX: u8 = 1;
    const VERSION: u8 = MEMORY_VERSION;
    const KIND: &'static str = "memory";

    fn to_body(&self) -> MemoryBody {
        MemoryBody::from(self)
    }

    fn from_body(key: &MemoryId, body: MemoryBody) -> Result<Self, CodecError> {
        body.into_memory(*key)
    }

    fn upgrade(version: u8, key: &MemoryId, body: &[u8]) -> Result<Self, CodecError> {
        older_memory(version, *key, body)
    }
}

impl Record for PastVersion {
    type Key = (MemoryId, u32);
    type Body = MemoryBody;
    const PREFIX: u8 = 2;
    const VERSION: u8 = MEMORY_VERSION;
    const KIND: &'static str = "history";

    fn to_body(&self) -> MemoryBody {
        MemoryBody::from(&self.0)
    }

    fn from_body(key: &Self::Key, body: MemoryBody) -> Result<Self, CodecError> {
        body.into_memory(key.0).map(Self)
    }

    fn upgrade(version: u8, key: &Self::Key, body: &[u8]) -> Result<Self, CodecError> {
        older_memory(version, key.0, body).map(Self)
    }
}

impl Record for Access {
    type Key = MemoryId;
    type Body = AccessV1;
    const PREFIX: u8 = 3;
    const VERSION: u8 = 1;
    const KIND: &'static str = "access";

    fn to_body(&self) -> AccessV1 {
        AccessV1 { count: self.count, last: self.last.0 }
    }

    fn from_body(_key: &MemoryId, body: AccessV1) -> Result<Self, CodecError> {
        Ok(Self { count: body.count, last: Timestamp(body.last) })
    }
}

impl Record for Number {
    type Key = MemoryId;
    type Body = NumberV1;
    const PREFIX: u8 = 7;
    const VERSION: u8 = 1;
    const KIND: &'static str = "number";

    fn to_body(&self) -> NumberV1 {
        NumberV1(self.0)
    }

    fn from_body(_: &Self::Key, NumberV1(number): NumberV1) -> Result<Self, CodecError> {
        Ok(Self(number))
    }
}

impl Record for ErasedImport {
    type Key = MemoryId;
    type Body = ErasedV1;
    const PREFIX: u8 = 10;
    const VERSION: u8 = 1;
    const KIND: &'static str = "erased";

    fn to_body(&self) -> ErasedV1 {
        ErasedV1
    }

    fn from_body(_: &Self::Key, _: ErasedV1) -> Result<Self, CodecError> {
        Ok(Self)
    }
}

impl Record for StoredVector {
    type Key = MemoryId;
    type Body = VectorV1;
    const PREFIX: u8 = 4;
    const VERSION: u8 = 1;
    const KIND: &'static str = "vector";

    fn to_body(&self) -> VectorV1 {
        VectorV1 { model: self.model, of_version: self.of_version, codes: self.codes.clone() }
    }

    fn from_body(_key: &MemoryId, body: VectorV1) -> Result<Self, CodecError> {
        let VectorV1 { model, of_version, codes } = body;
        Ok(Self { model, of_version, codes })
    }
}

impl Record for SessionNumber {
    type Key = UserId;
    type Body = u32;
    const PREFIX: u8 = 1;
    const VERSION: u8 = 1;
    const KIND: &'static str = "user";

    fn to_body(&self) -> u32 {
        self.0.0
    }

    fn from_body(_key: &UserId, body: u32) -> Result<Self, CodecError> {
        match SessionNo(body) {
            SessionNo::SYSTEM => Err(CodecError::Field("number")),
            number => Ok(Self(number)),
        }
    }
}

/// How memories and their earlier versions are written now.
type MemoryBody = MemoryV3;
const MEMORY_VERSION: u8 = 3;

/// Reads a memory of an older layout than that.
fn older_memory(version: u8, id: MemoryId, body: &[u8]) -> Result<Memory, CodecError> {
    match version {
        1 => decode_body::<MemoryV1>(body)?.into_memory(id),
        _ => decode_body::<MemoryV2>(body)?.into_memory(id),
    }
}

/// A memory as it lies on disk since version 3.
#[derive(Debug, Serialize, Deserialize)]
pub struct MemoryV3 {
    second: MemoryV2,
    session: Option<String>,
    interface: Option<String>,
    provisional: bool,
}

impl From<&Memory> for MemoryV3 {
    fn from(memory: &Memory) -> Self {
        let Source { session, interface, .. } = memory.source.clone();
        Self { second: memory.into(), session, interface, provisional: memory.provisional }
    }
}

impl MemoryV3 {
    fn into_memory(self, id: MemoryId) -> Result<Memory, CodecError> {
        let Self { second, session, interface, provisional } = self;
        let memory = second.into_memory(id)?;
        let source = Source { session, interface, ..memory.source };
        Ok(Memory { source, provisional, ..memory })
    }
}

/// A memory as it lies on disk since version 2: the first layout, and what came later.
#[derive(Debug, Serialize, Deserialize)]
pub struct MemoryV2 {
    first: MemoryV1,
    /// Minutes east of UTC in which `event_at` was said.
    event_offset: i16,
}

impl From<&Memory> for MemoryV2 {
    fn from(memory: &Memory) -> Self {
        let event_offset = memory.event_at.map_or(0, |event| event.offset);
        Self { first: memory.into(), event_offset }
    }
}

impl MemoryV2 {
    fn into_memory(self, id: MemoryId) -> Result<Memory, CodecError> {
        let Self { first, event_offset: offset } = self;
        let memory = first.into_memory(id)?;
        let event_at = memory.event_at.map(|event| EventTime { offset, ..event });
        Ok(Memory { event_at, ..memory })
    }
}

/// A memory as it lies on disk since version 1. The id is in the key.
#[derive(Debug, Serialize, Deserialize)]
pub struct MemoryV1 {
    content: String,
    title: Option<String>,
    kind: String,
    tags: Vec<String>,
    project: Option<String>,
    category: Option<String>,
    priority: u8,
    pinned: bool,
    client: Option<String>,
    credential: Option<String>,
    /// JSON text.
    metadata: String,
    created_at: i64,
    updated_at: i64,
    event_at: Option<i64>,
    expires_at: Option<i64>,
    supersedes: Option<[u8; 16]>,
    superseded_by: Option<[u8; 16]>,
    status: u8,
    version: u32,
}

impl From<&Memory> for MemoryV1 {
    fn from(memory: &Memory) -> Self {
        Self {
            content: memory.content.clone(),
            title: memory.title.as_ref().map(Title::to_string),
            kind: memory.kind.to_string(),
            tags: memory.tags.as_slice().iter().map(Tag::to_string).collect(),
            project: memory.project.as_ref().map(Project::to_string),
            category: memory.category.as_ref().map(Category::to_string),
            priority: memory.priority.get(),
            pinned: memory.pinned,
            client: memory.source.client.clone(),
            credential: memory.source.credential.clone(),
            metadata: serde_json::Value::Object(memory.metadata.clone()).to_string(),
            created_at: memory.created_at.0,
            updated_at: memory.updated_at.0,
            event_at: memory.event_at.map(|event| event.at.0),
            expires_at: memory.expires_at.map(|at| at.0),
            supersedes: memory.supersedes.map(MemoryId::to_bytes),
            superseded_by: memory.superseded_by.map(MemoryId::to_bytes),
            status: status_code(memory.status),
            version: memory.version,
        }
    }
}

impl MemoryV1 {
    fn into_memory(self, id: MemoryId) -> Result<Memory, CodecError> {
        let tags: Option<Vec<Tag>> = self.tags.iter().map(|tag| Tag::parse(tag).ok()).collect();
        // What this layout does not know stays as it is in a new memory.
        let new = Memory::new(id, self.content, Timestamp(self.created_at));
        Ok(Memory {
            title: parsed("title", self.title, |text| Title::parse(text).ok())?,
            kind: Kind::parse(&self.kind).map_err(|_| CodecError::Field("kind"))?,
            tags: Tags::from_vec(tags.ok_or(CodecError::Field("tags"))?),
            project: parsed("project", self.project, |text| Project::parse(text).ok())?,
            category: parsed("category", self.category, |text| Category::parse(text).ok())?,
            priority: Priority::new(self.priority).ok_or(CodecError::Field("priority"))?,
            pinned: self.pinned,
            source: Source {
                client: self.client,
                credential: self.credential,
                ..Source::default()
            },
            metadata: serde_json::from_str(&self.metadata)
                .map_err(|_| CodecError::Field("metadata"))?,
            updated_at: Timestamp(self.updated_at),
            event_at: self.event_at.map(|at| Timestamp(at).into()),
            expires_at: self.expires_at.map(Timestamp),
            supersedes: self.supersedes.map(MemoryId::from_bytes),
            superseded_by: self.superseded_by.map(MemoryId::from_bytes),
            status: status_of(self.status).ok_or(CodecError::Field("status"))?,
            version: self.version,
            ..new
        })
    }
}

pub(super) fn parsed<T>(
    field: &'static str,
    text: Option<String>,
    parse: fn(&str) -> Option<T>,
) -> Result<Option<T>, CodecError> {
    text.map(|text| parse(&text).ok_or(CodecError::Field(field))).transpose()
}

fn status_code(status: Status) -> u8 {
    match status {
        Status::Active => 0,
        Status::Archived => 1,
        Status::Superseded => 2,
        Status::Deleted => 3,
    }
}

fn status_of(code: u8) -> Option<Status> {
    match code {
        0 => Some(Status::Active),
        1 => Some(Status::Archived),
        2 => Some(Status::Superseded),
        3 => Some(Status::Deleted),
        _ => None,
    }
}
