use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

/// Whatever names come, a table of them stays readable and small.
const MAX_NAMES: usize = 512;

/// Where everything beyond is counted.
const OTHER: &str = "other";

/// Counts by name.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: RwLock<BTreeMap<String, AtomicU64>>,
}

impl Tally {
    pub(super) fn add(&self, name: &str) {
        let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get(name) {
            count.fetch_add(1, Ordering::Relaxed);
            return;
        }
        drop(counts);
        self.add_new(name);
    }

    pub(super) fn of(&self, name: &str) -> u64 {
        let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
        counts.get(name).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
        let loaded =
            counts.iter().map(|(name, count)| (name.clone(), count.load(Ordering::Relaxed)));
        loaded.collect()
    }

    fn add_new(&self, name: &str) {
        let mut counts = self.counts.write().unwrap_or_else(PoisonError::into_inner);
        let is_known = counts.contains_key(name) || counts.len() < MAX_NAMES;
        let name = if is_known { name } else { OTHER };
        counts.entry(name.to_owned()).or_default().fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded() {
        let tally = Tally::default();

        (0..MAX_NAMES + 10).for_each(|n| tally.add(&format!("name {n}")));

        assert_eq!(tally.of(OTHER), 10);
        assert_eq!(tally.counts().len(), MAX_NAMES + 1);
        assert_eq!(tally.counts().values().sum::<u64>(), 522);
    }
}
