use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::header::{HeaderMap, HeaderValue};

/// Long enough for a UUID or a trace id, short enough for a log line.
const MAX_LEN: usize = 64;

/// Names one request, in the log and to its client.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

/// Gives out ids that differ between runs and never repeat within one.
#[derive(Debug)]
pub(super) struct RequestIds {
    run: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// Takes the id that the client gave, if it is harmless, or makes one.
    pub(super) fn of(&self, headers: &HeaderMap) -> RequestId {
        let given = headers.get("x-request-id").filter(|id| is_harmless(id.as_bytes()));
        RequestId(given.cloned().unwrap_or_else(|| self.make()))
    }

    fn make(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:08x}{number:08x}", self.run & 0xffff_ffff);
        HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("0"))
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        // The hasher's keys are random: all the randomness that an id needs.
        Self { run: RandomState::new().build_hasher().finish(), next: AtomicU64::new(1) }
    }
}

impl RequestId {
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_harmless(id: &[u8]) -> bool {
    (1..=MAX_LEN).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_harmless_id_is_kept_and_any_other_replaced() {
        let ids = RequestIds::default();
        let of = |given: &str| {
            let request = TestRequest::get().insert_header(("X-Request-Id", given));
            ids.of(request.to_srv_request().headers()).as_str().to_owned()
        };

        assert_eq!(of("a.B_c-9"), "a.B_c-9");
        for odd in ["", "a b", "a\"b", "caf\u{e9}", &"x".repeat(65)] {
            assert!(of(odd).len() == 16 && of(odd) != of(odd), "{odd:?}");
        }
    }
}
