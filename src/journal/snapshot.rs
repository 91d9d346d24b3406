//! Writes and reads snapshots: the live operations of everything up to one seq, in one file.
//!
//! A snapshot is written beside its place, synced, read back, and only then renamed.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::Advice;

use super::batch::EncodedBatch;
use super::folder::snapshot_name;
use super::frame::{FRAME_HEAD_BYTES, FRAMES_START, Frame, FrameHead, Header};
use super::segment::{Found, parse_header, visit_payload};
use super::{JournalError, Op, Seq, SessionNo, StoreId};
use crate::disk;

/// How much a snapshot's frame collects: large enough to stream, small next to a phone's memory.
const FRAME_BYTES: usize = 1 << 20;

/// The last frame of a snapshot has this seq, and its payload counts the operations.
pub(super) const END: Seq = Seq::MAX;

/// A finished snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) path: PathBuf,
    pub(super) seq: Seq,
    pub(super) bytes: u64,
    pub(super) store: StoreId,
}

/// A snapshot that is being written.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    target: PathBuf,
    file: File,
    header: Header,
    free_bytes: u64,
    pending: EncodedBatch,
    buffer: Vec<u8>,
    frames: u64,
    ops: u64,
    /// Over all payloads, to compare with what is read back.
    crc: u32,
}

impl Draft {
    /// Gives up when the disk has less than `free_bytes` left.
    pub(super) fn create(
        folder: &Path,
        store: StoreId,
        seq: Seq,
        free_bytes: u64,
    ) -> Result<Self, JournalError> {
        Self::create_at(folder.join(snapshot_name(seq)), store, seq, free_bytes)
    }

    /// The same for a place of its own.
    pub(super) fn create_at(
        target: PathBuf,
        store: StoreId,
        seq: Seq,
        free_bytes: u64,
    ) -> Result<Self, JournalError> {
        let path = target.with_extension("tmp");
        let header = Header::snapshot(store, seq);
        let mut file = disk::create_file(&path).map_err(JournalError::disk("create", &path))?;
        file.write_all(&header.to_bytes()).map_err(JournalError::disk("write", &path))?;
        Ok(Self {
            path,
            target,
            file,
            header,
            free_bytes,
            pending: EncodedBatch::default(),
            buffer: Vec::new(),
            frames: 0,
            ops: 0,
            crc: 0,
        })
    }

    pub(super) fn put(
        &mut self,
        session: SessionNo,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), JournalError> {
        self.pending.put(session, key, value)?;
        self.ops += 1;
        if self.pending.payload().len() >= FRAME_BYTES { self.write_pending() } else { Ok(()) }
    }

    /// Syncs, reads everything back, and puts the file in its place. Nothing stays of a snapshot
    /// that fails: it would keep a full disk full.
    pub(super) fn finish(mut self) -> Result<Snapshot, JournalError> {
        let finished = self.complete();
        if finished.is_err() {
            self.discard();
        }
        finished
    }

    fn complete(&mut self) -> Result<Snapshot, JournalError> {
        self.write_pending()?;
        let count = self.ops.to_le_bytes();
        self.write_frame(END, &count)?;
        self.file.sync_all().map_err(JournalError::disk("sync", &self.path))?;
        // What is read back should come from the disk, not from memory. If the system does not
        // care for the advice, the checksums are still compared.
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
        let (snapshot, read_back) = verify(&self.path)?;
        if read_back != (self.ops, self.crc) {
            let problem = "the snapshot does not read back as it was written";
            return Err(JournalError::Damaged { path: self.path.clone(), offset: 0, problem });
        }
        let (path, target) = (&self.path, self.target.clone());
        disk::put_in_place(path, &target).map_err(JournalError::disk("rename", path))?;
        Ok(Snapshot { path: target, ..snapshot })
    }

    /// Removes what was written so far.
    pub(super) fn discard(self) {
        if let Err(error) = disk::remove_file(&self.path) {
            log::warn!("cannot remove an unfinished snapshot: {error}");
        }
    }

    fn write_pending(&mut self) -> Result<(), JournalError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        self.frames += 1;
        self.crc = crc32c::crc32c_append(self.crc, pending.payload());
        self.write_frame(Seq(self.frames), pending.payload())?;
        self.pending = pending;
        self.pending.clear();
        Ok(())
    }

    fn write_frame(&mut self, seq: Seq, payload: &[u8]) -> Result<(), JournalError> {
        self.buffer.clear();
        Frame { seq, durable: Seq::ZERO, payload }.append_to(&mut self.buffer, self.header.salt);
        disk::require_free(&self.path, self.free_bytes)
            .and_then(|()| self.file.write_all(&self.buffer))
            .map_err(JournalError::disk("write", &self.path))
    }
}

/// Checks every frame. Returns the snapshot, how many operations it holds, and the checksum over its payloads.
pub(super) fn verify(path: &Path) -> Result<(Snapshot, (u64, u32)), JournalError> {
    let (mut ops, mut reader) = (0, Reader::open(path)?);
    let crc = read_all::<JournalError>(&mut reader, &mut |_| {
        ops += 1;
        Ok(())
    })?;
    let Header { first: seq, store, .. } = reader.header;
    Ok((Snapshot { path: path.to_owned(), seq, bytes: reader.offset, store }, (ops, crc)))
}

