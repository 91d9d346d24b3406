//! Remembers what words led to, for whoever reads many texts in a row.

use hashbrown::HashMap;

/// Enough for the words that make up nearly all of a session; they take some 2 MB.
const MOST: usize = 50_000;

/// What was found out about words of up to 16 bytes, as most are. It is found without following a
/// pointer.
#[derive(Debug)]
pub(super) struct Memo<T>(HashMap<Packed, T>);

/// A word as two numbers. No word has a byte of zero, so words that differ are packed differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Packed(u64, u64);

impl<T: Copy> Memo<T> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    #[inline]
    pub(super) fn get(&self, word: &str) -> Option<T> {
        self.0.get(&packed(word)?).copied()
    }

    /// Returns whether there was room for it.
    pub(super) fn put(&mut self, word: &str, value: T) -> bool {
        let Some(packed) = packed(word).filter(|_| self.0.len() < MOST) else { return false };
        self.0.insert(packed, value);
        true
    }
}

#[inline]
fn packed(word: &str) -> Option<Packed> {
    let mut bytes = [0; 16];
    bytes.get_mut(..word.len())?.copy_from_slice(word.as_bytes());
    let (head, tail) = bytes.split_first_chunk::<8>()?;
    Some(Packed(u64::from_le_bytes(*head), u64::from_le_bytes(*tail.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_and_long_ones_are_not_kept() {
        let mut memo = Memo::new();
        for (word, value) in
            [("a", 1), ("ab", 2), ("sixteen-bytes-it", 3), ("seventeen-bytes-i", 4)]
        {
            memo.put(word, value);
        }

        assert_eq!(["a", "ab", "b"].map(|word| memo.get(word)), [Some(1), Some(2), None]);
        assert_eq!(memo.get("sixteen-bytes-it"), Some(3));
        assert_eq!(memo.get("seventeen-bytes-i"), None);
    }
}
