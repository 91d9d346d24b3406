use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Add, Whole};
use crate::engine::arguments::{Arguments, InvalidArguments};
use crate::engine::draft::check_metadata;
use crate::engine::write::{Write, guard_instruction};
use crate::engine::{AddStatus, Asked, Engine, EngineError, Field, Shape, Spoken, Verb};
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

/// How many lines, and how many bytes of them, a session takes at once.
const PART: usize = 200;
const PART_BYTES: usize = 4 << 20;
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
        let add = Add::parse(arguments)?.verb;
        Ok(Self::New(Box::new(NewLine { add, created_at })))
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
        let mut write = engine.begin()?;
        for (line, item) in self.lines {
            match engine.import_line(&mut write, item, asked) {
                Ok(true) => told.imported += 1,
                Ok(false) => told.duplicates += 1,
                Err(EngineError::Store(error)) => return Err(error.into()),
                Err(refused) => told.refuse(line, refused.to_string()),
            }
            engine.commit_if_full(&mut write)?;
        }
        engine.commit(write)?;
        Ok(told)
    }
}

/// Reads the lines of one file, and hands them out in parts that a session takes at once.
#[derive(Debug, Default)]
pub struct ImportLines {
    told: Imported,
    part: Vec<(usize, ImportItem)>,
    part_bytes: usize,
    number: usize,
}

impl ImportLines {
    /// Reads the next line, without its end. Returns what was read since the last part, if that is
    /// enough for another.
    pub fn read(&mut self, line: &[u8]) -> Option<Import> {
        // Some editors begin a file with a mark that is no text.
        let mark: &[u8] = if self.number == 0 { "\u{feff}".as_bytes() } else { &[] };
        let line = line.strip_prefix(mark).unwrap_or(line);
        self.number += 1;
        let text = std::str::from_utf8(line);
        match text
            .map_err(|_| InvalidArguments::one("line", "is not UTF-8"))
            .and_then(ImportItem::read)
        {
            Ok(Some(item)) => {
                self.part.push((self.number, item));
                self.part_bytes += line.len();
            }
            Ok(None) => {}
            Err(problem) => self.told.refuse(self.number, problem.to_string()),
        }
        let is_full = self.part.len() >= PART || self.part_bytes >= PART_BYTES;
        if is_full { self.rest() } else { None }
    }

    /// What was read since the last part.
    pub fn rest(&mut self) -> Option<Import> {
        self.part_bytes = 0;
        let lines = std::mem::take(&mut self.part);
        (!lines.is_empty()).then_some(Import { lines })
    }

    /// Notes what a session said of a part.
    pub fn note(&mut self, part: Imported) {
        self.told.absorb(part);
    }

    /// What became of all lines.
    #[must_use]
    pub fn told(self) -> Imported {
        self.told
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
        let put = add.put(self, write, created_at, asked)?;
        Ok(put.status != AddStatus::Duplicate)
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
        let there = match write.newest(memory.id) {
            Some(fresh) => Some(fresh.clone()),
            None if self.mind.catalog.find(memory.id).is_some() => Some(self.read(memory.id)?),
            None => None,
        };
        if let Some(there) = &there {
            if there.version >= memory.version {
                return Ok(false);
            }
            guard_instruction(there, asked)?;
        }
        // What is here stays in the history, unless the line knows better.
        if let Some(there) = &there {
            write.put_version(there);
        }
        for version in &whole.history {
            write.put_version(&Memory { id: memory.id, ..version.clone() });
        }
        if whole.access.count > 0 {
            write.put_access(memory.id, &whole.access);
            self.touched.remove(&memory.id);
        }
        match &there {
            Some(there) => write.put_over(there, memory),
            None => write.enter(memory),
        }
        Ok(true)
    }
}
