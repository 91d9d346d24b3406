use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use super::Presented;
use crate::disk::FileId;
use crate::model::Secret;

/// 256 bits, which nobody guesses; 43 characters as text.
const SECRET_BYTES: usize = 32;

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes, so no key can be made")]
pub struct RandomnessFailed;

/// Longer than any challenge of ours; what is longer is not worth a signature.
const MAX_CHALLENGE_BYTES: usize = 128;

/// 64 bits, enough to tell one run from another.
const INSTANCE_CHARS: usize = 16;

/// The credential of one run of the server: who can read its file may do everything.
#[derive(Debug, Clone)]
pub struct InstanceToken {
    secret: Secret,
    place: String,
}

impl InstanceToken {
    /// Makes the token of a process that has this data directory open.
    pub fn generate(data_dir: &Path) -> Result<Self, RandomnessFailed> {
        Ok(Self { secret: generate_key()?, place: place_of(data_dir) })
    }

    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Names this run. Nobody can tell the token from it.
    #[must_use]
    pub fn instance(&self) -> String {
        signature(&self.secret, "instance", b"").chars().take(INSTANCE_CHARS).collect()
    }

    /// Shows that this process holds the token, without showing the token. Nothing for a challenge
    /// that is not one of ours.
    #[must_use]
    pub fn prove(&self, challenge: &[u8]) -> Option<String> {
        (challenge.len() <= MAX_CHALLENGE_BYTES)
            .then(|| signed(&self.secret, &self.place, challenge))
    }

    /// Whether a request brought this token.
    #[must_use]
    pub fn is_shown_by(&self, presented: &Presented<'_>) -> bool {
        let offered = presented.secret().filter(|_| !presented.is_contradictory());
        offered
            .is_some_and(|offered| offered.as_bytes().ct_eq(self.secret.reveal().as_bytes()).into())
    }
}

/// What the holder of a token who has a data directory open answers to a challenge: HMAC-SHA256 (RFC
/// 2104) under the token, in hexadecimal. So a stranger who took the port of a dead server can be
/// told from the server before anything secret is sent, and learns nothing by being asked; and a
/// server on other data, whose files lie in the same folder, is not taken for the one that is meant.
#[must_use]
pub fn proof(token: &Secret, data_dir: &Path, challenge: &[u8]) -> String {
    signed(token, &place_of(data_dir), challenge)
}

fn signed(token: &Secret, place: &str, challenge: &[u8]) -> String {
    signature(token, &format!("who is there in {place}"), challenge)
}

/// Names a folder whatever the path to it is called.
fn place_of(folder: &Path) -> String {
    fs::metadata(folder).map_or_else(|_| String::new(), |found| FileId::of(&found).to_string())
}

/// The purpose keeps one use of the token from serving as another.
fn signature(token: &Secret, purpose: &str, text: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.reveal().as_bytes());
    let mut signed = hmac::Context::with_key(&key);
    signed.update(purpose.as_bytes());
    signed.update(b"\0");
    signed.update(text);
    signed.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a fresh secret: 43 characters of url-safe base64, of which the first is a letter or a digit,
/// because a command line would take `-` for a flag. That costs less than a bit.
pub fn generate_key() -> Result<Secret, RandomnessFailed> {
    let mut bytes = zeroize::Zeroizing::new([0_u8; SECRET_BYTES]);
    loop {
        SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| RandomnessFailed)?;
        let key = Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        if key.reveal().starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return Ok(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Carrier;

    #[test]
    fn only_the_holder_of_the_token_answers_a_challenge() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (dir, elsewhere) = (dir.path(), elsewhere.path());
        let token = || InstanceToken::generate(dir).unwrap();
        let (own, other) = (token(), token());

        let answer = own.prove(b"nonce").unwrap();

        assert_eq!(answer, proof(own.secret(), &dir.join("."), b"nonce"));
        assert_ne!(answer, proof(other.secret(), dir, b"nonce"));
        assert_ne!(answer, proof(own.secret(), dir, b"another"));
        assert_ne!(answer, proof(own.secret(), elsewhere, b"nonce"));
        assert_eq!((answer.len(), own.instance().len()), (64, 16));
        assert_eq!(own.prove(&[b'x'; 1000]), None);
    }

    #[test]
    fn the_token_is_recognized_in_every_header_and_nothing_else_is() {
        let token = InstanceToken::generate(Path::new(".")).unwrap();
        let text = token.secret().reveal().to_owned();
        let shown = |lines: &[(Carrier, String)]| {
            let lines = lines.iter().map(|(carrier, line)| (*carrier, line.as_bytes()));
            token.is_shown_by(&Presented::parse(lines))
        };

        assert!(shown(&[(Carrier::Authorization, format!("Bearer {text}"))]));
        assert!(shown(&[(Carrier::Key, text.clone())]));
        assert!(!shown(&[]) && !shown(&[(Carrier::Key, format!("{text}x"))]));
        assert!(!shown(&[(Carrier::Key, text), (Carrier::Key, "other".to_owned())]));
    }

    #[test]
    fn a_key_is_43_url_safe_characters_and_never_the_same() {
        let (one, two) = (generate_key().unwrap(), generate_key().unwrap());

        let is_safe = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        assert_eq!(one.reveal().len(), 43);
        assert!(one.reveal().bytes().all(is_safe), "{}", one.reveal());
        assert_ne!(one.reveal(), two.reveal());
        for _ in 0..500 {
            let key = generate_key().unwrap();
            assert!(!key.reveal().starts_with(['-', '_']), "{}", key.reveal());
        }
    }
}
