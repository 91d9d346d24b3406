//! A sentence encoder with weights of one byte, run here: all-MiniLM-L6-v2, which reads English, or
//! multilingual-e5-small, which reads a hundred languages.
//!
//! Wang and others, "MiniLM: Deep Self-Attention Distillation", 2020; Reimers and Gurevych,
//! "Sentence-BERT", 2019; Wang and others, "Multilingual E5 Text Embeddings", 2024. `tools/encoder`
//! and `tools/multilingual` make the files and tell their layout. A text's rows are rounded to 14
//! bits before each product with the weights, and summed in whole numbers; all else is done in
//! `f32`, in one order and with functions of our own, so that every processor finds the same vector
//! to the last bit.

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
mod spelling;
#[cfg(test)]
mod tests;
mod unigram;
mod words;

use self::axes::Axes;
use self::layer::{Block, Layer};
pub use self::read::InvalidEncoder;
use self::read::{Kind, Reader, Shape};
use self::unigram::Unigram;
use self::words::Words;
use super::pieces::{Pieces, each_word};

/// Components of a vector of the encoder that the program carries.
pub const DIMS: usize = 256;
/// Numbers in the row of a piece.
const WIDTH: usize = 384;
/// Numbers in the row of a piece between the two products of a layer's second half.
const INNER: usize = 1_536;
const HEADS: usize = 12;
/// What comes after so many pieces, with the two marks and a prefix, is not read: the English model
/// never saw more, and a memory seldom has so many.
const LONGEST: usize = 256;

/// What a text is to the one that it is compared with. Some models read the two differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Question,
    Memory,
}

/// Makes vectors of texts.
#[derive(Debug)]
pub struct Encoder {
    arch: Arch,
    shape: Shape,
    vocabulary: Option<Unigram>,
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
    /// Reads what `tools/encoder` or `tools/multilingual` made. Weights stay where they are; 0.4 MB
    /// at most are copied.
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
        let vocabulary = match shape.kind {
            Kind::WordPiece => None,
            Kind::Unigram => Some(Unigram::read(&mut reader, shape)?),
        };
        let words = Words::read(&mut reader, shape)?;
        let layers = (0..shape.layers).map(|_| Layer::read(&mut reader));
        let layers = layers.collect::<Result<_, _>>()?;
        let axes = Axes::read(&mut reader, shape)?;
        Ok(Self { arch, shape, vocabulary, words, layers, axes })
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

    /// How many components a vector has.
    #[must_use]
    pub fn dims(&self) -> usize {
        self.shape.dims
    }

    /// Whether it has a vocabulary of its own, so that it reads what the one of BERT cannot.
    #[must_use]
    pub fn is_multilingual(&self) -> bool {
        self.vocabulary.is_some()
    }

    /// The numbers of the pieces of a text that comes in parts, as many as it reads; those of the
    /// vocabulary in its file, if there is one, else of the given one, which must be what it was
    /// made with.
    pub(super) fn pieces_of(&self, pieces: &Pieces, side: Side, parts: &[&str]) -> Vec<u32> {
        let mut found = Vec::new();
        match &self.vocabulary {
            Some(vocabulary) => vocabulary.cut(side, parts, LONGEST, &mut found),
            None => cut(pieces, parts, &mut found),
        }
        found
    }

    /// The vector of a text, given as the numbers of its pieces, at unit length. Those beyond the
    /// longest text that the model knows are not read. A text without pieces is a vector of zeros:
    /// it is like no other.
    #[must_use]
    pub fn encode(&self, pieces: &[u32], scratch: &mut Scratch) -> Vec<f32> {
        if pieces.is_empty() {
            return vec![0.0; self.shape.dims];
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
fn cut(pieces: &Pieces, parts: &[&str], found: &mut Vec<u32>) {
    let mut short = Vec::new();
    for part in parts {
        each_word(part, &mut |word| {
            if found.len() < LONGEST {
                pieces.cut(word, &mut short);
                found.extend(short.drain(..).map(u32::from));
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
    type Output = Vec<f32>;

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
        axes.turn(&sum)
    }
}
