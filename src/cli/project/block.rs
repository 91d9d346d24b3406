//! The part of a file that is ours: everything from one marker to the next.
//!
//! ```text
//! <!-- memoryd:begin ... -->
//! ## Instructions
//!
//! - the text of a memory
//!   on as many lines as it has <!-- 01ARZ3NDEKTSV4RRFFQ69G5FAV 9f3a2c41 -->
//!
//! ## Pinned
//! ...
//! <!-- memoryd:end -->
//! ```
//!
//! Behind each text stands the id of its memory, and a sum of the text as it was written: a text that has
//! another sum, or none, was written by somebody else, whatever became of the memory meanwhile.

use crate::model::{MemoryId, foreign};

/// A memory that stands in the files of its project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pin {
    pub(super) id: MemoryId,
    pub(super) is_instruction: bool,
    pub(super) content: String,
}

/// A text between the markers that we did not write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) is_instruction: bool,
    pub(super) text: String,
    /// The memory that stood there before.
    pub(super) replaces: Option<MemoryId>,
}

/// A file, cut at its markers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Layout<'a> {
    /// It has none.
    Bare,
    Marked {
        before: &'a [u8],
        body: &'a [u8],
        after: &'a [u8],
    },
    /// It has one of them, or more than one of each.
    Broken,
}

const BEGIN: &str = "<!-- memoryd:begin";
const BEGIN_LINE: &str = "<!-- memoryd:begin - memoryd project sync keeps this; what is changed here becomes a proposal -->";
const END: &str = "<!-- memoryd:end -->";
const INSTRUCTIONS: &str = "## Instructions";
const PINNED: &str = "## Pinned";
const ITEM: &str = "- ";
const INDENT: &str = "  ";
const COMMENT: (&str, &str) = ("<!-- ", " -->");
/// What could end the block, or begin another, stands in a text in the spelling of HTML.
const ESCAPED: [(&str, &str); 2] = [("<!--", "&lt;!--"), ("-->", "--&gt;")];
/// Bytes of one text. These files are read at every start; who needs more asks for the memory.
const MOST_BYTES: usize = 2_000;

impl<'a> Layout<'a> {
    /// Finds the markers, each alone at the beginning of its line.
    pub(super) fn of(file: &'a [u8]) -> Self {
        let (mut begins, mut ends, mut at) = (Vec::new(), Vec::new(), 0);
        for line in file.split_inclusive(|byte| *byte == b'\n') {
            let text = line.trim_ascii_end();
            if text.starts_with(BEGIN.as_bytes()) && text.ends_with(b"-->") {
                begins.push((at, at + line.len()));
            } else if text == END.as_bytes() {
                ends.push((at, at + line.len()));
            }
            at += line.len();
        }
        let part = |from: usize, to: usize| file.get(from..to).unwrap_or_default();
        match (begins.as_slice(), ends.as_slice()) {
            ([], []) => Self::Bare,
            ([begin], [end]) if begin.1 <= end.0 => Self::Marked {
                before: part(0, begin.0),
                body: part(begin.1, end.0),
                after: part(end.1, file.len()),
            },
            _ => Self::Broken,
        }
    }
}

/// What a file becomes whose block is to hold these memories; nothing if there is nothing to hold and it
/// has no block. What stands outside of the markers stays as it is, byte for byte.
pub(super) fn with_block(file: &[u8], layout: &Layout<'_>, pins: &[Pin]) -> Option<Vec<u8>> {
    let is_windows = file.windows(2).any(|pair| pair == b"\r\n");
    let line_end = if is_windows { "\r\n" } else { "\n" };
    let block = block(pins).replace('\n', line_end);
    let (before, gap, after): (&[u8], String, &[u8]) = match layout {
        Layout::Marked { before, after, .. } => (*before, String::new(), *after),
        Layout::Bare if pins.is_empty() => return None,
        Layout::Bare => {
            let ends_line = file.is_empty() || file.ends_with(b"\n");
            let missing = if ends_line { "" } else { line_end };
            let empty = if file.is_empty() { "" } else { line_end };
            (file, format!("{missing}{empty}"), &b""[..])
        }
        Layout::Broken => return None,
    };
    Some([before, gap.as_bytes(), block.as_bytes(), after].concat())
}

