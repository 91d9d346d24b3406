use std::collections::BTreeSet;
use std::io;

use super::catalog::{Catalog, Entry};
use super::files::Files;
use super::graph::Graph;
use super::numbers::Numbers;
use super::past::Past;
use super::write::Step;
use crate::model::{Memory, MemoryId, Timestamp};
use crate::retrieval::{
    DocId, Document, Index, ModelDigest, Packer, ParsedDocument, Unpacker, misread,
};

/// Everything that is derived from the store and held in memory while a session is awake. It changes
/// only by the steps of a write that the store has accepted; losing it loses nothing.
#[derive(Debug)]
pub(super) struct Mind {
    /// What filters and sorts need.
    pub(super) catalog: Catalog,
    /// What ranking needs.
    pub(super) index: Index,
    /// Whose vectors the index holds, if not the built-in table's.
    pub(super) model: Option<ModelDigest>,
    /// What has no vector of that model yet.
    pub(super) waiting: BTreeSet<MemoryId>,
    /// What has none either, and is not asked for again before the session wakes anew.
    passed_over: BTreeSet<MemoryId>,
    /// The parts of the knowledge graph, once somebody has asked for it.
    pub(super) graph: Option<Graph>,
    /// The files, once somebody has asked for one.
    pub(super) files: Option<Files>,
    /// The numbers of memories, once somebody has asked for one.
    pub(super) numbers: Option<Numbers>,
    /// What there was at an earlier time, once somebody has asked for it.
    pub(super) past: Option<Past>,
    /// The memories that have an end, by when that is.
    ends: BTreeSet<(Timestamp, MemoryId)>,
    /// How many steps of writes were followed; how many when it was last asked to rest, and when it did.
    steps: [u64; 3],
}

/// One change for so many memories is much, after all of which their lists are made anew.
const MUCH: u64 = 8;

/// Of a memory's id where it is written down.
const ID_BYTES: u64 = 16;

impl Mind {
    /// With a model, vectors come from outside; without one the index makes its own.
    pub(super) fn new(model: Option<ModelDigest>) -> Self {
        Self {
            catalog: Catalog::default(),
            index: model.map_or_else(Index::new, Index::for_model),
            model,
            waiting: BTreeSet::new(),
            passed_over: BTreeSet::new(),
            graph: None,
            files: None,
            numbers: None,
            past: None,
            ends: BTreeSet::new(),
            steps: [0; 3],
        }
    }

    /// Gives back what growing has set aside, up to as much again as there is: once much has changed, and nothing
    /// between two calls. Returns whether it did.
    pub(super) fn rest(&mut self) -> bool {
        let [now, before, rested] = self.steps;
        let is_due = now == before && (now - rested) * MUCH > self.catalog.places();
        if is_due {
            self.index.settle();
            self.catalog.settle();
        }
        self.steps = [now, now, if is_due { now } else { rested }];
        is_due
    }

    pub(super) fn entry(&self, doc: DocId) -> Option<&Entry> {
        self.catalog.get(doc)
    }

    /// Follows a write that was accepted. A memory that it enters may be parsed already.
    pub(super) fn take(&mut self, step: Step, parsed: Option<&ParsedDocument>) {
        let [steps, ..] = &mut self.steps;
        *steps += 1;
        match step {
            Step::Enter(memory) => self.enter(&memory, parsed),
            Step::Replace { before, after } => {
                self.leave(&before);
                self.enter(&after, None);
            }
            Step::Forget(memory) => {
                self.leave(&memory);
                self.forget_waiting(memory.id);
                self.catalog.remove(memory.id);
                if let Some(numbers) = &mut self.numbers {
                    numbers.leave(memory.id);
                }
            }
            Step::Embed { id, vector } => {
                if let Some(doc) = self.catalog.locate(id) {
                    self.index.place(doc, &vector);
                }
                self.forget_waiting(id);
            }
        }
    }

    /// Asks no more for the vector of a memory, until it changes or the session wakes anew.
    pub(super) fn pass_over(&mut self, id: MemoryId) {
        if self.waiting.remove(&id) {
            self.passed_over.insert(id);
        }
    }

    fn forget_waiting(&mut self, id: MemoryId) {
        self.waiting.remove(&id);
        self.passed_over.remove(&id);
    }

    /// Writes down what is not made when somebody asks for it.
    pub(super) fn pack(&self, packer: &mut Packer<'_>) {
        self.catalog.pack(packer);
        self.index.pack(packer);
        let waiting: BTreeSet<_> = self.waiting.union(&self.passed_over).collect();
        packer.count(waiting.len());
        waiting.into_iter().for_each(|id| packer.raw(&id.to_bytes()));
    }

