//! Where steps lie: each by itself at first, and with others in a page once there are many.
//!
//! sled keeps some 25 bytes in memory for each row, read or not. A page costs that a few times for all that is in it.

use std::ops::RangeInclusive;

use super::{Engine, EngineError};
use crate::model::{MemoryId, Step, StepPage, Timestamp};
use crate::store::{SessionStore, StoreError, merged, rows_of};

/// The id of a step and the number of its part.
type StepKey = (MemoryId, u32);

/// What is known of the rows without reading them.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// How many lie by themselves behind the last page; nothing before somebody has counted.
    alone: Option<usize>,
    /// The last step of the last page that was made, which may not be in the trees yet.
    packed_to: Option<StepKey>,
}

/// So many steps make a page, or so many changes of memories in them.
const PAGE: usize = 256;
const PAGE_CHANGES: usize = 4_096;
/// Rows that are looked at in one sweep.
const AT_ONCE: usize = 16 * PAGE;
/// Pages that are looked at in one sweep for what is too old.
const PAGES_AT_ONCE: usize = 16;
const LAST: StepKey = (MemoryId::LAST, u32::MAX);

impl Steps {
    pub(super) fn note_one_more(&mut self) {
        self.alone = self.alone.map(|alone| alone + 1);
    }
}

/// The keys of all steps.
pub(super) fn every_step() -> RangeInclusive<StepKey> {
    StepKey::default()..=LAST
}

/// The keys of the parts of a step.
pub(super) fn parts_of(step: MemoryId) -> RangeInclusive<StepKey> {
    (step, 0)..=(step, u32::MAX)
}

/// The steps between two keys, both included, in the order of their keys.
pub(super) fn kept_steps(
    store: &SessionStore,
    range: &RangeInclusive<StepKey>,
) -> impl Iterator<Item = Result<(StepKey, Step), StoreError>> + use<> {
    let (first, last) = (*range.start(), *range.end());
    let alone = store.scan_range::<Step>(range);
    // Pages do not overlap, and the key of one is that of its last step.
    let begins_within = move |page: &StepPage| page.0.first().is_some_and(|(key, _)| *key <= last);
    let paged = store
        .scan_range::<StepPage>(&(first..=LAST))
        .take_while(move |row| row.as_ref().map_or(true, |(_, page)| begins_within(page)))
        .flat_map(|row| rows_of(row.map(|(_, page)| page.0)))
        .filter(move |row| row.as_ref().map_or(true, |(key, _)| (first..=last).contains(key)));
    merged(alone, paged)
}

/// The key of the newest one.
pub(super) fn last_step(store: &SessionStore) -> Result<Option<StepKey>, StoreError> {
    Ok(store.last_key::<Step>()?.max(store.last_key::<StepPage>()?))
}

impl Engine {
    /// What was changed last has to stay the last, though the clock was ahead then.
    pub(super) fn continue_after_steps(&mut self) -> Result<(), EngineError> {
        if let Some((step, _)) = last_step(&self.store)? {
            self.ids.continue_after(step);
        }
        Ok(())
    }

    /// Forgets steps that are older than anything can be undone.
    pub(super) fn sweep_steps(&mut self, erasable: Timestamp) -> Result<(), EngineError> {
        let undo = self.limits.undo;
        let is_over = |step: &Step| step.at.plus(undo) <= erasable;
        let (mut alone, mut paged) = (Vec::new(), Vec::new());
        for row in self.store.scan::<Step>().take(AT_ONCE) {
            let (key, step) = row?;
            if !is_over(&step) {
                break;
            }
            alone.push(key);
        }
        for row in self.store.scan::<StepPage>().take(PAGES_AT_ONCE) {
            let (key, page) = row?;
            if !page.0.iter().all(|(_, step)| is_over(step)) {
                break;
            }
            paged.push(key);
        }
        if alone.is_empty() && paged.is_empty() {
            return Ok(());
        }
        let mut write = self.begin()?;
        alone.iter().for_each(|key| write.forget_step(key));
        paged.iter().for_each(|key| write.forget_steps(key));
        self.commit(write)
    }

