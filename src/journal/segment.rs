//! Reads one segment, and tells a torn end from damage.

use std::path::{Path, PathBuf};

use super::batch::parse_ops;
use super::frame::{BadHeader, FORMAT_VERSION, FRAMES_START, Frame, FrameHead, Header};
use super::{JournalError, Op, Seq};

/// A segment in memory. It is at most a rotation plus one payload long.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    bytes: Vec<u8>,
}

/// Where the frames of a segment lie.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) holes: Vec<Hole>,
    /// The last seq that was found, or the one before the first.
    pub(super) last: Seq,
    /// The end of the last good frame.
    pub(super) end: u64,
    /// Bytes after the end that are not zero: a torn write, or a frame that went bad.
    pub(super) tail_bytes: u64,
}

/// Acknowledged frames that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) offset: u64,
    pub(super) from: Seq,
    pub(super) to: Seq,
}

/// Something found in a file, with the place of its value in that file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) seq: Seq,
    pub(super) op: Op<'a>,
    pub(super) value_offset: u64,
}

impl Segment {
    pub(super) fn read(path: &Path) -> Result<Self, JournalError> {
        Self::of(path, std::fs::read(path).map_err(JournalError::disk("read", path))?)
    }

    /// The same from memory.
    pub(super) fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, JournalError> {
        let header = parse_header(&bytes, path, false)?;
        Ok(Self { path: path.to_owned(), header, bytes })
    }

    /// Finds every frame up to `limit`; later ones are leftovers.
    pub(super) fn outline(&self, limit: Seq) -> Outline {
        let mut outline = Outline {
            last: self.header.first.before(),
            end: FRAMES_START as u64,
            ..Outline::default()
        };
        let mut at = FRAMES_START;
        while outline.last < limit {
            match self.frame_at(at, outline.last.after()) {
                Some(frame) => {
                    at += frame.size();
                    outline.last = frame.seq;
                    outline.end = at as u64;
                }
                None => match self.next_after_hole(at, outline.last.after()) {
                    Some((next, seq)) => {
                        let (from, to) = (outline.last.after(), seq.before());
                        outline.holes.push(Hole { offset: at as u64, from, to });
                        outline.last = to;
                        at = next;
                    }
                    None => break,
                },
            }
        }
        let tail = self.bytes.get(at..).unwrap_or_default();
        let zeros = tail.iter().rev().take_while(|byte| **byte == 0).count();
        outline.tail_bytes = (tail.len() - zeros) as u64;
        outline
    }

    /// Shows the operations of all frames after `from` and up to `to`, passing over holes.
    /// Returns whether there were none.
    pub(super) fn visit<E: From<JournalError>>(
        &self,
        from: Seq,
        to: Seq,
        visitor: &mut dyn FnMut(Found<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut at = FRAMES_START;
        let mut expected = self.header.first;
        let mut whole = true;
        while expected <= to {
            let Some(frame) = self.frame_at(at, expected) else {
                whole = false;
                match self.next_after_hole(at, expected) {
                    Some((next, seq)) => (at, expected) = (next, seq),
                    None => break,
                }
                continue;
            };
            if frame.seq > from {
                let start = at as u64 + (frame.size() - frame.payload.len()) as u64;
                visit_payload(&frame, start, &self.path, visitor)?;
            }
            at += frame.size();
            expected = expected.after();
        }
        Ok(whole)
    }

    fn frame_at(&self, at: usize, expected: Seq) -> Option<Frame<'_>> {
        let frame = Frame::parse(self.bytes.get(at..)?, self.header.salt)?;
        (frame.seq == expected).then_some(frame)
    }

    /// Looks for a frame that was written after `lost` had been acknowledged. Good frames of the
    /// same torn write do not count: nobody was told of them.
    fn next_after_hole(&self, at: usize, lost: Seq) -> Option<(usize, Seq)> {
        let tail = self.bytes.get(at..)?;
        if tail.iter().all(|byte| *byte == 0) {
            return None;
        }
        let furthest = Seq(lost.0.saturating_add(tail.len() as u64));
        (1..tail.len()).find_map(|skip| {
            let bytes = tail.get(skip..)?;
            let (head, _) = FrameHead::parse(bytes)?;
            let plausible = (lost.after()..=furthest).contains(&head.seq)
                && (lost..head.seq).contains(&head.durable);
            let frame = plausible.then(|| Frame::parse(bytes, self.header.salt)).flatten()?;
            Some((at + skip, frame.seq))
        })
    }
}

/// Shows the operations of one frame, in order.
pub(super) fn visit_payload<E: From<JournalError>>(
    frame: &Frame<'_>,
    payload_offset: u64,
    path: &Path,
    visitor: &mut dyn FnMut(Found<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let ops = parse_ops(frame.payload).map_err(|_| JournalError::Damaged {
        path: path.to_owned(),
        offset: payload_offset,
        problem: "a frame holds no operations",
    })?;
    let mut value_end = payload_offset;
    for op in ops {
        value_end += op.size() as u64;
        let value_offset = value_end - op.value.map_or(0, <[u8]>::len) as u64;
        visitor(Found { seq: frame.seq, op, value_offset })?;
    }
    Ok(())
}

pub(super) fn parse_header(
    start: &[u8],
    path: &Path,
    is_snapshot: bool,
) -> Result<Header, JournalError> {
    let path = path.to_owned();
    match Header::parse(start) {
        Ok(header) if header.is_snapshot == is_snapshot => Ok(header),
        Err(BadHeader::Newer { found }) => {
            Err(JournalError::NewerFormat { path, found, newest: FORMAT_VERSION })
        }
        _ => Err(JournalError::Damaged { path, offset: 0, problem: "the header is not readable" }),
    }
}
