use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

/// SHA-256 in base64, without padding.
const CHALLENGE_CHARS: usize = 43;

/// Whether a text can be a challenge of the method S256 (RFC 7636).
pub(super) fn is_challenge(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() == CHALLENGE_CHARS && text.bytes().all(is_fit)
}

/// Whether whoever has this verifier made the challenge.
pub(super) fn verifies(verifier: &str, challenge: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(is_fit) {
        return false;
    }
    let made = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    made.as_bytes().ct_eq(challenge.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn only_the_verifier_fits_its_challenge() {
        assert!(is_challenge(CHALLENGE) && verifies(VERIFIER, CHALLENGE));
        for wrong in ["", CHALLENGE, &VERIFIER.to_lowercase(), &format!("{VERIFIER} ")] {
            assert!(!verifies(wrong, CHALLENGE), "{wrong:?}");
        }
        // A method of "plain" would let the challenge itself pass.
        assert!(!verifies(VERIFIER, VERIFIER) && !verifies(&"a".repeat(129), CHALLENGE));
        assert!(!is_challenge("short") && !is_challenge(&CHALLENGE.replace('-', "+")));
    }
}