    /// Reads it back, for a model or for none. Tells whether it has that model's vectors, or whether they have to
    /// be placed yet.
    pub(super) fn unpack(
        unpacker: &mut Unpacker<'_>,
        model: Option<ModelDigest>,
    ) -> io::Result<(Self, bool)> {
        let catalog = Catalog::unpack(unpacker)?;
        let (index, has_vectors) = Index::unpack(unpacker, model)?;
        let mut mind = Self { catalog, index, ..Self::new(model) };
        for _ in 0..unpacker.count(ID_BYTES)? {
            let id = MemoryId::from_bytes(unpacker.array()?);
            if has_vectors {
                mind.waiting.insert(id);
            }
        }
        for (doc, entry) in mind.catalog.iter() {
            if !mind.index.contains(doc) {
                return Err(misread());
            }
            mind.ends.extend(entry.expires.map(|end| (end, entry.id)));
        }
        Ok((mind, has_vectors))
    }

    /// Notes a memory that stands in the store. Its text is indexed by the caller.
    pub(super) fn note(&mut self, memory: &Memory) -> DocId {
        if let Some(end) = memory.expires_at {
            self.ends.insert((end, memory.id));
        }
        self.catalog.put(memory)
    }

    /// The memories whose time ran out within a span, its end included.
    pub(super) fn ended(&self, after: Timestamp, until: Timestamp) -> Vec<MemoryId> {
        let first = (Timestamp(after.0.saturating_add(1)), MemoryId::default());
        if first > (until, MemoryId::LAST) {
            return Vec::new();
        }
        self.ends.range(first..=(until, MemoryId::LAST)).map(|(_, id)| *id).collect()
    }

    /// When the next memory's time runs out.
    pub(super) fn next_end(&self, after: Timestamp) -> Option<Timestamp> {
        let first = (Timestamp(after.0.saturating_add(1)), MemoryId::default());
        self.ends.range(first..).next().map(|(end, _)| *end)
    }

    fn enter(&mut self, memory: &Memory, parsed: Option<&ParsedDocument>) {
        let doc = self.note(memory);
        if self.model.is_some() {
            self.waiting.insert(memory.id);
        }
        let document = Document::of(memory);
        match parsed {
            Some(parsed) => self.index.insert_parsed(doc, &document, parsed),
            None => self.index.insert(doc, &document),
        }
        if let Some(graph) = &mut self.graph {
            graph.enter(memory);
        }
        if let Some(files) = &mut self.files {
            files.enter(memory);
        }
    }

    /// Takes a memory's text out of the index. Its place in the catalog stays.
    fn leave(&mut self, memory: &Memory) {
        if let Some(end) = memory.expires_at {
            self.ends.remove(&(end, memory.id));
        }
        if let Some(graph) = &mut self.graph {
            graph.leave(memory.id);
        }
        if let Some(files) = &mut self.files {
            files.leave(memory.id);
        }
        if let Some(doc) = self.catalog.locate(memory.id) {
            self.index.remove(doc, &Document::of(memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;
    use crate::engine::Engine;
    use crate::journal::{JournalOptions, SyncHook};
    use crate::store::{Store, StoreOptions};

    #[test]
    fn what_growing_set_aside_is_given_back_when_nothing_changes_any_more() {
        let mut mind = Mind::new(None);
        let memory = |number: u32| {
            let id = MemoryId::from_bytes(u128::from(number).to_be_bytes());
            Memory::new(id, format!("memory {number} of the lamp"), Timestamp(1))
        };
        let add = |mind: &mut Mind, number| mind.take(Step::Enter(Box::new(memory(number))), None);
        assert!(!mind.rest());

        (0..100).for_each(|number| add(&mut mind, number));
        assert!(!mind.rest(), "something has changed since");
        assert!(mind.rest());
        assert!(!mind.rest(), "once");

        let found = |mind: &Mind, number| mind.catalog.find(memory(number).id).is_some();
        assert!((0..100).all(|number| found(&mind, number)) && !found(&mind, 100));
        add(&mut mind, 100);
        mind.rest();
        assert!(!mind.rest(), "one is not much");
        assert!(found(&mind, 100) && found(&mind, 0));
    }

    #[test]
    fn a_change_is_on_its_way_to_the_disk_before_anything_follows_it() {
        let dir = tempfile::tempdir().unwrap();
        let (begins, begun) = channel();
        let hook = SyncHook::new(move || begins.send(()).map_err(io::Error::other));
        let journal = JournalOptions { sync_hook: Some(hook), ..JournalOptions::default() };
        let options = StoreOptions { journal, ..StoreOptions::default() };
        let store = Store::open(dir.path(), options).unwrap();
        let mut engine = Engine::of_test(&store);
        let id = MemoryId::from_bytes(1_u128.to_be_bytes());
        let mut write = engine.begin().unwrap();
        write.enter(&Memory::new(id, "tea".to_owned(), Timestamp(1))).unwrap();

        let was_known = engine.commit_while(write, |engine| {
            begun.recv_timeout(Duration::from_secs(30)).unwrap();
            (None, engine.mind.catalog.find(id).is_some())
        });

        assert!(!was_known.unwrap());
        assert!(engine.mind.catalog.find(id).is_some());
    }
}
