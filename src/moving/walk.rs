//! Walking through files of any size, of which no more than one element is in memory.
//!
//! A file is cut into its elements byte by byte, and each is read by itself: one that is too long, or
//! damaged, costs itself and no other.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use serde_json::{Map, Value};

use super::MovingError;
use super::cut::Cut;
use super::out::Out;
use super::sniff::Sniff;
use crate::engine::{FileLine, LineCutter};
use crate::model::json;

/// An element of a list at the top of a file, of a list one level down, or what else stands at the top
/// under a name.
#[derive(Debug)]
pub(super) struct Piece {
    /// The name at the top under which it stands; empty in a file that is a list.
    pub(super) name: String,
    pub(super) value: Value,
}

/// Bytes of one element. The longest conversations that were seen have some tens of MiB.
const PIECE_BYTES: usize = 64 << 20;
/// Values of one element: a tree of so many takes about as much memory as the bytes may.
const PIECE_VALUES: usize = 2 << 20;
/// Characters of a name at the top that are kept. It goes with each element of its list, and none that is
/// known is longer.
const NAME_CHARS: usize = 64;
/// What no value begins with.
const ENDS: &[u8] = b",:]}";
const DAMAGED: &str = "is damaged here; what follows was not read";
/// What some programs write before a text, to say that it is UTF-8.
pub(super) const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

type Take<'t> = &'t mut dyn FnMut(&mut Out<'_>, Piece) -> Result<(), MovingError>;

/// Hands out the elements of a file one after another. Several lists or objects may stand one behind
/// another, as where pages were put together.
pub(super) fn pieces(
    reader: &mut dyn BufRead,
    out: &mut Out<'_>,
    take: Take<'_>,
) -> Result<(), MovingError> {
    let mut walk = Walk::new(reader);
    loop {
        let is_whole = match walk.peek()? {
            Some(b'[') => {
                walk.bump();
                walk.list("", out, take)?
            }
            Some(b'{') => {
                walk.bump();
                walk.object(out, take)?
            }
            _ => {
                out.fail("is not JSON");
                false
            }
        };
        if !is_whole || walk.peek()?.is_none() {
            return Ok(());
        }
    }
}

pub(super) type TakeObject<'a> =
    dyn FnMut(&mut Out<'_>, Map<String, Value>) -> Result<(), MovingError> + 'a;
pub(super) type TakeLine<'a> = dyn FnMut(&mut Out<'_>, &[u8]) -> Result<(), MovingError> + 'a;

/// Hands out the objects of a file that is a list of them, or that they are, one behind another.
pub(super) fn objects(
    reader: &mut dyn BufRead,
    out: &mut Out<'_>,
    take: &mut TakeObject<'_>,
) -> Result<(), MovingError> {
    let mut take_value = |out: &mut Out<'_>, value: Value| match value {
        Value::Object(object) => take(out, object),
        _ => {
            out.skip("elements that are no objects");
            Ok(())
        }
    };
    let mut walk = Walk::new(reader);
    if walk.peek()?.is_none() {
        walk.tell_torn(out);
    }
    while let Some(byte) = walk.peek()? {
        if byte == b'[' {
            walk.bump();
            if !walk.list("", out, &mut |out, piece| take_value(out, piece.value))? {
                break;
            }
        } else if ENDS.contains(&byte) {
            out.fail(DAMAGED);
            break;
        } else if let Some(value) = walk.value(out)? {
            take_value(out, value)?;
        }
    }
    Ok(())
}

/// Reads a text that is not larger than an element, with one sort of ends of lines. Bytes that are no UTF-8
/// become U+FFFD.
pub(super) fn text(
    reader: &mut dyn BufRead,
    out: &mut Out<'_>,
) -> Result<Option<String>, MovingError> {
    Ok(text_as_it_is(reader, out)?.map(|text| text.replace("\r\n", "\n")))
}

/// The same with the ends of lines that it has.
pub(super) fn text_as_it_is(
    reader: &mut dyn BufRead,
    out: &mut Out<'_>,
) -> Result<Option<String>, MovingError> {
    let mut bytes = Vec::new();
    let limit = PIECE_BYTES as u64 + 1;
    reader.take(limit).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() > PIECE_BYTES {
        out.fail("is longer than 64 MiB");
        return Ok(None);
    }
    let bytes = bytes.strip_prefix(&MARK).unwrap_or(&bytes);
    let text = String::from_utf8_lossy(bytes);
    if matches!(text, Cow::Owned(_)) {
        out.mended();
    }
    Ok(Some(text.into_owned()))
}

