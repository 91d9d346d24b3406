//! Functions on rows of numbers. Sums go through [`LANES`] partial sums in one order, and nothing
//! calls a library: so processors agree.

use super::WIDTH;
use super::read::{InvalidEncoder, Reader};

/// Partial sums: as many as the widest registers in use have room for, twice.
pub(super) const LANES: usize = 16;

/// Ba, Kiros and Hinton, "Layer Normalization", 2016.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Norm {
    pub(super) fn read(reader: &mut Reader) -> Result<Self, InvalidEncoder> {
        Ok(Self { weight: reader.copy(WIDTH)?, bias: reader.copy(WIDTH)? })
    }

    #[inline(always)]
    pub(super) fn apply(&self, row: &mut [f32; WIDTH]) {
        const COUNT: f32 = WIDTH as f32;
        /// That of the model.
        const EPSILON: f32 = 1e-12;
        let mean = sum(row, |x| x) / COUNT;
        row.iter_mut().for_each(|x| *x -= mean);
        let scale = 1.0 / (sum(row, |x| x * x) / COUNT + EPSILON).sqrt();
        for ((x, weight), bias) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
            *x = *x * scale * weight + bias;
        }
    }
}

/// The sum of `of` over a row whose length is a multiple of [`LANES`].
#[inline(always)]
pub(super) fn sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    fold(row, 0.0, |sum, x| sum + of(x)).iter().sum()
}

/// The largest number of a row, if it is above `least`.
#[inline(always)]
pub(super) fn largest(row: &[f32], least: f32, of: impl Fn(f32) -> f32) -> f32 {
    fold(row, least, |most, x| larger(most, of(x))).into_iter().fold(least, larger)
}

#[inline(always)]
fn fold(row: &[f32], start: f32, join: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    let mut lanes = [start; LANES];
    for chunk in row.as_chunks::<LANES>().0 {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane = join(*lane, x));
    }
    lanes
}

/// One instruction, where `f32::max` must also think of what is not a number.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Brings a vector to unit length; zeros stay zeros.
#[inline(always)]
pub(super) fn unit(row: &mut [f32]) {
    let length = sum(row, |x| x * x).sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|x| *x /= length);
    }
}

/// Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The error function, right to 1.5e-7: Abramowitz and Stegun, "Handbook of Mathematical
/// Functions", 7.1.26.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let polynomial = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t
        + 0.254_829_6)
        * t;
    (1.0 - polynomial * exp(-x * x)).copysign(x)
}

/// The exponential of a number that is not above 88, right to 2e-7; below -87 that of -87, which is
/// nothing. Coefficients of Moshier's Cephes library, `expf.c`.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Added to a small number, it leaves its nearest whole number in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let x = larger(x, -87.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let whole = rounded - ROUND;
    // The logarithm of 2 in two parts, of which the first has few digits.
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let polynomial = ((((1.987_569_1e-4 * rest + 1.398_199_9e-3) * rest + 8.333_452e-3) * rest
        + 4.166_579_6e-2)
        * rest
        + 1.666_666_5e-1)
        * rest
        + 0.5;
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    (polynomial * rest * rest + rest + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_their_known_values() {
        for tenth in -900..=60_i16 {
            let x = f32::from(tenth) / 10.0;
            let known = f64::from(x.max(-87.0)).exp();
            assert!((f64::from(exp(x)) / known - 1.0).abs() < 3e-7, "exp({x})");
        }
        for (x, known) in [
            (-3.0, -0.004_049_69),
            (-0.5, -0.154_268_77),
            (0.0, 0.0),
            (1.0, 0.841_344_7),
            (30.0, 30.0),
        ] {
            assert!((gelu(x) - known).abs() < 1e-6, "gelu({x})");
        }
    }

    #[test]
    fn a_vector_of_zeros_stays_one() {
        for (mut row, known) in [([0.0; 16], [0.0; 16]), ([2.0; 16], [0.25; 16])] {
            unit(&mut row);
            assert_eq!(row, known);
        }
    }
}
