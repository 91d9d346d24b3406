//! Whether what a browser sends was meant: it comes from a page of ours, and from a form that was given
//! out to this very browser.
//!
//! Browsers do not send `Sec-Fetch-Site` to plain HTTP outside of this machine, so `Origin` stands in.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, ORIGIN};

use super::sessions::BrowserSession;
use crate::error::Error;
use crate::http::front::origin_of_request;

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets a form of ours pass that was made for this browser and this purpose.
pub fn check(
    request: &HttpRequest,
    session: &BrowserSession,
    purpose: &str,
    given: &str,
) -> Result<(), Error> {
    comes_from_here(request)?;
    if session.accepts(purpose, given) { Ok(()) } else { Err(Error::FormRefused) }
}

/// Lets pass what a page of this server made a browser send.
pub(super) fn comes_from_here(request: &HttpRequest) -> Result<(), Error> {
    let headers = request.headers();
    let is_own = match headers.get(&SEC_FETCH_SITE) {
        Some(site) => site.as_bytes() == b"same-origin",
        None => {
            let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
            let own = origin_of_request(request);
            origin.zip(own).is_some_and(|(origin, own)| origin.eq_ignore_ascii_case(&own))
        }
    };
    if is_own { Ok(()) } else { Err(Error::FormRefused) }
}
