use proptest::prelude::*;

use super::*;
use crate::model::{RecallPage, Status, StepPage};
use crate::store::shared::MAX_SESSIONS;
use crate::store::{CodecError, PastVersion, Record};

#[test]
fn a_session_reads_its_own_writes_before_they_are_durable() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();

    let mut batch = Batch::new();
    batch.put(&id(2), &memory(2, "two"));
    batch.put(&id(1), &memory(1, "one"));
    batch.put(&id(1), &access(5));
    let receipt = session.commit(batch).unwrap();

    assert_eq!(session.get::<Memory>(&id(2)).unwrap().unwrap().content, "two");
    assert_eq!(session.get::<Access>(&id(1)).unwrap(), Some(access(5)));
    let ids: Vec<_> = session.scan::<Memory>().map(|entry| entry.unwrap().0).collect();
    assert_eq!(ids, [id(1), id(2)]);
    receipt.wait().unwrap();
    assert_eq!(contents(&store, "ada").len(), 2);
}

#[test]
fn what_is_said_to_be_durable_is_found_by_whoever_looks() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for number in 0..50 {
        let name = user(&format!("user{number}"));
        let mut session = store.session(&name).unwrap();
        let mut batch = Batch::new();
        batch.put(&id(number), &memory(number, "of this user"));
        let receipt = session.commit(batch).unwrap();

        while receipt.outcome().is_none() {
            std::thread::yield_now();
        }

        assert!(store.users().contains(&name));
        assert_eq!(store.owner_of(id(number)).unwrap(), Some(name.clone()));
        assert!(store.is_of_another(id(number), &user("eve")).unwrap());
        drop(session);
        let opened = store.session(&name).unwrap();
        assert!(opened.get::<Memory>(&id(number)).unwrap().is_some());
    }
}

#[test]
fn a_user_never_sees_what_another_stored() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&mut store.session(&user("ada")).unwrap(), 1, "of ada").unwrap();
    put(&mut store.session(&user("bob")).unwrap(), 1, "of bob").unwrap();
    store.close();

    let store = open(dir.path());

    assert_eq!(store.users(), [user("ada"), user("bob")]);
    assert_eq!(contents(&store, "ada"), Contents::from([(id(1), "of ada".to_owned())]));
    assert_eq!(contents(&store, "bob"), Contents::from([(id(1), "of bob".to_owned())]));
    assert_eq!(contents(&store, "eve"), Contents::new());
    assert_eq!(store.usage().sessions, 2);
}

#[test]
fn whoever_was_there_last_is_known_by_the_newest_of_what_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(store.last_user().unwrap(), None);

    put(&mut store.session(&user("ada")).unwrap(), 5, "of ada").unwrap();
    put(&mut store.session(&user("bob")).unwrap(), 7, "of bob").unwrap();
    put(&mut store.session(&user("eve")).unwrap(), 6, "of eve").unwrap();
    assert_eq!(store.last_user().unwrap(), Some(user("bob")));

    let mut batch = Batch::new();
    batch.put(&id(9), &RecallPage(Vec::new()));
    store.session(&user("ada")).unwrap().commit(batch).unwrap().wait().unwrap();
    assert_eq!(store.last_user().unwrap(), Some(user("ada")));

    let mut batch = Batch::new();
    batch.put(&(id(11), 0), &StepPage(Vec::new()));
    store.session(&user("eve")).unwrap().commit(batch).unwrap().wait().unwrap();
    assert_eq!(store.last_user().unwrap(), Some(user("eve")));
}

#[test]
fn reading_makes_no_session() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());

    let session = store.session(&user("ada")).unwrap();

    assert_eq!(session.get::<Memory>(&id(1)).unwrap(), None);
    assert_eq!(session.scan::<Memory>().count(), 0);
    assert!(store.users().is_empty());
}

#[test]
fn a_range_includes_both_of_its_ends() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    let mut batch = Batch::new();
    for version in 1..=5 {
        batch.put(&(id(7), version), &PastVersion(Memory { version, ..memory(7, "old") }));
        batch.put(&(id(8), version), &PastVersion(Memory { version, ..memory(8, "other") }));
    }
    session.commit(batch).unwrap().wait().unwrap();

    let found: Vec<u32> = session
        .scan_range::<PastVersion>(&((id(7), 2)..=(id(7), 4)))
        .map(|entry| entry.unwrap().1.0.version)
        .collect();

    assert_eq!(found, [2, 3, 4]);
}

