//! The file in which a session that sleeps leaves what was made of its records: a label, then pieces of 64 KiB, each with
//! a checksum, or sealed with a key of this file's own, which the key of the user opens. `docs/FORMAT.md` has the bytes.
//!
//! A piece is whole only behind this label, in this place, and as the last one only at the end: a file that was cut off,
//! or put together of two, is noticed wherever that is. It is read as it comes, and never held as a whole.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, MAX_TAG_LEN, UnboundKey};

use super::vault::Seat;
use super::{StoreError, seal, vault};
use crate::disk;
use crate::journal::{SessionNo, StoreId};

const MAGIC: &[u8; 8] = b"MEMORYDM";
const VERSION: u32 = 1;
const PIECE_BYTES: usize = 64 * 1024;
const KEY_BYTES: usize = 32;
const CRC_BYTES: usize = 4;

/// No label is longer.
const MOST_HEAD_BYTES: u64 = 8 + 4 + 16 + 4 + 16 + 2 * 256 + 4;

/// After so many pieces it is looked again whether there is room.
const CHECK_ROOM_EVERY: u64 = 64;

/// Of which state of which session a file tells, and which program has made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) store: StoreId,
    pub(super) session: SessionNo,
    pub(super) mark: [u8; 16],
    /// At most 255 bytes.
    pub(super) maker: Vec<u8>,
}

/// What a file begins with.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) label: Label,
    /// The key of the pieces, sealed for the user; nothing in a file that is not sealed.
    wrapped: Vec<u8>,
    bytes: Vec<u8>,
}

/// What says that a piece is whole.
enum Guard {
    Plain,
    Sealed(Box<LessSafeKey>),
}

/// Where the pieces stand.
struct Place {
    head: Vec<u8>,
    guard: Guard,
    number: u64,
}

/// Cuts what is written to it into pieces.
struct Pieces<'a> {
    file: &'a mut File,
    place: Place,
    piece: Vec<u8>,
    folder: &'a Path,
    /// So much stays free on the disk.
    free_bytes: u64,
}

/// What was left by a session that slept, to be read by the one that wakes.
pub struct KeptMind {
    path: PathBuf,
    file: File,
    place: Place,
    /// How many bytes of pieces follow.
    left: u64,
    length: u64,
    piece: Vec<u8>,
    at: usize,
}

/// Writes a file beside its place. `free_bytes` are left to others.
pub(super) fn write(
    path: &Path,
    (label, seat): (&Label, &Seat),
    free_bytes: u64,
    fill: &dyn Fn(&mut dyn Write) -> io::Result<()>,
) -> Result<disk::Draft, StoreError> {
    let (head, guard) = Head::make(label, seat)?;
    let folder = path.parent().unwrap_or(path);
    let written = disk::Draft::fill_with(path, |file| {
        file.write_all(&head)?;
        let place = Place { head: head.clone(), guard, number: 0 };
        let mut pieces = Pieces { file, place, piece: Vec::new(), folder, free_bytes };
        fill(&mut pieces)?;
        pieces.put(true)
    });
    written.map_err(StoreError::disk("write", path))
}

impl Label {
    fn to_bytes(&self) -> Vec<u8> {
        let length = u8::try_from(self.maker.len()).unwrap_or(u8::MAX);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.store.0);
        bytes.extend(self.session.0.to_le_bytes());
        bytes.extend(self.mark);
        bytes.push(length);
        bytes.extend(self.maker.iter().take(usize::from(length)));
        bytes
    }
}

impl Head {
    /// The bytes of one, and what guards the pieces behind it.
    fn make(label: &Label, seat: &Seat) -> Result<(Vec<u8>, Guard), StoreError> {
        let mut bytes = label.to_bytes();
        let (wrapped, guard) = if seat.is_plain() {
            (Vec::new(), Guard::Plain)
        } else {
            let key: [u8; KEY_BYTES] = vault::random()?;
            (seat.seal(&bytes, &key)?.into_owned(), Guard::of(&key)?)
        };
        bytes.push(u8::try_from(wrapped.len()).unwrap_or_default());
        bytes.extend(wrapped);
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        Ok((bytes, guard))
    }

