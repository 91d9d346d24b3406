use super::read::{InvalidEncoder, Reader};
use super::{DIMS, WIDTH};

/// The principal axes of many sentences: cosines between their vectors are nearly the same in 256
/// components along these as in all 384.
#[derive(Debug)]
pub(super) struct Axes {
    /// One for each number of a row.
    lines: &'static [[[u8; 4]; DIMS]],
}

impl Axes {
    pub(super) fn read(reader: &mut Reader) -> Result<Self, InvalidEncoder> {
        Ok(Self { lines: reader.floats(WIDTH * DIMS)?.as_chunks().0 })
    }

    #[inline(always)]
    pub(super) fn turn(&self, row: &[f32; WIDTH]) -> [f32; DIMS] {
        let mut turned = [0.0; DIMS];
        for (x, line) in row.iter().zip(self.lines) {
            for (sum, &part) in turned.iter_mut().zip(line) {
                *sum += x * f32::from_le_bytes(part);
            }
        }
        turned
    }
}
