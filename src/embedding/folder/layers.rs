use ndarray::{Array1, Array2, ArrayViewMut1};

use super::files::unfit;
use super::recipe::Activation;
use super::weights::Weights;
use crate::embedding::EmbedderError;

/// A matrix and what is added after it.
#[derive(Debug)]
pub(super) struct Linear {
    /// A row for each number that comes out, as PyTorch stores it.
    weight: Array2<f32>,
    bias: Array1<f32>,
}

/// Ba, Kiros and Hinton, "Layer Normalization", 2016.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Array1<f32>,
    bias: Array1<f32>,
    epsilon: f32,
}

impl Linear {
    pub(super) fn read(
        weights: &mut Weights,
        name: &str,
        from: usize,
        to: usize,
    ) -> Result<Self, EmbedderError> {
        let weight = table(weights, &format!("{name}.weight"), (to, from))?;
        let bias = weights.take(&format!("{name}.bias"), &[to])?.into();
        Ok(Self { weight, bias })
    }

    pub(super) fn apply(&self, rows: &Array2<f32>) -> Array2<f32> {
        rows.dot(&self.weight.t()) + &self.bias
    }
}

impl Norm {
    pub(super) fn read(
        weights: &mut Weights,
        name: &str,
        size: usize,
        epsilon: f32,
    ) -> Result<Self, EmbedderError> {
        let weight = weights.take(&format!("{name}.weight"), &[size])?.into();
        let bias = weights.take(&format!("{name}.bias"), &[size])?.into();
        Ok(Self { weight, bias, epsilon })
    }

    pub(super) fn apply(&self, rows: &mut Array2<f32>) {
        for mut row in rows.rows_mut() {
            let count = self.weight.len() as f32;
            let mean = row.sum() / count;
            row -= mean;
            let variance = row.fold(0.0, |sum, x| sum + x * x) / count;
            row /= (variance + self.epsilon).sqrt();
            row *= &self.weight;
            row += &self.bias;
        }
    }
}

/// A tensor of two dimensions.
pub(super) fn table(
    weights: &mut Weights,
    name: &str,
    shape: (usize, usize),
) -> Result<Array2<f32>, EmbedderError> {
    let numbers = weights.take(name, &[shape.0, shape.1])?;
    Array2::from_shape_vec(shape, numbers).map_err(|error| unfit(weights.path(), error.to_string()))
}

/// Makes weights of a row that sum to 1; the largest is taken off first, so nothing overflows.
pub(super) fn softmax(mut row: ArrayViewMut1<'_, f32>) {
    let largest = row.fold(f32::NEG_INFINITY, |largest, &x| largest.max(x));
    row.mapv_inplace(|x| (x - largest).exp());
    row /= row.sum();
}

impl Activation {
    pub(super) fn apply(self, rows: &mut Array2<f32>) {
        let function: fn(f32) -> f32 = match self {
            Self::Gelu => gelu,
            Self::GeluNew => gelu_new,
            Self::Relu => |x| x.max(0.0),
        };
        rows.mapv_inplace(function);
    }
}

/// Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// Its approximation in the same paper; the first number is the square root of 2 / pi.
fn gelu_new(x: f32) -> f32 {
    0.5 * x * (1.0 + (0.797_884_6 * (x + 0.044_715 * x * x * x)).tanh())
}

/// The error function, right to 1.5e-7: Abramowitz and Stegun, "Handbook of Mathematical
/// Functions", 7.1.26.
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let polynomial = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t
        + 0.254_829_6)
        * t;
    (1.0 - polynomial * (-x * x).exp()).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_have_their_known_values() {
        let apply = |activation: Activation, x: f32| {
            let mut rows = Array2::from_elem((1, 1), x);
            activation.apply(&mut rows);
            rows[[0, 0]]
        };
        let cases = [(-3.0, -0.004_049_69), (-0.5, -0.154_268_77), (0.0, 0.0), (1.0, 0.841_344_7)];
        for (x, expected) in cases {
            assert!((apply(Activation::Gelu, x) - expected).abs() < 1e-6, "gelu({x})");
        }
        assert!((apply(Activation::GeluNew, 1.0) - 0.841_191_9).abs() < 1e-6);
        assert_eq!(apply(Activation::Relu, -1.0), 0.0);
    }

    #[test]
    fn a_softmax_of_large_numbers_is_finite() {
        let mut row = Array1::from(vec![1e30, 1e30, -1e30]);

        softmax(row.view_mut());

        assert_eq!(row.to_vec(), [0.5, 0.5, 0.0]);
    }
}