    /// Reads that of a file.
    pub(super) fn read(file: &mut File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.take(MOST_HEAD_BYTES).read_to_end(&mut bytes)?;
        Self::parse(&bytes).ok_or_else(broken)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        let (store, rest) = rest.split_first_chunk::<16>()?;
        let (session, rest) = rest.split_first_chunk::<4>()?;
        let (mark, rest) = rest.split_first_chunk::<16>()?;
        let (maker, rest) = split_list(rest)?;
        let (wrapped, rest) = split_list(rest)?;
        let (crc, body) = rest.split_first_chunk::<CRC_BYTES>()?;
        let head = bytes.get(..bytes.len() - body.len())?;
        let told = head.get(..head.len() - CRC_BYTES)?;
        let is_whole = u32::from_le_bytes(*crc) == crc32c::crc32c(told);
        if !is_whole || u32::from_le_bytes(*version) != VERSION {
            return None;
        }
        let label = Label {
            store: StoreId(*store),
            session: SessionNo(u32::from_le_bytes(*session)),
            mark: *mark,
            maker: maker.to_vec(),
        };
        Some(Self { label, wrapped: wrapped.to_vec(), bytes: head.to_vec() })
    }

    pub(super) fn is_sealed(&self) -> bool {
        !self.wrapped.is_empty()
    }

    fn guard(&self, seat: &Seat) -> io::Result<Guard> {
        if !self.is_sealed() {
            return Ok(Guard::Plain);
        }
        let opened = seat.open(&self.label.to_bytes(), self.wrapped.clone());
        let key: Option<[u8; KEY_BYTES]> = opened.ok().and_then(|key| key.try_into().ok());
        key.and_then(|key| Guard::of(&key).ok()).ok_or_else(broken)
    }
}

/// A list of bytes with its length before it.
fn split_list(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(length))
}

impl Guard {
    fn of(key: &[u8; KEY_BYTES]) -> Result<Self, StoreError> {
        let unusable = |_| StoreError::unavailable("the cipher refuses its key");
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(unusable)?;
        Ok(Self::Sealed(Box::new(LessSafeKey::new(key))))
    }

    /// How many bytes it adds to a piece.
    fn bytes(&self) -> usize {
        match self {
            Self::Plain => CRC_BYTES,
            Self::Sealed(_) => MAX_TAG_LEN,
        }
    }
}

impl Place {
    /// Makes a piece what lies on the disk, and goes on to the next one.
    fn guard(&mut self, piece: &mut Vec<u8>, is_last: bool) -> io::Result<()> {
        match &self.guard {
            Guard::Plain => {
                let crc = self.checksum(piece, is_last);
                piece.extend(crc.to_le_bytes());
            }
            Guard::Sealed(key) => {
                let (nonce, told) = (seal::nonce(self.number), Aad::from(self.told(is_last)));
                key.seal_in_place_append_tag(nonce, told, piece).map_err(|_| broken())?;
            }
        }
        self.number += 1;
        Ok(())
    }

    /// Makes what lies on the disk the piece that it was, if it is whole.
    fn open(&mut self, piece: &mut Vec<u8>, is_last: bool) -> io::Result<()> {
        let length = match &self.guard {
            Guard::Plain => {
                let (text, crc) = piece.split_last_chunk::<CRC_BYTES>().ok_or_else(broken)?;
                if u32::from_le_bytes(*crc) != self.checksum(text, is_last) {
                    return Err(broken());
                }
                text.len()
            }
            Guard::Sealed(key) => {
                let (nonce, told) = (seal::nonce(self.number), Aad::from(self.told(is_last)));
                key.open_in_place(nonce, told, piece).map_err(|_| broken())?.len()
            }
        };
        piece.truncate(length);
        self.number += 1;
        Ok(())
    }

