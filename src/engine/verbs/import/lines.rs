use super::{Import, Imported};
use crate::model::MemoryId;

/// A line of a file, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileLine {
    Whole(Vec<u8>),
    /// Nothing of it was kept.
    TooLong,
}

/// Cuts bytes into lines as they come, and keeps no more of one than it may have.
#[derive(Debug)]
pub struct LineCutter {
    line: Vec<u8>,
    is_too_long: bool,
    limit: usize,
}

/// Takes the lines of one file, and hands them out in parts that a session takes at once. What a line
/// says is read by the session: it may take a while, and costs nobody else anything.
#[derive(Debug, Default)]
pub struct ImportLines {
    told: Imported,
    part: Vec<(usize, Vec<u8>)>,
    part_bytes: usize,
    /// Whether what it brings counts as said by whoever imports it.
    confirms: bool,
    dry_run: bool,
    /// The change that all of them are.
    run: Option<MemoryId>,
    number: usize,
}

/// A single version of a memory has up to 4 MiB of text, and six times as much where JSON has to
/// escape all of it.
const LINE_LIMIT: usize = 32 << 20;
/// How many lines, and how many bytes of them, a session takes at once.
const PART: usize = 200;
const PART_BYTES: usize = 4 << 20;
/// Some editors begin a file with this mark, which is no text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl Default for LineCutter {
    fn default() -> Self {
        Self { line: Vec::new(), is_too_long: false, limit: LINE_LIMIT }
    }
}

impl LineCutter {
    /// Takes the next bytes. Returns the lines that end in them.
    pub fn cut(&mut self, bytes: &[u8]) -> Vec<FileLine> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(last) => {
                    self.append(last);
                    lines.push(self.take());
                }
                None => self.append(piece),
            }
        }
        lines
    }

    /// What stands behind the last end of a line.
    pub fn end(&mut self) -> Option<FileLine> {
        let is_empty = self.line.is_empty() && !self.is_too_long;
        (!is_empty).then(|| self.take())
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.line.len().saturating_add(bytes.len()) > self.limit {
            self.is_too_long = true;
        }
        if self.is_too_long {
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    fn take(&mut self) -> FileLine {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_too_long) {
            FileLine::TooLong
        } else {
            FileLine::Whole(line)
        }
    }
}

impl FileLine {
    /// Why a line that is too long cannot be read.
    pub const TOO_LONG: &str = "line: is longer than 32 MiB";
}

impl ImportLines {
    /// Takes the next line. Returns what came since the last part, if that is enough for another.
    pub fn take(&mut self, line: FileLine) -> Option<Import> {
        self.number += 1;
        let FileLine::Whole(line) = line else {
            self.told.refuse(self.number, FileLine::TOO_LONG);
            if self.dry_run {
                self.told.try_unreadable(self.number, &[]);
            }
            return None;
        };
        let line = if self.number == 1 { without_mark(line) } else { line };
        if !line.trim_ascii().is_empty() {
            self.part_bytes += line.len();
            self.part.push((self.number, line));
        }
        let is_full = self.part.len() >= PART || self.part_bytes >= PART_BYTES;
        if is_full { self.rest() } else { None }
    }

    /// What came since the last part.
    pub fn rest(&mut self) -> Option<Import> {
        self.part_bytes = 0;
        let lines = std::mem::take(&mut self.part);
        (!lines.is_empty()).then_some(Import {
            lines,
            step: self.told.step,
            run: self.run,
            confirms: self.confirms,
            dry_run: self.dry_run,
        })
    }

    /// Those of a file of which earlier parts have been taken.
    #[must_use]
    pub fn going_on_with(step: Option<MemoryId>) -> Self {
        Self { told: Imported { step, ..Imported::default() }, ..Self::default() }
    }

    /// The same, by somebody who stands for what is in it, if they do: then it is not provisional.
    #[must_use]
    pub fn confirmed(self, confirms: bool) -> Self {
        Self { confirms, ..self }
    }

    /// The same as one change under this id.
    #[must_use]
    pub fn of_run(self, run: Option<MemoryId>) -> Self {
        Self { run, ..self }
    }

    /// The same, on a dry run only to tell what would become of each line. A text that comes twice is
    /// known again within a part only.
    #[must_use]
    pub fn tried(self, dry_run: bool) -> Self {
        Self { dry_run, ..self }
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

fn without_mark(mut line: Vec<u8>) -> Vec<u8> {
    if line.starts_with(BYTE_ORDER_MARK) {
        line.drain(..BYTE_ORDER_MARK.len());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::ImportItem;
    use super::*;

    fn whole(text: &str) -> FileLine {
        FileLine::Whole(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_are_cut_wherever_the_pieces_end() {
        let text = b"one\r\n\ntwo\nlast";
        for size in 1..=text.len() {
            let mut cutter = LineCutter::default();

            let mut lines: Vec<_> = text.chunks(size).flat_map(|piece| cutter.cut(piece)).collect();
            lines.extend(cutter.end());

            assert_eq!(lines, [whole("one\r"), whole(""), whole("two"), whole("last")]);
            assert_eq!(cutter.end(), None);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_named() {
        for size in 1..=20 {
            let mut cutter = LineCutter { limit: 4, ..LineCutter::default() };

            let text = b"four\nfiver\nsix\nsixteen";
            let mut lines: Vec<_> = text.chunks(size).flat_map(|piece| cutter.cut(piece)).collect();
            assert!(cutter.line.capacity() < 32);
            lines.extend(cutter.end());

            let long = FileLine::TooLong;
            assert_eq!(lines, [whole("four"), long.clone(), whole("six"), long]);
        }
    }

    #[test]
    fn a_trial_tells_of_a_line_that_is_too_long_in_its_place() {
        let mut lines = ImportLines::default().tried(true);
        for line in [whole("one"), FileLine::TooLong, whole("three")] {
            assert!(lines.take(line).is_none());
        }
        let mut part = Imported::default();
        part.try_unreadable(1, b"one");
        part.try_unreadable(3, b"thr\xffee");
        lines.note(part);

        let told = lines.told();

        let tried: Vec<_> = told.tried.iter().map(|one| (one.line, one.text.as_str())).collect();
        assert_eq!(tried, [(1, "one"), (2, ""), (3, "thr\u{fffd}ee")]);
        assert_eq!(told.failed, 1);
    }

    #[test]
    fn a_bad_line_is_named_and_the_rest_goes_on() {
        let mut lines = ImportLines::default();
        for line in [
            whole("\u{feff}{\"content\": \"first\"}"),
            FileLine::Whole(b"{\"content\": \"caf\xe9\"}".to_vec()),
            FileLine::TooLong,
            whole(" \r"),
            whole("\u{feff}{\"content\": \"a mark in the middle is no mark\"}"),
            whole("{\"content\": \"last\"}\r"),
        ] {
            assert!(lines.take(line).is_none());
        }

        let part = lines.rest().unwrap();
        let told = lines.told();

        let read = part.lines.iter().filter(|(_, line)| ImportItem::read(line).is_ok());
        let read: Vec<_> = read.map(|(number, _)| *number).collect();
        let named: Vec<_> = told.errors.iter().map(|problem| problem.line).collect();
        assert_eq!((read, named), (vec![1, 6], vec![3]));
        assert_eq!(part.lines.len(), 4, "a blank line is none");
    }
}
