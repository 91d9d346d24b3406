//! The head of a Markdown file: what stands between two lines `---` at its beginning.
//!
//! A block that is no YAML, or more of it than `yaml.rs` reads, makes no head: it stays where it is, as a
//! part of the text.

use serde_json::Value;

use super::yaml;
use crate::model::Metadata;

/// A text in its two parts.
#[derive(Debug, Default)]
pub(super) struct Parted<'a> {
    pub(super) head: Metadata,
    pub(super) body: &'a str,
    /// Whether it begins with a block that looks like a head and is none.
    pub(super) is_odd: bool,
}

const FENCE: &str = "---";
const ENDS: [&str; 2] = [FENCE, "..."];
/// Bytes of a head; twice what a memory of ours has beside its text.
const HEAD_BYTES: usize = 128 << 10;

/// Takes the head off a text.
pub(super) fn part(text: &str) -> Parted<'_> {
    let whole = Parted { body: text, ..Parted::default() };
    let Some((block, body)) = block(text) else { return whole };
    match yaml::read(block) {
        Some(head) => Parted { head, body, is_odd: false },
        None => Parted { is_odd: true, ..whole },
    }
}

/// The lines between the fences at the beginning of a text, and what stands behind them.
pub(super) fn block(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = text.split_once('\n')?;
    let mut length = 0;
    if first.trim_end() != FENCE {
        return None;
    }
    for line in rest.split_inclusive('\n') {
        if ENDS.contains(&line.trim_end()) {
            let (block, behind) = rest.split_at(length);
            return Some((block, behind.get(line.len()..).unwrap_or_default()));
        }
        length += line.len();
        if length > HEAD_BYTES {
            return None;
        }
    }
    None
}

/// What a head says under the first of several names that says something, however it is written.
pub(super) fn said(head: &Metadata, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| word(find(head, name)?))
}

/// A value of a head by its name, in small or large letters.
pub(super) fn find<'a>(head: &'a Metadata, name: &str) -> Option<&'a Value> {
    head.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Names in a list, in a text with commas, or one behind another with `#` before each.
pub(super) fn listed(value: Option<&Value>) -> Vec<String> {
    let names: Vec<String> = match value {
        Some(Value::Array(items)) => items.iter().filter_map(word).collect(),
        Some(value) => {
            let text = word(value).unwrap_or_default();
            let is_marked = text.starts_with('#') && !text.contains(',');
            let parts: Vec<&str> = match is_marked {
                true => text.split_whitespace().collect(),
                false => text.split(',').collect(),
            };
            parts.into_iter().map(str::to_owned).collect()
        }
        None => Vec::new(),
    };
    let names = names.iter().map(|name| name.trim().trim_start_matches('#').to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

/// A word as text; nothing of what says nothing, or is a list.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_head_ends_at_its_fence_and_a_rule_is_none() {
        let parted = part("---\na: 1\n---\n\nText\n---\nmore");
        assert_eq!((parted.head["a"].clone(), parted.body), (json!(1), "\nText\n---\nmore"));
        let odd = part("---\nwords\n---\nText");
        assert!(odd.is_odd && odd.body.starts_with("---\nwords") && odd.head.is_empty());
        for text in ["", "---", "---\na: 1", "Text\n---\na: 1\n---\n", "----\na: 1\n---\n"] {
            let parted = part(text);
            assert!(!parted.is_odd && parted.body == text && parted.head.is_empty(), "{text}");
        }
    }

    #[test]
    fn tags_are_names_in_every_spelling() {
        for value in [json!(["#a", "b"]), json!("a, b"), json!("#a #b"), json!("#a, #b")] {
            assert_eq!(listed(Some(&value)), ["a", "b"], "{value}");
        }
        assert!(listed(Some(&json!(null))).is_empty() && listed(None).is_empty());
    }
}
