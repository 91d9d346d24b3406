//! Space that a search needs for a number of every document, kept from one search to the next.

use std::cell::RefCell;

/// Lists of numbers that nobody needs at the moment. Given back to the allocator, such large ones
/// would go back to the system, which clears every page of the next ones anew.
#[derive(Debug, Default)]
pub(super) struct Scratch(RefCell<Vec<Vec<f32>>>);

/// A search has no more of them at once.
const MOST: usize = 5;

impl Scratch {
    /// A list of so many times the same.
    pub(super) fn take(&self, count: usize, value: f32) -> Vec<f32> {
        let mut list = self.take_any(count);
        list.fill(value);
        list
    }

    /// A list of so many numbers, whatever they are: for one that is written before it is read.
    pub(super) fn take_any(&self, count: usize) -> Vec<f32> {
        let mut list = self.0.borrow_mut().pop().unwrap_or_default();
        list.resize(count, 0.0);
        list
    }

    /// Takes back a list, which need not be one that was taken.
    pub(super) fn give(&self, list: Vec<f32>) {
        let mut idle = self.0.borrow_mut();
        if idle.len() < MOST && list.capacity() > 0 {
            idle.push(list);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_back_as_new() {
        let scratch = Scratch::default();
        let mut first = scratch.take(3, 1.0);
        first.push(7.0);
        let place = first.as_ptr();
        scratch.give(first);

        let second = scratch.take(2, 0.5);

        assert_eq!(second, [0.5, 0.5]);
        assert_eq!(second.as_ptr(), place, "the same space");
        let third = scratch.take(1, 0.0);
        assert_ne!(third.as_ptr(), place, "no list is given out twice");
    }
}
