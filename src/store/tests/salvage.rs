//! What is kept of a store that neither copy can mend.

use super::*;

/// Says what was kept of a store that no start takes.
fn salvaged(dir: &Path) -> crate::store::Salvage {
    let refusal = Store::open(dir, StoreOptions::default()).unwrap_err().to_string();
    assert!(refusal.contains("`memoryd check --salvage"), "{refusal}");
    let salvage = Store::salvage(dir).unwrap();
    assert!(!salvage.is_whole);
    salvage
}

#[test]
fn one_bad_frame_costs_one_write() {
    let (dir, mut expected) = filled(40);
    let segment = journal_files(dir.path(), "0").remove(0);
    flip(&segment, 2_000);
    fs::remove_dir_all(sled_folder(dir.path())).unwrap();

    let salvage = salvaged(dir.path());

    assert_eq!(salvage.lost_batches.len(), 1, "{salvage:?}");
    let (from, to) = salvage.lost_batches[0];
    assert_eq!((from, salvage.memories), (to, 39));
    // The first batch holds the first memory.
    expected.remove(&id(u128::from(from.0) - 1)).unwrap();
    let store = open(dir.path());
    assert_eq!(contents(&store, "ada"), expected);
    put(&mut store.session(&user("ada")).unwrap(), 500, "after").unwrap();
    store.close();
    assert!(Store::check(dir.path()).unwrap().is_healthy());
    assert!(has_aside(dir.path(), "journal") && has_aside(dir.path(), "checkpoint"));
}

#[test]
fn of_a_bad_snapshot_the_other_frames_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    // A frame of a snapshot is a mebibyte.
    for number in 0..40 {
        put(&mut session, number, &"x".repeat(100_000)).unwrap();
    }
    store.compact_now().unwrap();
    put(&mut session, 100, "after the snapshot").unwrap();
    drop(session);
    store.close();
    flip(&journal_files(dir.path(), "snapshot-").remove(0), 2_500_000);
    fs::remove_dir_all(sled_folder(dir.path())).unwrap();

    let salvage = salvaged(dir.path());

    assert!((28..=36).contains(&salvage.memories), "{salvage:?}");
    assert!(salvage.unknown.iter().any(|sentence| sentence.contains("Parts of")), "{salvage:?}");
    let found = contents(&open(dir.path()), "ada");
    assert_eq!(found.get(&id(100)).map(String::as_str), Some("after the snapshot"));
}

#[test]
fn sled_is_the_base_where_it_is_whole() {
    let (dir, expected) = filled(30);
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    store.compact_now().unwrap();
    put(&mut session, 70, "not in sled's checkpoint").unwrap();
    put(&mut session, 71, "nor this").unwrap();
    let crashed = copy(dir.path());
    // The snapshot is lost, and so is the first of the frames that come after it.
    fs::remove_file(journal_files(crashed.path(), "snapshot-").remove(0)).unwrap();
    flip(&journal_files(crashed.path(), "0").remove(0), 200);

    let salvage = salvaged(crashed.path());

    assert_eq!(salvage.lost_batches.len(), 1, "{salvage:?}");
    let found = contents(&open(crashed.path()), "ada");
    assert!(expected.iter().all(|(id, text)| found.get(id) == Some(text)));
    assert_eq!(found.get(&id(71)).map(String::as_str), Some("nor this"));
}

#[test]
fn a_user_whose_name_is_lost_is_given_another() {
    let (dir, _) = filled(10);
    fs::remove_dir_all(sled_folder(dir.path())).unwrap();
    // The first frame, with the user's name.
    flip(&journal_files(dir.path(), "0").remove(0), 160);

    let salvage = salvaged(dir.path());

    assert!(salvage.unknown.iter().any(|sentence| sentence.contains("salvaged-1")), "{salvage:?}");
    assert_eq!(contents(&open(dir.path()), "salvaged-1").len(), 9);
}

#[test]
fn what_can_be_mended_is_mended() {
    let (dir, expected) = filled(10);
    flip(&journal_files(dir.path(), "0").remove(0), 500);

    let salvage = Store::salvage(dir.path()).unwrap();

    assert!(salvage.is_whole && salvage.memories == 10, "{salvage:?}");
    assert_eq!(contents(&open(dir.path()), "ada"), expected);
}

#[test]
fn files_under_each_others_names_are_read_by_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let small = journal::JournalOptions { segment_bytes: 2_000, ..Default::default() };
    let options = StoreOptions { journal: small, ..StoreOptions::default() };
    let store = Store::open(dir.path(), options).unwrap();
    let mut session = store.session(&user("ada")).unwrap();
    for number in 0..40 {
        put(&mut session, number, &"x".repeat(150)).unwrap();
    }
    let crashed = copy(dir.path());
    let segments = journal_files(crashed.path(), "0");
    assert!(segments.len() > 2, "{segments:?}");
    let spare = crashed.path().join("journal/spare");
    fs::rename(&segments[0], &spare).unwrap();
    fs::rename(&segments[1], &segments[0]).unwrap();
    fs::rename(&spare, &segments[1]).unwrap();

    let salvage = salvaged(crashed.path());

    assert_eq!((salvage.memories, salvage.lost_batches.len()), (40, 0), "{salvage:?}");
}

#[test]
fn an_old_checkpoint_does_not_hide_newer_trees() {
    let (dir, expected) = filled(20);
    let old = fs::read(dir.path().join("checkpoint")).unwrap();
    let store = open(dir.path());
    store.rebuild_now().unwrap();
    store.close();
    fs::write(dir.path().join("checkpoint"), old).unwrap();

    let store = open(dir.path());

    assert_eq!(contents(&store, "ada"), expected);
    store.close();
    assert_eq!(sled_folder(dir.path()), dir.path().join("sled-2"));
}
