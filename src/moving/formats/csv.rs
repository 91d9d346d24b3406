//! Tables with a row of names above them, with commas, semicolons, tabs or bars between the cells
//! (RFC 4180, as far as anybody keeps to it). What is in a cell is text, whatever it begins with.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use serde_json::Value;

use super::fields::{kind_of, moment, names, spelled};
use crate::model::{EventTime, Metadata};
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Look, Sniff};
use crate::moving::table::{CSV_HEAD, may_calculate};
use crate::moving::walk::{MARK, fill};
use crate::moving::{Files, Line, MovingError};

/// A place that a column can have here, and the names under which it is known.
const COLUMNS: [(&str, &[&str]); 11] = [
    ("content", &["content", "text", "memory", "note", "fact", "body", "value", "description"]),
    ("id", &["id", "uuid", "key", "memory_id"]),
    ("title", &["title", "name", "subject", "heading"]),
    ("kind", &["kind", "type", "memory_type"]),
    ("category", &["category", "folder"]),
    ("tags", &["tags", "labels", "keywords", "tag", "label"]),
    ("project", &["project", "workspace"]),
    ("created_at", &["created_at", "created", "date", "timestamp", "time"]),
    ("updated_at", &["updated_at", "updated", "modified", "changed"]),
    ("event_at", &["event_at", "event", "happened"]),
    ("expires_at", &["expires_at", "expires"]),
];
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];
/// With this Excel says which one it is, in a line before all others.
const SAYS: &str = "sep=";
const ENDINGS: [&str; 2] = [".csv", ".tsv"];
/// Bytes of one row; a memory that is larger is no row of a table.
const ROW_BYTES: usize = 32 << 20;
/// Cells of one row: as many as Excel has columns.
const ROW_CELLS: usize = 16 << 10;
/// How a file begins in which every character has two bytes.
const WIDE: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];
/// Bytes of such a file that are made UTF-8 at a time; whole characters, but for pairs.
const WIDE_BYTES: u64 = 32 << 10;
/// The first halves of pairs that stand for one character (Unicode 3.8, D71).
const FIRST_HALVES: std::ops::Range<u16> = 0xd800..0xdc00;

/// Where the columns of a file belong.
struct Header {
    names: Vec<String>,
    /// The number of a column by the place that it has here.
    places: BTreeMap<&'static str, usize>,
    is_ours: bool,
}

/// Cuts a file into rows.
struct Rows<'r> {
    reader: &'r mut dyn BufRead,
    separator: u8,
    /// Whether something of the last row had to be replaced to read it.
    is_mended: bool,
}

/// A row of a file.
#[derive(Debug, PartialEq, Eq)]
enum Row {
    Cells(Vec<String>),
    TooLong,
    /// The file ends within a quotation.
    Torn,
}

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let path = sniff.path.to_ascii_lowercase();
    if ENDINGS.iter().any(|ending| path.ends_with(ending)) {
        return Fit::Likely;
    }
    let first = sniff.text.lines().next().unwrap_or_default();
    let cells: Vec<&str> = first.split(separator_of(first)).collect();
    let is_table = sniff.look == Look::Text && cells.len() > 1;
    let known = |place: &str| cells.iter().any(|cell| place_of(cell) == Some(place));
    let has_text = known("content");
    let has_more = COLUMNS.iter().skip(1).any(|(place, _)| known(place));
    if is_table && has_text && has_more { Fit::Perhaps } else { Fit::No }
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    files.each(out, &mut |_, reader, out| {
        let head = reader.fill_buf().unwrap_or_default();
        let wide = WIDE.iter().position(|mark| head.starts_with(mark));
        match wide {
            Some(order) => table(&mut BufReader::new(Narrow::new(reader, order == 0)), out),
            None => table(reader, out),
        }
    })
}

/// A file of characters of two bytes as one of UTF-8.
struct Narrow<'r> {
    reader: &'r mut dyn BufRead,
    is_little: bool,
    /// The first half of a pair whose second half is not read yet.
    half: Option<u16>,
    ready: Cursor<Vec<u8>>,
}

impl<'r> Narrow<'r> {
    fn new(reader: &'r mut dyn BufRead, is_little: bool) -> Self {
        Self { reader, is_little, half: None, ready: Cursor::default() }
    }

