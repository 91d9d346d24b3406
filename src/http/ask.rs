use actix_web::{HttpRequest, web};
use serde_json::{Map, Value};

use crate::actors::Sessions;
use crate::engine::{Arguments, InvalidArguments, Spoken, USER_ID};
use crate::error::Error;
use crate::http::front::PathId;
use crate::model::{Caller, UserId};

/// What a REST call asks for: arguments from its query and body, and whose memories are meant.
pub(super) struct Ask {
    pub(super) user: Option<UserId>,
    pub(super) arguments: Arguments,
}

/// Query arguments that may stand there more than once and then make a list.
const LISTS: [&str; 5] = ["tags", "kind", "status", "include", "ids"];

impl Ask {
    /// Reads the query string; names that stand there twice make a list.
    pub(super) fn of_query(request: &HttpRequest) -> Result<Self, Error> {
        Ok(Self::new(query(request)?))
    }

    /// Reads the body. Of the query only `user_id` counts.
    pub(super) fn of_body(
        request: &HttpRequest,
        mut body: Map<String, Value>,
    ) -> Result<Self, Error> {
        if let Some(user) = query(request)?.shift_remove("user_id") {
            body.entry("user_id").or_insert(user);
        }
        Ok(Self::new(body))
    }

    /// Adds what the path says.
    pub(super) fn with(mut self, name: &str, id: PathId) -> Self {
        self.arguments.set(name, Value::from(id.0.to_string()));
        self
    }

    /// As JSON Merge Patch has it: `null` clears a field.
    pub(super) fn with_nulls_that_clear(mut self) -> Self {
        self.arguments = self.arguments.with_nulls_that_clear();
        self
    }

    fn new(values: Map<String, Value>) -> Self {
        let mut arguments = Arguments::new(values);
        Self { user: arguments.take(&USER_ID), arguments }
    }

    /// Makes the verb and carries it out.
    pub(super) async fn run<V: Spoken>(
        self,
        sessions: &Sessions,
        caller: &Caller,
    ) -> Result<V::Answer, Error> {
        let verb = V::parse(self.arguments).map_err(invalid)?;
        Ok(sessions.ask_for(caller, self.user, verb).await?)
    }
}

/// Arguments that do not fit, as the engine would say it.
pub(super) fn invalid(problem: InvalidArguments) -> Error {
    Error::from(crate::actors::CallError::from(crate::engine::EngineError::from(problem)))
}

fn query(request: &HttpRequest) -> Result<Map<String, Value>, Error> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let pairs = pairs.map_err(|_| Error::BadQuery)?.into_inner();
    let mut values = Map::new();
    for (name, value) in pairs {
        match values.get_mut(&name) {
            None if value.is_empty() => {}
            None => drop(values.insert(name, Value::from(value))),
            Some(Value::Array(list)) => list.push(Value::from(value)),
            Some(first) if LISTS.contains(&name.as_str()) => {
                *first = Value::from(vec![first.take(), Value::from(value)]);
            }
            Some(_) => return Err(Error::BadQuery),
        }
    }
    Ok(values)
}
