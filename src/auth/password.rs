//! The password of the owner, for people who sign in with a browser. Its file has a digest that takes
//! its time (Argon2id, RFC 9106), and no program can come in with it.

use std::io;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use super::RandomnessFailed;
use crate::disk;
use crate::model::Secret;

/// In the data directory, so that it moves and is kept with the data.
const FILE: &str = "dashboard_password";
/// What its line begins with.
const NAME: &str = "argon2id";
/// Cost in KiB, passes and lanes: what OWASP asks for at least, and less than a tenth of a second on a
/// small computer.
const COST: Cost = Cost { memory: 19 * 1024, passes: 2, lanes: 1 };
/// A file that asks for more was not written here.
const MOST_MEMORY: u32 = 256 * 1024;
const SALT_BYTES: usize = 16;
const DIGEST_BYTES: usize = 32;
/// Shorter ones are guessed.
const SHORTEST: usize = 12;
/// Longer ones are a text.
const LONGEST: usize = 512;

/// Where the password is kept.
#[derive(Debug, Clone)]
pub struct PasswordFile(PathBuf);

/// Why a password cannot be set or looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    #[error("cannot {doing} {}: {source}", path.display())]
    Disk { doing: &'static str, path: PathBuf, source: io::Error },

    #[error("{} holds no password; remove it and set one anew", path.display())]
    Unusable { path: PathBuf },

    #[error("a password has {SHORTEST} to {LONGEST} bytes; this one has {len}")]
    Length { len: usize },

    #[error(transparent)]
    Randomness(#[from] RandomnessFailed),
}

#[derive(Debug, Clone, Copy)]
struct Cost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// What the file says.
struct Kept {
    cost: Cost,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl PasswordFile {
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self(data_dir.join(FILE))
    }

    /// Sets the password, in place of the one before. Takes a while.
    pub fn set(&self, password: &Secret) -> Result<(), PasswordError> {
        let len = password.reveal().len();
        if !(SHORTEST..=LONGEST).contains(&len) {
            return Err(PasswordError::Length { len });
        }
        let mut salt = [0; SALT_BYTES];
        SystemRandom::new().fill(&mut salt).map_err(|_| RandomnessFailed)?;
        let digest = COST.digest(password, &salt).ok_or_else(|| self.unusable())?;
        let Cost { memory, passes, lanes } = COST;
        let (salt, digest) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(digest));
        let line = format!("{NAME} {memory} {passes} {lanes} {salt} {digest}\n");
        match disk::replace_file(&self.0, line.as_bytes()) {
            Ok(_) => Ok(()),
            Err(source) => Err(self.failed("write", source)),
        }
    }

    /// Takes the password away. Says whether there was one.
    pub fn remove(&self) -> Result<bool, PasswordError> {
        match std::fs::remove_file(&self.0) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(self.failed("remove", source)),
        }
    }

    /// Whether what somebody typed is the password; it is not where none was set. Takes a while.
    pub fn accepts(&self, typed: &Secret) -> Result<bool, PasswordError> {
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(self.failed("read", source)),
        };
        let kept = Kept::parse(&text).ok_or_else(|| self.unusable())?;
        if typed.reveal().len() > LONGEST {
            return Ok(false);
        }
        let digest = kept.cost.digest(typed, &kept.salt).ok_or_else(|| self.unusable())?;
        Ok(digest.as_slice().ct_eq(&kept.digest).into())
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0.exists()
    }

    fn unusable(&self) -> PasswordError {
        PasswordError::Unusable { path: self.0.clone() }
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> PasswordError {
        PasswordError::Disk { doing, path: self.0.clone(), source }
    }
}

impl Cost {
    /// Nothing where the cost is none that makes sense.
    fn digest(self, password: &Secret, salt: &[u8]) -> Option<[u8; DIGEST_BYTES]> {
        let Self { memory, passes, lanes } = self;
        let params = Params::new(memory, passes, lanes, Some(DIGEST_BYTES)).ok()?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut digest = [0; DIGEST_BYTES];
        argon.hash_password_into(password.reveal().as_bytes(), salt, &mut digest).ok()?;
        Some(digest)
    }
}

impl Kept {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        words.next().filter(|name| *name == NAME)?;
        let mut number = || words.next()?.parse::<u32>().ok();
        let cost = Cost { memory: number()?, passes: number()?, lanes: number()? };
        let salt = STANDARD_NO_PAD.decode(words.next()?).ok()?;
        let digest = STANDARD_NO_PAD.decode(words.next()?).ok()?;
        let is_fit = cost.memory <= MOST_MEMORY && digest.len() == DIGEST_BYTES;
        is_fit.then_some(Self { cost, salt, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_password_is_known_again_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = PasswordFile::of(dir.path());
        let secret = |text: &str| Secret::new(text.to_owned());

        assert!(!file.accepts(&secret("")).unwrap() && !file.is_there());
        file.set(&secret("correct horse battery")).unwrap();

        assert!(file.accepts(&secret("correct horse battery")).unwrap());
        for wrong in ["", "correct horse batter", "Correct horse battery", &"x".repeat(1_000)] {
            assert!(!file.accepts(&secret(wrong)).unwrap(), "{wrong}");
        }
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert!(text.starts_with("argon2id 19456 2 1 ") && !text.contains("horse"));
        assert!(file.remove().unwrap() && !file.remove().unwrap());
    }

    #[test]
    fn a_short_password_and_a_strange_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = PasswordFile::of(dir.path());

        let short = file.set(&Secret::new("short".to_owned()));
        assert!(matches!(short, Err(PasswordError::Length { len: 5 })));
        for odd in ["", "argon2id", "argon2id 4000000000 2 1 AAAA AAAA", "md5 1 1 1 AAAA AAAA"] {
            std::fs::write(dir.path().join(FILE), odd).unwrap();
            let looked = file.accepts(&Secret::new("anything at all".to_owned()));
            assert!(matches!(looked, Err(PasswordError::Unusable { .. })), "{odd}");
        }
    }
}
