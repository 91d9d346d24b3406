//! WordPiece: cuts words into the pieces that the table has vectors for, as BERT uncased does.
//!
//! Schuster and Nakajima, "Japanese and Korean Voice Search", 2012; the rules are those of the
//! original `tokenization.py`: clean, space out Han, lower case, strip accents, split at
//! punctuation, then the longest known piece first.

use hashbrown::HashTable;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A longer word is unknown as a whole.
const LONGEST_CHARS: usize = 100;
/// No piece of the vocabulary has more bytes.
const LONGEST_PIECE: usize = 24;

/// The lines of a vocabulary by their number, in place: so many slices would take half a megabyte.
#[derive(Debug)]
struct Texts {
    vocabulary: &'static str,
    /// Where each line begins; at last, where the one after all would.
    starts: Vec<u32>,
}

/// The pieces by their text. Those that continue a word lie apart, without their `##`.
#[derive(Debug)]
pub(super) struct Pieces {
    texts: Texts,
    first: HashTable<u16>,
    following: HashTable<u16>,
    unknown: u16,
}

impl Pieces {
    /// Reads a vocabulary: one piece a line, its number the line's.
    pub(super) fn parse(vocabulary: &'static str) -> Self {
        let (mut first, mut following) = (HashTable::new(), HashTable::new());
        let (texts, mut unknown) = (Texts::new(vocabulary), u16::MAX);
        for (number, line) in (0..).zip(vocabulary.lines()) {
            let table = if following_text(line).is_some() { &mut following } else { &mut first };
            let rehash = |&number: &u16| hash(texts.piece(number));
            table.insert_unique(hash(texts.piece(number)), number, rehash);
            unknown = if line == "[UNK]" { number } else { unknown };
        }
        Self { texts, first, following, unknown }
    }

    pub(super) fn len(&self) -> usize {
        self.texts.starts.len().saturating_sub(1)
    }

    /// Appends the pieces of a word: the longest known piece, then the longest that continues it,
    /// and so on.
    pub(super) fn cut(&self, word: &str, found: &mut Vec<u16>) {
        let start = found.len();
        let mut rest = word;
        let too_long = word.len() > LONGEST_CHARS && word.chars().count() > LONGEST_CHARS;
        while !rest.is_empty() && !too_long {
            let known = if found.len() == start { &self.first } else { &self.following };
            let Some((piece, after)) = self.longest(known, rest) else { break };
            found.push(piece);
            rest = after;
        }
        if !rest.is_empty() {
            found.truncate(start);
            found.push(self.unknown);
        }
    }

    /// Which part of a text's letters stands in words that are pieces as a whole, of two letters or
    /// more: 0.83 to 1 for English questions, 0.2 to 0.3 for German, Spanish and French. Nothing for a
    /// text without letters.
    pub(super) fn whole_share(&self, text: &str) -> Option<f32> {
        let (mut whole, mut all) = (0_u32, 0_u32);
        let mut found = Vec::new();
        each_word(text, &mut |word| {
            let letters = word.chars().filter(|c| c.is_alphabetic()).count();
            let letters = u32::try_from(letters).unwrap_or_default();
            found.clear();
            if letters > 0 {
                self.cut(word, &mut found);
            }
            let is_whole = letters >= 2 && found.len() == 1 && found.first() != Some(&self.unknown);
            whole += if is_whole { letters } else { 0 };
            all += letters;
        });
        #[allow(clippy::cast_precision_loss, reason = "a share needs no more than 24 bits")]
        (all > 0).then(|| whole as f32 / all as f32)
    }

    fn longest<'a>(&self, known: &HashTable<u16>, word: &'a str) -> Option<(u16, &'a str)> {
        let mut hashes = [0; LONGEST_PIECE];
        let mut hash = FNV_BASIS;
        for (slot, byte) in hashes.iter_mut().zip(word.bytes()) {
            hash = fnv(hash, byte);
            *slot = hash;
        }
        hashes.into_iter().enumerate().take(word.len()).rev().find_map(|(last, hash)| {
            let (head, rest) = word.split_at_checked(last + 1)?;
            Some((*known.find(hash, |&number| self.texts.piece(number) == head)?, rest))
        })
    }
}

