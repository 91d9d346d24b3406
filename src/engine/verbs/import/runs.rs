use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::moved::{IMPORT, NOTES_FORMAT};
use crate::engine::arguments::Arguments;
use crate::engine::steps::{every_step, kept_steps};
use crate::engine::{Asked, Engine, EngineError, Field, Spoken, Verb};
use crate::model::{Author, Memory, MemoryId, Scope, Step, StepChange, Timestamp};
use crate::store::PastVersion;

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
    /// Empty for notes that an export wrote, which do not say it.
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
        for row in kept_steps(&engine.store, &every_step()) {
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
            let Some(made) = self.made_by(change)? else { continue };
            let Memory { metadata, source, .. } = made;
            let told = metadata.get(IMPORT);
            let text = |name: &str| told.and_then(|told| told.get(name)).and_then(Value::as_str);
            if text("run") == Some(run.as_str()) {
                let [format, file] = ["format", "file"].map(|name| text(name).unwrap_or_default());
                return Ok(Some((format.to_owned(), file.to_owned())));
            }
            let is_import = source.interface.as_deref() == Some(IMPORT);
            if is_import && source.session.as_deref() == Some(run.as_str()) {
                return Ok(Some((NOTES_FORMAT.to_owned(), String::new())));
            }
        }
        Ok(None)
    }

    /// The version that a change made, whatever was made of the memory since.
    fn made_by(&self, change: &StepChange) -> Result<Option<Memory>, EngineError> {
        let newest = self.store.get::<Memory>(&change.id)?;
        if newest.as_ref().is_none_or(|newest| newest.version == change.after) {
            return Ok(newest);
        }
        let past = self.store.get::<PastVersion>(&(change.id, change.after))?;
        Ok(past.map(|PastVersion(version)| version))
    }
}
