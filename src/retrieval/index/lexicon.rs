//! The terms of a session, each with its postings.

use std::hash::BuildHasher;
use std::io;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::near::Shape;
use super::postings::{Posting, Postings};
use crate::retrieval::{Packer, Unpacker};

/// Stands for a term. Numbers of terms that are gone are given out again.
pub(super) type TermId = u32;

/// A term takes at least so many bytes where it is written down: its length, a letter, and a block of postings.
const LEAST_BYTES: u64 = 6;

/// Terms and where they occur. A term that occurs nowhere is not kept.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    /// By the hash of the name. A waking session looks up every word of every memory, so the hash
    /// is a quick one; it has a seed of its own in each lexicon.
    ids: HashTable<TermId>,
    hasher: DefaultHashBuilder,
    names: Vec<Box<str>>,
    shapes: Vec<Shape>,
    lists: Vec<Postings>,
    free: Vec<TermId>,
}

impl Lexicon {
    pub(super) fn find(&self, term: &str) -> Option<&Postings> {
        self.lists.get(self.id(term)? as usize)
    }

    /// The terms whose shape passes, with their postings, in no order that lasts.
    pub(super) fn filter(&self, passes: impl Fn(Shape) -> bool) -> Vec<(&str, &Postings)> {
        let shapes = (0_usize..).zip(&self.shapes).filter(|(_, shape)| passes(**shape));
        shapes
            .filter_map(|(at, _)| Some((self.names.get(at)?.as_ref(), self.lists.get(at)?)))
            .filter(|(_, list)| list.count() > 0)
            .collect()
    }

    pub(super) fn intern(&mut self, term: &str) -> TermId {
        if let Some(id) = self.id(term) {
            return id;
        }
        let Self { ids, hasher, names, .. } = self;
        let id = self.free.pop().unwrap_or_else(|| {
            names.push(Box::default());
            self.shapes.push(Shape::default());
            self.lists.push(Postings::default());
            u32::try_from(self.lists.len() - 1).unwrap_or(u32::MAX)
        });
        let at = id as usize;
        if let Some((slot, shape)) = names.get_mut(at).zip(self.shapes.get_mut(at)) {
            *shape = Shape::of(term);
            *slot = term.into();
        }
        ids.insert_unique(hasher.hash_one(term), id, |&id| hasher.hash_one(name(names, id)));
        id
    }

    pub(super) fn insert(&mut self, id: TermId, posting: Posting) {
        if let Some(list) = self.lists.get_mut(id as usize) {
            list.insert(posting);
        }
    }

    /// Takes a document out of a term's list, and the term out when that was its last.
    pub(super) fn remove(&mut self, term: &str, doc: u32) {
        let hash = self.hasher.hash_one(term);
        let Self { ids, names, lists, free, .. } = self;
        let Ok(entry) = ids.find_entry(hash, |&id| name(names, id) == term) else { return };
        let id = *entry.get();
        let Some(list) = lists.get_mut(id as usize) else { return };
        list.remove(doc);
        if list.count() == 0 {
            *list = Postings::default();
            entry.remove();
            free.push(id);
        }
    }

    /// Writes the terms that occur somewhere. Of others the name may still be here, and is not told.
    pub(super) fn pack(&self, packer: &mut Packer<'_>) {
        let all = self.names.iter().zip(&self.lists);
        let known = all.filter(|(_, list)| list.count() > 0);
        packer.count(known.clone().count());
        for (name, list) in known {
            packer.text(name);
            list.pack(packer);
        }
    }

    /// Of documents whose numbers are below `span`.
    pub(super) fn unpack(unpacker: &mut Unpacker<'_>, span: usize) -> io::Result<Self> {
        let count = unpacker.count(LEAST_BYTES)?;
        let mut names: Vec<Box<str>> = Unpacker::list(count);
        let mut lists: Vec<Postings> = Unpacker::list(count);
        for _ in 0..count {
            names.push(unpacker.text()?);
            lists.push(Postings::unpack(unpacker, span)?);
        }
        let shapes = names.iter().map(|term| Shape::of(term)).collect();
        let hasher = DefaultHashBuilder::default();
        let mut ids = HashTable::with_capacity(names.len());
        for (id, term) in (0..).zip(&names) {
            let hash = |id: &TermId| hasher.hash_one(name(&names, *id));
            ids.insert_unique(hasher.hash_one::<&str>(term), id, hash);
        }
        let mut lexicon = Self { ids, hasher, names, shapes, lists, free: Vec::new() };
        lexicon.names.shrink_to_fit();
        lexicon.lists.shrink_to_fit();
        Ok(lexicon)
    }

    /// Gives back what growing has set aside.
    pub(super) fn shrink(&mut self) {
        self.lists.iter_mut().for_each(Postings::shrink);
        self.lists.shrink_to_fit();
        self.names.shrink_to_fit();
        self.shapes.shrink_to_fit();
        let Self { ids, hasher, names, .. } = self;
        ids.shrink_to_fit(|&id| hasher.hash_one(name(names, id)));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Roughly what the lexicon takes, for the figures.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        // The allocator adds a word and rounds up.
        let name = |name: &str| (name.len() + 8).next_multiple_of(16);
        let names: usize = self.names.iter().map(|text| name(text)).sum();
        let lists: usize = self.lists.iter().map(Postings::heap_bytes).sum();
        let fixed = size_of::<(Box<str>, Shape, Postings)>() * self.lists.capacity();
        names + lists + fixed + self.ids.allocation_size()
    }

    fn id(&self, term: &str) -> Option<TermId> {
        let hash = self.hasher.hash_one(term);
        self.ids.find(hash, |&id| name(&self.names, id) == term).copied()
    }
}

fn name(names: &[Box<str>], id: TermId) -> &str {
    names.get(id as usize).map_or("", AsRef::as_ref)
}
