//! sled, fenced in: its panics become errors, its files become private, its limits are kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::catching::{caught, caught_apart};
use super::last::last_within;
use super::lock::{PATIENCE, patiently};
use super::value::{self, Head, Pieces};
use crate::disk;
use crate::journal::{Op, Seq, SessionNo, StoreId};

/// In sled's unnamed tree, which holds nothing but these two.
const APPLIED_KEY: &[u8] = b"applied";
const STORE_KEY: &[u8] = b"store";

/// One generation of the trees that sessions read.
#[derive(Debug)]
pub(super) struct Trees {
    path: PathBuf,
    generation: u64,
    /// Taken only when it is dropped.
    db: Option<sled::Db>,
    /// Held open since before the first write, so that no error of a sync is missed.
    file: File,
    trees: RwLock<HashMap<SessionNo, sled::Tree>>,
    /// Never given twice, see [`Head::Pieces`].
    next_tag: AtomicU64,
    /// The first thing that went wrong. Afterwards nothing is believed.
    broken: OnceLock<String>,
    /// Why a flush failed on the disk. What is here can still be read and will never be durable.
    stalled: OnceLock<String>,
}

/// sled failed, panicked, or does not hold what it should. Only a rebuild helps.
#[derive(Debug, Clone, thiserror::Error)]
#[error("sled: {0}")]
pub(super) struct Broken(pub(super) String);

