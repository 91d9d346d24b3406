//! What lies on the disk of an encrypted store, and who can read it.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;

use super::*;
use crate::journal::SyncHook;
use crate::model::{AuditEvent, AuditKind, SecretKey};
use crate::store::session;
use crate::store::vault::StoreKey;
use crate::store::{AuditKey, EncryptionKeys, OnlyKey, SealingKey, restore, verify_backup};

fn key(byte: u8) -> SealingKey {
    SealingKey::new(&SecretKey::new([byte; 32]))
}

fn sealed_by(byte: u8) -> StoreOptions {
    let encryption = Some(EncryptionKeys { current: key(byte), previous: None });
    StoreOptions { encryption, ..StoreOptions::default() }
}

fn open_with(dir: &Path, byte: u8) -> Store {
    Store::open(dir, sealed_by(byte)).unwrap()
}

/// Words that are in what [`fill`] stores, and nowhere else.
const WORDS: [&str; 5] = ["Quittenmus", "annemarie", "Longissimum", "194.25.0.77", "workbench-key"];

fn fill(store: &Store) -> Contents {
    let mut session = store.session(&user("annemarie")).unwrap();
    let long = format!("Longissimum {}", "z".repeat(20_000));
    let texts = [(1, "Quittenmus with cinnamon".to_owned()), (2, long)];
    for (number, text) in &texts {
        put(&mut session, *number, text).unwrap();
    }
    put(&mut store.session(&user("bob")).unwrap(), 3, "of Quittenmus and bob").unwrap();
    let mut batch = Batch::new();
    let event = AuditEvent {
        at: Timestamp(5),
        event: AuditKind::AuthFailed,
        user: Some(user("annemarie")),
        credential: None,
        prefix: None,
        reason: Some("workbench-key".to_owned()),
        address: Some("194.25.0.77".parse().unwrap()),
        client: None,
        count: 1,
    };
    batch.put(&AuditKey { at: 5, number: 1 }, &event);
    store.system().unwrap().commit(batch).unwrap().wait().unwrap();
    texts.into_iter().map(|(number, text)| (id(number), text)).collect()
}

/// An encrypted data directory with 40 memories of `ada`, closed properly.
fn filled_and_sealed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 1);
    let mut session = store.session(&user("ada")).unwrap();
    for number in 0..40 {
        put(&mut session, number, &format!("memory {number} {}", "x".repeat(300))).unwrap();
    }
    drop(session);
    store.close();
    dir
}

/// A disk that is full after so many syncs.
fn cut_after(syncs: u32) -> journal::JournalOptions {
    let left = AtomicU32::new(syncs);
    let hook = SyncHook::new(move || match left.load(SeqCst) {
        0 => Err(std::io::ErrorKind::StorageFull.into()),
        more => {
            left.store(more - 1, SeqCst);
            Ok(())
        }
    });
    journal::JournalOptions { sync_hook: Some(hook), ..journal::JournalOptions::default() }
}

/// Which of the words stand in a file below.
fn readable(dir: &Path) -> Vec<&'static str> {
    WORDS.into_iter().filter(|word| is_on_disk(dir, word)).collect()
}

fn store_key(store: &Store) -> Vec<u8> {
    let key = session::full_key::<StoreKey>(&OnlyKey);
    store.shared().trees().get(journal::SessionNo::SYSTEM, &key).unwrap().unwrap()
}

fn audit(store: &Store) -> Vec<AuditEvent> {
    let events = store.system().unwrap().scan::<AuditEvent>();
    events.map(|entry| entry.unwrap().1).collect()
}

#[test]
fn nothing_on_the_disk_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 1);
    let expected = fill(&store);
    assert_eq!(readable(dir.path()), Vec::<&str>::new());
    assert_eq!(contents(&store, "annemarie"), expected);
    store.close();
    assert_eq!(readable(dir.path()), Vec::<&str>::new());

    let store = open_with(dir.path(), 1);

    assert_eq!(contents(&store, "annemarie"), expected);
    assert_eq!(store.users(), [user("annemarie"), user("bob")]);
    assert_eq!(audit(&store)[0].reason.as_deref(), Some("workbench-key"));
    assert_eq!(store.owner_of(id(3)).unwrap(), Some(user("bob")));
    store.compact_now().unwrap();
    store.rebuild_now().unwrap();
    assert_eq!(contents(&store, "annemarie"), expected);
    store.close();
    assert_eq!(readable(dir.path()), Vec::<&str>::new());
    let report = Store::check(dir.path()).unwrap();
    assert!(report.is_healthy(), "{report:?}");
}

