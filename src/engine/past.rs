use super::catalog::{Entry, Word};
use super::{Engine, EngineError};
use crate::model::{Memory, MemoryId, Timestamp};
use crate::retrieval::{DocId, Document, Index};

/// What there was between two changes, without its texts. The names in it are numbered by the session's
/// own catalog.
#[derive(Debug)]
pub(super) struct Past {
    /// Every moment from the first to before the second has this state.
    from: Timestamp,
    until: Timestamp,
    /// The one project that whoever it was made for may know of.
    reach: Option<Word>,
    entries: Vec<Entry>,
    /// Once somebody has asked for words. Its vectors are its own, whatever model the session has.
    index: Option<Index>,
}

impl Past {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// By the numbers of its index.
    pub(super) fn get(&self, doc: DocId) -> Option<&Entry> {
        self.entries.get(doc.0 as usize)
    }

    /// A moment at which something changed is in the span, or ends it.
    fn note_change(&mut self, at: Timestamp, moment: Timestamp) {
        if at <= moment {
            self.from = self.from.max(at);
        } else {
            self.until = self.until.min(at);
        }
    }
}

impl Engine {
    /// Looks at what there was at an earlier moment.
    ///
    /// The first look reads the versions of what has changed since then; everything else is in memory. What
    /// it makes is kept for every moment between the same two changes, until the next write or sweep.
    pub(super) fn with_past<T>(
        &mut self,
        moment: Timestamp,
        look: impl FnOnce(&Self, &Past) -> T,
    ) -> Result<T, EngineError> {
        let past = self.take_past(moment)?;
        let seen = look(self, &past);
        self.mind.past = Some(past);
        Ok(seen)
    }

    /// The same with an index of it. The first look also reads every text that there was and takes it in, as
    /// a waking session does, and what is kept takes as much memory as the session's own index.
    pub(super) fn with_past_index<T>(
        &mut self,
        moment: Timestamp,
        look: impl FnOnce(&Self, &Past, &Index) -> T,
    ) -> Result<T, EngineError> {
        let mut past = self.take_past(moment)?;
        let index = match past.index.take() {
            Some(index) => index,
            None => self.index_past(&past, moment)?,
        };
        let seen = look(self, &past, &index);
        past.index = Some(index);
        self.mind.past = Some(past);
        Ok(seen)
    }

    /// Whether anything is not as it was at a moment. What was erased since is not there any more.
    pub(super) fn has_changed_since(&self, moment: Timestamp) -> bool {
        let mut entries = self.mind.catalog.iter();
        entries.any(|(_, entry)| entry.created > moment || entry.updated > moment)
    }

    /// A memory as it was; as it is, if it was not there yet.
    pub(super) fn read_at(&self, id: MemoryId, moment: Timestamp) -> Result<Memory, EngineError> {
        let now = self.read(id)?;
        if now.updated_at <= moment {
            return Ok(now);
        }
        let mut versions = self.versions(id)?.into_iter();
        Ok(versions.rfind(|version| version.updated_at <= moment).unwrap_or(now))
    }

    /// The state that is kept, if it is that of the moment and of who asks, else a new one.
    fn take_past(&mut self, moment: Timestamp) -> Result<Past, EngineError> {
        let reach = self.mind.catalog.reach();
        let kept = self
            .mind
            .past
            .take()
            .filter(|past| past.reach == reach && past.from <= moment && moment < past.until);
        kept.map_or_else(|| self.past_at(moment), Ok)
    }

    fn past_at(&mut self, moment: Timestamp) -> Result<Past, EngineError> {
        let mut past = Past {
            from: Timestamp(i64::MIN),
            until: Timestamp(i64::MAX),
            reach: self.mind.catalog.reach(),
            entries: Vec::new(),
            index: None,
        };
        let known: Vec<Entry> = self.mind.catalog.iter().map(|(_, entry)| entry.clone()).collect();
        for entry in known {
            past.note_change(entry.created, moment);
            past.note_change(entry.updated, moment);
            if entry.created > moment {
                continue;
            }
            if entry.updated <= moment {
                past.entries.push(entry);
                continue;
            }
            let versions = self.versions(entry.id)?;
            versions.iter().for_each(|version| past.note_change(version.updated_at, moment));
            let then = versions.iter().rfind(|version| version.updated_at <= moment);
            past.entries.extend(then.map(|version| self.mind.catalog.past_entry(version)));
        }
        Ok(past)
    }

