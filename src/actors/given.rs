use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many tokens of memories each client was given since the start. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct GivenCounts(Arc<Mutex<BTreeMap<String, u64>>>);

/// Whatever clients call themselves, the table stays small; all others are counted together.
const MOST_CLIENTS: usize = 256;
const OTHERS: &str = "other";
/// One that does not say its name.
const UNNAMED: &str = "unnamed";

impl GivenCounts {
    pub(super) fn add(&self, client: Option<&str>, tokens: usize) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let client = client.unwrap_or(UNNAMED);
        let is_known = counts.contains_key(client) || counts.len() < MOST_CLIENTS;
        let client = if is_known { client } else { OTHERS };
        let tokens = u64::try_from(tokens).unwrap_or(u64::MAX);
        match counts.get_mut(client) {
            Some(count) => *count = count.saturating_add(tokens),
            None => drop(counts.insert(client.to_owned(), tokens)),
        }
    }

    pub(super) fn all(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded() {
        let counts = GivenCounts::default();

        (0..MOST_CLIENTS + 10).for_each(|n| counts.add(Some(&format!("client {n}")), 2));
        counts.add(None, 1);

        let all = counts.all();
        assert_eq!(all.len(), MOST_CLIENTS + 1);
        assert_eq!(all[OTHERS], 21);
    }
}
