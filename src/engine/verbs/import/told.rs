//! What an import says became of its lines, or would.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Brought;
use super::moved::MovedCounts;
use crate::engine::EngineError;
use crate::model::MemoryId;
use crate::model::few;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Imported {
    pub imported: usize,
    pub duplicates: usize,
    pub failed: usize,
    /// The first lines that failed, and why.
    pub errors: Vec<LineProblem>,
    /// The change that the import is, by which it can be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<MemoryId>,
    /// What became of lines of other products, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub moved: BTreeMap<String, MovedCounts>,
    /// How many of those that were stored hold what looks like a secret, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, usize>,
    /// Of a dry run: what would become of the first lines.
    #[serde(skip)]
    pub tried: Vec<TriedLine>,
}

/// What would become of a line.
#[derive(Debug)]
pub struct TriedLine {
    pub line: usize,
    /// The beginning of its text, if it has one.
    pub text: String,
    pub outcome: TriedOutcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriedOutcome {
    Stored,
    /// It is there, or only adds to the history of what is.
    Known,
    Refused,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct LineProblem {
    pub line: usize,
    pub problem: String,
}

/// More problems than these are counted, not told, and no more of each.
const TOLD_PROBLEMS: usize = 20;
const TOLD_CHARS: usize = 200;
/// Lines that a dry run tells of one by one: as many as somebody reads.
const TRIED_LINES: usize = 200;

impl Imported {
    pub fn refuse(&mut self, line: usize, problem: &str) {
        self.failed += 1;
        if self.errors.len() < TOLD_PROBLEMS {
            let problem = problem.chars().take(TOLD_CHARS).collect();
            self.errors.push(LineProblem { line, problem });
        }
    }

    /// Counts what became of a line. The fault of a store ends it all.
    pub(super) fn count(
        &mut self,
        line: usize,
        came_of_it: Result<Brought, EngineError>,
    ) -> Result<TriedOutcome, EngineError> {
        match came_of_it {
            Ok(Brought::Memory) => {
                self.imported += 1;
                Ok(TriedOutcome::Stored)
            }
            Ok(Brought::Versions) => Ok(TriedOutcome::Known),
            Ok(Brought::Moved(outcome)) if outcome.stores() => {
                self.imported += 1;
                Ok(TriedOutcome::Stored)
            }
            Ok(Brought::Nothing | Brought::Moved(_)) => {
                self.duplicates += 1;
                Ok(TriedOutcome::Known)
            }
            Err(EngineError::Store(error)) => Err(error.into()),
            Err(refused) => {
                self.refuse(line, &refused.to_string());
                Ok(TriedOutcome::Refused)
            }
        }
    }

    /// Counts what became of a line of another product's by its kind.
    pub(super) fn count_moved(&mut self, kind: String, came_of_it: &Result<Brought, EngineError>) {
        let outcome = match came_of_it {
            Ok(Brought::Moved(outcome)) => Some(*outcome),
            _ => None,
        };
        self.moved.entry(kind).or_default().count(outcome);
    }

    /// Notes what would become of a line, as long as somebody reads it.
    pub(super) fn try_line(&mut self, tried: TriedLine) {
        if self.tried.len() < TRIED_LINES {
            self.tried.push(tried);
        }
    }

    /// The same of a line that cannot be read: then its text is how it begins.
    pub(super) fn try_unreadable(&mut self, line: usize, raw: &[u8]) {
        let start = raw.get(..raw.len().min(TOLD_CHARS)).unwrap_or_default();
        let text = String::from_utf8_lossy(start).into_owned();
        self.try_line(TriedLine { line, text, outcome: TriedOutcome::Refused });
    }

    /// Adds up the answers for the parts of one file.
    pub fn absorb(&mut self, part: Self) {
        self.imported += part.imported;
        self.duplicates += part.duplicates;
        self.failed += part.failed;
        self.step = self.step.or(part.step);
        self.errors.extend(part.errors);
        few::sort_by_key(&mut self.errors, |problem| problem.line);
        self.errors.truncate(TOLD_PROBLEMS);
        for (kind, counts) in part.moved {
            self.moved.entry(kind).or_default().absorb(&counts);
        }
        for (name, count) in part.secrets {
            *self.secrets.entry(name).or_default() += count;
        }
        self.tried.extend(part.tried);
        // A line that is too long is noted before the part in which it would stand.
        few::sort_by_key(&mut self.tried, |tried| tried.line);
        self.tried.truncate(TRIED_LINES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_told_in_the_order_of_lines_and_not_at_length() {
        let mut told = Imported::default();
        told.refuse(30, &"x".repeat(1_000));
        let mut part = Imported::default();
        part.refuse(2, "odd");

        told.absorb(part);

        assert_eq!((told.failed, told.errors.len()), (2, 2));
        assert_eq!((told.errors[0].line, told.errors[1].problem.len()), (2, TOLD_CHARS));
    }
}