/// Hands out the lines of a file that hold something, with their numbers.
pub(super) fn lines(
    reader: &mut dyn BufRead,
    out: &mut Out<'_>,
    take: &mut TakeLine<'_>,
) -> Result<(), MovingError> {
    let (mut cutter, mut number) = (LineCutter::default(), 0);
    loop {
        let piece = fill(reader)?;
        let (length, is_over) = (piece.len(), piece.is_empty());
        let mut cut = cutter.cut(piece);
        if is_over {
            cut.extend(cutter.end());
        }
        reader.consume(length);
        for line in cut {
            number += 1;
            out.at(number);
            match line {
                FileLine::Whole(line) => {
                    let line = line.strip_prefix(&MARK).unwrap_or(&line).trim_ascii();
                    if !line.is_empty() {
                        take(out, line)?;
                    }
                }
                FileLine::TooLong => out.fail(FileLine::TOO_LONG),
            }
        }
        if is_over {
            return Ok(());
        }
    }
}

/// Reads one value, mending what can be mended; tells of what cannot be read.
pub(super) fn value_of(bytes: &[u8], out: &mut Out<'_>) -> Option<Value> {
    if json::holds_more_than(bytes, PIECE_VALUES) {
        out.fail("holds more values than can be read at once");
        return None;
    }
    match json::read_mended(bytes) {
        Ok((value, is_mended)) => {
            if is_mended {
                out.mended();
            }
            Some(value)
        }
        Err(_) => {
            out.fail("is not JSON");
            None
        }
    }
}

struct Walk<'r> {
    reader: &'r mut dyn BufRead,
    kept: Vec<u8>,
    is_start: bool,
    /// Whether it was told that the file ends in the middle.
    is_torn: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    TooLong,
    /// The file ends within it.
    Torn,
}

impl<'r> Walk<'r> {
    fn new(reader: &'r mut dyn BufRead) -> Self {
        Self { reader, kept: Vec::new(), is_start: true, is_torn: false }
    }

    /// The next byte that says something. A mark at the beginning of a file does not.
    fn peek(&mut self) -> Result<Option<u8>, MovingError> {
        loop {
            let piece = fill(self.reader)?;
            if piece.is_empty() {
                return Ok(None);
            }
            let is_start = self.is_start;
            let is_blank =
                |byte: &u8| byte.is_ascii_whitespace() || (is_start && MARK.contains(byte));
            let blank = piece.iter().take_while(|byte| is_blank(byte)).count();
            let found = piece.get(blank).copied();
            self.reader.consume(blank);
            if found.is_some() {
                self.is_start = false;
                return Ok(found);
            }
        }
    }

    fn bump(&mut self) {
        self.reader.consume(1);
    }

    /// Hands out the elements of a list up to its end. Returns whether there was one.
    fn list(&mut self, name: &str, out: &mut Out<'_>, take: Take<'_>) -> Result<bool, MovingError> {
        let mut number = 0;
        loop {
            match self.peek()? {
                None => {
                    self.tell_torn(out);
                    return Ok(false);
                }
                Some(b']') => {
                    self.bump();
                    return Ok(true);
                }
                Some(b',') => self.bump(),
                Some(b'}' | b':') => {
                    out.fail(DAMAGED);
                    return Ok(false);
                }
                Some(_) => {
                    number += 1;
                    out.at(number);
                    if let Some(value) = self.value(out)? {
                        take(out, Piece { name: name.to_owned(), value })?;
                    }
                }
            }
        }
    }

    /// The same for what stands in an object, and in the lists in it.
    fn object(&mut self, out: &mut Out<'_>, take: Take<'_>) -> Result<bool, MovingError> {
        loop {
            match self.peek()? {
                None => {
                    self.tell_torn(out);
                    return Ok(false);
                }
                Some(b'}') => {
                    self.bump();
                    return Ok(true);
                }
                Some(b',') => self.bump(),
                Some(b'"') => {
                    let name = self.value(out)?;
                    let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
                    let name: String = name.chars().take(NAME_CHARS).collect();
                    if self.peek()? == Some(b':') {
                        self.bump();
                    }
                    if self.peek()? == Some(b'[') {
                        self.bump();
                        if !self.list(&name, out, take)? {
                            return Ok(false);
                        }
                    } else if let Some(value) = self.value(out)? {
                        take(out, Piece { name, value })?;
                    }
                }
                Some(_) => {
                    out.fail(DAMAGED);
                    return Ok(false);
                }
            }
        }
    }

    fn value(&mut self, out: &mut Out<'_>) -> Result<Option<Value>, MovingError> {
        match self.cut()? {
            End::Whole => Ok(value_of(&self.kept, out)),
            End::TooLong => {
                out.fail("is longer than 64 MiB");
                Ok(None)
            }
            End::Torn => {
                self.tell_torn(out);
                Ok(None)
            }
        }
    }

    fn tell_torn(&mut self, out: &mut Out<'_>) {
        if !std::mem::replace(&mut self.is_torn, true) {
            out.fail("the file ends in the middle");
        }
    }

