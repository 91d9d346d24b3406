use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};

use crate::actors::Sessions;
use crate::engine::{Arguments, Noted, Said, Spoken, USER_ID};
use crate::error::Error;
use crate::http::body::JsonBody;
use crate::http::front::PathId;
use crate::model::{Caller, UserId};
use crate::older::{Asking, OlderCall};

/// What a REST call asks for: arguments from its path, query and body, and whose memories are
/// meant.
pub(super) struct Ask {
    user: Option<UserId>,
    arguments: Arguments,
}

/// Answers a route whose whole work is one verb with its arguments in the query string.
pub(super) async fn by_query<V: Spoken>(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_query::<V>(&request)?;
    ask.run::<V, _>(&sessions, &caller, |answer| HttpResponse::Ok().json(answer)).await
}

/// The same with the arguments in a JSON body.
pub(super) async fn by_body<V: Spoken>(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    body: JsonBody,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_body(&request, body)?;
    ask.run::<V, _>(&sessions, &caller, |answer| HttpResponse::Ok().json(answer)).await
}

/// Carries out a call of an older server with the arguments of the query.
pub(super) async fn older_by_query(
    call: &'static OlderCall,
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_older_query(call, &request)?;
    Ok(HttpResponse::Ok().json(ask.run_older(call, &sessions, &caller).await?))
}

/// The same with the arguments in a JSON body.
pub(super) async fn older_by_body(
    call: &'static OlderCall,
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    body: JsonBody,
) -> Result<HttpResponse, Error> {
    let ask = Ask::of_body(&request, body)?;
    Ok(HttpResponse::Ok().json(ask.run_older(call, &sessions, &caller).await?))
}

/// The caller as whom a call without arguments acts: for another user, if the query names one.
pub(super) fn acting(
    request: &HttpRequest,
    sessions: &Sessions,
    caller: &Caller,
) -> Result<Caller, Error> {
    Ok(acting_with(request, sessions, caller, |_| ())?.0)
}

/// The same where the query may have more arguments, which are taken out of it.
pub(super) fn acting_with<T>(
    request: &HttpRequest,
    sessions: &Sessions,
    caller: &Caller,
    take: impl FnOnce(&mut Arguments) -> T,
) -> Result<(Caller, T), Error> {
    let Ask { user, mut arguments } = Ask::new(request, query(request, |_| false)?)?;
    let taken = take(&mut arguments);
    let taken = arguments.finish(taken, true)?.verb;
    Ok((sessions.acting_for(caller, user)?, taken))
}

impl Ask {
    /// Reads the query string. The verb says which names may stand there more than once and then
    /// make a list.
    fn of_query<V: Spoken>(request: &HttpRequest) -> Result<Self, Error> {
        let fields = V::fields();
        let is_list = |name: &str| fields.iter().any(|field| field.name == name && field.is_list());
        Self::new(request, query(request, is_list)?)
    }

    /// The same for a call of an older server.
    pub(super) fn of_older_query(call: &OlderCall, request: &HttpRequest) -> Result<Self, Error> {
        let is_list =
            |name: &str| call.fields.iter().any(|field| field.name == name && field.is_list());
        Self::new(request, query(request, is_list)?)
    }

    /// Reads the body. Of the query only `user_id` counts.
    pub(super) fn of_body(
        request: &HttpRequest,
        JsonBody(mut body): JsonBody,
    ) -> Result<Self, Error> {
        if let Some(user) = query(request, |_| false)?.shift_remove(USER_ID.name) {
            let said = |user: &Value| !user.is_null() && user.as_str() != Some("");
            if !body.get(USER_ID.name).is_some_and(said) {
                body.insert(USER_ID.name.to_owned(), user);
            }
        }
        let ask = Self::new(request, body)?;
        Ok(if request.method() == Method::PATCH { ask.with_nulls_that_clear() } else { ask })
    }

    /// Adds what the path says, which nothing else can overrule.
    fn new(request: &HttpRequest, values: Map<String, Value>) -> Result<Self, Error> {
        let mut arguments = Arguments::new(values);
        let user = arguments.take(&USER_ID);
        if let Some(id) = PathId::of(request)? {
            arguments.set("id", Value::from(id.0.to_string()));
        }
        Ok(Self { user, arguments })
    }

    /// As JSON Merge Patch has it: `null` clears a field.
    fn with_nulls_that_clear(mut self) -> Self {
        self.arguments = self.arguments.with_nulls_that_clear();
        self
    }

    /// Carries out a call of an older server.
    pub(super) async fn run_older(
        self,
        call: &OlderCall,
        sessions: &Sessions,
        caller: &Caller,
    ) -> Result<Map<String, Value>, Error> {
        let caller = sessions.acting_for(caller, self.user)?;
        let asking = Asking { sessions, caller: &caller };
        Ok((call.run)(asking, self.arguments).await?.body)
    }

    /// Makes the verb and carries it out. The answer is dressed while the disk may still work.
    pub(super) async fn run<V: Spoken, T>(
        self,
        sessions: &Sessions,
        caller: &Caller,
        dress: impl FnOnce(Noted<V::Answer>) -> T,
    ) -> Result<T, Error> {
        let Said { verb, ignored } = V::parse(self.arguments)?;
        let dress = |answer| dress(Noted { answer, ignored });
        Ok(sessions.ask_for(caller, self.user, verb, dress).await?)
    }
}

/// Reads the query string. A name without a value counts as not said.
pub(super) fn query(
    request: &HttpRequest,
    is_list: impl Fn(&str) -> bool,
) -> Result<Map<String, Value>, Error> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let pairs = pairs.map_err(|_| Error::BadQuery)?.into_inner();
    let mut values = Map::new();
    for (name, value) in pairs {
        match values.get_mut(&name) {
            None if value.is_empty() => {}
            None => drop(values.insert(name, Value::from(value))),
            // `?tags=a,b&tags=c` are three.
            Some(Value::Array(list)) => list.extend(value.split(',').map(Value::from)),
            Some(first) if is_list(&name) => {
                let both = format!("{},{value}", first.as_str().unwrap_or_default());
                *first = both.split(',').map(Value::from).collect();
            }
            Some(_) => return Err(Error::BadQuery),
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_a_list_may_stand_in_the_query_twice() {
        let read = |uri: &str| {
            let request = TestRequest::with_uri(uri).to_http_request();
            query(&request, |name| name == "tags").map(Value::Object)
        };

        assert_eq!(read("/?tags=a&tags=b&tags=c").unwrap()["tags"][2], "c");
        assert_eq!(read("/?query=&query=x").unwrap(), serde_json::json!({ "query": "x" }));
        assert!(matches!(read("/?limit=1&limit=2"), Err(Error::BadQuery)));
    }
}
