//! Folding: one spelling for what a reader takes for the same word.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

/// Brings a text to its compatible form (NFKC): full-width letters, ligatures, half-width kana.
///
/// Case stays, because it tells where the parts of an identifier begin.
pub(super) fn compatible(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.nfkc().collect()) }
}

/// Folds one word of [`compatible`] text: case, accents, and the apostrophes of typesetters.
pub(super) fn word(raw: &str, folded: &mut String) {
    folded.clear();
    if raw.is_ascii() {
        folded.extend(raw.chars().map(|c| c.to_ascii_lowercase()));
        return;
    }
    for c in raw.chars().flat_map(char::to_lowercase) {
        push_folded(c, folded);
    }
}

/// Whether two characters are the same apostrophe to a reader.
pub(super) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{02BC}' | '\u{2018}')
}

fn push_folded(c: char, folded: &mut String) {
    match c {
        '\u{df}' => folded.push_str("ss"),
        '\u{e6}' => folded.push_str("ae"),
        '\u{153}' => folded.push_str("oe"),
        '\u{f8}' => folded.push('o'),
        '\u{111}' | '\u{f0}' => folded.push('d'),
        '\u{142}' => folded.push('l'),
        '\u{131}' => folded.push('i'),
        '\u{fe}' => folded.push_str("th"),
        '\u{3c2}' => folded.push('\u{3c3}'),
        c if is_apostrophe(c) => folded.push('\''),
        c if is_dropped(c) => {}
        c => folded.push(base(c)),
    }
}

/// The letter under its accents. Elsewhere than in Latin, Greek and Cyrillic a mark makes another
/// letter (Japanese ga is not ka), so there it stays.
fn base(c: char) -> char {
    let mut first = None;
    decompose_canonical(c, |part| {
        first.get_or_insert(part);
    });
    first.filter(|&letter| carries_accents(letter)).unwrap_or(c)
}

fn carries_accents(letter: char) -> bool {
    letter.is_ascii_alphabetic() || matches!(letter, '\u{80}'..='\u{24f}' | '\u{370}'..='\u{52f}')
}

/// Marks that are written or left out at will: accents, Hebrew points, Arabic vowels and stretching.
fn is_dropped(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}'
        | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}')
}

/// Whether a character is part of a word: a letter, a digit, or a mark on one.
pub(super) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || !c.is_ascii() && (c.is_alphanumeric() || is_combining_mark(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(raw: &str) -> String {
        let mut folded = String::new();
        word(&compatible(raw), &mut folded);
        folded
    }

    #[test]
    fn accents_and_case_make_no_difference() {
        assert_eq!(folded("Cr\u{e8}me"), "creme");
        assert_eq!(folded("Cre\u{300}me"), "creme");
        assert_eq!(folded("STRASSE"), folded("stra\u{df}e"));
        assert_eq!(folded("\u{130}stanbul"), "istanbul");
        assert_eq!(folded("\u{ff26}\u{ff55}\u{ff4c}\u{ff4c}"), "full");
    }

    #[test]
    fn marks_that_make_another_letter_stay() {
        assert_ne!(folded("\u{304c}"), folded("\u{304b}"));
        assert_eq!(folded("\u{d55c}"), "\u{d55c}");
    }
}
