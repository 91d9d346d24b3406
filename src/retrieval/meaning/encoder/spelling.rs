//! How SentencePiece spells a text before it is cut: its rule `nmt_nfkc`.
//!
//! That rule is a table of Unicode's form NFKC with a few characters taken out or read as spaces.
//! This makes the same of all characters but 172 that Unicode has given a form since, phonetic signs
//! nearly all; `tools/multilingual` tells which texts may differ.

use unicode_normalization::UnicodeNormalization;

/// Stands where a word begins.
const SPACE: char = '\u{2581}';
/// The wide tilde, which the rule leaves as it is, and what stands for it meanwhile: no character.
const TILDE: char = '\u{ff5e}';
const NO_CHARACTER: char = '\u{fffe}';
/// A word with more bytes is cut, so that the work on one is bounded. Han and kana, which stand
/// without spaces, have a thousand characters in as many bytes: more than a model reads.
const LONGEST_WORD_BYTES: usize = 4_096;

/// Gives each word of a text to `sink`, spelled as the pieces are, with the sign of a space before
/// it.
pub(super) fn each_word(text: &str, sink: &mut dyn FnMut(&str)) {
    let mut word = String::from(SPACE);
    let mut flush = |word: &mut String| {
        if word.len() > SPACE.len_utf8() {
            sink(word);
        }
        word.clear();
        word.push(SPACE);
    };
    for c in text.chars().filter_map(kept).nfkc() {
        match c {
            ' ' => flush(&mut word),
            NO_CHARACTER => word.push(TILDE),
            c => word.push(c),
        }
        if word.len() > LONGEST_WORD_BYTES {
            flush(&mut word);
        }
    }
    flush(&mut word);
}

/// What a character is read as before NFKC; nothing for most that control a terminal.
fn kept(c: char) -> Option<char> {
    match c {
        '\t'
        | '\n'
        | '\u{c}'
        | '\r'
        | '\u{1680}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'
        | '\u{2029}'
        | SPACE
        | '\u{feff}'
        | '\u{fffd}' => Some(' '),
        '\0'..='\u{1f}' | '\u{7f}' | '\u{8f}' | '\u{9f}' => None,
        TILDE => Some(NO_CHARACTER),
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        each_word(text, &mut |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn words_are_spelled_as_the_rule_has_them() {
        assert_eq!(words(""), [""; 0]);
        assert_eq!(words(" \t\u{3000}\u{200b}\n"), [""; 0]);
        assert_eq!(words("  two  words "), ["\u{2581}two", "\u{2581}words"]);
        assert_eq!(words("e\u{301}\u{1}\u{fb01}\u{ff21}"), ["\u{2581}\u{e9}fiA"]);
        assert_eq!(
            words("\u{ff11}\u{ff5e}\u{2581}\u{bd}"),
            ["\u{2581}1\u{ff5e}", "\u{2581}1\u{2044}2"]
        );
        assert_eq!(words("a\u{a8}b"), ["\u{2581}a", "\u{2581}\u{308}b"]);
    }

    #[test]
    fn a_word_without_end_is_cut() {
        let long = words(&"\u{6771}".repeat(10_000));

        assert!(long.iter().all(|word| word.len() <= LONGEST_WORD_BYTES + 4), "{}", long.len());
        assert_eq!(long.iter().map(|word| word.chars().count() - 1).sum::<usize>(), 10_000);
    }
}