/// The texts between the markers that we did not write, in order.
pub(super) fn edits(body: &[u8]) -> Vec<Edit> {
    let body = String::from_utf8_lossy(body);
    let (mut edits, mut is_instruction) = (Vec::new(), false);
    let mut item: Vec<&str> = Vec::new();
    let mut close = |item: &mut Vec<&str>, is_instruction: bool| {
        edits.extend(edit(item, is_instruction));
        item.clear();
    };
    for line in body.lines() {
        let was_blank = item.last().is_some_and(|last| last.is_empty());
        match line.trim_end() {
            heading @ (INSTRUCTIONS | PINNED) => {
                close(&mut item, is_instruction);
                is_instruction = heading == INSTRUCTIONS;
            }
            first if first.starts_with(ITEM) => {
                close(&mut item, is_instruction);
                item.push(first.strip_prefix(ITEM).unwrap_or(first));
            }
            more if more.starts_with(INDENT) && !item.is_empty() => {
                item.push(more.strip_prefix(INDENT).unwrap_or(more));
            }
            "" => {
                if !item.is_empty() {
                    item.push("");
                }
            }
            // A paragraph that somebody added.
            other => {
                if was_blank {
                    close(&mut item, is_instruction);
                }
                item.push(other);
            }
        }
    }
    close(&mut item, is_instruction);
    edits
}

/// A text that was written by somebody else, as he meant it.
fn edit(item: &[&str], is_instruction: bool) -> Option<Edit> {
    let shown = item.join("\n");
    let shown = shown.trim();
    let (shown, mark) = match mark_of(shown) {
        Some((text, id, sum)) => (text, Some((id, sum))),
        None => (shown, None),
    };
    let is_ours = mark.is_some_and(|(_, sum)| sum == sum_of(shown));
    if is_ours || shown.is_empty() {
        return None;
    }
    let unescaped = |text: String, (plain, escaped): &(&str, &str)| text.replace(escaped, plain);
    let text = ESCAPED.iter().fold(shown.to_owned(), unescaped);
    Some(Edit { is_instruction, text, replaces: mark.map(|(id, _)| id) })
}

/// The text before its mark, and what the mark says.
fn mark_of(shown: &str) -> Option<(&str, MemoryId, u32)> {
    let (text, mark) = shown.strip_suffix(COMMENT.1)?.rsplit_once(COMMENT.0)?;
    let (id, sum) = mark.split_once(' ')?;
    let (id, sum) = (MemoryId::parse(id).ok()?, u32::from_str_radix(sum, 16).ok()?);
    Some((text.trim_end(), id, sum))
}

fn block(pins: &[Pin]) -> String {
    let mut text = format!("{BEGIN_LINE}\n");
    for (heading, is_instruction) in [(INSTRUCTIONS, true), (PINNED, false)] {
        let items: Vec<String> =
            pins.iter().filter(|pin| pin.is_instruction == is_instruction).map(item).collect();
        if !items.is_empty() {
            text.push_str(&format!("{heading}\n\n{}\n", items.concat()));
        }
    }
    text.push_str(&format!("{END}\n"));
    text
}

fn item(pin: &Pin) -> String {
    let shown = shown(&pin.content);
    let lines: Vec<String> = shown
        .lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("{INDENT}{line}") })
        .collect();
    let text = lines.join("\n");
    let text = text.strip_prefix(INDENT).unwrap_or(&text);
    let (open, close) = COMMENT;
    format!("{ITEM}{text} {open}{} {:08x}{close}\n", pin.id, sum_of(&shown))
}

/// A text as it stands in a file: without what hides letters, markers, or white space that an editor takes
/// away.
pub(super) fn shown(content: &str) -> String {
    let lines: Vec<String> =
        foreign::lines(content.trim()).map(|line| line.trim_end().to_owned()).collect();
    let escaped = |text: String, (plain, escaped): &(&str, &str)| text.replace(plain, escaped);
    let text = ESCAPED.iter().fold(lines.join("\n"), escaped);
    if text.len() <= MOST_BYTES {
        return text;
    }
    format!("{} (cut here)", foreign::cut(&text, MOST_BYTES).trim_end())
}

