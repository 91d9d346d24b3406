//! Which pieces look at which: Vaswani and others, "Attention Is All You Need", 2017, 3.2.1.

use super::numbers::{LANES, exp, largest, sum};
use super::{HEADS, LONGEST, WIDTH};

/// Numbers of a row that one head sees.
const HEAD: usize = WIDTH / HEADS;
/// A row's query, key and value; the query is divided by the root of [`HEAD`] already.
pub(super) type Looks = [f32; 3 * WIDTH];
/// Keys of [`LANES`] rows, the first number of each, then the second of each, and so on.
type Keys = [[f32; LANES]; HEAD];

/// What one head sees of all rows, laid together.
#[derive(Debug, Default)]
pub(super) struct Head {
    keys: Vec<Keys>,
    values: Vec<[f32; HEAD]>,
}

/// What each row sees of all.
#[inline(always)]
pub(super) fn attend(looks: &[Looks], head: &mut Head, seen: &mut [[f32; WIDTH]]) {
    let mut weights = [[0.0; LANES]; LONGEST / LANES];
    let Some(weights) = weights.get_mut(..looks.len().div_ceil(LANES)) else {
        return;
    };
    for number in 0..HEADS {
        head.gather(looks, number);
        for (look, seen) in looks.iter().zip(seen.iter_mut()) {
            score(part(look, number), &head.keys, weights);
            let total = soften(weights, looks.len());
            if let Some(place) = seen.as_chunks_mut().0.get_mut(number) {
                *place = mix(weights, &head.values, 1.0 / total);
            }
        }
    }
}

impl Head {
    #[inline(always)]
    fn gather(&mut self, looks: &[Looks], number: usize) {
        self.keys.clear();
        self.values.clear();
        for looks in looks.chunks(LANES) {
            let mut keys = [[0.0; LANES]; HEAD];
            for (lane, look) in looks.iter().enumerate() {
                for (line, &x) in keys.iter_mut().zip(part(look, HEADS + number)) {
                    if let Some(place) = line.get_mut(lane) {
                        *place = x;
                    }
                }
                self.values.push(*part(look, 2 * HEADS + number));
            }
            self.keys.push(keys);
        }
    }
}

/// One head's part of a row: `at` counts the heads of queries, then those of keys, then of values.
#[inline(always)]
fn part(look: &Looks, at: usize) -> &[f32; HEAD] {
    const NOTHING: &[f32; HEAD] = &[0.0; HEAD];
    look.as_chunks().0.get(at).unwrap_or(NOTHING)
}

#[inline(always)]
fn score(query: &[f32; HEAD], keys: &[Keys], weights: &mut [[f32; LANES]]) {
    for (keys, weights) in keys.iter().zip(weights) {
        let mut sums = [0.0; LANES];
        for (x, line) in query.iter().zip(keys) {
            sums.iter_mut().zip(line).for_each(|(sum, key)| *sum += x * key);
        }
        *weights = sums;
    }
}

/// Makes weights that are to be divided by their sum, which it gives back. The largest is taken off
/// first, so nothing overflows; places behind the last of `count` rows become nothing.
#[inline(always)]
fn soften(weights: &mut [[f32; LANES]], count: usize) -> f32 {
    let weights = weights.as_flattened_mut();
    weights.iter_mut().skip(count).for_each(|weight| *weight = f32::MIN);
    let most = largest(weights, f32::MIN, |x| x);
    weights.iter_mut().for_each(|weight| *weight = exp(*weight - most));
    sum(weights, |x| x)
}

#[inline(always)]
fn mix(weights: &[[f32; LANES]], values: &[[f32; HEAD]], scale: f32) -> [f32; HEAD] {
    let mut seen = [0.0; HEAD];
    for (weight, value) in weights.as_flattened().iter().zip(values) {
        seen.iter_mut().zip(value).for_each(|(seen, x)| *seen += weight * x);
    }
    seen.map(|x| x * scale)
}
