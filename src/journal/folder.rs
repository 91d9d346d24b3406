//! Reads the journal's folder: what is there, whether it is whole, and what it says.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{FRAMES_START, Header};
use super::listing::Listing;
use super::segment::{Found, Segment};
use super::snapshot::{self, Snapshot};
use super::{JournalError, Op, Ownership, Seq, StoreId};
use crate::disk;

const BEHIND_ITS_END: &str = "something lies after its end";

/// The journal's files as they were found. Opening changes nothing on the disk.
#[derive(Debug)]
pub struct Folder {
    pub(super) path: PathBuf,
    pub(super) snapshot: Option<Snapshot>,
    /// Those that count, oldest first.
    pub(super) segments: Vec<SegmentFile>,
    /// Superseded by the snapshot, or never finished.
    pub(super) stale: Vec<PathBuf>,
    /// Whose files count; nothing in an empty folder of which nothing is known.
    identity: Option<Ownership>,
    strangers: Vec<Stranger>,
    blemishes: Vec<Blemish>,
    damage: Vec<Damage>,
    pub(super) torn: Option<Torn>,
    last_seq: Seq,
}

/// A segment that was checked.
#[derive(Debug, Clone)]
pub(super) struct SegmentFile {
    pub(super) path: PathBuf,
    pub(super) first: Seq,
    pub(super) last: Seq,
    /// Where the last frame ends.
    pub(super) end: u64,
    pub(super) salt: u64,
    pub(super) store: StoreId,
}

/// What is known of a journal before its files are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// Whose files count. Without it the files are asked themselves.
    pub identity: Option<Ownership>,
    /// The last batch of a journal that was closed in good order: nothing came after it.
    pub ended_with: Option<Seq>,
}

/// A file among ours that is not what its name says. It counts as if it were not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    pub path: PathBuf,
    pub problem: String,
    /// What its name says.
    pub(super) seq: Seq,
}

/// Something wrong with a file of which everything can still be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blemish {
    pub path: PathBuf,
    pub problem: &'static str,
}

/// Acknowledged batches that the journal no longer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub path: PathBuf,
    pub offset: u64,
    pub problem: &'static str,
    /// The last seq that is missing; the largest number if nobody can know.
    pub to: Seq,
}

/// Bytes at the end of the last segment that are not a whole frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    pub path: PathBuf,
    pub offset: u64,
    pub bytes: u64,
}

impl Folder {
    /// Reads and checks every frame. A folder that does not exist is an empty one.
    pub fn open(path: &Path, expected: Expected) -> Result<Self, JournalError> {
        let mut listing = Listing::read(path)?;
        let identity = expected.identity.or_else(|| listing.identity());
        let strangers = identity.map_or_else(Vec::new, |identity| listing.set_apart(identity));
        let mut folder = Self {
            path: path.to_owned(),
            snapshot: None,
            segments: Vec::new(),
            blemishes: listing.blemishes(),
            stale: listing.drafts,
            identity,
            strangers,
            damage: Vec::new(),
            torn: None,
            last_seq: Seq::ZERO,
        };
        let unreadable = folder.find_snapshot(listing.snapshots)?;
        folder.read_segments(listing.segments)?;
        folder.judge(unreadable);
        folder.judge_end(expected.ended_with);
        Ok(folder)
    }

    /// One of which it is known already what its files hold, and that all is well with them.
    pub(super) fn of_known(
        path: &Path,
        identity: Ownership,
        snapshot: Option<Snapshot>,
        segments: Vec<SegmentFile>,
        last_seq: Seq,
    ) -> Self {
        Self {
            path: path.to_owned(),
            snapshot,
            segments,
            stale: Vec::new(),
            identity: Some(identity),
            strangers: Vec::new(),
            blemishes: Vec::new(),
            damage: Vec::new(),
            torn: None,
            last_seq,
        }
    }

    /// The ids of the stores that the files of a folder name, each once.
    pub fn stores(path: &Path) -> Result<Vec<StoreId>, JournalError> {
        Ok(Listing::read(path)?.stores())
    }

