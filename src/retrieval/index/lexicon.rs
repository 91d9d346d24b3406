//! The terms of a session, each with its postings.

use std::collections::HashMap;
use std::sync::Arc;

use super::near::Shape;
use super::postings::{Posting, Postings};

/// Stands for a term. Numbers of terms that are gone are given out again.
pub(super) type TermId = u32;

/// Terms and where they occur. A term that occurs nowhere is not kept.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    ids: HashMap<Arc<str>, TermId>,
    names: Vec<Arc<str>>,
    shapes: Vec<Shape>,
    lists: Vec<Postings>,
    free: Vec<TermId>,
}

impl Lexicon {
    pub(super) fn find(&self, term: &str) -> Option<&Postings> {
        self.lists.get(*self.ids.get(term)? as usize)
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
        if let Some(&id) = self.ids.get(term) {
            return id;
        }
        let name: Arc<str> = term.into();
        let id = self.free.pop().unwrap_or_else(|| {
            self.names.push(name.clone());
            self.shapes.push(Shape::default());
            self.lists.push(Postings::default());
            u32::try_from(self.lists.len() - 1).unwrap_or(u32::MAX)
        });
        let at = id as usize;
        if let Some((slot, shape)) = self.names.get_mut(at).zip(self.shapes.get_mut(at)) {
            *shape = Shape::of(term);
            *slot = name.clone();
        }
        self.ids.insert(name, id);
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
        self.names.shrink_to_fit();
        self.shapes.shrink_to_fit();
        self.ids.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Roughly what the lexicon takes, for the figures.
    pub(super) fn bytes(&self) -> usize {
        // An `Arc` holds two counts before its text, and the allocator rounds up.
        let name = |term: &Arc<str>| (term.len() + 16 + 8).next_multiple_of(16);
        let names: usize = self.ids.keys().map(name).sum();
        let lists: usize = self.lists.iter().map(Postings::heap_bytes).sum();
        let fixed = size_of::<(Arc<str>, Shape, Postings)>() * self.lists.capacity();
        names + lists + fixed + self.ids.capacity() * (size_of::<(Arc<str>, TermId)>() + 1)
    }
}
