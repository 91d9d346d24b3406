//! Where a text begins: the rows of its pieces and of their places.

use super::numbers::Norm;
use super::read::{InvalidEncoder, Kind, Reader, Shape};
use super::{LONGEST, WIDTH};

/// Four components lie in three bytes.
const SIX_BITS: usize = WIDTH / 4 * 3;
/// Components that have a scale in common, where they have four bits.
const BLOCK: usize = 32;
/// A block: its scale, in half precision, then two components in each byte.
const BLOCK_BYTES: usize = 2 + BLOCK / 2;
const FOUR_BITS: usize = WIDTH / BLOCK * BLOCK_BYTES;

/// The vectors of the vocabulary, and those of the places in a text.
#[derive(Debug)]
pub(super) struct Words {
    pieces: Pieces,
    places: &'static [[[u8; 4]; WIDTH]],
    pub(super) norm: Norm,
}

#[derive(Debug)]
enum Pieces {
    SixBits { scales: &'static [[u8; 4]], codes: &'static [[u8; SIX_BITS]] },
    FourBits { rows: &'static [[u8; FOUR_BITS]] },
}

/// What the vector of a piece takes.
pub(super) fn bytes_of_piece(kind: Kind) -> usize {
    match kind {
        Kind::WordPiece => 4 + SIX_BITS,
        Kind::Unigram => FOUR_BITS,
    }
}

impl Words {
    pub(super) fn read(reader: &mut Reader, shape: Shape) -> Result<Self, InvalidEncoder> {
        let count = shape.pieces;
        let pieces = match shape.kind {
            Kind::WordPiece => Pieces::SixBits {
                scales: reader.floats(count)?,
                codes: reader.bytes(count * SIX_BITS)?.as_chunks().0,
            },
            Kind::Unigram => {
                Pieces::FourBits { rows: reader.bytes(count * FOUR_BITS)?.as_chunks().0 }
            }
        };
        let places = reader.floats(LONGEST * WIDTH)?.as_chunks().0;
        Ok(Self { pieces, places, norm: Norm::read(reader)? })
    }

    /// The row of a piece at a place, before the norm. An unknown number has the row of its place.
    pub(super) fn row(&self, piece: u32, place: usize) -> [f32; WIDTH] {
        let mut row = self.pieces.row(piece as usize);
        for (x, &place) in row.iter_mut().zip(self.places.get(place).into_iter().flatten()) {
            *x += f32::from_le_bytes(place);
        }
        row
    }
}

impl Pieces {
    fn row(&self, at: usize) -> [f32; WIDTH] {
        let mut row = [0.0; WIDTH];
        match self {
            Self::SixBits { scales, codes } => {
                if let Some((codes, &scale)) = codes.get(at).zip(scales.get(at)) {
                    widen_six(codes, f32::from_le_bytes(scale), &mut row);
                }
            }
            Self::FourBits { rows } => {
                let blocks = rows.get(at).into_iter().flat_map(|row| row.as_chunks().0);
                for (block, part) in blocks.zip(row.as_chunks_mut().0) {
                    *part = widen_four(block);
                }
            }
        }
        row
    }
}

fn widen_six(codes: &[u8; SIX_BITS], scale: f32, row: &mut [f32; WIDTH]) {
    let threes = codes.as_chunks().0.iter().map(|&three| four(three));
    for (x, code) in row.iter_mut().zip(threes.flatten()) {
        *x = (2.0 * f32::from(code) - 63.0) * scale;
    }
}

/// The codes in three bytes, the first in the lowest bits.
fn four([a, b, c]: [u8; 3]) -> [u8; 4] {
    [a & 63, a >> 6 | (b & 15) << 2, b >> 4 | (c & 3) << 4, c >> 2]
}

/// The components of a block: the first half lies in the low bits of its bytes.
fn widen_four([low, high, codes @ ..]: &[u8; BLOCK_BYTES]) -> [f32; BLOCK] {
    let scale = half(u16::from_le_bytes([*low, *high]));
    let mut part = [0.0; BLOCK];
    let (first, second) = part.split_at_mut(BLOCK / 2);
    for ((first, second), code) in first.iter_mut().zip(second).zip(codes) {
        *first = (f32::from(code & 15) - 8.0) * scale;
        *second = (f32::from(code >> 4) - 8.0) * scale;
    }
    part
}

/// A number of half precision (IEEE 754 binary16). What would be infinite there is merely large.
fn half(bits: u16) -> f32 {
    /// Two to the power of 112: from where half precision has its exponent's zero to where `f32` has it.
    const EXPONENT: f32 = f32::from_bits((127 + 112) << 23);
    let size = f32::from_bits(u32::from(bits & 0x7fff) << 13) * EXPONENT;
    if bits >> 15 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_codes_lie_in_three_bytes() {
        let codes = [1_u32, 62, 33, 20];
        let [a, b, c, _] =
            (codes[0] | codes[1] << 6 | codes[2] << 12 | codes[3] << 18).to_le_bytes();

        assert_eq!(four([a, b, c]).map(u32::from), codes);
    }

    #[test]
    fn numbers_of_half_precision_have_their_known_values() {
        for (bits, known) in [
            (0, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65_504.0),
            (0x0001, 5.960_464_5e-8),
            (0x8400, -6.103_515_6e-5),
        ] {
            assert_eq!(half(bits), known, "{bits:x}");
        }
        assert!(half(0x7fff).is_finite());
    }

    #[test]
    fn a_block_has_its_first_half_in_the_low_bits() {
        let mut block = [0x88; BLOCK_BYTES];
        (block[0], block[1], block[2], block[BLOCK_BYTES - 1]) = (0, 0x38, 0xf0, 0x79);

        let part = widen_four(&block);

        assert_eq!((part[0], part[15], part[16], part[31]), (-4.0, 0.5, 3.5, -0.5));
        assert_eq!(part[1..15], [0.0; 14]);
    }
}
