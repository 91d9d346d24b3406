//! Files of another store, whole in themselves, where ours should be.

use super::*;

/// Another store than that of `filled`, and a larger one.
fn stranger() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    for number in 0..80 {
        put(&mut session, number, "somebody else's").unwrap();
    }
    store.close();
    dir
}

fn put_in_place_of(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::remove_dir_all(to).unwrap();
        fs::create_dir(to).unwrap();
        copy_into(from, to);
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// What a `kill -9` leaves, of a store with `count` memories.
fn killed(count: u128) -> (tempfile::TempDir, Contents) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    for number in 0..count {
        put(&mut session, number, "ours").unwrap();
    }
    let expected = contents(&store, "ada");
    (copy(dir.path()), expected)
}

#[test]
fn a_file_of_another_store_is_never_taken_for_ours() {
    let other = stranger();
    for what in ["journal/00000000000000000001.log", "journal", "checkpoint", "sled-1"] {
        let (dir, expected) = filled(30);
        put_in_place_of(&other.path().join(what), &dir.path().join(what));
        assert!(!Store::check(dir.path()).unwrap().is_healthy(), "{what}");

        let store = open(dir.path());

        assert_eq!(contents(&store, "ada"), expected, "{what}");
        store.close();
        let kind = what.split(['/', '-']).next().unwrap();
        assert!(has_aside(dir.path(), kind), "{what}");
        assert_eq!(contents(&open(dir.path()), "ada"), expected, "{what}");
    }
}

#[test]
fn a_file_of_another_store_beside_ours_is_moved_aside() {
    let other = stranger();
    let (dir, expected) = filled(30);
    let strange = dir.path().join("journal/00000000000000000500.log");
    fs::copy(&journal_files(other.path(), "0")[0], &strange).unwrap();

    let store = open(dir.path());

    assert_eq!(contents(&store, "ada"), expected);
    assert!(!strange.exists() && has_aside(dir.path(), "journal"));
}

#[test]
fn journal_and_trees_of_another_store_do_not_make_ours_theirs() {
    let other = stranger();
    let (dir, _) = filled(30);
    for what in ["journal", "sled-1"] {
        put_in_place_of(&other.path().join(what), &dir.path().join(what));
    }
    // What is left of ours is a checkpoint. Two of three say that the directory is theirs.
    let store = open(dir.path());

    assert_eq!(contents(&store, "ada").len(), 80);
    assert!(has_aside(dir.path(), "checkpoint"));
}

#[test]
fn after_a_crash_nobody_knows_what_a_missing_journal_held() {
    let other = stranger();
    let (dir, _) = killed(30);
    let segment = journal_files(dir.path(), "0").remove(0);
    put_in_place_of(&journal_files(other.path(), "0")[0], &segment);
    let before = fs::read(&segment).unwrap();

    let refusal = Store::open(dir.path(), StoreOptions::default()).unwrap_err().to_string();

    assert!(refusal.contains("another store"), "{refusal}");
    assert!(refusal.contains("memoryd check --salvage --data-dir"), "{refusal}");
    assert_eq!(fs::read(&segment).unwrap(), before);
}

#[test]
fn a_name_that_does_not_fit_the_content_is_noticed() {
    let (dir, expected) = filled(30);
    let segment = journal_files(dir.path(), "0").remove(0);
    fs::rename(&segment, dir.path().join("journal/00000000000000000007.log")).unwrap();

    let report = Store::check(dir.path()).unwrap();
    let store = open(dir.path());

    assert!(report.problems.iter().any(|problem| problem.contains("under the number 1")));
    assert_eq!(contents(&store, "ada"), expected);
}

#[test]
fn one_bad_copy_of_a_header_is_found_and_written_anew() {
    let (dir, expected) = filled(5);
    let segment = journal_files(dir.path(), "0").remove(0);
    flip(&segment, 20);
    assert!(!Store::check(dir.path()).unwrap().is_healthy());

    let store = open(dir.path());
    assert_eq!(contents(&store, "ada"), expected);
    store.close();

    assert!(Store::check(dir.path()).unwrap().is_healthy());
}
