//! Where recalls lie: what was noted until a sweep in a page of its own, and pages of a few, as somebody leaves who
//! asks now and then, in one a while later. There each client and memory stands once, and sled has one row.
//!
//! A recall is written once, or twice where it was one of a few; no page is written again for one more.

use std::collections::BTreeMap;
use std::mem::{replace, take};
use std::time::Duration;

use super::asked_words::AskedWords;
use super::{Engine, EngineError};
use crate::model::{MemoryId, Recall, RecallPage, Timestamp};

/// What is known of the pages on the disk without reading them.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// About how many bytes they take.
    bytes: usize,
    /// Every page, with the words of its questions.
    pages: BTreeMap<MemoryId, AskedWords>,
    /// Those behind all others that have a few recalls each.
    few: Vec<MemoryId>,
    /// How many recalls are in those, and when the first of them was.
    recalls: usize,
    from: Timestamp,
    /// Rows of such pages, each of which is to become one page.
    rows: Vec<Vec<MemoryId>>,
}

/// So many are written at once, or so many bytes of them: what the store reads of a page has an end
/// (`store/packed.rs`), and whoever erases something has to read every page.
const PAGE: usize = 256;
const PAGE_BYTES: usize = 4 << 20;
/// While the disk takes no writes, so many are kept, of no more bytes than the ring has.
const MOST_PENDING: usize = 1_024;
/// In a page of so many, each takes hardly more than in a larger one; nor does it in one of so many bytes.
const ENOUGH: usize = 64;
const ENOUGH_BYTES: usize = PAGE_BYTES / ENOUGH;
/// What becomes one page is of no longer time, since it is too old only as a whole.
const SPAN: Duration = Duration::from_secs(3_600);
/// Pages that are made of pages of a few in one sweep.
const PACKED_AT_ONCE: usize = 16;
/// Bytes of the ring: some 20,000 searches.
const RING_BYTES: usize = 8 << 20;
/// About what a recall takes besides its question and its memories, and what a memory takes, where it is alone in
/// its page. With others it is less, as only the page knows: the ring is bounded by the more.
const RECALL_BYTES: usize = 101;
const GIVEN_BYTES: usize = 29;
/// Pages that are looked at in one sweep for what is too old.
const AT_ONCE: usize = 256;

impl Engine {
    /// Writes what was noted, forgets what is too old or too much, and puts together what lies in pages of a few.
    pub(super) fn sweep_recalls(
        &mut self,
        now: Timestamp,
        erasable: Timestamp,
    ) -> Result<(), EngineError> {
        self.write_recalls(now, erasable)?;
        self.pack_recalls()
    }

    /// What lies on the disk, a page in memory at a time. Once that is known nothing is read.
    fn look_at_recalls(&mut self) -> Result<&Stored, EngineError> {
        let known = match self.recalls.stored.take() {
            Some(known) => known,
            None => {
                let mut stored = Stored::default();
                for row in self.store.scan::<RecallPage>() {
                    let (id, page) = row?;
                    stored.bytes += page.0.iter().map(weight).sum::<usize>();
                    stored.note(id, &page);
                }
                stored
            }
        };
        Ok(self.recalls.stored.insert(known))
    }

    /// The pages in whose questions one of these texts may stand, as it is within JSON.
    pub(super) fn pages_that_may_hold(
        &mut self,
        texts: &[String],
    ) -> Result<Vec<MemoryId>, EngineError> {
        let pages = self.look_at_recalls()?.pages.iter();
        let may_hold = |words: &AskedWords| texts.iter().any(|text| words.may_hold(text));
        Ok(pages.filter(|(_, words)| may_hold(words)).map(|(id, _)| *id).collect())
    }

