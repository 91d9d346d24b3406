//! Products of whole numbers: rows of a text times rows of weights.
//!
//! Two rows of weights pass by six rows of the text at a time, sixteen numbers in a step, and the
//! twelve sums stay in registers. Whichever way they are summed, the sums are the same.

use pulp::{Arch, Simd, WithSimd};

use super::lanes::{Codes, Lanes, Numbers, Plain, STEP, WEIGHTS};

/// Rows of a text that are multiplied at a time.
pub(super) const ROWS: usize = 6;

/// `sums` has a row for each row of the text, and in it the product with each row of weights.
#[derive(Debug)]
pub(super) struct Product<'a> {
    /// In a row of either.
    pub(super) steps: usize,
    /// Signed bytes, row after row.
    pub(super) weights: &'a [u8],
    /// As [`Rows`](super::rows::Rows) lays them.
    pub(super) rows: &'a [Numbers],
    pub(super) sums: &'a mut [i32],
}

impl Product<'_> {
    pub(super) fn run(self, arch: Arch) {
        match arch {
            #[cfg(target_arch = "x86_64")]
            Arch::V3(simd) => Simd::vectorize(simd, WithLanes { lanes: simd, product: self }),
            _ => self.run_anywhere(arch),
        }
    }

    /// Every processor of this family that has 64 bits has SSE2.
    #[cfg(target_arch = "x86_64")]
    fn run_anywhere(self, arch: Arch) {
        match pulp::x86::V1::try_new() {
            Some(lanes) => self.sum(lanes),
            None => arch.dispatch(WithLanes { lanes: Plain, product: self }),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn run_anywhere(self, arch: Arch) {
        arch.dispatch(WithLanes { lanes: Plain, product: self });
    }

    #[inline(always)]
    fn sum<L: Lanes>(self, lanes: L) {
        let Self { steps, weights, rows, sums } = self;
        let weights = weights.as_chunks::<STEP>().0;
        if steps == 0 || rows.is_empty() {
            return;
        }
        let (count, width) = (rows.len() / steps, weights.len() / steps);
        for (weights, column) in
            weights.chunks_exact(WEIGHTS * steps).zip((0..width).step_by(WEIGHTS))
        {
            let mut left = count;
            for rows in rows.chunks(ROWS * steps) {
                let place = Place { width, at: (count - left) * width + column };
                match left {
                    1 => few_products::<L, 1>(lanes, weights, rows, sums, place),
                    2 => few_products::<L, 2>(lanes, weights, rows, sums, place),
                    3 => few_products::<L, 3>(lanes, weights, rows, sums, place),
                    4 => few_products::<L, 4>(lanes, weights, rows, sums, place),
                    5 => few_products::<L, 5>(lanes, weights, rows, sums, place),
                    _ => few_products::<L, ROWS>(lanes, weights, rows, sums, place),
                }
                left = left.saturating_sub(ROWS);
            }
        }
    }
}

/// Where the sums of some rows begin.
#[derive(Clone, Copy)]
struct Place {
    /// Sums in a row.
    width: usize,
    at: usize,
}

/// The products of two rows of weights and `N` rows of a text.
#[inline(always)]
fn few_products<L: Lanes, const N: usize>(
    lanes: L,
    weights: &[Codes],
    rows: &[Numbers],
    all: &mut [i32],
    mut place: Place,
) {
    let (first, second) = weights.split_at(weights.len() / WEIGHTS);
    let mut sums = [[lanes.zero(); WEIGHTS]; N];
    for ((&first, &second), rows) in first.iter().zip(second).zip(rows.as_chunks::<N>().0) {
        let (first, second) = (lanes.widen(first), lanes.widen(second));
        for (row, [one, two]) in rows.iter().zip(&mut sums) {
            *one = lanes.add(*one, first, row);
            *two = lanes.add(*two, second, row);
        }
    }
    for sums in sums {
        if let Some(place) = all.get_mut(place.at..).and_then(<[i32]>::first_chunk_mut) {
            *place = lanes.total(sums);
        }
        place.at += place.width;
    }
}

/// A product that is compiled for the processor whose lanes it sums in.
struct WithLanes<'a, L> {
    lanes: L,
    product: Product<'a>,
}

impl<L: Lanes> WithSimd for WithLanes<'_, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.product.sum(self.lanes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::meaning::encoder::rows::Rows;

    #[test]
    fn every_way_to_sum_finds_the_same() {
        let steps = 5;
        let weights: Vec<u8> =
            (0..8 * steps * STEP).map(|i| (i * 7_919 % 256).to_le_bytes()[0]).collect();
        for count in 1..=2 * ROWS + 1 {
            let mut rows = Rows::default();
            rows.clear(count, steps * STEP);
            for at in 0..count {
                let row = (0..steps * STEP).map(|i| ((i + at) * 104_729 % 2_003) as f32 - 1_001.0);
                rows.put(at, &row.collect::<Vec<_>>());
            }
            let run = |way: &dyn Fn(Product<'_>)| {
                let mut sums = vec![0; count * 8];
                way(Product { steps, weights: &weights, rows: &rows.codes, sums: &mut sums });
                sums
            };

            let plain = run(&|product| product.sum(Plain));

            assert_ne!(plain, vec![0; count * 8]);
            assert_eq!(run(&|product| product.run(Arch::Scalar)), plain);
            assert_eq!(run(&|product| product.run(Arch::new())), plain);
            let first: i32 = weights
                .iter()
                .zip(rows.codes.chunks(count.min(ROWS)).flat_map(|step| step[0]))
                .map(|(&weight, x)| i32::from(weight.cast_signed()) * i32::from(x))
                .take(steps * STEP)
                .sum();
            assert_eq!(plain[0], first);
        }
    }
}
