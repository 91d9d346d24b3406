//! How clients spell arguments. A model sends `"5"`, a query string can send nothing else, and some
//! frameworks write lists as JSON text; each of these has one meaning, which is taken.
//!
//! [`read`] turns what came into the one spelling that the types of `model` read, or into nothing
//! where nothing was said: a blank text and an empty list say nothing.

use serde_json::{Number, Value};

use super::field::Shape;
use crate::model::{EventTime, json};

/// A list in an argument is at most this long.
const MOST_ITEMS: usize = 1_000;

/// What was said, in its one spelling; nothing if it says nothing.
pub(super) fn read(shape: Shape, value: Value) -> Result<Option<Value>, String> {
    if is_blank(shape, &value) {
        return Ok(None);
    }
    let refuse = || format!("expected {}", shape.expected());
    let value = if matches!(shape, Shape::Object | Shape::Objects | Shape::Turns) {
        unfolded(value).ok_or_else(refuse)?
    } else {
        value
    };
    if let Some(items) = value.as_array().filter(|items| items.len() > MOST_ITEMS) {
        return Err(format!("holds {} items; the limit is {MOST_ITEMS}", items.len()));
    }
    match shape {
        Shape::Text => Some(value).filter(Value::is_string),
        Shape::Query => text(value),
        Shape::Name | Shape::Id => text(value).map(trimmed),
        Shape::Ids | Shape::Names => return list(value, text).ok_or_else(refuse),
        Shape::Word(words) => word(&value, words),
        Shape::Words(words) => return list(value, |item| word(&item, words)).ok_or_else(refuse),
        Shape::Whole { least, most } => whole(&value, least, most),
        Shape::Positive { most } => number(&value)
            .filter(|number| *number > 0.0 && *number <= f64::from(most))
            .map(number_value),
        Shape::Share { least, most } => {
            let span = f64::from(least)..=f64::from(most);
            number(&value).filter(|number| span.contains(number)).map(number_value)
        }
        Shape::Flag => flag(&value).map(Value::Bool),
        Shape::Moment => moment(&value, EventTime::read),
        Shape::EndMoment => moment(&value, EventTime::read_end),
        Shape::Object => Some(value).filter(Value::is_object),
        Shape::Objects => Some(value).filter(|value| {
            value.as_array().is_some_and(|items| items.iter().all(Value::is_object))
        }),
        Shape::Turns => turns(value),
    }
    .map(Some)
    .ok_or_else(refuse)
}

/// A text that is to be kept may be blank: its verb says what that means.
fn is_blank(shape: Shape, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => shape != Shape::Text && text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Numbers stand for their digits where a name or a question is wanted.
fn text(value: Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(value),
        Value::Number(number) => Some(Value::String(number.to_string())),
        _ => None,
    }
}

fn trimmed(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.trim().to_owned()),
        other => other,
    }
}

fn word(value: &Value, words: &[&str]) -> Option<Value> {
    let said = value.as_str()?.trim();
    words.iter().find(|word| word.eq_ignore_ascii_case(said)).map(|word| Value::from(*word))
}

/// A list, one item, JSON text of either, or items with commas between them.
fn list(value: Value, item: impl Fn(Value) -> Option<Value>) -> Option<Option<Value>> {
    let items = match value {
        Value::Array(items) => items,
        Value::String(line) => match json::read(line.as_bytes()) {
            Ok(Value::Array(items)) => items,
            Ok(only @ Value::String(_)) => vec![only],
            _ => line.split(',').map(Value::from).collect(),
        },
        other => vec![other],
    };
    if items.len() > MOST_ITEMS {
        return None;
    }
    let said = items.into_iter().filter(|item| !item.is_null());
    let items: Vec<Value> = said.map(|value| item(value).map(trimmed)).collect::<Option<_>>()?;
    let items: Vec<Value> = items.into_iter().filter(|item| *item != "").collect();
    Some((!items.is_empty()).then_some(Value::Array(items)))
}

