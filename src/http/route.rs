//! What one route is, said once. From rows like these are made what actix serves, 405 with its
//! `Allow`, the guard, and the description in `/openapi.json`.

use std::future::ready;

use actix_web::guard::fn_guard;
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, ResponseError};
use serde_json::Value;

use super::ask;
use super::compat::ai_memory;
use super::front::{Guard, OnPublicHost, guarded, no_route};
use super::ui::gate::gated;
use crate::engine::{Field, Spoken};
use crate::error::Error;
use crate::model::few;
use crate::older::OlderCall;

/// A method at a path: who may come, what answers, and what is told of it.
pub(super) struct Row {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) guard: Guard,
    pub(super) words: Words,
    route: actix_web::Route,
}

/// What the description says of a route.
#[derive(Default)]
pub(super) struct Words {
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    /// What stands in the path and the query.
    pub(super) query: Vec<&'static Field>,
    pub(super) takes_user: bool,
    pub(super) body: Option<BodyWords>,
    pub(super) answers: Vec<Promise>,
    /// Refusals of the handler do not look like those of the rest of REST.
    pub(super) has_own_errors: bool,
}

/// What a body holds.
pub(super) enum BodyWords {
    /// A JSON object with these fields, those in the path apart.
    Fields(Vec<&'static Field>),
    /// Something else, with its media type.
    Other(&'static str),
}

/// One status that a route answers with when all is well.
pub(super) struct Promise {
    pub(super) status: u16,
    pub(super) about: &'static str,
    pub(super) content: Content,
}

/// What an answer holds.
pub(super) enum Content {
    /// What the tool of this name answers.
    Tool(&'static str),
    /// JSON of this schema.
    Json(Value),
    /// Text of this media type.
    Text(&'static str),
    Nothing,
}

pub(super) fn get(path: &'static str) -> Row {
    Row::new(Method::GET, path)
}

pub(super) fn post(path: &'static str) -> Row {
    Row::new(Method::POST, path)
}

pub(super) fn put(path: &'static str) -> Row {
    Row::new(Method::PUT, path)
}

pub(super) fn patch(path: &'static str) -> Row {
    Row::new(Method::PATCH, path)
}

pub(super) fn delete(path: &'static str) -> Row {
    Row::new(Method::DELETE, path)
}

impl Row {
    /// A route that says nothing else is closed, and finds nothing.
    fn new(method: Method, path: &'static str) -> Self {
        let (words, route) = (Words::default(), web::to(no_route));
        Self { method, path, guard: Guard::Key, words, route }
    }

    /// Whether it is a page for people, which the description of the API leaves out.
    pub(super) fn is_page(&self) -> bool {
        matches!(self.guard, Guard::Browser | Guard::Visitor(_))
    }

    /// Under which heading the route stands, and what it does, as a sentence without its full stop.
    pub(super) fn does(mut self, tag: &'static str, summary: &'static str) -> Self {
        (self.words.tag, self.words.summary) = (tag, summary);
        self
    }

    pub(super) fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Hands the request to a handler, whose arguments are actix's extractors.
    pub(super) fn to<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route = web::to(handler);
        self
    }

    /// Carries out a verb, and nothing else, with the arguments of the query.
    pub(super) fn by_query<V: Spoken>(mut self) -> Self {
        self.words.query = V::fields();
        self.takes_user().to(ask::by_query::<V>)
    }

    /// Carries out a verb, and nothing else, with the arguments of the body.
    pub(super) fn by_body<V: Spoken>(self) -> Self {
        self.takes_body::<V>().to(ask::by_body::<V>)
    }

    /// Carries out a call of an older server with the arguments of the query.
    pub(super) fn by_query_of(mut self, call: &'static OlderCall) -> Self {
        self.words.query = call.fields();
        self.takes_user().to(move |request, caller, sessions| {
            ask::older_by_query(call, request, caller, sessions)
        })
    }

    /// The same with the arguments in a JSON body.
    pub(super) fn by_body_of(mut self, call: &'static OlderCall) -> Self {
        self.words.body = Some(BodyWords::Fields(call.fields()));
        self.takes_user().to(move |request, caller, sessions, body| {
            ask::older_by_body(call, request, caller, sessions, body)
        })
    }

    /// Carries out a call of the AI-memory server, whose failures have a shape of their own.
    pub(super) fn by_query_of_ai_memory(mut self, call: &'static OlderCall) -> Self {
        self.words.query = call.fields();
        self.with_own_errors().takes_user().to(move |request, caller, sessions| {
            ai_memory::by_query(call, request, caller, sessions)
        })
    }

    /// The same with the arguments in a JSON body.
    pub(super) fn by_body_of_ai_memory(mut self, call: &'static OlderCall) -> Self {
        self.words.body = Some(BodyWords::Fields(call.fields()));
        self.with_own_errors().takes_user().to(move |request, caller, sessions, body| {
            ai_memory::by_body(call, request, caller, sessions, body)
        })
    }

    /// Says that the body has the arguments of a verb.
    pub(super) fn takes_body<V: Spoken>(mut self) -> Self {
        self.words.body = Some(BodyWords::Fields(V::fields()));
        self.takes_user()
    }

    /// Says which named arguments the query may have, where a handler reads them.
    pub(super) fn takes_query(mut self, fields: Vec<&'static Field>) -> Self {
        self.words.query = fields;
        self
    }

    /// Says which named arguments the body may have, where a handler reads them.
    pub(super) fn takes_fields(mut self, fields: Vec<&'static Field>) -> Self {
        self.words.body = Some(BodyWords::Fields(fields));
        self
    }

    /// Says of which media type the body is, if it is not an object.
    pub(super) fn takes(mut self, media: &'static str) -> Self {
        self.words.body = Some(BodyWords::Other(media));
        self
    }

    /// Says that the call may name another user.
    pub(super) fn takes_user(mut self) -> Self {
        self.words.takes_user = true;
        self
    }

    pub(super) fn answers(mut self, status: u16, about: &'static str, content: Content) -> Self {
        self.words.answers.push(Promise { status, about, content });
        self
    }

    pub(super) fn with_own_errors(mut self) -> Self {
        self.words.has_own_errors = true;
        self
    }
}

/// Gives every row its place in the app, each behind its own guard. What no row matches is closed
/// as well: a stranger learns nothing of what is there.
pub(super) fn register(app: &mut ServiceConfig, rows: Vec<Row>) {
    for (path, rows) in places(rows) {
        app.service(place(path, rows));
    }
    app.default_service(guarded(web::to(no_route), Guard::Key));
}

/// Gives rows places that are there for requests under the public name alone.
pub(super) fn register_public(app: &mut ServiceConfig, rows: Vec<Row>) {
    for (path, rows) in places(rows) {
        let is_public = fn_guard(|context| context.req_data().contains::<OnPublicHost>());
        app.service(place(path, rows).guard(is_public));
    }
}

/// The rows of each path. A request is held against one path after the other: first what is asked
/// most, and names before patterns, each of which costs more than all names together.
fn places(rows: Vec<Row>) -> Vec<(&'static str, Vec<Row>)> {
    let mut places: Vec<(&'static str, Vec<Row>)> = Vec::new();
    for row in rows {
        match places.iter_mut().find(|(path, _)| *path == row.path) {
            Some((_, same)) => same.push(row),
            None => places.push((row.path, vec![row])),
        }
    }
    few::sort_by_key(&mut places, |(path, _)| (path.contains('{'), !path.starts_with("/mcp")));
    places
}

/// Answers everything at a path as if nothing were there, to everybody.
pub(super) fn register_nothing(app: &mut ServiceConfig, path: &str, why: &'static str) {
    let nothing = guarded(web::to(no_route), Guard::Open(why));
    app.service(web::resource(path).default_service(nothing));
}

/// One path with its methods. Any other method is 405 and learns from `Allow` which there are.
fn place(path: &str, rows: Vec<Row>) -> Resource {
    let allow = allow(rows.iter().map(|row| &row.method));
    let is_open = rows.iter().all(|row| matches!(row.guard, Guard::Open(_) | Guard::Probe(_)));
    let is_page = rows.iter().all(Row::is_page);
    let first = rows.first().map(|row| row.guard);
    let elsewhere = first.filter(|_| is_open || is_page).unwrap_or(Guard::Key);
    let mut resource = web::resource(path);
    for Row { method, guard, route, .. } in rows {
        let is_asked = fn_guard(move |context| context.head().method == method);
        resource = resource.route(behind(route, guard).guard(is_asked));
    }
    let wrong = web::to(move || ready(wrong_method(allow.clone())));
    resource.default_service(behind(wrong, elsewhere))
}

/// Puts the guard of its row before a handler: that of the pages, or that of all the rest.
fn behind(route: actix_web::Route, guard: Guard) -> actix_web::Route {
    match guard {
        Guard::Browser | Guard::Visitor(_) => gated(route, guard),
        _ => guarded(route, guard),
    }
}

fn wrong_method(allow: Option<HeaderValue>) -> HttpResponse {
    let mut response = Error::WrongMethod.error_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

fn allow<'a>(methods: impl Iterator<Item = &'a Method>) -> Option<HeaderValue> {
    let mut names = Vec::new();
    for method in methods {
        names.push(method.as_str());
        if *method == Method::GET {
            names.push("HEAD");
        }
    }
    HeaderValue::try_from(names.join(", ")).ok()
}
