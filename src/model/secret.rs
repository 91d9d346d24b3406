use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

/// A key or token. It prints as `***` and wipes itself.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Digest it, send it, or write it to its file; never log it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

/// What is done about a secret in a text that is about to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecretScreen {
    /// Nothing is looked for.
    Off,
    /// It is stored, and the answer says so.
    #[default]
    Warn,
    /// What was found is replaced by the name of what it was.
    Mask,
    /// Nothing is stored.
    Refuse,
}
