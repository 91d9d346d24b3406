//! Which words the questions of a page say. By that most pages need not be read when a text is erased that might
//! stand in one of them.

use std::hash::{DefaultHasher, Hasher};

use crate::model::Recall;

/// A Bloom filter (B. H. Bloom, 1970) of 4,096 bits with two hash functions: a word that it does not have stands in
/// no question. Of 500 words, as 256 short questions have, it takes one of 21 others for one of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AskedWords(Box<[u64; WORDS]>);

const WORDS: usize = 64;
const BITS: u64 = WORDS as u64 * 64;

impl AskedWords {
    pub(super) fn of(recalls: &[Recall]) -> Self {
        let mut bits = Box::new([0; WORDS]);
        for word in recalls.iter().flat_map(|recall| recall.asked.split(' ')) {
            for (place, bit) in places(word) {
                bits.get_mut(place).into_iter().for_each(|held| *held |= bit);
            }
        }
        Self(bits)
    }

    /// Whether a text may stand in a question, both as they are within JSON. What is between two spaces of the
    /// text is so in the question as well; its first and its last word may be parts of longer ones there.
    pub(super) fn may_hold(&self, text: &str) -> bool {
        let mut words = text.split(' ');
        let (_, _) = (words.next(), words.next_back());
        let has = |(place, bit)| self.0.get::<usize>(place).is_some_and(|held| held & bit != 0);
        words.all(|word| places(word).into_iter().all(has))
    }
}

/// Where the two bits of a word are.
fn places(word: &str) -> [(usize, u64); 2] {
    let mut hasher = DefaultHasher::new();
    hasher.write(word.as_bytes());
    let hash = hasher.finish();
    [hash, hash >> 32].map(|hash| {
        let at = hash % BITS;
        (usize::try_from(at / 64).unwrap_or(0), 1 << (at % 64))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::recalls::tests::asked;
    use super::*;

    fn words_of(questions: &[&str]) -> AskedWords {
        let recalls = questions.iter().map(|text| asked(&json!({ "query": text })));
        AskedWords::of(&Vec::from_iter(recalls))
    }

    #[test]
    fn a_text_of_other_words_is_known_not_to_be_there() {
        let words = words_of(&["when does the bakery open on monday", "where is the key"]);

        assert!(words.may_hold("the bakery open on"));
        assert!(words.may_hold("ere is the k"));
        assert!(!words.may_hold("when does the butcher open on monday"));
        // Nothing is known of one of two words.
        assert!(words.may_hold("butcher butcher"));
    }

    #[test]
    fn of_five_hundred_words_few_others_are_taken_for_one_of_them() {
        let all = Vec::from_iter((0..500).map(|n| format!("word{n}"))).join(" ");
        let words = words_of(&[&all]);

        let taken = (0..1_000).filter(|n| words.may_hold(&format!("a other{n} b"))).count();

        assert!((20..90).contains(&taken), "{taken}");
    }

    proptest! {
        #[test]
        fn what_stands_in_a_question_may_be_there(
            question in "[ a-c\"\\\\\n\u{e9}]{0,30}",
            from in any::<prop::sample::Index>(),
            to in any::<prop::sample::Index>(),
        ) {
            let words = words_of(&["something else", &question]);
            let quoted = Value::from(question.as_str()).to_string();
            let borders: Vec<usize> =
                quoted.char_indices().map(|(at, _)| at).chain([quoted.len()]).collect();
            let (from, to) = (*from.get(&borders), *to.get(&borders));

            prop_assert!(words.may_hold(&quoted[from.min(to)..from.max(to)]));
        }
    }
}
