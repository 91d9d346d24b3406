use std::sync::OnceLock;

use super::EmbedError;
use super::line::Answered;

/// More than any model has; a larger answer is a mistake or an attack.
pub(super) const DIMENSIONS_LIMIT: usize = 8_192;

/// Takes only whole answers: a vector for each text, all of one length, each with a direction. They
/// come back with the length 1.
///
/// The first answer settles the dimensions; from then on each must have them.
pub(super) fn check(
    vectors: Vec<Vec<f32>>,
    expected: usize,
    dimensions: &OnceLock<usize>,
) -> Answered {
    if vectors.len() != expected {
        return Err(EmbedError::Count { expected, got: vectors.len() });
    }
    let Some(first) = vectors.first().map(Vec::len) else { return Ok(vectors) };
    if !(1..=DIMENSIONS_LIMIT).contains(&first) {
        let problem = format!("a vector of {first} numbers; at most {DIMENSIONS_LIMIT} are taken");
        return Err(EmbedError::Malformed { problem });
    }
    let of_model = dimensions.get().copied().unwrap_or(first);
    if let Some(got) = vectors.iter().map(Vec::len).find(|&len| len != of_model) {
        return Err(EmbedError::Dimensions { expected: of_model, got });
    }
    let vectors = vectors.into_iter().map(normalize).collect::<Result<Vec<_>, _>>()?;
    // Another thread may have been first, with another answer.
    let settled = *dimensions.get_or_init(|| of_model);
    if settled != of_model {
        return Err(EmbedError::Dimensions { expected: settled, got: of_model });
    }
    Ok(vectors)
}

fn normalize(mut vector: Vec<f32>) -> Result<Vec<f32>, EmbedError> {
    let largest = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    // `max` skips what is not a number, so each is looked at.
    if vector.iter().any(|x| !x.is_finite()) || largest <= f32::MIN_POSITIVE {
        return Err(EmbedError::NoDirection);
    }
    // Divided by the largest first, so that no square is too large or too small for its type.
    let norm = vector.iter().map(|x| (x / largest).powi(2)).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x = *x / largest / norm);
    Ok(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_comes_back_with_the_length_one() {
        for scale in [1.0, 1e-30, 1e30] {
            let checked = check(vec![vec![3.0 * scale, -4.0 * scale]], 1, &OnceLock::new());

            let vector = checked.unwrap().remove(0);
            assert!((vector[0] - 0.6).abs() < 1e-6 && (vector[1] + 0.8).abs() < 1e-6, "{vector:?}");
        }
    }

    #[test]
    fn what_is_not_a_whole_answer_is_refused() {
        let one = |vector: Vec<f32>| check(vec![vector], 1, &OnceLock::new()).unwrap_err();
        let two = |a: Vec<f32>, b: Vec<f32>| check(vec![a, b], 2, &OnceLock::new()).unwrap_err();

        assert_eq!(one(vec![f32::NAN, 1.0]), EmbedError::NoDirection);
        assert_eq!(one(vec![1.0, f32::INFINITY]), EmbedError::NoDirection);
        assert_eq!(one(vec![0.0, 0.0]), EmbedError::NoDirection);
        assert!(matches!(one(vec![]), EmbedError::Malformed { .. }));
        assert!(matches!(one(vec![1.0; DIMENSIONS_LIMIT + 1]), EmbedError::Malformed { .. }));
        assert_eq!(two(vec![1.0], vec![1.0, 2.0]), EmbedError::Dimensions { expected: 1, got: 2 });
        let none = check(vec![], 1, &OnceLock::new());
        assert_eq!(none, Err(EmbedError::Count { expected: 1, got: 0 }));
    }

    #[test]
    fn only_a_good_answer_settles_the_dimensions() {
        let dimensions = OnceLock::new();

        check(vec![vec![f32::NAN; 3]], 1, &dimensions).unwrap_err();
        check(vec![vec![1.0; 2]], 1, &dimensions).unwrap();
        let other = check(vec![vec![1.0; 3]], 1, &dimensions);

        assert_eq!(other, Err(EmbedError::Dimensions { expected: 2, got: 3 }));
    }
}
