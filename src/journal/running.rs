//! The open journal: who may call what, and what a crash leaves.
//!
//! **Threads.** One commit thread owns the sink and the writer of the active segment; nobody else
//! writes to a segment. Everybody else only puts batches in line and waits for receipts. The
//! keeper of the store is the one caller of [`Journal::write_snapshot`] and
//! [`Journal::discard_stale`], in this order.
//!
//! **The way of a batch.** `submit` gives it a seq and a place in line -> the thread takes all that
//! wait as one group -> frames are written -> `fdatasync` -> `durable` is raised -> the sink hears of
//! the group -> who awaits a receipt is told -> the sink sees the group -> who blocks for a receipt is
//! told. So whoever knows of a true receipt finds the batch on the disk, and by what he kept of it
//! himself; whoever blocked for it, or for [`Journal::wait_for_sink`] afterwards, in the trees as well.
//!
//! **Failure.** When a write or a sync fails, the whole group and all that wait are lost, the
//! receipts say so, `epoch` is raised, and the segment is left behind: a sync that failed is never
//! repeated. A batch that was built on an older epoch is refused, because it may rest on what was
//! lost. Seqs of lost batches are not given again. Once a second the thread tries to make a new
//! segment, whose header says up to where earlier ones count; when that works, writes are taken.
//! Running out of file descriptors loses nothing: the segment grows, or the group waits a moment.
//!
//! **Locks.** `queue` (what waits) and `files` (which files count) are never held together, and
//! none of the two during a write, a sync or a call of the sink. `thread` is taken by `close` only.
//!
//! **What a crash leaves.**
//!
//! | between | is found at the next start |
//! |---|---|
//! | submit and write | nothing of the batch; nobody was told |
//! | write and `fdatasync` | whole frames, which count, or a torn end, which is cut off; nobody was told |
//! | `fdatasync` and receipt | the batch; the caller does not know, and finds it |
//! | making a segment and its first frame | a segment without frames, which is gone on with |
//! | the new segment and the end of the old one | the old one with reserved zeros at its end |
//! | writing a snapshot and its rename | a draft, which is removed |
//! | the rename and `discard_stale` | the snapshot beside what it replaces, which is removed |

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::commit::{Committer, Sink};
use super::compaction;
use super::folder::{Folder, SegmentFile, replay_files};
use super::frozen::{Frozen, Thaw};
use super::hooks::Hooks;
use super::queue::{Files, Shared, Submitted};
use super::room::Room;
use super::snapshot::{Draft, Snapshot};
use super::writer::Writer;
use super::{EncodedBatch, JournalError, JournalOptions, Op, Seq, StoreId};
use crate::disk;

/// The open journal and its commit thread.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    folder: PathBuf,
    store: StoreId,
    free_bytes: u64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Files that do not change any more, and what they hold.
struct Standing {
    previous: Option<Snapshot>,
    closed: Vec<SegmentFile>,
    /// The seq of the snapshot, and that of everything.
    known: Seq,
    seq: Seq,
}

impl Journal {
    /// Cuts what was torn, and starts the commit thread. Whoever calls it has judged the folder's
    /// damage and brought the sink up to the folder's last seq.
    pub fn start(
        mut folder: Folder,
        sink: Box<dyn Sink>,
        options: &JournalOptions,
    ) -> Result<Self, JournalError> {
        let path = folder.path.clone();
        disk::create_folder_within(&path).map_err(JournalError::disk("create", &path))?;
        for stale in folder.stale.drain(..) {
            disk::remove_file(&stale).map_err(JournalError::disk("remove", &stale))?;
        }
        let (store, last) = (folder.store(), folder.last_seq());
        let open = last_segment(&mut folder, store, last, options.segment_bytes);
        let writer = open
            .map(|segment| {
                let (path, hooks) = (segment.path.clone(), Hooks::of(options));
                Writer::resume(segment, hooks).map_err(JournalError::disk("open", &path))
            })
            .transpose()?;
        Self::run(folder, writer, None, sink, options)
    }

    /// The same where the disk takes no writes, and neither does the journal. Once the disk does, `thaw` is
    /// called, again and again until it succeeds, and nothing is written before that.
    pub fn start_frozen(
        mut folder: Folder,
        sink: Box<dyn Sink>,
        thaw: Thaw,
        options: &JournalOptions,
    ) -> Result<Self, JournalError> {
        let frozen = Frozen::of(&mut folder, thaw);
        Self::run(folder, None, Some(frozen), sink, options)
    }

