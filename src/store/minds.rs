//! What sessions that sleep leave for those that wake: each a file of its own in `.minds`, which is worth nothing without
//! the records and can be removed at any time.
//!
//! **The mark.** A file is right as long as the memories and vectors of its session are what they were when it was made.
//! That is told by a record of the session itself, a random number, which the file bears as well. It is written when the
//! session goes to sleep, and every batch that touches a memory or a vector removes it: in the same batch, so that there is
//! no state of the records, after whatever crash, in which the one is there without the other. So the number stands for
//! that state and no other, also in copies and backups: whoever finds it among the records finds the records of then. What
//! is counted, noted or paged meanwhile touches nothing of this, and the file serves any number of wakings.
//!
//! **What must leave the disk.** A file holds words of memories. So it is removed with the mark, before the session that
//! erases something has its receipt. Where a crash or a power cut brings it back it is removed by the start, and whatever
//! makes all files anew (`keeper.rs`) removes it as well, durably: in either case whatever file has no mark among the
//! records. Salvage, which may lose batches between two others, removes all files and all marks.
//!
//! **Order.** The mark is submitted, the file is written beside its place, the mark is durable, the file gets its place.
//! A crash leaves a mark without a file, or neither. One owner has a session (`session.rs`), so nobody writes meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::mind_file::{self, Head, KeptMind, Label};
use super::session::full_key;
use super::shared::Shared;
use super::vault::{self, Seat};
use super::{Batch, CodecError, OnlyKey, Record, SessionStore, StoreError, StoredVector, codec};
use crate::disk;
use crate::journal::SessionNo;
use crate::model::Memory;

const FOLDER: &str = ".minds";

/// The random number of a state of the memories of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MindMark(pub(super) [u8; 16]);

/// A mark as it lies on disk since version 1.
#[derive(Debug, Serialize, Deserialize)]
pub struct MindMarkV1([u8; 16]);

impl Record for MindMark {
    type Key = OnlyKey;
    type Body = MindMarkV1;
    const PREFIX: u8 = 9;
    const VERSION: u8 = 1;
    const KIND: &'static str = "mind";

    fn to_body(&self) -> MindMarkV1 {
        MindMarkV1(self.0)
    }

    fn from_body(_: &OnlyKey, MindMarkV1(mark): MindMarkV1) -> Result<Self, CodecError> {
        Ok(Self(mark))
    }
}

impl SessionStore {
    /// Keeps what its owner has made of the memories and vectors, for whoever opens it next. `maker` says which program
    /// that is, in at most 255 bytes, and `bytes` about how many it will be. Blocks until it is durable. What is kept
    /// already, and still right, stays. Returns whether anything was written.
    pub fn keep_mind(
        &mut self,
        maker: &[u8],
        bytes: u64,
        write: &dyn Fn(&mut dyn Write) -> io::Result<()>,
    ) -> Result<bool, StoreError> {
        let Some(seat) = self.seat.clone() else { return Ok(false) };
        if self.may_have_mind && self.kept_mind(maker).is_some() {
            return Ok(false);
        }
        let folder = self.shared.dir.join(FOLDER);
        // Others need room, too, and it is no use to fill the disk with this.
        let spared = self.shared.options.journal.free_bytes.saturating_mul(2);
        disk::require_free(&self.shared.dir, spared.saturating_add(bytes))
            .map_err(StoreError::disk("keep a session in", &folder))?;
        let mark = MindMark(vault::random()?);
        let mut batch = Batch::default();
        batch.put::<MindMark>(&OnlyKey, &mark);
        let receipt = self.commit(batch)?;
        self.may_have_mind = true;
        disk::create_folder_within(&folder).map_err(StoreError::disk("create", &folder))?;
        let path = path_of(&self.shared.dir, seat.number);
        let label = label(&self.shared, seat.number, mark, maker);
        let draft = mind_file::write(&path, (&label, &seat), spared, write)?;
        match receipt.wait() {
            Ok(()) => draft.put_in_place().map(|_| true).map_err(StoreError::disk("write", &path)),
            Err(lost) => {
                draft.discard();
                Err(lost)
            }
        }
    }

    /// What was kept by this program, if the memories and vectors are still what they were then.
    #[must_use]
    pub fn kept_mind(&self, maker: &[u8]) -> Option<KeptMind> {
        let seat = self.seat.as_ref()?;
        let path = path_of(&self.shared.dir, seat.number);
        if !path.exists() {
            return None;
        }
        // Whoever reads the records meets whatever is wrong with them.
        let Some(mark) = self.get::<MindMark>(&OnlyKey).ok().flatten() else {
            mind_file::refuse(&path, &io::Error::other("it tells of what has changed since"));
            return None;
        };
        match KeptMind::open(&path, &label(&self.shared, seat.number, mark, maker), seat) {
            Ok(kept) => kept,
            Err(error) => {
                mind_file::refuse(&path, &error);
                None
            }
        }
    }