    /// Makes some more of it. Returns whether there was any.
    fn refill(&mut self) -> io::Result<bool> {
        let mut bytes = Vec::new();
        (&mut *self.reader).take(WIDE_BYTES).read_to_end(&mut bytes)?;
        let is_over = bytes.is_empty();
        let mut units: Vec<u16> = self.half.take().into_iter().collect();
        units.extend(bytes.chunks_exact(2).filter_map(|pair| {
            let pair: [u8; 2] = pair.try_into().ok()?;
            Some(if self.is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
        }));
        if !is_over && units.last().is_some_and(|unit| FIRST_HALVES.contains(unit)) {
            self.half = units.pop();
        }
        let chars = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
        let text: String = chars.collect();
        let is_any = !is_over || !text.is_empty();
        self.ready = Cursor::new(text.into_bytes());
        Ok(is_any)
    }
}

impl Read for Narrow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.ready.fill_buf()?.is_empty() && self.refill()? {}
        self.ready.read(buffer)
    }
}

fn table(reader: &mut dyn BufRead, out: &mut Out<'_>) -> Result<(), MovingError> {
    let mut rows = Rows::new(reader)?;
    let names = match rows.next_row()? {
        Some(Row::Cells(names)) => names,
        Some(Row::TooLong | Row::Torn) => {
            out.fail("its row of names is too long, or a quotation in it has no end");
            return Ok(());
        }
        None => {
            out.skip("empty");
            return Ok(());
        }
    };
    let header = Header::of(names, &out.wanted().columns);
    if !header.places.contains_key("content") {
        out.fail("no column is known for the text; --map content=NAME says which it is");
        return Ok(());
    }
    let mut number = 0;
    while let Some(row) = rows.next_row()? {
        number += 1;
        out.at(number);
        if rows.is_mended {
            out.mended();
        }
        match row {
            Row::Cells(cells) if cells.iter().all(|cell| cell.trim().is_empty()) => {}
            Row::Cells(cells) => out.line(header.line(&cells))?,
            Row::TooLong => out.fail("a row is longer than 32 MiB, or has more than 16384 cells"),
            Row::Torn => out.fail("a quotation has no end"),
        }
    }
    Ok(())
}

/// Reads which column is meant for a place, such as `content=Text`.
pub fn parse_column(text: &str) -> Result<(String, String), String> {
    let (place, name) = text.split_once('=').unwrap_or((text, ""));
    let is_known = COLUMNS.iter().any(|(known, _)| *known == place);
    if is_known && !name.is_empty() {
        return Ok((place.to_owned(), name.to_owned()));
    }
    let places: Vec<&str> = COLUMNS.iter().map(|(place, _)| *place).collect();
    Err(format!("expected PLACE=NAME with one of {}", places.join(", ")))
}

/// The separator that stands most often in a row of names.
fn separator_of(names: &str) -> char {
    let count = |separator: &char| names.matches(*separator).count();
    // Of several with the same count the first one.
    SEPARATORS.into_iter().rev().max_by_key(count).unwrap_or(',')
}

/// The place of a column by its name.
fn place_of(name: &str) -> Option<&'static str> {
    let name = spelled(name.trim().trim_matches('"'));
    let found = COLUMNS.iter().find(|(_, names)| names.contains(&name.as_str()));
    found.map(|(place, _)| *place)
}

