use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::hmac;

use super::{RandomnessFailed, generate_key};

/// SHA-256 of what a browser shows to be known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrowserDigest([u8; 32]);

/// Signs the forms that are given out to one browser, so that no page of another site can make one.
#[derive(Debug, Clone)]
pub struct FormKey(hmac::Key);

impl BrowserDigest {
    #[must_use]
    pub fn of(shown: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, shown.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl FormKey {
    pub fn generate() -> Result<Self, RandomnessFailed> {
        let secret = generate_key()?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes())))
    }

    /// What a form carries that is made for a purpose.
    #[must_use]
    pub fn sign(&self, purpose: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, purpose.as_bytes()))
    }

    /// Whether a form was made here for this purpose. Takes the same time whatever is wrong with it.
    #[must_use]
    pub fn accepts(&self, purpose: &str, given: &str) -> bool {
        let tag = URL_SAFE_NO_PAD.decode(given).unwrap_or_default();
        hmac::verify(&self.0, purpose.as_bytes(), &tag).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_good_for_its_browser_and_its_purpose() {
        let (own, other) = (FormKey::generate().unwrap(), FormKey::generate().unwrap());

        let form = own.sign("memories");

        assert!(own.accepts("memories", &form));
        assert!(!own.accepts("tokens", &form) && !other.accepts("memories", &form));
        for odd in ["", "x", "%%%", &form[1..], &format!("{form}A")] {
            assert!(!own.accepts("memories", odd), "{odd}");
        }
        assert_eq!(BrowserDigest::of("a"), BrowserDigest::of("a"));
        assert_ne!(BrowserDigest::of("a"), BrowserDigest::of("b"));
    }
}
