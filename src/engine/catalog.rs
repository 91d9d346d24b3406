use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::filter::NamedWords;
use crate::model::{Memory, MemoryId, Priority, Project, Status, Timestamp, folded};
use crate::retrieval::DocId;

/// What every filter and sort needs to know of each memory, held while the session is awake.
/// Derived from the store; losing it loses nothing.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// By [`DocId`]. A place stays empty after its memory is erased.
    entries: Vec<Option<Entry>>,
    by_id: HashTable<DocId>,
    by_digest: HashTable<DocId>,
    hasher: DefaultHashBuilder,
    words: Words,
    /// The one project that the command under way may know of, if it may not know of all.
    reach: Option<Word>,
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
    pub(super) named: NamedWords,
    pub(super) tags: Box<[Word]>,
    pub(super) priority: Priority,
    pub(super) pinned: bool,
    pub(super) provisional: bool,
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
    /// By every spelling that was met, and by the folded one.
    numbers: HashMap<Box<str>, Word>,
    names: Vec<Box<str>>,
}

impl Catalog {
    /// Enters a new memory, or the new version of a known one. Returns its place.
    pub(super) fn put(&mut self, memory: &Memory) -> DocId {
        let entry = entry(memory, self.digest(&memory.content), |name| self.words.intern(name));
        let doc = self.locate(memory.id).unwrap_or_else(|| self.next_place(memory.id));
        self.forget_digest(doc);
        let Self { entries, by_digest, .. } = self;
        by_digest.insert_unique(entry.digest, doc, |&doc| {
            at(entries, doc).map_or(0, |entry| entry.digest)
        });
        if let Some(slot) = self.entries.get_mut(place(doc)) {
            *slot = Some(entry);
        }
        doc
    }

    pub(super) fn remove(&mut self, id: MemoryId) {
        let Some(doc) = self.locate(id) else { return };
        self.forget_digest(doc);
        if let Ok(found) = self.by_id.find_entry(self.hasher.hash_one(id), |&other| other == doc) {
            found.remove();
        }
        if let Some(slot) = self.entries.get_mut(place(doc)) {
            *slot = None;
        }
    }

    /// From here on the catalog is as if it held nothing but one project; of everything again, if none
    /// is named. So a command that is bound to one finds, reads and counts nothing else, whatever it
    /// does.
    pub(super) fn show_only(&mut self, project: Option<&Project>) {
        self.reach = project.map(|project| self.words.intern(project.as_str()));
    }

    /// Whether a memory of this project could be seen.
    pub(super) fn shows(&self, project: Option<&Project>) -> bool {
        self.reach.is_none_or(|reach| {
            project.and_then(|project| self.word(project.as_str())) == Some(reach)
        })
    }

    pub(super) fn get(&self, doc: DocId) -> Option<&Entry> {
        at(&self.entries, doc).filter(|entry| self.is_shown(entry))
    }

    pub(super) fn find(&self, id: MemoryId) -> Option<DocId> {
        self.locate(id).filter(|&doc| self.get(doc).is_some())
    }

