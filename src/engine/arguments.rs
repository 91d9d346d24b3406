use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The arguments of a call as they came, read field by field. Every problem is kept, so that the
/// caller learns all of them at once.
#[derive(Debug, Default)]
pub struct Arguments {
    values: Map<String, Value>,
    problems: Vec<FieldProblem>,
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

impl Arguments {
    #[must_use]
    pub fn new(values: Map<String, Value>) -> Self {
        Self { values, problems: Vec::new() }
    }

    /// Reads a value that must be a JSON object.
    pub fn parse(value: Value) -> Result<Self, InvalidArguments> {
        match value {
            Value::Object(values) => Ok(Self::new(values)),
            Value::Null => Ok(Self::default()),
            _ => Err(InvalidArguments::one("arguments", "expected an object")),
        }
    }

    /// Takes a field that may be left out. `null` counts as left out.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.values.shift_remove(name).filter(|value| !value.is_null())?;
        match read(value) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.refuse(name, &problem);
                None
            }
        }
    }

    /// Takes a field that must be there. Its stand-in is never used: [`Arguments::finish`] refuses.
    pub fn require<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        if self.values.get(name).is_none_or(Value::is_null) {
            self.values.shift_remove(name);
            self.refuse(name, "is required");
        }
        self.take(name).unwrap_or_default()
    }

    /// Takes a field where `null` means "clear it".
    pub fn change<T: DeserializeOwned>(&mut self, name: &str) -> Change<T> {
        if self.values.get(name).is_some_and(Value::is_null) {
            self.values.shift_remove(name);
            return Change::Clear;
        }
        self.take(name).map_or(Change::Keep, Change::Set)
    }

    /// Adds a field that the caller gave elsewhere, such as in a path.
    pub fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.is_null())
    }

    pub fn refuse(&mut self, field: &str, problem: &str) {
        let (field, problem) = (field.to_owned(), problem.to_owned());
        self.problems.push(FieldProblem { field, problem });
    }

    /// Gives out the verb if every field was known and fit.
    pub fn finish<T>(mut self, verb: T) -> Result<T, InvalidArguments> {
        for name in std::mem::take(&mut self.values).keys() {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            self.refuse(&shown, "is not an argument of this call");
        }
        if self.problems.is_empty() {
            Ok(verb)
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

/// Models and query strings send numbers, booleans and lists as text; what reads well is taken.
fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    let text = value.as_str().map(str::to_owned);
    serde_json::from_value(value).map_err(|error| tidy(&error.to_string())).or_else(|problem| {
        let inner = text.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let inner = inner.filter(|inner| !inner.is_string()).ok_or_else(|| problem.clone())?;
        serde_json::from_value(inner).map_err(|_| problem)
    })
}

/// serde quotes what it was given; a long value would drown the message, and could be private.
fn tidy(message: &str) -> String {
    let Some((head, tail)) = message.split_once("string \"") else {
        return message.to_owned();
    };
    match tail.rsplit_once("\", expected") {
        Some((_, expected)) => format!("{head}string, expected{expected}"),
        None => message.to_owned(),
    }
}

fn list(fields: &[FieldProblem]) -> String {
    let lines: Vec<String> =
        fields.iter().map(|field| format!("{}: {}", field.field, field.problem)).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_problem_is_told_at_once() {
        let mut arguments = Arguments::parse(json!({ "limit": "many", "colour": 1 })).unwrap();

        arguments.require::<String>("query");
        arguments.take::<u32>("limit");
        let refused = arguments.finish(()).unwrap_err();

        let fields: Vec<_> = refused.fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(fields, ["query", "limit", "colour"]);
        assert!(!refused.to_string().contains("many"), "{refused}");
    }

    #[test]
    fn a_number_may_come_as_text() {
        let mut arguments =
            Arguments::parse(json!({ "limit": "10", "pinned": "true", "id": "10" })).unwrap();

        assert_eq!(arguments.take::<u32>("limit"), Some(10));
        assert_eq!(arguments.take::<bool>("pinned"), Some(true));
        assert_eq!(arguments.take::<String>("id"), Some("10".to_owned()));
        assert!(arguments.finish(()).is_ok());
    }
}