/// Shows every operation of a snapshot from anywhere, and checks everything. Returns whose it is, the
/// seq that it is complete up to, and the checksum over its payloads.
pub(super) fn visit_stream<E: From<JournalError>>(
    path: &Path,
    source: Box<dyn Read>,
    visitor: &mut dyn FnMut(Op<'_>) -> Result<(), E>,
) -> Result<(StoreId, Seq, u32), E> {
    let mut reader = Reader::of(path, source)?;
    let crc = read_all::<E>(&mut reader, &mut |found| visitor(found.op))?;
    let more = reader.file.read(&mut [0]).map_err(JournalError::disk("read", path))?;
    if more > 0 {
        return Err(reader.damaged("something lies after its end").into());
    }
    Ok((reader.header.store, reader.header.first, crc))
}

/// Returns the checksum over all payloads.
fn read_all<E: From<JournalError>>(
    reader: &mut Reader,
    visitor: &mut dyn FnMut(Found<'_>) -> Result<(), E>,
) -> Result<u32, E> {
    let (mut ops, mut crc) = (0, 0);
    while let Some(payload) = reader.next()? {
        crc = crc32c::crc32c_append(crc, payload);
        let offset = reader.payload_offset;
        let frame = Frame { seq: Seq::ZERO, durable: Seq::ZERO, payload: &reader.payload };
        visit_payload::<E>(&frame, offset, &reader.path, &mut |found| {
            ops += 1;
            visitor(found)
        })?;
    }
    if reader.ops != ops {
        return Err(reader.damaged("it does not hold the operations that it counts").into());
    }
    Ok(crc)
}

/// Shows every operation of a snapshot, each of which is a value of a different key.
pub(super) fn visit<E: From<JournalError>>(
    path: &Path,
    visitor: &mut dyn FnMut(Found<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = Reader::open(path)?;
    while reader.next()?.is_some() {
        let frame =
            Frame { seq: reader.header.first, durable: Seq::ZERO, payload: &reader.payload };
        visit_payload(&frame, reader.payload_offset, path, visitor)?;
    }
    Ok(())
}

/// Writes a snapshot from somewhere else than the journal.
pub(super) fn write_from<E: From<JournalError>>(
    folder: &Path,
    store: StoreId,
    seq: Seq,
    mut source: impl FnMut(&mut dyn FnMut(Op<'_>) -> Result<(), JournalError>) -> Result<(), E>,
) -> Result<Snapshot, E> {
    let mut draft = Draft::create(folder, store, seq, 0)?;
    let filled = source(&mut |op| match op.value {
        Some(value) => draft.put(op.session, op.key, value),
        None => Ok(()),
    });
    if let Err(error) = filled {
        draft.discard();
        return Err(error);
    }
    Ok(draft.finish()?)
}

pub(super) struct Reader {
    path: PathBuf,
    file: Box<dyn Read>,
    header: Header,
    payload: Vec<u8>,
    payload_offset: u64,
    offset: u64,
    frames: u64,
    ops: u64,
}

impl Reader {
    fn open(path: &Path) -> Result<Self, JournalError> {
        let file = File::open(path).map_err(JournalError::disk("open", path))?;
        Self::of(path, Box::new(BufReader::with_capacity(1 << 18, file)))
    }

    /// Reads a snapshot from anywhere; the path is for messages.
    pub(super) fn of(path: &Path, mut file: Box<dyn Read>) -> Result<Self, JournalError> {
        let mut start = Vec::with_capacity(FRAMES_START);
        (&mut file)
            .take(FRAMES_START as u64)
            .read_to_end(&mut start)
            .map_err(JournalError::disk("read", path))?;
        let header = parse_header(&start, path, true)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            header,
            payload: Vec::new(),
            payload_offset: 0,
            offset: FRAMES_START as u64,
            frames: 0,
            ops: 0,
        })
    }

    /// The next payload, or nothing at a proper end.
    fn next(&mut self) -> Result<Option<&[u8]>, JournalError> {
        let mut head = [0; FRAME_HEAD_BYTES];
        self.fill(&mut head)?;
        let Some((parsed, _)) = FrameHead::parse(&head) else {
            return Err(self.damaged("a frame is cut off or has an impossible length"));
        };
        self.payload.resize(parsed.length, 0);
        let mut payload = std::mem::take(&mut self.payload);
        self.fill(&mut payload)?;
        let frame = Frame { seq: parsed.seq, durable: parsed.durable, payload: &payload };
        if !frame.matches(parsed.crc, self.header.salt) {
            return Err(self.damaged("the checksum of a frame does not match"));
        }
        self.payload_offset = self.offset + FRAME_HEAD_BYTES as u64;
        self.offset += frame.size() as u64;
        self.payload = payload;
        if parsed.seq == END {
            let count = self.payload.first_chunk::<8>().copied().unwrap_or_default();
            self.ops = u64::from_le_bytes(count);
            return Ok(None);
        }
        self.frames += 1;
        if parsed.seq != Seq(self.frames) {
            return Err(self.damaged("a frame is missing"));
        }
        Ok(Some(&self.payload))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), JournalError> {
        self.file.read_exact(buffer).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                self.damaged("the snapshot is cut off")
            } else {
                JournalError::disk("read", &self.path)(error)
            }
        })
    }

    fn damaged(&self, problem: &'static str) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), offset: self.offset, problem }
    }
}
