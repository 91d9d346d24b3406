//! Which clauses of a question ask, and what they are worth.
//!
//! People and assistants say what they know beside what they want to know: "the soap with oatmeal cures
//! for four weeks, how long does the one with salt need". What is told lies near the memory that is known
//! already, and drowns what is asked. So the direction of what is asked counts for more; the figures stand
//! in `docs/RECALL.md`.

use std::iter;

use super::text::is_stop;

/// English words that begin a question.
const BEGINNINGS: &[&str] = &[
    "am", "are", "can", "could", "did", "do", "does", "had", "has", "have", "how", "is", "may",
    "might", "must", "shall", "should", "was", "were", "what", "when", "where", "which", "who",
    "whom", "whose", "why", "will", "would",
];
/// What may stand before them.
const BEFORE: &[&str] = &[
    "about", "after", "and", "at", "before", "but", "by", "for", "from", "in", "of", "on", "or",
    "since", "so", "to", "under", "until", "with",
];
/// So many of [`BEFORE`] at most: "and until when".
const MOST_BEFORE: usize = 2;
/// A clause of fewer words that say what it is about asks for something that is named elsewhere.
const LEAST_CONTENT: usize = 2;
/// Each is read like a question of its own, which takes time.
const MOST_CLAUSES: usize = 3;
/// How much the clauses that ask count beside the whole question.
const EMPHASIS: f32 = 0.25;

/// The clauses of a question that ask, in their order and at most three; none if it is of one piece.
///
/// A clause ends with a comma, colon, semicolon or the end of a sentence before a space, or with the line.
#[must_use]
pub fn asking_clauses(question: &str) -> Vec<&str> {
    let whole = question.trim();
    let clauses = clauses(whole).filter(|clause| clause.len() < whole.len());
    clauses.filter(|clause| asks(clause)).take(MOST_CLAUSES).collect()
}

fn clauses(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.char_indices().zip(text.chars().skip(1)).filter_map(|((at, one), next)| {
        let is_end = matches!(one, ',' | ';' | ':' | '?' | '!' | '.' | '\u{2026}');
        (one == '\n' || is_end && next.is_whitespace()).then_some(at + one.len_utf8())
    });
    let mut start = 0;
    ends.chain([text.len()]).map(move |end| text[std::mem::replace(&mut start, end)..end].trim())
}

fn asks(clause: &str) -> bool {
    let words = || {
        let letters = |one: char| !one.is_alphanumeric() && !matches!(one, '\'' | '\u{2019}');
        clause.split(letters).filter(|word| !word.is_empty())
    };
    let is_of = |list: &[&str], word: &str| list.iter().any(|one| one.eq_ignore_ascii_case(word));
    let head = words().take(MOST_BEFORE + 1).find(|word| !is_of(BEFORE, word));
    // "What's", "where'd".
    let head = head.and_then(|word| word.split(['\'', '\u{2019}']).next());
    let content = words().filter(|word| !is_stop(&word.to_lowercase()));
    head.is_some_and(|head| is_of(BEGINNINGS, head))
        && content.take(LEAST_CONTENT).count() == LEAST_CONTENT
}

/// The direction of a question, from that of its text and those of its clauses that ask. They may be of
/// any length, and so is what is returned; without any there is none.
#[must_use]
pub fn emphasized(readings: Vec<Vec<f32>>) -> Option<Vec<f32>> {
    let mut readings = readings.into_iter();
    let whole = readings.next()?;
    let clauses: Vec<Vec<f32>> = readings.collect();
    if clauses.is_empty() {
        return Some(whole);
    }
    let mut joined = vec![0.0; whole.len()];
    let count = f32::from(u8::try_from(clauses.len()).unwrap_or(u8::MAX));
    let shares = iter::once(1.0).chain(iter::repeat(EMPHASIS / count));
    for (reading, share) in iter::once(whole).chain(clauses).zip(shares) {
        let length = reading.iter().map(|one| one * one).sum::<f32>().sqrt();
        // A reading of nothing has no direction.
        let scale = if length > 0.0 { share / length } else { 0.0 };
        joined.iter_mut().zip(reading).for_each(|(joined, one)| *joined += scale * one);
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_is_told_from_what_is_told() {
        let clauses: &[(&str, &[&str])] = &[
            (
                "the soap with oatmeal cures for four weeks, how long does the sea salt bar need",
                &["how long does the sea salt bar need"],
            ),
            (
                "Until when is the interest for the house fixed; the power costs 38 a month",
                &["Until when is the interest for the house fixed;"],
            ),
            (
                "what\u{2019}s the port of staging? It runs 1,010 jobs.\nAnd by whom was the server set up?",
                &["what\u{2019}s the port of staging?", "And by whom was the server set up?"],
            ),
            ("I have a flight on Monday at 9.30, which terminal is it", &[]),
            ("where is the red sled", &[]),
            ("the red sled, the blue sled", &[]),
            ("wann kommt der neue Herd, und was kostet der Herd", &[]),
            (" ,;: ", &[]),
            ("", &[]),
        ];
        for (question, asking) in clauses {
            assert_eq!(asking_clauses(question), *asking, "{question:?}");
        }
    }

    #[test]
    fn a_pasted_text_is_not_read_over_and_over() {
        assert_eq!(asking_clauses(&"where is the red sled? ".repeat(1_000)).len(), MOST_CLAUSES);
    }

    #[test]
    fn a_question_leans_towards_what_it_asks() {
        let [whole, asked] = [vec![1.0, 0.0], vec![0.0, 9.0]];

        assert_eq!(emphasized(vec![]), None);
        assert_eq!(emphasized(vec![whole.clone()]), Some(whole.clone()));
        assert_eq!(emphasized(vec![whole.clone(), asked.clone()]), Some(vec![1.0, EMPHASIS]));
        assert_eq!(
            emphasized(vec![whole.clone(), asked.clone(), asked]),
            Some(vec![1.0, EMPHASIS])
        );
        assert_eq!(emphasized(vec![whole.clone(), vec![0.0, 0.0]]), Some(whole));
    }
}
