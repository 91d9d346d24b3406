//! The formats that are known, one file and one row each.

mod chatgpt;
mod claude;
mod claude_code;
mod claude_mem;
mod csv;
mod cursor;
mod doobidoo;
mod fields;
mod front_matter;
mod gemini;
mod html;
mod letta;
mod markdown;
mod mem0;
mod mem0_notes;
mod memoryos;
mod openmemory;
mod own_notes;
mod paths;
mod server_memory;
mod turns;
mod wiki;
mod yaml;

pub use csv::parse_column;

use super::MovingError;
use super::bundle::{Bundle, Files};
use super::out::Out;
use super::sniff::{Fit, Look, Sniff};
use crate::engine::NOTES_FORMAT;

/// A format of files.
#[derive(Debug)]
pub struct Format {
    /// What `--format` calls it, and what stands in the metadata.
    pub name: &'static str,
    /// How well a file fits it, by what is in it.
    pub(super) fit: fn(&Sniff) -> Fit,
    /// Reads files of it. Nothing for our own lines, which an import takes as they are.
    pub(super) read: Option<ReadFormat>,
}

type ReadFormat = fn(&mut Files<'_>, &mut Out<'_>) -> Result<(), MovingError>;

/// A row: name, how a file of it is known, how it is read.
const fn row(name: &'static str, fit: fn(&Sniff) -> Fit, read: ReadFormat) -> Format {
    Format { name, fit, read: Some(read) }
}

/// In the order in which they are read: what names projects comes before what belongs to them.
const FORMATS: &[Format] = &[
    Format { name: "memoryd", fit: own_lines, read: None },
    row("server-memory", server_memory::fit, server_memory::read),
    row("mem0", mem0::fit, mem0::read),
    row("mem0-notes", mem0_notes::fit, mem0_notes::read),
    row("openmemory", openmemory::fit, openmemory::read),
    row("doobidoo", doobidoo::fit, doobidoo::read),
    row("chatgpt", chatgpt::fit, chatgpt::read),
    row("claude", claude::fit, claude::read),
    row("claude-mem", claude_mem::fit, claude_mem::read),
    row("gemini", gemini::fit, gemini::read),
    row("letta", letta::fit, letta::read),
    row("memoryos", memoryos::fit, memoryos::read),
    row(NOTES_FORMAT, own_notes::fit, own_notes::read),
    row("claude-code", claude_code::fit, claude_code::read),
    row("cursor", cursor::fit, cursor::read),
    row(markdown::NAME, markdown::fit, markdown::read),
    row("csv", csv::fit, csv::read),
];

/// How a database begins that no format here reads (SQLite, file format, 1.3).
const DATABASE_MARK: &[u8] = b"SQLite format 3\0";

/// Which files are of which format.
#[derive(Debug, Default)]
pub struct Recognised {
    pub(super) formats: Vec<(&'static Format, Vec<usize>)>,
    /// Files that are of none.
    pub(super) unknown: usize,
}

/// The format of a name; nothing for `auto`.
pub fn format_named(name: &str) -> Result<Option<&'static Format>, MovingError> {
    if name == "auto" {
        return Ok(None);
    }
    let found = FORMATS.iter().find(|format| format.name == name);
    let name = || MovingError::NoSuchFormat { name: name.to_owned(), names: all_names() };
    found.map(Some).ok_or_else(name)
}

impl Recognised {
    /// Finds out which file is of which format. With one named, the files that fit it; if none does and
    /// there is one file, that.
    pub fn of(bundle: &mut Bundle, named: Option<&'static Format>) -> Result<Self, MovingError> {
        let mut recognised = Self::default();
        for entry in 0..bundle.len() {
            let head = match bundle.head(entry) {
                Ok(head) if head.starts_with(DATABASE_MARK) => {
                    Err(MovingError::Database { file: bundle.path(entry).to_owned() })
                }
                head => head,
            };
            let head = match head {
                Ok(head) => head,
                Err(error) => {
                    bundle.refuse(error);
                    continue;
                }
            };
            let sniff = Sniff::of(bundle.path(entry), &head);
            let format = match named {
                Some(named) => ((named.fit)(&sniff) > Fit::No).then_some(named),
                None => best(&sniff)?,
            };
            match format {
                Some(format) => recognised.add(format, entry),
                None => recognised.unknown += 1,
            }
        }
        if let Some(named) = named.filter(|_| recognised.formats.is_empty() && bundle.is_alone()) {
            recognised = Self { formats: vec![(named, vec![0])], unknown: 0 };
        }
        if named.is_none() && !(recognised.is_own() && bundle.is_plain()) {
            recognised.leave_own();
        }
        if recognised.formats.is_empty() {
            let refused = bundle.refused().first().cloned();
            return Err(refused.unwrap_or_else(|| MovingError::NothingKnown { names: all_names() }));
        }
        recognised
            .formats
            .sort_by_key(|(format, _)| FORMATS.iter().position(|known| known.name == format.name));
        Ok(recognised)
    }

    /// Whether all of it are our own lines.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.formats.iter().all(|(format, _)| format.read.is_none())
    }

    /// Our own lines come alone: among other files, an object is some setting of another product's.
    fn leave_own(&mut self) {
        let Self { formats, unknown } = self;
        formats.retain(|(format, entries)| {
            let is_own = format.read.is_none();
            *unknown += if is_own { entries.len() } else { 0 };
            !is_own
        });
    }

    fn add(&mut self, format: &'static Format, entry: usize) {
        match self.formats.iter_mut().find(|(known, _)| known.name == format.name) {
            Some((_, entries)) => entries.push(entry),
            None => self.formats.push((format, vec![entry])),
        }
    }
}

/// The format that fits best, if one does.
fn best(sniff: &Sniff) -> Result<Option<&'static Format>, MovingError> {
    let fits: Vec<Fit> = FORMATS.iter().map(|format| (format.fit)(sniff)).collect();
    let most = fits.iter().copied().max().unwrap_or(Fit::No);
    if most == Fit::No {
        return Ok(None);
    }
    let found = FORMATS.iter().zip(fits).filter(|(_, fit)| *fit == most);
    let found: Vec<&'static Format> = found.map(|(format, _)| format).collect();
    match found.as_slice() {
        [format] => Ok(Some(*format)),
        several => {
            let names: Vec<&str> = several.iter().map(|format| format.name).collect();
            let (file, names) = (sniff.path.clone(), names.join(", "));
            Err(MovingError::Ambiguous { file, names })
        }
    }
}

fn all_names() -> String {
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    names.join(", ")
}

/// Our own lines, and those of others that an import has always taken one by one.
fn own_lines(sniff: &Sniff) -> Fit {
    match sniff.look {
        Look::Object | Look::Mixed | Look::Empty => Fit::Perhaps,
        Look::List | Look::Text => Fit::No,
    }
}
