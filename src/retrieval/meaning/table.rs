//! The table of word-piece vectors, read where it lies.
//!
//! The layout is told byte by byte in `tools/distill/README.md`: a header of 48 bytes, a scale
//! (f16) per row, then the rows in 8 or 4 bits a component.

use pulp::{Arch, Simd, WithSimd};

/// A table that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTable {
    #[error("it is no embedding table of version 1")]
    Format,
    #[error("it has {found} bytes; its header promises {promised}")]
    Length { found: usize, promised: usize },
    #[error("it belongs to a vocabulary of {rows} pieces; this one has {pieces}")]
    Vocabulary { rows: usize, pieces: usize },
}

const MAGIC: &[u8] = b"MEMDVEC\0";
const VERSION: u16 = 1;
const HEADER: usize = 48;

/// How a component is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bits {
    /// A signed byte: `code * scale`.
    Eight,
    /// Half a byte, the lower half first: `(2 * code - 15) * scale`.
    Four,
}

/// One vector per word piece.
#[derive(Debug)]
pub(super) struct Table {
    bits: Bits,
    dims: usize,
    /// IEEE 754 binary16, little endian.
    scales: &'static [[u8; 2]],
    rows: &'static [u8],
    pub(super) id: [u8; 16],
}

impl Table {
    pub(super) fn parse(bytes: &'static [u8]) -> Result<Self, InvalidTable> {
        let (head, rest) = bytes.split_at_checked(HEADER).ok_or(InvalidTable::Format)?;
        let field = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?) as usize);
        let version = head.get(8..10) == Some(&VERSION.to_le_bytes());
        if !head.starts_with(MAGIC) || !version {
            return Err(InvalidTable::Format);
        }
        let bits = match head.get(10) {
            Some(8) => Bits::Eight,
            Some(4) => Bits::Four,
            _ => return Err(InvalidTable::Format),
        };
        let (dims, count) = field(12).zip(field(16)).ok_or(InvalidTable::Format)?;
        if bits == Bits::Four && dims % (2 * TILE) != 0 {
            return Err(InvalidTable::Format);
        }
        let id = head.get(32..).and_then(<[u8]>::first_chunk).ok_or(InvalidTable::Format)?;
        let promised = HEADER + 2 * count + count * row_bytes(bits, dims);
        let (scales, rows) = rest
            .split_at_checked(2 * count)
            .filter(|_| bytes.len() == promised)
            .ok_or(InvalidTable::Length { found: bytes.len(), promised })?;
        Ok(Self { bits, dims, scales: scales.as_chunks().0, rows, id: *id })
    }

    pub(super) fn len(&self) -> usize {
        self.scales.len()
    }

    /// The sum of the vectors of some pieces, each times its weight, up to a factor: only the
    /// direction counts. Weights are not negative.
    pub(super) fn sum(&self, pieces: &[(u16, f32)]) -> Vec<f32> {
        match self.bits {
            Bits::Eight => self.sum_bytes(pieces),
            Bits::Four => self.sum_halves(pieces),
        }
    }

    fn sum_bytes(&self, pieces: &[(u16, f32)]) -> Vec<f32> {
        let mut sum = vec![0.0; self.dims];
        for &(piece, weight) in pieces {
            let scale = self.scale(piece) * weight;
            for (total, &code) in sum.iter_mut().zip(self.row(piece)) {
                *total += f32::from(code.cast_signed()) * scale;
            }
        }
        sum
    }

    /// Sums in whole numbers, four times as fast as in floating point: waking a session makes a
    /// vector of every memory. The scales become one byte each, relative to the greatest, which is
    /// finer than the codes that they multiply.
    fn sum_halves(&self, pieces: &[(u16, f32)]) -> Vec<f32> {
        let scale = |&(piece, weight): &(u16, f32)| self.scale(piece) * weight;
        let most = pieces.iter().map(scale).fold(0.0_f32, f32::max);
        if most <= 0.0 {
            return vec![0.0; self.dims];
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=255")]
        let rows: Vec<(&[u8], u16)> = pieces
            .iter()
            .map(|of| (self.row(of.0), (scale(of) / most * 255.0 + 0.5) as u16))
            .collect();
        let mut sums = vec![0; self.dims];
        Arch::new().dispatch(AddHalves { rows: &rows, sums: &mut sums });
        // A code of 7.5 stands for zero.
        let zero = 7.5 * rows.iter().map(|&(_, scale)| f32::from(scale)).sum::<f32>();
        let mut vector = vec![0.0; self.dims];
        let (sums, _) = sums.as_chunks::<{ 2 * TILE }>();
        let (parts, _) = vector.as_chunks_mut::<{ 2 * TILE }>();
        for (part, tile) in parts.iter_mut().zip(sums) {
            let (low, high) = tile.split_at(TILE);
            let pairs = part.as_chunks_mut::<2>().0.iter_mut();
            #[allow(clippy::cast_precision_loss, reason = "a direction needs no more than 24 bits")]
            for (pair, (&low, &high)) in pairs.zip(low.iter().zip(high)) {
                *pair = [low as f32 - zero, high as f32 - zero];
            }
        }
        vector
    }

    fn scale(&self, piece: u16) -> f32 {
        let scale = self.scales.get(usize::from(piece));
        scale.map_or(0.0, |&bytes| f16(u16::from_le_bytes(bytes)))
    }

    fn row(&self, piece: u16) -> &[u8] {
        let size = row_bytes(self.bits, self.dims);
        let start = usize::from(piece) * size;
        self.rows.get(start..start + size).unwrap_or_default()
    }
}

