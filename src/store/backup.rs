//! Copies of a whole store in one file, made while others go on writing.
//!
//! A backup is a snapshot of the journal (`docs/FORMAT.md`), sealed or not. Restoring one makes a new
//! journal of it, from which sled is built. Nothing is touched before the whole file was read once.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::lock::Lock;
use super::records::SessionNumber;
use super::seal::{self, SealError, SealingKey, Unsealed};
use super::vault::{self, Member, StoreKey, Vault};
use super::{CodecError, OnlyKey, Record, Store, StoreError, StoreOptions, codec, kinds, premises};
use crate::disk;
use crate::journal::{self, Folder, JournalError, Op, Ownership, Seq, SessionNo, StoreId};
use crate::model::Memory;

/// What a backup holds, after every byte of it was read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BackupContent {
    pub path: PathBuf,
    pub bytes: u64,
    pub is_sealed: bool,
    /// The id of the store, shortened as in messages.
    pub store: String,
    /// Everything up to this batch is in it.
    pub seq: Seq,
    pub keys: u64,
    pub users: u64,
    pub memories: u64,
    /// The name of the key that opens what it holds, if it is of an encrypted store.
    pub encrypted_with: Option<String>,
    /// Over everything it holds: equal for equal content.
    pub checksum: u32,
}

/// Why a backup cannot be made, read or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    #[error("{} is no backup of memoryd", path.display())]
    NoBackup { path: PathBuf },

    #[error("{} is damaged: {problem}", path.display())]
    Damaged { path: PathBuf, problem: String },

    #[error("{}: {source}", path.display())]
    Sealed { path: PathBuf, source: SealError },

    #[error("{} has format version {found}; use a newer memoryd", path.display())]
    Newer { path: PathBuf, found: u32 },

    #[error(
        "{} is not empty, and a backup is restored into an empty or a new folder only; nothing was \
         changed. Name one with --data-dir",
        dir.display()
    )]
    NotEmpty { dir: PathBuf },

    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What one reading finds out.
#[derive(Default)]
struct Counts {
    keys: u64,
    users: u64,
    memories: u64,
    /// Of an encrypted store.
    store_key: Option<StoreKey>,
}

/// What one reading of a whole backup says.
struct Inspected {
    content: BackupContent,
    store: StoreId,
    store_key: Option<StoreKey>,
}

/// Reads every byte of a backup, and checks every record.
pub fn verify_backup(path: &Path, key: Option<&SealingKey>) -> Result<BackupContent, BackupError> {
    inspect(path, key).map(|inspected| inspected.content)
}

/// The same, and whose it is.
fn inspect(path: &Path, key: Option<&SealingKey>) -> Result<Inspected, BackupError> {
    let mut counts = Counts::default();
    let mut last: Option<(SessionNo, Vec<u8>)> = None;
    let is_sealed = begins_with(path, seal::MAGIC).map_err(StoreError::disk("read", path))?;
    let (store, seq, checksum) = visit(path, key, &mut |op| {
        let this = (op.session, op.key.to_vec());
        if last.as_ref().is_some_and(|last| *last >= this) {
            return Err(damaged(path, "its records are not in order".to_owned()));
        }
        last = Some(this);
        counts.note(path, op)
    })?;
    let bytes = fs::metadata(path).map_err(StoreError::disk("look at", path))?.len();
    let Counts { keys, users, memories, store_key } = counts;
    let (path, named) = (path.to_owned(), store.to_string());
    let encrypted_with = store_key.as_ref().map(|key| key.owner().to_string());
    let content = BackupContent {
        path,
        bytes,
        is_sealed,
        store: named,
        seq,
        keys,
        users,
        memories,
        encrypted_with,
        checksum,
    };
    Ok(Inspected { content, store, store_key })
}

/// Makes a store of a backup in a folder that is empty or does not exist, and opens it once, which
/// builds sled and compares everything.
pub fn restore(
    path: &Path,
    key: Option<&SealingKey>,
    dir: &Path,
    options: StoreOptions,
) -> Result<BackupContent, BackupError> {
    let Inspected { content, store, store_key } = inspect(path, key)?;
    if let Some(store_key) = &store_key {
        Vault::unlock(store_key, options.encryption.as_ref())?;
    }
    require_empty(dir)?;
    premises::enter_or_create(dir)?;
    let lock = Lock::take(dir, options.lock_patience)?;
    Folder::found::<BackupError>(&dir.join("journal"), Ownership::of(store), content.seq, |put| {
        visit(path, key, &mut |op| Ok(put(op).map_err(StoreError::from)?)).map(|_| ())
    })?;
    drop(lock);
    Store::open(dir, options)?.close();
    Ok(content)
}

