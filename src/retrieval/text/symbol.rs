//! Signs that somebody means: emoji, and the languages whose names end with one.

/// A longer word before a sign is a word, and the sign is punctuation.
const LONGEST_NAME: usize = 2;

/// Whether a text may hold one at all; most do not.
pub(super) fn may_hold(text: &str) -> bool {
    // The lead bytes of U+2000 to U+2FFF and of everything above U+FFFF.
    text.bytes().any(|byte| matches!(byte, b'#' | b'+' | 0xe2 | 0xf0))
}

/// Gives every sign to `sink`: an emoji by itself, `c#` and `c++` with the name.
pub(super) fn each(text: &str, mut sink: impl FnMut(&str)) {
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if is_emoji(c) {
            sink(c.encode_utf8(&mut [0; 4]));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
            continue;
        }
        let is_name = (1..=LONGEST_NAME).contains(&word.chars().count())
            && word.chars().all(|c| c.is_ascii_alphabetic());
        let is_double = c == '+' && chars.peek() == Some(&'+');
        if is_name && (c == '#' || is_double) {
            word.push(c);
            if is_double {
                word.extend(chars.next());
            }
            // `c#minor` is something else.
            if !chars.peek().is_some_and(|c| c.is_alphanumeric()) {
                sink(&word);
            }
        }
        word.clear();
    }
}

/// Pictures and signs; arrows, mathematics and boxes are layout as often as meaning.
fn is_emoji(c: char) -> bool {
    matches!(c, '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}')
}
