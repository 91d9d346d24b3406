use std::fmt;

use ring::digest::{Context, SHA256};

use crate::retrieval::ModelDigest;

/// Names what made a vector. Vectors of different models do not compare.
///
/// Printed it is `builtin:`, `url:` or `folder:` and 32 hexadecimal digits, 40 characters at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelId {
    home: Home,
    digest: [u8; 16],
}

/// Where a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Home {
    BuiltIn,
    Url,
    #[cfg(any(test, feature = "local-model"))]
    Folder,
}

impl ModelId {
    /// The model that the program carries.
    pub(super) fn built_in(digest: ModelDigest) -> Self {
        Self { home: Home::BuiltIn, digest: digest.0 }
    }

    /// The name as 16 bytes, for a record where each of them counts.
    #[must_use]
    pub fn digest(&self) -> [u8; 16] {
        self.digest
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.home.word())?;
        f.write_str(":")?;
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Home {
    fn word(self) -> &'static str {
        match self {
            Self::BuiltIn => "builtin",
            Self::Url => "url",
            #[cfg(any(test, feature = "local-model"))]
            Self::Folder => "folder",
        }
    }
}

/// Everything that a vector depends on, boiled down.
#[derive(Clone)]
pub(super) struct Fingerprint {
    home: Home,
    context: Context,
}

impl Fingerprint {
    /// Raise the number when the same model would give other vectors, by a changed way of pooling
    /// for example: then all memories are embedded anew.
    const VERSION: &[u8] = b"memoryd embedding 2";

    pub(super) fn of(home: Home) -> Self {
        let mut fingerprint = Self { home, context: Context::new(&SHA256) };
        fingerprint.add(Self::VERSION);
        fingerprint.add(home.word().as_bytes());
        fingerprint
    }

    /// Takes in one part. Its length goes along, so that no two lists of parts run into one.
    pub(super) fn add(&mut self, part: &[u8]) {
        self.add_length(part.len());
        self.context.update(part);
    }

    pub(super) fn add_length(&mut self, len: usize) {
        self.context.update(&len.to_le_bytes());
    }

    /// Takes in a piece of a part whose length was added before.
    #[cfg(any(test, feature = "local-model"))]
    pub(super) fn add_piece(&mut self, piece: &[u8]) {
        self.context.update(piece);
    }

    pub(super) fn finish(self) -> ModelId {
        let mut digest = [0; 16];
        for (to, from) in digest.iter_mut().zip(self.context.finish().as_ref()) {
            *to = *from;
        }
        ModelId { home: self.home, digest }
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", self.home.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_where_a_part_ends() {
        let id = |parts: &[&[u8]]| {
            let mut fingerprint = Fingerprint::of(Home::Url);
            parts.iter().for_each(|part| fingerprint.add(part));
            fingerprint.finish()
        };

        assert_eq!(id(&[b"ab", b"c"]), id(&[b"ab", b"c"]));
        assert_ne!(id(&[b"ab", b"c"]), id(&[b"a", b"bc"]));
        assert_eq!(id(&[b"ab"]).to_string().len(), 36);
    }
}