/// So many products of a half byte and a scale of one byte fit into 16 bits.
const MOST_UNSETTLED: usize = 17;
/// So many bytes of a row are summed at a time: their sums stay in registers.
const TILE: usize = 32;

/// Adds rows of half bytes, each times its scale: of each [`TILE`] of bytes the sums of the lower
/// halves, then those of the upper. Compiled once for every processor and once for AVX2.
struct AddHalves<'a> {
    rows: &'a [(&'a [u8], u16)],
    sums: &'a mut [u32],
}

impl WithSimd for AddHalves<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (tiles, _) = self.sums.as_chunks_mut::<{ 2 * TILE }>();
        for (at, tile) in tiles.iter_mut().enumerate() {
            let (low_sums, high_sums) = tile.split_at_mut(TILE);
            for some in self.rows.chunks(MOST_UNSETTLED) {
                let (low, high) = add_tile(some, at);
                low_sums.iter_mut().zip(low).for_each(|(sum, part)| *sum += u32::from(part));
                high_sums.iter_mut().zip(high).for_each(|(sum, part)| *sum += u32::from(part));
            }
        }
    }
}

#[inline(always)]
fn add_tile(rows: &[(&[u8], u16)], at: usize) -> ([u16; TILE], [u16; TILE]) {
    let (mut low, mut high) = ([0_u16; TILE], [0_u16; TILE]);
    for (row, scale) in rows {
        let Some(codes) = row.as_chunks::<TILE>().0.get(at) else { continue };
        for ((low, high), code) in low.iter_mut().zip(&mut high).zip(codes) {
            *low = low.wrapping_add(u16::from(code & 15).wrapping_mul(*scale));
            *high = high.wrapping_add(u16::from(code >> 4).wrapping_mul(*scale));
        }
    }
    (low, high)
}

fn row_bytes(bits: Bits, dims: usize) -> usize {
    match bits {
        Bits::Eight => dims,
        Bits::Four => dims / 2,
    }
}

/// IEEE 754 binary16 to binary32. Scales are never infinite.
fn f16(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10 & 31);
    let fraction = u32::from(bits & 1023);
    if exponent == 0 {
        let tiny = f32::from(bits & 1023) * 2.0_f32.powi(-24);
        return if sign == 0 { tiny } else { -tiny };
    }
    f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_floats_are_read() {
        assert_eq!(f16(0x3c00), 1.0);
        assert_eq!(f16(0xc000), -2.0);
        assert_eq!(f16(0x3555), 0.333_251_95);
        assert_eq!(f16(0x0001), 5.960_464_5e-8);
    }

    #[test]
    fn a_table_that_is_cut_or_foreign_is_refused() {
        assert!(matches!(Table::parse(b"MEMD"), Err(InvalidTable::Format)));
        assert!(matches!(Table::parse(&[0; 100]), Err(InvalidTable::Format)));
    }
}
