//! Archives that somebody sends us: read in place, nothing of them goes to the disk, and none of them can
//! make more of itself than it should.

use std::io::{self, BufRead, BufReader, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use zip::ZipArchive;

use super::MovingError;

/// Whatever an archive can be read from.
pub(super) trait Seekable: Read + Seek + Send {}

impl<T: Read + Seek + Send> Seekable for T {}

/// An archive that is open.
pub(super) struct OpenArchive {
    zip: ZipArchive<Box<dyn Seekable>>,
}

/// A file of an archive that may hold something for us.
pub(super) struct ArchiveEntry {
    pub(super) index: usize,
    pub(super) path: String,
    packed: u64,
}

/// What all archives of one import may expand to together.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<AtomicU64>);

/// Files that are read of one archive. No export has as many; each costs a look.
const MOST_FILES: usize = 10_000;
/// Bytes to which everything may expand: twenty times the largest export that was seen.
const MOST_EXPANDED: u64 = 4 << 30;
/// Text shrinks to a tenth, to a fiftieth if it repeats itself; a bomb to a thousandth.
const MOST_RATIO: u64 = 200;
/// Nobody is hurt by what is smaller, however small it was packed.
const HARMLESS_BYTES: u64 = 1 << 20;
/// An archive within another is read in memory, since it has to be read from its end.
const MOST_INNER: u64 = 64 << 20;
/// Bytes of all of those together, since all of them are open at once.
pub(super) const MOST_HELD: u64 = 128 << 20;
const ZIP_MARKS: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
pub(super) const GZIP_MARK: &[u8] = &[0x1f, 0x8b];

/// What may hold something for us, by its name; a name without an ending may be anything.
const ENDINGS: [&str; 16] = [
    "json",
    "jsonl",
    "ndjson",
    "md",
    "mdc",
    "markdown",
    "txt",
    "csv",
    "tsv",
    "af",
    "html",
    "htm",
    "cursorrules",
    "gz",
    "zip",
    "yaml",
];

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(MOST_EXPANDED)))
    }
}

impl Room {
    /// Takes so much of the room. Fails if there is no more.
    fn take(&self, bytes: u64) -> io::Result<()> {
        let left = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        left.map(drop).map_err(|_| io::Error::other("it expands to more than 4 GiB"))
    }
}

/// Whether some bytes begin an archive.
pub(super) fn is_zip(head: &[u8]) -> bool {
    ZIP_MARKS.iter().any(|mark| head.starts_with(mark))
}

/// Whether a file of this path may hold something for us, and is none that a program keeps for itself.
pub(super) fn may_hold_text(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let is_kept = path.split('/').any(|part| part == "__MACOSX") || name.starts_with("._");
    !is_kept && ending.is_none_or(|ending| ENDINGS.contains(&ending.as_str()))
}

impl OpenArchive {
    pub(super) fn open(file: &str, reader: Box<dyn Seekable>) -> Result<Self, MovingError> {
        let zip = ZipArchive::new(reader).map_err(|error| MovingError::Unreadable {
            file: file.to_owned(),
            problem: format!("it is no whole archive: {error}"),
        })?;
        Ok(Self { zip })
    }

    /// The files that may hold something, and how many others there are. Links and names that lead
    /// elsewhere are none.
    pub(super) fn entries(
        &mut self,
        file: &str,
    ) -> Result<(Vec<ArchiveEntry>, usize), MovingError> {
        let (mut entries, mut others) = (Vec::new(), 0);
        for index in 0..self.zip.len() {
            // Only what the archive says of it; nothing of it is unpacked.
            let entry = self.zip.by_index_raw(index).map_err(|error| broken(file, &error))?;
            let path = String::from_utf8_lossy(entry.name_raw()).replace('\\', "/");
            let leads_away = path.starts_with('/') || path.split('/').any(|part| part == "..");
            if entry.is_dir() || entry.is_symlink() || leads_away || !may_hold_text(&path) {
                others += usize::from(!entry.is_dir());
                continue;
            }
            if entry.encrypted() {
                return Err(MovingError::Encrypted { file: file.to_owned() });
            }
            if entries.len() == MOST_FILES {
                return Err(MovingError::TooMany { file: file.to_owned(), limit: MOST_FILES });
            }
            entries.push(ArchiveEntry { index, path, packed: entry.compressed_size() });
        }
        Ok((entries, others))
    }