    /// Puts steps that lie by themselves into pages, the oldest first. What comes late, as the next part of a
    /// step that is in a page already, stays by itself.
    pub(super) fn pack_steps(&mut self) -> Result<(), EngineError> {
        if self.steps.alone.is_some_and(|alone| alone < PAGE) {
            return Ok(());
        }
        let packed_to = self.store.last_key::<StepPage>()?.max(self.steps.packed_to);
        let rest = packed_to.unwrap_or_default()..=LAST;
        let (mut page, mut changes, mut pages) = (Vec::new(), 0, Vec::new());
        for row in self.store.scan_range::<Step>(&rest).take(AT_ONCE) {
            let (key, step) = row?;
            changes += step.changes.len();
            page.push((key, step));
            if page.len() >= PAGE || changes >= PAGE_CHANGES {
                pages.push((key, StepPage(std::mem::take(&mut page))));
                changes = 0;
            }
        }
        if let Some((newest, _)) = pages.last() {
            let mut write = self.begin()?;
            for (last, page) in &pages {
                page.0.iter().for_each(|(key, _)| write.forget_step(key));
                write.put_steps(last, page);
            }
            self.commit(write)?;
            self.steps.packed_to = Some(*newest);
        }
        self.steps.alone = Some(page.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::stamp::Stamp;
    use super::super::{Arguments, Spoken, Undo};
    use super::*;
    use crate::model::{Caller, Memory, Scopes};
    use crate::store::{Store, StoreOptions};

    fn somebody() -> Caller {
        Caller::of_test("ada", "laptop", Scopes::all())
    }

    /// Stores a memory as a step of its own, and gives the key of the step.
    fn add(engine: &mut Engine, number: u32, at: i64) -> StepKey {
        engine.stamp = Some(Stamp::of(&somebody(), Timestamp(at)));
        let key = enter(engine, number, at);
        engine.stamp = None;
        key
    }

    fn enter(engine: &mut Engine, number: u32, at: i64) -> StepKey {
        let id = MemoryId::from_bytes(u128::from(number).to_be_bytes());
        let mut write = engine.begin().unwrap();
        write.enter(&Memory::new(id, format!("note {number}"), Timestamp(at))).unwrap();
        engine.commit(write).unwrap();
        let newest = last_alone(engine).unwrap();
        assert_eq!(engine.step(), Some(newest.0));
        newest
    }

    /// The last part of the step under way.
    fn last_alone(engine: &Engine) -> Option<StepKey> {
        let step = engine.step()?;
        keys(engine, parts_of(step)).last().copied()
    }

    fn keys(engine: &Engine, range: RangeInclusive<StepKey>) -> Vec<StepKey> {
        kept_steps(&engine.store, &range).map(|row| row.unwrap().0).collect()
    }

    fn all(engine: &Engine) -> Vec<StepKey> {
        keys(engine, every_step())
    }

    /// How many lie by themselves, and how many pages there are.
    fn rows(engine: &Engine) -> (usize, usize) {
        (engine.store.scan::<Step>().count(), engine.store.scan::<StepPage>().count())
    }

    fn sweep(engine: &mut Engine, erasable: i64) {
        engine.sweep(Timestamp(1_000), Timestamp(erasable)).unwrap();
    }

    #[test]
    fn many_steps_lie_in_pages_and_are_read_as_if_they_lay_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let mut engine = Engine::of_test(&store);
        let mut added: Vec<StepKey> = (0..600).map(|n| add(&mut engine, n, 1_000)).collect();
        assert_eq!(all(&engine), added);

        sweep(&mut engine, i64::MIN);

        assert_eq!(rows(&engine), (600 - 2 * PAGE, 2));
        assert_eq!(all(&engine), added);
        for at in [0, 1, 255, 256, 300, 511, 512, 599] {
            assert_eq!(keys(&engine, added[at]..=added[at]), [added[at]], "{at}");
            assert_eq!(keys(&engine, added[at]..=LAST), added[at..], "{at}");
            assert_eq!(keys(&engine, added[0]..=added[at]), added[..=at], "{at}");
        }
        added.extend((600..800).map(|n| add(&mut engine, n, 1_001)));
        sweep(&mut engine, i64::MIN);
        assert_eq!(rows(&engine), (800 - 3 * PAGE, 3));
        assert_eq!(all(&engine), added);

        let mut again = Engine::of_test(&store);
        assert_eq!(all(&again), added);
        assert_eq!(last_step(&again.store).unwrap(), added.last().copied());
        assert!(add(&mut again, 800, 1_000) > added[799], "the last stays the last");
    }

    #[test]
    fn a_step_in_a_page_is_undone_and_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let mut engine = Engine::of_test(&store);
        let added: Vec<StepKey> = (0..300).map(|n| add(&mut engine, n, 1_000)).collect();
        sweep(&mut engine, i64::MIN);
        let (step, _) = added[7];

        engine.stamp = Some(Stamp::of(&somebody(), Timestamp(1_001)));
        engine.continue_step(step).unwrap();
        assert_eq!(enter(&mut engine, 1_000, 1_001), (step, 1));
        engine.stamp = None;
        for number in 301..700 {
            add(&mut engine, number, 1_002);
        }
        sweep(&mut engine, i64::MIN);

        assert_eq!(keys(&engine, parts_of(step)), [(step, 0), (step, 1)]);
        let found = all(&engine);
        assert!(found.is_sorted() && found.len() == 700, "{}", found.len());
        assert_eq!(rows(&engine), (1 + 699 - 2 * PAGE, 2), "what came late lies by itself");
        let asked = Arguments::parse(json!({ "step": step, "dry_run": false })).unwrap();
        let undo = Undo::parse(asked).unwrap().verb;
        engine.ask(undo, &somebody(), Timestamp(1_003)).unwrap();
        let first = |number: u128| MemoryId::from_bytes(number.to_be_bytes());
        assert!(engine.read_alive(first(7), Timestamp(1_003)).is_err());
        assert!(engine.read_alive(first(1_000), Timestamp(1_003)).is_err());
        assert!(engine.read_alive(first(8), Timestamp(1_003)).is_ok());
    }

    #[test]
    fn what_is_too_old_to_be_undone_is_forgotten_by_the_page() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let mut engine = Engine::of_test(&store);
        for number in 0..300 {
            add(&mut engine, number, 1_000 + i64::from(number));
        }
        sweep(&mut engine, i64::MIN);
        let undo = i64::try_from(engine.limits.undo.as_millis()).unwrap();

        sweep(&mut engine, 1_000 + 254 + undo);
        assert_eq!(rows(&engine), (44, 1), "one step of the page can be undone still");
        sweep(&mut engine, 1_000 + 255 + undo);
        assert_eq!(rows(&engine), (44, 0));
        sweep(&mut engine, 1_000 + 290 + undo);
        assert_eq!(rows(&engine), (9, 0));
    }
}