fn whole(value: &Value, least: u32, most: u32) -> Option<Value> {
    let number = number(value).filter(|number| number.fract() == 0.0)?;
    let span = f64::from(least)..=f64::from(most);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the span")]
    let whole = span.contains(&number).then_some(number as u32)?;
    Some(Value::from(whole))
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

fn number_value(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_f64()? {
            1.0 => Some(true),
            0.0 => Some(false),
            _ => None,
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn moment<E>(value: &Value, read: impl Fn(&str) -> Result<EventTime, E>) -> Option<Value> {
    let moment = match value {
        Value::String(text) => read(text).ok()?,
        Value::Number(number) => read(&number.to_string()).ok()?,
        _ => return None,
    };
    Some(Value::String(moment.to_string()))
}

/// What some frameworks send as JSON text. It is read as strictly as a body.
fn unfolded(value: Value) -> Option<Value> {
    match value {
        Value::String(text) => json::read(text.as_bytes()).ok(),
        other => Some(other),
    }
}

fn turns(value: Value) -> Option<Value> {
    let turns = match value {
        Value::Array(turns) => turns,
        one @ Value::Object(_) => vec![one],
        _ => return None,
    };
    turns.iter().all(Value::is_object).then_some(Value::Array(turns))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(shape: Shape, value: Value) -> Option<Value> {
        read(shape, value).unwrap()
    }

    #[test]
    fn blank_says_nothing() {
        let words = Shape::Word(&["a", "b"]);
        for shape in [Shape::Name, Shape::Id, Shape::Ids, Shape::Names, words, Shape::Moment] {
            for blank in [json!(null), json!(""), json!("  "), json!([])] {
                assert_eq!(said(shape, blank.clone()), None, "{shape:?} {blank}");
            }
        }
        assert_eq!(said(Shape::Names, json!(["", null])), None);
        assert_eq!(said(Shape::Names, json!("[]")), None);
    }

    #[test]
    fn a_list_may_come_in_four_spellings() {
        for spelling in
            [json!(["a", "b"]), json!("a, b,"), json!("[\"a\",\"b\"]"), json!([" a", "b "])]
        {
            assert_eq!(said(Shape::Names, spelling), Some(json!(["a", "b"])));
        }
        assert_eq!(said(Shape::Names, json!("a")), Some(json!(["a"])));
        assert!(read(Shape::Names, json!({ "a": 1 })).is_err());
        assert!(read(Shape::Ids, json!(vec!["x"; MOST_ITEMS + 1])).is_err());
    }

    #[test]
    fn a_list_of_objects_has_an_end_and_json_text_says_nothing_twice() {
        let turns = json!(vec![json!({ "content": "x" }); MOST_ITEMS + 1]);
        let told = "holds 1001 items; the limit is 1000";
        for shape in [Shape::Turns, Shape::Objects] {
            assert_eq!(read(shape, turns.clone()).unwrap_err(), told);
            assert_eq!(read(shape, turns.to_string().into()).unwrap_err(), told);
        }
        assert_eq!(said(Shape::Object, json!("{\"a\": 1}")), Some(json!({ "a": 1 })));
        assert!(read(Shape::Object, json!("{\"a\": 1, \"a\": 2}")).is_err());
    }

    #[test]
    fn numbers_flags_and_words_are_read_in_every_usual_spelling() {
        let whole = Shape::Whole { least: 1, most: 100 };
        for five in [json!(5), json!(5.0), json!("5"), json!("5.0"), json!("05")] {
            assert_eq!(said(whole, five), Some(json!(5)));
        }
        for odd in [json!(0), json!(101), json!(5.5), json!("five"), json!(true), json!("nan")] {
            assert_eq!(read(whole, odd).unwrap_err(), "expected a whole number from 1 to 100");
        }
        for yes in [json!(true), json!("True"), json!(1), json!("yes")] {
            assert_eq!(said(Shape::Flag, yes), Some(json!(true)));
        }
        assert_eq!(said(Shape::Word(&["auto", "keyword"]), json!("Auto")), Some(json!("auto")));
        assert_eq!(said(Shape::Query, json!(2024)), Some(json!("2024")));
        assert!(read(Shape::Text, json!(42)).is_err(), "what is kept must have been written");
        assert_eq!(said(Shape::Text, json!(" ")), Some(json!(" ")), "its verb decides");
    }
}
