//! sled, fenced in: its panics become errors, its files become private, its limits are kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::value::{self, Head, Pieces};
use crate::journal::{self, Op, Seq};

/// In sled's unnamed tree, which holds nothing else.
const APPLIED_KEY: &[u8] = b"applied";

/// One generation of the trees that sessions read.
#[derive(Debug)]
pub(super) struct Trees {
    path: PathBuf,
    generation: u64,
    db: sled::Db,
    /// Held open since before the first write, so that no error of a sync is missed.
    file: File,
    trees: RwLock<HashMap<u32, sled::Tree>>,
    /// Never given twice, see [`Head::Pieces`].
    next_tag: AtomicU64,
    /// The first thing that went wrong. Afterwards nothing is believed.
    broken: OnceLock<String>,
}

/// sled failed, panicked, or does not hold what it should. Only a rebuild helps.
#[derive(Debug, Clone, thiserror::Error)]
#[error("sled: {0}")]
pub(super) struct Broken(pub(super) String);

/// A key and its value.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

/// A walk over one session. It keeps its generation of the trees alive.
pub(super) struct Entries {
    trees: Arc<Trees>,
    session: u32,
    tree: Option<sled::Tree>,
    iter: Option<sled::Iter>,
    has_failed: bool,
}

impl Trees {
    pub(super) fn open(path: &Path, generation: u64, cache_bytes: u64) -> Result<Self, Broken> {
        prepare(path).map_err(|error| Broken(format!("cannot prepare its folder: {error}")))?;
        let db = caught(|| {
            sled::Config::default()
                .path(path)
                .cache_capacity(cache_bytes)
                .flush_every_ms(None)
                .use_compression(false)
                .open()
        })?;
        make_private(path).map_err(|error| Broken(format!("cannot close its files: {error}")))?;
        let file = File::open(path.join("db"))
            .map_err(|error| Broken(format!("cannot open its file: {error}")))?;
        let trees = Self {
            path: path.to_owned(),
            generation,
            db,
            file,
            trees: RwLock::default(),
            next_tag: AtomicU64::new(1),
            broken: OnceLock::new(),
        };
        for name in caught(|| Ok(trees.db.tree_names()))? {
            if let Some(session) = session_of(&name) {
                let tree = trees.create_tree(session)?;
                trees.keep_tags_unique(&tree)?;
            }
        }
        Ok(trees)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Why nothing here may be believed any more, if that is so.
    pub(super) fn broken(&self) -> Option<Broken> {
        self.broken.get().cloned().map(Broken)
    }

    /// Up to here every batch is in the trees. Later ones may be, too.
    pub(super) fn applied(&self) -> Result<Seq, Broken> {
        let bytes = self.guard(|| self.db.get(APPLIED_KEY))?;
        let bytes: Option<[u8; 8]> = bytes.and_then(|bytes| bytes.as_ref().try_into().ok());
        Ok(bytes.map_or(0, u64::from_be_bytes))
    }

    pub(super) fn set_applied(&self, seq: Seq) -> Result<(), Broken> {
        self.guard(|| self.db.insert(APPLIED_KEY, &seq.to_be_bytes())).map(|_| ())
    }

    /// Returns whether the key was there before. Only one thread may write.
    pub(super) fn write(&self, op: Op<'_>) -> Result<bool, Broken> {
        let tree = match (self.tree(op.session), op.value) {
            (Some(tree), _) => tree,
            (None, Some(_)) => self.create_tree(op.session)?,
            (None, None) => return Ok(false),
        };
        let before = match op.value.map(|value| (value, value::whole(value))) {
            Some((_, Some(bytes))) => self.guard(|| tree.insert(op.key, bytes))?,
            Some((value, None)) => self.write_pieces(&tree, op.key, value)?,
            None => self.guard(|| tree.remove(op.key))?,
        };
        // A value that is the same again is left as it was, so its pieces must stay. Pieces of a
        // new value have a new tag.
        if let Some(Head::Pieces(old)) = before.as_deref().and_then(Head::parse) {
            self.remove_pieces(&tree, old)?;
        }
        Ok(before.is_some())
    }

    pub(super) fn get(&self, session: u32, key: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        let Some(tree) = self.tree(session) else {
            return self.broken().map_or(Ok(None), Err);
        };
        // The commit thread may replace a long value between two reads; then the head has changed.
        let mut last_head = None;
        loop {
            let Some(head) = self.guard(|| tree.get(key))? else { return Ok(None) };
            match self.join(&tree, &head)? {
                Some(value) => return Ok(Some(value)),
                None if last_head.as_ref() == Some(&head) => {
                    return Err(self.condemn("a piece of a value is missing or damaged"));
                }
                None => last_head = Some(head),
            }
        }
    }

    /// Walks keys and values in key order.
    pub(super) fn range(self: &Arc<Self>, session: u32, range: RangeInclusive<Vec<u8>>) -> Entries {
        let tree = self.tree(session);
        let iter = tree.as_ref().map(|tree| tree.range(range));
        Entries { trees: Arc::clone(self), session, tree, iter, has_failed: false }
    }

    /// Walks over everything, and removes pieces that a crash has left without a head. Nobody may
    /// write meanwhile. Returns how many keys each session has.
    pub(super) fn survey<E: From<Broken>>(
        &self,
        visitor: &mut dyn FnMut(Op<'_>) -> Result<(), E>,
    ) -> Result<BTreeMap<u32, u64>, E> {
        let mut counts = BTreeMap::new();
        for (session, tree) in self.all() {
            let mut known_tags = HashSet::new();
            let mut orphans = Vec::new();
            let mut count = 0;
            let mut entries = tree.iter();
            while let Some((key, head)) = self.guard(|| entries.next().transpose())? {
                if let Some(tag) = value::piece_tag(&key) {
                    // Pieces sort after all records, so every tag in use is known by now.
                    if !known_tags.contains(&tag) {
                        orphans.push(key);
                    }
                    continue;
                }
                if let Some(Head::Pieces(pieces)) = Head::parse(&head) {
                    known_tags.insert(pieces.tag);
                }
                let value = self.join(&tree, &head)?;
                let value = value
                    .ok_or_else(|| self.condemn("a piece of a value is missing or damaged"))?;
                count += 1;
                visitor(Op { session, key: &key, value: Some(&value) })?;
            }
            for key in orphans {
                self.guard(|| tree.remove(&key))?;
            }
            if count > 0 {
                counts.insert(session, count);
            }
        }
        Ok(counts)
    }

    /// Makes everything that was written durable. sled's own `flush` writes, but does not sync.
    pub(super) fn flush(&self) -> Result<(), Broken> {
        self.guard(|| self.db.flush())?;
        let synced = self.file.sync_data().and_then(|()| {
            make_private(&self.path)?;
            journal::sync_folder(&self.path)
        });
        synced.map_err(|error| self.condemn(&format!("cannot sync its file: {error}")))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Pieces sort last and by their tags, so the last key has the highest tag.
    fn keep_tags_unique(&self, tree: &sled::Tree) -> Result<(), Broken> {
        let last = self.guard(|| tree.last())?;
        let last_tag = last.and_then(|(key, _)| value::piece_tag(&key)).unwrap_or_default();
        self.next_tag.fetch_max(last_tag + 1, Relaxed);
        Ok(())
    }

    fn write_pieces(
        &self,
        tree: &sled::Tree,
        key: &[u8],
        value: &[u8],
    ) -> Result<Option<sled::IVec>, Broken> {
        let pieces = Pieces::of(self.next_tag.fetch_add(1, Relaxed), value);
        for (key, piece) in pieces.keys().zip(Pieces::cut(value)) {
            self.guard(|| tree.insert(key, piece))?;
        }
        // The head comes last: until then readers find the old value whole.
        self.guard(|| tree.insert(key, pieces.to_bytes()))
    }

    fn remove_pieces(&self, tree: &sled::Tree, pieces: Pieces) -> Result<(), Broken> {
        for key in pieces.keys() {
            self.guard(|| tree.remove(key))?;
        }
        Ok(())
    }

    /// The value that a head stands for, or nothing if its pieces are not all there.
    fn join(&self, tree: &sled::Tree, head: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        let pieces = match Head::parse(head) {
            Some(Head::Whole(value)) => return Ok(Some(value.to_vec())),
            Some(Head::Pieces(pieces)) => pieces,
            None => return Err(self.condemn("a value has no head")),
        };
        let mut value = Vec::new();
        for key in pieces.keys() {
            match self.guard(|| tree.get(key))? {
                Some(piece) => value.extend(piece.iter()),
                None => return Ok(None),
            }
        }
        Ok(pieces.match_value(&value).then_some(value))
    }

    fn tree(&self, session: u32) -> Option<sled::Tree> {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        trees.get(&session).cloned()
    }

    fn create_tree(&self, session: u32) -> Result<sled::Tree, Broken> {
        let tree = self.guard(|| self.db.open_tree(tree_name(session)))?;
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        Ok(trees.entry(session).or_insert(tree).clone())
    }

    fn all(&self) -> Vec<(u32, sled::Tree)> {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        trees.iter().map(|(session, tree)| (*session, tree.clone())).collect()
    }

    /// Runs one operation of sled. After a failure none is run any more.
    fn guard<T>(&self, operation: impl FnOnce() -> sled::Result<T>) -> Result<T, Broken> {
        if let Some(broken) = self.broken() {
            return Err(broken);
        }
        caught(operation).map_err(|Broken(reason)| self.condemn(&reason))
    }

    fn condemn(&self, reason: &str) -> Broken {
        if self.broken.set(reason.to_owned()).is_ok() {
            log::error!("sled cannot be used any more: {reason}; it is rebuilt from the journal");
        }
        Broken(reason.to_owned())
    }
}

impl Entries {
    fn next_whole(&mut self) -> Result<Option<Entry>, Broken> {
        loop {
            let iter = &mut self.iter;
            let next = self.trees.guard(|| iter.as_mut().and_then(Iterator::next).transpose())?;
            let (Some((key, head)), Some(tree)) = (next, &self.tree) else { return Ok(None) };
            let value = match self.trees.join(tree, &head)? {
                Some(value) => Some(value),
                // Replaced or removed since the walk came by.
                None => self.trees.get(self.session, &key)?,
            };
            if let Some(value) = value {
                return Ok(Some((key.to_vec(), value)));
            }
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let next = self.next_whole();
        self.has_failed = next.is_err();
        next.transpose()
    }
}

/// sled panics on some damage where it could have returned an error.
fn caught<T>(operation: impl FnOnce() -> sled::Result<T>) -> Result<T, Broken> {
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Broken(error.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(Broken(format!("panicked: {}", text.unwrap_or("without a message"))))
        }
    }
}

/// A kill while sled starts leaves a file behind that fails every later start.
fn prepare(path: &Path) -> io::Result<()> {
    journal::create_folder(path)?;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn make_private(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let closed = match entry.file_type() {
            Ok(kind) if kind.is_dir() => journal::create_folder(&entry.path()),
            Ok(kind) if kind.is_file() => journal::close_to_others(&entry.path()),
            _ => Ok(()),
        };
        // Snapshots come and go while we look.
        closed.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
    }
    Ok(())
}

fn tree_name(session: u32) -> String {
    if session == 0 { "system".to_owned() } else { format!("s{session}") }
}

fn session_of(name: &[u8]) -> Option<u32> {
    if name == b"system" {
        return Some(0);
    }
    let number = name.strip_prefix(b"s")?;
    std::str::from_utf8(number).ok()?.parse().ok().filter(|number| *number != 0)
}