    /// Keeps the bytes of the next value.
    fn cut(&mut self) -> Result<End, MovingError> {
        self.kept.clear();
        let (mut cut, mut is_too_long) = (Cut::default(), false);
        loop {
            let piece = fill(self.reader)?;
            if piece.is_empty() {
                return Ok(if cut.is_whole() { End::Whole } else { End::Torn });
            }
            let (length, is_over) = cut.advance(piece);
            is_too_long = is_too_long || self.kept.len().saturating_add(length) > PIECE_BYTES;
            if is_too_long {
                self.kept = Vec::new();
            } else {
                self.kept.extend_from_slice(piece.get(..length).unwrap_or_default());
            }
            self.reader.consume(length);
            if is_over {
                return Ok(if is_too_long { End::TooLong } else { End::Whole });
            }
        }
    }
}

/// What can be read without waiting; nothing at the end.
pub(super) fn fill(reader: &mut dyn BufRead) -> Result<&[u8], MovingError> {
    // What was read stays in the reader, so the second look costs nothing.
    loop {
        match reader.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
    reader.fill_buf().map_err(|error| unreadable(&error))
}

/// What the beginning of a file says of it, without its path. Nothing of it is taken.
pub(super) fn sniffed(reader: &mut dyn BufRead) -> Result<Sniff, MovingError> {
    Ok(Sniff::of("", fill(reader)?))
}

/// The name of the file is added by whoever knows it.
fn unreadable(error: &io::Error) -> MovingError {
    MovingError::Unreadable { file: String::new(), problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor};

    use serde_json::json;

    use super::*;
    use crate::moving::tests::usual;

    /// The pieces of a text that comes in so many bytes at a time, and how many could not be read.
    fn walked(text: &[u8], size: usize) -> (Vec<(String, Value)>, usize) {
        let (wanted, mut found) = (usual(), Vec::new());
        let mut deliver = |_| Ok(());
        let mut out = Out::new(&wanted, &mut deliver);
        let mut reader = BufReader::with_capacity(size, Cursor::new(text));
        pieces(&mut reader, &mut out, &mut |_, piece| {
            found.push((piece.name, piece.value));
            Ok(())
        })
        .unwrap();
        let report = out.finish().unwrap().report(crate::engine::Imported::default(), true);
        (found, report.failed)
    }

    #[test]
    fn elements_are_cut_wherever_the_pieces_end() {
        let text = "\u{feff} {\"a\": [1, {\"b\": \"],}\\\"\"}, [\"x\"]],\r\n \"c\": \"d\", \"e\": {}, \"f\": NaN}";
        let expected = [
            ("a", json!(1)),
            ("a", json!({ "b": "],}\"" })),
            ("a", json!(["x"])),
            ("c", json!("d")),
            ("e", json!({})),
            ("f", json!(null)),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value)).to_vec();

        for size in 1..=text.len() {
            assert_eq!(walked(text.as_bytes(), size), (expected.clone(), 0), "{size}");
        }
    }

    #[test]
    fn what_is_damaged_or_too_long_costs_itself_alone() {
        let one = |value: Value| vec![(String::new(), value)];
        assert_eq!(walked(b"[{\"a\": 1}, {\"a\": }, {\"a\"", 8), (one(json!({ "a": 1 })), 2));
        assert_eq!(walked(b"[1, 2: 3]", 8).1, 1);
        assert_eq!(walked(b"", 8), (vec![], 1));
        assert_eq!(walked(b"[7] x", 8), (one(json!(7)), 1));
        let mut long = b"[\"".to_vec();
        long.resize(PIECE_BYTES + 16, b'a');
        long.extend(b"\", 7]");
        assert_eq!(walked(&long, 1 << 16), (one(json!(7)), 1));
    }

    #[test]
    fn lists_and_objects_that_stand_one_behind_another_are_all_read() {
        let long = "n".repeat(NAME_CHARS + 1);
        let text = format!("[1]\n{{\"a\": [2]}} {{\"{long}\": [3]}}[4]");
        let names = ["", "a", &long[1..], ""].map(str::to_owned);
        let found = names.into_iter().zip([json!(1), json!(2), json!(3), json!(4)]).collect();

        assert_eq!(walked(text.as_bytes(), 5), (found, 0));

        let (wanted, mut found) = (usual(), Vec::new());
        let mut deliver = |_| Ok(());
        let mut out = Out::new(&wanted, &mut deliver);
        let mut lines = Cursor::new(b"{\"a\": 1}\n{\"a\": 2}\n[{\"a\": 3}, 4]\n}{\"a\": 5}");
        objects(&mut lines, &mut out, &mut |_, object| {
            found.extend(object.get("a").cloned());
            Ok(())
        })
        .unwrap();
        let report = out.finish().unwrap().report(crate::engine::Imported::default(), true);
        assert_eq!(found, [json!(1), json!(2), json!(3)]);
        assert_eq!((report.failed, report.skipped["elements that are no objects"]), (1, 1));
    }
}
