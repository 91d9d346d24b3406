use super::lanes::{Numbers, STEP};
use super::numbers::largest;
use super::product::ROWS;

/// Numbers are rounded to -`MOST`..`MOST`. With weights of 7 bits and a sign, a sum of 1,536
/// products stays below 2^31: 8,191 * 128 * 1,536 = 1.61e9.
const MOST: f32 = 8_191.0;

/// Some rows of a text in whole numbers, each with a scale of its own.
///
/// [`ROWS`] of them lie together, a step of each beside the same step of the others: the order in
/// which a product reads them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Steps in a row.
    pub(super) steps: usize,
    pub(super) codes: Vec<Numbers>,
    pub(super) scales: Vec<f32>,
}

impl Rows {
    /// Makes place for so many rows of `width` numbers, which are then to be [`put`](Self::put).
    pub(super) fn clear(&mut self, count: usize, width: usize) {
        self.steps = width / STEP;
        self.codes.clear();
        self.codes.resize(count * self.steps, [0; STEP]);
        self.scales.clear();
        self.scales.resize(count, 0.0);
    }

    #[inline(always)]
    pub(super) fn put(&mut self, at: usize, row: &[f32]) {
        let peak = largest(row, 0.0, f32::abs);
        let step = if peak > 0.0 { MOST / peak } else { 0.0 };
        if let Some(scale) = self.scales.get_mut(at) {
            *scale = peak / MOST;
        }
        let (group, slot) = (at / ROWS, at % ROWS);
        let Some(group) = self.codes.chunks_mut(ROWS * self.steps).nth(group) else {
            return;
        };
        let together = group.len() / self.steps.max(1);
        let places = group.iter_mut().skip(slot).step_by(together.max(1));
        for (place, numbers) in places.zip(row.as_chunks::<STEP>().0) {
            *place = numbers.map(|x| round(x * step));
        }
    }
}

/// The nearest whole number. A cast would first ask whether the number fits.
#[inline(always)]
fn round(x: f32) -> i16 {
    /// Added to a small number, it leaves its nearest whole number in the last bits.
    const ROUND: f32 = 12_582_912.0;
    #[allow(clippy::cast_possible_truncation, reason = "the last bits are what is wanted")]
    let code = (x + ROUND).to_bits() as u16;
    code.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_rows_lie_together() {
        assert_eq!(
            [-8_191.0, -1.4, -0.6, 0.0, 0.4, 8_190.6].map(round),
            [-8_191, -1, -1, 0, 0, 8_191]
        );
        let mut rows = Rows::default();

        rows.clear(ROWS + 2, 2 * STEP);
        for at in 0..ROWS + 2 {
            let sign = if at % 2 == 0 { 1.0 } else { -1.0 };
            rows.put(at, &[[sign; STEP], [0.0; STEP]].concat());
        }

        assert_eq!(rows.scales, [1.0 / MOST; ROWS + 2]);
        let firsts: Vec<i16> = rows.codes.iter().map(|numbers| numbers[0] / 8_191).collect();
        assert_eq!(firsts, [1, -1, 1, -1, 1, -1, 0, 0, 0, 0, 0, 0, 1, -1, 0, 0]);
    }
}
