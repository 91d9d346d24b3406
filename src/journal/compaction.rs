//! Folds the previous snapshot and the closed segments into the next snapshot.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::folder::{SegmentFile, replay_files};
use super::snapshot::{self, Draft, Snapshot};
use super::{JournalError, Seq, SessionNo};

/// Where the last write of a key stands. Values stay in their files until they are copied.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Counts the files, the snapshot being 0.
    file: usize,
    offset: u64,
    length: usize,
    crc: u32,
}

type Places = BTreeMap<(SessionNo, Box<[u8]>), Place>;

/// Writes the snapshot of files that no longer change.
pub(super) fn fold(
    previous: Option<&Snapshot>,
    closed: &[SegmentFile],
    mut draft: Draft,
) -> Result<Snapshot, JournalError> {
    match copy_live(previous, closed, &mut draft) {
        Ok(()) => draft.finish(),
        Err(error) => {
            draft.discard();
            Err(error)
        }
    }
}

fn copy_live(
    previous: Option<&Snapshot>,
    closed: &[SegmentFile],
    draft: &mut Draft,
) -> Result<(), JournalError> {
    let (paths, places) = find_places(previous, closed)?;
    let mut files = Vec::new();
    for path in &paths {
        files.push(File::open(path).map_err(JournalError::disk("open", path))?);
    }
    copy(&places, &paths, &files, draft)
}

fn find_places(
    previous: Option<&Snapshot>,
    closed: &[SegmentFile],
) -> Result<(Vec<PathBuf>, Places), JournalError> {
    let mut places = Places::new();
    let mut paths = Vec::new();
    if let Some(snapshot) = previous {
        paths.push(snapshot.path.clone());
        snapshot::visit(&snapshot.path, &mut |found| note(&mut places, 0, &found))?;
    }
    let mut from = previous.map_or(Seq::ZERO, |snapshot| snapshot.seq);
    for segment in closed {
        let file = paths.len();
        paths.push(segment.path.clone());
        let one = std::slice::from_ref(segment);
        let mut visitor = |found: super::segment::Found<'_>| note(&mut places, file, &found);
        if let Some(path) = replay_files(None, one, from, Seq::MAX, &mut visitor)? {
            let problem = "a frame went bad since the start; restart to mend it";
            return Err(JournalError::Damaged { path, offset: 0, problem });
        }
        from = from.max(segment.last);
    }
    Ok((paths, places))
}

fn note(
    places: &mut Places,
    file: usize,
    found: &super::segment::Found<'_>,
) -> Result<(), JournalError> {
    let key = (found.op.session, Box::from(found.op.key));
    match found.op.value {
        Some(value) => {
            let (offset, length) = (found.value_offset, value.len());
            places.insert(key, Place { file, offset, length, crc: crc32c::crc32c(value) });
        }
        None => {
            places.remove(&key);
        }
    }
    Ok(())
}

fn copy(
    places: &Places,
    paths: &[PathBuf],
    files: &[File],
    draft: &mut Draft,
) -> Result<(), JournalError> {
    let mut value = Vec::new();
    for ((session, key), place) in places {
        let (Some(file), Some(path)) = (files.get(place.file), paths.get(place.file)) else {
            continue;
        };
        value.resize(place.length, 0);
        file.read_exact_at(&mut value, place.offset).map_err(JournalError::disk("read", path))?;
        if crc32c::crc32c(&value) != place.crc {
            let problem = "a value changed while it was copied";
            return Err(JournalError::Damaged {
                path: path.clone(),
                offset: place.offset,
                problem,
            });
        }
        draft.put(*session, key, &value)?;
    }
    Ok(())
}