    fn run(
        mut folder: Folder,
        writer: Option<Writer>,
        frozen: Option<Frozen>,
        sink: Box<dyn Sink>,
        options: &JournalOptions,
    ) -> Result<Self, JournalError> {
        let (path, store, last) = (folder.path.clone(), folder.store(), folder.last_seq());
        if writer.is_none() {
            // The next segment has the name of one without frames, and must not go with those that a
            // snapshot takes the place of.
            folder.segments.pop_if(|segment| segment.last < segment.first);
        }
        let active = writer.as_ref().map(|writer| writer.segment().clone());
        let active_bytes = active.as_ref().map_or(0, |segment| segment.end);
        let (snapshot, closed) = (folder.snapshot, folder.segments);
        let files = Files { snapshot, closed, active, stale: Vec::new() };
        let shared = Arc::new(Shared::new(last, files, options.queue_bytes));
        shared.active_bytes.store(active_bytes, Relaxed);
        if frozen.is_some() {
            shared.fail("the disk is read-only");
        }
        let committer = Committer {
            shared: Arc::clone(&shared),
            folder: path.clone(),
            store,
            sink,
            segment_bytes: options.segment_bytes,
            room: Room::new(path.clone(), options.free_bytes),
            writer,
            frozen,
            hooks: Hooks::of(options),
            buffer: Vec::new(),
        };
        let thread = Builder::new()
            .name("journal".to_owned())
            .spawn(move || committer.run())
            .map_err(JournalError::disk("start the thread of", &path))?;
        Ok(Self {
            shared,
            folder: path,
            store,
            free_bytes: options.free_bytes,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Puts a batch in line. It has its place in the order at once and is durable when the receipt
    /// comes true. `epoch` is that of [`Journal::epoch`] when the caller last looked.
    pub fn submit(&self, batch: EncodedBatch, epoch: u64) -> Result<Submitted, JournalError> {
        self.shared.submit(batch, epoch)
    }

    /// Says that a batch is about to be submitted, and returns why it would be refused, if that is so. Whoever does not
    /// submit one has done no harm.
    pub fn announce(&self) -> Option<Arc<str>> {
        self.shared.announce()
    }

    /// Blocks until the sink has seen everything that is said to be durable, for no longer than the sink
    /// takes: the disk is not waited for. It fails if the sink never will.
    pub fn wait_for_sink(&self) -> Result<(), JournalError> {
        self.shared.wait_for_sink()
    }

    /// Changes whenever submitted batches were lost to a failing disk.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.shared.epoch.load(Acquire)
    }

    /// Whether a batch that was submitted will never be durable.
    #[must_use]
    pub fn is_lost(&self, seq: Seq) -> bool {
        self.shared.is_lost(seq)
    }

    /// Why writes are refused at present, if they are.
    #[must_use]
    pub fn unavailable(&self) -> Option<Arc<str>> {
        self.shared.unavailable()
    }

    /// Why the disk took no writes when it was last asked. Unlike [`Journal::unavailable`] it does
    /// not speak of a journal that was merely closed.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<str>> {
        self.shared.failure()
    }

    /// Whether nothing is taken any more because of [`Journal::close`].
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.shared.is_closing()
    }

    /// The last batch that survives a power cut.
    #[must_use]
    pub fn durable(&self) -> Seq {
        self.shared.durable()
    }

    /// How many times `fdatasync` made a group of batches durable.
    #[must_use]
    #[cfg(test)]
    pub fn syncs(&self) -> u64 {
        self.shared.syncs.load(Relaxed)
    }