    /// The memories of some kinds, whatever is shown, in no order.
    pub(super) fn ids_of_kinds(&self, kinds: &[&str]) -> Vec<MemoryId> {
        let kinds: Vec<Word> = kinds.iter().filter_map(|kind| self.word(kind)).collect();
        let entries = self.entries.iter().flatten();
        entries.filter(|entry| kinds.contains(&entry.kind)).map(|entry| entry.id).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (DocId, &Entry)> {
        let places = self.entries.iter().enumerate();
        let entries = places.filter_map(|(n, entry)| Some((doc_at(n), entry.as_ref()?)));
        entries.filter(|(_, entry)| self.is_shown(entry))
    }

    fn is_shown(&self, entry: &Entry) -> bool {
        self.reach.is_none_or(|reach| entry.project == Some(reach))
    }

    /// Whether an id is that of a memory that is not shown.
    pub(super) fn hides(&self, id: MemoryId) -> bool {
        self.locate(id).is_some() && self.find(id).is_none()
    }

    /// The place of a memory, whether it is shown or not.
    pub(super) fn locate(&self, id: MemoryId) -> Option<DocId> {
        let is_it = |&doc: &DocId| at(&self.entries, doc).is_some_and(|entry| entry.id == id);
        self.by_id.find(self.hasher.hash_one(id), is_it).copied()
    }

    /// Every memory whose text may be the same as this one, oldest first.
    pub(super) fn same_text(&self, content: &str) -> impl Iterator<Item = &Entry> {
        let digest = self.digest(content);
        let found = self.by_digest.iter_hash(digest).copied();
        let mut found: Vec<_> = found.filter_map(|doc| Some((doc, self.get(doc)?))).collect();
        found.retain(|(_, entry)| entry.digest == digest);
        found.sort_unstable_by_key(|&(doc, _)| doc);
        found.into_iter().map(|(_, entry)| entry)
    }

    /// The number of a name, if any memory bears it.
    pub(super) fn word(&self, name: &str) -> Option<Word> {
        self.words.find(name)
    }

    pub(super) fn name(&self, word: Word) -> &str {
        self.words.name(word)
    }

    /// An entry for a version that is not the newest, without entering it. Names that no other version bears
    /// are numbered, so that they can be asked for.
    pub(super) fn past_entry(&mut self, memory: &Memory) -> Entry {
        entry(memory, self.digest(&memory.content), |name| self.words.intern(name))
    }

    /// What [`Catalog::show_only`] was told last.
    pub(super) fn reach(&self) -> Option<Word> {
        self.reach
    }

    /// A place for a new memory, whose entry must follow.
    fn next_place(&mut self, id: MemoryId) -> DocId {
        let doc = doc_at(self.entries.len());
        let Self { entries, by_id, hasher, .. } = self;
        by_id.insert_unique(hasher.hash_one(id), doc, |&doc| {
            at(entries, doc).map_or(0, |entry| hasher.hash_one(entry.id))
        });
        entries.push(None);
        doc
    }

    fn forget_digest(&mut self, doc: DocId) {
        let Some(digest) = at(&self.entries, doc).map(|entry| entry.digest) else { return };
        if let Ok(found) = self.by_digest.find_entry(digest, |&other| other == doc) {
            found.remove();
        }
    }

    /// The same for texts that differ only in white space around them. Inside, it can mean something.
    fn digest(&self, content: &str) -> u64 {
        self.hasher.hash_one(content.trim())
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
    fn find(&self, name: &str) -> Option<Word> {
        match self.numbers.get(name) {
            Some(word) => Some(*word),
            None => self.numbers.get(folded(name).as_str()).copied(),
        }
    }

    /// Spellings that mean the same have one number; the first that was met names it.
    fn intern(&mut self, name: &str) -> Word {
        if let Some(&word) = self.numbers.get(name) {
            return word;
        }
        let folded = folded(name);
        let word = match self.numbers.get(folded.as_str()) {
            Some(&word) => word,
            None => {
                let word = Word(u32::try_from(self.names.len()).unwrap_or(UNKNOWN.0));
                self.names.push(name.into());
                self.numbers.insert(folded.into(), word);
                word
            }
        };
        self.numbers.insert(name.into(), word);
        word
    }

    fn name(&self, word: Word) -> &str {
        self.names.get(word.0 as usize).map_or("", AsRef::as_ref)
    }
}

fn entry(memory: &Memory, digest: u64, mut word: impl FnMut(&str) -> Word) -> Entry {
    Entry {
        id: memory.id,
        created: memory.created_at,
        updated: memory.updated_at,
        event: memory.event_at.map(|event| event.at),
        expires: memory.expires_at,
        kind: word(memory.kind.as_str()),
        project: memory.project.as_ref().map(|project| word(project.as_str())),
        named: NamedWords::of(memory, &mut word),
        tags: memory.tags.as_slice().iter().map(|tag| word(tag.as_str())).collect(),
        priority: memory.priority,
        pinned: memory.pinned,
        provisional: memory.provisional,
        status: memory.status,
        version: memory.version,
        digest,
    }
}

fn place(doc: DocId) -> usize {
    doc.0 as usize
}

fn doc_at(place: usize) -> DocId {
    DocId(u32::try_from(place).unwrap_or(u32::MAX))
}

fn at(entries: &[Option<Entry>], doc: DocId) -> Option<&Entry> {
    entries.get(place(doc))?.as_ref()
}

/// Whether two texts are the same but for white space around them.
pub(super) fn is_same_text(one: &str, other: &str) -> bool {
    one.trim() == other.trim()
}
