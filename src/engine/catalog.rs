use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::io;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::filter::NamedWords;
use super::text_digest::TextDigest;
use crate::model::{Memory, MemoryId, Priority, Project, Status, Timestamp, folded};
use crate::retrieval::{DocId, Packer, Unpacker, misread};

/// What every filter and sort needs to know of each memory, held while the session is awake.
/// Derived from the store; losing it loses nothing.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// By [`DocId`]. A place stays empty after its memory is erased.
    entries: Vec<Option<Entry>>,
    by_id: HashTable<DocId>,
    by_digest: HashTable<DocId>,
    hasher: DefaultHashBuilder,
    digests: TextDigest,
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
    /// As [`Source::writer`](crate::model::Source::writer) has it.
    pub(super) writer: Option<Word>,
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

/// Begins the names of who writes, so that a program that is called as a tag or a project says nothing of how that
/// is spelled.
const WRITER: char = '\u{1}';

/// An entry takes at least so many bytes where it is written down: its id, its digest, and some numbers.
const LEAST_BYTES: u64 = 16 + 8 + 14;

/// What stands for each there is its place.
const STATUSES: [Status; 4] =
    [Status::Active, Status::Archived, Status::Superseded, Status::Deleted];

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

    /// As people know it: of who writes without the mark.
    pub(super) fn name(&self, word: Word) -> &str {
        self.words.name(word).trim_start_matches(WRITER)
    }

    /// The number of who writes under this name.
    pub(super) fn writer(&self, name: &str) -> Option<Word> {
        self.words.find(&as_writer(name))
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

    /// How many memories there are, whatever is shown, and how many places.
    pub(super) fn extent(&self) -> (usize, usize) {
        (self.by_id.len(), self.entries.len())
    }

    /// Whether a greater place is that of a newer memory, as it is where all came in the order of their ids.
    pub(super) fn is_in_order(&self) -> bool {
        self.entries.iter().flatten().is_sorted_by(|one, next| one.id < next.id)
    }

    /// Writes it down, with the names that a memory bears and no others.
    pub(super) fn pack(&self, packer: &mut Packer<'_>) {
        self.digests.pack(packer);
        let names = self.words.used_by(self.entries.iter().flatten());
        packer.count(names.len());
        names.keys().for_each(|&word| packer.text(self.words.name(word)));
        let number = |word: Word| names.get(&word).copied();
        packer.count(self.by_id.len());
        let mut next = 0;
        for (place, entry) in self.entries.iter().enumerate() {
            let Some(entry) = entry else { continue };
            packer.count(place - next);
            next = place + 1;
            entry.pack(packer, &number);
        }
        packer.count(self.entries.len() - next);
    }

    pub(super) fn unpack(unpacker: &mut Unpacker<'_>) -> io::Result<Self> {
        let digests = TextDigest::unpack(unpacker)?;
        let mut catalog = Self { digests, ..Self::default() };
        for _ in 0..unpacker.count(1)? {
            catalog.words.add(&unpacker.text()?);
        }
        let count = unpacker.count(LEAST_BYTES)?;
        for _ in 0..count {
            catalog.leave_empty(unpacker.number()?, count)?;
            let entry = Entry::unpack(unpacker, catalog.words.names.len())?;
            catalog.entries.push(Some(entry));
        }
        catalog.leave_empty(unpacker.number()?, count)?;
        catalog.entries.shrink_to_fit();
        catalog.find_again();
        Ok(catalog)
    }

    /// How many memories there were; of those that are erased the places are empty.
    pub(super) fn places(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Gives back what growing has set aside.
    pub(super) fn settle(&mut self) {
        self.entries.shrink_to_fit();
        self.words.numbers.shrink_to_fit();
        self.words.names.shrink_to_fit();
        (self.by_id, self.by_digest) = Default::default();
        self.find_again();
    }

    /// Leaves so many places empty. There are never more of them than memories.
    fn leave_empty(&mut self, places: u64, memories: usize) -> io::Result<()> {
        let places = usize::try_from(places).ok().filter(|&places| places <= memories);
        let span = self.entries.len() + places.ok_or_else(misread)?;
        if span > memories.saturating_mul(2) {
            return Err(misread());
        }
        self.entries.resize(span, None);
        Ok(())
    }

    /// Makes the tables by which memories are found.
    fn find_again(&mut self) {
        let Self { entries, by_id, by_digest, hasher, .. } = self;
        let count = entries.iter().flatten().count();
        let id = |&doc: &DocId| at(entries, doc).map_or(0, |entry| hasher.hash_one(entry.id));
        let digest = |&doc: &DocId| at(entries, doc).map_or(0, |entry| entry.digest);
        by_id.reserve(count, id);
        by_digest.reserve(count, digest);
        for (place, _) in entries.iter().enumerate().filter(|(_, entry)| entry.is_some()) {
            let doc = doc_at(place);
            by_id.insert_unique(id(&doc), doc, id);
            by_digest.insert_unique(digest(&doc), doc, digest);
        }
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
        self.digests.of(content.trim())
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

    /// The names that it bears.
    fn words(&self) -> impl Iterator<Item = Word> {
        let tags = self.tags.iter().copied();
        let others =
            [Some(self.kind), self.project, self.writer].into_iter().chain(self.named.all());
        others.flatten().chain(tags)
    }

    fn pack(&self, packer: &mut Packer<'_>, number: &dyn Fn(Word) -> Option<u32>) {
        packer.raw(&self.id.to_bytes());
        packer.raw(&self.digest.to_le_bytes());
        packer.signed(self.created.0);
        packer.signed(self.updated.0.wrapping_sub(self.created.0));
        for moment in [self.event, self.expires] {
            packer.number(u64::from(moment.is_some()));
            packer.signed(moment.unwrap_or_default().0);
        }
        packer.optional(number(self.kind));
        packer.optional(self.project.and_then(number));
        packer.optional(self.writer.and_then(number));
        self.named.all().for_each(|word| packer.optional(word.and_then(number)));
        packer.count(self.tags.len());
        self.tags.iter().for_each(|&tag| packer.optional(number(tag)));
        packer.number(u64::from(self.priority.get()));
        packer.number(u64::from(self.pinned));
        packer.number(u64::from(self.provisional));
        let status = STATUSES.iter().position(|status| *status == self.status);
        packer.count(status.unwrap_or_default());
        packer.number(u64::from(self.version));
    }

    /// Of a catalog with so many names.
    fn unpack(unpacker: &mut Unpacker<'_>, names: usize) -> io::Result<Self> {
        let id = MemoryId::from_bytes(unpacker.array()?);
        let digest = u64::from_le_bytes(unpacker.array()?);
        let created = Timestamp(unpacker.signed()?);
        let updated = Timestamp(unpacker.signed()?.wrapping_add(created.0));
        let (event, expires) = (unpack_moment(unpacker)?, unpack_moment(unpacker)?);
        let kind = unpack_word(unpacker, names)?.ok_or_else(misread)?;
        let project = unpack_word(unpacker, names)?;
        let writer = unpack_word(unpacker, names)?;
        let named = NamedWords::each(|| unpack_word(unpacker, names))?;
        let count = unpacker.count(1)?;
        let mut tags = Unpacker::list(count);
        for _ in 0..count {
            tags.push(unpack_word(unpacker, names)?.ok_or_else(misread)?);
        }
        let priority = Priority::new(unpacker.tiny()?).ok_or_else(misread)?;
        let (pinned, provisional) = (unpacker.number()? != 0, unpacker.number()? != 0);
        let status = STATUSES.get(usize::from(unpacker.tiny()?)).copied().ok_or_else(misread)?;
        let version = unpacker.small()?;
        let tags = tags.into_boxed_slice();
        Ok(Self {
            id,
            created,
            updated,
            event,
            expires,
            kind,
            project,
            writer,
            named,
            tags,
            priority,
            pinned,
            provisional,
            status,
            version,
            digest,
        })
    }
}

fn unpack_moment(unpacker: &mut Unpacker<'_>) -> io::Result<Option<Timestamp>> {
    let is_there = unpacker.number()? != 0;
    let moment = Timestamp(unpacker.signed()?);
    Ok(is_there.then_some(moment))
}

fn unpack_word(unpacker: &mut Unpacker<'_>, names: usize) -> io::Result<Option<Word>> {
    let word = unpacker.optional()?;
    if word.is_some_and(|word| word as usize >= names) {
        return Err(misread());
    }
    Ok(word.map(Word))
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

    /// Gives a name the next number.
    fn add(&mut self, name: &str) {
        let word = Word(u32::try_from(self.names.len()).unwrap_or(UNKNOWN.0));
        self.names.push(name.into());
        self.numbers.insert(folded(name).into(), word);
        self.numbers.insert(name.into(), word);
    }

    /// Numbers anew those that some entries bear.
    fn used_by<'a>(&self, entries: impl Iterator<Item = &'a Entry>) -> BTreeMap<Word, u32> {
        let mut is_used = vec![false; self.names.len()];
        for word in entries.flat_map(Entry::words) {
            if let Some(is_used) = is_used.get_mut(word.0 as usize) {
                *is_used = true;
            }
        }
        let used = (0..).map(Word).zip(is_used).filter(|(_, is_used)| *is_used);
        used.zip(0..).map(|((word, _), number)| (word, number)).collect()
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
        writer: memory.source.writer().map(|name| word(&as_writer(name))),
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

fn as_writer(name: &str) -> String {
    format!("{WRITER}{name}")
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
