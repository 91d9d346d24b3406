use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::http::body::{has_media_type, read};

/// What a form brought: names with their values, in order. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct FormBody(Rc<Vec<(String, String)>>);

/// Carries what [`super::csrf`] looks for.
pub(super) const CSRF: &str = "csrf";

impl FormBody {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(text);
        Ok(Self(Rc::new(pairs.map_err(|_| Error::FormRefused)?.into_inner())))
    }

    /// The first value of a name; nothing said is empty.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn csrf(&self) -> &str {
        self.get(CSRF)
    }

    /// Those of the named values that say something, as the arguments of a verb.
    pub(super) fn arguments(&self, names: &[&str]) -> Map<String, Value> {
        let said = names.iter().map(|name| (*name, self.get(name).trim()));
        let said = said.filter(|(_, value)| !value.is_empty());
        said.map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
    }
}

impl FromRequest for FormBody {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let is_form = |kind: &str| kind == "application/x-www-form-urlencoded";
            if !has_media_type(request.headers(), is_form) {
                return Err(Error::FormRefused);
            }
            let body = read(&request, payload).await?;
            let form = Self::parse(std::str::from_utf8(&body).map_err(|_| Error::FormRefused)?)?;
            // For the page that says why, should the form be refused.
            request.extensions_mut().insert(form.clone());
            Ok(form)
        })
    }
}

/// What a query says under a name; nothing said is empty.
pub(super) fn text_of(asked: &Map<String, Value>, name: &str) -> String {
    asked.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A path of this server that somebody is led to; the first page for whatever is none. A browser takes
/// `//host` and `/\host` for another server.
pub(super) fn local_path(given: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_graphic() && c != '\\';
    let is_local =
        given.starts_with('/') && !given.starts_with("//") && given.chars().all(is_plain);
    if is_local { given } else { "/ui/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let form = FormBody::parse("id=1&id=2&text=a+b%0D%0A%3Cb%3E&empty=").unwrap();

        assert_eq!(form.all("id").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((form.get("text"), form.get("empty"), form.get("none")), ("a b\r\n<b>", "", ""));
        assert_eq!(form.arguments(&["id", "empty", "none"]).len(), 1);
    }

    #[test]
    fn nobody_is_led_elsewhere() {
        for fine in ["/ui/", "/ui/memories?tags=a&x=%2F%2F", "/authorize?client_id=a"] {
            assert_eq!(local_path(fine), fine);
        }
        for odd in ["", "//evil", "/\\evil", "https://evil", "ui", "/a\r\nb", "javascript:alert(1)"]
        {
            assert_eq!(local_path(odd), "/ui/", "{odd}");
        }
    }
}
