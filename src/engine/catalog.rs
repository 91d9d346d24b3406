use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::{Memory, MemoryId, Priority, Status, Timestamp};
use crate::retrieval::DocId;

/// What every filter and sort needs to know of each memory, held while the session is awake.
/// Derived from the store; losing it loses nothing.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// By [`DocId`]. A place stays empty after its memory is erased.
    entries: Vec<Option<Entry>>,
    by_id: HashMap<MemoryId, DocId>,
    by_digest: BTreeSet<(u64, DocId)>,
    words: Words,
}

/// One memory without its text.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: MemoryId,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) event: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
    pub(super) kind: Word,
    pub(super) project: Option<Word>,
    pub(super) category: Option<Word>,
    pub(super) tags: Box<[Word]>,
    pub(super) priority: Priority,
    pub(super) pinned: bool,
    pub(super) status: Status,
    pub(super) version: u32,
    digest: u64,
}

/// A name that many memories share, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Word(u32);

/// Stands for a name that no memory bears; nothing is equal to it by accident.
const UNKNOWN: Word = Word(u32::MAX);

#[derive(Debug, Default)]
struct Words {
    numbers: HashMap<Box<str>, Word>,
    names: Vec<Box<str>>,
}

impl Catalog {
    /// Enters a new memory, or the new version of a known one. Returns its place.
    pub(super) fn put(&mut self, memory: &Memory) -> DocId {
        let entry = entry(memory, |name| self.words.intern(name));
        let doc = match self.by_id.get(&memory.id) {
            Some(&doc) => doc,
            None => self.next_place(),
        };
        self.forget_digest(doc);
        self.by_id.insert(memory.id, doc);
        self.by_digest.insert((entry.digest, doc));
        if let Some(slot) = self.entries.get_mut(place(doc)) {
            *slot = Some(entry);
        }
        doc
    }

    pub(super) fn remove(&mut self, id: MemoryId) {
        if let Some(doc) = self.by_id.remove(&id) {
            self.forget_digest(doc);
            if let Some(slot) = self.entries.get_mut(place(doc)) {
                *slot = None;
            }
        }
    }

    pub(super) fn get(&self, doc: DocId) -> Option<&Entry> {
        self.entries.get(place(doc))?.as_ref()
    }

    pub(super) fn find(&self, id: MemoryId) -> Option<DocId> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (DocId, &Entry)> {
        let places = self.entries.iter().enumerate();
        places.filter_map(|(n, entry)| Some((doc_at(n), entry.as_ref()?)))
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Every memory whose text may be the same as this one, oldest first.
    pub(super) fn same_text(&self, content: &str) -> impl Iterator<Item = &Entry> {
        let digest = digest(content);
        let range = (digest, DocId(0))..=(digest, DocId(u32::MAX));
        self.by_digest.range(range).filter_map(|(_, doc)| self.get(*doc))
    }

    /// The number of a name, if any memory bears it.
    pub(super) fn word(&self, name: &str) -> Option<Word> {
        self.words.numbers.get(name).copied()
    }

    pub(super) fn name(&self, word: Word) -> &str {
        self.words.name(word)
    }

    /// An entry for a version that is not the newest, without entering it.
    pub(super) fn entry_of(&self, memory: &Memory) -> Entry {
        let look_up = |name: &str| self.word(name).unwrap_or(UNKNOWN);
        entry(memory, look_up)
    }

    fn next_place(&mut self) -> DocId {
        self.entries.push(None);
        doc_at(self.entries.len() - 1)
    }

    fn forget_digest(&mut self, doc: DocId) {
        if let Some(digest) = self.get(doc).map(|entry| entry.digest) {
            self.by_digest.remove(&(digest, doc));
        }
    }
}

impl Entry {
    /// When what it tells of took place, as far as anybody said.
    pub(super) fn moment(&self) -> Timestamp {
        self.event.unwrap_or(self.created)
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    pub(super) fn is_alive(&self, now: Timestamp) -> bool {
        self.status == Status::Active && !self.is_expired(now)
    }
}

impl Words {
    fn intern(&mut self, name: &str) -> Word {
        if let Some(&word) = self.numbers.get(name) {
            return word;
        }
        let word = Word(u32::try_from(self.names.len()).unwrap_or(UNKNOWN.0));
        self.names.push(name.into());
        self.numbers.insert(name.into(), word);
        word
    }

    fn name(&self, word: Word) -> &str {
        self.names.get(word.0 as usize).map_or("", AsRef::as_ref)
    }
}

fn entry(memory: &Memory, mut word: impl FnMut(&str) -> Word) -> Entry {
    Entry {
        id: memory.id,
        created: memory.created_at,
        updated: memory.updated_at,
        event: memory.event_at,
        expires: memory.expires_at,
        kind: word(memory.kind.as_str()),
        project: memory.project.as_ref().map(|project| word(project.as_str())),
        category: memory.category.as_ref().map(|category| word(category.as_str())),
        tags: memory.tags.as_slice().iter().map(|tag| word(tag.as_str())).collect(),
        priority: memory.priority,
        pinned: memory.pinned,
        status: memory.status,
        version: memory.version,
        digest: digest(&memory.content),
    }
}

fn place(doc: DocId) -> usize {
    doc.0 as usize
}

fn doc_at(place: usize) -> DocId {
    DocId(u32::try_from(place).unwrap_or(u32::MAX))
}

/// The same for texts that differ only in white space around them. Inside, it can mean something.
fn digest(content: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.trim().hash(&mut hasher);
    hasher.finish()
}

/// Whether two texts are the same but for white space around them.
pub(super) fn is_same_text(one: &str, other: &str) -> bool {
    one.trim() == other.trim()
}
