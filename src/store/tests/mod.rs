//! Tests of the whole store against a real folder, with the damage a real disk can do.

mod backup;
mod damage;
mod durability;
mod encryption;
mod foreign;
mod formats;
mod frozen;
mod layout;
mod minds;
mod premises;
mod salvage;
mod sessions;
mod trust;
mod upkeep;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Batch, SessionStore, Store, StoreError, StoreOptions};
use crate::journal::{self, Faults};
use crate::model::{Access, Kind, Memory, MemoryId, Source, Tags, Timestamp, UserId};

/// What a session should hold.
type Contents = BTreeMap<MemoryId, String>;

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn id(number: u128) -> MemoryId {
    MemoryId::from_bytes(number.to_be_bytes())
}

fn memory(number: u128, content: &str) -> Memory {
    let memory = Memory::new(id(number), content.to_owned(), Timestamp(1));
    Memory { updated_at: Timestamp(2), ..memory }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, StoreOptions::default()).unwrap()
}

/// Commits one memory, and waits until it is durable.
fn put(session: &mut SessionStore, number: u128, content: &str) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    batch.put(&id(number), &memory(number, content));
    session.commit(batch)?.wait()
}

fn contents(store: &Store, name: &str) -> Contents {
    let session = store.session(&user(name)).unwrap();
    session.scan::<Memory>().map(|entry| entry.map(|(id, m)| (id, m.content)).unwrap()).collect()
}

/// A data directory with `count` memories of `ada`, closed properly.
fn filled(count: u128) -> (tempfile::TempDir, Contents) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    let mut expected = Contents::new();
    for number in 0..count {
        let content = format!("memory {number} {}", "x".repeat((number * 37 % 700) as usize));
        put(&mut session, number, &content).unwrap();
        expected.insert(id(number), content);
    }
    store.close();
    (dir, expected)
}

/// What a `kill -9` leaves: the files as they are now.
fn copy(from: &Path) -> tempfile::TempDir {
    loop {
        let before = journal_files(from, "");
        let to = tempfile::tempdir().unwrap();
        copy_into(from, to.path());
        // A kill takes a moment, a copy does not: the keeper may have compacted the journal meanwhile.
        if journal_files(from, "") == before {
            return to;
        }
    }
}

fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_into(&entry.path(), &target);
        } else {
            // sled's snapshots come and go.
            let _ = fs::copy(entry.path(), target);
        }
    }
}

/// The files of the journal whose names begin so, oldest first.
fn journal_files(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix))
        .collect();
    paths.sort();
    paths
}

fn sled_folder(dir: &Path) -> PathBuf {
    let is_current = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.strip_prefix("sled-").is_some_and(|number| number.parse::<u64>().is_ok())
    };
    let mut found: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(is_current).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Whether a file of the folder, or below it, holds these bytes.
fn is_on_disk(dir: &Path, bytes: impl AsRef<[u8]>) -> bool {
    let bytes = bytes.as_ref();
    // Files come and go while we look.
    let unless_gone = |error: std::io::Error| {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
    };
    let holds = |entry: fs::DirEntry| {
        let path = entry.path();
        if path.is_dir() {
            return is_on_disk(&path, bytes);
        }
        let found = fs::read(&path).map_err(unless_gone).unwrap_or_default();
        found.windows(bytes.len()).any(|window| window == bytes)
    };
    let entries = fs::read_dir(dir).map_err(unless_gone);
    entries.is_ok_and(|entries| entries.map(Result::unwrap).any(holds))
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn has_aside(dir: &Path, prefix: &str) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.starts_with(prefix) && name.contains(".damaged-")
    })
}

fn access(count: u64) -> Access {
    Access { count, last: Timestamp(9) }
}

fn failing(faults: &Arc<Faults>) -> StoreOptions {
    let journal = journal::JournalOptions {
        faults: Arc::clone(faults),
        ..journal::JournalOptions::default()
    };
    StoreOptions { journal, ..StoreOptions::default() }
}

fn wait_until_writable(store: &Store) {
    wait_until(|| store.is_writable());
}

fn wait_until(is_so: impl Fn() -> bool) {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    for _ in 0..200 {
        if is_so() {
            return;
        }
        let _ = never.recv_timeout(std::time::Duration::from_millis(50));
    }
    panic!("the store did not recover");
}