impl Texts {
    fn new(vocabulary: &'static str) -> Self {
        let mut starts = Vec::with_capacity(vocabulary.lines().count() + 1);
        let mut end = 0;
        for line in vocabulary.split_inclusive('\n') {
            starts.push(end);
            end += u32::try_from(line.len()).unwrap_or_default();
        }
        starts.push(end);
        Self { vocabulary, starts }
    }

    /// What a piece reads as, whether it begins a word or continues one.
    fn piece(&self, number: u16) -> &'static str {
        let at = usize::from(number);
        let (Some(&start), Some(&end)) = (self.starts.get(at), self.starts.get(at + 1)) else {
            return "";
        };
        let line = self.vocabulary.get(start as usize..end as usize).unwrap_or_default();
        let line = line.strip_suffix('\n').unwrap_or(line);
        following_text(line).unwrap_or(line)
    }
}

/// What a line of the vocabulary that continues a word reads as.
fn following_text(line: &str) -> Option<&str> {
    line.strip_prefix("##").filter(|rest| !rest.is_empty())
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// One byte more for FNV-1a (Fowler, Noll and Vo), which gives the hash of each beginning of a word
/// on its way. Nobody but the vocabulary puts anything in, so it need not be guarded against attacks.
fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(FNV_BASIS, fnv)
}

/// Gives each word of a text to `sink`, as the vocabulary spells it.
pub(super) fn each_word(text: &str, sink: &mut dyn FnMut(&str)) {
    let mut sink = |word: &str| {
        if !word.is_empty() {
            sink(word);
        }
    };
    if text.bytes().all(is_printed) {
        each_plain_word(&text.to_ascii_lowercase(), &mut sink);
    } else {
        each_spelled_word(text, &mut sink);
    }
}

/// Gives the words of a text of printed ASCII in lower case, which needs no copies.
fn each_plain_word(text: &str, sink: &mut dyn FnMut(&str)) {
    for spaced in text.split_ascii_whitespace() {
        for cut in spaced.split_inclusive(|c: char| c.is_ascii_punctuation()) {
            let word = cut.trim_end_matches(|c: char| c.is_ascii_punctuation());
            sink(word);
            sink(cut.strip_prefix(word).unwrap_or_default());
        }
    }
}

fn is_printed(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

/// Gives the words of any text, cleaned, lower-cased and without accents.
fn each_spelled_word(text: &str, sink: &mut dyn FnMut(&str)) {
    let mut word = String::new();
    let mut flush = |word: &mut String| {
        sink(word);
        word.clear();
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

/// The characters of a text, cleaned, lower-cased and without accents.
fn each_char(text: &str, sink: &mut dyn FnMut(char)) {
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_short_way_through_plain_text_leads_to_the_same_words(text in "[ -~\t\n\r]{0,60}") {
            let (mut plain, mut spelled) = (Vec::new(), Vec::new());
            each_plain_word(&text.to_ascii_lowercase(), &mut |word| plain.push(word.to_owned()));
            each_spelled_word(&text, &mut |word| spelled.push(word.to_owned()));
            plain.retain(|word| !word.is_empty());
            spelled.retain(|word| !word.is_empty());
            prop_assert_eq!(plain, spelled);
        }
    }

    fn cut(text: &str) -> Vec<(String, Vec<u16>)> {
        let pieces = Pieces::parse("[UNK]\nlis\n##bon\n,\n\u{6771}\nlisb\ncafe");
        let mut words = Vec::new();
        each_word(text, &mut |word| {
            let mut ids = Vec::new();
            pieces.cut(word, &mut ids);
            words.push((word.to_owned(), ids));
        });
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
