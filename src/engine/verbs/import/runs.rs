use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::moved::IMPORT;
use crate::engine::arguments::Arguments;
use crate::engine::steps::kept_steps;
use crate::engine::{Asked, Engine, EngineError, Field, Spoken, Verb};
use crate::model::{Author, Memory, MemoryId, Scope, Step, StepChange, Timestamp};

/// Lists the imports from other products that can still be undone, the newest first.
#[derive(Debug, Clone, Copy)]
pub struct ListImports;

#[derive(Debug, Serialize)]
pub struct ListedImports {
    pub imports: Vec<ImportRun>,
}

/// One import: a change that can be undone under its id.
#[derive(Debug, Serialize)]
pub struct ImportRun {
    pub run: MemoryId,
    pub at: Timestamp,
    #[serde(flatten)]
    pub author: Author,
    pub format: String,
    pub file: String,
    pub memories: usize,
}

/// How many memories of a change are looked at for what brought it: some may be erased by now.
const LOOKED_AT: usize = 8;

impl Spoken for ListImports {
    fn fields() -> Vec<&'static Field> {
        Vec::new()
    }

    fn take(_: &mut Arguments) -> Self {
        Self
    }
}

impl Verb for ListImports {
    type Answer = ListedImports;

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, engine: &mut Engine, _: Asked<'_>) -> Result<ListedImports, EngineError> {
        let mut runs: BTreeMap<MemoryId, ImportRun> = BTreeMap::new();
        let all = (MemoryId::default(), 0)..=(MemoryId::LAST, u32::MAX);
        for row in kept_steps(&engine.store, &all) {
            let ((run, _), mut step) = row?;
            let catalog = &engine.mind.catalog;
            step.changes.retain(|change| catalog.find(change.id).is_some());
            if let Some(known) = runs.get_mut(&run) {
                known.memories += step.changes.len();
            } else if let Some((format, file)) = engine.origin_of(run, &step.changes)? {
                let memories = step.changes.len();
                let Step { at, author, .. } = step;
                runs.insert(run, ImportRun { run, at, author, format, file, memories });
            }
        }
        Ok(ListedImports { imports: runs.into_values().rev().collect() })
    }
}

impl Engine {
    /// The format and the file of an import, if the changes are those of one.
    fn origin_of(
        &self,
        run: MemoryId,
        changes: &[StepChange],
    ) -> Result<Option<(String, String)>, EngineError> {
        let run = run.to_string();
        for change in changes.iter().take(LOOKED_AT) {
            let Some(memory) = self.store.get::<Memory>(&change.id)? else { continue };
            let Some(import) = memory.metadata.get(IMPORT) else { continue };
            let text = |name: &str| import.get(name).and_then(Value::as_str).unwrap_or_default();
            if text("run") == run {
                return Ok(Some((text("format").to_owned(), text("file").to_owned())));
            }
        }
        Ok(None)
    }
}