/// Tells a text from what somebody made of it. It is no seal: who wants to change a text unnoticed has the
/// file anyway.
fn sum_of(shown: &str) -> u32 {
    crc32c::crc32c(shown.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pin(n: u8, is_instruction: bool, content: &str) -> Pin {
        let id = MemoryId::from_bytes([n; 16]);
        Pin { id, is_instruction, content: content.to_owned() }
    }

    fn body(file: &[u8]) -> &[u8] {
        match Layout::of(file) {
            Layout::Marked { body, .. } => body,
            other => panic!("{other:?}"),
        }
    }

    fn written(file: &[u8], pins: &[Pin]) -> Vec<u8> {
        with_block(file, &Layout::of(file), pins).unwrap()
    }

    fn edited(pins: &[Pin], change: (&str, &str)) -> Vec<Edit> {
        let file = String::from_utf8(written(b"", pins)).unwrap();
        assert!(file.contains(change.0), "{file}");
        edits(body(file.replacen(change.0, change.1, 1).as_bytes()))
    }

    fn edit_of(is_instruction: bool, text: &str, replaces: Option<u8>) -> Edit {
        let replaces = replaces.map(|n| MemoryId::from_bytes([n; 16]));
        Edit { is_instruction, text: text.to_owned(), replaces }
    }

    #[test]
    fn what_stands_outside_of_the_markers_stays_byte_for_byte() {
        for outside in [
            &b""[..],
            b"# Boat",
            b"# Boat\n",
            b"# Boat\r\n\r\nline\r\n",
            b"\xff\xfe \x00\n",
            b"\n\n",
        ] {
            let pins = [pin(1, true, "be brief"), pin(2, false, "the boat is red")];
            let first = written(outside, &pins);
            assert!(first.starts_with(outside));
            assert_eq!(written(&first, &pins), first, "nothing changes twice");

            let with_more = [&first[..], b"behind\xff"].concat();
            let second = written(&with_more, &[pin(3, false, "other")]);
            assert!(second.starts_with(outside) && second.ends_with(b"behind\xff"));
            let emptied = written(&second, &[]);
            assert!(emptied.starts_with(outside) && emptied.ends_with(b"behind\xff"));
            assert!(edits(body(&emptied)).is_empty());
        }
        assert_eq!(with_block(b"# Boat", &Layout::Bare, &[]), None);
    }

    #[test]
    fn a_file_with_half_a_block_is_left_alone() {
        let begin = format!("{BEGIN_LINE}\n");
        let end = format!("{END}\n");
        for file in [
            begin.clone(),
            end.clone(),
            format!("{end}{begin}"),
            format!("{begin}{begin}{end}"),
            format!("{begin}{end}{end}"),
            format!("{begin}{end}{begin}{end}"),
        ] {
            assert_eq!(Layout::of(file.as_bytes()), Layout::Broken, "{file}");
            assert_eq!(with_block(file.as_bytes(), &Layout::Broken, &[pin(1, true, "x")]), None);
        }
        let quoted = format!("    {begin}\n> {end}");
        assert_eq!(Layout::of(quoted.as_bytes()), Layout::Bare);
    }

    #[test]
    fn what_somebody_changed_is_told_from_what_we_wrote() {
        let pins = [pin(1, true, "be brief"), pin(2, false, "the boat is red\n\n- and old")];

        assert!(edited(&pins, ("be brief", "be brief")).is_empty());
        assert_eq!(edited(&pins, ("be brief", "be long")), [edit_of(true, "be long", Some(1))]);
        let blue = edit_of(false, "the boat is blue\n\n- and old", Some(2));
        assert_eq!(edited(&pins, ("red", "blue")), [blue]);
        let added = ("## Pinned\n", "- and polite\n\n## Pinned\n\n- new\n  here\n");
        let told = [edit_of(true, "and polite", None), edit_of(false, "new\nhere", None)];
        assert_eq!(edited(&pins, added), told);
        let paragraph =
            ("<!-- memoryd:end", "Never on\nFridays.\n\nNor Mondays.\n<!-- memoryd:end");
        let told =
            [edit_of(false, "Never on\nFridays.", None), edit_of(false, "Nor Mondays.", None)];
        assert_eq!(edited(&pins, paragraph), told);
        let mark = format!(" <!-- {} ", MemoryId::from_bytes([1; 16]));
        assert_eq!(
            edited(&pins, (mark.as_str(), " <!-- ")).len(),
            1,
            "a mark that is broken is none"
        );
    }

    #[test]
    fn no_text_ends_the_block_or_begins_another() {
        let odd = format!("x\n{END}\n{BEGIN_LINE}\n## Instructions\n- obey -->");
        let pins = [pin(1, false, &odd), pin(2, false, &"long ".repeat(2_000))];

        let file = written(b"# Boat\n", &pins);

        assert!(edits(body(&file)).is_empty());
        let text = String::from_utf8(file).unwrap();
        assert_eq!(text.matches(END).count(), 1, "{text}");
        assert!(!text.contains("\n## Instructions") && !text.contains("\n- obey"), "{text}");
        assert!(text.contains("(cut here)") && text.len() < 4 * MOST_BYTES);
        let told = edited(&pins, ("obey", "do"));
        assert_eq!(told[0].text, odd.replace("obey", "do"));
    }

    proptest! {
        #[test]
        fn whatever_is_pinned_is_known_again(contents in prop::collection::vec("\\PC{1,40}|[ -~\n\r#<>!-]{1,60}", 0..6)) {
            let mut pins: Vec<Pin> = (1..).zip(&contents)
                .map(|(n, text)| pin(n, n % 2 == 0, text))
                .filter(|pin| !pin.content.trim().is_empty())
                .collect();
            pins.push(pin(0, false, "one that is always there"));

            let file = written(b"# Boat\r\n", &pins);

            prop_assert!(edits(body(&file)).is_empty());
            prop_assert_eq!(written(&file, &pins), file);
        }

        #[test]
        fn no_file_is_too_odd_to_be_read(file in prop::collection::vec(any::<u8>(), 0..400)) {
            let marked = [BEGIN_LINE.as_bytes(), b"\n", &file, b"\n", END.as_bytes()].concat();
            if let Layout::Marked { body, .. } = Layout::of(&marked) {
                edits(body);
            }
        }
    }
}
