use pulp::Arch;

use super::product::Product;
use super::read::{InvalidEncoder, Reader};
use super::rows::Rows;

/// A matrix in signed bytes with a scale for each row, and what is added after it.
#[derive(Debug)]
pub(super) struct Matrix {
    weights: &'static [u8],
    scales: Vec<f32>,
    bias: Vec<f32>,
}

impl Matrix {
    pub(super) fn read(
        reader: &mut Reader,
        rows: usize,
        width: usize,
    ) -> Result<Self, InvalidEncoder> {
        Ok(Self {
            weights: reader.bytes(rows * width)?,
            scales: reader.copy(rows)?,
            bias: reader.copy(rows)?,
        })
    }

    /// The products of rows with those of the matrix in whole numbers; each is then to be
    /// [finished](Self::finish).
    pub(super) fn multiply(&self, rows: &Rows, sums: &mut Vec<i32>, arch: Arch) {
        sums.clear();
        sums.resize(rows.scales.len() * self.scales.len(), 0);
        Product { steps: rows.steps, weights: self.weights, rows: &rows.codes, sums }.run(arch);
    }

    /// What the sums of a row stand for, if the row that was multiplied has this scale.
    #[inline(always)]
    pub(super) fn finish<const N: usize>(&self, sums: &[i32; N], scale: f32) -> [f32; N] {
        let mut row = [0.0; N];
        let weights = self.scales.iter().zip(&self.bias);
        #[allow(clippy::cast_precision_loss, reason = "24 bits of a sum are enough")]
        for ((x, &sum), (&weight, &bias)) in row.iter_mut().zip(sums).zip(weights) {
            *x = sum as f32 * (scale * weight) + bias;
        }
        row
    }
}
