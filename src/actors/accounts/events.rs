//! Where the events of the audit lie: each by itself at first, and with others in a page once there are many.
//!
//! sled keeps some 100 bytes in memory for each row of this kind, read or not. A page costs that a few times for
//! all that is in it.

use crate::model::AuditEvent;
use crate::store::{AuditKey, AuditPage, Batch, SessionStore, StoreError, merged, rows_of};

/// Events that are changed at once; the rest waits for the next time.
const AT_ONCE: usize = 10_000;
/// So many make a page.
const PAGE: usize = 256;
/// Pages that are made, or removed, at once.
const PAGES_AT_ONCE: usize = 16;
const LAST: AuditKey = AuditKey { at: u64::MAX, number: u64::MAX };

/// Events on their way from the store, in the order of their keys.
pub(super) trait Rows:
    Iterator<Item = Result<(AuditKey, AuditEvent), StoreError>> + Send + 'static
{
}

impl<I: Iterator<Item = Result<(AuditKey, AuditEvent), StoreError>> + Send + 'static> Rows for I {}

/// What is older than it has to be kept.
#[derive(Debug)]
pub(super) struct Old {
    alone: Vec<AuditKey>,
    pages: Vec<AuditKey>,
    /// What stays of a page in which there are older and younger ones.
    cut: Option<(AuditKey, AuditPage)>,
}

/// Events as they are to be.
#[derive(Debug, Default)]
pub(super) struct Changed {
    alone: Vec<(AuditKey, AuditEvent)>,
    pages: Vec<(AuditKey, AuditPage)>,
    count: usize,
}

/// Those of this moment and later.
pub(super) fn kept_events(records: &SessionStore, from: AuditKey) -> impl Rows + use<> {
    let range = from..=LAST;
    let pages = records.scan_range::<AuditPage>(&range);
    let paged = pages.flat_map(|row| rows_of(row.map(|(_, page)| page.0)));
    // The first page may begin before.
    let paged = paged.filter(move |row| row.as_ref().map_or(true, |(key, _)| *key >= from));
    merged(records.scan_range::<AuditEvent>(&range), paged)
}

/// The key of the newest one.
pub(in crate::actors) fn last_event(
    records: &SessionStore,
) -> Result<Option<AuditKey>, StoreError> {
    Ok(records.last_key::<AuditEvent>()?.max(records.last_key::<AuditPage>()?))
}

/// Gives each event a key of its own; those of one millisecond are numbered.
pub(super) fn put_events(batch: &mut Batch, records: &SessionStore, events: &[AuditEvent]) {
    let mut used: Vec<AuditKey> = Vec::new();
    for event in events {
        let at = u64::try_from(event.at.0).unwrap_or_default();
        let mut key = AuditKey { at, number: 0 };
        while used.contains(&key) || is_taken(records, key) {
            key.number += 1;
            if key.number >= u64::from(u32::MAX) {
                return;
            }
        }
        batch.put(&key, event);
        used.push(key);
    }
}

/// One that cannot be read stands there all the same. Where nothing can be read a batch is refused anyway.
fn is_taken(records: &SessionStore, key: AuditKey) -> bool {
    let is_alone = matches!(
        records.get::<AuditEvent>(&key),
        Ok(Some(_)) | Err(StoreError::Damaged { .. } | StoreError::NewerRecord { .. })
    );
    is_alone || {
        let page = records.scan_range::<AuditPage>(&(key..=LAST)).next();
        page.is_some_and(|row| row.is_ok_and(|(_, page)| page.0.iter().any(|(one, _)| *one == key)))
    }
}

/// Full pages of what lies by itself behind the last page, up to a moment. What comes late, as when the clock was
/// ahead for long, stays by itself, since pages do not overlap.
pub(super) fn full_pages(
    records: &SessionStore,
    packed_to: Option<AuditKey>,
    until: u64,
) -> Result<Vec<AuditPage>, StoreError> {
    let packed_to = records.last_key::<AuditPage>()?.max(packed_to);
    let first = packed_to.unwrap_or(AuditKey { at: 0, number: 0 });
    let range = first..=AuditKey { at: until.max(first.at), number: u64::MAX };
    let rows = records.scan_range::<AuditEvent>(&range).take(PAGES_AT_ONCE * PAGE);
    let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    Ok(rows.chunks_exact(PAGE).map(|page| AuditPage(page.to_vec())).collect())
}

