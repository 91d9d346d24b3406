use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A place in a list, opaque to clients and bound to the question it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Of the question, so that a cursor cannot be carried over to another one.
    question: u64,
    /// What the list is sorted by, at the last row given out.
    pub(super) key: i64,
    /// Breaks ties; an offset where the list has no key.
    pub(super) tie: u128,
}

impl Cursor {
    pub(super) fn new(question: &impl Hash, key: i64, tie: u128) -> Self {
        Self { question: fingerprint(question), key, tie }
    }

    /// A place in a list that is cut anew each time, such as a ranking.
    pub(super) fn at_offset(question: &impl Hash, offset: usize) -> Self {
        Self::new(question, 0, offset as u128)
    }

    pub(super) fn offset(self) -> usize {
        usize::try_from(self.tie).unwrap_or(usize::MAX)
    }

    pub(super) fn encode(self) -> String {
        let mut bytes = Vec::with_capacity(32);
        bytes.extend_from_slice(&self.question.to_be_bytes());
        bytes.extend_from_slice(&self.key.to_be_bytes());
        bytes.extend_from_slice(&self.tie.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor back; nothing if it was altered or belongs to another question.
    pub(super) fn decode(text: &str, question: &impl Hash) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (own, rest) = bytes.split_first_chunk::<8>()?;
        let (key, rest) = rest.split_first_chunk::<8>()?;
        let tie = <[u8; 16]>::try_from(rest).ok()?;
        let question = fingerprint(question);
        (u64::from_be_bytes(*own) == question).then(|| Self {
            question,
            key: i64::from_be_bytes(*key),
            tie: u128::from_be_bytes(tie),
        })
    }
}

fn fingerprint(question: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    question.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_serves_only_its_own_question() {
        let text = Cursor::new(&"tea", -5, 7).encode();

        assert_eq!(Cursor::decode(&text, &"tea").unwrap().tie, 7);
        assert!(Cursor::decode(&text, &"coffee").is_none());
        assert!(Cursor::decode("nonsense", &"tea").is_none());
    }
}
