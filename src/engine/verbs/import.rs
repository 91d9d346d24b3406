use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Add, Whole};
use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::draft::check_metadata;
use crate::engine::write::{BATCH, Write, guard_instruction};
use crate::engine::{Asked, Engine, EngineError, Field, Shape, Spoken, Verb};
use crate::model::{Memory, Scope, Timestamp};

/// Stores many memories: lines of an export, or lines with the fields of [`Add`].
#[derive(Debug, Clone)]
pub struct Import {
    /// Each with the number of its line, counted from one.
    pub lines: Vec<(usize, ImportItem)>,
}

#[derive(Debug, Clone)]
pub enum ImportItem {
    New(Box<NewLine>),
    Whole(Box<Whole>),
}

/// A memory that comes without a history, perhaps with the time when it was first written down.
#[derive(Debug, Clone)]
pub struct NewLine {
    add: Add,
    created_at: Option<Timestamp>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Imported {
    pub imported: usize,
    pub duplicates: usize,
    pub failed: usize,
    /// The first lines that failed, and why.
    pub errors: Vec<LineProblem>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct LineProblem {
    pub line: usize,
    pub problem: String,
}

const CREATED_AT: Field = Field::new("created_at", Shape::Moment, "");

/// A batch ends here, far below what a frame of the journal may hold.
const BATCH_BYTES: usize = 4 << 20;
/// Clocks differ; an id from further ahead would push every later id behind it.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(86_400);
/// More problems than these are counted, not told.
const TOLD_PROBLEMS: usize = 20;

impl ImportItem {
    /// Reads one line of a file; an empty one holds nothing.
    pub fn read(line: &str) -> Result<Option<Self>, InvalidArguments> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        let value = serde_json::from_str(line)
            .map_err(|_| InvalidArguments::one("line", "is not a JSON object"))?;
        Self::parse(value).map(Some)
    }

    pub fn parse(value: Value) -> Result<Self, InvalidArguments> {
        let is_whole = ["id", "version", "created_at"].iter().all(|key| value.get(key).is_some());
        if is_whole {
            let whole = serde_json::from_value(value)
                .map_err(|error| InvalidArguments::one("line", &error.to_string()))?;
            return Ok(Self::Whole(Box::new(whole)));
        }
        let mut arguments = Arguments::parse(value)?;
        let created_at = arguments.take(&CREATED_AT);
        let add = Add::parse(arguments)?;
        Ok(Self::New(Box::new(NewLine { add, created_at })))
    }

    fn content_bytes(&self) -> usize {
        match self {
            Self::New(line) => line.add.content.len(),
            Self::Whole(whole) => {
                let history = whole.history.iter().map(|version| version.content.len());
                whole.memory.content.len() + history.sum::<usize>()
            }
        }
    }

    fn is_instruction(&self) -> bool {
        match self {
            Self::New(line) => line.add.is_instruction(),
            Self::Whole(whole) => {
                let mut versions = whole.history.iter();
                whole.memory.kind.is_instruction()
                    || versions.any(|version| version.kind.is_instruction())
            }
        }
    }
}

impl Import {
    #[must_use]
    pub fn has_instruction(&self) -> bool {
        self.lines.iter().any(|(_, item)| item.is_instruction())
    }
}

impl Verb for Import {
    type Answer = Imported;

    fn scope(&self) -> Scope {
        if self.has_instruction() { Scope::Instructions } else { Scope::Write }
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Imported, EngineError> {
        let mut told = Imported::default();
        let mut lines = self.lines.into_iter().peekable();
        while lines.peek().is_some() {
            let mut write = engine.begin()?;
            let mut bytes = 0;
            for (line, item) in lines.by_ref().take(BATCH) {
                bytes += item.content_bytes();
                match engine.import_line(&mut write, item, asked) {
                    Ok(true) => told.imported += 1,
                    Ok(false) => told.duplicates += 1,
                    Err(EngineError::Store(error)) => return Err(error.into()),
                    Err(refused) => told.refuse(line, refused.to_string()),
                }
                if bytes > BATCH_BYTES {
                    break;
                }
            }
            engine.commit(write)?;
        }
        Ok(told)
    }
}

impl Imported {
    pub fn refuse(&mut self, line: usize, problem: String) {
        self.failed += 1;
        if self.errors.len() < TOLD_PROBLEMS {
            self.errors.push(LineProblem { line, problem });
        }
    }

    /// Adds up the answers for the parts of one file.
    pub fn absorb(&mut self, part: Self) {
        self.imported += part.imported;
        self.duplicates += part.duplicates;
        self.failed += part.failed;
        self.errors.extend(part.errors);
        self.errors.truncate(TOLD_PROBLEMS);
    }
}

impl Engine {
    /// Returns whether the line brought something new.
    fn import_line(
        &mut self,
        write: &mut Write,
        item: ImportItem,
        asked: Asked<'_>,
    ) -> Result<bool, EngineError> {
        match item {
            ImportItem::New(line) => self.import_new(write, *line, asked),
            ImportItem::Whole(whole) => self.import_whole(write, &whole, asked),
        }
    }

    fn import_new(
        &mut self,
        write: &mut Write,
        line: NewLine,
        asked: Asked<'_>,
    ) -> Result<bool, EngineError> {
        let NewLine { add, created_at } = line;
        self.check_content(&add.content)?;
        let project = add.project(asked);
        if add.find_same(self, write, project.as_ref(), asked.now)?.is_some() {
            return Ok(false);
        }
        let memory = add.into_memory(self, project, asked);
        let created_at = created_at.unwrap_or(asked.now).min(asked.now);
        write.enter(&Memory { created_at, ..memory });
        Ok(true)
    }

    /// Keeps ids, times and versions. What is here already in the same or a later version stays.
    fn import_whole(
        &mut self,
        write: &mut Write,
        whole: &Whole,
        asked: Asked<'_>,
    ) -> Result<bool, EngineError> {
        let memory = &whole.memory;
        if memory.id.created_at() > asked.now.plus(CLOCK_DIFFERENCE) {
            return Err(InvalidArguments::one("id", "was made in the future").into());
        }
        for version in std::iter::once(memory).chain(&whole.history) {
            self.check_content(&version.content)?;
            check_metadata(&version.metadata)
                .map_err(|problem| InvalidArguments::one("metadata", &problem))?;
        }
        let fresh = write.memories().find(|other| other.id == memory.id).cloned();
        let there = match fresh {
            Some(fresh) => Some(fresh),
            None if self.mind.catalog.find(memory.id).is_some() => Some(self.read(memory.id)?),
            None => None,
        };
        if let Some(there) = &there {
            if there.version >= memory.version {
                return Ok(false);
            }
            guard_instruction(there, asked)?;
        }
        for version in &whole.history {
            write.put_version(&Memory { id: memory.id, ..version.clone() });
        }
        if whole.access.count > 0 {
            write.put_access(memory.id, &whole.access);
        }
        match &there {
            Some(there) => write.put_over(there, memory),
            None => write.enter(memory),
        }
        Ok(true)
    }
}
