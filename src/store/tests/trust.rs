//! What a start takes on trust after a stop in good order, and what becomes of it when that was wrong.

use std::cell::Cell;
use std::sync::Mutex;
use std::thread;

use super::*;
use crate::journal::{Op, SessionNo};
use crate::store::checkpoint::Checkpoint;
use crate::store::rebuild::Digest;
use crate::store::recovery;
use crate::store::session::full_key;
use crate::store::trees::Broken;

/// Opens it as a server does.
fn serve(dir: &Path) -> Store {
    Store::open(dir, StoreOptions { compares_later: true, ..StoreOptions::default() }).unwrap()
}

/// The same, but that nothing is compared while somebody holds this.
fn serve_behind(dir: &Path, comparing: &Arc<Mutex<()>>) -> Store {
    let comparing = Arc::clone(comparing);
    let options = StoreOptions { compares_later: true, comparing, ..StoreOptions::default() };
    let store = Store::open(dir, options).unwrap();
    assert!(store.shared().proof.is_awaited());
    store
}

/// It is closed once everything is compared.
fn takes_on_trust(dir: &Path) -> bool {
    let store = serve(dir);
    let was_awaited = store.shared().proof.was_awaited();
    store.shared().proof.wait().unwrap();
    store.close();
    was_awaited
}

#[test]
fn a_store_that_was_closed_is_open_before_everything_is_compared() {
    let (dir, expected) = filled(30);

    for number in 0..3 {
        let store = serve(dir.path());

        assert!(store.shared().proof.was_awaited(), "start {number}");
        assert_eq!(contents(&store, "ada").len(), expected.len() + number);
        let content = format!("after start {number}");
        let more = 1_000 + u128::try_from(number).unwrap();
        put(&mut store.session(&user("ada")).unwrap(), more, &content).unwrap();
        assert!(!store.shared().proof.is_awaited(), "who wrote has waited for it");
        assert!(!dir.path().join(".stopped").exists());
        store.close();
    }

    assert!(Store::check(dir.path()).unwrap().is_healthy());
}

#[test]
fn what_the_next_start_finds_is_what_was_there() {
    let (dir, expected) = filled(30);
    let store = serve(dir.path());
    let mut batch = Batch::new();
    batch.remove::<Memory>(&id(7));
    store.session(&user("ada")).unwrap().commit(batch).unwrap().wait().unwrap();
    store.compact_now().unwrap();
    store.close();

    let store = serve(dir.path());

    assert!(store.shared().proof.was_awaited());
    assert_eq!(contents(&store, "ada").len(), expected.len() - 1);
    assert_eq!(store.users(), [user("ada")]);
}

#[test]
fn whatever_was_touched_since_is_compared_first() {
    let (dir, expected) = filled(10);
    assert!(takes_on_trust(dir.path()));
    let touched = ["checkpoint", "journal/00000000000000000001.log", "sled-1/db", "sled-1/conf"];

    for name in touched {
        let path = dir.path().join(name);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        assert!(!takes_on_trust(dir.path()), "{name}");
        assert!(takes_on_trust(dir.path()), "after {name}");
    }
    fs::write(dir.path().join("journal/of-somebody-else"), b"").unwrap();
    assert!(!takes_on_trust(dir.path()), "another file in the journal's folder");
    assert!(!takes_on_trust(copy(dir.path()).path()), "a copy");
    let store = serve(dir.path());
    assert_eq!(contents(&store, "ada"), expected);
}

#[test]
fn what_a_link_leads_to_is_looked_at() {
    let (dir, expected) = filled(10);
    let elsewhere = tempfile::tempdir().unwrap();
    let (journal, moved) = (dir.path().join("journal"), elsewhere.path().join("journal"));
    fs::create_dir(&moved).unwrap();
    copy_into(&journal, &moved);
    fs::remove_dir_all(&journal).unwrap();
    std::os::unix::fs::symlink(&moved, &journal).unwrap();
    assert!(!takes_on_trust(dir.path()), "a copy");
    assert!(takes_on_trust(dir.path()));

    let segment = journal_files(dir.path(), "0").remove(0);
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, bytes).unwrap();

    assert!(!takes_on_trust(dir.path()), "touched behind the link");
    assert_eq!(contents(&serve(dir.path()), "ada"), expected);
}

#[test]
fn whoever_reads_once_and_ends_has_all_compared_first() {
    let (dir, expected) = filled(10);

    let store = open(dir.path());

    assert!(!store.shared().proof.was_awaited());
    assert_eq!(contents(&store, "ada"), expected);
    store.close();
    assert!(takes_on_trust(dir.path()), "what was compared then need not be now");
}