    /// Writes what was noted, and forgets what is too old or too much.
    pub(super) fn write_recalls(
        &mut self,
        now: Timestamp,
        erasable: Timestamp,
    ) -> Result<(), EngineError> {
        let fresh: usize = self.recalls.pending.iter().map(weight).sum();
        // Where nothing was given nothing is counted, nor where nothing can be written now: it is tried often.
        if fresh > 0 {
            self.store.require_writable()?;
            self.look_at_recalls()?;
        }
        let mut bytes = self.recalls.stored.as_ref().map_or(0, |stored| stored.bytes) + fresh;
        let mut old = Vec::new();
        for row in self.store.scan::<RecallPage>().take(AT_ONCE) {
            let (id, page) = row?;
            // A page is made after what stands in it. Where that is dated later the clock was ahead.
            let made = id.created_at();
            let is_over =
                |recall: &Recall| recall.at.min(made).plus(self.limits.recalls) <= erasable;
            if bytes <= RING_BYTES && !page.0.iter().all(is_over) {
                break;
            }
            bytes = bytes.saturating_sub(page.0.iter().map(weight).sum());
            old.push(id);
        }
        if old.is_empty() && fresh == 0 {
            return Ok(());
        }
        let mut write = self.begin()?;
        old.iter().for_each(|id| write.forget_recalls(id));
        let pages = self.pending_pages(now);
        pages.iter().for_each(|(id, page)| write.put_recalls(id, page));
        if let Err(refused) = self.commit(write) {
            self.recalls.pending = pages.into_iter().flat_map(|(_, page)| page.0).collect();
            return Err(refused);
        }
        if let Some(stored) = &mut self.recalls.stored {
            stored.bytes = bytes;
            old.iter().for_each(|id| drop(stored.pages.remove(id)));
            pages.iter().for_each(|(id, page)| stored.note(*id, page));
        }
        Ok(())
    }

    /// What was noted.
    fn pending_pages(&mut self, now: Timestamp) -> Vec<(MemoryId, RecallPage)> {
        let mut pending = take(&mut self.recalls.pending);
        let mut pages = Vec::new();
        while !pending.is_empty() {
            let rest = pending.split_off(of_a_page(&pending));
            pages.push((self.ids.next(now), RecallPage(replace(&mut pending, rest))));
        }
        pages
    }

    /// Makes one page of pages of a few in a row. It lies where the last of them lay.
    fn pack_recalls(&mut self) -> Result<(), EngineError> {
        let Some(stored) = self.recalls.stored.as_ref().filter(|stored| !stored.rows.is_empty())
        else {
            return Ok(());
        };
        let mut write = self.begin()?;
        let mut made = Vec::new();
        for ids in stored.rows.iter().take(PACKED_AT_ONCE) {
            let mut packed = RecallPage::default();
            for id in ids {
                // What is not there any more has become too old meanwhile.
                packed.0.extend(self.store.get::<RecallPage>(id)?.unwrap_or_default().0);
                write.forget_recalls(id);
            }
            if let Some(last) = ids.last().filter(|_| !packed.0.is_empty()) {
                write.put_recalls(last, &packed);
                made.push((*last, AskedWords::of(&packed.0)));
            }
        }
        self.commit(write)?;
        if let Some(stored) = &mut self.recalls.stored {
            let rows = stored.rows.len().min(PACKED_AT_ONCE);
            for id in stored.rows.drain(..rows).flatten() {
                stored.pages.remove(&id);
            }
            stored.pages.extend(made);
        }
        Ok(())
    }
}

impl Stored {
    /// Notes a page behind all others.
    fn note(&mut self, id: MemoryId, RecallPage(page): &RecallPage) {
        self.pages.insert(id, AskedWords::of(page));
        let moments = || page.iter().map(|recall| recall.at);
        let (Some(least), Some(most)) = (moments().min(), moments().max()) else { return };
        let is_small = page.len() < ENOUGH && page.iter().map(weight).sum::<usize>() < ENOUGH_BYTES;
        let is_of_a_few = is_small && most <= least.plus(SPAN);
        // The clock may have been ahead, and then it comes back.
        let is_apart = most > self.from.plus(SPAN) || self.from > least.plus(SPAN);
        if !is_of_a_few || is_apart {
            self.end_row();
        }
        if is_of_a_few {
            if self.few.is_empty() {
                self.from = least;
            }
            self.few.push(id);
            self.recalls += page.len();
        }
        if self.recalls >= ENOUGH {
            self.end_row();
        }
    }

