use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Barrier};
use std::thread;

use proptest::prelude::*;

use super::*;

#[test]
fn every_acknowledged_write_survives_a_kill_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    let mut expected = Contents::new();

    for round in 0..15_u128 {
        for number in round * 7..round * 7 + 10 {
            let content = format!("{round} wrote {number}");
            put(&mut session, number, &content).unwrap();
            expected.insert(id(number), content);
        }
        let killed = copy(dir.path());
        let _ = fs::remove_file(killed.path().join("lock"));
        assert_eq!(contents(&open(killed.path()), "ada"), expected, "round {round}");
    }
}

#[test]
fn a_copy_taken_while_others_write_holds_all_that_was_acknowledged_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let acknowledged = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let writer = {
        let (store, stop, acknowledged) =
            (store.clone(), Arc::clone(&stop), Arc::clone(&acknowledged));
        thread::spawn(move || {
            let mut session = store.session(&user("ada")).unwrap();
            let mut number = 0_u64;
            while !stop.load(SeqCst) {
                put(&mut session, number.into(), &format!("memory {number}")).unwrap();
                number += 1;
                acknowledged.store(number, SeqCst);
            }
        })
    };

    for _ in 0..10 {
        let before = acknowledged.load(SeqCst);
        // sled is copied while it changes, so this is worse than a kill: it may well be torn.
        let killed = copy(dir.path());
        let found = contents(&open(killed.path()), "ada");
        for number in 0..u128::from(before) {
            assert_eq!(found.get(&id(number)), Some(&format!("memory {number}")));
        }
    }
    stop.store(true, SeqCst);
    writer.join().unwrap();
}

#[test]
fn a_tail_cut_at_any_byte_costs_only_the_frames_it_cuts() {
    let dir = tempfile::tempdir().unwrap();
    let mut ends = vec![0];
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    for number in 0..6 {
        put(&mut session, number, "text").unwrap();
        ends.push(store.usage().journal_bytes);
    }
    // The state of a crash before the first checkpoint: sled knows nothing yet.
    let killed = tempfile::tempdir().unwrap();
    fs::create_dir(killed.path().join("journal")).unwrap();
    copy_into(&dir.path().join("journal"), &killed.path().join("journal"));
    let size = *ends.last().unwrap();

    for cut in ends[5] - 3..=size {
        let torn = copy(killed.path());
        let path = journal_files(torn.path(), "0").remove(0);
        fs::File::options().write(true).open(&path).unwrap().set_len(cut).unwrap();
        let whole = ends.iter().skip(1).filter(|end| **end <= cut).count();

        let store = open(torn.path());
        assert_eq!(contents(&store, "ada").len(), whole, "cut at {cut} of {size}");
        put(&mut store.session(&user("ada")).unwrap(), 100, "after").unwrap();
        store.close();
        if cut % 8 == 0 {
            assert_eq!(contents(&open(torn.path()), "ada").len(), whole + 1);
        }
    }
}

#[test]
fn many_writers_share_one_sync() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let barrier = Arc::new(Barrier::new(64));
    let threads: Vec<_> = (0..64_u128)
        .map(|writer| {
            let (store, barrier) = (store.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                let mut session = store.session(&user(&format!("user{writer}"))).unwrap();
                barrier.wait();
                for number in 0..25 {
                    put(&mut session, number, "shared").unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());

    let syncs = store.syncs();

    assert!(syncs * 4 < 64 * 25, "{syncs} syncs for {} commits", 64 * 25);
    assert_eq!(store.users().len(), 64);
}

#[test]
fn a_replay_of_long_values_leaves_older_ones_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut expected = Contents::new();
    let mut session = store.session(&user("ada")).unwrap();
    for number in 0..4 {
        put(&mut session, number, &"old ".repeat(3_000)).unwrap();
        expected.insert(id(number), "old ".repeat(3_000));
    }
    drop(session);
    store.close();
    let store = open(dir.path());
    put(&mut store.session(&user("ada")).unwrap(), 9, &"new ".repeat(3_000)).unwrap();
    expected.insert(id(9), "new ".repeat(3_000));

    let killed = copy(dir.path());

    assert_eq!(contents(&open(killed.path()), "ada"), expected);
    assert!(!has_aside(killed.path(), "sled"));
}

#[test]
fn a_disk_that_is_nearly_full_takes_no_writes_and_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&mut store.session(&user("ada")).unwrap(), 1, "before").unwrap();
    store.close();
    let journal =
        journal::JournalOptions { free_bytes: u64::MAX / 2, ..journal::JournalOptions::default() };
    let store =
        Store::open(dir.path(), StoreOptions { journal, ..StoreOptions::default() }).unwrap();

    let refusal = put(&mut store.session(&user("ada")).unwrap(), 2, "too much").unwrap_err();

    assert!(refusal.to_string().contains("the disk is full"), "{refusal}");
    assert!(!store.is_writable());
    assert_eq!(contents(&store, "ada").len(), 1);
}