#[test]
fn the_note_of_an_earlier_stop_says_nothing() {
    let (dir, _) = filled(10);
    let note = dir.path().join(".stopped");
    let earlier = fs::read(&note).unwrap();
    assert!(takes_on_trust(dir.path()));

    fs::write(&note, &earlier).unwrap();

    assert!(!takes_on_trust(dir.path()));
    for odd in [&b""[..], b"MEMORYDS", &[0xFF; 40]] {
        fs::write(&note, odd).unwrap();
        assert!(!takes_on_trust(dir.path()), "{odd:?}");
    }
}

#[test]
fn trees_that_differ_are_built_anew_and_sessions_open_again() {
    let (dir, expected) = filled(30);
    let store = serve(dir.path());
    let mut before = store.session(&user("ada")).unwrap();
    put(&mut before, 1_000, "one more").unwrap();
    let key = full_key::<Memory>(&id(3));
    store.shared().trees().write(Op { session: SessionNo(1), key: &key, value: None }).unwrap();
    assert_eq!(before.get::<Memory>(&id(3)).unwrap(), None);
    assert!(before.is_sound());

    assert!(!store.prove_now());

    assert!(!before.is_sound());
    assert!(matches!(before.get::<Memory>(&id(4)), Err(StoreError::Lost)));
    assert!(matches!(put(&mut before, 3, "on top of it"), Err(StoreError::Lost)));
    store.shared().nudge();
    wait_until_writable(&store);
    let mut after = store.session(&user("ada")).unwrap();
    assert_eq!(after.get::<Memory>(&id(3)).unwrap().unwrap().content, expected[&id(3)]);
    put(&mut after, 1_001, "and another").unwrap();
    assert!(store.prove_now());
}

#[test]
fn trees_that_are_found_wrong_are_kept_aside_until_everything_is_to_leave() {
    let (dir, expected) = filled(30);
    let comparing = Arc::new(Mutex::new(()));
    let held = comparing.lock().unwrap();
    let store = serve_behind(dir.path(), &comparing);
    let key = full_key::<Memory>(&id(3));
    store.shared().trees().write(Op { session: SessionNo(1), key: &key, value: None }).unwrap();

    drop(held);

    wait_until(|| has_aside(dir.path(), "sled-1"));
    assert_eq!(contents(&store, "ada"), expected);
    put(&mut store.session(&user("ada")).unwrap(), 1_000, "one more").unwrap();
    store.scrub().unwrap();
    assert!(!has_aside(dir.path(), "sled"));
    store.close();
    assert!(Store::check(dir.path()).unwrap().is_healthy());
}

#[test]
fn a_journal_that_decays_meanwhile_is_read_on_and_mended_by_the_next_start() {
    let (dir, expected) = filled(30);
    let store = serve(dir.path());
    store.shared().proof.wait().unwrap();
    flip(&journal_files(dir.path(), "0")[0], 2_000);

    assert!(!store.prove_now());

    assert!(store.problem().unwrap().contains("journal"));
    let refusal = put(&mut store.session(&user("ada")).unwrap(), 1_000, "no").unwrap_err();
    assert!(matches!(refusal, StoreError::Unavailable { .. }), "{refusal}");
    assert_eq!(contents(&store, "ada"), expected);
    store.close();
    assert!(!dir.path().join(".stopped").exists());
    assert!(!Store::check(dir.path()).unwrap().is_healthy());
    let store = serve(dir.path());
    assert!(!store.shared().proof.was_awaited());
    assert_eq!(contents(&store, "ada"), expected);
    put(&mut store.session(&user("ada")).unwrap(), 1_000, "yes").unwrap();
    assert!(has_aside(dir.path(), "journal"));
}

#[test]
fn where_the_end_of_the_journal_decayed_a_kill_does_not_keep_it_from_being_mended() {
    let (dir, expected) = filled(30);
    let store = serve(dir.path());
    store.shared().proof.wait().unwrap();
    let newest = journal_files(dir.path(), "0").pop().unwrap();
    let end = usize::try_from(fs::metadata(&newest).unwrap().len()).unwrap();
    flip(&newest, end - 1);
    assert!(!store.prove_now());

    store.shared().nudge();
    wait_until(|| Checkpoint::read(dir.path()).unwrap().unwrap().is_final);

    let killed = copy(dir.path());
    assert_eq!(contents(&open(killed.path()), "ada"), expected);
    assert!(has_aside(killed.path(), "journal"));
}