    fn index_past(&self, past: &Past, moment: Timestamp) -> Result<Index, EngineError> {
        let mut index = Index::new();
        for (number, entry) in (0..).zip(&past.entries) {
            let memory = self.read_at(entry.id, moment)?;
            index.extend(&[(DocId(number), Document::of(&memory))], &[]);
        }
        index.settle();
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Project;
    use crate::store::{Store, StoreOptions};

    fn id(number: u128) -> MemoryId {
        MemoryId::from_bytes(number.to_be_bytes())
    }

    fn enter(engine: &mut Engine, number: u128, at: i64) {
        let mut write = engine.begin().unwrap();
        write.enter(&Memory::new(id(number), "first".to_owned(), Timestamp(at))).unwrap();
        engine.commit(write).unwrap();
    }

    fn change(engine: &mut Engine, number: u128, at: i64) {
        let before = engine.read(id(number)).unwrap();
        let content = format!("{} and {at}", before.content);
        let mut write = engine.begin().unwrap();
        let after = Memory { content, ..before.clone() };
        write.replace(&before, after, Timestamp(at)).unwrap();
        engine.commit(write).unwrap();
    }

    /// A session in which the first memory has three versions, and the second two.
    fn with_history(dir: &tempfile::TempDir) -> (Store, Engine) {
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let mut engine = Engine::of_test(&store);
        enter(&mut engine, 1, 10);
        enter(&mut engine, 2, 20);
        change(&mut engine, 1, 30);
        change(&mut engine, 2, 40);
        change(&mut engine, 1, 50);
        (store, engine)
    }

    /// The versions that there were.
    fn seen(engine: &mut Engine, moment: i64) -> Vec<u32> {
        let look = |_: &Engine, past: &Past| past.iter().map(|entry| entry.version).collect();
        engine.with_past(Timestamp(moment), look).unwrap()
    }

    /// Makes what is kept recognizable.
    fn mark(engine: &mut Engine) {
        engine.mind.past.as_mut().unwrap().entries.clear();
    }

    #[test]
    fn every_moment_has_its_own_state_in_whatever_order_they_are_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let (_store, mut engine) = with_history(&dir);
        for moment in (0..60).chain((0..60).rev()) {
            let count = |times: &[i64]| times.iter().filter(|at| **at <= moment).count();
            let versions = [count(&[10, 30, 50]), count(&[20, 40])].into_iter();
            let expected: Vec<u32> = versions
                .filter(|version| *version > 0)
                .map(|version| u32::try_from(version).unwrap())
                .collect();

            let seen = seen(&mut engine, moment);

            assert_eq!(seen, expected, "{moment}");
        }
    }

    #[test]
    fn what_was_made_serves_between_the_same_two_changes_until_something_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (_store, mut engine) = with_history(&dir);
        assert_eq!(seen(&mut engine, 30), [2, 1]);
        mark(&mut engine);

        assert!(seen(&mut engine, 39).is_empty(), "it is made no more than once");
        assert_eq!(seen(&mut engine, 40), [2, 2]);
        mark(&mut engine);
        change(&mut engine, 2, 60);
        assert_eq!(seen(&mut engine, 40), [2, 2], "after a write");
        mark(&mut engine);
        engine.sweep(Timestamp(61), Timestamp(i64::MIN)).unwrap();
        assert_eq!(seen(&mut engine, 40), [2, 2], "after a sweep");
        let house = Project::parse("house").unwrap();
        engine.mind.catalog.show_only(Some(&house));
        assert!(seen(&mut engine, 45).is_empty(), "whoever is bound sees nothing of others");
        engine.mind.catalog.show_only(None);
        assert_eq!(seen(&mut engine, 45), [2, 2]);
    }

    #[test]
    fn words_are_taken_in_once_and_found_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let (_store, mut engine) = with_history(&dir);
        let texts = |engine: &mut Engine, moment: i64| -> usize {
            let count = |index: &Index| (0..99).filter(|doc| index.contains(DocId(*doc))).count();
            engine.with_past_index(Timestamp(moment), |_, _, index| count(index)).unwrap()
        };

        assert_eq!((texts(&mut engine, 15), texts(&mut engine, 35)), (1, 2));
        engine.mind.past.as_mut().unwrap().index = Some(Index::new());
        assert_eq!(texts(&mut engine, 38), 0);
        assert_eq!(engine.read_at(id(1), Timestamp(38)).unwrap().content, "first and 30");
        assert!(engine.has_changed_since(Timestamp(49)));
        assert!(!engine.has_changed_since(Timestamp(50)));
    }
}
