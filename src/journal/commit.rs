//! The commit thread: many batches, one write, one `fdatasync`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use super::frame::Frame;
use super::frozen::Frozen;
use super::hooks::Hooks;
use super::queue::{Shared, Work};
use super::receipt::{Group, Outcome};
use super::room::Room;
use super::writer::Writer;
use super::{EncodedBatch, Seq, StoreId};
use crate::disk;

/// How long a failed disk is left alone before the next try.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Room for a batch or two beyond the limit, so that the journal does not come and go.
const PROBE_BYTES: u64 = 2 << 20;

/// How long a new segment waits for a file descriptor: in all a second, after which those who wait
/// for the batch should be told.
const DESCRIPTOR_PAUSE: Duration = Duration::from_millis(20);
const DESCRIPTOR_TRIES: u32 = 50;

/// What a burst may leave allocated.
const KEPT_BUFFER_BYTES: usize = 4 << 20;

/// Takes batches that are durable, in order. Called by the commit thread only.
pub trait Sink: Send {
    /// What must be known of a group before anybody is told that it is durable. It should take no time:
    /// everybody waits for it.
    fn hear(&mut self, _group: &[(Seq, EncodedBatch)]) {}

    /// One group, never empty. Must not fail: what the sink cannot take is its own trouble.
    fn apply(&mut self, group: &[(Seq, EncodedBatch)]);
}

/// What the commit thread owns.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) folder: PathBuf,
    pub(super) store: StoreId,
    pub(super) sink: Box<dyn Sink>,
    pub(super) segment_bytes: u64,
    pub(super) room: Room,
    /// Nothing after a failure, until a new segment could be made.
    pub(super) writer: Option<Writer>,
    /// Until the first write, where nothing could be written at the start.
    pub(super) frozen: Option<Frozen>,
    pub(super) hooks: Hooks,
    pub(super) buffer: Vec<u8>,
}

impl Committer {
    pub(super) fn run(mut self) {
        loop {
            match self.shared.next_work(PROBE_EVERY) {
                Work::Group(batches, group) => self.commit(&batches, &group),
                Work::Rotate(waiting) => self.rotate(&waiting),
                Work::Probe(next) => self.probe(next),
                Work::Stop => break,
            }
        }
        if let Some(writer) = self.writer.take() {
            writer.finish();
        }
    }

    /// Who awaits a receipt is told before the sink has seen the batches: the owner of a session reads
    /// what it submitted by itself. Whoever else reads what the sink has waits for the sink.
    fn commit(&mut self, batches: &[(Seq, EncodedBatch)], group: &Group) {
        let Some((last, _)) = batches.last() else { return };
        if let Err(error) = self.write(batches, *last) {
            log::error!("cannot write to the journal: {error}; writes are refused for now");
            self.fail(&error, group);
            return;
        }
        self.shared.set_durable(*last);
        self.sink.hear(batches);
        group.settle(Outcome::Durable);
        self.sink.apply(batches);
        group.finish(Outcome::Durable);
    }

    fn write(&mut self, batches: &[(Seq, EncodedBatch)], last: Seq) -> io::Result<()> {
        self.room.require()?;
        let durable = self.shared.durable();
        let first = batches.first().map_or(last, |(seq, _)| *seq);
        self.leave_full_segment(first)?;
        let open = match self.writer.take() {
            Some(open) => open,
            None => self.create_patiently(first)?,
        };
        let writer = self.writer.insert(open);
        self.buffer.clear();
        for (seq, batch) in batches {
            let frame = Frame { seq: *seq, durable, payload: batch.payload() };
            frame.append_to(&mut self.buffer, writer.segment().salt);
        }
        writer.write(&self.buffer, last)?;
        writer.sync()?;
        self.shared.syncs.fetch_add(1, Relaxed);
        self.buffer.shrink_to(KEPT_BUFFER_BYTES);
        self.publish();
        Ok(())
    }

    /// Goes on in a new segment if the present one is long enough. Without a file descriptor for
    /// that, the present one becomes longer than it should.
    fn leave_full_segment(&mut self, first: Seq) -> io::Result<()> {
        let is_full = |writer: &Writer| writer.segment().end >= self.segment_bytes;
        if !self.writer.as_ref().is_some_and(is_full) {
            return Ok(());
        }
        match self.create(first) {
            Ok(next) => {
                self.close_segment();
                self.writer = Some(next);
                Ok(())
            }
            Err(error) if disk::is_out_of_files(&error) => {
                log::debug!("no new segment of the journal: {error}; the present one is kept");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Descriptors come back when connections end, and nothing is lost by waiting for one: the
    /// batches are not written yet.
    #[allow(clippy::disallowed_methods, reason = "the commit thread is nobody's arbiter")]
    fn create_patiently(&self, first: Seq) -> io::Result<Writer> {
        let mut tries = DESCRIPTOR_TRIES;
        loop {
            match self.create(first) {
                Err(error) if tries > 0 && disk::is_out_of_files(&error) => {
                    tries -= 1;
                    thread::sleep(DESCRIPTOR_PAUSE);
                }
                created => return created,
            }
        }
    }

    fn create(&self, first: Seq) -> io::Result<Writer> {
        let durable = self.shared.durable();
        Writer::create(&self.folder, self.store, first, durable, self.hooks.clone())
    }

    /// A failed `fdatasync` may have thrown the data away and is not tried again; the whole
    /// segment is left behind.
    fn fail(&mut self, error: &io::Error, group: &Group) {
        if let Some(writer) = self.writer.take() {
            let active = self.shared.files().active.take();
            if let Some(closed) = writer.abandon(active) {
                self.shared.files().closed.push(closed);
            }
        }
        self.shared.active_bytes.store(0, Relaxed);
        let reason = reason(error);
        self.shared.fail(reason);
        group.finish(Outcome::Failed(reason.into()));
    }

    fn probe(&mut self, next: Seq) {
        let opened = self
            .room
            .require_more(PROBE_BYTES)
            .and_then(|()| self.thaw())
            .and_then(|()| self.create(next));
        match opened {
            Ok(writer) => {
                self.writer = Some(writer);
                self.publish();
                log::info!("the journal takes writes again");
                self.shared.recover();
            }
            Err(error) => log::debug!("the journal still cannot be written: {error}"),
        }
    }

    fn thaw(&mut self) -> io::Result<()> {
        self.frozen.as_mut().map_or(Ok(()), Frozen::thaw)?;
        self.frozen = None;
        Ok(())
    }

    /// The next segment is made when the next batch comes.
    fn rotate(&mut self, waiting: &[Arc<Group>]) {
        if self.writer.as_ref().is_some_and(|writer| !writer.is_empty()) {
            self.close_segment();
        }
        for group in waiting {
            group.finish(Outcome::Durable);
        }
    }

    fn close_segment(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        let finished = writer.finish();
        let mut files = self.shared.files();
        files.active = None;
        files.closed.push(finished);
        self.shared.active_bytes.store(0, Relaxed);
    }

    fn publish(&self) {
        if let Some(writer) = &self.writer {
            let segment = writer.segment().clone();
            self.shared.active_bytes.store(segment.end, Relaxed);
            self.shared.files().active = Some(segment);
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.shared.end();
    }
}

fn reason(error: &io::Error) -> &'static str {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        FileTooLarge => "a file may not become longer (ulimit -f)",
        _ if disk::is_out_of_files(error) => "too many files and connections are open",
        StorageFull | QuotaExceeded => "the disk is full",
        ReadOnlyFilesystem => "the disk is read-only",
        _ => "the disk reports errors",
    }
}