    fn told(&self, is_last: bool) -> Vec<u8> {
        [self.head.as_slice(), &[u8::from(is_last)]].concat()
    }

    fn checksum(&self, piece: &[u8], is_last: bool) -> u32 {
        let before =
            crc32c::crc32c_append(crc32c::crc32c(&self.told(is_last)), &self.number.to_le_bytes());
        crc32c::crc32c_append(before, piece)
    }
}

impl Pieces<'_> {
    fn put(&mut self, is_last: bool) -> io::Result<()> {
        if self.place.number.is_multiple_of(CHECK_ROOM_EVERY) {
            disk::require_free(self.folder, self.free_bytes)?;
        }
        self.place.guard(&mut self.piece, is_last)?;
        self.file.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full one waits, for it may be the last.
        if self.piece.len() == PIECE_BYTES {
            self.put(false)?;
        }
        let count = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl KeptMind {
    /// Opens a file if it bears this label. Nothing if there is none.
    pub(super) fn open(path: &Path, label: &Label, seat: &Seat) -> io::Result<Option<Self>> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let head = Head::read(&mut file)?;
        if head.label != *label || head.is_sealed() == seat.is_plain() {
            return Err(io::Error::other(
                "it tells of something else, or another program has made it",
            ));
        }
        let guard = head.guard(seat)?;
        let before = file.seek(SeekFrom::Start(head.bytes.len() as u64))?;
        let left = file.metadata()?.len().checked_sub(before).ok_or_else(broken)?;
        let length = text_bytes(left, guard.bytes() as u64).ok_or_else(broken)?;
        let place = Place { head: head.bytes, guard, number: 0 };
        let (path, piece) = (path.to_owned(), Vec::new());
        Ok(Some(Self { path, file, place, left, length, piece, at: 0 }))
    }

    /// How many bytes can be read.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Removes the file, because it cannot be read.
    pub fn refuse(self, reason: &io::Error) {
        refuse(&self.path, reason);
    }

    fn open_piece(&mut self) -> io::Result<()> {
        let most = PIECE_BYTES + self.place.guard.bytes();
        let size = usize::try_from(self.left).map_or(most, |left| left.min(most));
        self.piece.resize(size, 0);
        self.file.read_exact(&mut self.piece)?;
        self.left -= size as u64;
        self.place.open(&mut self.piece, self.left == 0)?;
        self.at = 0;
        Ok(())
    }
}

/// How many bytes pieces hold that take so many on the disk.
fn text_bytes(left: u64, guard: u64) -> Option<u64> {
    let most = PIECE_BYTES as u64 + guard;
    let (full, rest) = (left / most, left % most);
    let (pieces, is_whole) = (full + u64::from(rest > 0), rest == 0 || rest > guard);
    (pieces > 0 && is_whole).then(|| left - pieces * guard)
}

/// Removes a file that is of no use.
pub(super) fn refuse(path: &Path, reason: &io::Error) {
    log::info!("{}: {reason}; the session is read anew", path.display());
    // What only could not be opened now may be of use the next time.
    if !disk::is_passing(reason) {
        remove(path);
    }
}

pub(super) fn remove(path: &Path) {
    if let Err(error) = disk::remove_file(path) {
        log::warn!("cannot remove {}: {error}", path.display());
    }
}

fn broken() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "it is damaged, cut off, or no such file")
}

impl Read for KeptMind {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            if self.left == 0 {
                return Ok(0);
            }
            self.open_piece()?;
        }
        let rest = self.piece.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        let (to, from) = (buffer.get_mut(..count), rest.get(..count));
        if let Some((to, from)) = to.zip(from) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}

impl fmt::Debug for KeptMind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptMind({}, {} bytes)", self.path.display(), self.length)
    }
}
