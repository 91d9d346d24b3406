use actix_web::{HttpRequest, HttpResponse, web};

use crate::error::Error;
use crate::http::body::BodyRules;
use crate::model::MemoryId;

/// The id of a memory, from the path. What can be no id is the id of no memory.
#[derive(Debug, Clone, Copy)]
pub struct PathId(pub MemoryId);

/// The answer where no place is.
#[allow(clippy::unused_async, reason = "a handler is async")]
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

impl PathId {
    /// The id that the path of a request names, if its route has one.
    pub fn of(request: &HttpRequest) -> Result<Option<Self>, Error> {
        let Some(raw) = request.match_info().get("id") else {
            return Ok(None);
        };
        MemoryId::parse(raw).map(|id| Some(Self(id))).map_err(|_| Error::UnknownMemory)
    }
}
