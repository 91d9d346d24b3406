//! Who speaks in a session, and whether a question names one of them.

use std::collections::HashMap;
use std::io;

use crate::retrieval::text::Analyzer;
use crate::retrieval::{Packer, Unpacker};

/// Once may be a heading that looks like a name; who speaks again is a speaker.
const FEWEST_TURNS: u32 = 2;

/// A speaker of a session, numbered as they were met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpeakerId(u32);

impl SpeakerId {
    /// Where nobody is known to speak.
    pub(super) const NOBODY: Self = Self(u32::MAX);

    fn place(self) -> usize {
        self.0 as usize
    }

    pub(super) fn pack(self, packer: &mut Packer<'_>) {
        packer.optional(Some(self.0).filter(|_| self != Self::NOBODY));
    }

    pub(super) fn unpack(unpacker: &mut Unpacker<'_>) -> io::Result<Self> {
        Ok(unpacker.optional()?.map_or(Self::NOBODY, Self))
    }
}

/// The speakers of a session by the terms of their names.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    /// By the name as it is written, so that it is taken apart once.
    spellings: HashMap<Box<str>, SpeakerId>,
    ids: HashMap<Box<str>, SpeakerId>,
    by_term: HashMap<Box<str>, Vec<SpeakerId>>,
    /// How many turns each has.
    turns: Vec<u32>,
}

impl Speakers {
    /// Counts one more turn of a speaker and gives the speaker's number.
    pub(super) fn insert(&mut self, analyzer: &mut Analyzer, name: &str) -> SpeakerId {
        let id = match self.spellings.get(name) {
            Some(&id) => id,
            None => self.meet(analyzer, name),
        };
        if let Some(turns) = self.turns.get_mut(id.place()) {
            *turns += 1;
        }
        id
    }

    pub(super) fn remove(&mut self, id: SpeakerId) {
        if let Some(turns) = self.turns.get_mut(id.place()) {
            *turns = turns.saturating_sub(1);
        }
    }

    /// Whether somebody speaks more than once.
    #[inline]
    pub(super) fn speaks_again(&self, id: SpeakerId) -> bool {
        self.turns.get(id.place()).is_some_and(|&turns| turns >= FEWEST_TURNS)
    }

    /// Whether a term is part of a speaker's name.
    pub(super) fn has(&self, term: &str) -> bool {
        self.with(term).next().is_some()
    }

    /// The one speaker whom a question names; none if it names nobody or several.
    pub(super) fn named<'a>(&self, terms: impl Iterator<Item = &'a str>) -> Option<SpeakerId> {
        let mut named = terms.flat_map(|term| self.with(term));
        let first = named.next()?;
        named.all(|other| other == first).then_some(first)
    }

    /// Of who has no turn any more the name is not told.
    pub(super) fn pack(&self, packer: &mut Packer<'_>) {
        let mut names = vec![""; self.turns.len()];
        for (name, id) in &self.ids {
            if let Some(slot) = names.get_mut(id.place()) {
                *slot = &**name;
            }
        }
        packer.count(self.turns.len());
        for (name, &turns) in names.into_iter().zip(&self.turns) {
            packer.number(u64::from(turns));
            if turns > 0 {
                packer.text(name);
            }
        }
    }

    pub(super) fn unpack(unpacker: &mut Unpacker<'_>) -> io::Result<Self> {
        let mut speakers = Self::default();
        for _ in 0..unpacker.count(1)? {
            let turns = unpacker.small()?;
            if turns > 0 {
                speakers.know(unpacker.text()?);
            }
            speakers.turns.push(turns);
        }
        Ok(speakers)
    }

    /// Gives the next number to a speaker of whom only the terms of the name are known. However it is written, it
    /// is taken apart anew when it is met.
    fn know(&mut self, key: Box<str>) {
        let number = u32::try_from(self.turns.len());
        let id = number.map_or(SpeakerId::NOBODY, SpeakerId);
        for term in key.split(' ').filter(|term| !term.is_empty()) {
            self.by_term.entry(term.into()).or_default().push(id);
        }
        self.ids.insert(key, id);
    }

    fn with(&self, term: &str) -> impl Iterator<Item = SpeakerId> {
        let ids = self.by_term.get(term).into_iter().flatten().copied();
        ids.filter(|&id| self.speaks_again(id))
    }

    fn meet(&mut self, analyzer: &mut Analyzer, name: &str) -> SpeakerId {
        let mut terms = Vec::new();
        analyzer.each(name, &mut |term| terms.push(term.text.to_owned()));
        let key = terms.join(" ");
        let id = self.ids.get(key.as_str()).copied().unwrap_or_else(|| {
            let number = u32::try_from(self.turns.len());
            let id = number.map_or(SpeakerId::NOBODY, SpeakerId);
            self.turns.push(0);
            for term in terms {
                self.by_term.entry(term.into()).or_default().push(id);
            }
            self.ids.insert(key.into(), id);
            id
        });
        self.spellings.insert(name.into(), id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speakers(names: &[&str]) -> Speakers {
        let mut speakers = Speakers::default();
        for name in names {
            speakers.insert(&mut Analyzer::new(), name);
        }
        speakers
    }

    #[test]
    fn a_speaker_is_named_by_any_part_of_the_name() {
        let speakers = speakers(&["Fahim Khan", "Emi", "FAHIM KHAN", "Emi", "Once"]);

        assert_eq!(speakers.named(["fahim", "cook"].into_iter()), Some(SpeakerId(0)));
        assert_eq!(speakers.named(["khan", "fahim"].into_iter()), Some(SpeakerId(0)));
        assert_eq!(speakers.named(["fahim", "emi"].into_iter()), None, "two");
        assert_eq!(speakers.named(["once"].into_iter()), None, "no speaker yet");
    }

    #[test]
    fn who_speaks_no_more_is_forgotten() {
        let mut speakers = speakers(&["Emi", "Emi"]);
        speakers.remove(SpeakerId(0));

        assert!(!speakers.has("emi"));
    }
}
