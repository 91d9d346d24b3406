//! Reading the fields of somebody else's objects, of which any may be missing or of another sort.

use serde_json::{Map, Value};

use crate::model::{EventTime, Metadata, Timestamp};

/// A text that says something.
pub(super) fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str().filter(|text| !text.trim().is_empty())
}

/// The first of several names that has a text.
pub(super) fn first_text<'a>(object: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| text(object, name))
}

/// An id, which may be a number.
pub(super) fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A moment: seconds or milliseconds since 1970, or any usual spelling, without a zone in UTC.
pub(super) fn moment(value: &Value) -> Option<EventTime> {
    match value {
        Value::Number(number) => EventTime::read(&number.to_string()).ok(),
        Value::String(text) => EventTime::read(text).ok(),
        _ => None,
    }
}

/// The first of several names that has a moment.
pub(super) fn first_moment(object: &Map<String, Value>, names: &[&str]) -> Option<EventTime> {
    names.iter().find_map(|name| moment(object.get(*name)?))
}

/// The same without how exact it is.
pub(super) fn first_time(object: &Map<String, Value>, names: &[&str]) -> Option<Timestamp> {
    first_moment(object, names).map(|moment| moment.at)
}

/// Names in a list, in a text with commas, or in a text that is such a list as JSON.
pub(super) fn names(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(Value::String(text)) => match serde_json::from_str::<Vec<String>>(text) {
            Ok(names) => names,
            Err(_) => text.split(',').map(|name| name.trim().to_owned()).collect(),
        },
        _ => Vec::new(),
    }
}

/// The kind that a word of another product's means here, if it is one. None of their words makes an
/// instruction.
pub(super) fn kind_of(word: &str) -> Option<&'static str> {
    match spelled(word).as_str() {
        "note" | "observation" | "memory" => Some("note"),
        "fact" | "knowledge" => Some("fact"),
        "preference" | "user_preference" => Some("preference"),
        "decision" | "architecture_decision" => Some("decision"),
        "task" | "todo" => Some("task"),
        "conversation" => Some("conversation"),
        _ => None,
    }
}

/// A word as it is compared: in small letters, with `_` between its parts.
pub(super) fn spelled(word: &str) -> String {
    word.trim().to_lowercase().replace([' ', '-'], "_")
}

/// The fields that nobody has taken.
pub(super) fn rest(object: Map<String, Value>, taken: &[&str]) -> Metadata {
    object.into_iter().filter(|(name, _)| !taken.contains(&name.as_str())).collect()
}

/// Metadata as an object, as JSON text, or as nothing.
pub(super) fn unfolded(value: Option<&Value>) -> Metadata {
    match value {
        Some(Value::Object(fields)) => fields.clone(),
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        _ => Metadata::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_and_names_are_read_in_every_spelling() {
        let noon = "2024-05-01T10:00:00.000Z";
        for value in [
            json!(1_714_557_600),
            json!(1_714_557_600_000_i64),
            json!(1_714_557_600.0),
            json!("1714557600"),
            json!("2024-05-01T10:00:00"),
            json!("2024-05-01 10:00:00+00:00"),
        ] {
            assert_eq!(moment(&value).unwrap().at.to_string(), noon, "{value}");
        }
        assert_eq!((moment(&json!(null)), moment(&json!(""))), (None, None));
        for value in [json!(["a", "b"]), json!("a, b"), json!("[\"a\", \"b\"]")] {
            assert_eq!(names(Some(&value)), ["a", "b"], "{value}");
        }
    }
}
