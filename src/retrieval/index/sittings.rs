//! Which memories stand beside which: the turns of one conversation, close in time.

use std::collections::HashMap;

use crate::retrieval::SittingKey;

/// Turns further apart than this do not belong together. Half an hour of silence is the usual end
/// of a visit (Catledge and Pitkow, 1995, measured 25.5 minutes).
const GAP_MS: u64 = 30 * 60 * 1_000;
/// What only looks like turns must have been stored side by side, give or take what others stored
/// meanwhile.
const NEAR: u32 = 3;
/// Stands for no document.
pub(super) const NONE: u32 = u32::MAX;

/// The turns of all conversations, each linked to the one before and after in its sitting.
///
/// Who stands beside whom depends only on which turns there are, never on the order in which they
/// came or went.
#[derive(Debug, Default)]
pub(super) struct Sittings {
    /// The turns of each run in ascending order of document.
    runs: HashMap<SittingKey, Vec<u32>>,
    links: Vec<Link>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
    /// The first turn of the sitting, which names it. `NONE` for what is no turn.
    head: u32,
}

/// How far apart in the order of storing two turns may be.
fn reach(key: SittingKey) -> u32 {
    if key.is_told { u32::MAX } else { NEAR }
}

const UNLINKED: Link = Link { before: NONE, after: NONE, head: NONE };

impl Sittings {
    /// Puts a turn in its place. `moment` tells when a document took place, in milliseconds.
    pub(super) fn insert(&mut self, key: SittingKey, doc: u32, moment: &dyn Fn(u32) -> i64) {
        let run = self.runs.entry(key).or_default();
        let at = run.partition_point(|&other| other < doc);
        let before = at.checked_sub(1).and_then(|at| run.get(at)).copied();
        let after = run.get(at).copied();
        run.insert(at, doc);
        if self.links.len() <= doc as usize {
            self.links.resize(doc as usize + 1, UNLINKED);
        }
        let reach = reach(key);
        self.join(before, Some(doc), reach, moment);
        self.join(Some(doc), after, reach, moment);
        self.rename(doc);
        after.into_iter().for_each(|after| self.rename(after));
    }

    pub(super) fn remove(&mut self, key: SittingKey, doc: u32, moment: &dyn Fn(u32) -> i64) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        let Ok(at) = run.binary_search(&doc) else { return };
        run.remove(at);
        let before = at.checked_sub(1).and_then(|at| run.get(at)).copied();
        let after = run.get(at).copied();
        if run.is_empty() {
            self.runs.remove(&key);
        }
        if let Some(link) = self.links.get_mut(doc as usize) {
            *link = UNLINKED;
        }
        self.join(before, after, reach(key), moment);
        after.into_iter().for_each(|after| self.rename(after));
    }

    /// Whether there are no turns at all.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The first turn of a document's sitting; `NONE` if it is no turn.
    #[inline]
    pub(super) fn head(&self, doc: u32) -> u32 {
        self.links.get(doc as usize).map_or(NONE, |link| link.head)
    }

    /// What stands before and after each document, by number; `NONE` where nothing does. It may end
    /// before the last document.
    pub(super) fn neighbors(&self) -> impl Iterator<Item = (u32, u32)> {
        self.links.iter().map(|link| (link.before, link.after))
    }

    /// Whether a turn stands beside another.
    #[inline]
    pub(super) fn is_linked(&self, doc: u32) -> bool {
        self.links.get(doc as usize).is_some_and(|link| link.before != NONE || link.after != NONE)
    }

    #[inline]
    pub(super) fn before(&self, doc: u32) -> Option<u32> {
        self.links.get(doc as usize).map(|link| link.before).filter(|&doc| doc != NONE)
    }

    #[inline]
    pub(super) fn after(&self, doc: u32) -> Option<u32> {
        self.links.get(doc as usize).map(|link| link.after).filter(|&doc| doc != NONE)
    }

    pub(super) fn shrink(&mut self) {
        self.runs.values_mut().for_each(Vec::shrink_to_fit);
        self.links.shrink_to_fit();
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let runs: usize = self.runs.values().map(|run| 4 * run.capacity() + 64).sum();
        runs + self.links.capacity() * size_of::<Link>()
    }

    /// Links two turns that follow one another in their run, or parts them if too much time lies
    /// between.
    fn join(
        &mut self,
        before: Option<u32>,
        after: Option<u32>,
        reach: u32,
        moment: &dyn Fn(u32) -> i64,
    ) {
        let close =
            |(a, b): (u32, u32)| a.abs_diff(b) <= reach && moment(a).abs_diff(moment(b)) <= GAP_MS;
        let linked = before.zip(after).is_some_and(close);
        if let Some(link) = before.and_then(|doc| self.links.get_mut(doc as usize)) {
            link.after = after.filter(|_| linked).unwrap_or(NONE);
        }
        if let Some(link) = after.and_then(|doc| self.links.get_mut(doc as usize)) {
            link.before = before.filter(|_| linked).unwrap_or(NONE);
        }
    }

    /// Gives a turn the name of its sitting, and all after it until they bear that name already.
    fn rename(&mut self, doc: u32) {
        let head = self.before(doc).map_or(doc, |before| self.head(before));
        let mut next = Some(doc);
        while let Some(link) = next.and_then(|doc| self.links.get_mut(doc as usize)) {
            if link.head == head {
                return;
            }
            link.head = head;
            next = Some(link.after).filter(|&doc| doc != NONE);
        }
    }
}
