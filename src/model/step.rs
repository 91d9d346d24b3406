use serde::Serialize;

use super::{CredentialName, Interface, MemoryId, Timestamp, TokenPrefix};

/// Who changed something, as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Author {
    pub credential: CredentialName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenPrefix>,
    /// The client program, as it names itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What the client calls its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    pub face: Interface,
}

/// One change, or a part of one: by whom, when, and from which version of which memory to which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub at: Timestamp,
    pub author: Author,
    pub changes: Vec<StepChange>,
}

/// Steps in a row that are kept together, in the order of their keys: the id of the step and the number of
/// its part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepPage(pub Vec<((MemoryId, u32), Step)>);

/// What a step did to one memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepChange {
    pub id: MemoryId,
    /// The version before it; 0 where there was none.
    pub before: u32,
    /// The version after it; 0 where the memory was erased.
    pub after: u32,
}
