use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::field::Field;
use super::spelling;
use super::verb::Said;
use crate::model::foreign::shortened;

/// The arguments of a call as they came, read field by field. Every problem is kept, so that the
/// caller learns all of them at once.
#[derive(Debug, Default)]
pub struct Arguments {
    values: Map<String, Value>,
    problems: Vec<FieldProblem>,
    nulls: Nulls,
    /// How many tokens an answer may fill where the call does not say.
    budget: Option<usize>,
    /// Names of fields that the call wants cleared.
    cleared: Vec<String>,
    /// What was asked for, so that a test can hold it against what is declared.
    #[cfg(test)]
    pub(super) asked: Vec<&'static str>,
}

/// What programs around a model are known to add to every call. It says nothing of the call itself.
const OF_HARNESSES: [&str; 9] = [
    "_meta",
    "action",
    "chatInput",
    "random_string",
    "security_context",
    "sessionId",
    "task_progress",
    "toolCallId",
    "tool_call_id",
];
/// What a model is given at once by default. Clients end a call that answers with more than some
/// 25,000 tokens.
pub const MODEL_TOKENS: usize = 10_000;
/// More unknown names are not told one by one.
const MOST_IGNORED: usize = 20;

/// What `null` says of a field that can be cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Nulls {
    /// Nothing: frameworks write `null` for whatever was not filled in.
    #[default]
    SayNothing,
    Clear,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    pub field: String,
    pub problem: String,
}

/// Arguments that do not fit their verb.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(.fields))]
pub struct InvalidArguments {
    pub fields: Vec<FieldProblem>,
}

/// A field of an update: left alone, cleared, or set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Change<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Change<T> {
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Keep => Change::Keep,
            Self::Clear => Change::Clear,
            Self::Set(value) => Change::Set(of(value)),
        }
    }
}

impl Arguments {
    #[must_use]
    pub fn new(values: Map<String, Value>) -> Self {
        Self { values, ..Self::default() }
    }

    /// Reads a value that must be a JSON object.
    #[cfg(test)]
    pub fn parse(value: Value) -> Result<Self, InvalidArguments> {
        match value {
            Value::Object(values) => Ok(Self::new(values)),
            Value::Null => Ok(Self::default()),
            _ => Err(InvalidArguments::one("arguments", "expected an object")),
        }
    }

    /// Has `null` clear a field, as JSON Merge Patch does (RFC 7396).
    #[must_use]
    pub fn with_nulls_that_clear(mut self) -> Self {
        self.nulls = Nulls::Clear;
        self
    }

    /// Bounds the answers by default: a model has to read them whole.
    #[must_use]
    pub fn for_a_model(mut self) -> Self {
        self.budget = Some(MODEL_TOKENS);
        self
    }

    /// How many tokens an answer may fill where the call does not say; nothing if as many as it
    /// likes.
    #[must_use]
    pub fn budget(&self) -> Option<usize> {
        self.budget
    }

    /// What was not taken yet, as it came.
    #[must_use]
    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// All of it as it came, for a face that reads by rules of its own.
    #[must_use]
    pub fn into_values(self) -> Map<String, Value> {
        self.values
    }

