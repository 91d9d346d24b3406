//! The small file that says which generation of the trees counts, and how far it is durable.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::trees::{Entry, Trees};
use crate::disk::{Draft, PRIVATE_FILE};
use crate::journal::{Expected, Ownership, Seq, SessionNo, StoreId};

const MAGIC: &[u8; 8] = b"MEMORYDC";
const FORMAT_VERSION: u32 = 2;

/// The same, of an encrypted store: a program that cannot open its values must not write to it.
const FORMAT_SEALED: u32 = 3;

/// The same without a store and without flags.
const FORMAT_WITHOUT_STORE: u32 = 1;

/// The bits of the flags.
const IS_FINAL: u8 = 1;
const TAKES_UNNAMED: u8 = 2;
const HAS_REMOVALS: u8 = 4;
const FILE_NAME: &str = "checkpoint";

/// Whether a file is a checkpoint, perhaps a damaged one.
pub(super) fn is_one(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start == MAGIC)
}

/// What was true of the trees when they were last synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) identity: Ownership,
    /// Written when the store was closed in good order, or takes no writes before the next start: nothing
    /// came after `applied`. It is taken back before the next write.
    pub(super) is_final: bool,
    /// Copies of the records that hold the keys of an encrypted store: without them all else is worth
    /// nothing. None in one that is not encrypted.
    pub(super) keys: Vec<Entry>,
    /// Whether texts that were removed may still be in some file.
    pub(super) has_removals: bool,
    pub(super) generation: u64,
    pub(super) applied: Seq,
    /// How many keys each session has.
    pub(super) counts: BTreeMap<SessionNo, u64>,
}

impl Checkpoint {
    /// Of a store of which there is nothing else yet.
    pub(super) fn first(store: StoreId) -> Self {
        Self {
            identity: Ownership::of(store),
            is_final: false,
            keys: Vec::new(),
            has_removals: false,
            generation: 1,
            applied: Seq::ZERO,
            counts: BTreeMap::new(),
        }
    }

    /// What it says of the journal.
    pub(super) fn expected(&self) -> Expected {
        Expected {
            identity: Some(self.identity),
            ended_with: self.is_final.then_some(self.applied),
        }
    }

    fn is_sealed(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Where it lies.
    pub(super) fn path(dir: &Path) -> PathBuf {
        dir.join(FILE_NAME)
    }

    /// Nothing if there is none, or if it is damaged: then the trees are checked without it.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = Self::path(dir);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(StoreError::disk("read", &path))?,
        };
        if let Some(found) = newer_version(&bytes) {
            return Err(StoreError::NewerFormat { path, found, newest: FORMAT_SEALED });
        }
        let checkpoint = Self::parse(&bytes);
        Ok(checkpoint)
    }

    /// Flushes the trees that it speaks of, and then says so.
    ///
    /// The draft comes first: a disk that does not take it would not take what sled writes either,
    /// and sled does not survive that.
    pub(super) fn conclude(&self, dir: &Path, trees: &Trees) -> Result<(), StoreError> {
        let draft = self.draft(dir).map_err(StoreError::disk("write a checkpoint to", dir))?;
        if let Err(error) = trees.flush() {
            draft.discard();
            return Err(error.into());
        }
        let placed = draft.put_in_place().map(|_| ());
        placed.map_err(StoreError::disk("write a checkpoint to", dir))
    }

    /// Writes one that speaks of no trees yet.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        self.draft(dir)?.put_in_place().map(|_| ())
    }

    fn draft(&self, dir: &Path) -> io::Result<Draft> {
        Draft::write(&dir.join(FILE_NAME), &self.to_bytes(), PRIVATE_FILE)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let version = if self.is_sealed() { FORMAT_SEALED } else { FORMAT_VERSION };
        bytes.extend(version.to_le_bytes());
        bytes.extend(self.identity.store.0);
        let is_final = if self.is_final { IS_FINAL } else { 0 };
        let takes_unnamed = if self.identity.takes_unnamed { TAKES_UNNAMED } else { 0 };
        let has_removals = if self.has_removals { HAS_REMOVALS } else { 0 };
        bytes.push(is_final | takes_unnamed | has_removals);
        bytes.extend(self.generation.to_le_bytes());
        bytes.extend(self.applied.0.to_le_bytes());
        if self.is_sealed() {
            bytes.extend(length(&self.keys));
            for (key, value) in &self.keys {
                bytes.extend(length(key));
                bytes.extend(length(value));
                bytes.extend(key);
                bytes.extend(value);
            }
        }
        for (session, count) in &self.counts {
            bytes.extend(session.0.to_le_bytes());
            bytes.extend(count.to_le_bytes());
        }
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if u32::from_le_bytes(*crc) != crc32c::crc32c(body) {
            return None;
        }
        let (version, rest) = body.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        let version = u32::from_le_bytes(*version);
        let (identity, flags, rest) = match version {
            // Whether it was closed in good order was not noted then, and taken for granted.
            FORMAT_WITHOUT_STORE => {
                (Ownership::of(StoreId::UNNAMED), IS_FINAL | HAS_REMOVALS, rest)
            }
            FORMAT_VERSION | FORMAT_SEALED => {
                let (store, rest) = rest.split_first_chunk::<16>()?;
                let (&flags, rest) = rest.split_first()?;
                let takes_unnamed = flags & TAKES_UNNAMED != 0;
                let identity = Ownership { store: StoreId(*store), takes_unnamed };
                (identity, flags, rest)
            }
            _ => return None,
        };
        let (generation, rest) = rest.split_first_chunk::<8>()?;
        let (applied, rest) = rest.split_first_chunk::<8>()?;
        let (keys, rest) =
            if version == FORMAT_SEALED { parse_keys(rest)? } else { (Vec::new(), rest) };
        let (entries, []) = rest.as_chunks::<12>() else { return None };
        let counts = entries.iter().filter_map(|entry| {
            let (session, count) = entry.split_first_chunk::<4>()?;
            let session = SessionNo(u32::from_le_bytes(*session));
            Some((session, u64::from_le_bytes(count.try_into().ok()?)))
        });
        Some(Self {
            identity,
            is_final: flags & IS_FINAL != 0,
            keys,
            has_removals: flags & HAS_REMOVALS != 0,
            generation: u64::from_le_bytes(*generation),
            applied: Seq(u64::from_le_bytes(*applied)),
            counts: counts.collect(),
        })
    }
}