    /// The size of all files that count.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let files = self.shared.files();
        let closed: u64 = files.closed.iter().map(|segment| segment.end).sum();
        let snapshot = files.snapshot.as_ref().map_or(0, |snapshot| snapshot.bytes);
        closed + snapshot + self.shared.active_bytes.load(Relaxed)
    }

    #[must_use]
    pub fn snapshot_bytes(&self) -> u64 {
        self.shared.files().snapshot.as_ref().map_or(0, |snapshot| snapshot.bytes)
    }

    /// Whether each file ends where its last frame does, and every file counts: then
    /// [`Folder::open_closed`] knows all by their headers and sizes. Only after [`Journal::close`].
    #[must_use]
    pub fn is_tidy(&self) -> bool {
        let files = self.shared.files();
        let segments = files.closed.iter().chain(&files.active);
        let segments = segments.map(|segment| (&segment.path, segment.end));
        let snapshot = files.snapshot.iter().map(|snapshot| (&snapshot.path, snapshot.bytes));
        let ends_there = |(path, end): (&PathBuf, u64)| {
            std::fs::metadata(path).is_ok_and(|found| found.len() == end)
        };
        files.stale.is_empty() && segments.chain(snapshot).all(ends_there)
    }

    /// Shows the operations of batches after `from` and up to `to`, which must be durable, while
    /// others go on writing. If the snapshot reaches past `from`, everything is shown.
    pub fn replay<E: From<JournalError>>(
        &self,
        from: Seq,
        to: Seq,
        visitor: &mut dyn FnMut(Seq, Op<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (snapshot, segments) = {
            let files = self.shared.files();
            let mut segments = files.closed.clone();
            segments.extend(files.active.clone());
            (files.snapshot.clone(), segments)
        };
        let incomplete = replay_files(snapshot.as_ref(), &segments, from, to, &mut |found| {
            visitor(found.seq, found.op)
        })?;
        match incomplete {
            Some(path) => {
                let problem = "a frame went bad since the start; restart to mend it";
                Err(JournalError::Damaged { path, offset: 0, problem }.into())
            }
            None => Ok(()),
        }
    }

    /// Writes a snapshot of everything up to now, while others go on writing. Afterwards
    /// [`Journal::discard_stale`] removes the files that it replaces. Returns its seq.
    pub fn write_snapshot(&self) -> Result<Seq, JournalError> {
        let Standing { previous, closed, known, seq } = self.stand_still()?;
        // One of format 1 is written anew even if nothing has come since.
        if seq == known && previous.as_ref().is_none_or(|previous| previous.store == self.store) {
            self.shared.files().retire(seq);
            return Ok(seq);
        }
        let draft = Draft::create(&self.folder, self.store, seq, self.free_bytes)?;
        let snapshot = compaction::fold(previous.as_ref(), &closed, draft)?;
        let mut files = self.shared.files();
        files.snapshot = Some(snapshot);
        files.retire(seq);
        // One of the same batch has taken the place of the previous one.
        files.stale.extend(previous.filter(|old| old.seq != seq).map(|snapshot| snapshot.path));
        Ok(seq)
    }

    /// Writes everything up to now to a file elsewhere, in the form of a snapshot, while others go on
    /// writing. It is synced and read back. Only the keeper may call it: no snapshot may be made
    /// meanwhile. Returns the seq that it is complete up to.
    pub fn write_copy(&self, target: &Path) -> Result<Seq, JournalError> {
        let Standing { previous, closed, seq, .. } = self.stand_still()?;
        let draft = Draft::create_at(target.to_owned(), self.store, seq, self.free_bytes)?;
        compaction::fold(previous.as_ref(), &closed, draft)?;
        Ok(seq)
    }

    /// Closes the active segment, so that all there is until now lies in files that do not change.
    fn stand_still(&self) -> Result<Standing, JournalError> {
        self.shared.rotate()?.wait()?;
        let (previous, closed) = {
            let files = self.shared.files();
            (files.snapshot.clone(), files.closed.clone())
        };
        let known = previous.as_ref().map_or(Seq::ZERO, |snapshot| snapshot.seq);
        let seq = closed.iter().map(|segment| segment.last).max().unwrap_or(known).max(known);
        Ok(Standing { previous, closed, known, seq })
    }

    /// Removes the files that the snapshot replaces.
    pub fn discard_stale(&self) -> Result<(), JournalError> {
        let stale = mem::take(&mut self.shared.files().stale);
        for path in &stale {
            disk::remove_file(path).map_err(JournalError::disk("remove", path))?;
        }
        disk::sync_folder(&self.folder).map_err(JournalError::disk("sync", &self.folder))
    }

    /// Finishes what was submitted and ends the thread.
    pub fn close(&self) {
        self.shared.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            log::error!("the journal's thread panicked");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            // A segment is read as a whole when the program starts, so it must fit into the
            // memory of a small machine.
            segment_bytes: 32 << 20,
            queue_bytes: 64 << 20,
            // Twice the space that the journal takes in advance.
            free_bytes: 8 << 20,
            #[cfg(test)]
            faults: Arc::default(),
            #[cfg(test)]
            sync_hook: None,
        }
    }
}

/// The segment to go on with, if it ends where the journal ends, has room, and names its store.
fn last_segment(
    folder: &mut Folder,
    store: StoreId,
    last: Seq,
    segment_bytes: u64,
) -> Option<SegmentFile> {
    folder.segments.pop_if(|segment| {
        segment.last == last && segment.end < segment_bytes && segment.store == store
    })
}