#[test]
fn without_the_key_and_with_another_one_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 1);
    let expected = fill(&store);
    store.close();

    let none = Store::open(dir.path(), StoreOptions::default()).unwrap_err();
    let other = Store::open(dir.path(), sealed_by(2)).unwrap_err();

    assert!(matches!(none, StoreError::Encrypted { .. }), "{none}");
    let (none, other) = (none.to_string(), other.to_string());
    let (own, given) = (key(1).name().to_string(), key(2).name().to_string());
    assert!(none.contains(&own) && none.contains("ENCRYPTION_KEY_FILE"), "{none}");
    assert!(other.contains(&own) && other.contains(&given), "{other}");
    assert_eq!(contents(&open_with(dir.path(), 1), "annemarie"), expected);
}

#[test]
fn a_plain_store_becomes_an_encrypted_one_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let expected = fill(&store);
    store.close();
    // What lies aside is readable as well.
    fs::create_dir(dir.path().join("journal.damaged-1")).unwrap();
    fs::write(dir.path().join("journal.damaged-1/0.log"), "Quittenmus").unwrap();
    assert!(!readable(dir.path()).is_empty());

    let store = open_with(dir.path(), 1);

    assert_eq!(readable(dir.path()), Vec::<&str>::new());
    assert_eq!(contents(&store, "annemarie"), expected);
    assert_eq!(contents(&store, "bob").len(), 1);
    assert_eq!(audit(&store).len(), 1);
    put(&mut store.session(&user("eve")).unwrap(), 9, "new").unwrap();
    store.close();
    let store = open_with(dir.path(), 1);
    assert_eq!(store.users().len(), 3);
    assert_eq!(contents(&store, "annemarie"), expected);
    store.close();
    assert!(Store::check(dir.path()).unwrap().is_healthy());
}

#[test]
fn a_store_that_cannot_be_encrypted_for_want_of_room_is_refused_and_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let expected = fill(&store);
    store.close();
    let before = journal_files(dir.path(), "").remove(0);
    let journal_before = fs::read(&before).unwrap();
    // More than any disk has.
    let free_bytes = 1 << 62;
    let journal = journal::JournalOptions { free_bytes, ..journal::JournalOptions::default() };

    let refusal = Store::open(dir.path(), StoreOptions { journal, ..sealed_by(1) }).unwrap_err();

    let StoreError::NoRoomToEncrypt { needed, free, .. } = refusal else { panic!("{refusal}") };
    assert!(needed > free_bytes + 4 * 20_000 && free < needed, "{needed} {free}");
    let said = refusal.to_string();
    assert!(said.contains(&needed.to_string()) && said.contains(&free.to_string()), "{said}");
    assert_eq!(fs::read(&before).unwrap(), journal_before);
    // It is as plain as it was, until there is room.
    let store = open(dir.path());
    assert_eq!(contents(&store, "annemarie"), expected);
    store.close();
    assert_eq!(contents(&open_with(dir.path(), 1), "annemarie"), expected);
    assert_eq!(readable(dir.path()), Vec::<&str>::new());
}

#[test]
fn an_encryption_that_was_cut_off_asks_for_room_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let expected = fill(&store);
    store.close();
    let begun = Store::open(dir.path(), StoreOptions { journal: cut_after(3), ..sealed_by(1) });
    assert!(begun.is_err());
    drop(begun);
    let journal =
        journal::JournalOptions { free_bytes: 1 << 62, ..journal::JournalOptions::default() };

    let refusal = Store::open(dir.path(), StoreOptions { journal, ..sealed_by(1) }).unwrap_err();

    assert!(matches!(refusal, StoreError::NoRoomToEncrypt { .. }), "{refusal}");
    assert_eq!(contents(&open_with(dir.path(), 1), "annemarie"), expected);
    assert_eq!(readable(dir.path()), Vec::<&str>::new());
}

