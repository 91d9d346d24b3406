use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// A longer word is unknown as a whole.
const LONGEST_WORD_CHARS: usize = 100;

/// Cuts texts into word pieces, as BERT does.
///
/// Schuster and Nakajima, "Japanese and Korean Voice Search", 2012; the rules are those of BERT's
/// own `tokenization.py`. One is left out on purpose: `[SEP]` and its like are plain text when they
/// come in a text, so that no memory can pretend to be two.
#[derive(Debug)]
pub(super) struct Pieces {
    first: HashMap<String, u32>,
    /// Those that go on with a word, without their `##`.
    following: HashMap<String, u32>,
    longest_bytes: usize,
    highest: u32,
    marks: Marks,
    cleaning: Cleaning,
}

/// What is done to a text before it is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cleaning {
    pub(super) lowers: bool,
    pub(super) strips_accents: bool,
    /// Whether each Han character is a word.
    pub(super) parts_han: bool,
}

#[derive(Debug, Clone, Copy)]
struct Marks {
    start: u32,
    end: u32,
    unknown: u32,
}

impl Pieces {
    pub(super) fn new(
        vocabulary: HashMap<String, u32>,
        cleaning: Cleaning,
        unknown: &str,
    ) -> Result<Self, String> {
        let mark = |text: &str| {
            vocabulary.get(text).copied().ok_or_else(|| format!("its vocabulary lacks {text}"))
        };
        let marks = Marks { start: mark("[CLS]")?, end: mark("[SEP]")?, unknown: mark(unknown)? };
        let highest = vocabulary.values().copied().max().unwrap_or_default();
        let longest_bytes = vocabulary.keys().map(String::len).max().unwrap_or_default();
        let (mut first, mut following) = (HashMap::new(), HashMap::new());
        for (piece, number) in vocabulary {
            match piece.strip_prefix("##").filter(|rest| !rest.is_empty()) {
                Some(rest) => following.insert(rest.to_owned(), number),
                None => first.insert(piece, number),
            };
        }
        Ok(Self { first, following, longest_bytes, highest, marks, cleaning })
    }

    /// The highest number that a piece has.
    pub(super) fn highest(&self) -> usize {
        usize::try_from(self.highest).unwrap_or(usize::MAX)
    }

    /// The numbers of a text's pieces between the marks of start and end, `limit` at most.
    pub(super) fn of(&self, text: &str, limit: usize) -> Vec<usize> {
        let mut found = vec![self.marks.start];
        let mut word = String::new();
        let last = limit.saturating_sub(1);
        for c in text.chars().flat_map(|c| self.clean(c)) {
            let stands_alone = is_punctuation(c) || (self.cleaning.parts_han && is_han(c));
            if stands_alone || c.is_whitespace() {
                self.cut(&mut word, &mut found);
            }
            if stands_alone {
                word.push(c);
                self.cut(&mut word, &mut found);
            } else if !c.is_whitespace() {
                word.push(c);
            }
            if found.len() >= last {
                break;
            }
        }
        self.cut(&mut word, &mut found);
        found.truncate(last);
        found.push(self.marks.end);
        found.into_iter().filter_map(|number| usize::try_from(number).ok()).collect()
    }

    /// What becomes of one character: nothing, itself, or some others.
    fn clean(&self, c: char) -> impl Iterator<Item = char> + use<> {
        let Cleaning { lowers, strips_accents, .. } = self.cleaning;
        let kept = (!is_dropped(c)).then_some(c).into_iter();
        let parts = kept.flat_map(move |c| {
            let whole = (!strips_accents).then_some(c).into_iter();
            let parts = strips_accents.then(|| std::iter::once(c).nfd()).into_iter().flatten();
            whole.chain(parts.filter(|&c| !is_accent(c)))
        });
        parts.flat_map(move |c| {
            let lower = lowers.then(|| c.to_lowercase()).into_iter().flatten();
            lower.chain((!lowers).then_some(c))
        })
    }

