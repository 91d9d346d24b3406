use std::io;
use std::path::{Path, PathBuf};

use super::{RandomnessFailed, generate_key};
use crate::disk;
use crate::model::Secret;

/// In the data directory, so that it moves and is kept with the data.
const KEY_FILE: &str = "api_key";

/// A key that the first start made for its user, since nobody configured one.
#[derive(Debug, Clone)]
pub struct KeptKey {
    pub secret: Secret,
    /// Where the whole of it stands.
    pub path: PathBuf,
}

/// Why there is no such key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptKeyError {
    #[error("cannot {doing} {}: {source}", path.display())]
    Disk { doing: &'static str, path: PathBuf, source: io::Error },

    #[error(
        "{} holds no key; remove it, and the next start makes another, or set MCP_API_KEY",
        path.display()
    )]
    Unusable { path: PathBuf },

    #[error(transparent)]
    Randomness(#[from] RandomnessFailed),
}

impl KeptKey {
    /// Reads the key of an earlier start; nothing if none made one.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, KeptKeyError> {
        let path = data_dir.join(KEY_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(KeptKeyError::Disk { doing: "read", path, source }),
        };
        let key = text.trim();
        // A client has to be able to send it in a header.
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeptKeyError::Unusable { path });
        }
        Ok(Some(Self { secret: Secret::new(key.to_owned()), path }))
    }

    /// Reads it, and makes it at the first start.
    pub fn read_or_create(data_dir: &Path) -> Result<Self, KeptKeyError> {
        if let Some(kept) = Self::read(data_dir)? {
            return Ok(kept);
        }
        let (secret, path) = (generate_key()?, data_dir.join(KEY_FILE));
        match disk::replace_file(&path, format!("{}\n", secret.reveal()).as_bytes()) {
            Ok(_) => Ok(Self { secret, path }),
            Err(source) => Err(KeptKeyError::Disk { doing: "write", path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_start_makes_a_private_key_and_later_ones_read_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(KeptKey::read(dir.path()).unwrap().is_none());

        let made = KeptKey::read_or_create(dir.path()).unwrap();
        let again = KeptKey::read_or_create(dir.path()).unwrap();

        assert_eq!(made.secret.reveal(), again.secret.reveal());
        assert_eq!(made.secret.reveal().len(), 43);
        assert_eq!(fs::metadata(&made.path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_without_a_key_is_left_alone_and_named() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "\n", "two words", "caf\u{e9}"] {
            fs::write(dir.path().join(KEY_FILE), text).unwrap();

            let refusal = KeptKey::read_or_create(dir.path()).unwrap_err();

            assert!(refusal.to_string().contains(KEY_FILE), "{refusal}");
            assert_eq!(fs::read_to_string(dir.path().join(KEY_FILE)).unwrap(), text);
        }
    }
}
