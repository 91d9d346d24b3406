//! Numbers of memories, for people and programs that are used to them: each user's own, from 1 on, given
//! when somebody first sees a memory by its number, and never given twice.

use std::collections::BTreeMap;

use super::{Engine, EngineError};
use crate::model::{MemoryId, Number};

#[derive(Debug, Default)]
pub(super) struct Numbers {
    by_id: BTreeMap<MemoryId, u64>,
    by_number: BTreeMap<u64, MemoryId>,
    last: u64,
}

/// Under this key lies the last number that was given, so that none comes twice.
pub(super) const LAST: MemoryId = MemoryId::LAST;

impl Numbers {
    fn put(&mut self, id: MemoryId, number: u64) {
        self.last = self.last.max(number);
        if id != LAST {
            self.by_id.insert(id, number);
            self.by_number.insert(number, id);
        }
    }

    pub(super) fn leave(&mut self, id: MemoryId) {
        if let Some(number) = self.by_id.remove(&id) {
            self.by_number.remove(&number);
        }
    }
}

impl Engine {
    /// The numbers of some memories. Those that have none are given one.
    pub(super) fn numbers_of(&mut self, ids: &[MemoryId]) -> Result<Vec<u64>, EngineError> {
        let numbers = self.numbers()?;
        let mut last = numbers.last;
        let mut given: BTreeMap<MemoryId, u64> = BTreeMap::new();
        let mut told = Vec::new();
        for id in ids {
            let known = numbers.by_id.get(id).or_else(|| given.get(id)).copied();
            told.push(known.unwrap_or_else(|| {
                last += 1;
                given.insert(*id, last);
                last
            }));
        }
        if given.is_empty() {
            return Ok(told);
        }
        let mut write = self.begin()?;
        for (id, number) in given.iter().map(|(id, number)| (*id, *number)).chain([(LAST, last)]) {
            write.put_number(&id, &Number(number));
        }
        self.commit(write)?;
        let numbers = self.mind.numbers.get_or_insert_default();
        given.into_iter().for_each(|(id, number)| numbers.put(id, number));
        Ok(told)
    }

    /// The memory of a number.
    pub(super) fn of_number(&mut self, number: u64) -> Result<Option<MemoryId>, EngineError> {
        Ok(self.numbers()?.by_number.get(&number).copied())
    }

    fn numbers(&mut self) -> Result<&Numbers, EngineError> {
        if self.mind.numbers.is_none() {
            let mut numbers = Numbers::default();
            for row in self.store.scan::<Number>() {
                let (id, Number(number)) = row?;
                numbers.put(id, number);
            }
            self.mind.numbers = Some(numbers);
        }
        Ok(self.mind.numbers.get_or_insert_default())
    }
}
