//! A sentence encoder: all-MiniLM-L6-v2 with weights of one byte, run here.
//!
//! Wang and others, "MiniLM: Deep Self-Attention Distillation", 2020; Reimers and Gurevych,
//! "Sentence-BERT", 2019. `tools/encoder` makes the file and tells its layout. A text's rows are
//! rounded to 14 bits before each product with the weights, and summed in whole numbers; all else is
//! done in `f32`, in one order and with functions of our own, so that every processor finds the
//! same vector to the last bit.

use pulp::{Arch, Simd, WithSimd};

mod attention;
mod axes;
mod lanes;
mod layer;
mod matrix;
mod numbers;
mod product;
mod read;
mod rows;
#[cfg(test)]
mod tests;
mod words;

use self::axes::Axes;
use self::layer::{Block, Layer};
use self::numbers::unit;
pub use self::read::InvalidEncoder;
use self::read::{Reader, Shape};
use self::words::Words;
use super::pieces::{Pieces, each_word};

/// Components of a vector.
pub const DIMS: usize = 256;
/// Numbers in the row of a piece.
const WIDTH: usize = 384;
/// Numbers in the row of a piece between the two products of a layer's second half.
const INNER: usize = 1_536;
const HEADS: usize = 12;
const LAYERS: usize = 6;
/// What comes after so many pieces, with the two marks, is not read: the model never saw more.
const LONGEST: usize = 256;

/// Makes vectors of texts.
#[derive(Debug)]
pub struct Encoder {
    arch: Arch,
    shape: Shape,
    words: Words,
    layers: Vec<Layer>,
    axes: Axes,
}

/// What an encoder writes on while it works; grows to 2.4 MB for the longest text.
#[derive(Debug, Default)]
pub struct Scratch {
    /// One for each piece.
    rows: Vec<[f32; WIDTH]>,
    block: Block,
}

impl Encoder {
    /// Reads what `tools/encoder` made. Weights stay where they are; 0.2 MB are copied.
    ///
    /// # Errors
    ///
    /// If it is something else, or not whole.
    pub fn read(bytes: &'static [u8]) -> Result<Self, InvalidEncoder> {
        Self::read_for(bytes, Arch::new())
    }

    pub(super) fn read_for(bytes: &'static [u8], arch: Arch) -> Result<Self, InvalidEncoder> {
        let mut reader = Reader::open(bytes)?;
        let shape = reader.shape();
        let words = Words::read(&mut reader, shape.pieces)?;
        let layers = (0..LAYERS).map(|_| Layer::read(&mut reader)).collect::<Result<_, _>>()?;
        let axes = Axes::read(&mut reader)?;
        Ok(Self { arch, shape, words, layers, axes })
    }

    /// Names the encoder. Vectors of different ones do not compare.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.shape.id
    }

    /// How many pieces its vocabulary has.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.shape.pieces
    }

    /// The vector of a text, given as the numbers of its pieces, at unit length. Those beyond the
    /// longest text that the model knows are not read. A text without pieces is a vector of zeros:
    /// it is like no other.
    #[must_use]
    pub fn encode(&self, pieces: &[u16], scratch: &mut Scratch) -> [f32; DIMS] {
        if pieces.is_empty() {
            return [0.0; DIMS];
        }
        let [start, end] = self.shape.marks;
        let pieces = pieces.iter().copied().take(LONGEST - 2);
        let pieces = std::iter::once(start).chain(pieces).chain([end]);
        scratch.rows.clear();
        scratch.rows.extend(pieces.zip(0..).map(|(piece, place)| self.words.row(piece, place)));
        self.arch.dispatch(Pass { encoder: self, scratch })
    }
}

/// Appends the numbers of the pieces of a text that comes in parts, as many as an encoder reads.
pub(super) fn cut(pieces: &Pieces, parts: &[&str], found: &mut Vec<u16>) {
    for part in parts {
        each_word(part, &mut |word| {
            if found.len() < LONGEST {
                pieces.cut(word, found);
            }
        });
    }
}

/// From the rows of the pieces to the vector of the text. Compiled once for every processor and
/// once for AVX2.
struct Pass<'a> {
    encoder: &'a Encoder,
    scratch: &'a mut Scratch,
}

impl WithSimd for Pass<'_> {
    type Output = [f32; DIMS];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Encoder { arch, words, layers, axes, .. } = self.encoder;
        let Scratch { rows, block } = self.scratch;
        for row in &mut *rows {
            words.norm.apply(row);
        }
        for layer in layers {
            layer.run(rows, block, *arch);
        }
        let mut sum = [0.0; WIDTH];
        for row in &*rows {
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        unit(axes.turn(&sum))
    }
}