/// Puts a page in the place of its events.
pub(super) fn put_page(batch: &mut Batch, page: &AuditPage) {
    page.0.iter().for_each(|(key, _)| batch.remove::<AuditEvent>(key));
    page.0.last().iter().for_each(|(last, _)| batch.put(last, page));
}

impl Old {
    /// What happened at this moment or before. What cannot be read is told of by others.
    pub(super) fn until(records: &SessionStore, end: u64) -> Self {
        let border = AuditKey { at: end, number: u64::MAX };
        let until = AuditKey { at: 0, number: 0 }..=border;
        let alone = records.scan_range::<AuditEvent>(&until).take(AT_ONCE);
        let pages = records.scan_range::<AuditPage>(&until).take(PAGES_AT_ONCE);
        let next = records.scan_range::<AuditPage>(&(border..=LAST)).next();
        let cut = next.and_then(Result::ok).and_then(|(key, AuditPage(mut page))| {
            let all = page.len();
            page.retain(|(key, _)| *key > border);
            (page.len() < all).then_some((key, AuditPage(page)))
        });
        let alone = alone.filter_map(|row| Some(row.ok()?.0)).collect();
        Self { alone, pages: pages.filter_map(|row| Some(row.ok()?.0)).collect(), cut }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.alone.is_empty() && self.pages.is_empty() && self.cut.is_none()
    }

    /// Whether there may be more of it.
    pub(super) fn is_a_part(&self) -> bool {
        self.alone.len() == AT_ONCE || self.pages.len() == PAGES_AT_ONCE
    }

    pub(super) fn remove_in(&self, batch: &mut Batch) {
        self.alone.iter().for_each(|key| batch.remove::<AuditEvent>(key));
        self.pages.iter().for_each(|key| batch.remove::<AuditPage>(key));
        self.cut.iter().for_each(|(key, page)| batch.put(key, page));
    }
}

impl Changed {
    /// Some of those for which there is another one.
    pub(super) fn of(
        records: &SessionStore,
        other: impl Fn(&AuditEvent) -> Option<AuditEvent>,
    ) -> Result<Self, StoreError> {
        let mut changed = Self::default();
        for row in records.scan::<AuditEvent>() {
            let (key, event) = row?;
            if changed.is_a_part() {
                break;
            }
            if let Some(event) = other(&event) {
                changed.alone.push((key, event));
                changed.count += 1;
            }
        }
        for row in records.scan::<AuditPage>() {
            let (key, mut page) = row?;
            if changed.is_a_part() {
                break;
            }
            let before = changed.count;
            for (_, event) in &mut page.0 {
                if let Some(other) = other(event) {
                    *event = other;
                    changed.count += 1;
                }
            }
            if changed.count > before {
                changed.pages.push((key, page));
            }
        }
        Ok(changed)
    }

    /// Whether there may be more of them.
    pub(super) fn is_a_part(&self) -> bool {
        self.count >= AT_ONCE
    }

    pub(super) fn put_in(&self, batch: &mut Batch) {
        self.alone.iter().for_each(|(key, event)| batch.put(key, event));
        self.pages.iter().for_each(|(key, page)| batch.put(key, page));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AuditKind, Timestamp, UserId};
    use crate::store::{Store, StoreOptions};

    fn event(at: i64, user: &str) -> AuditEvent {
        AuditEvent {
            at: Timestamp(at),
            event: AuditKind::MemoriesDeleted,
            user: Some(UserId::parse(user).unwrap()),
            credential: None,
            prefix: None,
            reason: Some(format!("a memory of {user}")),
            address: None,
            client: None,
            count: 1,
        }
    }

    fn write(records: &mut SessionStore, fill: impl FnOnce(&mut Batch, &SessionStore)) {
        let mut batch = Batch::default();
        fill(&mut batch, records);
        records.commit(batch).unwrap().wait().unwrap();
    }

    fn pack(records: &mut SessionStore, until: u64) {
        for page in full_pages(records, None, until).unwrap() {
            write(records, |batch, _| put_page(batch, &page));
        }
    }

    /// How many lie by themselves, and how many pages there are.
    fn rows(records: &SessionStore) -> (usize, usize) {
        (records.scan::<AuditEvent>().count(), records.scan::<AuditPage>().count())
    }