#[test]
fn a_failing_disk_refuses_writes_keeps_reads_and_recovers_by_itself() {
    for which in ["write", "sync"] {
        let dir = tempfile::tempdir().unwrap();
        let faults = Arc::new(Faults::default());
        let store = Store::open(dir.path(), failing(&faults)).unwrap();
        let mut session = store.session(&user("ada")).unwrap();
        put(&mut session, 1, "before").unwrap();

        if which == "write" { &faults.writes } else { &faults.syncs }.store(1, SeqCst);
        let refusal = put(&mut session, 2, "lost").unwrap_err();
        assert!(matches!(refusal, StoreError::Unavailable { .. }), "{refusal}");
        assert!(!store.is_writable());
        assert!(session.get::<Memory>(&id(2)).is_err(), "a lost write must not be seen");
        assert_eq!(contents(&store, "ada").len(), 1);
        let mut fresh = store.session(&user("ada")).unwrap();
        assert!(put(&mut fresh, 3, "too early").is_err());

        wait_until_writable(&store);
        assert_eq!(fresh.get::<Memory>(&id(1)).unwrap().unwrap().content, "before");
        put(&mut fresh, 4, "after").unwrap();
        assert!(put(&mut session, 5, "from a stale picture").is_err());
        let expected = contents(&store, "ada");
        assert_eq!(expected.keys().copied().collect::<Vec<_>>(), [id(1), id(4)]);
        drop((session, fresh));
        store.close();
        assert_eq!(contents(&open(dir.path()), "ada"), expected);
        assert!(Store::check(dir.path()).unwrap().is_healthy());
    }
}

#[test]
fn a_user_whose_first_write_was_lost_can_start_again() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let store = Store::open(dir.path(), failing(&faults)).unwrap();
    put(&mut store.session(&user("ada")).unwrap(), 1, "of ada").unwrap();
    faults.syncs.store(1, SeqCst);
    put(&mut store.session(&user("bob")).unwrap(), 1, "lost").unwrap_err();

    wait_until_writable(&store);
    put(&mut store.session(&user("eve")).unwrap(), 1, "of eve").unwrap();
    put(&mut store.session(&user("bob")).unwrap(), 2, "of bob").unwrap();
    store.close();

    let store = open(dir.path());
    for (name, number) in [("ada", 1), ("eve", 1), ("bob", 2)] {
        let expected = Contents::from([(id(number), format!("of {name}"))]);
        assert_eq!(contents(&store, name), expected);
    }
}

#[test]
fn a_disk_that_fails_again_and_again_leaves_no_litter() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let store = Store::open(dir.path(), failing(&faults)).unwrap();
    for number in 0..3 {
        put(&mut store.session(&user("ada")).unwrap(), number, "kept").unwrap();
        for _ in 0..2 {
            faults.syncs.store(1, SeqCst);
            faults.creations.store(1, SeqCst);
            put(&mut store.session(&user("ada")).unwrap(), 9, "lost").unwrap_err();
            wait_until_writable(&store);
        }
    }
    store.close();

    assert_eq!(contents(&open(dir.path()), "ada").len(), 3);
    assert!(journal_files(dir.path(), "0").len() <= 4);
}

#[test]
fn compaction_keeps_what_lives_and_drops_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    for round in 0..5 {
        for number in 0..20 {
            put(&mut session, number, &format!("{round} {}", "y".repeat(5_000))).unwrap();
        }
    }
    let before = store.usage().journal_bytes;

    store.compact_now().unwrap();
    put(&mut session, 50, "after").unwrap();

    assert!(store.usage().journal_bytes * 4 < before);
    let expected = contents(&store, "ada");
    assert_eq!(expected.len(), 21);
    drop(session);
    store.close();
    assert_eq!(contents(&open(dir.path()), "ada"), expected);
    fs::remove_dir_all(sled_folder(dir.path())).unwrap();
    assert_eq!(contents(&open(dir.path()), "ada"), expected);
    assert!(Store::check(dir.path()).unwrap().is_healthy());
}

