use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::guard::fn_guard;
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Resource, ResponseError, Route, web};

use crate::error::Error;
use crate::http::body::BodyRules;
use crate::model::MemoryId;

/// The id of a memory, from the path. What can be no id is the id of no memory.
#[derive(Debug, Clone, Copy)]
pub struct PathId(pub MemoryId);

/// A path and what it does for each method, as `place("/x", [(Method::GET, web::to(list))])`.
///
/// Any other method is 405 and learns from `Allow` which there are.
pub fn place<const N: usize>(path: &str, methods: [(Method, Route); N]) -> Resource {
    let allow = allow(methods.iter().map(|(method, _)| method));
    let mut resource = web::resource(path);
    for (method, route) in methods {
        let is_asked = fn_guard(move |context| context.head().method == method);
        resource = resource.route(route.guard(is_asked));
    }
    resource.default_service(web::to(move || ready(wrong_method(allow.clone()))))
}

/// The answer where no place is, for `App::default_service`.
pub async fn no_route() -> Result<HttpResponse, Error> {
    Err(Error::NoRoute)
}

/// Makes actix's own extractors refuse in our words, and within our limits.
pub fn extractors(rules: BodyRules) -> impl FnOnce(&mut web::ServiceConfig) {
    move |app| {
        app.app_data(rules)
            .app_data(web::PayloadConfig::new(rules.limit))
            .app_data(web::PathConfig::default().error_handler(|_, _| Error::NoRoute.into()))
            .app_data(web::QueryConfig::default().error_handler(|_, _| Error::BadQuery.into()));
    }
}

impl FromRequest for PathId {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let matched = request.match_info();
        let raw = matched.get("id").or_else(|| matched.get("memory_id")).unwrap_or_default();
        ready(MemoryId::parse(raw).map(Self).map_err(|_| Error::UnknownMemory))
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