#[test]
fn an_encryption_that_is_cut_off_goes_on_where_it_was() {
    for syncs in 0..9 {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let expected = fill(&store);
        store.close();
        let journal = cut_after(syncs);
        let opened = Store::open(dir.path(), StoreOptions { journal, ..sealed_by(1) });
        // One of the key, one a user, and one for each of the three trees.
        assert!(opened.is_err() || syncs >= 6, "after {syncs}");
        drop(opened);

        let store = open_with(dir.path(), 1);

        assert_eq!(contents(&store, "annemarie"), expected, "after {syncs}");
        assert_eq!(contents(&store, "bob").len(), 1);
        assert_eq!(readable(dir.path()), Vec::<&str>::new());
    }
}

#[test]
fn a_plain_store_of_which_all_was_removed_leaves_nothing_behind_either() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("annemarie")).unwrap();
    put(&mut session, 1, "Quittenmus").unwrap();
    drop(session);
    store.erase_user(&user("annemarie")).unwrap();
    store.close();
    assert!(!readable(dir.path()).is_empty(), "files go with the scrub that is not due yet");
    // It may be all that is left of a store that was damaged.
    let aside = dir.path().join("journal.damaged-1");
    fs::create_dir(&aside).unwrap();

    let store = open_with(dir.path(), 1);

    assert_eq!(readable(dir.path()), Vec::<&str>::new());
    assert!(aside.exists(), "it has its seven days");
    store.close();
}

#[test]
fn nothing_is_sealed_with_a_key_that_a_read_only_disk_did_not_take() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let expected = fill(&store);
    store.close();

    let store = Store::open_frozen(dir.path(), sealed_by(1)).unwrap();
    // Now the disk takes writes.
    wait_until(|| store.shared().trees().unwritable().is_none());

    assert_eq!(contents(&store, "annemarie"), expected);
    let refusal = put(&mut store.session(&user("eve")).unwrap(), 9, "new").unwrap_err();
    assert!(refusal.to_string().contains("start memoryd again"), "{refusal}");
    assert!(store.session(&user("bob")).unwrap().require_writable().is_err());
    assert!(!store.is_writable());
    store.close();
    let store = open_with(dir.path(), 1);
    assert_eq!(contents(&store, "annemarie"), expected);
    put(&mut store.session(&user("eve")).unwrap(), 9, "new").unwrap();
    store.close();
    assert_eq!(contents(&open_with(dir.path(), 1), "eve").len(), 1);
    assert_eq!(readable(dir.path()), Vec::<&str>::new());
}

#[test]
fn another_key_takes_the_place_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 1);
    let expected = fill(&store);
    let before = store_key(&store);
    store.close();
    let encryption = Some(EncryptionKeys { current: key(2), previous: Some(key(1)) });

    let store =
        Store::open(dir.path(), StoreOptions { encryption, ..StoreOptions::default() }).unwrap();

    assert_eq!(contents(&store, "annemarie"), expected);
    assert!(!is_on_disk(dir.path(), &before), "what the old key opens is gone");
    store.close();
    assert!(!is_on_disk(dir.path(), &before));
    assert!(Store::open(dir.path(), sealed_by(1)).is_err());
    assert_eq!(contents(&open_with(dir.path(), 2), "annemarie"), expected);
}

#[test]
fn whoever_is_erased_takes_his_key_along() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 1);
    fill(&store);
    let seat = store.shared().seat(&user("annemarie")).unwrap();
    let trees = store.shared().trees();
    let wrapped = trees.get(journal::SessionNo::SYSTEM, &seat.record).unwrap().unwrap();
    drop(trees);

    store.erase_user(&user("annemarie")).unwrap();
    store.scrub().unwrap();

    assert_eq!(store.users(), [user("bob")]);
    store.close();
    assert!(!is_on_disk(dir.path(), &wrapped));
    assert_eq!(contents(&open_with(dir.path(), 1), "bob").len(), 1);
}

