//! JSON as it comes from others: every name once in an object, and a way to see how much of it there is
//! before a tree is made of it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why bytes were not taken for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Not JSON, or nested too deep to be one.
    NotJson,
    /// JSON that says one thing twice, so that two readers may understand two things.
    Twice,
}

/// Reads JSON, but refuses an object in which a name stands twice. Half of a surrogate pair, which is
/// what is left of an emoji that was cut in two, reads as U+FFFD.
pub fn read(bytes: &[u8]) -> Result<Value, Unreadable> {
    match read_as_it_is(bytes) {
        Err(Unreadable::NotJson) => match without_half_pairs(bytes) {
            Some(mended) => read_as_it_is(&mended),
            None => Err(Unreadable::NotJson),
        },
        outcome => outcome,
    }
}

/// Reads JSON of another program's, whatever happened to it on the way: half pairs and bytes that are no
/// UTF-8 read as U+FFFD, `NaN` and `Infinity` as null, and of a name that stands twice the last counts.
/// Returns whether anything had to be replaced.
pub fn read_mended(bytes: &[u8]) -> Result<(Value, bool), Unreadable> {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok((value, false));
    }
    let text = String::from_utf8_lossy(bytes);
    let paired = without_half_pairs(text.as_bytes());
    let plain = without_bare_words(paired.as_deref().unwrap_or(text.as_bytes()));
    let value = serde_json::from_slice(&plain).map_err(|_| Unreadable::NotJson)?;
    Ok((value, true))
}

/// Whether JSON may hold more values than that, names included. It counts what opens, parts or names a
/// value outside of texts, so it costs no memory, and stops as soon as it knows.
#[must_use]
pub fn holds_more_than(bytes: &[u8], most: usize) -> bool {
    let (mut left, mut is_text, mut is_escaped) = (most, false, false);
    for &byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b',' | b':' | b'[' | b'{' if !is_text => match left.checked_sub(1) {
                Some(fewer) => left = fewer,
                None => return true,
            },
            _ => {}
        }
    }
    false
}

/// Whether a value says nothing: null, a text of white space, a list or an object without anything in it.
#[must_use]
pub fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// How many lists and objects stand one within another; 0 of what is neither.
#[must_use]
pub fn depth(value: &Value) -> usize {
    let within = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(fields) => fields.values().map(depth).max(),
        _ => return 0,
    };
    within.unwrap_or_default() + 1
}

fn read_as_it_is(bytes: &[u8]) -> Result<Value, Unreadable> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict
        .deserialize(&mut reader)
        .map_err(|error| if error.is_data() { Unreadable::Twice } else { Unreadable::NotJson })?;
    reader.end().map_err(|_| Unreadable::NotJson)?;
    Ok(value)
}

/// The same text with every escape of half a pair replaced; nothing if there is none.
fn without_half_pairs(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut mended = Vec::with_capacity(bytes.len());
    let (mut rest, mut is_mended) = (bytes, false);
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (before, escape) = rest.split_at(at);
        mended.extend_from_slice(before);
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.extend_from_slice(b"\\ufffd");
                is_mended = true;
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            (Some(_), _) => 6,
            (None, _) => 2.min(escape.len()),
        };
        let (whole, after) = escape.split_at_checked(length)?;
        mended.extend_from_slice(whole);
        rest = after;
    }
    mended.extend_from_slice(rest);
    is_mended.then_some(mended)
}

/// What JavaScript and Python write for numbers that JSON does not have.
const BARE_WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];

/// The same text with `null` in the place of each of [`BARE_WORDS`] outside of texts.
fn without_bare_words(bytes: &[u8]) -> Vec<u8> {
    let mut mended = Vec::with_capacity(bytes.len());
    let (mut rest, mut is_text, mut is_escaped) = (bytes, false, false);
    while let Some((&byte, after)) = rest.split_first() {
        let word = BARE_WORDS.iter().filter(|_| !is_text).find_map(|word| rest.strip_prefix(*word));
        if let Some(behind) = word {
            mended.extend_from_slice(b"null");
            rest = behind;
            continue;
        }
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ => {}
        }
        mended.push(byte);
        rest = after;
    }
    mended
}

/// The number of an escape such as `\ud83c`, at the beginning of the bytes.
fn unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Builds a value with every object checked. serde_json stops at a depth of 128 by itself.
#[derive(Clone, Copy)]
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_that_stands_twice_is_refused_at_any_depth() {
        let deep = br#"{"params":{"arguments":{"id":1,"id":2}}}"#;

        assert_eq!(read(deep), Err(Unreadable::Twice));
        assert_eq!(read(br#"{"a":[1,-2,0.5,"x",null,true]}"#).unwrap()["a"][2], json!(0.5));
    }

    #[test]
    fn what_is_not_json_is_refused_however_it_is_meant() {
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        for bytes in [&b""[..], b"{", b"\x00\xff", b"{} {}", b"[1e999]", b"\"\xff\"", &deep] {
            assert_eq!(read(bytes), Err(Unreadable::NotJson));
        }
    }

    #[test]
    fn values_are_counted_outside_of_texts_alone() {
        let line = br#"{"a":[1,2,{"b":"x,y:[{\"[,"}],"c":"\\"}"#;
        let marks = 9;

        assert!(!holds_more_than(line, marks));
        assert!(holds_more_than(line, marks - 1));
        assert!(!holds_more_than(br#""[[[[,,,,""#, 0));
    }

    #[test]
    fn what_another_program_wrote_is_mended_and_told() {
        let odd =
            b"{\"a\": NaN, \"b\": [-Infinity, \"NaN \\\\\"], \"c\": \"\\ud83c\", \"d\": \"\xff\"}";

        let (value, is_mended) = read_mended(odd).unwrap();

        let mended = json!({ "a": null, "b": [null, "NaN \\"], "c": "\u{fffd}", "d": "\u{fffd}" });
        assert_eq!((value, is_mended), (mended, true));
        assert_eq!(read_mended(br#"{"a": 1, "a": 2}"#).unwrap(), (json!({ "a": 2 }), false));
        assert_eq!(read_mended(b"{torn"), Err(Unreadable::NotJson));
    }

    #[test]
    fn half_an_emoji_is_read_as_a_replacement() {
        let text = |json: &[u8]| read(json).unwrap()["text"].as_str().unwrap().to_owned();

        assert_eq!(text(br#"{"text": "party \ud83c"}"#), "party \u{fffd}");
        assert_eq!(
            text(br#"{"text": "\udf89 \ud83c\udf89 \\ud83c"}"#),
            "\u{fffd} \u{1f389} \\ud83c"
        );
        assert_eq!(read(br#"{"text": "\ud83c}"#), Err(Unreadable::NotJson));
        assert_eq!(read(b"{\"text\": \"\\"), Err(Unreadable::NotJson));
    }
}