    /// Reads a file of it, as far as it may expand.
    pub(super) fn read<'a>(
        &'a mut self,
        file: &str,
        entry: &ArchiveEntry,
        room: &Room,
    ) -> Result<Box<dyn BufRead + 'a>, MovingError> {
        let packed = entry.packed;
        let entry = self.zip.by_index(entry.index).map_err(|error| broken(file, &error))?;
        Ok(Box::new(BufReader::new(Bounded::new(entry, packed, room))))
    }

    /// Reads an archive that lies within it. `held` are the bytes of all that were read so.
    pub(super) fn inner(
        &mut self,
        file: &str,
        entry: &ArchiveEntry,
        room: &Room,
        held: &mut u64,
    ) -> Result<Self, MovingError> {
        let mut bytes = Vec::new();
        let most = MOST_INNER.min(MOST_HELD.saturating_sub(*held));
        let problem = |problem: String| MovingError::Unreadable { file: file.to_owned(), problem };
        let reader = self.read(file, entry, room)?;
        let read = reader.take(most + 1).read_to_end(&mut bytes);
        let read = read.map_err(|error| problem(error.to_string()))? as u64;
        if read > most {
            return Err(problem("an archive within it is too large; unpack it first".to_owned()));
        }
        *held += read;
        Self::open(file, Box::new(io::Cursor::new(bytes)))
    }
}

/// Unpacks what begins as a packed file does, and leaves anything else as it is.
pub(super) fn unpacked<'a>(
    mut reader: Box<dyn BufRead + 'a>,
    room: &Room,
) -> io::Result<Box<dyn BufRead + 'a>> {
    if !reader.fill_buf()?.starts_with(GZIP_MARK) {
        return Ok(reader);
    }
    let counted = Counted { inner: reader, bytes: Arc::default() };
    let packed = Arc::clone(&counted.bytes);
    let unpacked = MultiGzDecoder::new(BufReader::new(counted));
    let bounded = Bounded { inner: unpacked, packed, expanded: 0, room: room.clone() };
    Ok(Box::new(BufReader::new(bounded)))
}

fn broken(file: &str, error: &zip::result::ZipError) -> MovingError {
    MovingError::Unreadable { file: file.to_owned(), problem: error.to_string() }
}

/// Counts what is read through it.
struct Counted<R> {
    inner: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Ends with an error where something expands to more than it should.
struct Bounded<R> {
    inner: R,
    /// Bytes that it was packed to, or that were read of it so far.
    packed: Arc<AtomicU64>,
    expanded: u64,
    room: Room,
}

impl<R> Bounded<R> {
    fn new(inner: R, packed: u64, room: &Room) -> Self {
        Self { inner, packed: Arc::new(AtomicU64::new(packed)), expanded: 0, room: room.clone() }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.expanded = self.expanded.saturating_add(count as u64);
        self.room.take(count as u64)?;
        let most = self.packed.load(Ordering::Relaxed).saturating_mul(MOST_RATIO);
        if self.expanded > most.max(HARMLESS_BYTES) {
            return Err(io::Error::other("it expands to more than 200 times its size"));
        }
        Ok(count)
    }
}

impl std::fmt::Debug for OpenArchive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenArchive").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_hold_text_is_looked_at() {
        for path in ["conversations.json", "a/b.MD", "notes/README", "x.jsonl.gz", ".cursorrules"] {
            assert!(may_hold_text(path), "{path}");
        }
        for path in ["a/photo.png", "__MACOSX/a.json", "d/._a.json", "voice.wav"] {
            assert!(!may_hold_text(path), "{path}");
        }
    }

    #[test]
    fn there_is_only_so_much_room_for_all() {
        let room = Room::default();

        room.take(MOST_EXPANDED).unwrap();

        assert!(room.take(1).is_err());
    }
}
