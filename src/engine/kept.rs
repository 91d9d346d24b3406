//! What is derived, kept while the session sleeps: reading it back takes a fraction of what making it takes.
//!
//! The store knows whether a file is of the very memories and vectors that are there (`store/minds.rs`). This program reads
//! what it has written itself and nothing else: another version, or one that makes something else of texts, loads as if
//! nothing were kept. So does whoever finds anything wrong with what is read.

use std::io;

use super::mind::Mind;
use super::{Engine, EngineError};
use crate::retrieval::{Index, Packer, Unpacker};

/// A session with fewer memories wakes in a moment anyway.
const WORTH_KEEPING: usize = if cfg!(test) { 64 } else { 5_000 };

/// Of so many memories at least one less may be gone, each of which leaves an empty place in catalog and index. Whoever
/// loads the others numbers them anew.
const GAP: usize = 16;

/// About how many bytes are kept of a memory: some 450 of most, and vectors of a better model beside those.
const BYTES: u64 = 1_024;

/// Raised when something is kept that was not, or otherwise than before.
const LAYOUT: u32 = 2;

impl Engine {
    /// Gets ready to be dropped: gives the user's place among the users back if nothing is stored for him any more.
    pub fn give_up_place(&mut self) -> Result<(), EngineError> {
        Ok(self.store.give_up_place()?)
    }

    /// The same for a while, and keeps what is derived if that is worth it. Blocks until it is durable. Returns
    /// whether anything was written for it.
    pub fn fall_asleep(&mut self) -> Result<bool, EngineError> {
        self.give_up_place()?;
        self.keep()
    }

    fn keep(&mut self) -> Result<bool, EngineError> {
        if !self.is_worth_keeping() {
            return Ok(false);
        }
        let Self { store, mind, .. } = self;
        let (memories, _) = mind.catalog.extent();
        let bytes = BYTES.saturating_mul(memories as u64);
        let is_written = store.keep_mind(&maker(), bytes, &|target| {
            let mut packer = Packer::new(target);
            mind.pack(&mut packer);
            packer.finish()
        })?;
        Ok(is_written)
    }

    /// Whether there is much of it, numbered about as it would be if it were loaded.
    fn is_worth_keeping(&self) -> bool {
        let Mind { catalog, index, .. } = &self.mind;
        let (memories, places) = catalog.extent();
        let is_dense = places.saturating_sub(memories) <= memories / GAP && index.is_dense();
        memories >= WORTH_KEEPING && is_dense && catalog.is_in_order()
    }

    /// Takes what was kept, if it is of what is stored now. Otherwise nothing has happened.
    pub(super) fn load_kept(&mut self) -> Result<bool, EngineError> {
        let Some(mut kept) = self.store.kept_mind(&maker()) else { return Ok(false) };
        let length = kept.length();
        let read = read(&mut Unpacker::new(&mut kept, length), self);
        let (mind, has_vectors) = match read {
            Ok(read) => read,
            Err(reason) => {
                kept.refuse(&reason);
                return Ok(false);
            }
        };
        self.mind = mind;
        for (_, entry) in self.mind.catalog.iter() {
            self.ids.continue_after(entry.id);
        }
        self.continue_after_steps()?;
        if !has_vectors {
            self.load_vectors()?;
        }
        Ok(true)
    }
}

fn read(unpacker: &mut Unpacker<'_>, engine: &Engine) -> io::Result<(Mind, bool)> {
    let read = Mind::unpack(unpacker, engine.mind.model)?;
    unpacker.finish().map(|()| read)
}

