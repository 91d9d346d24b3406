//! English words that say how a sentence is built, not what it is about.

/// Whether a folded word is left out of questions and of the length of a memory.
///
/// The list is that of the Natural Language Toolkit (after Porter) with the contractions spelled
/// out: pronouns, auxiliaries, articles, prepositions, conjunctions, question words.
pub(crate) fn is_stop(word: &str) -> bool {
    word.len() <= LONGEST && WORDS.binary_search(&word).is_ok()
}

const LONGEST: usize = 10;

/// Sorted, so that it can be searched by halves.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "a", "about", "above", "after", "again", "against", "ain't", "all", "also", "am", "an", "and",
    "any", "are", "aren't", "as", "at", "be", "because", "been", "before", "being", "below",
    "between", "both", "but", "by", "can", "can't", "cannot", "could", "couldn't", "did", "didn't",
    "do", "does", "doesn't", "doing", "don't", "down", "during", "each", "few", "for", "from",
    "further", "had", "hadn't", "has", "hasn't", "have", "haven't", "having", "he", "he'd", "he'll",
    "her", "here", "hers", "herself", "him", "himself", "his", "how", "i", "i'd", "i'll", "i'm",
    "i've", "if", "in", "into", "is", "isn't", "it", "it'd", "it'll", "its", "itself", "just",
    "let", "may", "me", "might", "more", "most", "must", "mustn't", "my", "myself", "no", "nor",
    "not", "now", "of", "off", "on", "once", "only", "or", "other", "ought", "our", "ours",
    "ourselves", "out", "over", "own", "same", "shall", "she", "she'd", "she'll", "should",
    "shouldn't", "so", "some", "such", "than", "that", "that'll", "the", "their", "theirs", "them",
    "themselves", "then", "there", "these", "they", "they'd", "they'll", "they're", "they've",
    "this", "those", "through", "to", "too", "under", "until", "up", "us", "very", "was", "wasn't",
    "we", "we'd", "we'll", "we're", "we've", "were", "weren't", "what", "when", "where", "which",
    "while", "who", "whom", "whose", "why", "will", "with", "won't", "would", "wouldn't", "you",
    "you'd", "you'll", "you're", "you've", "your", "yours", "yourself", "yourselves",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_its_longest_word_is_known() {
        assert!(WORDS.is_sorted());
        assert!(WORDS.iter().all(|word| word.len() <= LONGEST));
        assert!(is_stop("the") && is_stop("you're") && !is_stop("lisbon"));
    }
}
