use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::header::{HeaderMap, HeaderValue};

use super::names;

/// Long enough for a UUID or a trace id, short enough for a log line.
const MAX_LEN: usize = 64;

const HEX: [u8; 16] = *b"0123456789abcdef";

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
        let given = headers.get(&names::X_REQUEST_ID).filter(|id| is_harmless(id.as_bytes()));
        RequestId(given.cloned().unwrap_or_else(|| self.make()))
    }

    fn make(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // Half of each is enough to tell it from its neighbors and from those of another run.
        let id = (self.run << 32) | (number & 0xffff_ffff);
        let mut digits = [0; 16];
        for (digit, shift) in digits.iter_mut().zip((0..64).step_by(4).rev()) {
            *digit = HEX.get((id >> shift & 0xf) as usize).copied().unwrap_or(b'0');
        }
        HeaderValue::from_bytes(&digits).unwrap_or_else(|_| HeaderValue::from_static("0"))
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
