//! Ways to sum products of 16-bit numbers, as processors have them.

/// Numbers that are multiplied in one step.
pub(super) const STEP: usize = 16;
/// Rows of weights that are multiplied at a time, each with as many rows of a text as make twelve
/// sums: AVX2 has 16 registers, of which 4 are for what is multiplied.
pub(super) const WEIGHTS: usize = 2;

/// One step of a row of a text.
pub(super) type Numbers = [i16; STEP];
/// One step of a row of weights, in signed bytes.
pub(super) type Codes = [u8; STEP];

/// A way to sum the products of one step's numbers. Which of them go into the same part of a sum is
/// up to it.
pub(super) trait Lanes: Copy {
    type Weights: Copy;
    type Sum: Copy;

    fn zero(self) -> Self::Sum;
    fn widen(self, codes: Codes) -> Self::Weights;
    fn add(self, sum: Self::Sum, weights: Self::Weights, row: &Numbers) -> Self::Sum;
    fn total(self, sums: [Self::Sum; WEIGHTS]) -> [i32; WEIGHTS];
}

#[inline(always)]
fn wide(codes: Codes) -> Numbers {
    codes.map(|code| i16::from(code.cast_signed()))
}

/// For any processor. Compilers make `smlal` of it where there is NEON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain;

impl Lanes for Plain {
    type Weights = Numbers;
    type Sum = [i32; STEP / 2];

    #[inline(always)]
    fn zero(self) -> Self::Sum {
        [0; STEP / 2]
    }

    #[inline(always)]
    fn widen(self, codes: Codes) -> Numbers {
        wide(codes)
    }

    #[inline(always)]
    fn add(self, mut sum: Self::Sum, weights: Numbers, row: &Numbers) -> Self::Sum {
        const HALF: usize = STEP / 2;
        for (weights, row) in weights.as_chunks::<HALF>().0.iter().zip(row.as_chunks::<HALF>().0) {
            for ((sum, &weight), &x) in sum.iter_mut().zip(weights).zip(row) {
                *sum += i32::from(weight) * i32::from(x);
            }
        }
        sum
    }

    #[inline(always)]
    fn total(self, sums: [Self::Sum; WEIGHTS]) -> [i32; WEIGHTS] {
        sums.map(|sum| sum.iter().sum())
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! `pmaddwd` multiplies numbers of 16 bits and sums each two neighbors in 32: its input never
    //! has the one case that overflows, four times -32,768.

    use std::arch::x86_64::{__m128i, __m256i};

    use pulp::cast;
    use pulp::x86::{V1, V3};

    use super::{Codes, Lanes, Numbers, WEIGHTS, wide};

    impl Lanes for V3 {
        type Weights = __m256i;
        type Sum = __m256i;

        #[inline(always)]
        fn zero(self) -> __m256i {
            cast([0; 8])
        }

        #[inline(always)]
        fn widen(self, codes: Codes) -> __m256i {
            self.avx2._mm256_cvtepi8_epi16(cast::<_, __m128i>(codes))
        }

        #[inline(always)]
        fn add(self, sum: __m256i, weights: __m256i, row: &Numbers) -> __m256i {
            self.avx2._mm256_add_epi32(sum, self.avx2._mm256_madd_epi16(weights, cast(*row)))
        }

        #[inline(always)]
        fn total(self, [one, two]: [__m256i; WEIGHTS]) -> [i32; WEIGHTS] {
            let pairs = self.avx2._mm256_hadd_epi32(one, two);
            let [a, b, c, d, e, f, g, h]: [i32; 8] = cast(pairs);
            [a + b + e + f, c + d + g + h]
        }
    }

    impl Lanes for V1 {
        type Weights = [__m128i; 2];
        type Sum = __m128i;

        #[inline(always)]
        fn zero(self) -> __m128i {
            cast([0; 4])
        }

        #[inline(always)]
        fn widen(self, codes: Codes) -> Self::Weights {
            cast(wide(codes))
        }

        #[inline(always)]
        fn add(self, sum: __m128i, [low, high]: Self::Weights, row: &Numbers) -> __m128i {
            let row: Self::Weights = cast(*row);
            let [first, second] = row;
            let sum = self.sse2._mm_add_epi32(sum, self.sse2._mm_madd_epi16(low, first));
            self.sse2._mm_add_epi32(sum, self.sse2._mm_madd_epi16(high, second))
        }

        #[inline(always)]
        fn total(self, sums: [__m128i; WEIGHTS]) -> [i32; WEIGHTS] {
            sums.map(|sum| cast::<_, [i32; 4]>(sum).iter().sum())
        }
    }
}
