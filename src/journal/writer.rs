//! The end of the log: the one segment that is written to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::FallocateFlags;

use super::folder::{SegmentFile, segment_name};
use super::frame::{FRAMES_START, Header};
use super::hooks::Hooks;
use super::{Seq, StoreId};
use crate::disk;

/// Space taken in advance: a write that does not change the size of its file makes `fdatasync`
/// a fifth cheaper on ext4 (measured), more so where the file system's log is on a slow disk.
const RESERVE_BYTES: u64 = 4 << 20;

/// So much of that space is written with zeros in one go. Space that is only reserved has to be noted as
/// written block after block, and each `fdatasync` that comes to a new block waits for that note as well:
/// 234 us instead of 157 for groups of 13 KB on ext4 without a log of its own (measured).
const AHEAD: usize = 256 << 10;

/// The segment that takes new frames.
#[derive(Debug)]
pub(super) struct Writer {
    file: File,
    segment: SegmentFile,
    /// Up to here the file is zeros. Nothing if the file system cannot reserve.
    reserved: Option<u64>,
    /// Up to here it was written, with frames or with zeros.
    written: u64,
    hooks: Hooks,
}

impl Writer {
    /// Makes the segment and its name durable before anything is written to it.
    ///
    /// When no file descriptor is free, it fails before the segment has its name: a segment that is
    /// there says that later frames of the one before it do not count.
    pub(super) fn create(
        folder: &Path,
        store: StoreId,
        first: Seq,
        previous: Seq,
        hooks: Hooks,
    ) -> io::Result<Self> {
        hooks.create()?;
        disk::create_folder_within(folder)?;
        let path = folder.join(segment_name(first));
        let header = Header::segment(store, first, previous);
        let file = disk::replace_file(&path, &header.to_bytes())?;
        let end = FRAMES_START as u64;
        let segment =
            SegmentFile { path, first, last: first.before(), end, salt: header.salt, store };
        Ok(Self { file, reserved: Some(end), written: end, segment, hooks })
    }

    /// Goes on where the last run ended. What follows the last good frame is cut.
    pub(super) fn resume(segment: SegmentFile, hooks: Hooks) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(&segment.path)?;
        file.set_len(segment.end)?;
        file.sync_all()?;
        let end = segment.end;
        Ok(Self { file, reserved: Some(end), written: end, segment, hooks })
    }

    pub(super) fn segment(&self) -> &SegmentFile {
        &self.segment
    }

    /// Writes frames, the last of which has the given seq. They are not durable yet.
    pub(super) fn write(&mut self, frames: &[u8], last: Seq) -> io::Result<()> {
        let end = self.segment.end + frames.len() as u64;
        self.reserve(end);
        self.hooks.write()?;
        self.file.write_all_at(frames, self.segment.end)?;
        self.write_ahead(end);
        self.segment.end = end;
        self.segment.last = last;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.hooks.sync()?;
        self.file.sync_data()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segment.last < self.segment.first
    }

    /// Leaves a segment after a failure, as it was when last acknowledged. Nothing remains of one
    /// that never held an acknowledged frame.
    pub(super) fn abandon(self, acknowledged: Option<SegmentFile>) -> Option<SegmentFile> {
        let kept = acknowledged.filter(|segment| segment.last >= segment.first);
        // The next segment says which frames count, so it does no harm if this fails as well.
        let cleaned = match &kept {
            Some(segment) => self.file.set_len(segment.end).and_then(|()| self.file.sync_all()),
            None => disk::remove_file(&self.segment.path),
        };
        if let Err(error) = cleaned {
            log::warn!("cannot cut off what was not acknowledged: {error}");
        }
        kept
    }

    /// Gives back reserved space. All frames are durable already, so a failure loses nothing.
    pub(super) fn finish(self) -> SegmentFile {
        let cut = self.file.set_len(self.segment.end).and_then(|()| self.file.sync_all());
        if let Err(error) = cut {
            log::warn!("a segment of the journal keeps its reserved space: {error}");
        }
        self.segment
    }

    /// A failure here is not one of the write: without a reserve the file simply grows.
    fn reserve(&mut self, end: u64) {
        let Some(reserved) = self.reserved.filter(|reserved| end > *reserved) else { return };
        let size = (end - reserved).next_multiple_of(RESERVE_BYTES);
        let got = rustix::fs::fallocate(&self.file, FallocateFlags::empty(), reserved, size);
        self.reserved = got.is_ok().then_some(reserved + size);
    }

    /// Writes zeros behind frames that have come to what was not written yet. A failure here is not one of the
    /// write either: whatever is wrong with the disk, the sync tells.
    fn write_ahead(&mut self, end: u64) {
        let Some(reserved) = self.reserved.filter(|_| end > self.written) else { return };
        let room = usize::try_from(reserved.saturating_sub(end)).unwrap_or(usize::MAX);
        // No constant, which would lie in the program's file with all its zeros.
        let zeros = vec![0; room.min(AHEAD)];
        self.written = end + zeros.len() as u64;
        if let Err(error) = self.file.write_all_at(&zeros, end) {
            log::debug!("the journal writes no zeros ahead: {error}");
            self.reserved = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{SeekFrom, seek};

    use super::*;
    use crate::journal::JournalOptions;

    #[test]
    fn what_follows_the_frames_is_written_before_it_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let hooks = Hooks::of(&JournalOptions::default());
        let mut writer =
            Writer::create(dir.path(), StoreId::UNNAMED, Seq(1), Seq::ZERO, hooks).unwrap();
        let first_hole = |writer: &Writer| {
            writer.sync().unwrap();
            seek(&writer.file, SeekFrom::Hole(0)).unwrap()
        };

        writer.write(&[7; 100], Seq(1)).unwrap();
        // Where the file system cannot reserve there is nothing to write ahead.
        if writer.reserved.is_some() {
            let ahead = writer.segment.end + AHEAD as u64;
            assert!(first_hole(&writer) >= ahead);

            writer.write(&vec![7; AHEAD + 1], Seq(2)).unwrap();
            assert!(first_hole(&writer) >= ahead + AHEAD as u64);
        }

        let read = std::fs::read(&writer.segment.path).unwrap();
        let (frames, rest) = read.split_at(usize::try_from(writer.segment.end).unwrap());
        assert!(frames.ends_with(&[7; 100]) && rest.iter().all(|byte| *byte == 0));
        let finished = writer.finish();
        assert_eq!(std::fs::metadata(&finished.path).unwrap().len(), finished.end);
    }
}
