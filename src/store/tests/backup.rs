//! Copies of a whole store, and stores made of copies.

use super::*;
use crate::model::SecretKey;
use crate::store::{BackupError, SealingKey, restore, verify_backup};

fn key(digit: char) -> SealingKey {
    SealingKey::new(&SecretKey::parse(&digit.to_string().repeat(64)).unwrap())
}

/// A store with some memories and a backup of it, in a folder of its own.
fn backed_up(key: Option<&SealingKey>) -> (tempfile::TempDir, PathBuf, Contents) {
    let (dir, expected) = filled(50);
    let store = open(dir.path());
    let target = dir.path().join("copies/one.memoryd");
    let content = store.back_up(&target, key).unwrap();
    assert_eq!((content.memories, content.users), (50, 1));
    assert_eq!(content.is_sealed, key.is_some());
    (dir, target, expected)
}

#[test]
fn a_backup_becomes_the_store_that_it_was_made_of() {
    for key in [None, Some(key('a'))] {
        let (_dir, file, expected) = backed_up(key.as_ref());
        let verified = verify_backup(&file, key.as_ref()).unwrap();
        let new = tempfile::tempdir().unwrap();

        let restored = restore(&file, key.as_ref(), new.path(), StoreOptions::default()).unwrap();

        assert_eq!(restored, verified);
        let store = open(new.path());
        assert_eq!(contents(&store, "ada"), expected);
        put(&mut store.session(&user("ada")).unwrap(), 500, "after").unwrap();
        // Equal content has an equal checksum, whatever came of the files in between.
        let mut batch = Batch::new();
        batch.remove::<Memory>(&id(500));
        store.session(&user("ada")).unwrap().commit(batch).unwrap().wait().unwrap();
        let again = new.path().join("again.tmp");
        assert_eq!(store.back_up(&again, None).unwrap().checksum, verified.checksum);
        store.close();
        assert!(Store::check(new.path()).unwrap().is_healthy());
    }
}

#[test]
fn a_backup_is_one_moment_while_others_go_on_writing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..400 {
                put(&mut session, number, &format!("memory {number}")).unwrap();
            }
        });
        for copy in 0..5 {
            let file = dir.path().join(format!("copies/{copy}.memoryd"));
            let content = store.back_up(&file, None).unwrap();
            let new = tempfile::tempdir().unwrap();
            restore(&file, None, new.path(), StoreOptions::default()).unwrap();
            let found = contents(&open(new.path()), "ada");
            // One after the other was written, so a moment holds the first so many of them.
            assert_eq!(found.len() as u64, content.memories);
            assert!((0..content.memories).all(|number| found.contains_key(&id(number.into()))));
        }
    });
}

#[test]
fn nothing_but_a_whole_backup_touches_anything() {
    let (_dir, file, _) = backed_up(None);
    let (_sealed_dir, sealed, _) = backed_up(Some(&key('a')));
    let other = tempfile::tempdir().unwrap();
    let target = other.path().join("new");
    let bad = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(&file).unwrap();
        change(&mut bytes);
        let path = other.path().join(name);
        fs::write(&path, bytes).unwrap();
        restore(&path, None, &target, StoreOptions::default()).unwrap_err()
    };

    let flipped = bad("flipped", &|bytes| bytes[1_000] ^= 1);
    let cut = bad("cut", &|bytes| bytes.truncate(2_000));
    let longer = bad("longer", &|bytes| bytes.push(7));
    let newer = bad("newer", &|bytes| (bytes[8], bytes[72]) = (9, 9));
    let foreign =
        bad("foreign", &|bytes| *bytes = b"PK\x03\x04 an archive of another kind".to_vec());
    let empty = bad("empty", &|bytes| bytes.clear());
    let restored = |key| restore(&sealed, key, &target, StoreOptions::default()).unwrap_err();

    for damaged in [flipped, cut, longer] {
        assert!(matches!(damaged, BackupError::Damaged { .. }), "{damaged}");
    }
    assert!(matches!(newer, BackupError::Newer { found: 9, .. }), "{newer}");
    for none in [foreign, empty] {
        assert!(matches!(none, BackupError::NoBackup { .. }), "{none}");
    }
    for locked in [restored(None), restored(Some(&key('b')))] {
        assert!(matches!(locked, BackupError::Sealed { .. }), "{locked}");
    }
    assert!(!target.exists());
}

#[test]
fn a_backup_is_not_restored_over_anything() {
    let (dir, file, expected) = backed_up(None);
    let full = tempfile::tempdir().unwrap();
    fs::write(full.path().join("notes.txt"), "mine").unwrap();

    for folder in [full.path(), dir.path()] {
        let refusal = restore(&file, None, folder, StoreOptions::default()).unwrap_err();
        assert!(matches!(refusal, BackupError::NotEmpty { .. }), "{refusal}");
    }

    assert_eq!(fs::read_dir(full.path()).unwrap().count(), 1);
    assert_eq!(contents(&open(dir.path()), "ada"), expected);
}

#[test]
fn a_sealed_backup_shows_nothing() {
    let (dir, sealed, _) = backed_up(Some(&key('a')));

    let bytes = fs::read(sealed).unwrap();

    assert!(!bytes.windows(6).any(|window| window == b"memory"));
    assert!(!dir.path().join("backup.part").exists());
}
