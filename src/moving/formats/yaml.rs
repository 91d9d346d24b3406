//! The few forms of YAML that stand at the head of a Markdown file: names with a word, a text in quotation
//! marks, a list, a block of lines, one within another. What is beyond them, such as anchors and types of
//! its own, is not read at all.

use std::str::Chars;

use serde_json::Value;

use crate::model::Metadata;

/// How deep one value stands within another.
const DEPTH: usize = 8;
/// What begins something that is no plain word: an anchor, an alias, a type, what YAML keeps for itself.
const NO_WORD: [char; 11] = ['&', '*', '!', '%', '@', '`', '|', '>', ',', ']', '}'];

/// Reads names with their values. Nothing if a line of it is none of the forms, or a name stands twice.
pub(super) fn read(block: &str) -> Option<Metadata> {
    let lines: Vec<&str> = block.lines().collect();
    let mut rest = lines.as_slice();
    let head = mapping(&mut rest, 0, 0)?;
    rest.is_empty().then_some(head)
}

/// How far in the next line that says something stands, and the line. It is not taken.
fn next<'a>(rest: &mut &[&'a str]) -> Option<(usize, &'a str)> {
    while let Some((line, behind)) = rest.split_first() {
        let text = line.trim_start_matches(' ');
        if !text.trim().is_empty() && !text.starts_with('#') {
            return Some((line.len() - text.len(), text.trim_end()));
        }
        *rest = behind;
    }
    None
}

fn take(rest: &mut &[&str]) {
    *rest = rest.get(1..).unwrap_or_default();
}

fn mapping(rest: &mut &[&str], indent: usize, depth: usize) -> Option<Metadata> {
    let mut found = Metadata::new();
    while let Some((own, line)) = next(rest) {
        if own < indent {
            break;
        }
        if own > indent || depth > DEPTH {
            return None;
        }
        let (name, value) = named(line)?;
        take(rest);
        let value = value_of(value, rest, indent, depth)?;
        if found.insert(name, value).is_some() {
            return None;
        }
    }
    Some(found)
}

fn list(rest: &mut &[&str], indent: usize, depth: usize) -> Option<Vec<Value>> {
    let mut items = Vec::new();
    while let Some((own, line)) = next(rest)
        && own == indent
        && let Some(item) = item(line)
    {
        if depth > DEPTH {
            return None;
        }
        take(rest);
        items.push(match item.is_empty() {
            true => Value::Null,
            false => value_of(item, rest, indent, depth)?,
        });
    }
    Some(items)
}

fn item(line: &str) -> Option<&str> {
    let item = line.strip_prefix('-')?;
    (item.is_empty() || item.starts_with(' ')).then(|| item.trim())
}

/// The name with which a line begins, and what stands behind it.
fn named(line: &str) -> Option<(String, &str)> {
    if line.starts_with(['"', '\'']) {
        let (name, rest) = quoted(line)?;
        return Some((name, rest.trim_start().strip_prefix(':')?.trim()));
    }
    let is_end = |at: usize| {
        line.get(at + 1..).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    };
    let (at, _) = line.match_indices(':').find(|(at, _)| is_end(*at))?;
    let (name, value) = (line.get(..at)?, line.get(at + 1..)?);
    let begins_a_value = name.starts_with(NO_WORD) || name.starts_with(['[', '{', '\t', '#']);
    let is_name = !name.trim().is_empty() && !begins_a_value && item(name).is_none();
    is_name.then(|| (name.trim().to_owned(), value.trim()))
}

/// What stands behind a name or in an item, with the lines that belong to it.
fn value_of(value: &str, rest: &mut &[&str], indent: usize, depth: usize) -> Option<Value> {
    if value.is_empty() || value == "#" || value.starts_with("# ") {
        return below(rest, indent, depth);
    }
    if value.starts_with(['|', '>']) {
        return block_of_lines(value, rest, indent).map(Value::String);
    }
    let mut whole = value.to_owned();
    while let Some((own, line)) = next(rest)
        && own > indent
    {
        take(rest);
        whole.push(' ');
        whole.push_str(line);
    }
    inline(&whole)
}

/// What stands in the lines below a name.
fn below(rest: &mut &[&str], indent: usize, depth: usize) -> Option<Value> {
    match next(rest) {
        Some((own, line)) if own >= indent && item(line).is_some() => {
            list(rest, own, depth + 1).map(Value::Array)
        }
        Some((own, line)) if own > indent && named(line).is_some() => {
            mapping(rest, own, depth + 1).map(Value::Object)
        }
        Some((own, line)) if own > indent => {
            take(rest);
            value_of(line, rest, indent, depth + 1)
        }
        _ => Some(Value::Null),
    }
}