    #[must_use]
    pub fn identity(&self) -> Option<Ownership> {
        self.identity
    }

    /// Says whose files will be written.
    pub fn belong_to(&mut self, identity: Ownership) {
        self.identity = Some(identity);
    }

    #[must_use]
    pub fn strangers(&self) -> &[Stranger] {
        &self.strangers
    }

    #[must_use]
    pub fn blemishes(&self) -> &[Blemish] {
        &self.blemishes
    }

    /// Writes headers anew of which one copy is damaged, and cuts what lies after the end of a file.
    /// What the files were is kept in a folder beside.
    pub fn heal(&mut self, aside: &Path) -> Result<(), JournalError> {
        disk::create_folder_within(aside).map_err(JournalError::disk("create", aside))?;
        for Blemish { path, .. } in self.blemishes.drain(..) {
            let of_segments = self.segments.iter().map(|segment| (&segment.path, segment.end));
            let of_snapshot = self.snapshot.iter().map(|snapshot| (&snapshot.path, snapshot.bytes));
            let end = of_segments.chain(of_snapshot).find(|(known, _)| **known == path);
            let end = end.map(|(_, end)| end);
            let kept = aside.join(path.file_name().unwrap_or_default());
            disk::copy_file(&path, &kept).map_err(JournalError::disk("keep a copy of", &path))?;
            heal_file(&path, end).map_err(JournalError::disk("mend", &path))?;
        }
        Ok(())
    }

    /// Moves files that are not ours out of the way, so that none lies where ours will be written.
    pub fn move_strangers(&mut self, aside: &Path) -> Result<(), JournalError> {
        let paths = self.strangers.drain(..).map(|stranger| stranger.path).collect::<Vec<_>>();
        move_aside(&self.path, &paths, aside).map_err(JournalError::disk("move aside to", aside))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.snapshot.is_none() && self.segments.is_empty() && self.damage.is_empty()
    }