#[test]
fn what_the_stop_said_of_the_end_holds_until_everything_is_compared() {
    let (dir, expected) = filled(10);
    let is_final = || Checkpoint::read(dir.path()).unwrap().unwrap().is_final;
    let store = serve(dir.path());
    store.shared().proof.wait().unwrap();
    assert!(!is_final(), "somebody may write now");
    store.close();

    // A start that is killed while it compares.
    let options = StoreOptions { compares_later: true, ..StoreOptions::default() };
    let recovered = recovery::recover(dir.path(), &options).unwrap();
    assert!(recovered.awaits_proof && is_final());
    drop(recovered);

    let newest = journal_files(dir.path(), "0").pop().unwrap();
    let end = usize::try_from(fs::metadata(&newest).unwrap().len()).unwrap();
    flip(&newest, end - 1);
    assert_eq!(contents(&serve(dir.path()), "ada"), expected);
    assert!(has_aside(dir.path(), "journal"));
}

#[test]
fn whoever_closes_it_does_not_wait_until_everything_is_compared() {
    let (dir, expected) = filled(30);
    let comparing = Arc::new(Mutex::new(()));
    let held = comparing.lock().unwrap();
    let store = serve_behind(dir.path(), &comparing);
    let mut session = store.session(&user("ada")).unwrap();
    let waiting = thread::spawn(move || put(&mut session, 1_000, "too late"));

    store.comparison().unwrap().give_up();

    let refusal = waiting.join().unwrap().unwrap_err();
    assert!(matches!(refusal, StoreError::Unavailable { .. }), "{refusal}");
    let killed = copy(dir.path());
    drop(held);
    assert!(store.scrub().is_err(), "files that were not compared are made anew");
    store.close();
    assert!(!dir.path().join(".stopped").exists());
    assert!(Checkpoint::read(dir.path()).unwrap().unwrap().is_final, "nothing was written since");
    for left in [dir, killed] {
        let store = serve(left.path());
        assert!(!store.shared().proof.was_awaited(), "everything is compared first");
        assert_eq!(contents(&store, "ada"), expected);
        put(&mut store.session(&user("ada")).unwrap(), 1_000, "in time").unwrap();
        store.close();
        assert!(takes_on_trust(left.path()));
    }
}

#[test]
fn what_has_decayed_when_a_comparison_is_given_up_is_found_by_the_next_start() {
    for is_at_the_end in [false, true] {
        let (dir, expected) = filled(30);
        let comparing = Arc::new(Mutex::new(()));
        let held = comparing.lock().unwrap();
        let store = serve_behind(dir.path(), &comparing);
        let newest = journal_files(dir.path(), "0").pop().unwrap();
        let end = usize::try_from(fs::metadata(&newest).unwrap().len()).unwrap();

        // The keeper may read the files at any moment, and what it finds then is told by other tests.
        store.comparison().unwrap().give_up();
        flip(&newest, if is_at_the_end { end - 1 } else { 2_000 });
        drop(held);
        store.close();

        assert_eq!(contents(&serve(dir.path()), "ada"), expected);
        assert!(has_aside(dir.path(), "journal"));
    }
}

#[test]
fn it_is_asked_before_each_value_whether_comparing_may_go_on() {
    let (dir, expected) = filled(5);
    let store = open(dir.path());
    let (trees, mut digest) = (store.shared().trees(), Digest::default());
    let surveyed = trees.survey::<Broken>(&mut |op| {
        digest.note(op);
        Ok(())
    });
    assert!(surveyed.unwrap().values().sum::<u64>() > expected.len() as u64);
    let asked = Cell::new(0);
    let may_go_on = || {
        asked.set(asked.get() + 1);
        if asked.get() < 3 { Ok(()) } else { Err(Broken("a test has seen enough".to_owned())) }
    };

    let Broken(reason) = digest.compare_while::<Broken>(&trees, &may_go_on).unwrap_err();

    assert_eq!((reason.as_str(), asked.get()), ("a test has seen enough", 3));
}

#[test]
fn where_writes_are_held_nobody_gives_a_place_back_either() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    put(&mut session, 1, "tea").unwrap();
    let mut batch = Batch::new();
    batch.remove::<Memory>(&id(1));
    session.commit(batch).unwrap().wait().unwrap();
    store.shared().hold_writes("a test holds them");

    assert!(matches!(session.give_up_place(), Err(StoreError::Unavailable { .. })));
    assert!(matches!(store.erase_user(&user("ada")), Err(StoreError::Unavailable { .. })));
    assert_eq!(store.users(), [user("ada")]);
}
