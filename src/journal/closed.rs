//! Opens a journal that was closed in good order by its headers and sizes, without reading a frame.
//!
//! Whoever calls it knows that the files are those that [`Journal::close`](super::Journal::close) left, and
//! that they were tidy then. Whatever is not plain is left to [`Folder::open`], which reads everything.

use std::fs;
use std::path::Path;

use super::folder::{Folder, SegmentFile};
use super::listing::Listing;
use super::snapshot::Snapshot;
use super::{JournalError, Ownership, Seq};

impl Folder {
    /// A folder that ends with the given batch. Nothing if its headers say otherwise, or if anything lies
    /// there that a journal in good order does not have.
    pub fn open_closed(
        path: &Path,
        identity: Ownership,
        last: Seq,
    ) -> Result<Option<Self>, JournalError> {
        let mut listing = Listing::read(path)?;
        let is_plain = listing.drafts.is_empty()
            && listing.set_apart(identity).is_empty()
            && listing.blemishes().is_empty()
            && listing.snapshots.len() <= 1;
        if !is_plain {
            return Ok(None);
        }
        let mut snapshot = None;
        for (seq, path) in &listing.snapshots {
            let Some(header) = listing.header(path) else { return Ok(None) };
            let (path, bytes) = (path.clone(), size(path)?);
            snapshot = Some(Snapshot { path, seq: *seq, bytes, store: header.store });
        }
        let included = snapshot.as_ref().map_or(Seq::ZERO, |snapshot| snapshot.seq);
        let segments = segments_up_to(&listing, included, last)?;
        let end = segments.as_ref().and_then(|segments| segments.last());
        let is_whole = end.map_or(included, |segment| segment.last) == last;
        let segments = segments.filter(|_| is_whole);
        Ok(segments.map(|segments| Self::of_known(path, identity, snapshot, segments, last)))
    }
}

/// The segments in a row, each of which ends where the next one says. Nothing if one is missing, holds
/// nothing that the snapshot does not, or could hold another number than its name and the next one say.
fn segments_up_to(
    listing: &Listing,
    included: Seq,
    last: Seq,
) -> Result<Option<Vec<SegmentFile>>, JournalError> {
    let mut segments: Vec<SegmentFile> = Vec::new();
    let mut later = listing.segments.iter().map(|(_, path)| path).skip(1);
    for (_, path) in &listing.segments {
        let next = later.next().map(|next| listing.header(next));
        let (Some(header), None | Some(Some(_))) = (listing.header(path), next) else {
            return Ok(None);
        };
        let end = next.flatten().map_or(last, |next| next.previous);
        let before = segments.last().map_or(included, |segment| segment.last);
        let is_superseded = next.is_some() && end <= included;
        // Numbers that were lost to a failing disk are given to nobody, so an empty segment may
        // begin behind a gap. How far such a journal counts is for whoever reads it.
        if header.previous > before || end < header.first.before() || is_superseded {
            return Ok(None);
        }
        segments.push(SegmentFile {
            path: path.clone(),
            first: header.first,
            last: end,
            end: size(path)?,
            salt: header.salt,
            store: header.store,
        });
    }
    Ok(Some(segments))
}

fn size(path: &Path) -> Result<u64, JournalError> {
    let found = fs::metadata(path).map_err(JournalError::disk("look at", path))?;
    Ok(found.len())
}