fn length<T>(what: &[T]) -> [u8; 4] {
    u32::try_from(what.len()).unwrap_or(u32::MAX).to_le_bytes()
}

fn parse_keys(bytes: &[u8]) -> Option<(Vec<Entry>, &[u8])> {
    let number = |bytes: &[u8; 4]| usize::try_from(u32::from_le_bytes(*bytes)).ok();
    let (count, mut rest) = bytes.split_first_chunk::<4>()?;
    let mut keys = Vec::new();
    for _ in 0..number(count)? {
        let (key, after) = rest.split_first_chunk::<4>()?;
        let (value, after) = after.split_first_chunk::<4>()?;
        let (key, after) = after.split_at_checked(number(key)?)?;
        let (value, after) = after.split_at_checked(number(value)?)?;
        keys.push((key.to_vec(), value.to_vec()));
        rest = after;
    }
    Some((keys, rest))
}

/// Every version ends in the checksum of all before it, so a damaged one is not taken for a newer one.
fn newer_version(bytes: &[u8]) -> Option<u32> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    if u32::from_le_bytes(*crc) != crc32c::crc32c(body) {
        return None;
    }
    let (version, _) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    Some(u32::from_le_bytes(*version)).filter(|version| *version > FORMAT_SEALED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_checkpoint_survives_and_a_flipped_bit_does_not(
            store in any::<[u8; 16]>(),
            is_final in any::<bool>(),
            generation in any::<u64>(),
            applied in any::<u64>(),
            counts in prop::collection::btree_map(any::<u32>(), any::<u64>(), 0..5),
            keys in prop::collection::vec(any::<(Vec<u8>, Vec<u8>)>(), 0..4),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let counts = counts.into_iter().map(|(session, count)| (SessionNo(session), count));
            let (applied, counts) = (Seq(applied), counts.collect());
            let identity = Ownership { store: StoreId(store), takes_unnamed: is_final };
            let has_removals = !is_final;
            let checkpoint = Checkpoint {
                identity, is_final, keys, has_removals, generation, applied, counts,
            };
            let mut bytes = checkpoint.to_bytes();
            prop_assert_eq!(Checkpoint::parse(&bytes), Some(checkpoint));

            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Checkpoint::parse(&bytes), None);
        }
    }

    #[test]
    fn a_newer_checkpoint_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = Checkpoint::first(StoreId([7; 16])).to_bytes();
        bytes[8] = 9;
        let body = bytes.len() - 4;
        let crc = crc32c::crc32c(&bytes[..body]).to_le_bytes();
        bytes[body..].copy_from_slice(&crc);
        std::fs::write(dir.path().join(FILE_NAME), bytes).unwrap();

        let refusal = Checkpoint::read(dir.path()).unwrap_err();

        assert!(matches!(refusal, StoreError::NewerFormat { found: 9, newest: 3, .. }));
    }
}
