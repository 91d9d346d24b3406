use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};

use crate::model::Secret;

/// 256 bits, which nobody guesses; 43 characters as text.
const SECRET_BYTES: usize = 32;

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gives no random bytes, so no key can be made")]
pub struct RandomnessFailed;

/// The credential of one run of the server: who can read its file may do everything.
#[derive(Debug)]
pub struct InstanceToken {
    secret: Secret,
}

impl InstanceToken {
    pub fn generate() -> Result<Self, RandomnessFailed> {
        Ok(Self { secret: generate_key()? })
    }

    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
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