/// Copies a plain backup to its place, sealed.
pub(super) fn seal_to(plain: &Path, key: &SealingKey, target: &Path) -> Result<(), StoreError> {
    let draft = target.with_extension("tmp");
    let sealed = (|| -> io::Result<()> {
        let mut source = BufReader::new(File::open(plain)?);
        let mut file = disk::create_file(&draft)?;
        seal::seal(key, &mut source, &mut file)?;
        file.sync_all()?;
        disk::put_in_place(&draft, target)
    })();
    if sealed.is_err() {
        // The first error is the one to tell.
        let _ = disk::remove_file(&draft);
    }
    sealed.map_err(StoreError::disk("write", target))
}

fn require_empty(dir: &Path) -> Result<(), BackupError> {
    let mut entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(StoreError::disk("list", dir))?,
    };
    if entries.next().is_none() {
        Ok(())
    } else {
        Err(BackupError::NotEmpty { dir: dir.to_owned() })
    }
}

fn visit(
    path: &Path,
    key: Option<&SealingKey>,
    visitor: &mut dyn FnMut(Op<'_>) -> Result<(), BackupError>,
) -> Result<(StoreId, Seq, u32), BackupError> {
    let told = |error: io::Error| told(path, error);
    let file = File::open(path).map_err(StoreError::disk("open", path))?;
    let file = BufReader::with_capacity(1 << 18, file);
    let source: Box<dyn Read> = if begins_with(path, seal::MAGIC).map_err(told)? {
        Box::new(Unsealed::open(file, key).map_err(told)?)
    } else if begins_with(path, journal::MAGIC).map_err(told)? {
        Box::new(file)
    } else {
        return Err(BackupError::NoBackup { path: path.to_owned() });
    };
    journal::visit_copy::<BackupError>(path, source, visitor)
}

fn begins_with(path: &Path, magic: &[u8; 8]) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(magic.len() as u64).read_to_end(&mut start)?;
    Ok(start == magic)
}

fn damaged(path: &Path, problem: String) -> BackupError {
    BackupError::Damaged { path: path.to_owned(), problem }
}

/// An error of reading that is one of the seal is told as such.
fn told(path: &Path, error: io::Error) -> BackupError {
    match error.downcast::<SealError>() {
        Ok(SealError::Newer { found }) => BackupError::Newer { path: path.to_owned(), found },
        Ok(source) => BackupError::Sealed { path: path.to_owned(), source },
        Err(error) => StoreError::disk("read", path)(error).into(),
    }
}

impl From<JournalError> for BackupError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Damaged { path, problem, .. } => damaged(&path, problem.to_owned()),
            JournalError::NewerFormat { path, found, .. } => Self::Newer { path, found },
            JournalError::Disk { path, source, .. } => told(&path, source),
            other => Self::Store(other.into()),
        }
    }
}

impl Counts {
    fn note(&mut self, path: &Path, op: Op<'_>) -> Result<(), BackupError> {
        let (Some((prefix, key)), Some(value)) = (op.key.split_first(), op.value) else {
            return Err(damaged(path, "it holds something that is no record".to_owned()));
        };
        let Some(kind) = kinds::find(op.session, *prefix) else {
            return Err(damaged(path, format!("it holds a record of the unknown kind {prefix}")));
        };
        (kind.check)(key, value).map_err(|error| match error {
            CodecError::NewerVersion { .. } => {
                BackupError::Store(StoreError::unreadable(kind.name, error))
            }
            error => damaged(path, format!("a {} record: {error}", kind.name)),
        })?;
        self.keys += 1;
        let is_system = op.session == SessionNo::SYSTEM;
        let is_user = matches!(*prefix, SessionNumber::PREFIX | Member::PREFIX);
        self.users += u64::from(is_system && is_user);
        self.memories += u64::from(!is_system && *prefix == Memory::PREFIX);
        if vault::is_store_key(op) {
            self.store_key = codec::decode(&OnlyKey, value).ok();
        }
        Ok(())
    }
}