/// Names the program, as far as it matters to what is kept.
fn maker() -> Vec<u8> {
    let (version, fingerprint) = (env!("CARGO_PKG_VERSION"), Index::fingerprint());
    format!("memoryd {version} {LAYOUT} {fingerprint:016x}").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::json;

    use super::super::{Arguments, Embedded, Filter, Growth, List, Search, Spoken};
    use super::*;
    use crate::model::{Caller, Memory, MemoryId, Project, Scopes, Status, Tag, Tags, Timestamp};
    use crate::retrieval::ModelDigest;
    use crate::store::{Store, StoreOptions};

    const NOW: Timestamp = Timestamp(1_000_000);
    const MODEL: ModelDigest = ModelDigest([7; 16]);

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        (dir, store)
    }

    fn id(number: u32) -> MemoryId {
        MemoryId::from_bytes(u128::from(number).to_be_bytes())
    }

    fn memory(number: u32) -> Memory {
        let things = ["sled", "cup", "boiler", "cello", "router", "garden", "tea"];
        let thing = |step: u32| things[(number / step) as usize % things.len()];
        let text = format!("The {} stands beside the {}, note {number}", thing(1), thing(7));
        let mut memory = Memory::new(id(number), text, Timestamp(1_000 + i64::from(number)));
        let tags = [thing(3), "kept"].map(|tag| Tag::parse(tag).unwrap());
        memory.tags = Tags::from_vec(tags.to_vec());
        memory.project = number.is_multiple_of(3).then(|| Project::parse("House").unwrap());
        memory.pinned = number.is_multiple_of(11);
        memory.expires_at =
            number.is_multiple_of(5).then(|| Timestamp(2_000_000 + i64::from(number)));
        memory.source.client = number.is_multiple_of(2).then(|| "Ada's editor".to_owned());
        if number.is_multiple_of(4) {
            memory.metadata =
                json!({ "speaker": "Ada", "run_id": "visit" }).as_object().unwrap().clone();
        }
        memory
    }

    fn enter(engine: &mut Engine, numbers: impl IntoIterator<Item = u32>) {
        let mut write = engine.begin().unwrap();
        for number in numbers {
            write.enter(&memory(number)).unwrap();
        }
        engine.commit(write).unwrap();
    }

    fn open(store: &Store, model: Option<ModelDigest>) -> Engine {
        let Engine { user, limits, .. } = Engine::of_test(store);
        Engine::open(store.session(&user).unwrap(), user, limits, model).unwrap()
    }

    fn ask<V: Spoken>(engine: &mut Engine, arguments: serde_json::Value) -> String {
        let verb = V::parse(Arguments::parse(arguments).unwrap()).unwrap().verb;
        let caller = Caller::of_test("ada", "laptop", Scopes::all());
        let answer = engine.ask(verb, &caller, NOW).unwrap();
        serde_json::to_string(&answer).unwrap()
    }

    fn answers(engine: &mut Engine) -> Vec<String> {
        let mut answers = Vec::new();
        for query in ["the sled", "cello in the garden", "Ada", "note 77", "slad"] {
            answers.push(ask::<Search>(engine, json!({ "query": query })));
            answers.push(ask::<Search>(engine, json!({ "query": query, "tags": ["tea"] })));
            answers.push(ask::<Search>(engine, json!({ "query": query, "project": "house" })));
        }
        answers.push(ask::<List>(engine, json!({ "pinned": true, "include": ["deleted"] })));
        let caller = Caller::of_test("ada", "laptop", Scopes::all());
        let filter = Filter { writer: Some("ada's Editor".to_owned()), ..Filter::default() };
        let written = engine.ask(List { filter, ..List::default() }, &caller, NOW).unwrap();
        assert!(written.total > 0);
        answers.push(written.total.to_string());
        let grown = engine.ask(Growth { days: 1 }, &caller, NOW).unwrap();
        answers.push(format!("{:?}", grown.writers));
        let text = memory(77).content;
        let same = engine.mind.catalog.same_text(&text).map(|entry| entry.id);
        answers.push(format!("{:?}", same.collect::<Vec<_>>()));
        answers.push(format!("{:?}", engine.next_end(NOW)));
        answers.push(format!("{:?}", engine.ended(NOW, Timestamp(2_000_100))));
        answers
    }

    /// The whole mind. The digests of texts in it have a secret, so one that was made anew differs.
    fn packed(engine: &Engine) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut packer = Packer::new(&mut bytes);
        engine.mind.pack(&mut packer);
        packer.finish().unwrap();
        bytes
    }

    fn files(dir: &Path) -> usize {
        fs::read_dir(dir.join(".minds")).map_or(0, Iterator::count)
    }

    #[test]
    fn what_was_kept_answers_as_what_is_loaded() {
        let (dir, store) = store();
        let mut engine = Engine::of_test(&store);
        enter(&mut engine, 0..200);
        engine.erase(&[id(31), id(199)]).unwrap();
        engine.set_status(&[id(33), id(40)], Status::Deleted, NOW).unwrap();
        engine.fall_asleep().unwrap();
        let before = packed(&engine);
        drop(engine);

        let mut kept = Engine::of_test(&store);
        assert_eq!(packed(&kept), before);
        let kept_answers = answers(&mut kept);
        drop(kept);
        assert_eq!(packed(&Engine::of_test(&store)), before, "it serves more than one waking");
        fs::remove_dir_all(dir.path().join(".minds")).unwrap();
        let mut loaded = Engine::of_test(&store);

        assert_ne!(packed(&loaded), before);
        assert_eq!(answers(&mut loaded), kept_answers);
    }

    #[test]
    fn what_changes_after_the_waking_is_missed_by_nobody() {
        let (dir, store) = store();
        let mut engine = Engine::of_test(&store);
        enter(&mut engine, 0..100);
        engine.fall_asleep().unwrap();
        drop(engine);
        let mut engine = Engine::of_test(&store);
        assert_eq!(files(dir.path()), 1);
        ask::<Search>(&mut engine, json!({ "query": "sled" }));
        engine.write_access().unwrap();
        assert_eq!(files(dir.path()), 1, "what is counted changes no memory");

        enter(&mut engine, [100]);

        assert_eq!(files(dir.path()), 0);
        // As after a kill: nobody has kept it anew.
        drop(engine);
        let mut engine = Engine::of_test(&store);
        assert!(ask::<Search>(&mut engine, json!({ "query": "note 100" })).contains("note 100"));
        engine.fall_asleep().unwrap();
        assert_eq!(files(dir.path()), 1);
    }

    #[test]
    fn little_what_is_out_of_order_and_what_is_full_of_gaps_is_not_kept() {
        let (dir, store) = store();
        let mut engine = Engine::of_test(&store);
        enter(&mut engine, 10..50);
        engine.fall_asleep().unwrap();
        enter(&mut engine, 0..10);
        enter(&mut engine, 50..120);
        engine.fall_asleep().unwrap();
        assert_eq!(files(dir.path()), 0, "older memories came later");
        drop(engine);
        let mut engine = Engine::of_test(&store);
        let gone: Vec<MemoryId> = (20..30).map(id).collect();
        engine.erase(&gone).unwrap();
        engine.fall_asleep().unwrap();
        assert_eq!(files(dir.path()), 0, "ten are gone");
        drop(engine);

        let mut engine = Engine::of_test(&store);
        engine.fall_asleep().unwrap();

        assert_eq!(files(dir.path()), 1, "it was numbered anew");
    }

    #[test]
    fn of_what_was_erased_no_word_is_kept() {
        let (dir, store) = store();
        let mut engine = Engine::of_test(&store);
        enter(&mut engine, 0..100);
        let mut write = engine.begin().unwrap();
        let metadata = json!({ "speaker": "Zacharias" }).as_object().unwrap().clone();
        let tags = Tags::from_vec(vec![Tag::parse("Zimtstern").unwrap()]);
        let project = Some(Project::parse("Zuhause").unwrap());
        let text = "Zwetschgen und Zuckermelonen".to_owned();
        let memory = Memory::new(id(100), text, Timestamp(1));
        write.enter(&Memory { metadata, tags, project, ..memory }).unwrap();
        engine.commit(write).unwrap();
        let words = ["zachari", "zimtstern", "zuhause", "zwetschg", "zuckermelon"];
        let found = |engine: &Engine| {
            let text = String::from_utf8_lossy(&packed(engine)).to_lowercase();
            words.iter().filter(|word| text.contains(**word)).count()
        };
        assert_eq!(found(&engine), words.len());

        engine.erase(&[id(100)]).unwrap();
        engine.fall_asleep().unwrap();

        assert_eq!((found(&engine), files(dir.path())), (0, 1));
    }

    #[test]
    fn vectors_of_a_model_are_kept_and_those_of_another_are_not_taken() {
        let (dir, store) = store();
        let mut engine = open(&store, Some(MODEL));
        enter(&mut engine, 0..100);
        let made = |number: u32| Embedded { id: id(number), version: 1, vector: vec![1.0, 0.5] };
        engine.place((0..90).map(made).collect()).unwrap();
        engine.pass_over(&[id(95)]);
        assert_eq!(engine.mind.waiting.len(), 9);
        engine.fall_asleep().unwrap();
        let before = packed(&engine);
        drop(engine);

        let engine = open(&store, Some(MODEL));
        assert_eq!(packed(&engine), before);
        assert_eq!(engine.mind.waiting.len(), 10, "what was passed over is asked for again");
        let doc = engine.mind.catalog.find(id(89)).unwrap();
        assert!(engine.mind.index.direction(doc).is_some());
        drop(engine);

        let other = open(&store, Some(ModelDigest([8; 16])));
        assert_eq!((other.mind.waiting.len(), files(dir.path())), (100, 1));
        assert!(other.mind.index.direction(doc).is_none());
        let none = open(&store, None);
        assert!(none.mind.waiting.is_empty() && !none.has_model());
        drop((other, none));
        let engine = open(&store, Some(MODEL));
        assert_eq!(packed(&engine), before);
    }

    #[test]
    fn what_cannot_be_read_is_loaded_as_if_there_were_nothing() {
        let (dir, store) = store();
        let mut engine = Engine::of_test(&store);
        enter(&mut engine, 0..100);
        engine.fall_asleep().unwrap();
        drop(engine);
        let path = fs::read_dir(dir.path().join(".minds")).unwrap().next().unwrap().unwrap().path();
        let whole = fs::read(&path).unwrap();

        for at in [3, 90, whole.len() / 2, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, bytes).unwrap();
            let engine = Engine::of_test(&store);
            assert_eq!(engine.mind.catalog.extent(), (100, 100), "{at}");
            assert!(!path.exists(), "{at}");
        }
    }
}
