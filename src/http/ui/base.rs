//! Pages below a path that a proxy takes off: they are made with links from the root, and what stands
//! before those is put there as they leave. A text of somebody else has no bare quotes in a page, so it
//! cannot pass for a link.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use actix_web::{HttpRequest, web};

use crate::http::front::Front;

/// How the templates write a way to another page.
const LINKS: [&str; 3] = ["href=\"", "action=\"", "src=\""];
const ROOT: &str = "/ui/";

/// What stands before `/ui/` where the browser of a request is.
pub(in crate::http) fn base_of(request: &HttpRequest) -> String {
    let front = request.app_data::<web::Data<Front>>();
    front.map(|front| front.base_path(request)).unwrap_or_default()
}

/// Puts the base of a request before every way in its answer.
pub(super) fn based(mut response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let base = base_of(response.request());
    if base.is_empty() {
        return response;
    }
    lead(response.headers_mut(), &base);
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("text/html")) {
        return response;
    }
    response.map_body(|_, body| match body.try_into_bytes() {
        Ok(page) => BoxBody::new(linked(&String::from_utf8_lossy(&page), &base)),
        // It is no page of ours that comes in pieces.
        Err(body) => body,
    })
}

fn lead(headers: &mut HeaderMap, base: &str) {
    let to = headers.get(LOCATION).and_then(|to| to.to_str().ok());
    let to = to.filter(|to| to.starts_with(ROOT)).map(|to| format!("{base}{to}"));
    if let Some(to) = to.and_then(|to| HeaderValue::try_from(to).ok()) {
        headers.insert(LOCATION, to);
    }
}

fn linked(page: &str, base: &str) -> String {
    LINKS.iter().fold(page.to_owned(), |page, link| {
        page.replace(&format!("{link}{ROOT}"), &format!("{link}{base}{ROOT}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_gets_what_stands_before_it_and_no_text_does() {
        let page = "<a href=\"/ui/x\">/ui/x href=&#34;/ui/y</a><form action=\"/ui/bulk\">\
                    <input value=\"/ui/z\"><script src=\"/ui/a/1/app.js\"></script>";

        let linked = linked(page, "/memory");

        assert_eq!(
            linked,
            "<a href=\"/memory/ui/x\">/ui/x href=&#34;/ui/y</a><form action=\"/memory/ui/bulk\">\
             <input value=\"/ui/z\"><script src=\"/memory/ui/a/1/app.js\"></script>"
        );
    }
}