    /// Whether something was refused already.
    #[must_use]
    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// What is said under a name, as it came.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Whether something is said under a name.
    #[must_use]
    pub fn says(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes a field that may be left out. `null` and what is blank count as left out.
    pub fn take<T: DeserializeOwned>(&mut self, field: &Field) -> Option<T> {
        match fit(self.said(field)?) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.refuse(field.name, &problem);
                None
            }
        }
    }

    fn said(&mut self, field: &Field) -> Option<Value> {
        #[cfg(test)]
        self.asked.push(field.name);
        let value = self.values.shift_remove(field.name)?;
        match spelling::read(field.shape, value) {
            Ok(said) => said,
            Err(problem) => {
                self.refuse(field.name, &problem);
                None
            }
        }
    }

    /// Takes a field that must be there. Its stand-in is never used: [`Arguments::finish`] refuses.
    pub fn require<T: DeserializeOwned + Default>(&mut self, field: &Field) -> T {
        let taken = self.take(field);
        if taken.is_none() {
            self.refuse_missing(field, "is required");
        }
        taken.unwrap_or_default()
    }

    /// Takes the argument that names the fields to clear, before these are taken themselves.
    pub fn take_cleared(&mut self, field: &Field) {
        self.cleared = self.take(field).unwrap_or_default();
    }

    /// Takes a field that can be cleared: by name, or by `null` where that was agreed.
    pub fn change<T: DeserializeOwned>(&mut self, field: &Field) -> Change<T> {
        let is_null = self.values.get(field.name).is_some_and(Value::is_null);
        let is_cleared = self.cleared.iter().any(|name| name == field.name);
        match self.take(field) {
            Some(_) if is_cleared => {
                self.refuse(field.name, "cannot be set and cleared at once");
                Change::Keep
            }
            Some(value) => Change::Set(value),
            None if is_cleared || (is_null && self.nulls == Nulls::Clear) => Change::Clear,
            None => Change::Keep,
        }
    }

    /// Adds a field that the caller gave elsewhere, such as in a path.
    pub fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    pub fn refuse(&mut self, field: &str, problem: &str) {
        let (field, problem) = (field.to_owned(), problem.to_owned());
        self.problems.push(FieldProblem { field, problem });
    }

    /// Refuses a field that is not there, unless it was refused for what it is.
    pub fn refuse_missing(&mut self, field: &Field, problem: &str) {
        if self.problems.iter().all(|other| other.field != field.name) {
            self.refuse(field.name, problem);
        }
    }

    /// Gives out the verb if every field fit, with the names that nobody knows.
    pub fn finish<V>(self, verb: V, refuses_unknown: bool) -> Result<Said<V>, InvalidArguments> {
        Ok(Said { verb, ignored: self.ignored(refuses_unknown)? })
    }

    fn ignored(mut self, refuses_unknown: bool) -> Result<Vec<String>, InvalidArguments> {
        let values = std::mem::take(&mut self.values);
        let unknown = values.keys().filter(|name| !OF_HARNESSES.contains(&name.as_str()));
        let ignored: Vec<String> = unknown
            .take(MOST_IGNORED)
            .map(|name| name.chars().filter(|c| !c.is_control()).take(64).collect())
            .collect();
        if refuses_unknown {
            for name in &ignored {
                self.refuse(name, "is not an argument of this call");
            }
        }
        if self.problems.is_empty() {
            Ok(ignored)
        } else {
            Err(InvalidArguments { fields: self.problems })
        }
    }
}

impl InvalidArguments {
    #[must_use]
    pub fn one(field: &str, problem: &str) -> Self {
        let (field, problem) = (field.to_owned(), problem.to_owned());
        Self { fields: vec![FieldProblem { field, problem }] }
    }
}

/// The spelling is right by now; what is still refused is refused by the type itself, in its words.
fn fit<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| shortened(&error.to_string()).into_owned())
}

fn list(fields: &[FieldProblem]) -> String {
    let lines: Vec<String> =
        fields.iter().map(|field| format!("{}: {}", field.field, field.problem)).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::field::Shape;
    use serde_json::json;

    const QUERY: Field = Field::required("query", Shape::Text, "");
    const LIMIT: Field = Field::new("limit", Shape::Whole { least: 1, most: 100 }, "");
    const TITLE: Field = Field::new("title", Shape::Name, "");

    #[test]
    fn every_problem_is_told_at_once() {
        let mut arguments = Arguments::parse(json!({ "limit": "many", "colour": 1 })).unwrap();

        arguments.require::<String>(&QUERY);
        arguments.take::<u32>(&LIMIT);
        let refused = arguments.finish((), true).unwrap_err();

        let fields: Vec<_> = refused.fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(fields, ["query", "limit", "colour"]);
        assert!(!refused.to_string().contains("many"), "{refused}");
    }

    #[test]
    fn what_nobody_knows_is_told_and_what_harnesses_add_is_not() {
        let given = json!({ "query": "tea", "colour": 1, "toolCallId": "call_1" });
        let mut arguments = Arguments::parse(given).unwrap();

        arguments.require::<String>(&QUERY);

        assert_eq!(arguments.finish((), false).unwrap().ignored, ["colour"]);
    }

    #[test]
    fn what_is_required_and_wrong_is_one_problem() {
        let mut arguments = Arguments::parse(json!({ "query": { "text": "tea" } })).unwrap();

        arguments.require::<String>(&QUERY);

        let refused = arguments.finish((), false).unwrap_err();
        assert_eq!(refused.to_string(), "query: expected text");
    }

    #[test]
    fn null_clears_only_where_it_was_agreed() {
        let arguments = || Arguments::parse(json!({ "title": null })).unwrap();

        assert_eq!(arguments().change::<String>(&TITLE), Change::Keep);
        let mut patch = arguments().with_nulls_that_clear();
        assert_eq!(patch.change::<String>(&TITLE), Change::Clear);
    }
}