/// Lines that stand further in, kept as they are (`|`) or made one of those that touch (`>`).
fn block_of_lines(mark: &str, rest: &mut &[&str], indent: usize) -> Option<String> {
    let more = mark.get(1..)?.split(" #").next()?.trim();
    if !more.chars().all(|c| matches!(c, '+' | '-' | '1'..='9')) {
        return None;
    }
    let (mut lines, mut margin) = (Vec::new(), None);
    while let Some((line, behind)) = rest.split_first() {
        let own = line.len() - line.trim_start_matches(' ').len();
        if line.trim().is_empty() {
            lines.push("");
        } else if own > indent {
            let margin: usize = *margin.get_or_insert(own);
            lines.push(line.get(margin.min(own)..).unwrap_or_default());
        } else {
            break;
        }
        *rest = behind;
    }
    let text = match mark.starts_with('>') {
        true => folded_lines(&lines),
        false => lines.join("\n"),
    };
    Some(text.trim_end().to_owned())
}

fn folded_lines(lines: &[&str]) -> String {
    let paragraphs = lines.split(|line| line.is_empty());
    paragraphs.map(|lines| lines.join(" ")).collect::<Vec<_>>().join("\n")
}

fn inline(value: &str) -> Option<Value> {
    let (found, rest) = match value.chars().next()? {
        '"' | '\'' => quoted(value).map(|(text, rest)| (Value::String(text), rest))?,
        '[' | '{' => flow(value, 0)?,
        first if NO_WORD.contains(&first) => return None,
        _ => return plain(value),
    };
    (rest.trim().is_empty() || rest.trim_start().starts_with('#')).then_some(found)
}

/// A value without marks around it.
fn plain(value: &str) -> Option<Value> {
    // `#a #b` stands for tags with some; in YAML it would be a remark.
    let is_marked = value.starts_with('#');
    let text = if is_marked { value } else { value.split(" #").next().unwrap_or_default() };
    let text = text.trim();
    let names_something = text.contains(": ") || text.contains(":\t") || text.ends_with(':');
    (!names_something && item(text).is_none()).then(|| scalar(text))
}

fn scalar(text: &str) -> Value {
    match text {
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        "null" | "Null" | "NULL" | "~" | "" => Value::Null,
        _ => match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => number.into(),
            // With a zero before it, or a fraction, it may be a number, a date or a version.
            _ => text.into(),
        },
    }
}

/// A value as it stands within a list in brackets, and what stands behind it.
fn flow(text: &str, depth: usize) -> Option<(Value, &str)> {
    let text = text.trim_start();
    match text.chars().next()? {
        _ if depth > DEPTH => None,
        '[' => flow_list(text.get(1..)?, depth),
        '{' => flow_mapping(text.get(1..)?, depth),
        '"' | '\'' => quoted(text).map(|(text, rest)| (Value::String(text), rest)),
        first if NO_WORD.contains(&first) => None,
        _ => {
            let (word, rest) = text.split_at(text.find([',', ']', '}', '[', '{'])?);
            let is_word = !word.contains(": ") && !rest.starts_with(['[', '{']);
            is_word.then(|| (scalar(word.trim()), rest))
        }
    }
}

fn flow_list(text: &str, depth: usize) -> Option<(Value, &str)> {
    let (mut items, mut rest) = (Vec::new(), text.trim_start());
    loop {
        if let Some(behind) = rest.strip_prefix(']') {
            return Some((Value::Array(items), behind));
        }
        let (item, behind) = flow(rest, depth + 1)?;
        items.push(item);
        rest = after_item(behind, ']')?;
    }
}

fn flow_mapping(text: &str, depth: usize) -> Option<(Value, &str)> {
    let (mut found, mut rest) = (Metadata::new(), text.trim_start());
    loop {
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((Value::Object(found), behind));
        }
        let (name, behind) = match rest.starts_with(['"', '\'']) {
            true => quoted(rest)?,
            false => {
                let (name, _) = rest.split_once(':')?;
                (name.trim().to_owned(), rest.get(name.len()..)?)
            }
        };
        if name.contains(['{', '}', '[', ']', ',']) || name.is_empty() {
            return None;
        }
        let (value, behind) = flow(behind.trim_start().strip_prefix(':')?, depth + 1)?;
        found.insert(name, value);
        rest = after_item(behind, '}')?;
    }
}

/// What stands behind an item and its comma; nothing if neither that nor the end comes.
fn after_item(text: &str, end: char) -> Option<&str> {
    let text = text.trim_start();
    match text.strip_prefix(',') {
        Some(rest) => Some(rest.trim_start()),
        None => text.starts_with(end).then_some(text),
    }
}

