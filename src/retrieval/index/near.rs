//! Terms that are spelled nearly as a term that occurs nowhere: slips of the pen, beginnings of
//! words, single characters of scripts without spaces.

use super::lexicon::Lexicon;
use super::postings::Postings;

/// A shorter word has too many neighbors for a guess.
const SHORTEST: usize = 4;
/// From this length on two slips are forgiven. Lucene's `AUTO` forgives two from 6 on, but stems
/// are shorter than the words it is meant for.
const TWO_SLIPS: usize = 8;
/// A beginning of more words than these stands for none in particular.
const MOST: usize = 8;

/// What a term looks like from afar, to pass over most terms without reading them.
///
/// Bits 0 to 25 tell which letters it has, 26 to 33 its first byte, 34 to 41 its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shape(u64);

impl Shape {
    pub(super) fn of(term: &str) -> Self {
        let letters = term.bytes().filter(u8::is_ascii_lowercase);
        let mask = letters.fold(0, |mask, b| mask | 1_u64 << (b - b'a'));
        let first = term.bytes().next().map_or(0, u64::from);
        Self(mask | first << 26 | (term.len().min(255) as u64) << 34)
    }

    fn letters(self) -> u64 {
        self.0 & 0x3ff_ffff
    }

    fn first(self) -> u64 {
        self.0 >> 26 & 0xff
    }

    fn len(self) -> u64 {
        self.0 >> 34
    }

    /// Whether `other` can be within `slips` of it, or begin with it.
    fn may_be_near(self, other: Self, slips: u32) -> bool {
        let begins = other.len() > self.len() && self.letters() & !other.letters() == 0;
        let slipped = self.len().abs_diff(other.len()) <= u64::from(slips)
            && (self.letters() ^ other.letters()).count_ones() <= 2 * slips;
        self.first() == other.first() && (begins || slipped)
    }
}

/// The postings of the terms nearest to one that is not in the lexicon; none if there are too many.
pub(super) fn terms<'a>(lexicon: &'a Lexicon, term: &str) -> Vec<&'a Postings> {
    let mut chars = term.chars();
    if let (Some(only), None) = (chars.next(), chars.next()) {
        return holding(lexicon, only);
    }
    if term.len() < SHORTEST || !term.bytes().all(|b| b.is_ascii_lowercase()) {
        return Vec::new();
    }
    let (slips, shape) = (if term.len() < TWO_SLIPS { 1 } else { 2 }, Shape::of(term));
    let mut near: Vec<(usize, &Postings)> = Vec::new();
    for (name, list) in lexicon.filter(|other| shape.may_be_near(other, slips)) {
        if let Some(slips) = edit_distance(name.as_bytes(), term.as_bytes(), slips as usize) {
            near.push((slips, list));
        } else if name.starts_with(term) {
            near.push((usize::MAX, list));
        }
    }
    let least = near.iter().map(|(slips, _)| *slips).min();
    near.retain(|(slips, _)| Some(*slips) == least);
    if near.len() > MOST { Vec::new() } else { near.into_iter().map(|(_, list)| list).collect() }
}

/// A single character of a script without spaces is looked for inside the pairs.
fn holding(lexicon: &Lexicon, only: char) -> Vec<&Postings> {
    if only.is_ascii() {
        return Vec::new();
    }
    let terms = lexicon.filter(|shape| shape.first() >= 0x80);
    terms.into_iter().filter(|(name, _)| name.contains(only)).map(|(_, list)| list).collect()
}

/// How many letters must be inserted, left out, replaced, or swapped with their neighbor; none if
/// more than `most` or if the first letters differ, which slips seldom touch (Yannakoudakis and
/// Fawthrop, 1983).
///
/// Optimal string alignment (Damerau, 1964), row by row.
fn edit_distance(one: &[u8], other: &[u8], most: usize) -> Option<usize> {
    if one.len().abs_diff(other.len()) > most || one.first() != other.first() {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut last = None;
    for (at, &a) in one.iter().enumerate() {
        let next = next_row(&before, &row, at, a, last, other);
        if next.iter().all(|&slips| slips > most) {
            return None;
        }
        before = std::mem::replace(&mut row, next);
        last = Some(a);
    }
    row.last().copied().filter(|&slips| slips <= most)
}

/// One more row of the table: the letter `a`, at `at`, after `last`.
fn next_row(
    before: &[usize],
    row: &[usize],
    at: usize,
    a: u8,
    last: Option<u8>,
    other: &[u8],
) -> Vec<usize> {
    let get = |list: &[usize], at: usize| list.get(at).copied().unwrap_or(usize::MAX / 2);
    let mut next = vec![at + 1];
    let mut previous = None;
    for (column, &b) in other.iter().enumerate() {
        let mut best = get(row, column) + usize::from(a != b);
        best = best.min(get(row, column + 1) + 1).min(get(&next, column) + 1);
        if last == Some(b) && previous == Some(a) && column > 0 {
            best = best.min(get(before, column - 1) + 1);
        }
        next.push(best);
        previous = Some(b);
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        let slips = |a: &str, b: &str| edit_distance(a.as_bytes(), b.as_bytes(), 2);

        assert_eq!(slips("alerg", "allerg"), Some(1));
        assert_eq!(slips("recieve", "receive"), Some(1));
        assert_eq!(slips("lisbon", "lisbon"), Some(0));
        assert_eq!(slips("lisbon", "london"), None, "three");
        assert_eq!(slips("lisbon", "madrid"), None);
        assert_eq!(slips("cat", "hat"), None);
    }

    #[test]
    fn shapes_pass_what_is_near() {
        let near = |a: &str, b: &str| Shape::of(a).may_be_near(Shape::of(b), 1);

        assert!(near("alerg", "allerg") && near("auth", "authent") && near("lisbon", "lisbin"));
        assert!(!near("alerg", "berg") && !near("lisbon", "london"));
    }
}
