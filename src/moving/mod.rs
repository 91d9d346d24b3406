//! Reading what other products remembered, as lines that an import takes.
//!
//! A format is one file of `formats` and a row of its table: it knows its files by what is in them, and
//! turns each into [`Line`]s. What holds for all of them is done here, once: which lines are wanted, ids
//! that follow from what a memory is called over there, texts that are too long, the same text twice.
//! Nothing here knows the store. The way back, as notes and as a table, is `note.rs` and `table.rs`.
//!
//! It refuses archives that are made to hurt, and what no format knows. What is wrong with one element of
//! a file is told, and the rest goes on.
//!
//! Begin reading at `read`, then `line.rs`, `out.rs` and any file of `formats`.

mod archive;
#[cfg(test)]
mod archive_tests;
mod bundle;
mod carry;
mod cut;
#[cfg(test)]
mod folder_tests;
#[cfg(test)]
mod format_tests;
mod formats;
mod line;
mod note;
#[cfg(test)]
mod note_tests;
mod out;
#[cfg(test)]
mod product_tests;
mod sniff;
mod split;
mod table;
mod tally;
#[cfg(test)]
mod tests;
mod walk;

pub use bundle::Bundle;
use bundle::Files;
pub use carry::{Moving, MovingBatch};
pub use formats::{Recognised, format_named, parse_column};
use line::Line;
pub use line::{CANDIDATE, LinePart, Wanted};
pub use note::MemoryNote;
use out::{Carried, Out};
pub use table::{CSV_END, CSV_HEAD, csv_row};
pub use tally::MovingReport;
use tally::Tally;

/// Why a source cannot be read any further.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MovingError {
    #[error("cannot read {file}: {problem}")]
    Unreadable { file: String, problem: String },

    #[error("nothing here is of a format that is known; say which it is with --format: {names}")]
    NothingKnown { names: String },

    #[error("{file} may be of several formats; say which it is with --format: {names}")]
    Ambiguous { file: String, names: String },

    #[error("there is no format {name}; there are: {names}")]
    NoSuchFormat { name: String, names: String },

    #[error("{file} is a database, which is not read; docs/IMPORT.md says how to get JSON of it")]
    Database { file: String },

    #[error("{file} is encrypted; unpack it first")]
    Encrypted { file: String },

    #[error("{file} unpacks to more than {limit} bytes")]
    TooLarge { file: String, limit: usize },

    #[error("{file} has more than {limit} files")]
    TooMany { file: String, limit: usize },

    #[error("{file} holds archives within archives; unpack it first")]
    Nested { file: String },

    #[error("lines of memoryd come one file at a time, and as they are")]
    OwnLines,

    /// Whoever takes the lines does so no more; they know why.
    #[error("the import was stopped")]
    Stopped,

    /// A reader came upon what it did not expect; the log has more.
    #[error("a reader gave up; this is a fault of the program")]
    Panicked,

    /// As many lines as were wanted are taken.
    #[error("that is enough")]
    Enough,
}

impl MovingError {
    /// The file that it is about, and what is wrong with that.
    fn told(&self) -> (String, String) {
        let text = self.to_string();
        match self {
            Self::Unreadable { file, problem } => (file.clone(), problem.clone()),
            Self::Ambiguous { file, .. }
            | Self::Database { file }
            | Self::Encrypted { file }
            | Self::TooLarge { file, .. }
            | Self::TooMany { file, .. }
            | Self::Nested { file } => {
                let problem = text.strip_prefix(file.as_str()).unwrap_or(&text).trim_start();
                (file.clone(), problem.to_owned())
            }
            Self::NothingKnown { .. }
            | Self::NoSuchFormat { .. }
            | Self::OwnLines
            | Self::Stopped
            | Self::Panicked
            | Self::Enough => (String::new(), text),
        }
    }
}

/// Reads everything that was recognised, and hands each finished line to `deliver`.
fn read(
    bundle: &mut Bundle,
    recognised: &Recognised,
    wanted: &Wanted,
    deliver: &mut dyn FnMut(Carried) -> Result<(), MovingError>,
) -> Result<Tally, MovingError> {
    let mut out = Out::new(wanted, deliver);
    out.note_unknown(recognised.unknown);
    out.note_passed_over(bundle.passed_over());
    bundle.refused().iter().for_each(|error| out.refuse(error));
    for (format, entries) in &recognised.formats {
        let Some(read) = format.read else { return Err(MovingError::OwnLines) };
        out.begin(format.name, entries.len());
        let mut files = Files::new(bundle, entries);
        match read(&mut files, &mut out) {
            Ok(()) => {}
            Err(MovingError::Enough) => break,
            Err(error) => return Err(error),
        }
        out.flush()?;
    }
    out.finish()
}

/// Reads a file, whatever it holds.
#[cfg(feature = "fuzzing")]
pub fn read_anything(bytes: &[u8]) {
    use crate::model::{MemoryId, Timestamp};
    let wanted = Wanted {
        only: LinePart::ALL.to_vec(),
        ..Wanted::new(MemoryId::default(), Timestamp::default(), 4 << 10)
    };
    // What is known by its name alone is reached by one.
    for name in ["fuzz", "fuzz.md", "fuzz.mdc", "fuzz.csv"] {
        // A refusal is as good as a memory; only a panic is not.
        let Ok(mut bundle) = Bundle::of_bytes(name, bytes.to_vec()) else { return };
        let Ok(recognised) = Recognised::of(&mut bundle, None) else { continue };
        let _ = read(&mut bundle, &recognised, &wanted, &mut |_| Ok(()));
    }
}