#[test]
fn long_values_survive_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    for (number, length) in [4_000, 4_090, 4_096, 8_192, 100_000].into_iter().enumerate() {
        put(&mut session, number as u128, &"long ".repeat(length / 5)).unwrap();
        put(&mut session, number as u128, &"more ".repeat(length / 5)).unwrap();
    }
    put(&mut session, 4, "short").unwrap();
    let before = contents(&store, "ada");
    drop(session);
    store.close();

    let store = open(dir.path());

    assert_eq!(contents(&store, "ada"), before);
    assert_eq!(before[&id(3)], "more ".repeat(8_192 / 5));
    assert_eq!(before[&id(4)], "short");
}

#[test]
fn the_thousand_and_first_user_is_refused_clearly() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let receipts: Vec<_> = (0..MAX_SESSIONS)
        .map(|number| {
            let mut session = store.session(&user(&format!("user{number}"))).unwrap();
            let mut batch = Batch::new();
            batch.put(&id(1), &access(1));
            session.commit(batch).unwrap()
        })
        .collect();
    receipts.into_iter().for_each(|receipt| receipt.wait().unwrap());

    let refusal = put(&mut store.session(&user("late")).unwrap(), 1, "x").unwrap_err();

    assert!(matches!(refusal, StoreError::TooManySessions { .. }), "{refusal}");
    put(&mut store.session(&user("user7")).unwrap(), 2, "still welcome").unwrap();
}

/// A record of another room, with a value no codec takes.
struct Huge;

impl Record for Huge {
    type Key = u64;
    type Body = Vec<u8>;
    const PREFIX: u8 = 77;
    const VERSION: u8 = 1;
    const KIND: &'static str = "huge";

    fn to_body(&self) -> Vec<u8> {
        vec![0; 17 << 20]
    }

    fn from_body(_key: &u64, _body: Vec<u8>) -> Result<Self, CodecError> {
        Ok(Self)
    }
}

#[test]
fn a_record_that_cannot_be_encoded_fails_its_whole_batch() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    let mut batch = Batch::new();
    batch.put(&id(1), &memory(1, "innocent"));
    batch.put(&1, &Huge);

    assert!(session.commit(batch).is_err());

    assert_eq!(session.get::<Memory>(&id(1)).unwrap(), None);
    put(&mut session, 1, "again").unwrap();
}

#[test]
fn the_system_has_records_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut batch = Batch::new();
    batch.put(&id(3), &access(3));
    store.system().unwrap().commit(batch).unwrap().wait().unwrap();
    store.close();

    let store = open(dir.path());

    assert_eq!(store.system().unwrap().get::<Access>(&id(3)).unwrap(), Some(access(3)));
    assert!(store.users().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_walk_shows_what_a_map_would_show(
        steps in prop::collection::vec(
            (0..12_u128, prop::option::of("[a-z]{0,8}"), any::<bool>()),
            1..60,
        ),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let mut session = store.session(&user("ada")).unwrap();
        let mut expected = Contents::new();

        for (number, content, is_awaited) in steps {
            let mut batch = Batch::new();
            match &content {
                Some(content) => batch.put(&id(number), &memory(number, content)),
                None => batch.remove::<Memory>(&id(number)),
            }
            match content {
                Some(content) => expected.insert(id(number), content),
                None => expected.remove(&id(number)),
            };
            let receipt = session.commit(batch).unwrap();
            if is_awaited {
                receipt.wait().unwrap();
            }
            let found: Contents =
                session.scan::<Memory>().map(|e| e.map(|(id, m)| (id, m.content)).unwrap()).collect();
            prop_assert_eq!(&found, &expected);
        }

        for status in [Status::Active, Status::Deleted] {
            let changed = Memory { status, ..memory(99, "last") };
            let mut batch = Batch::new();
            batch.put(&id(99), &changed);
            session.commit(batch).unwrap();
            prop_assert_eq!(session.get::<Memory>(&id(99)).unwrap(), Some(changed));
        }
    }
}

#[test]
fn who_has_nothing_left_gives_the_place_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    put(&mut session, 1, "one").unwrap();
    session.give_up_place().unwrap();
    assert_eq!(store.users(), [user("ada")]);
    let mut batch = Batch::new();
    batch.remove::<Memory>(&id(1));
    session.commit(batch).unwrap().wait().unwrap();

    session.give_up_place().unwrap();
    drop(session);

    let mut again = store.session(&user("ada")).unwrap();
    assert!(store.users().is_empty());
    put(&mut again, 2, "two").unwrap();
    assert_eq!(contents(&store, "ada").len(), 1);
    drop(again);
    store.close();
    assert_eq!(contents(&open(dir.path()), "ada").len(), 1);
}
