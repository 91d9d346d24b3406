//! Reads what can still be read of files that are damaged.
//!
//! Everywhere else a bad frame stops the reading, because what follows it may rest on it. Here
//! somebody has decided to go on without it: each frame counts whose checksum is right, and the
//! caller is told where some are missing.

use std::path::{Path, PathBuf};

use super::frame::{FRAMES_START, Frame, FrameHead, Header};
use super::listing::Listing;
use super::segment::visit_payload;
use super::snapshot::{self, END};
use super::{JournalError, Op, Ownership, Seq};

/// One file of a journal, of which at least the header can be read.
#[derive(Debug)]
pub struct Wreck {
    pub path: PathBuf,
    /// A snapshot that is whole holds everything up to its seq. Any other file holds changes only.
    pub is_whole_snapshot: bool,
    header: Header,
    /// Later frames are leftovers of a failed write.
    limit: Seq,
}

/// What is there to be read, in the order in which it has to be applied.
#[derive(Debug, Default)]
pub struct Wrecks {
    pub files: Vec<Wreck>,
    /// Files of which not even the header can be read, or that are not ours; with the reason.
    pub lost: Vec<(PathBuf, String)>,
}

impl Wrecks {
    /// Looks at a journal's folder. Without an identity the files are asked whose they are.
    pub fn find(folder: &Path, identity: Option<Ownership>) -> Result<Self, JournalError> {
        let mut listing = Listing::read(folder)?;
        let identity = identity.or_else(|| listing.identity());
        let strangers = identity.map(|identity| listing.set_apart(identity)).unwrap_or_default();
        let mut wrecks = Self::default();
        let is_ours = |path: &Path| {
            let store = listing.header(path).map(|header| header.store);
            store.zip(identity).is_some_and(|(store, identity)| identity.owns(store))
        };
        // What a file holds counts here, whatever it is called.
        let (misnamed, foreign): (Vec<_>, Vec<_>) =
            strangers.into_iter().partition(|stranger| is_ours(&stranger.path));
        wrecks.lost.extend(foreign.into_iter().map(|stranger| (stranger.path, stranger.problem)));
        let misnamed = misnamed.into_iter().map(|stranger| stranger.path);
        let named = listing.snapshots.iter().chain(&listing.segments).map(|(_, path)| path.clone());
        for path in named.chain(misnamed) {
            match listing.header(&path) {
                Some(header) => wrecks.files.push(Wreck {
                    is_whole_snapshot: header.is_snapshot && snapshot::verify(&path).is_ok(),
                    path,
                    header,
                    limit: Seq::MAX,
                }),
                None => wrecks.lost.push((path, "its header cannot be read".to_owned())),
            }
        }
        // A snapshot comes after the segment that holds its last batch, and before the next one.
        wrecks.files.sort_by_key(Wreck::place);
        let mut limit = Seq::MAX;
        for wreck in wrecks.files.iter_mut().rev().filter(|wreck| !wreck.header.is_snapshot) {
            wreck.limit = limit;
            limit = wreck.header.previous;
        }
        Ok(wrecks)
    }
}

impl Wreck {
    /// Sorts files as their content follows one another.
    #[must_use]
    pub fn place(&self) -> (Seq, bool) {
        (self.header.first, self.header.is_snapshot)
    }

    /// Shows every operation that can be read, of a segment only those after `from`.
    pub fn visit<E: From<JournalError>>(
        &self,
        from: Seq,
        visitor: &mut dyn FnMut(Seq, Op<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let bytes = std::fs::read(&self.path).map_err(JournalError::disk("read", &self.path))?;
        let is_snapshot = self.header.is_snapshot;
        let (mut at, mut last) = (FRAMES_START, Seq::ZERO);
        while let Some((start, frame)) = self.next_frame(&bytes, at, last) {
            at = start + frame.size();
            if is_snapshot && frame.seq == END {
                break;
            }
            last = frame.seq;
            if is_snapshot || (frame.seq > from && frame.seq <= self.limit) {
                let seq = if is_snapshot { self.header.first } else { frame.seq };
                visit_payload::<E>(&frame, start as u64, &self.path, &mut |found| {
                    visitor(seq, found.op)
                })?;
            }
        }
        Ok(())
    }

    /// The next frame that is whole, at this place or later.
    fn next_frame<'a>(&self, bytes: &'a [u8], at: usize, last: Seq) -> Option<(usize, Frame<'a>)> {
        (at..bytes.len()).find_map(|start| {
            let rest = bytes.get(start..)?;
            let (head, payload) = FrameHead::parse(rest)?;
            // Only where a frame may stand is its checksum worth the time.
            let furthest = last.0.max(self.header.first.0).saturating_add(bytes.len() as u64);
            let is_plausible = head.length <= payload.len()
                && head.seq > last
                && (head.seq.0 <= furthest || (self.header.is_snapshot && head.seq == END));
            let frame = is_plausible.then(|| Frame::parse(rest, self.header.salt)).flatten()?;
            Some((start, frame))
        })
    }
}