#[test]
fn a_crash_at_any_point_of_a_compaction_loses_nothing() {
    let (before, expected) = filled(30);
    let after = copy(before.path());
    let store = open(after.path());
    store.compact_now().unwrap();
    store.close();
    let snapshot = journal_files(after.path(), "snapshot-").remove(0);
    let name = snapshot.file_name().unwrap();
    let draft = before.path().join("journal").join(name).with_extension("tmp");

    // While the snapshot was written.
    let half = copy(before.path());
    let bytes = fs::read(&snapshot).unwrap();
    fs::write(half.path().join("journal").join(draft.file_name().unwrap()), &bytes[..300]).unwrap();
    assert_eq!(contents(&open(half.path()), "ada"), expected);
    assert!(journal_files(half.path(), "snapshot-").is_empty());

    // After the rename: the snapshot beside all it replaces, and even gone bad.
    for is_bad in [false, true] {
        let both = copy(before.path());
        let path = both.path().join("journal").join(name);
        fs::copy(&snapshot, &path).unwrap();
        if is_bad {
            flip(&path, 400);
        }
        let store = open(both.path());
        assert_eq!(contents(&store, "ada"), expected);
        put(&mut store.session(&user("ada")).unwrap(), 99, "more").unwrap();
        store.close();
        assert_eq!(contents(&open(both.path()), "ada").len(), expected.len() + 1);
    }

    // Without sled's checkpoint of that moment.
    let late = copy(after.path());
    fs::remove_dir_all(sled_folder(late.path())).unwrap();
    fs::copy(before.path().join("checkpoint"), late.path().join("checkpoint")).unwrap();
    assert_eq!(contents(&open(late.path()), "ada"), expected);
}

#[test]
fn a_bad_snapshot_is_mended_from_sled() {
    let (dir, expected) = filled(30);
    let store = open(dir.path());
    store.compact_now().unwrap();
    store.close();
    flip(&journal_files(dir.path(), "snapshot-").remove(0), 700);

    let store = open(dir.path());

    assert_eq!(contents(&store, "ada"), expected);
    assert!(has_aside(dir.path(), "journal"));
}

#[test]
fn sled_is_rebuilt_while_others_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    for number in 0..100 {
        put(&mut session, number, "old").unwrap();
    }
    let writer = {
        let store = store.clone();
        thread::spawn(move || {
            let mut session = store.session(&user("bob")).unwrap();
            for number in 0..600 {
                put(&mut session, number, "new").unwrap();
            }
        })
    };

    for _ in 0..3 {
        store.rebuild_now().unwrap();
    }
    writer.join().unwrap();

    assert_eq!(contents(&store, "ada").len(), 100);
    assert_eq!(contents(&store, "bob").len(), 600);
    drop(session);
    store.close();
    assert!(sled_folder(dir.path()).ends_with("sled-4"));
    let store = open(dir.path());
    assert_eq!(contents(&store, "bob").len(), 600);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn random_batches_survive_kills_compactions_and_rotations(
        rounds in prop::collection::vec(
            (
                prop::collection::vec(
                    (0..3_u8, 0..15_u128, prop::option::of(0..9_000_usize)),
                    0..25,
                ),
                0..5_u8,
            ),
            1..6,
        ),
    ) {
        let mut dir = tempfile::tempdir().unwrap();
        let mut expected: BTreeMap<u8, Contents> = BTreeMap::new();
        let small = || StoreOptions {
            compact_bytes: 40_000,
            journal: journal::JournalOptions { segment_bytes: 10_000, ..journal::JournalOptions::default() },
            ..StoreOptions::default()
        };

        for (steps, end) in rounds {
            let store = Store::open(dir.path(), small()).unwrap();
            for (who, number, length) in steps {
                let mut session = store.session(&user(&format!("user{who}"))).unwrap();
                let mut batch = Batch::new();
                let held = expected.entry(who).or_default();
                match length {
                    Some(length) => {
                        let content = "z".repeat(length);
                        batch.put(&id(number), &memory(number, &content));
                        held.insert(id(number), content);
                    }
                    None => {
                        batch.remove::<Memory>(&id(number));
                        held.remove(&id(number));
                    }
                }
                session.commit(batch).unwrap().wait().unwrap();
            }
            match end {
                0 => store.close(),
                1 => dir = copy(dir.path()),
                2 => store.compact_now().unwrap(),
                3 => {
                    store.compact_now().unwrap();
                    dir = copy(dir.path());
                }
                _ => {}
            }
        }

        let store = Store::open(dir.path(), small()).unwrap();
        for (who, held) in expected {
            prop_assert_eq!(contents(&store, &format!("user{who}")), held);
        }
    }
}