    fn end_row(&mut self) {
        self.recalls = 0;
        let row = take(&mut self.few);
        if row.len() > 1 {
            self.rows.push(row);
        }
    }
}

/// Whether one more page is full with the last of these, of which there is at least one.
pub(super) fn are_full(pending: &[Recall]) -> bool {
    let bytes: usize = pending.iter().map(weight).sum();
    let before = bytes - pending.last().map_or(0, weight);
    pending.len().is_multiple_of(PAGE) || bytes / PAGE_BYTES > before / PAGE_BYTES
}

/// How many of these, the oldest, are more than what waits for the disk may be.
pub(super) fn over(pending: &[Recall]) -> usize {
    let mut bytes: usize = pending.iter().map(weight).sum();
    let heavy = pending.iter().take_while(|recall| {
        let is_over = bytes > RING_BYTES;
        bytes -= weight(recall);
        is_over
    });
    heavy.count().max(pending.len().saturating_sub(MOST_PENDING))
}

/// How many of these, the first, make a page. There is at least one, and one page has at least one.
fn of_a_page(pending: &[Recall]) -> usize {
    let mut bytes = 0;
    let fit = pending.iter().take(PAGE).take_while(|recall| {
        bytes += weight(recall);
        bytes <= PAGE_BYTES
    });
    fit.count().max(1)
}