impl Header {
    /// What was said of a column counts more than its name. Of several with names for one place, the one
    /// whose name comes first in [`COLUMNS`] has it.
    fn of(names: Vec<String>, said: &[(String, String)]) -> Self {
        let mut places = BTreeMap::new();
        let number = |wanted: &str| {
            names.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted.trim()))
        };
        for (place, known) in &COLUMNS {
            let told = said.iter().find(|(own, _)| own == place).map(|(_, name)| number(name));
            let called = |known: &&str| names.iter().position(|name| spelled(name) == **known);
            let found = told.unwrap_or_else(|| known.iter().find_map(called));
            if let Some(found) = found {
                places.insert(*place, found);
            }
        }
        let is_ours = names.join(",") == CSV_HEAD;
        Self { names, places, is_ours }
    }

    fn line(&self, cells: &[String]) -> Line {
        let cell = |place: &str| {
            let cell = self.places.get(place).and_then(|at| cells.get(*at))?;
            Some(self.plain(cell)).filter(|cell| !cell.trim().is_empty())
        };
        let time = |place: &str| cell(place).and_then(|cell| moment(&cell.into()));
        let content = cell("content").unwrap_or_default();
        let id = cell("id").map_or_else(|| cells.join("\u{1f}"), str::to_owned);
        let word = cell("kind").unwrap_or_default();
        let unknown = Some(word).filter(|word| kind_of(word).is_none() && !word.is_empty());
        let expires = cell("expires_at").and_then(|cell| EventTime::read_end(cell).ok());
        Line {
            title: cell("title").map(str::to_owned),
            kind: kind_of(word),
            category: cell("category").or(unknown).map(str::to_owned),
            tags: names(cell("tags").map(Value::from).as_ref()),
            project: cell("project").map(str::to_owned),
            created_at: time("created_at").map(|time| time.at),
            updated_at: time("updated_at").map(|time| time.at),
            event_at: time("event_at"),
            expires_at: expires.map(|time| time.at),
            extras: self.rest(cells),
            ..Line::new(id, content)
        }
    }

    /// The cells of the columns that have no place here, by their names.
    fn rest(&self, cells: &[String]) -> Metadata {
        let mut rest = Metadata::new();
        for (at, cell) in cells.iter().enumerate() {
            if self.places.values().any(|taken| *taken == at) || cell.trim().is_empty() {
                continue;
            }
            let number = format!("column {}", at + 1);
            let name = self.names.get(at).map(|name| name.trim()).filter(|name| !name.is_empty());
            rest.entry(name.unwrap_or(&number)).or_insert_with(|| cell.as_str().into());
        }
        rest
    }

    /// A cell without the mark that our own export put before it.
    fn plain<'c>(&self, cell: &'c str) -> &'c str {
        let inner = cell.strip_prefix('\'').filter(|inner| may_calculate(inner));
        inner.filter(|_| self.is_ours).unwrap_or(cell)
    }
}

impl<'r> Rows<'r> {
    fn new(reader: &'r mut dyn BufRead) -> Result<Self, MovingError> {
        let First { mark, separator, says } = First::of(fill(reader)?);
        reader.consume(mark);
        let mut rows = Self { reader, separator, is_mended: false };
        if says {
            rows.next_row()?;
        }
        Ok(rows)
    }

    fn next_row(&mut self) -> Result<Option<Row>, MovingError> {
        let mut row = Cutter::default();
        loop {
            let piece = fill(self.reader)?;
            let is_end = piece.is_empty();
            let (used, is_over) = row.advance(piece, self.separator);
            self.reader.consume(used);
            if is_end || is_over {
                let found = if is_end { row.end() } else { Some(row.whole()) };
                self.is_mended = row.is_mended;
                return Ok(found);
            }
        }
    }
}

/// What the beginning of a file says of all of it.
struct First {
    /// Bytes of a mark before the text.
    mark: usize,
    separator: u8,
    /// Whether the first line is there only to say the separator.
    says: bool,
}

impl First {
    fn of(head: &[u8]) -> Self {
        let mark = if head.starts_with(&MARK) { MARK.len() } else { 0 };
        let text = String::from_utf8_lossy(head.get(mark..).unwrap_or_default());
        let first = text.lines().next().unwrap_or_default();
        let said = first.strip_prefix(SAYS).and_then(|rest| rest.chars().next());
        let separator = said.unwrap_or_else(|| separator_of(first));
        Self { mark, separator: u8::try_from(separator).unwrap_or(b','), says: said.is_some() }
    }
}

/// A row that is being read.
#[derive(Default)]
struct Cutter {
    cells: Vec<String>,
    cell: Vec<u8>,
    bytes: usize,
    /// How many cells have ended.
    ended: usize,
    is_quoted: bool,
    /// Whether the quotation mark before may be the first of two, which stand for one.
    is_closing: bool,
    has_begun: bool,
    is_mended: bool,
}

impl Cutter {
    /// Goes through some bytes. Returns how many of them belong to the row, and whether it ends there.
    fn advance(&mut self, piece: &[u8], separator: u8) -> (usize, bool) {
        for (at, byte) in piece.iter().copied().enumerate() {
            self.has_begun = true;
            self.bytes += 1;
            if self.is_quoted {
                if byte == b'"' {
                    (self.is_quoted, self.is_closing) = (false, true);
                } else {
                    self.push(byte);
                }
                continue;
            }
            let was_closing = std::mem::take(&mut self.is_closing);
            match byte {
                b'"' if was_closing => {
                    self.push(byte);
                    self.is_quoted = true;
                }
                b'"' if self.cell.is_empty() => self.is_quoted = true,
                b'\n' => return (at + 1, true),
                byte if byte == separator => self.end_cell(),
                byte => self.push(byte),
            }
        }
        (piece.len(), false)
    }

