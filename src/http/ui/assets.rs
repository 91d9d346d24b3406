use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};

use crate::error::Error;

/// What the pages are made of besides themselves: name, media type, bytes.
const FILES: [(&str, &str, &[u8]); 3] = [
    ("app.css", "text/css; charset=utf-8", include_bytes!("../../../assets/ui/app.css")),
    ("app.js", "text/javascript; charset=utf-8", include_bytes!("../../../assets/ui/app.js")),
    ("icon.svg", "image/svg+xml", include_bytes!("../../../assets/ui/icon.svg")),
];

/// Names this state of the files, so that a browser may keep each for ever.
static STATE: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    FILES.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
});

/// Where a file is.
pub(super) fn place_of(name: &str) -> String {
    format!("/ui/a/{}/{name}", *STATE)
}

/// Gives out a file. One of another state is given as well, but not to be kept: an old page may ask.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn asset(
    which: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let (state, name) = which.into_inner();
    let file = FILES.iter().find(|(own, ..)| *own == name);
    let (_, kind, bytes) = file.ok_or(Error::NoRoute)?;
    let keep = if state == *STATE { "public, max-age=31536000, immutable" } else { "no-store" };
    let mut response = HttpResponse::Ok();
    response.content_type(*kind).insert_header((CACHE_CONTROL, keep));
    Ok(response.body(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_stays_small_and_makes_no_markup_out_of_text() {
        let script = FILES.iter().find(|(name, ..)| *name == "app.js").unwrap().2;
        let text = std::str::from_utf8(script).unwrap();

        assert!(script.len() <= 15 * 1024, "{} bytes", script.len());
        for odd in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser"]
        {
            assert!(!text.contains(odd), "{odd}");
        }
    }
}