/// Why the trees could not be opened or flushed. Only the first kind says anything bad of sled.
#[derive(Debug, thiserror::Error)]
pub(super) enum TreesError {
    #[error(transparent)]
    Broken(#[from] Broken),

    /// The disk did not take what sled had to write. It can be read until it is replaced.
    #[error("sled is not durable: {0}")]
    Stalled(String),

    /// Our own work around sled failed, and may succeed when it is tried again.
    #[error("cannot {doing} {}: {source}", path.display())]
    Disk { doing: &'static str, path: PathBuf, source: io::Error },
}

/// A key and its value.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

/// A walk over one session. It keeps its generation of the trees alive.
pub(super) struct Entries {
    trees: Arc<Trees>,
    session: SessionNo,
    tree: Option<sled::Tree>,
    iter: Option<sled::Iter>,
    has_failed: bool,
}

impl Trees {
    pub(super) fn open(path: &Path, generation: u64, cache_bytes: u64) -> Result<Self, TreesError> {
        prepare(path).map_err(TreesError::unless_misshapen("prepare", path))?;
        let db = open_sled(path, cache_bytes)?;
        make_private(path).map_err(TreesError::disk("close to others", path))?;
        let db_path = path.join("db");
        let file = File::open(&db_path).map_err(TreesError::disk("open", &db_path))?;
        let trees = Self {
            path: path.to_owned(),
            generation,
            db: Some(db),
            file,
            trees: RwLock::default(),
            next_tag: AtomicU64::new(1),
            broken: OnceLock::new(),
            stalled: OnceLock::new(),
        };
        for name in caught(|| Ok(trees.db()?.tree_names()))? {
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

    /// Why nothing should be added here. Reading may go on where [`Trees::broken`] says nothing.
    pub(super) fn unwritable(&self) -> Option<Broken> {
        self.broken().or_else(|| self.stalled.get().cloned().map(Broken))
    }

    /// Up to here every batch is in the trees. Later ones may be, too.
    pub(super) fn applied(&self) -> Result<Seq, Broken> {
        let bytes = self.guard(|| self.db()?.get(APPLIED_KEY))?;
        let bytes: Option<[u8; 8]> = bytes.and_then(|bytes| bytes.as_ref().try_into().ok());
        Ok(Seq(bytes.map_or(0, u64::from_be_bytes)))
    }

    /// Which store they were made for. Those of format 1 do not say.
    pub(super) fn store(&self) -> Result<StoreId, Broken> {
        let bytes = self.guard(|| self.db()?.get(STORE_KEY))?;
        let bytes: Option<[u8; 16]> = bytes.and_then(|bytes| bytes.as_ref().try_into().ok());
        Ok(bytes.map_or(StoreId::UNNAMED, StoreId))
    }

    pub(super) fn set_store(&self, store: StoreId) -> Result<(), Broken> {
        self.guard(|| self.db()?.insert(STORE_KEY, &store.0)).map(|_| ())
    }

    pub(super) fn set_applied(&self, seq: Seq) -> Result<(), Broken> {
        self.guard(|| self.db()?.insert(APPLIED_KEY, &seq.0.to_be_bytes())).map(|_| ())
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

    pub(super) fn get(&self, session: SessionNo, key: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
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

    /// The greatest key of one kind of record, without its first byte.
    pub(super) fn last_key(
        &self,
        session: SessionNo,
        prefix: u8,
    ) -> Result<Option<Vec<u8>>, Broken> {
        let Some(tree) = self.tree(session) else { return Ok(None) };
        // Every key of the kind is longer than the first of these, and none is the second.
        let last = self.guard(|| last_within(&tree, vec![prefix]..=vec![prefix + 1]))?;
        Ok(last.and_then(|key| key.strip_prefix(&[prefix]).map(<[u8]>::to_vec)))
    }

    /// Walks keys and values in key order.
    pub(super) fn range(
        self: &Arc<Self>,
        session: SessionNo,
        range: RangeInclusive<Vec<u8>>,
    ) -> Entries {
        let tree = self.tree(session);
        let iter = tree.as_ref().map(|tree| tree.range(range));
        Entries { trees: Arc::clone(self), session, tree, iter, has_failed: false }
    }

    /// Walks over everything, and removes pieces that a crash has left without a head. Nobody may
    /// write meanwhile. Returns how many keys each session has.
    pub(super) fn survey<E: From<Broken>>(
        &self,
        visitor: &mut dyn FnMut(Op<'_>) -> Result<(), E>,
    ) -> Result<BTreeMap<SessionNo, u64>, E> {
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
    ///
    /// After an error of the disk no later flush is believed: sled does not write again what it
    /// could not write, and a sync that failed may have thrown pages away. What is in memory is as
    /// good as before, so reading goes on until these trees are replaced.
    pub(super) fn flush(&self) -> Result<(), TreesError> {
        if let Some(broken) = self.broken() {
            return Err(broken.into());
        }
        if let Some(reason) = self.stalled.get() {
            return Err(TreesError::Stalled(reason.clone()));
        }
        caught_apart(|| self.db()?.flush().map(|_| ()))
            .map_err(|Broken(reason)| self.condemn(&reason))?
            .and_then(|()| self.file.sync_data())
            .map_err(|error| self.stall(&error.to_string()))?;
        make_private(&self.path).map_err(TreesError::disk("close to others", &self.path))?;
        disk::sync_folder(&self.path).map_err(TreesError::disk("sync", &self.path))
    }

    /// Notes that these trees will not be durable, and must be replaced once the disk takes writes.
    pub(super) fn stall(&self, reason: &str) -> TreesError {
        if self.stalled.set(reason.to_owned()).is_ok() {
            log::error!("sled cannot be made durable: {reason}; it is read until it is rebuilt");
        }
        TreesError::Stalled(reason.to_owned())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Pieces sort last and by their tags, so the last key has the highest tag.
    fn keep_tags_unique(&self, tree: &sled::Tree) -> Result<(), Broken> {
        let pieces = vec![value::PIECE_PREFIX]..=vec![u8::MAX; 16];
        let last = self.guard(|| last_within(tree, pieces))?;
        let last_tag = last.and_then(|key| value::piece_tag(&key)).unwrap_or_default();
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

    fn db(&self) -> sled::Result<&sled::Db> {
        self.db.as_ref().ok_or_else(|| sled::Error::Unsupported("sled is closed".to_owned()))
    }

    fn tree(&self, session: SessionNo) -> Option<sled::Tree> {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        trees.get(&session).cloned()
    }

    fn create_tree(&self, session: SessionNo) -> Result<sled::Tree, Broken> {
        let tree = self.guard(|| self.db()?.open_tree(tree_name(session)))?;
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        Ok(trees.entry(session).or_insert(tree).clone())
    }

    fn all(&self) -> Vec<(SessionNo, sled::Tree)> {
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

    /// From now on nothing here is believed.
    pub(super) fn condemn(&self, reason: &str) -> Broken {
        if self.broken.set(reason.to_owned()).is_ok() {
            log::error!("sled cannot be used any more: {reason}; it is rebuilt from the journal");
        }
        Broken(reason.to_owned())
    }
}

/// sled writes what it still holds when its last handle goes, and panics if the disk refuses.
impl Drop for Trees {
    fn drop(&mut self) {
        let trees = std::mem::take(self.trees.get_mut().unwrap_or_else(PoisonError::into_inner));
        let db = self.db.take();
        let closed = caught(move || {
            drop((trees, db));
            Ok(())
        });
        if closed.is_err() {
            log::error!("sled could not write what it held when it was closed");
        }
    }
}

/// A walk may have the last handle.
impl Drop for Entries {
    fn drop(&mut self) {
        let (iter, tree) = (self.iter.take(), self.tree.take());
        // Whatever it says has been said of the trees already.
        let _ = caught(move || {
            drop((iter, tree));
            Ok(())
        });
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

impl TreesError {
    fn disk(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { doing, path: path.to_owned(), source }
    }

    /// For the folder before sled sees it: what is no folder at all does not become one by waiting.
    fn unless_misshapen(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        use io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, NotFound};
        move |source| match source.kind() {
            AlreadyExists | IsADirectory | NotADirectory | NotFound => {
                Broken(format!("cannot {doing} its folder: {source}")).into()
            }
            _ => Self::disk(doing, path)(source),
        }
    }
}

/// An error of the disk, or a lock that somebody holds, is no reason to throw sled away.
fn open_sled(path: &Path, cache_bytes: u64) -> Result<sled::Db, TreesError> {
    let config = sled::Config::default()
        .path(path)
        .cache_capacity(cache_bytes)
        .flush_every_ms(None)
        .use_compression(false);
    let is_held = |opened: &Result<io::Result<sled::Db>, Broken>| {
        opened.as_ref().is_ok_and(|opened| opened.as_ref().is_err_and(is_lock_held))
    };
    match patiently(PATIENCE, || caught_apart(|| config.open()), is_held)? {
        Ok(db) => Ok(db),
        Err(error) if disk::is_passing(&error) || is_lock_held(&error) => {
            Err(TreesError::disk("open", path)(error))
        }
        Err(error) => Err(Broken(error.to_string()).into()),
    }
}

/// sled locks its file as well, and has no kind of error for it.
fn is_lock_held(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.to_string().starts_with("could not acquire lock")
}

/// A kill while sled starts leaves a file behind that fails every later start.
fn prepare(path: &Path) -> io::Result<()> {
    disk::create_folder_within(path)?;
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
            Ok(kind) if kind.is_symlink() => Ok(()),
            Ok(_) => disk::close_to_others(&entry.path())
                .and_then(|()| disk::leave_path_to_owner(&entry.path())),
            Err(error) => Err(error),
        };
        // Snapshots come and go while we look.
        closed.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
    }
    Ok(())
}

fn tree_name(session: SessionNo) -> String {
    if session == SessionNo::SYSTEM { "system".to_owned() } else { format!("s{session}") }
}

fn session_of(name: &[u8]) -> Option<SessionNo> {
    if name == b"system" {
        return Some(SessionNo::SYSTEM);
    }
    let number = std::str::from_utf8(name.strip_prefix(b"s")?).ok()?;
    number.parse().ok().map(SessionNo).filter(|session| *session != SessionNo::SYSTEM)
}