/// A text in quotation marks, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut found = String::new();
    if let Some(inner) = text.strip_prefix('\'') {
        let mut rest = inner;
        loop {
            let (before, behind) = rest.split_once('\'')?;
            found.push_str(before);
            // Two stand for one.
            let Some(more) = behind.strip_prefix('\'') else { return Some((found, behind)) };
            found.push('\'');
            rest = more;
        }
    }
    let mut chars = text.strip_prefix('"')?.chars();
    loop {
        match chars.next()? {
            '"' => return Some((found, chars.as_str())),
            '\\' => found.push(escaped(&mut chars)?),
            other => found.push(other),
        }
    }
}

/// The character that stands behind a backslash (YAML 1.2, 5.7).
fn escaped(chars: &mut Chars<'_>) -> Option<char> {
    Some(match chars.next()? {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        'x' => char::from_u32(number(chars, 2)?)?,
        'u' => unit(chars)?,
        'U' => char::from_u32(number(chars, 8)?)?,
        other @ ('"' | '\\' | '/' | ' ' | '\t') => other,
        _ => return None,
    })
}

/// Four digits, or twice four that are a pair. Half a pair reads as U+FFFD.
fn unit(chars: &mut Chars<'_>) -> Option<char> {
    let first = number(chars, 4)?;
    if let Some(whole) = char::from_u32(first) {
        return Some(whole);
    }
    let Some(behind) = chars.as_str().strip_prefix("\\u") else {
        return Some(char::REPLACEMENT_CHARACTER);
    };
    let mut behind = behind.chars();
    let second = number(&mut behind, 4)?;
    *chars = behind;
    let units = [first, second].map(|unit| u16::try_from(unit).unwrap_or_default());
    let whole = char::decode_utf16(units).next()?;
    Some(whole.unwrap_or(char::REPLACEMENT_CHARACTER))
}

fn number(chars: &mut Chars<'_>, digits: usize) -> Option<u32> {
    let (own, rest) = chars.as_str().split_at_checked(digits)?;
    let number = u32::from_str_radix(own, 16).ok()?;
    *chars = rest.chars();
    Some(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn head(block: &str) -> Option<Value> {
        read(block).map(Value::Object)
    }

    #[test]
    fn the_forms_that_programs_for_notes_write_are_read() {
        for (block, said) in [
            (
                "title: Green tea\ntype: note # really",
                json!({ "title": "Green tea", "type": "note" }),
            ),
            (
                "a: \"x: \\\"y\\\" \\u00e9\\ud83c\\udf75\"",
                json!({ "a": "x: \"y\" \u{e9}\u{1f375}" }),
            ),
            ("a: 'it''s: so'", json!({ "a": "it's: so" })),
            ("tags: [a, \"b, c\", d/e]", json!({ "tags": ["a", "b, c", "d/e"] })),
            ("tags:\n  - a\n  - b\nn: 1", json!({ "tags": ["a", "b"], "n": 1 })),
            ("tags:\n- a\n- \"b\"\n", json!({ "tags": ["a", "b"] })),
            ("tags: #a #b", json!({ "tags": "#a #b" })),
            (
                "m:\n  type: user\n  on: true\nv: 1.10",
                json!({ "m": { "type": "user", "on": true }, "v": "1.10" }),
            ),
            (
                "d: >-\n  one\n  two\n\n  three\nt: |\n  a\n    b\n",
                json!({ "d": "one two\nthree", "t": "a\n  b" }),
            ),
            ("d: one\n  two\ne:", json!({ "d": "one two", "e": null })),
            ("m: {a: 1, \"b\": [x]}", json!({ "m": { "a": 1, "b": ["x"] } })),
            (
                "up: [[Note]]\nurl: http://a.b/c:d",
                json!({ "up": [["Note"]], "url": "http://a.b/c:d" }),
            ),
            ("# only a remark\n\n", json!({})),
        ] {
            assert_eq!(head(block), Some(said), "{block}");
        }
    }

    #[test]
    fn what_is_no_yaml_makes_no_head() {
        for block in [
            "title: a: b",
            "a:\n\tb: c",
            "just words",
            "a: 1\na: 2",
            "a: &x 1",
            "a: *x",
            "a: !!python/object x",
            "date: {{date}}",
            "a: \"open",
            "a: [1, 2",
            "- a\n- b",
            "a: 1\n  b: 2",
            "a: \"\\q\"",
        ] {
            assert_eq!(head(block), None, "{block}");
        }
        let deep = "[".repeat(60_000);
        assert_eq!(head(&format!("a: {deep}")), None);
        let lines: String = (0..200).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        assert_eq!(head(&lines), None);
    }
}