    /// The longest known piece, then the longest that goes on with it, and so on.
    fn cut(&self, word: &mut String, found: &mut Vec<u32>) {
        let start = found.len();
        let is_too_long =
            word.len() > LONGEST_WORD_CHARS && word.chars().count() > LONGEST_WORD_CHARS;
        let mut rest = word.as_str();
        while !rest.is_empty() && !is_too_long {
            let known = if found.len() == start { &self.first } else { &self.following };
            let Some((piece, after)) = self.longest(known, rest) else { break };
            found.push(piece);
            rest = after;
        }
        if !rest.is_empty() {
            found.truncate(start);
            found.push(self.marks.unknown);
        }
        word.clear();
    }

    fn longest<'a>(&self, known: &HashMap<String, u32>, text: &'a str) -> Option<(u32, &'a str)> {
        (1..=text.len().min(self.longest_bytes)).rev().find_map(|end| {
            let (head, rest) = text.split_at_checked(end)?;
            Some((*known.get(head)?, rest))
        })
    }
}

fn is_dropped(c: char) -> bool {
    let is_space = matches!(c, '\t' | '\n' | '\r');
    let is_other = || c.general_category_group() == GeneralCategoryGroup::Other;
    c == '\u{fffd}' || (!is_space && !c.is_ascii_graphic() && is_other())
}

fn is_accent(c: char) -> bool {
    !c.is_ascii() && c.general_category() == GeneralCategory::NonspacingMark
}

fn is_punctuation(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_punctuation();
    }
    c.general_category_group() == GeneralCategoryGroup::Punctuation
}

/// The blocks that BERT names; kana and hangul are not among them.
fn is_han(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{2a6df}'
        | '\u{2a700}'..='\u{2b73f}' | '\u{2b740}'..='\u{2b81f}' | '\u{2b920}'..='\u{2ceaf}'
        | '\u{f900}'..='\u{faff}' | '\u{2f800}'..='\u{2fa1f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCENTS_KEPT: Cleaning =
        Cleaning { lowers: false, strips_accents: false, parts_han: true };
    const UNCASED: Cleaning = Cleaning { lowers: true, strips_accents: true, parts_han: true };

    fn of(text: &str, cleaning: Cleaning, limit: usize) -> Vec<usize> {
        let words = ["[CLS]", "[SEP]", "[UNK]", "lis", "##bon", "lisb", ",", "\u{6771}", "cafe"];
        let more = ["Caf\u{e9}", "[", "]", "sep"];
        let vocabulary = words.into_iter().chain(more).map(str::to_owned).zip(0..).collect();
        Pieces::new(vocabulary, cleaning, "[UNK]").unwrap().of(text, limit)
    }

    #[test]
    fn the_longest_piece_is_taken_first() {
        assert_eq!(of("Lisbon lis", UNCASED, 9), [0, 2, 3, 1], "lisb, and no ##on");
        assert_eq!(of("lis,\u{6771}lis", UNCASED, 9), [0, 3, 6, 7, 3, 1]);
        assert_eq!(of("", UNCASED, 9), [0, 1]);
        assert_eq!(of(&"x".repeat(101), UNCASED, 9), [0, 2, 1]);
    }

    #[test]
    fn a_text_is_cleaned_as_the_model_wants() {
        assert_eq!(of("CAF\u{c9}\u{200b}\u{0}\n", UNCASED, 9), [0, 8, 1]);
        assert_eq!(of("cafe\u{301}", UNCASED, 9), [0, 8, 1]);
        assert_eq!(of("Caf\u{e9} CAFE", ACCENTS_KEPT, 9), [0, 9, 2, 1]);
    }

    #[test]
    fn a_mark_in_a_text_is_plain_text() {
        assert_eq!(of("[SEP]", UNCASED, 9), [0, 10, 12, 11, 1]);
    }

    #[test]
    fn a_long_text_is_cut_and_still_has_its_end() {
        assert_eq!(of("lis lis lis lis lis", UNCASED, 4), [0, 3, 3, 1]);
    }
}
