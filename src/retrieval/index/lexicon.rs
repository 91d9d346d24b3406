//! The terms of a session, each with its postings.

use std::collections::HashMap;

use super::postings::{Posting, Postings};

/// Stands for a term. Numbers of terms that are gone are given out again.
pub(super) type TermId = u32;

/// Terms and where they occur. A term that occurs nowhere is not kept.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    ids: HashMap<Box<str>, TermId>,
    lists: Vec<Postings>,
    free: Vec<TermId>,
}

impl Lexicon {
    pub(super) fn find(&self, term: &str) -> Option<&Postings> {
        self.lists.get(*self.ids.get(term)? as usize)
    }

    pub(super) fn intern(&mut self, term: &str) -> TermId {
        if let Some(&id) = self.ids.get(term) {
            return id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.lists.push(Postings::default());
            u32::try_from(self.lists.len() - 1).unwrap_or(u32::MAX)
        });
        self.ids.insert(term.into(), id);
        id
    }

    pub(super) fn insert(&mut self, id: TermId, posting: Posting) {
        if let Some(list) = self.lists.get_mut(id as usize) {
            list.insert(posting);
        }
    }

    /// Takes a document out of a term's list, and the term out when that was its last.
    pub(super) fn remove(&mut self, term: &str, doc: u32) {
        let Some(&id) = self.ids.get(term) else { return };
        let Some(list) = self.lists.get_mut(id as usize) else { return };
        list.remove(doc);
        if list.count() == 0 {
            *list = Postings::default();
            self.ids.remove(term);
            self.free.push(id);
        }
    }

    /// Gives back what growing has set aside.
    pub(super) fn shrink(&mut self) {
        self.lists.iter_mut().for_each(Postings::shrink);
        self.lists.shrink_to_fit();
        self.ids.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Roughly what the lexicon takes, for the figures.
    pub(super) fn bytes(&self) -> usize {
        let entry = size_of::<(Box<str>, TermId)>() + 1;
        let names: usize = self.ids.keys().map(|term| term.len().next_multiple_of(16) + 8).sum();
        let lists: usize = self.lists.iter().map(|list| list.heap_bytes() + 16).sum();
        names + lists + self.ids.capacity() * entry + self.lists.capacity() * size_of::<Postings>()
    }
}
