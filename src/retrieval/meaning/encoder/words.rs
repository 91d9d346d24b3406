//! Where a text begins: the rows of its pieces and of their places.

use super::numbers::Norm;
use super::read::{InvalidEncoder, Reader};
use super::{LONGEST, WIDTH};

/// Four components lie in three bytes.
pub(super) const ROW_BYTES: usize = WIDTH / 4 * 3;

/// The vectors of the vocabulary, in 6 bits a component, and those of the places in a text.
#[derive(Debug)]
pub(super) struct Words {
    scales: &'static [[u8; 4]],
    codes: &'static [[u8; ROW_BYTES]],
    places: &'static [[[u8; 4]; WIDTH]],
    pub(super) norm: Norm,
}

impl Words {
    pub(super) fn read(reader: &mut Reader, pieces: usize) -> Result<Self, InvalidEncoder> {
        let scales = reader.floats(pieces)?;
        let codes = reader.bytes(pieces * ROW_BYTES)?.as_chunks().0;
        let places = reader.floats(LONGEST * WIDTH)?.as_chunks().0;
        Ok(Self { scales, codes, places, norm: Norm::read(reader)? })
    }

    /// The row of a piece at a place, before the norm. An unknown number has the row of its place.
    pub(super) fn row(&self, piece: u16, place: usize) -> [f32; WIDTH] {
        let at = usize::from(piece);
        let mut row = [0.0; WIDTH];
        if let Some((codes, &scale)) = self.codes.get(at).zip(self.scales.get(at)) {
            let scale = f32::from_le_bytes(scale);
            let threes = codes.as_chunks().0.iter().map(|&three| four(three));
            for (x, code) in row.iter_mut().zip(threes.flatten()) {
                *x = (2.0 * f32::from(code) - 63.0) * scale;
            }
        }
        for (x, &place) in row.iter_mut().zip(self.places.get(place).into_iter().flatten()) {
            *x += f32::from_le_bytes(place);
        }
        row
    }
}

/// The codes in three bytes, the first in the lowest bits.
fn four([a, b, c]: [u8; 3]) -> [u8; 4] {
    [a & 63, a >> 6 | (b & 15) << 2, b >> 4 | (c & 3) << 4, c >> 2]
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
}
