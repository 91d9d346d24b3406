//! JSON as people keep it, read with the place of everything in it, so that it can be edited as a text.
//!
//! Numbers and strings are only looked at: JavaScript writes some that Rust cannot hold, such as half of an
//! emoji.

use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::edit::Damage;

/// A value, and where it stands.
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) content: Content,
}

pub(super) enum Content {
    Object(Vec<Member>),
    Array(Vec<Node>),
    Scalar(Value),
}

/// A name and its value in an object.
pub(super) struct Member {
    pub(super) key: String,
    /// Where its name begins.
    pub(super) start: usize,
    pub(super) value: Node,
    /// Where the comma behind it is.
    pub(super) comma: Option<usize>,
}

/// Deeper than any settings are, and far from the end of the stack.
const DEEPEST: usize = 100;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Whether comments and commas before closing brackets are taken.
    is_lenient: bool,
    depth: usize,
}

/// Reads a whole text.
pub(super) fn read(text: &str, is_lenient: bool) -> Result<Node, Damage> {
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = Reader { text, at, is_lenient, depth: 0 };
    reader.skip()?;
    let root = reader.value()?;
    reader.skip()?;
    match reader.peek() {
        None => Ok(root),
        Some(_) => Err(reader.damage("expected the end of the file")),
    }
}

impl Node {
    pub(super) fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::Array(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Content::Object(members) => {
                let pair = |member: &Member| (member.key.clone(), member.value.to_value());
                Value::Object(members.iter().map(pair).collect::<Map<_, _>>())
            }
        }
    }
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn damage(&self, problem: &str) -> Damage {
        let problem = if self.peek().is_none() { "the file ends too early" } else { problem };
        Damage::at(self.text, self.at, problem)
    }

    fn expect(&mut self, byte: u8, problem: &str) -> Result<(), Damage> {
        if self.peek() != Some(byte) {
            return Err(self.damage(problem));
        }
        self.at += 1;
        Ok(())
    }

    /// Passes over white space and comments.
    fn skip(&mut self) -> Result<(), Damage> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            self.at += blank;
            let rest = self.rest();
            let length = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                let end = rest.find("*/").map(|end| end + 2);
                end.ok_or_else(|| self.damage("a comment without an end"))?
            } else {
                return Ok(());
            };
            if !self.is_lenient {
                return Err(self.damage("a comment, which this client does not take"));
            }
            self.at += length;
        }
    }

    fn value(&mut self) -> Result<Node, Damage> {
        if self.depth > DEEPEST {
            return Err(self.damage("too many brackets within each other"));
        }
        let start = self.at;
        self.depth += 1;
        let content = match self.peek() {
            Some(b'{') => self.object()?,
            Some(b'[') => self.array()?,
            Some(b'"') => Content::Scalar(Value::String(self.string()?)),
            _ => Content::Scalar(self.word()?),
        };
        self.depth -= 1;
        Ok(Node { span: start..self.at, content })
    }

    fn object(&mut self) -> Result<Content, Damage> {
        let mut members = Vec::new();
        self.at += 1;
        loop {
            self.skip()?;
            let start = self.at;
            match self.peek() {
                Some(b'}') => break,
                Some(b'"') => {}
                _ => return Err(self.damage("expected a name in double quotes")),
            }
            let key = self.string()?;
            self.skip()?;
            self.expect(b':', "expected a colon")?;
            self.skip()?;
            let value = self.value()?;
            let comma = self.comma(b'}')?;
            members.push(Member { key, start, value, comma });
        }
        self.at += 1;
        Ok(Content::Object(members))
    }

    fn array(&mut self) -> Result<Content, Damage> {
        let mut items = Vec::new();
        self.at += 1;
        loop {
            self.skip()?;
            if self.peek() == Some(b']') {
                break;
            }
            items.push(self.value()?);
            self.comma(b']')?;
        }
        self.at += 1;
        Ok(Content::Array(items))
    }

    /// The comma behind a value. Without one the bracket has to follow.
    fn comma(&mut self, closing: u8) -> Result<Option<usize>, Damage> {
        self.skip()?;
        if self.peek() == Some(closing) {
            return Ok(None);
        }
        let at = self.at;
        self.expect(b',', "expected a comma or a closing bracket")?;
        self.skip()?;
        if self.peek() == Some(closing) && !self.is_lenient {
            let problem = "a comma before a closing bracket, which this client does not take";
            return Err(Damage::at(self.text, at, problem));
        }
        Ok(Some(at))
    }

    fn string(&mut self) -> Result<String, Damage> {
        let mut is_escaped = false;
        let inner = self.rest().char_indices().skip(1);
        let end = inner.take_while(|(_, c)| *c != '\n').find_map(|(at, c)| {
            let is_end = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end.then_some(at + 1)
        });
        let end = end.ok_or_else(|| self.damage("a text without an end"))?;
        let raw = self.rest().get(..end).unwrap_or_default();
        if serde_json::from_str::<IgnoredAny>(raw).is_err() {
            return Err(self.damage("a text with an escape that means nothing"));
        }
        let text = serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned());
        self.at += end;
        Ok(text)
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Result<Value, Damage> {
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let rest = self.rest();
        let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
        let raw = rest.get(..end).unwrap_or_default();
        if serde_json::from_str::<IgnoredAny>(raw).is_err() {
            return Err(self.damage("expected a value"));
        }
        // A number that is too large for Rust is still one.
        let value = serde_json::from_str(raw).unwrap_or_default();
        self.at += end;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str, is_lenient: bool) -> String {
        read(text, is_lenient).err().unwrap_or_else(|| panic!("{text}")).to_string()
    }

    #[test]
    fn what_people_write_is_read() {
        let text = "\u{feff}// mine\n{\n  \"a\": [1, /* two */ 2,], // three\n  \"b\": {\"c\": null,},\n}\n";

        let value = read(text, true).unwrap().to_value();

        assert_eq!(value, serde_json::json!({ "a": [1, 2], "b": { "c": null } }));
    }

    #[test]
    fn what_javascript_writes_and_rust_cannot_hold_is_read() {
        let text = r#"{"cut": "party \ud83c", "big": 1e999, "kept": "a\"b"}"#;

        let value = read(text, false).unwrap().to_value();

        assert_eq!(value["kept"], "a\"b");
    }

    #[test]
    fn damage_is_told_with_its_place() {
        for (text, told) in [
            ("{\n  \"a\": 1\n  \"b\": 2\n}", "line 3, column 3: expected a comma"),
            ("{\n  \"a\": 1,\n", "line 3, column 1: the file ends too early"),
            ("{\"a\": tru}", "line 1, column 7: expected a value"),
            ("{a: 1}", "line 1, column 2: expected a name in double quotes"),
            ("{\"a\": \"x\n\"}", "line 1, column 7: a text without an end"),
            ("{\"a\": \"\\x\"}", "line 1, column 7: a text with an escape"),
            ("{} {}", "line 1, column 4: expected the end of the file"),
            ("{\"\u{e9}\": }", "line 1, column 7: expected a value"),
            ("{ /* }", "line 1, column 3: a comment without an end"),
        ] {
            assert!(refusal(text, true).starts_with(told), "{text}: {}", refusal(text, true));
        }
        assert!(refusal("{ // c\n}", false).contains("a comment"));
        assert!(refusal("{\"a\": 1,}", false).starts_with("line 1, column 8: a comma"));
        assert!(refusal(&"[".repeat(100_000), false).contains("too many brackets"));
    }
}
