//! SentencePiece's unigram model: cuts a word into the pieces that are likeliest together.
//!
//! Kudo, "Subword Regularization: Improving Neural Network Translation Models with Multiple Subword
//! Candidates", 2018, with the path of Viterbi. The pieces lie in the file in the order of their
//! bytes, so all that a text begins with are found by narrowing a range byte by byte; nothing is
//! built and nothing copied when the file is read.

use std::ops::Range;

use super::Side;
use super::read::{InvalidEncoder, Reader, Shape};
use super::spelling::each_word;

/// What comes before the pieces: counts, the unknown piece, two prefixes.
const HEAD: usize = 16;
/// For each piece: where its text ends, its number, its score.
const PIECE: usize = 12;

/// Little-endian numbers of 32 bits, read where they lie.
type Numbers = &'static [[u8; 4]];

/// A vocabulary that lies in the encoder's file.
#[derive(Debug)]
pub(super) struct Unigram {
    ends: Numbers,
    numbers: Numbers,
    /// Logarithms of how likely each piece is.
    scores: Numbers,
    texts: &'static [u8],
    /// Stands for what no piece does.
    unknown: u32,
    unknown_score: f32,
    /// What the model has been taught to see before a question, and before what may answer one.
    prefixes: [Vec<u32>; 2],
}

/// The likeliest way to a place in a word.
#[derive(Debug, Clone, Copy)]
struct Way {
    score: f32,
    /// Where its last piece begins.
    from: usize,
    piece: u32,
}

impl Unigram {
    pub(super) fn read(reader: &mut Reader, shape: Shape) -> Result<Self, InvalidEncoder> {
        let mut head = [0; HEAD];
        for (number, &bytes) in head.iter_mut().zip(reader.numbers(HEAD)?) {
            *number = u32::from_le_bytes(bytes);
        }
        let [count, unknown, score, question_size, memory_size, prefixes @ ..] = head;
        let count = count as usize;
        let texts = shape
            .vocabulary_bytes
            .checked_sub(4 * HEAD)
            .and_then(|rest| rest.checked_sub(count.checked_mul(PIECE)?))
            .ok_or(InvalidEncoder::Vocabulary)?;
        let (question, memory) = prefixes.split_at(5);
        let prefix = |all: &[u32], size| all.iter().copied().take(size as usize).collect();
        let vocabulary = Self {
            ends: reader.numbers(count)?,
            numbers: reader.numbers(count)?,
            scores: reader.floats(count)?,
            texts: reader.bytes(texts)?,
            unknown,
            unknown_score: f32::from_bits(score),
            prefixes: [prefix(question, question_size), prefix(memory, memory_size)],
        };
        if vocabulary.is_sound(shape.pieces) {
            Ok(vocabulary)
        } else {
            Err(InvalidEncoder::Vocabulary)
        }
    }

    /// Whether the pieces are in order and the model has a vector for each.
    fn is_sound(&self, pieces: usize) -> bool {
        let mut end = 0;
        let mut before: &[u8] = b"";
        for at in 0..self.ends.len() {
            let text = self.text(at);
            let next = end + text.len();
            if text <= before || number(self.ends, at) as usize != next {
                return false;
            }
            (end, before) = (next, text);
        }
        let own = self.prefixes.iter().flatten().copied().chain([self.unknown]);
        let all = self.numbers.iter().map(|&bytes| u32::from_le_bytes(bytes)).chain(own);
        let whole = end == self.texts.len() && self.unknown_score.is_finite();
        whole && all.into_iter().all(|piece| (piece as usize) < pieces)
    }

    /// Appends the numbers of the pieces of a text that comes in parts, after the prefix of its
    /// side; stops when there are at least `most`. Nothing for a text without pieces.
    pub(super) fn cut(&self, side: Side, parts: &[&str], most: usize, found: &mut Vec<u32>) {
        let start = found.len();
        let [question, memory] = &self.prefixes;
        found.extend(match side {
            Side::Question => question,
            Side::Memory => memory,
        });
        let prefixed = found.len();
        let mut ways = Vec::new();
        for part in parts {
            each_word(part, &mut |word| {
                if found.len() < most {
                    self.cut_word(word, &mut ways, found);
                }
            });
        }
        if found.len() == prefixed {
            found.truncate(start);
        }
    }

    fn cut_word(&self, word: &str, ways: &mut Vec<Way>, found: &mut Vec<u32>) {
        const NO_WAY: Way = Way { score: f32::NEG_INFINITY, from: 0, piece: 0 };
        ways.clear();
        ways.resize(word.len() + 1, NO_WAY);
        let mut so_far = 0.0;
        for (at, c) in word.char_indices() {
            if at > 0 {
                so_far = ways.get(at).map_or(so_far, |way| way.score);
            }
            let mut go = |length: usize, score: f32, piece: u32| {
                if let Some(way) = ways.get_mut(at + length)
                    && so_far + score > way.score
                {
                    *way = Way { score: so_far + score, from: at, piece };
                }
            };
            let mut is_known = false;
            self.each_beginning(word.get(at..).unwrap_or_default(), &mut |length, at| {
                is_known |= length == c.len_utf8();
                go(length, f32::from_bits(number(self.scores, at)), number(self.numbers, at));
            });
            if !is_known {
                go(c.len_utf8(), self.unknown_score, self.unknown);
            }
        }
        self.go_back(ways, found);
    }

    /// Appends the pieces of the way to the end of a word. Neighbors that are unknown are one.
    fn go_back(&self, ways: &[Way], found: &mut Vec<u32>) {
        let start = found.len();
        let mut at = ways.len().saturating_sub(1);
        while let Some(way) = ways.get(at).filter(|_| at > 0) {
            let is_more = way.piece == self.unknown && found.len() > start;
            if !is_more || found.last() != Some(&self.unknown) {
                found.push(way.piece);
            }
            // Ways lead back: a piece has at least one byte.
            at = way.from.min(at - 1);
        }
        if let Some(pieces) = found.get_mut(start..) {
            pieces.reverse();
        }
    }

    /// Gives the length of each piece that the text begins with, and its place in the order.
    fn each_beginning(&self, text: &str, sink: &mut dyn FnMut(usize, usize)) {
        let mut within = 0..self.ends.len();
        for (depth, byte) in text.bytes().enumerate() {
            within = self.narrow(within, depth, byte);
            if within.is_empty() {
                return;
            }
            // Of texts that begin alike, the shortest is the first.
            if self.text(within.start).len() == depth + 1 {
                sink(depth + 1, within.start);
            }
        }
    }

    /// Those of the pieces whose byte at `depth` is this one, if all begin alike before it.
    fn narrow(&self, within: Range<usize>, depth: usize, byte: u8) -> Range<usize> {
        let end = within.end;
        let start = first(within, |at| self.text(at).get(depth) >= Some(&byte));
        start..first(start..end, |at| self.text(at).get(depth) > Some(&byte))
    }

    fn text(&self, at: usize) -> &'static [u8] {
        let start = at.checked_sub(1).map_or(0, |before| number(self.ends, before));
        self.texts.get(start as usize..number(self.ends, at) as usize).unwrap_or_default()
    }
}

fn number(numbers: Numbers, at: usize) -> u32 {
    numbers.get(at).map_or(0, |&bytes| u32::from_le_bytes(bytes))
}

/// The first place of which something is true that stays true once it is; the end if there is none.
fn first(mut within: Range<usize>, is_true: impl Fn(usize) -> bool) -> usize {
    while !within.is_empty() {
        let middle = within.start + within.len() / 2;
        within = if is_true(middle) { within.start..middle } else { middle + 1..within.end };
    }
    within.start
}
