//! Which memories stand beside which: the turns of one conversation, close in time.

use std::collections::HashMap;
use std::io;

use crate::retrieval::{Packer, SittingKey, Unpacker, misread};

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

    /// Writes who is in which run. Who stands beside whom follows from that.
    pub(super) fn pack(&self, packer: &mut Packer<'_>) {
        let mut runs: Vec<_> = self.runs.iter().collect();
        runs.sort_unstable_by_key(|(_, run)| run.first());
        packer.count(runs.len());
        for (key, run) in runs {
            packer.raw(&key.run.to_le_bytes());
            packer.number(u64::from(key.is_told));
            packer.count(run.len());
            let mut next = 0;
            for &doc in run {
                packer.number(u64::from(doc - next));
                next = doc + 1;
            }
        }
    }

    /// Of documents whose numbers are below `span`. `moment` tells when one took place, in milliseconds.
    pub(super) fn unpack(
        unpacker: &mut Unpacker<'_>,
        span: usize,
        moment: &dyn Fn(u32) -> i64,
    ) -> io::Result<Self> {
        let mut sittings = Self::default();
        for _ in 0..unpacker.count(11)? {
            let run = u64::from_le_bytes(unpacker.array()?);
            let key = SittingKey { run, is_told: unpacker.number()? != 0 };
            let count = unpacker.count(1)?;
            let mut docs = Unpacker::list(count);
            let mut next = 0_u32;
            for _ in 0..count {
                let doc = next.checked_add(unpacker.small()?).filter(|&doc| (doc as usize) < span);
                let doc = doc.ok_or_else(misread)?;
                docs.push(doc);
                next = doc + 1;
            }
            sittings.seat(reach(key), &docs, moment);
            sittings.runs.insert(key, docs);
        }
        sittings.shrink();
        Ok(sittings)
    }

    /// Links a whole run.
    fn seat(&mut self, reach: u32, run: &[u32], moment: &dyn Fn(u32) -> i64) {
        let Some(&last) = run.last() else { return };
        if self.links.len() <= last as usize {
            self.links.resize(last as usize + 1, UNLINKED);
        }
        let mut before = None;
        for &doc in run {
            self.join(before, Some(doc), reach, moment);
            let head = self.before(doc).map_or(doc, |before| self.head(before));
            if let Some(link) = self.links.get_mut(doc as usize) {
                link.head = head;
            }
            before = Some(doc);
        }
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
