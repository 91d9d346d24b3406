use std::collections::HashMap;

use actix::{Arbiter, ArbiterHandle};

use crate::model::UserId;

/// How many threads sessions share. Below this every session has one of its own, so that a long
/// read of one user does not hold up another; a thread at rest costs some 50 KB.
const MOST: usize = 32;

/// Threads apart from the HTTP workers, on which sessions may block on the disk.
#[derive(Debug, Default)]
pub(super) struct Arbiters {
    threads: Vec<(Arbiter, usize)>,
    placed: HashMap<UserId, usize>,
}

impl Arbiters {
    /// The thread of a user's session; a free one, a new one, or the one with the fewest sessions.
    pub(super) fn place(&mut self, user: &UserId) -> ArbiterHandle {
        let known = self.placed.get(user).copied();
        let place = known.unwrap_or_else(|| self.least_used());
        if self.threads.get(place).is_none() {
            self.threads.push((Arbiter::new(), 0));
        }
        if known.is_none() {
            self.placed.insert(user.clone(), place);
        }
        match self.threads.get_mut(place) {
            Some((arbiter, used)) => {
                *used += usize::from(known.is_none());
                arbiter.handle()
            }
            None => Arbiter::current(),
        }
    }

    fn least_used(&self) -> usize {
        let fewest = self.threads.iter().enumerate().min_by_key(|(_, (_, used))| *used);
        match fewest {
            Some((place, (_, used))) if *used == 0 || self.threads.len() >= MOST => place,
            _ => self.threads.len(),
        }
    }

    pub(super) fn stop(&mut self) {
        for (arbiter, _) in self.threads.drain(..) {
            arbiter.stop();
        }
    }
}
