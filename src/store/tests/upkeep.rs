//! What fails around sled must not be held against sled, and what fails in sled not against reading.

use std::sync::atomic::Ordering::SeqCst;

use super::*;

#[test]
fn upkeep_that_fails_condemns_nothing_and_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    put(&mut session, 1, "before").unwrap();
    let (folder, away) = (sled_folder(dir.path()), dir.path().join("away"));
    fs::rename(&folder, &away).unwrap();

    let refusal = store.compact_now().unwrap_err();

    assert!(matches!(refusal, StoreError::Disk { .. }), "{refusal}");
    assert!(store.is_writable());
    put(&mut session, 2, "meanwhile").unwrap();
    assert_eq!(contents(&store, "ada").len(), 2);
    fs::rename(&away, &folder).unwrap();
    store.compact_now().unwrap();
    assert!(!has_aside(dir.path(), "sled"));
}

#[test]
fn trees_that_are_not_durable_are_read_until_they_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&mut store.session(&user("ada")).unwrap(), 1, "before").unwrap();

    store.shared().trees().stall("the disk is read-only");

    assert!(!store.is_writable());
    let refusal = put(&mut store.session(&user("ada")).unwrap(), 2, "too early").unwrap_err();
    assert!(matches!(refusal, StoreError::Unavailable { .. }), "{refusal}");
    assert_eq!(contents(&store, "ada").len(), 1);
    store.shared().nudge();
    wait_until_writable(&store);
    put(&mut store.session(&user("ada")).unwrap(), 2, "after").unwrap();
    assert_eq!(contents(&store, "ada").len(), 2);
}

#[test]
fn no_checkpoint_is_made_while_the_journal_takes_no_writes() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let store = Store::open(dir.path(), failing(&faults)).unwrap();
    put(&mut store.session(&user("ada")).unwrap(), 1, "before").unwrap();
    let checkpoint = dir.path().join("checkpoint");
    let before = fs::read(&checkpoint).unwrap();
    faults.creations.store(u32::MAX, SeqCst);
    faults.syncs.store(1, SeqCst);
    put(&mut store.session(&user("ada")).unwrap(), 2, "lost").unwrap_err();

    store.shared().nudge();
    // Errands are done in order, so the look is over when this one is.
    store.compact_now().unwrap_err();

    assert_eq!(fs::read(&checkpoint).unwrap(), before);
    assert_eq!(contents(&store, "ada").len(), 1);
    faults.creations.store(0, SeqCst);
    wait_until_writable(&store);
    store.compact_now().unwrap();
    assert_ne!(fs::read(&checkpoint).unwrap(), before);
}

#[test]
fn a_want_of_file_descriptors_costs_no_write() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    faults.descriptors.store(3, SeqCst);
    let store = Store::open(dir.path(), failing(&faults)).unwrap();

    put(&mut store.session(&user("ada")).unwrap(), 1, "patient").unwrap();

    assert!(store.is_writable());
    assert_eq!(contents(&store, "ada").len(), 1);
}

fn wait_until_gone(dir: &Path, text: &str) {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    for _ in 0..400 {
        if !is_on_disk(dir, text) {
            return;
        }
        let _ = never.recv_timeout(std::time::Duration::from_millis(50));
    }
    panic!("the text is still on the disk");
}

fn remove(session: &mut SessionStore, number: u128) {
    let mut batch = Batch::new();
    batch.remove::<Memory>(&id(number));
    session.commit(batch).unwrap().wait().unwrap();
}

#[test]
fn what_was_removed_leaves_the_disk_by_itself() {
    let soon = StoreOptions { scrub_after: std::time::Duration::ZERO, ..StoreOptions::default() };
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), soon).unwrap();
    let mut session = store.session(&user("ada")).unwrap();
    put(&mut session, 1, "a text that is meant to stay").unwrap();
    put(&mut session, 2, "a text that was regretted").unwrap();
    assert!(is_on_disk(dir.path(), "was regretted"));

    remove(&mut session, 2);
    store.shared().nudge();

    wait_until_gone(dir.path(), "was regretted");
    assert_eq!(contents(&store, "ada").len(), 1);
    assert!(store.shared().removed_since().is_none());
}

#[test]
fn what_was_removed_before_a_crash_leaves_the_disk_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    put(&mut session, 1, "a text that was regretted").unwrap();
    remove(&mut session, 1);
    // The journal has forgotten it, sled has not.
    store.compact_now().unwrap();
    let crashed = copy(dir.path());
    let killed_early = copy(dir.path());
    assert!(is_on_disk(crashed.path(), "was regretted"));

    let soon = StoreOptions { scrub_after: std::time::Duration::ZERO, ..StoreOptions::default() };
    let again = Store::open(crashed.path(), soon).unwrap();
    again.shared().nudge();
    wait_until_gone(crashed.path(), "was regretted");

    assert!(open(killed_early.path()).shared().removed_since().is_some());
    assert!(open(crashed.path().join("none").as_path()).shared().removed_since().is_none());
}

#[test]
fn a_segment_that_a_crash_left_beside_its_snapshot_goes_with_the_next_scrub() {
    let (dir, expected) = filled(20);
    let segment = journal_files(dir.path(), "0").pop().unwrap();
    let bytes = fs::read(&segment).unwrap();
    let store = open(dir.path());
    store.compact_now().unwrap();
    store.close();
    for later in journal_files(dir.path(), "0") {
        fs::remove_file(later).unwrap();
    }
    fs::write(&segment, bytes).unwrap();

    let store = open(dir.path());
    assert_eq!(contents(&store, "ada"), expected);
    store.scrub().unwrap();

    assert!(!segment.exists());
    assert_eq!(contents(&store, "ada"), expected);
}

#[test]
fn what_lies_aside_goes_in_time_though_nothing_was_removed() {
    let soon = StoreOptions {
        keep_aside: std::time::Duration::from_nanos(1),
        clear_aside_every: std::time::Duration::ZERO,
        ..StoreOptions::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), soon).unwrap();
    let clock_doubt = store.clock_doubt();
    clock_doubt.store(true, SeqCst);
    let aside = dir.path().join("checkpoint.damaged-1");
    fs::write(&aside, "a text that was regretted").unwrap();
    // Errands are done in order, so each look is over when the compaction behind it is.
    let look = || {
        store.shared().nudge();
        store.compact_now().unwrap();
    };
    look();
    assert!(aside.exists(), "nobody knows how old it is");

    clock_doubt.store(false, SeqCst);
    look();

    assert!(!aside.exists());
}
