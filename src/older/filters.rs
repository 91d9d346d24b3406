//! Whom a memory came by, and the filters of the Mem0 server.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::mem0::{AGENT_ID, APP_ID, FILTERS, RUN_ID};
use crate::engine::{Arguments, Field};
use crate::model::{Tag, Tags, UserId};

/// The identifiers besides the user's: of an agent, of a run, of an application.
#[derive(Debug, Default)]
pub struct Identifiers(Vec<(&'static str, String)>);

const NAMES: [&Field; 3] = [&AGENT_ID, &RUN_ID, &APP_ID];

impl Identifiers {
    /// Takes those that a call names, at its top or in its filters. `*`, any value, is told apart from
    /// nothing: it is no limit to what is found, and no choice of what is deleted.
    pub fn take(arguments: &mut Arguments) -> Self {
        let mut named = Vec::new();
        for field in NAMES {
            let filters = arguments.get(FILTERS.name).and_then(Value::as_object);
            let of_filters = filters.and_then(|filters| filters.get(field.name)?.as_str());
            let of_filters = of_filters.map(str::to_owned);
            if let Some(value) = arguments.take::<String>(field).or(of_filters) {
                named.push((field.name, value));
            }
        }
        Self(named)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses what names nobody, where something is destroyed.
    pub fn refuse_any(&self, arguments: &mut Arguments) {
        for (name, _) in self.0.iter().filter(|(_, value)| value == ANY) {
            arguments.refuse(name, "say which one; * names none");
        }
    }

    /// The tags by which such memories are found again. What makes no tag is refused.
    pub fn tags(&self, arguments: &mut Arguments) -> Tags {
        let mut tags = Vec::new();
        for (name, value) in self.0.iter().filter(|(_, value)| value != ANY) {
            // A comma parts two tags.
            let value = value.replace('%', "%25").replace(',', "%2C");
            match Tag::parse(&format!("{name}={value}")) {
                Ok(tag) => tags.push(tag),
                Err(_) => arguments.refuse(name, "is too long, or no text of one line"),
            }
        }
        Tags::from_vec(tags)
    }

    /// Those that a memory bears.
    pub(in crate::older) fn of(tags: &Tags) -> Vec<(&'static str, String)> {
        tags.as_slice().iter().filter_map(|tag| Self::of_tag(tag.as_str())).collect()
    }

    /// What a tag says, if it is one of these.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<(&'static str, String)> {
        let (name, value) = tag.split_once('=')?;
        let field = NAMES.into_iter().find(|field| field.name == name)?;
        Some((field.name, value.replace("%2C", ",").replace("%25", "%")))
    }
}

/// The user that filters name: one, in words that can be read. Several are refused, and so is what cannot
/// be read: it would be taken for nobody, and then for oneself.
pub fn user_in(arguments: &mut Arguments) -> Option<UserId> {
    let filters = arguments.get(FILTERS.name).and_then(Value::as_object);
    let mut named = Vec::new();
    filters.into_iter().for_each(|filters| users_in(filters, &mut named));
    named.dedup();
    let problem = match named.as_slice() {
        [] => return None,
        [Some(user)] => match UserId::parse(user) {
            Ok(user) => return Some(user),
            Err(_) => "user_id: expected a user id",
        },
        [None] => "user_id: expected the id of one user",
        [..] => "name several users; ask for one at a time",
    };
    arguments.refuse(FILTERS.name, problem);
    None
}

/// Whatever stands for a user anywhere but behind a NOT; nothing for what is no plain text.
fn users_in(filters: &Map<String, Value>, named: &mut Vec<Option<String>>) {
    for (name, wanted) in filters {
        match (name.as_str(), wanted) {
            ("user_id", Value::String(user)) if user == ANY => {}
            ("user_id", Value::String(user)) => named.push(Some(user.clone())),
            ("user_id", Value::Null) => {}
            ("user_id", _) => named.push(None),
            ("AND" | "OR", wanted) => each(wanted).for_each(|part| users_in(part, named)),
            _ => {}
        }
    }
}

/// Any value.
const ANY: &str = "*";

/// What is wanted of memories, no more than can be looked at for every one of them.
#[derive(Debug, Clone)]
pub struct Filters(Arc<Map<String, Value>>);

/// Names in all of a filter: fields, operators, `AND` and its like.
const MOST_CONDITIONS: usize = 200;
/// Values in all of its lists.
const MOST_VALUES: usize = 1_000;
/// How deep one condition may stand within others.
const MOST_DEPTH: usize = 12;
/// Of all its texts.
const MOST_BYTES: usize = 64 * 1024;

impl Filters {
    /// Takes those of a call. What holds too much is refused.
    pub fn take(arguments: &mut Arguments) -> Option<Self> {
        let filters: Map<String, Value> = arguments.take(&FILTERS)?;
        let mut size = FilterSize::default();
        size.add_fields(&filters, 0);
        if let Some(problem) = size.problem() {
            arguments.refuse(FILTERS.name, &problem);
            return None;
        }
        Some(Self(Arc::new(filters)))
    }

    pub(in crate::older) fn fits(&self, item: &Value) -> bool {
        fits(&self.0, item)
    }
}

/// How much a filter holds.
#[derive(Debug, Default)]
struct FilterSize {
    conditions: usize,
    values: usize,
    depth: usize,
    bytes: usize,
}

impl FilterSize {
    fn add(&mut self, value: &Value, depth: usize) {
        self.depth = self.depth.max(depth);
        match value {
            Value::String(text) => self.bytes = self.bytes.saturating_add(text.len()),
            Value::Array(items) => {
                self.values = self.values.saturating_add(items.len());
                items.iter().for_each(|item| self.add(item, depth + 1));
            }
            Value::Object(fields) => self.add_fields(fields, depth),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn add_fields(&mut self, fields: &Map<String, Value>, depth: usize) {
        self.conditions = self.conditions.saturating_add(fields.len());
        for (name, value) in fields {
            self.bytes = self.bytes.saturating_add(name.len());
            self.add(value, depth + 1);
        }
    }

    fn problem(&self) -> Option<String> {
        let limits = [
            (self.conditions, MOST_CONDITIONS, "conditions"),
            (self.values, MOST_VALUES, "values in lists"),
            (self.depth, MOST_DEPTH, "levels"),
            (self.bytes, MOST_BYTES, "bytes of text"),
        ];
        let (held, limit, what) = limits.into_iter().find(|(held, limit, _)| held > limit)?;
        Some(format!("hold {held} {what}; the limit is {limit}"))
    }
}

/// Whether an item fits a filter: every condition has to hold, `AND`, `OR` and `NOT` take lists, and what
/// is no field of the item is one of its metadata.
fn fits(filters: &Map<String, Value>, item: &Value) -> bool {
    filters.iter().all(|(name, wanted)| match name.as_str() {
        "AND" => each(wanted).all(|filters| fits(filters, item)),
        "OR" => each(wanted).any(|filters| fits(filters, item)),
        "NOT" => !each(wanted).any(|filters| fits(filters, item)),
        "metadata" => wanted.as_object().is_none_or(|wanted| {
            wanted.iter().all(|(name, wanted)| holds(of_metadata(item, name), wanted))
        }),
        name => holds(item.get(name).or_else(|| of_metadata(item, name)), wanted),
    })
}

fn each(filters: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    let one = filters.as_object();
    let many = filters.as_array().into_iter().flatten().filter_map(Value::as_object);
    one.into_iter().chain(many)
}

fn of_metadata<'a>(item: &'a Value, name: &str) -> Option<&'a Value> {
    item.get("metadata")?.get(name)
}

/// Whether a value is what is wanted: equal, or as an operator says.
fn holds(own: Option<&Value>, wanted: &Value) -> bool {
    let null = Value::Null;
    let own = own.unwrap_or(&null);
    let Some(rules) = wanted.as_object() else { return is_equal(own, wanted) };
    rules.iter().all(|(operator, wanted)| {
        let is_among =
            || wanted.as_array().is_some_and(|list| list.iter().any(|one| is_equal(own, one)));
        match operator.as_str() {
            "eq" => is_equal(own, wanted),
            "ne" => !is_equal(own, wanted),
            "in" => is_among(),
            "nin" => !is_among(),
            "gt" => is_above(own, wanted),
            "gte" => is_above(own, wanted) || is_equal(own, wanted),
            "lt" => is_above(wanted, own),
            "lte" => is_above(wanted, own) || is_equal(own, wanted),
            "contains" => contains(own, wanted, str::to_owned),
            "icontains" => contains(own, wanted, str::to_lowercase),
            _ => false,
        }
    })
}

/// A list holds what one of its items is; `*` is any value.
fn is_equal(own: &Value, wanted: &Value) -> bool {
    match (own, wanted) {
        (own, Value::String(any)) if any == ANY => !own.is_null(),
        (Value::Array(items), wanted) if !wanted.is_array() => items.contains(wanted),
        (Value::Number(own), Value::Number(wanted)) => own.as_f64() == wanted.as_f64(),
        (own, wanted) => own == wanted,
    }
}

/// Numbers by size, texts, and so times, letter by letter.
fn is_above(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one > other,
        (one, other) => one.as_f64().zip(other.as_f64()).is_some_and(|(one, other)| one > other),
    }
}

fn contains(own: &Value, wanted: &Value, spelled: fn(&str) -> String) -> bool {
    let wanted = wanted.as_str().map(spelled).unwrap_or_default();
    let holds = |own: &Value| own.as_str().is_some_and(|own| spelled(own).contains(&wanted));
    holds(own) || own.as_array().is_some_and(|items| items.iter().any(holds))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_has_an_end_in_every_direction() {
        let problem = |filters: Value| {
            let given = Map::from_iter([(FILTERS.name.to_owned(), filters)]);
            let mut arguments = Arguments::new(given);
            let taken = Filters::take(&mut arguments);
            assert_eq!(taken.is_none(), arguments.has_problems());
            arguments.finish((), false).err().map(|invalid| invalid.to_string())
        };
        let deep = |depth: usize| (0..depth).fold(json!({}), |inner, _| json!({ "AND": [inner] }));
        let any = |count: usize| json!({ "OR": vec![json!({ "k": 1 }); count] });

        assert_eq!(problem(any(100)), None);
        assert_eq!(problem(json!({ "user_id": { "in": vec!["x"; 1_000] } })), None);
        for (filters, what) in [
            (any(40_000), "conditions"),
            (json!({ "k": { "in": vec!["x"; 100_000] } }), "values"),
            (deep(20), "levels"),
            (json!({ "k": { "contains": "x".repeat(100_000) } }), "bytes"),
        ] {
            let told = problem(filters).unwrap();
            assert!(told.contains(what) && told.contains("the limit is"), "{told}");
        }
    }

    #[test]
    fn a_filter_holds_what_it_says() {
        let item = json!({
            "user_id": "alex", "agent_id": "cook", "created_at": "2026-01-02T00:00:00Z",
            "metadata": { "stars": 4, "topic": "Tea", "tags": ["green"] },
        });
        let holds = |filters: Value| fits(filters.as_object().unwrap(), &item);

        for yes in [
            json!({}),
            json!({ "user_id": "alex", "agent_id": "cook" }),
            json!({ "stars": 4.0 }),
            json!({ "stars": { "gte": 4, "lt": 5 } }),
            json!({ "AND": [{ "user_id": "alex" }, { "created_at": { "gte": "2026-01-01" } }] }),
            json!({ "OR": [{ "user_id": "ben" }, { "topic": { "icontains": "tea" } }] }),
            json!({ "NOT": [{ "user_id": "ben" }] }),
            json!({ "agent_id": "*", "tags": { "contains": "green" } }),
            json!({ "metadata": { "topic": { "in": ["Tea", "Coffee"] } } }),
        ] {
            assert!(holds(yes.clone()), "{yes}");
        }
        for no in [
            json!({ "user_id": "ben" }),
            json!({ "run_id": "*" }),
            json!({ "stars": { "gt": 4 } }),
            json!({ "topic": { "contains": "tea" } }),
            json!({ "OR": [] }),
            json!({ "stars": { "near": 4 } }),
        ] {
            assert!(!holds(no.clone()), "{no}");
        }
    }
}
