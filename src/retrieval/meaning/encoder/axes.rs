use super::numbers::unit;
use super::read::{InvalidEncoder, Kind, Reader, Shape};
use super::{DIMS, WIDTH};

/// From the sum of a text's rows to its vector.
#[derive(Debug)]
pub(super) struct Axes {
    /// The greater part of what all vectors of a model have in common, if that is most of them: it
    /// is taken off, so that cosines tell of the rest.
    center: Option<Vec<f32>>,
    /// The principal axes of many sentences, a line for each number of a row: cosines between
    /// vectors of some models are nearly the same in 256 components along these as in all 384.
    lines: Option<&'static [[[u8; 4]; DIMS]]>,
}

impl Axes {
    pub(super) fn read(reader: &mut Reader, shape: Shape) -> Result<Self, InvalidEncoder> {
        let center = match shape.kind {
            Kind::WordPiece => None,
            Kind::Unigram => Some(reader.copy(WIDTH)?),
        };
        let lines = match shape.dims {
            DIMS => Some(reader.floats(WIDTH * DIMS)?.as_chunks().0),
            _ => None,
        };
        Ok(Self { center, lines })
    }

    #[inline(always)]
    pub(super) fn turn(&self, sum: &[f32; WIDTH]) -> Vec<f32> {
        let mut row = *sum;
        if let Some(center) = &self.center {
            unit(&mut row);
            row.iter_mut().zip(center).for_each(|(x, center)| *x -= center);
        }
        let mut vector = match self.lines {
            Some(lines) => along(lines, &row).to_vec(),
            None => row.to_vec(),
        };
        unit(&mut vector);
        vector
    }
}

#[inline(always)]
fn along(lines: &[[[u8; 4]; DIMS]], row: &[f32; WIDTH]) -> [f32; DIMS] {
    let mut turned = [0.0; DIMS];
    for (x, line) in row.iter().zip(lines) {
        for (sum, &part) in turned.iter_mut().zip(line) {
            *sum += x * f32::from_le_bytes(part);
        }
    }
    turned
}