    /// The last batch that the journal holds, damaged ones counted.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// The oldest batch that can still be read by itself comes after this one.
    #[must_use]
    pub fn snapshot_seq(&self) -> Seq {
        self.snapshot.as_ref().map_or(Seq::ZERO, |snapshot| snapshot.seq)
    }

    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    #[must_use]
    pub fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// The size of all files that count.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let segments: u64 = self.segments.iter().map(|segment| segment.end).sum();
        segments + self.snapshot.as_ref().map_or(0, |snapshot| snapshot.bytes)
    }

    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Shows the operations of all batches after `from`, oldest first. If the snapshot reaches
    /// past `from`, everything is shown.
    pub fn replay<E: From<JournalError>>(
        &self,
        from: Seq,
        visitor: &mut dyn FnMut(Seq, Op<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (snapshot, segments) = (self.snapshot.as_ref(), &self.segments[..]);
        // Holes are in the list of damage, which the caller has judged.
        replay_files(snapshot, segments, from, Seq::MAX, &mut |found| {
            visitor(found.seq, found.op)
        })?;
        Ok(())
    }

    /// Replaces everything by a snapshot of another source that is complete up to `seq`, and
    /// moves the old files to `aside`.
    pub fn replace<E: From<JournalError>>(
        self,
        seq: Seq,
        aside: &Path,
        source: impl FnMut(&mut dyn FnMut(Op<'_>) -> Result<(), JournalError>) -> Result<(), E>,
    ) -> Result<Self, E> {
        disk::create_folder_within(&self.path).map_err(JournalError::disk("create", &self.path))?;
        // A damaged snapshot of the same batch is kept aside like all the others.
        let is_taken = self.path.join(snapshot_name(seq)).exists();
        let seq = if is_taken { seq.after() } else { seq };
        let written = snapshot::write_from(&self.path, self.store(), seq, source)?;
        move_others_aside(&self.path, &written.path, aside)
            .map_err(JournalError::disk("move the damaged journal to", aside))?;
        let expected = Expected { identity: self.identity, ended_with: None };
        Ok(Self::open(&self.path, expected)?)
    }

    /// Whose files are written.
    pub(super) fn store(&self) -> StoreId {
        self.identity.map_or(StoreId::UNNAMED, |identity| identity.store)
    }

    /// Makes a journal that begins with a snapshot of another source, where there is none yet.
    pub fn found<E: From<JournalError>>(
        path: &Path,
        identity: Ownership,
        seq: Seq,
        source: impl FnMut(&mut dyn FnMut(Op<'_>) -> Result<(), JournalError>) -> Result<(), E>,
    ) -> Result<(), E> {
        disk::create_folder_within(path).map_err(JournalError::disk("create", path))?;
        snapshot::write_from(path, identity.store, seq, source).map(|_| ())
    }

    /// The newest snapshot that is whole. One that is not matters only if no older one is.
    fn find_snapshot(
        &mut self,
        mut found: Vec<(Seq, PathBuf)>,
    ) -> Result<Vec<Damage>, JournalError> {
        let mut unreadable = Vec::new();
        while let Some((seq, path)) = found.pop() {
            match snapshot::verify(&path) {
                Ok((snapshot, _)) => {
                    self.last_seq = snapshot.seq;
                    if std::fs::metadata(&path).is_ok_and(|found| found.len() > snapshot.bytes) {
                        self.blemishes.push(Blemish { path, problem: BEHIND_ITS_END });
                    }
                    self.snapshot = Some(snapshot);
                    self.stale.extend(found.into_iter().map(|(_, path)| path));
                    return Ok(unreadable);
                }
                Err(JournalError::Damaged { path, offset, problem }) => {
                    unreadable.push(Damage { path, offset, problem, to: seq });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(unreadable)
    }

    /// A crash may leave a new snapshot beside the segments that it replaces: then the segments
    /// can stand in for a snapshot that went bad.
    fn judge(&mut self, unreadable: Vec<Damage>) {
        let included = self.snapshot_seq();
        self.damage.retain(|damage| damage.to > included);
        for damage in unreadable {
            if self.damage.is_empty() && self.last_seq >= damage.to {
                log::warn!(
                    "{} is damaged ({}), but the segments it was made from are still there",
                    damage.path.display(),
                    damage.problem
                );
                self.stale.push(damage.path);
            } else {
                self.last_seq = self.last_seq.max(damage.to);
                self.damage.push(damage);
            }
        }
    }

    /// A file that is not ours stands where one of ours may have been, and a header that cannot be
    /// read hides how far its segment went, unless it is known where the journal ended.
    fn judge_end(&mut self, ended_with: Option<Seq>) {
        let is_complete = ended_with.is_some_and(|last| last <= self.last_seq);
        for stranger in &self.strangers {
            if stranger.seq > self.last_seq && !is_complete {
                let problem = "it is not the file that belongs there";
                let (path, to) = (stranger.path.clone(), Seq::MAX);
                self.damage.push(Damage { path, offset: 0, problem, to });
            }
        }
        if let Some(torn) = self.torn.take_if(|_| is_complete && ended_with == Some(self.last_seq))
        {
            self.blemishes.push(Blemish { path: torn.path, problem: BEHIND_ITS_END });
        }
        if let Some(last) = ended_with {
            let last = last.max(self.last_seq);
            for damage in &mut self.damage {
                damage.to = damage.to.min(last);
            }
        }
    }

    fn read_segments(&mut self, found: Vec<(Seq, PathBuf)>) -> Result<(), JournalError> {
        let mut paths = found.into_iter().map(|(_, path)| path).peekable();
        let mut next = paths.next().map(|path| read_whole(&path)).transpose()?;
        while let Some(current) = next.take() {
            next = paths.next().map(|path| read_whole(&path)).transpose()?;
            let limit = match &next {
                Some(Ok(next)) => next.header.previous,
                // Without the next header, its place in the count is all that is known.
                Some(Err(_)) | None => Seq::MAX,
            };
            match current {
                Ok(segment) => self.take_segment(&segment, limit, next.is_none()),
                Err(damage) => {
                    self.damage.push(Damage { to: limit, ..damage });
                    self.last_seq = if limit == Seq::MAX { self.last_seq } else { limit };
                }
            }
        }
        Ok(())
    }

    fn take_segment(&mut self, segment: &Segment, limit: Seq, is_last: bool) {
        let included = self.snapshot_seq();
        if !is_last && limit <= included {
            self.stale.push(segment.path.clone());
            return;
        }
        let mut lost = |offset, problem, to| {
            self.damage.push(Damage { path: segment.path.clone(), offset, problem, to });
        };
        if segment.header.previous > self.last_seq {
            lost(0, "the segment before it is missing or cut off", segment.header.previous);
        }
        let outline = segment.outline(limit);
        for hole in &outline.holes {
            lost(hole.offset, "the checksum of a frame does not match", hole.to);
        }
        if outline.last < limit && limit != Seq::MAX {
            lost(outline.end, "the rest of the segment is missing or unreadable", limit);
        }
        if outline.tail_bytes > 0 {
            let (path, bytes) = (segment.path.clone(), outline.tail_bytes);
            if is_last {
                self.torn = Some(Torn { path, offset: outline.end, bytes });
            } else {
                self.blemishes.push(Blemish { path, problem: BEHIND_ITS_END });
            }
        }
        let last = if limit == Seq::MAX { outline.last } else { limit };
        self.last_seq = self.last_seq.max(last).max(segment.header.previous);
        self.segments.push(SegmentFile {
            path: segment.path.clone(),
            first: segment.header.first,
            last: outline.last.min(limit),
            end: outline.end,
            salt: segment.header.salt,
            store: segment.header.store,
        });
    }
}

/// Shows the operations after the first and up to the second seq, in order. Returns the first
/// file in which something was missing.
pub(super) fn replay_files<E: From<JournalError>>(
    snapshot: Option<&Snapshot>,
    segments: &[SegmentFile],
    from: Seq,
    to: Seq,
    visitor: &mut dyn FnMut(Found<'_>) -> Result<(), E>,
) -> Result<Option<PathBuf>, E> {
    let mut incomplete = None;
    let mut shown = from;
    if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.seq > from) {
        snapshot::visit(&snapshot.path, visitor)?;
        shown = snapshot.seq;
    }
    for file in segments.iter().filter(|file| file.last > shown && file.first <= to) {
        let segment = Segment::read(&file.path)?;
        if !segment.visit(shown, to.min(file.last), visitor)? {
            incomplete.get_or_insert_with(|| file.path.clone());
        }
    }
    Ok(incomplete)
}

pub(super) fn segment_name(first: Seq) -> String {
    format!("{:020}.log", first.0)
}

pub(super) fn snapshot_name(seq: Seq) -> String {
    format!("snapshot-{:020}.log", seq.0)
}

/// Damage to a header is a finding; a newer format or a failing disk ends the reading.
fn read_whole(path: &Path) -> Result<Result<Segment, Damage>, JournalError> {
    match Segment::read(path) {
        Ok(segment) => Ok(Ok(segment)),
        Err(JournalError::Damaged { path, offset, problem }) => {
            Ok(Err(Damage { path, offset, problem, to: Seq::MAX }))
        }
        Err(error) => Err(error),
    }
}

fn heal_file(path: &Path, end: Option<u64>) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut start = vec![0; FRAMES_START];
    file.read_exact_at(&mut start, 0)?;
    if let Ok(header) = Header::parse(&start) {
        file.write_all_at(&header.to_bytes(), 0)?;
    }
    end.map_or(Ok(()), |end| file.set_len(end))?;
    file.sync_all()
}

fn move_others_aside(folder: &Path, keep: &Path, aside: &Path) -> io::Result<()> {
    let mut others = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path() != keep && entry.file_type()?.is_file() {
            others.push(entry.path());
        }
    }
    move_aside(folder, &others, aside)
}

fn move_aside(folder: &Path, paths: &[PathBuf], aside: &Path) -> io::Result<()> {
    disk::create_folder_within(aside)?;
    for path in paths {
        std::fs::rename(path, aside.join(path.file_name().unwrap_or_default()))?;
    }
    disk::sync_folder(aside)?;
    disk::sync_folder(folder)
}