    /// Whether the records say that something is kept. Where that is not known it is as if they did.
    pub(super) fn may_have_mark(&self) -> bool {
        !matches!(self.get::<MindMark>(&OnlyKey), Ok(None))
    }
}

/// Whether what is kept of a session tells of the record with this key.
pub(super) fn tells_of(key: &[u8]) -> bool {
    matches!(key.first(), Some(&(Memory::PREFIX | StoredVector::PREFIX)))
}

/// Removes what is kept of a session, and half a file of whoever did not come to its end. Its owner asks for it, and
/// nobody else writes one.
pub(super) fn remove(dir: &Path, session: SessionNo) {
    let path = path_of(dir, session);
    mind_file::remove(&path.with_extension("tmp"));
    mind_file::remove(&path);
}

/// Removes what nobody would read, before anybody has a session.
pub(super) fn clear(shared: &Shared) {
    let found = list(&shared.dir);
    if found.is_empty() {
        return;
    }
    let marks = Marks::read(shared);
    for (session, path) in found {
        if session.is_none_or(|session| !marks.fits(session, &path)) {
            mind_file::remove(&path);
        }
    }
}

/// The same while there are sessions, some of which may be about to keep something, and durably. What cannot be
/// removed keeps nothing else.
pub(super) fn clear_stale(shared: &Shared) -> Result<(), StoreError> {
    let folder = shared.dir.join(FOLDER);
    if !folder.is_dir() {
        return Ok(());
    }
    let (marks, mut outcome) = (Marks::read(shared), Ok(()));
    for (session, path) in list(&shared.dir) {
        if session.is_some_and(|session| !marks.fits(session, &path)) {
            let removed = disk::remove_file(&path).map_err(StoreError::disk("remove", &path));
            outcome = outcome.and(removed);
        }
    }
    outcome.and(disk::sync_folder(&folder).map_err(StoreError::disk("sync", &folder)))
}

/// Removes everything that is kept.
pub(super) fn remove_all(dir: &Path) -> Result<(), StoreError> {
    let folder = dir.join(FOLDER);
    disk::remove_any(&folder)
        .and_then(|()| disk::sync_folder(dir))
        .map_err(StoreError::disk("remove", &folder))
}

/// What the records say of files.
struct Marks<'a> {
    shared: &'a Shared,
    seats: BTreeMap<SessionNo, Seat>,
}

impl<'a> Marks<'a> {
    fn read(shared: &'a Shared) -> Self {
        let seats = shared.user_ids().into_iter().filter_map(|user| shared.seat(&user));
        Self { shared, seats: seats.map(|seat| (seat.number, seat)).collect() }
    }

    /// Whether a file tells of what is so. One of which that cannot be known is as good as none.
    fn fits(&self, session: SessionNo, path: &Path) -> bool {
        let head = fs::File::open(path).and_then(|mut file| Head::read(&mut file));
        let Some((head, mark)) = head.ok().zip(self.mark(session)) else { return false };
        let is_sealed = self.seats.get(&session).is_some_and(|seat| !seat.is_plain());
        let maker = head.label.maker.clone();
        head.label == label(self.shared, session, mark, &maker) && head.is_sealed() == is_sealed
    }

    fn mark(&self, session: SessionNo) -> Option<MindMark> {
        let key = full_key::<MindMark>(&OnlyKey);
        let value = self.shared.trees().get(session, &key).ok().flatten()?;
        let value = self.seats.get(&session)?.open(&key, value).ok()?;
        codec::decode(&OnlyKey, &value).ok()
    }
}

fn label(shared: &Shared, session: SessionNo, mark: MindMark, maker: &[u8]) -> Label {
    let store = shared.identity().store;
    Label { store, session, mark: mark.0, maker: maker.to_vec() }
}

fn path_of(dir: &Path, session: SessionNo) -> PathBuf {
    dir.join(FOLDER).join(session.0.to_string())
}

/// The files of ours, and of which session each tells. Drafts tell of none.
fn list(dir: &Path) -> Vec<(Option<SessionNo>, PathBuf)> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(dir.join(FOLDER)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return found,
        entries => entries,
    };
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let session = name.strip_suffix(".tmp").unwrap_or(&name).parse().ok().map(SessionNo);
        match session {
            Some(_) if name.ends_with(".tmp") => found.push((None, entry.path())),
            Some(session) => found.push((Some(session), entry.path())),
            None => {}
        }
    }
    found
}
