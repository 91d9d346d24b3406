//! Whether the disk leaves the journal room, without asking it for each group.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::disk;

/// For so long the disk is not asked again, if it had [`PLENTY`].
const ASK_EVERY: Duration = Duration::from_secs(1);

/// So much more than has to stay free is not filled meanwhile. Should another program do it all the
/// same, the write itself is refused.
const PLENTY: u64 = 1 << 30;

/// Asks for the room on the disk, as often as is needed.
#[derive(Debug)]
pub(super) struct Room {
    folder: PathBuf,
    /// See [`super::JournalOptions::free_bytes`].
    least: u64,
    /// When there was plenty.
    plenty_at: Option<Instant>,
}

impl Room {
    pub(super) fn new(folder: PathBuf, least: u64) -> Self {
        Self { folder, least, plenty_at: None }
    }

    /// Fails as a full disk would, if less is free than has to be.
    pub(super) fn require(&mut self) -> io::Result<()> {
        self.require_at(Instant::now(), disk::free_bytes)
    }

    /// The same for so much more, whenever it was asked last.
    pub(super) fn require_more(&self, bytes: u64) -> io::Result<()> {
        disk::require_free(&self.folder, self.least + bytes)
    }

    fn require_at(
        &mut self,
        now: Instant,
        free_bytes: impl FnOnce(&Path) -> io::Result<u64>,
    ) -> io::Result<()> {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < ASK_EVERY;
        if self.plenty_at.is_some_and(is_recent) {
            return Ok(());
        }
        self.plenty_at = None;
        let free = free_bytes(&self.folder)?;
        if free < self.least {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.plenty_at = (free - self.least >= PLENTY).then_some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: u64 = 8 << 20;

    #[test]
    fn a_disk_with_plenty_is_asked_once_a_second() {
        let mut room = Room::new(PathBuf::new(), LEAST);
        let begin = Instant::now();
        let mut asked = 0;

        for tenths in 0..25 {
            let now = begin + Duration::from_millis(tenths * 100);
            let free = |_: &Path| {
                asked += 1;
                Ok(LEAST + PLENTY)
            };
            room.require_at(now, free).unwrap();
        }

        assert_eq!(asked, 3);
    }

    #[test]
    fn a_disk_that_fills_up_is_asked_each_time_and_says_so_at_once() {
        let mut room = Room::new(PathBuf::new(), LEAST);
        let now = Instant::now();
        let mut told = |free| room.require_at(now, |_| Ok(free)).map_err(|error| error.kind());

        assert_eq!(told(LEAST + PLENTY - 1), Ok(()));
        assert_eq!(told(LEAST), Ok(()));
        assert_eq!(told(LEAST - 1), Err(io::ErrorKind::StorageFull));
        assert_eq!(told(LEAST + PLENTY), Ok(()));
        assert_eq!(told(0), Ok(()), "it was not asked");
    }

    #[test]
    fn a_disk_that_cannot_be_asked_is_asked_again() {
        let mut room = Room::new(PathBuf::new(), LEAST);
        let now = Instant::now();

        assert!(room.require_at(now, |_| Err(io::ErrorKind::NotFound.into())).is_err());
        assert!(room.require_at(now, |_| Ok(0)).is_err());
    }
}
