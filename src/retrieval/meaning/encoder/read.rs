//! The file of an encoder, read from front to back.

use super::words::bytes_of_piece;
use super::{DIMS, HEADS, INNER, LONGEST, WIDTH};

/// An encoder that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEncoder {
    #[error("it is no sentence encoder of version 1")]
    Format,
    #[error("its model has a shape that this program does not run")]
    Shape,
    #[error("it has {found} bytes; its header promises {promised}")]
    Length { found: usize, promised: usize },
    #[error("one of its numbers is not finite")]
    Number,
    #[error("its vocabulary is not whole or not in order")]
    Vocabulary,
}

const MAGIC: &[u8] = b"MEMDENC\0";
const VERSION: u16 = 1;
const HEADER: usize = 64;
/// A model with more layers than any of this width has would only be a spoilt header.
const MOST_LAYERS: u16 = 24;

/// Where the pieces come from, and how their vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A vocabulary of BERT's, which lies beside the file; vectors in six bits.
    WordPiece,
    /// One of SentencePiece's, which lies in the file; vectors in four bits, and a
    /// center.
    Unigram,
}

/// What the header says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) layers: u16,
    /// Components of a vector: along axes if they are fewer than a row has numbers.
    pub(super) dims: usize,
    pub(super) kind: Kind,
    pub(super) pieces: usize,
    /// Those of the vocabulary, wherever it lies.
    pub(super) vocabulary_bytes: usize,
    /// The pieces before and after every text.
    pub(super) marks: [u32; 2],
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
        let (head, rest) = bytes.split_first_chunk::<HEADER>().ok_or(InvalidEncoder::Format)?;
        let shape = Shape::parse(head)?;
        let promised = shape.bytes().ok_or(InvalidEncoder::Shape)?;
        if bytes.len() != promised {
            return Err(InvalidEncoder::Length { found: bytes.len(), promised });
        }
        Ok(Self { shape, rest })
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'static [u8], InvalidEncoder> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(InvalidEncoder::Format)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Numbers of 32 bits that are read where they lie.
    pub(super) fn numbers(&mut self, count: usize) -> Result<&'static [[u8; 4]], InvalidEncoder> {
        let bytes = count.checked_mul(4).ok_or(InvalidEncoder::Format)?;
        Ok(self.bytes(bytes)?.as_chunks().0)
    }

    /// The same for numbers with a fraction, all of which must be finite.
    pub(super) fn floats(&mut self, count: usize) -> Result<&'static [[u8; 4]], InvalidEncoder> {
        let floats = self.numbers(count)?;
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

impl Shape {
    fn parse(head: &[u8; HEADER]) -> Result<Self, InvalidEncoder> {
        let id = *head.last_chunk().ok_or(InvalidEncoder::Format)?;
        let pairs: Vec<u16> = pairs(head);
        let [
            _,
            _,
            _,
            _,
            version,
            layers,
            heads,
            width,
            inner,
            dims,
            longest,
            start,
            end,
            kind,
            low,
            high,
            size,
            size_high,
        ] = pairs.get(..18).unwrap_or_default()
        else {
            return Err(InvalidEncoder::Format);
        };
        if !head.starts_with(MAGIC) || *version != VERSION {
            return Err(InvalidEncoder::Format);
        }
        let sizes = [heads, width, inner, longest].map(|&size| usize::from(size));
        let dims = usize::from(*dims);
        let kind = match kind {
            0 => Kind::WordPiece,
            1 => Kind::Unigram,
            _ => return Err(InvalidEncoder::Shape),
        };
        if sizes != [HEADS, WIDTH, INNER, LONGEST]
            || ![DIMS, WIDTH].contains(&dims)
            || !(1..=MOST_LAYERS).contains(layers)
        {
            return Err(InvalidEncoder::Shape);
        }
        let joined = |low: u16, high: u16| usize::from(low) + (usize::from(high) << 16);
        Ok(Self {
            layers: *layers,
            dims,
            kind,
            pieces: joined(*low, *high),
            vocabulary_bytes: joined(*size, *size_high),
            marks: [u32::from(*start), u32::from(*end)],
            id,
        })
    }

    /// What all parts together take, if that can be counted.
    fn bytes(self) -> Option<usize> {
        let matrix = |rows: usize, width: usize| rows * (width + 8);
        let norm = 8 * WIDTH;
        let first = matrix(3 * WIDTH, WIDTH) + matrix(WIDTH, WIDTH) + norm;
        let second = matrix(INNER, WIDTH) + matrix(WIDTH, INNER) + norm;
        let layers = usize::from(self.layers) * (first + second);
        let own = match self.kind {
            Kind::WordPiece => 0,
            Kind::Unigram => self.vocabulary_bytes.checked_add(4 * WIDTH)?,
        };
        let axes = if self.dims == DIMS { 4 * WIDTH * DIMS } else { 0 };
        self.pieces
            .checked_mul(bytes_of_piece(self.kind))?
            .checked_add(own)?
            .checked_add(HEADER + 4 * LONGEST * WIDTH + norm + layers + axes)
    }
}

fn pairs(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks().0.iter().map(|&pair| u16::from_le_bytes(pair)).collect()
}
