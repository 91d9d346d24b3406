use crate::model::{MemoryId, UserId};

/// A key whose bytes sort as its values do, and of which none is the beginning of another.
pub trait Key: Sized {
    fn to_bytes(&self) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl Key for MemoryId {
    fn to_bytes(&self) -> Vec<u8> {
        Self::to_bytes(*self).to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_bytes(bytes.try_into().ok()?))
    }
}

impl Key for u64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_be_bytes(bytes.try_into().ok()?))
    }
}

/// One version of a memory.
impl Key for (MemoryId, u32) {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Key::to_bytes(&self.0);
        bytes.extend(self.1.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, version) = bytes.split_at_checked(16)?;
        Some((Key::from_bytes(id)?, u32::from_be_bytes(version.try_into().ok()?)))
    }
}

/// Two numbers, such as a time and a counter.
impl Key for (u64, u64) {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.0.to_be_bytes().to_vec();
        bytes.extend(self.1.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (first, second) = bytes.split_at_checked(8)?;
        Some((Key::from_bytes(first)?, Key::from_bytes(second)?))
    }
}

/// Texts are prefixed with their length, so that no name reaches into another's range; they sort
/// by length first.
impl Key for String {
    fn to_bytes(&self) -> Vec<u8> {
        let length = u16::try_from(self.len()).unwrap_or(u16::MAX);
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend(self.as_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (length, text) = bytes.split_at_checked(2)?;
        let length = u16::from_be_bytes(length.try_into().ok()?);
        (text.len() == usize::from(length)).then(|| Self::from_utf8(text.to_vec()).ok())?
    }
}

impl Key for UserId {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_str().to_owned().to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::parse(&String::from_bytes(bytes)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn survives<K: Key + PartialEq + std::fmt::Debug>(key: &K) {
        assert_eq!(K::from_bytes(&key.to_bytes()).as_ref(), Some(key));
    }

    proptest! {
        #[test]
        fn keys_survive_and_sort_as_their_values(
            a in any::<([u8; 16], u32)>(),
            b in any::<([u8; 16], u32)>(),
            name in "[a-z@. ]{1,40}",
            pair in any::<(u64, u64)>(),
        ) {
            let a = (MemoryId::from_bytes(a.0), a.1);
            let b = (MemoryId::from_bytes(b.0), b.1);
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
            survives(&a);
            survives(&a.0);
            survives(&name);
            survives(&pair);
        }

        #[test]
        fn no_text_is_the_beginning_of_another(a in ".{0,9}", b in ".{0,9}") {
            prop_assume!(a != b);
            prop_assert!(!b.to_bytes().starts_with(&a.to_bytes()));
        }
    }
}