    fn moments(records: &SessionStore, from: AuditKey) -> Vec<u64> {
        kept_events(records, from).map(|row| row.unwrap().0.at).collect()
    }

    const fn from(at: u64) -> AuditKey {
        AuditKey { at, number: 0 }
    }

    /// A store with 600 events of one millisecond each, from 1,000 on, of which the most lie in pages.
    fn with_many(dir: &std::path::Path) -> (Store, SessionStore) {
        let store = Store::open(dir, StoreOptions::default()).unwrap();
        let mut records = store.system().unwrap();
        let events: Vec<_> =
            (0..600).map(|n| event(1_000 + n, if n % 2 == 0 { "ada" } else { "bob" })).collect();
        write(&mut records, |batch, records| put_events(batch, records, &events));
        pack(&mut records, u64::MAX);
        (store, records)
    }

    #[test]
    fn many_events_lie_in_pages_and_are_read_as_if_they_lay_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (_store, mut records) = with_many(dir.path());

        assert_eq!(rows(&records), (600 - 2 * PAGE, 2));
        for first in [0, 1_000, 1_001, 1_255, 1_256, 1_512, 1_599] {
            let wanted: Vec<u64> = (first.max(1_000)..1_600).collect();
            assert_eq!(moments(&records, from(first)), wanted, "{first}");
        }
        assert!(moments(&records, from(1_600)).is_empty());
        assert_eq!(last_event(&records).unwrap(), Some(from(1_599)));
        // What comes late lies by itself, and is read in its place.
        write(&mut records, |batch, records| put_events(batch, records, &[event(1_100, "eve")]));
        pack(&mut records, u64::MAX);
        assert_eq!(rows(&records), (89, 2));
        let late = AuditKey { at: 1_100, number: 1 };
        let found: Vec<_> = kept_events(&records, from(1_100)).map(Result::unwrap).collect();
        assert_eq!((found[0].0, found[1].0, found[2].0), (from(1_100), late, from(1_101)));
        assert_eq!(found[1].1, event(1_100, "eve"));
    }

    #[test]
    fn nothing_that_a_clock_dates_ahead_is_packed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let mut records = store.system().unwrap();
        let events: Vec<_> = (0..300).map(|n| event(1_000 + n, "ada")).collect();
        write(&mut records, |batch, records| put_events(batch, records, &events));

        pack(&mut records, 1_254);
        assert_eq!(rows(&records), (300, 0));
        pack(&mut records, 1_255);
        assert_eq!(rows(&records), (44, 1));
    }

    #[test]
    fn what_is_too_old_goes_to_the_millisecond_wherever_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let (_store, mut records) = with_many(dir.path());

        for (end, left) in [(1_000, (88, 2)), (1_254, (88, 2)), (1_255, (88, 1)), (1_589, (10, 0))]
        {
            let old = Old::until(&records, end);
            assert!(!old.is_empty() && !old.is_a_part());
            write(&mut records, |batch, _| old.remove_in(batch));

            assert_eq!(moments(&records, from(0)), Vec::from_iter(end + 1..1_600));
            assert_eq!(rows(&records), left, "{end}");
            assert!(Old::until(&records, end).is_empty());
        }
    }

    #[test]
    fn a_name_is_taken_out_of_pages_too() {
        let dir = tempfile::tempdir().unwrap();
        let (_store, mut records) = with_many(dir.path());
        let ada = UserId::parse("ada").unwrap();
        let nobody = |event: &AuditEvent| {
            let is_hers = event.user.as_ref() == Some(&ada);
            is_hers.then(|| AuditEvent { user: None, reason: None, ..event.clone() })
        };

        let changed = Changed::of(&records, nobody).unwrap();
        assert_eq!((changed.count, changed.is_a_part()), (300, false));
        write(&mut records, |batch, _| changed.put_in(batch));

        assert_eq!(Changed::of(&records, nobody).unwrap().count, 0);
        let found: Vec<_> = kept_events(&records, from(0)).map(|row| row.unwrap().1).collect();
        assert_eq!(found.len(), 600);
        assert_eq!(found.iter().filter(|event| event.user.is_none()).count(), 300);
        assert_eq!(found[1], event(1_001, "bob"));
    }
}