#[test]
fn a_value_under_another_key_is_no_value() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 1);
    fill(&store);
    let [ada, bob] = ["annemarie", "bob"].map(|name| store.shared().seat(&user(name)).unwrap());

    let sealed = ada.seal(b"place", b"text").unwrap().into_owned();

    assert_eq!(ada.open(b"place", sealed.clone()).unwrap(), b"text");
    assert!(ada.open(b"other", sealed.clone()).is_err());
    assert!(bob.open(b"place", sealed.clone()).is_err());
    assert!(
        ada.open(b"place", b"plain".to_vec()).is_err(),
        "in an encrypted store nothing is plain"
    );
    for at in 0..sealed.len() {
        let mut bad = sealed.clone();
        bad[at] ^= 1;
        assert!(ada.open(b"place", bad).is_err(), "byte {at}");
    }
    assert_ne!(ada.seal(b"place", b"text").unwrap(), sealed, "each has a nonce of its own");
}

#[test]
fn a_backup_is_as_sealed_as_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let kept = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 1);
    let expected = fill(&store);
    let target = kept.path().join("a.backup");
    let made = store.back_up(&target, None).unwrap();
    store.close();
    assert_eq!(readable(kept.path()), Vec::<&str>::new());
    assert_eq!((made.users, made.memories), (2, 3));
    assert_eq!(made.encrypted_with, Some(key(1).name().to_string()));
    assert_eq!(verify_backup(&target, None).unwrap().checksum, made.checksum);

    let place = kept.path().join("restored");
    let refusal = restore(&target, None, &place, StoreOptions::default()).unwrap_err();
    assert!(refusal.to_string().contains("ENCRYPTION_KEY_FILE") && !place.exists(), "{refusal}");
    restore(&target, None, &place, sealed_by(1)).unwrap();

    assert_eq!(contents(&open_with(&place, 1), "annemarie"), expected);
}

#[test]
fn of_an_encrypted_store_what_is_whole_is_salvaged() {
    let dir = filled_and_sealed();
    let segment = journal_files(dir.path(), "0").pop().unwrap();
    let middle = 128 + 6_000;
    flip(&segment, middle);
    fs::remove_dir_all(sled_folder(dir.path())).unwrap();
    Store::open(dir.path(), sealed_by(1)).unwrap_err();

    let salvage = Store::salvage(dir.path()).unwrap();

    assert_eq!(salvage.memories, 39, "{salvage:?}");
    assert_eq!(contents(&open_with(dir.path(), 1), "ada").len(), 39);
}

#[test]
fn keys_that_are_lost_are_taken_from_the_checkpoint() {
    let dir = filled_and_sealed();
    // The first frame holds the store's key, the next ones that of the user, and the first memories.
    let segment = journal_files(dir.path(), "0").remove(0);
    for at in [160, 500, 900] {
        flip(&segment, at);
    }
    fs::remove_dir_all(sled_folder(dir.path())).unwrap();

    let salvage = Store::salvage(dir.path()).unwrap();

    assert!((36..40).contains(&salvage.memories), "{salvage:?}");
    let store = open_with(dir.path(), 1);
    assert_eq!(contents(&store, "ada").len() as u64, salvage.memories);
}

#[test]
fn without_the_key_of_the_store_it_is_refused_and_not_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 1);
    fill(&store);
    let mut batch = Batch::new();
    batch.remove::<StoreKey>(&OnlyKey);
    store.system().unwrap().commit(batch).unwrap().wait().unwrap();
    store.close();

    for options in [sealed_by(1), StoreOptions::default()] {
        let refusal = Store::open(dir.path(), options).unwrap_err();
        assert!(matches!(refusal, StoreError::StoreKeyLost), "{refusal}");
    }
}

#[test]
fn the_vault_shows_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 7);
    let shown = format!("{:?} {:?}", store.shared().vault(), sealed_by(7));
    assert!(!shown.contains("7, 7") && !shown.contains("0707"), "{shown}");
}
