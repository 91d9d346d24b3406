//! WordPiece: cuts words into the pieces that the table has vectors for, as BERT uncased does.
//!
//! Schuster and Nakajima, "Japanese and Korean Voice Search", 2012; the rules are those of the
//! original `tokenization.py`: clean, space out Han, lower case, strip accents, split at
//! punctuation, then the longest known piece first.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A longer word is unknown as a whole.
const LONGEST_CHARS: usize = 100;

/// Nobody but the vocabulary puts anything in, so the hash need not be guarded against attacks.
type Known = HashMap<&'static str, u16, BuildHasherDefault<Fnv>>;

/// The pieces by their text. Those that continue a word lie apart, without their `##`.
#[derive(Debug)]
pub(super) struct Pieces {
    first: Known,
    following: Known,
    unknown: u16,
}

impl Pieces {
    /// Reads a vocabulary: one piece a line, its number the line's.
    pub(super) fn parse(vocabulary: &'static str) -> Self {
        let mut pieces =
            Self { first: Known::default(), following: Known::default(), unknown: u16::MAX };
        for (number, piece) in (0..).zip(vocabulary.lines()) {
            match piece.strip_prefix("##").filter(|rest| !rest.is_empty()) {
                Some(rest) => pieces.following.insert(rest, number),
                None => pieces.first.insert(piece, number),
            };
        }
        pieces.unknown = pieces.first.get("[UNK]").copied().unwrap_or(u16::MAX);
        pieces
    }

    pub(super) fn len(&self) -> usize {
        self.first.len() + self.following.len()
    }

    /// Gives each word of a text to `sink`, with its pieces.
    pub(super) fn each_word(&self, text: &str, sink: &mut dyn FnMut(&str, &[u16])) {
        let mut found = Vec::new();
        let mut word = String::new();
        let mut flush = |word: &mut String| {
            if !word.is_empty() {
                self.cut(word, &mut found);
                sink(word, &found);
                word.clear();
            }
        };
        each_char(text, &mut |c| {
            if c.is_whitespace() {
                flush(&mut word);
            } else if is_punctuation(c) || is_han(c) {
                flush(&mut word);
                word.push(c);
                flush(&mut word);
            } else {
                word.push(c);
            }
        });
        flush(&mut word);
    }

    /// The longest known piece, then the longest that continues it, and so on.
    fn cut(&self, word: &str, found: &mut Vec<u16>) {
        found.clear();
        let mut rest = word;
        let too_long = word.len() > LONGEST_CHARS && word.chars().count() > LONGEST_CHARS;
        while !rest.is_empty() && !too_long {
            let known = if found.is_empty() { &self.first } else { &self.following };
            let Some((piece, after)) = longest(known, rest) else { break };
            found.push(piece);
            rest = after;
        }
        if !rest.is_empty() {
            found.clear();
            found.push(self.unknown);
        }
    }
}

/// FNV-1a (Fowler, Noll and Vo): the quickest of the plain ones on words this short.
#[derive(Debug, Clone, Copy)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn longest<'a>(known: &Known, text: &'a str) -> Option<(u16, &'a str)> {
    /// No piece of the vocabulary is longer.
    const LONGEST_PIECE: usize = 24;
    (1..=text.len().min(LONGEST_PIECE)).rev().find_map(|end| {
        let (head, rest) = text.split_at_checked(end)?;
        Some((*known.get(head)?, rest))
    })
}

/// The characters of a text, cleaned, lower-cased and without accents.
fn each_char(text: &str, sink: &mut dyn FnMut(char)) {
    if text.is_ascii() {
        let clean = text.chars().filter(|&c| !is_control(c));
        return clean.for_each(|c| sink(c.to_ascii_lowercase()));
    }
    let clean = text.chars().filter(|&c| c != '\u{fffd}' && !is_control(c));
    let letters = clean.nfd().filter(|&c| !is_accent(c));
    letters.flat_map(char::to_lowercase).for_each(sink);
}

fn is_control(c: char) -> bool {
    !matches!(c, '\t' | '\n' | '\r')
        && (c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{600}'..='\u{605}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e000}'..='\u{f8ff}'))
}

/// Marks that do not take space of their own (category Mn).
fn is_accent(c: char) -> bool {
    is_combining_mark(c) && !is_spacing_mark(c)
}

/// Vowel signs that stand beside their letter (category Mc) in the scripts of India and its
/// neighbors.
fn is_spacing_mark(c: char) -> bool {
    matches!(c, '\u{903}' | '\u{93b}' | '\u{93e}'..='\u{940}' | '\u{949}'..='\u{94c}'
        | '\u{94e}' | '\u{94f}' | '\u{982}' | '\u{983}' | '\u{9be}'..='\u{9c0}' | '\u{9c7}'..='\u{9cc}'
        | '\u{bbe}' | '\u{bbf}' | '\u{bc1}' | '\u{bc2}' | '\u{bc6}'..='\u{bcc}')
}

fn is_punctuation(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_punctuation();
    }
    matches!(c, '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}'
        | '\u{37e}' | '\u{387}' | '\u{55a}'..='\u{55f}' | '\u{589}' | '\u{58a}' | '\u{5be}'
        | '\u{60c}' | '\u{60d}' | '\u{61b}' | '\u{61e}' | '\u{61f}' | '\u{66a}'..='\u{66d}' | '\u{6d4}'
        | '\u{964}' | '\u{965}' | '\u{e4f}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{2043}'
        | '\u{2045}'..='\u{2051}' | '\u{2053}'..='\u{205e}' | '\u{207d}' | '\u{207e}' | '\u{2308}'..='\u{230b}'
        | '\u{2329}' | '\u{232a}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}'
        | '\u{3014}'..='\u{301f}' | '\u{3030}' | '\u{30a0}' | '\u{30fb}'
        | '\u{fe50}'..='\u{fe52}' | '\u{ff01}'..='\u{ff03}' | '\u{ff05}'..='\u{ff0a}'
        | '\u{ff0c}'..='\u{ff0f}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff1f}' | '\u{ff20}'
        | '\u{ff3b}'..='\u{ff3d}' | '\u{ff3f}' | '\u{ff5b}' | '\u{ff5d}' | '\u{ff5f}'..='\u{ff65}')
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{2a6df}' | '\u{2a700}'..='\u{2ceaf}' | '\u{2f800}'..='\u{2fa1f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(String, Vec<u16>)> {
        let pieces = Pieces::parse("[UNK]\nlis\n##bon\n,\n\u{6771}\nlisb\ncafe");
        let mut words = Vec::new();
        pieces.each_word(text, &mut |word, ids| words.push((word.to_owned(), ids.to_vec())));
        words
    }

    #[test]
    fn the_longest_piece_is_taken_first() {
        assert_eq!(cut("Lisbon"), [("lisbon".to_owned(), vec![0])], "lisb, and no ##on");
        assert_eq!(cut("lis"), [("lis".to_owned(), vec![1])]);
        assert_eq!(cut("lis,\u{6771}")[1..].iter().map(|w| w.1[0]).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(cut("Caf\u{e9}")[0].1, [6]);
        assert_eq!(cut(&"x".repeat(101))[0].1, [0]);
    }
}
