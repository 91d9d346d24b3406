use serde::{Deserialize, Serialize};

use crate::engine::{Asked, Engine, EngineError, Verb};
use crate::model::{Access, Memory, MemoryId, Scope};

/// Reads memories with everything that belongs to them, page by page in the order of their ids.
/// Deleted ones are included while they can be restored.
#[derive(Debug, Clone)]
pub struct Export {
    pub after: Option<MemoryId>,
    pub limit: usize,
}

#[derive(Debug, Serialize)]
pub struct Exported {
    pub items: Vec<Whole>,
    /// Where the next page starts; nothing at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<MemoryId>,
}

/// A memory with its history: one line of an export, and all that `import` needs to bring it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Whole {
    #[serde(flatten)]
    pub memory: Memory,
    #[serde(default)]
    pub access: Access,
    #[serde(default)]
    pub history: Vec<Memory>,
}

impl Export {
    /// The beginning, as much as one page holds.
    #[must_use]
    pub fn first_page() -> Self {
        Self { after: None, limit: super::list::MAX_LIMIT }
    }

    /// What comes after the last memory of a page.
    #[must_use]
    pub fn page_after(last: MemoryId) -> Self {
        Self { after: Some(last), limit: super::list::MAX_LIMIT }
    }
}

impl Verb for Export {
    type Answer = Exported;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, _: Asked<'_>) -> Result<Exported, EngineError> {
        let start = self.after.map_or(MemoryId::default(), MemoryId::successor);
        let rows = engine.store.scan_range::<Memory>(&(start..=MemoryId::LAST));
        let mut items = Vec::new();
        for row in rows.take(self.limit) {
            let (id, memory) = row?;
            let (access, history) = (engine.access(id)?, engine.versions(id)?);
            items.push(Whole { memory, access, history });
        }
        let is_full = items.len() == self.limit;
        let next = items.last().filter(|_| is_full).map(|whole| whole.memory.id);
        Ok(Exported { items, next })
    }
}
