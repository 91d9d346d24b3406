//! The best few of many, without sorting the many.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// A document with what it was found to be worth. The better is the greater; of equals the newer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ranked {
    pub(super) score: f32,
    pub(super) doc: u32,
}

/// Keeps the best of what it is shown.
#[derive(Debug)]
pub(super) struct Top {
    limit: usize,
    kept: BinaryHeap<Reverse<Ranked>>,
}

impl Top {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, kept: BinaryHeap::with_capacity(limit.min(1_024) + 1) }
    }

    /// Whether something of this score could be kept.
    #[inline]
    pub(super) fn reaches(&self, score: f32) -> bool {
        self.kept.len() < self.limit || self.kept.peek().is_some_and(|worst| score >= worst.0.score)
    }

    /// Whether this one would be kept. Ask before doing anything dear about it.
    #[inline]
    pub(super) fn takes(&self, ranked: Ranked) -> bool {
        self.kept.len() < self.limit || self.kept.peek().is_some_and(|worst| ranked > worst.0)
    }

    pub(super) fn push(&mut self, ranked: Ranked) {
        if !self.takes(ranked) {
            return;
        }
        if self.kept.len() == self.limit {
            self.kept.pop();
        }
        self.kept.push(Reverse(ranked));
    }

    /// Best first.
    pub(super) fn into_sorted(self) -> Vec<Ranked> {
        self.kept.into_sorted_vec().into_iter().map(|Reverse(ranked)| ranked).collect()
    }
}

impl Eq for Ranked {}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(self.doc.cmp(&other.doc))
    }
}

impl PartialOrd for Ranked {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_heap_agrees_with_sorting(scores in proptest::collection::vec(0..9_u8, 0..80), limit in 0..20_usize) {
            let shown: Vec<Ranked> =
                (0..).zip(&scores).map(|(doc, &s)| Ranked { score: f32::from(s), doc }).collect();
            let mut top = Top::new(limit);
            shown.iter().for_each(|&ranked| top.push(ranked));

            let mut sorted = shown;
            sorted.sort_by(|a, b| b.cmp(a));
            sorted.truncate(limit);

            prop_assert_eq!(top.into_sorted(), sorted);
        }
    }
}
