//! The file of an encoder, read from front to back.

use super::words::ROW_BYTES;
use super::{DIMS, HEADS, INNER, LAYERS, LONGEST, WIDTH};

/// An encoder that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEncoder {
    #[error("it is no sentence encoder of version 1")]
    Format,
    #[error("its model has another shape than all-MiniLM-L6-v2")]
    Shape,
    #[error("it has {found} bytes; its header promises {promised}")]
    Length { found: usize, promised: usize },
    #[error("one of its numbers is not finite")]
    Number,
}

const MAGIC: &[u8] = b"MEMDENC\0";
const VERSION: u16 = 1;
const HEADER: usize = 64;

/// What the header says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) pieces: usize,
    /// The pieces before and after every text.
    pub(super) marks: [u16; 2],
    pub(super) id: [u8; 16],
}

/// Takes one part of the file after the other.
#[derive(Debug)]
pub(super) struct Reader {
    shape: Shape,
    rest: &'static [u8],
}

impl Reader {
    /// Reads the header. The file has then exactly the bytes that the parts take.
    pub(super) fn open(bytes: &'static [u8]) -> Result<Self, InvalidEncoder> {
        let (head, rest) = bytes.split_at_checked(HEADER).ok_or(InvalidEncoder::Format)?;
        let head: Vec<u16> =
            head.as_chunks().0.iter().map(|&pair| u16::from_le_bytes(pair)).collect();
        let [_, _, _, _, version, shape @ .., start, end, _, low, high] =
            head.get(..16).unwrap_or_default()
        else {
            return Err(InvalidEncoder::Format);
        };
        if !bytes.starts_with(MAGIC) || *version != VERSION {
            return Err(InvalidEncoder::Format);
        }
        let expected = [LAYERS, HEADS, WIDTH, INNER, DIMS, LONGEST];
        if !shape.iter().map(|&x| usize::from(x)).eq(expected) {
            return Err(InvalidEncoder::Shape);
        }
        let pieces = usize::from(*low) + (usize::from(*high) << 16);
        let id = bytes.get(48..).and_then(<[u8]>::first_chunk).ok_or(InvalidEncoder::Format)?;
        let promised = HEADER + bytes_of(pieces);
        if bytes.len() != promised {
            return Err(InvalidEncoder::Length { found: bytes.len(), promised });
        }
        Ok(Self { shape: Shape { pieces, marks: [*start, *end], id: *id }, rest })
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'static [u8], InvalidEncoder> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(InvalidEncoder::Format)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Numbers that are read where they lie.
    pub(super) fn floats(&mut self, count: usize) -> Result<&'static [[u8; 4]], InvalidEncoder> {
        let floats = self.bytes(4 * count)?.as_chunks().0;
        if floats.iter().all(|&bytes| f32::from_le_bytes(bytes).is_finite()) {
            Ok(floats)
        } else {
            Err(InvalidEncoder::Number)
        }
    }

    pub(super) fn copy(&mut self, count: usize) -> Result<Vec<f32>, InvalidEncoder> {
        Ok(self.floats(count)?.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
    }
}

/// What all parts together take.
fn bytes_of(pieces: usize) -> usize {
    let matrix = |rows: usize, width: usize| rows * (width + 8);
    let norm = 8 * WIDTH;
    let first = matrix(3 * WIDTH, WIDTH) + matrix(WIDTH, WIDTH) + norm;
    let second = matrix(INNER, WIDTH) + matrix(WIDTH, INNER) + norm;
    let words = pieces * (4 + ROW_BYTES) + 4 * LONGEST * WIDTH + norm;
    words + LAYERS * (first + second) + 4 * WIDTH * DIMS
}
