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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::folder::segment_name;
    use crate::journal::frame::Header;
    use crate::journal::{
        EncodedBatch, Expected, Journal, JournalOptions, SessionNo, Sink, StoreId,
    };

    struct Nobody;

    impl Sink for Nobody {
        fn apply(&mut self, _group: &[(Seq, EncodedBatch)]) {}
    }

    fn ours() -> Ownership {
        Ownership::of(StoreId::UNNAMED)
    }

    /// Several segments, the first of which a snapshot may take the place of.
    fn closed(dir: &Path, has_snapshot: bool) -> Folder {
        let options = JournalOptions { segment_bytes: 150, ..JournalOptions::default() };
        let folder = Folder::open(dir, Expected::default()).unwrap();
        let journal = Journal::start(folder, Box::new(Nobody), &options).unwrap();
        for number in 0..6 {
            let mut batch = EncodedBatch::default();
            batch.put(SessionNo(1), format!("key {number}").as_bytes(), &[7; 40]).unwrap();
            journal.submit(batch, journal.epoch()).unwrap().receipt.wait().unwrap();
            if number == 2 && has_snapshot {
                journal.write_snapshot().unwrap();
                journal.discard_stale().unwrap();
            }
        }
        journal.close();
        assert!(journal.is_tidy());
        Folder::open(dir, Expected::default()).unwrap()
    }

    fn keys(folder: &Folder) -> Vec<(Seq, Vec<u8>)> {
        let mut keys = Vec::new();
        let shown = folder.replay::<JournalError>(Seq::ZERO, &mut |seq, op| {
            keys.push((seq, op.key.to_vec()));
            Ok(())
        });
        shown.unwrap();
        keys
    }

    #[test]
    fn headers_and_sizes_tell_what_the_frames_say() {
        for has_snapshot in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let read = closed(dir.path(), has_snapshot);

            let known = Folder::open_closed(dir.path(), ours(), Seq(6)).unwrap().unwrap();

            assert_eq!(known.snapshot, read.snapshot);
            assert_eq!((known.last_seq(), known.bytes()), (Seq(6), read.bytes()));
            assert!(known.segment_count() > 1 && known.segment_count() == read.segment_count());
            assert_eq!(keys(&known), keys(&read));
            let options = JournalOptions::default();
            let journal = Journal::start(known, Box::new(Nobody), &options).unwrap();
            let mut batch = EncodedBatch::default();
            batch.put(SessionNo(1), b"one more", b"7").unwrap();
            assert_eq!(journal.submit(batch, 0).unwrap().seq, Seq(7));
            drop(journal);
            let again = Folder::open(dir.path(), Expected::default()).unwrap();
            assert_eq!((again.last_seq(), again.damage().len()), (Seq(7), 0));
        }
    }

    #[test]
    fn what_is_not_in_order_is_left_to_whoever_reads_everything() {
        let dir = tempfile::tempdir().unwrap();
        closed(dir.path(), true);
        let open = |last| Folder::open_closed(dir.path(), ours(), last).unwrap();
        assert!(open(Seq(6)).is_some());

        assert!(open(Seq(2)).is_none(), "it ends later");
        let stranger = Ownership::of(StoreId([1; 16]));
        assert!(Folder::open_closed(dir.path(), stranger, Seq(6)).unwrap().is_none());
        let draft = dir.path().join("snapshot-00000000000000000005.tmp");
        fs::write(&draft, b"half").unwrap();
        assert!(open(Seq(6)).is_none(), "a draft");
        fs::remove_file(draft).unwrap();
        for (first, is_in_order) in [(7, true), (9, false)] {
            let empty = dir.path().join(segment_name(Seq(first)));
            let header = Header::segment(StoreId::UNNAMED, Seq(first), Seq(6));
            fs::write(&empty, header.to_bytes()).unwrap();
            assert_eq!(open(Seq(6)).is_some(), is_in_order, "a segment from {first} on");
            fs::remove_file(empty).unwrap();
        }
        fs::remove_file(dir.path().join(segment_name(Seq(4)))).unwrap();
        assert!(open(Seq(6)).is_none(), "a gap");
    }
}