    /// Of a row that is too long nothing is kept.
    fn push(&mut self, byte: u8) {
        if !self.is_too_long() {
            self.cell.push(byte);
        } else if !self.cell.is_empty() || !self.cells.is_empty() {
            (self.cell, self.cells) = (Vec::new(), Vec::new());
        }
    }

    fn is_too_long(&self) -> bool {
        self.bytes > ROW_BYTES || self.ended > ROW_CELLS
    }

    fn end_cell(&mut self) {
        self.ended += 1;
        if !self.is_too_long() {
            let cell = std::mem::take(&mut self.cell);
            let text = String::from_utf8_lossy(&cell);
            self.is_mended |= matches!(text, Cow::Owned(_));
            self.cells.push(text.into_owned());
        }
    }

    fn whole(&mut self) -> Row {
        if self.cell.last() == Some(&b'\r') {
            self.cell.pop();
        }
        self.end_cell();
        if self.is_too_long() {
            return Row::TooLong;
        }
        Row::Cells(std::mem::take(&mut self.cells))
    }

    /// What is left at the end of the file.
    fn end(&mut self) -> Option<Row> {
        match (self.has_begun, self.is_quoted) {
            (false, _) => None,
            (true, true) => Some(Row::Torn),
            (true, false) => Some(self.whole()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moving::tests::{moved, usual};

    fn rows(text: &str, size: usize) -> Vec<Row> {
        let mut bytes = BufReader::with_capacity(size, text.as_bytes());
        let mut rows = Rows { reader: &mut bytes, separator: b',', is_mended: false };
        let mut found = Vec::new();
        while let Some(row) = rows.next_row().unwrap() {
            found.push(row);
        }
        found
    }

    fn cells(cells: &[&str]) -> Row {
        Row::Cells(cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn rows_are_cut_wherever_the_pieces_end() {
        let text = "a,\"b, \"\"c\"\"\nd\",e\r\n,\"\",x\"y\nlast";
        for size in 1..=text.len() {
            let told =
                [cells(&["a", "b, \"c\"\nd", "e"]), cells(&["", "", "x\"y"]), cells(&["last"])];
            assert_eq!(rows(text, size), told, "{size}");
        }
        assert_eq!(rows("a,\"b\nc", 3), [Row::Torn]);
        assert!(rows("", 3).is_empty());
        let long = format!("\"{}\",b\nc", "x".repeat(ROW_BYTES));
        assert_eq!(rows(&long, 1 << 16), [Row::TooLong, cells(&["c"])]);
        let many = format!("{}\nc", ",".repeat(ROW_CELLS));
        assert_eq!(rows(&many, 1 << 16), [Row::TooLong, cells(&["c"])]);
    }

    #[test]
    fn characters_of_two_bytes_are_read_wherever_the_pieces_end() {
        let half = usize::try_from(WIDE_BYTES).unwrap() / 2;
        for before in [half - 2, half - 1, half] {
            let text = format!("{}\u{1f375}{}", "a".repeat(before), "\u{e9}".repeat(half));
            for is_little in [true, false] {
                let bytes = text.encode_utf16();
                let bytes: Vec<u8> = match is_little {
                    true => bytes.flat_map(u16::to_le_bytes).collect(),
                    false => bytes.flat_map(u16::to_be_bytes).collect(),
                };
                let mut read = String::new();
                let mut reader = BufReader::with_capacity(1_000, bytes.as_slice());

                Narrow::new(&mut reader, is_little).read_to_string(&mut read).unwrap();

                assert!(read == text, "{before} {is_little}");
            }
        }
        let mut torn = &b"a\0\x3c\xd8"[..];
        let mut read = String::new();
        Narrow::new(&mut torn, true).read_to_string(&mut read).unwrap();
        assert_eq!(read, "a\u{fffd}");
    }

    #[test]
    fn a_row_of_names_that_does_not_end_is_told() {
        let file = moved(b"\"id,text\n1,tea\n", &usual());

        assert_eq!((file.lines.len(), file.report.failed), (0, 1));
    }

    #[test]
    fn the_separator_is_what_stands_between_the_names() {
        for (names, separator) in
            [("text,tags", ','), ("text;tags;a,b", ';'), ("text\ttags", '\t'), ("text", ',')]
        {
            assert_eq!(separator_of(names), separator, "{names}");
        }
    }
}