/// About how many bytes it takes on the disk.
fn weight(recall: &Recall) -> usize {
    RECALL_BYTES + recall.asked.len() + recall.given.len() * GIVEN_BYTES
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::recalls::MOST_GIVEN;
    use super::super::recalls::tests::asked;
    use super::super::stamp::Stamp;
    use super::super::{AskedFor, GivenOut};
    use super::*;
    use crate::model::{Caller, Given, Scopes};
    use crate::store::{Store, StoreOptions};

    const GIVEN: Given = Given { id: MemoryId::LAST, version: 1, score: None, tokens: 7 };

    /// So many seconds after 1970.
    fn note_at(engine: &mut Engine, seconds: i64) {
        let at = Timestamp(seconds * 1_000);
        engine.recalls.pending.push(Recall { at, ..asked(&json!({ "verb": "list" })) });
    }

    fn sweep_at(engine: &mut Engine, seconds: i64) {
        engine.sweep(Timestamp(seconds * 1_000), Timestamp(i64::MIN)).unwrap();
    }

    /// One by one, each with a sweep behind it.
    fn note_each(engine: &mut Engine, seconds: impl Iterator<Item = i64>) {
        for seconds in seconds {
            note_at(engine, seconds);
            sweep_at(engine, seconds);
        }
    }

    /// How many recalls each page has.
    fn pages(engine: &Engine) -> Vec<usize> {
        engine.store.scan::<RecallPage>().map(|row| row.unwrap().1.0.len()).collect()
    }

    fn moments(engine: &Engine) -> Vec<i64> {
        engine.recalls().unwrap().iter().map(|recall| recall.at.0 / 1_000).collect()
    }

    #[test]
    fn what_comes_one_by_one_lies_together_once_it_is_enough_or_an_hour_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let mut engine = Engine::of_test(&store);
        note_each(&mut engine, 1..64);
        assert_eq!(pages(&engine), [1; 63]);
        note_each(&mut engine, 64..66);
        assert_eq!(pages(&engine), [64, 1]);

        // A page that is large by itself stands between them.
        note_each(&mut engine, 66..68);
        (100..170).for_each(|at| note_at(&mut engine, at));
        sweep_at(&mut engine, 170);
        assert_eq!(pages(&engine), [64, 3, 70]);

        note_each(&mut engine, (171..9_000).step_by(1_800));
        assert_eq!(pages(&engine), [64, 3, 70, 3, 1, 1]);
        let kept: Vec<i64> = (1..68).chain(100..170).chain((171..9_000).step_by(1_800)).collect();
        assert_eq!(moments(&engine), kept);
    }

    #[test]
    fn what_waited_long_for_the_disk_lies_in_more_than_one_page() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let mut engine = Engine::of_test(&store);
        (0..600).for_each(|at| note_at(&mut engine, at));

        sweep_at(&mut engine, 600);

        assert_eq!(pages(&engine), [256, 256, 88]);
        assert_eq!(moments(&engine), Vec::from_iter(0..600));
    }

    #[test]
    fn what_gave_very_much_lies_in_pages_that_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let mut engine = Engine::of_test(&store);
        let caller = Caller::of_test("ada", "laptop", Scopes::all());
        engine.stamp = Some(Stamp::of(&caller, Timestamp(1)));
        let note_graph = |engine: &mut Engine| {
            let out = GivenOut::of(vec![GIVEN; MOST_GIVEN + 1]);
            engine.note_recall(&AskedFor::Graph { query: None }, out, Timestamp(1));
        };

        (0..3).for_each(|_| note_graph(&mut engine));
        assert!(engine.recalls.pending.is_empty(), "a page is full");
        note_graph(&mut engine);
        engine.stamp = None;
        sweep_at(&mut engine, 1);

        assert_eq!(pages(&engine), [2, 1, 1]);
        let recalls = engine.recalls().unwrap();
        assert!(recalls.iter().all(|recall| recall.given.len() == MOST_GIVEN));
    }

    #[test]
    fn what_waits_for_the_disk_has_an_end() {
        let small = asked(&json!({ "verb": "list" }));
        let large = Recall { given: vec![GIVEN; MOST_GIVEN], ..small.clone() };

        assert_eq!(over(&vec![small.clone(); MOST_PENDING]), 0);
        assert_eq!(over(&vec![small; MOST_PENDING + 3]), 3);
        let fit = RING_BYTES / weight(&large);
        assert_eq!(over(&vec![large.clone(); fit]), 0);
        assert_eq!(over(&vec![large; fit + 2]), 2);
    }

    #[test]
    fn pages_of_a_few_are_known_again_after_a_start() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let mut engine = Engine::of_test(&store);
        note_each(&mut engine, (1..4).chain(9_001..9_003));
        assert_eq!(pages(&engine), [3, 1, 1]);

        let mut again = Engine::of_test(&store);
        sweep_at(&mut again, 9_003);
        assert_eq!(pages(&again), [3, 1, 1], "nothing is read before something is written");
        note_each(&mut again, 9_004..9_066);

        assert_eq!(pages(&again), [3, 64]);
        assert_eq!(moments(&again), Vec::from_iter((1..4).chain(9_001..9_003).chain(9_004..9_066)));
    }

    #[test]
    fn what_a_clock_that_was_ahead_has_dated_keeps_nothing_else() {
        const AHEAD: i64 = 10 * 365 * 86_400;
        let forget_near = |engine: &mut Engine| {
            let erasable = Timestamp((100 + 86_400) * 1_000);
            engine.sweep(Timestamp(71_000), erasable).unwrap();
        };
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let mut engine = Engine::of_test(&store);
        note_each(&mut engine, [1, AHEAD].into_iter().chain(2..70));
        assert_eq!(pages(&engine), [1, 64, 1, 1, 1, 1, 1]);

        forget_near(&mut engine);

        assert_eq!(moments(&engine), [AHEAD]);
        // The clock came back before the page was made.
        [1, AHEAD, 2].into_iter().for_each(|at| note_at(&mut engine, at));
        sweep_at(&mut engine, 3);
        assert_eq!(pages(&engine), [3, 1]);
        forget_near(&mut engine);
        assert_eq!(moments(&engine), [AHEAD]);
    }
}
