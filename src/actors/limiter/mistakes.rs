use std::collections::{HashSet, VecDeque};

use super::{ClientKey, Mistake, PORTION, shrunk};

/// For so long, in milliseconds, a wrong credential is known again: a program with an old key tries
/// it every few seconds, and guesses nothing.
const SAME_MISTAKE_MS: u64 = 60_000;

/// Wrong credentials that are known again at a time, some 50 bytes each.
const MAX_MISTAKES: usize = 100_000;

/// The wrong credentials that each client brought last, for [`SAME_MISTAKE_MS`].
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    known: HashSet<(ClientKey, Mistake)>,
    /// The same by the moment of their counting, oldest first.
    by_age: VecDeque<(u64, (ClientKey, Mistake))>,
}

impl Mistakes {
    pub(super) fn has(&mut self, client: ClientKey, mistake: Mistake, now: u64) -> bool {
        self.forget(now, MAX_MISTAKES);
        self.known.contains(&(client, mistake))
    }

    pub(super) fn remember(&mut self, client: ClientKey, mistake: Mistake, now: u64) {
        if self.by_age.len() >= MAX_MISTAKES {
            self.drop_oldest();
        }
        self.known.insert((client, mistake));
        self.by_age.push_back((now, (client, mistake)));
    }

    /// Forgets so many at most. Gives whether there may be more to forget.
    fn forget(&mut self, now: u64, at_most: usize) -> bool {
        let is_old = |(at, _): &(u64, _)| now.saturating_sub(*at) >= SAME_MISTAKE_MS;
        for _ in 0..at_most {
            if !self.by_age.front().is_some_and(is_old) {
                return false;
            }
            self.drop_oldest();
        }
        true
    }

    /// Forgets a portion, and gives back what the tables do not need any more. Gives whether there
    /// may be more to forget.
    pub(super) fn tidy(&mut self, now: u64) -> bool {
        let has_more = self.forget(now, PORTION);
        if !has_more && let Some(needed) = shrunk(self.known.len(), self.known.capacity()) {
            self.known.shrink_to(needed);
            self.by_age.shrink_to(needed);
        }
        has_more
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.by_age.is_empty()
    }

    fn drop_oldest(&mut self) {
        if let Some((_, oldest)) = self.by_age.pop_front() {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::SMALL_TABLE;
    use super::super::tests::client;
    use super::*;

    #[test]
    fn a_flood_of_mistakes_leaves_no_memory_behind() {
        let mut mistakes = Mistakes::default();
        for n in 0..200_000 {
            mistakes.remember(client(n), Mistake(7), 0);
        }
        assert_eq!(mistakes.known.len(), MAX_MISTAKES);

        while mistakes.tidy(SAME_MISTAKE_MS) {}

        assert!(mistakes.is_empty());
        assert!(mistakes.known.capacity() < 4 * SMALL_TABLE, "it is kept");
        assert!(mistakes.by_age.capacity() < 4 * SMALL_TABLE, "it is kept");
    }
}
