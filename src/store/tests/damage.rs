use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::store::{BackupError, CodecError, Record};

/// A memory as a later program will write it.
struct Tomorrow;

impl Record for Tomorrow {
    type Key = MemoryId;
    type Body = u64;
    const PREFIX: u8 = Memory::PREFIX;
    const VERSION: u8 = Memory::VERSION + 1;
    const KIND: &'static str = Memory::KIND;

    fn to_body(&self) -> u64 {
        7
    }

    fn from_body(_: &MemoryId, _: u64) -> Result<Self, CodecError> {
        Ok(Self)
    }
}

/// A store with one of them, closed properly, and what a session said of it.
fn with_newer_record() -> (tempfile::TempDir, StoreError) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    for number in 0..40 {
        put(&mut session, number, &format!("memory {number} {}", "x".repeat(300))).unwrap();
    }
    let mut batch = Batch::new();
    batch.put(&id(500), &Tomorrow);
    session.commit(batch).unwrap().wait().unwrap();
    let refusal = session.get::<Memory>(&id(500)).unwrap_err();
    drop(session);
    store.close();
    (dir, refusal)
}

#[test]
fn a_record_of_a_newer_program_is_called_that_and_no_salvage_throws_it_away() {
    let (dir, refusal) = with_newer_record();
    assert!(matches!(refusal, StoreError::NewerRecord { .. }), "{refusal}");
    assert!(refusal.to_string().contains("use a newer memoryd"), "{refusal}");

    let report = Store::check(dir.path()).unwrap();
    flip(&journal_files(dir.path(), "0").remove(0), 2_000);
    fs::remove_dir_all(sled_folder(dir.path())).unwrap();
    let salvage = Store::salvage(dir.path()).unwrap_err();

    assert!(!report.is_healthy() && report.problems.is_empty(), "{report:?}");
    assert_eq!(report.newer_records, 1);
    assert!(matches!(salvage, StoreError::NewerRecord { .. }), "{salvage}");
    assert!(!has_aside(dir.path(), "journal"));
}

#[test]
fn a_backup_with_a_record_of_a_newer_program_is_not_called_damaged() {
    let (dir, _) = with_newer_record();
    let store = open(dir.path());

    // Reading it back is a part of making it.
    let refusal = store.back_up(&dir.path().join("copies/one.memoryd"), None).unwrap_err();

    assert!(matches!(refusal, BackupError::Store(StoreError::NewerRecord { .. })), "{refusal}");
}

#[test]
fn sled_that_went_bad_anywhere_is_rebuilt_without_loss() {
    let (dir, expected) = filled(150);
    let size = fs::metadata(sled_folder(dir.path()).join("db")).unwrap().len();
    let size = usize::try_from(size).unwrap();

    for step in 0..12 {
        let broken = copy(dir.path());
        flip(&sled_folder(broken.path()).join("db"), (size - 1).min(step * 8_191 + 20));

        let store = open(broken.path());

        assert_eq!(contents(&store, "ada"), expected, "step {step}");
    }
}

#[test]
fn sled_that_was_cut_off_is_rebuilt_without_loss() {
    let (dir, expected) = filled(60);

    for percent in [0, 1, 30, 60, 99] {
        let broken = copy(dir.path());
        let path = sled_folder(broken.path()).join("db");
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_len(file.metadata().unwrap().len() * percent / 100).unwrap();
        for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
            let entry = entry.unwrap().path();
            if entry.file_name().unwrap().to_str().unwrap().starts_with("snap.") {
                fs::remove_file(entry).unwrap();
            }
        }

        let store = open(broken.path());

        assert_eq!(contents(&store, "ada"), expected, "{percent} %");
        put(&mut store.session(&user("ada")).unwrap(), 1_000, "after").unwrap();
    }
}

#[test]
fn sled_that_is_gone_is_rebuilt() {
    let (dir, expected) = filled(20);
    fs::remove_dir_all(sled_folder(dir.path())).unwrap();

    let store = open(dir.path());

    assert_eq!(contents(&store, "ada"), expected);
}

#[test]
fn sled_that_holds_other_values_than_the_journal_is_rebuilt() {
    let (dir, expected) = filled(20);
    let other = tempfile::tempdir().unwrap();
    copy_into(dir.path(), other.path());
    let store = open(other.path());
    let mut session = store.session(&user("ada")).unwrap();
    put(&mut session, 3, "a value of another life").unwrap();
    store.close();
    drop(session);
    fs::remove_dir_all(sled_folder(dir.path())).unwrap();
    copy_into(&sled_folder(other.path()), &dir.path().join("sled-1"));
    fs::create_dir_all(dir.path().join("sled-1")).unwrap();
    copy_into(&sled_folder(other.path()), &dir.path().join("sled-1"));
    let mut session_of_the_journal = expected.clone();
    session_of_the_journal.insert(id(500), "one more".to_owned());
    // The journal has another batch 21, so that both say they end there.
    {
        let plain = copy(dir.path());
        fs::remove_dir_all(plain.path().join("sled-1")).unwrap();
        let store = open(plain.path());
        put(&mut store.session(&user("ada")).unwrap(), 500, "one more").unwrap();
        store.close();
        fs::remove_dir_all(dir.path().join("journal")).unwrap();
        fs::create_dir(dir.path().join("journal")).unwrap();
        copy_into(&plain.path().join("journal"), &dir.path().join("journal"));
    }

    let store = open(dir.path());

    assert_eq!(contents(&store, "ada"), session_of_the_journal);
}

#[test]
fn an_unfinished_snapshot_of_sled_does_not_stop_the_start() {
    let (dir, expected) = filled(5);
    fs::write(sled_folder(dir.path()).join("snap.0000000000000001.generating"), b"half").unwrap();

    let store = open(dir.path());

    assert_eq!(contents(&store, "ada"), expected);
}

#[test]
fn a_journal_that_went_bad_anywhere_is_mended_from_sled() {
    let (dir, expected) = filled(40);
    let segment = journal_files(dir.path(), "0").remove(0);
    let size = fs::metadata(&segment).unwrap().len();
    let size = usize::try_from(size).unwrap();

    for at in (0..size).step_by(size / 40) {
        let broken = copy(dir.path());
        flip(&journal_files(broken.path(), "0")[0], at);

        let store = open(broken.path());
        assert_eq!(contents(&store, "ada"), expected, "byte {at}");
        put(&mut store.session(&user("ada")).unwrap(), 1_000, "after").unwrap();
        store.close();

        assert!(has_aside(broken.path(), "journal"), "byte {at}");
        let again = open(broken.path());
        assert_eq!(contents(&again, "ada").len(), expected.len() + 1, "byte {at}");
    }
}

#[test]
fn a_journal_that_is_gone_is_mended_from_sled() {
    let (dir, expected) = filled(20);
    fs::remove_dir_all(dir.path().join("journal")).unwrap();

    let store = open(dir.path());

    assert_eq!(contents(&store, "ada"), expected);
    store.close();
    assert!(Store::check(dir.path()).unwrap().is_healthy());
}

#[test]
fn damage_to_both_is_refused_and_named() {
    let (dir, _) = filled(40);
    let segment = journal_files(dir.path(), "0").remove(0);
    flip(&segment, 2_000);
    fs::remove_dir_all(sled_folder(dir.path())).unwrap();
    let before = fs::read(&segment).unwrap();

    let refusal = Store::open(dir.path(), StoreOptions::default()).unwrap_err();

    let StoreError::Unrecoverable { path, offset, .. } = &refusal else { panic!("{refusal}") };
    assert_eq!(path, &segment);
    assert!((1_000..=2_000).contains(offset), "{offset}");
    assert_eq!(fs::read(&segment).unwrap(), before);
}

#[test]
fn nothing_starts_empty_over_old_data() {
    let (dir, _) = filled(10);
    fs::remove_dir_all(dir.path().join("journal")).unwrap();
    fs::write(sled_folder(dir.path()).join("db"), b"").unwrap();

    assert!(Store::open(dir.path(), StoreOptions::default()).is_err());
    fs::remove_file(dir.path().join("checkpoint")).unwrap();
    assert!(Store::open(dir.path(), StoreOptions::default()).is_err());
}

#[test]
fn a_checkpoint_that_is_lost_costs_a_rebuild_only() {
    let (dir, expected) = filled(10);
    fs::write(dir.path().join("checkpoint"), b"nonsense").unwrap();

    let store = open(dir.path());

    assert_eq!(contents(&store, "ada"), expected);
}

#[test]
fn a_newer_format_is_refused_untouched() {
    let (dir, _) = filled(3);
    let segment = journal_files(dir.path(), "0").remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    (bytes[8], bytes[72]) = (7, 7);
    fs::write(&segment, &bytes).unwrap();

    let refusal = Store::open(dir.path(), StoreOptions::default()).unwrap_err();

    assert!(matches!(refusal, StoreError::NewerFormat { found: 7, .. }), "{refusal}");
    assert_eq!(fs::read(&segment).unwrap(), bytes);
}

#[test]
fn a_second_process_is_told_who_holds_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());

    let refusal = Store::open(dir.path(), StoreOptions::default()).unwrap_err();

    assert!(refusal.to_string().contains(&std::process::id().to_string()), "{refusal}");
    assert!(Store::check(dir.path()).is_err());
}

#[test]
fn nobody_else_can_read_the_files() {
    let (dir, _) = filled(10);
    let mut folders = vec![dir.path().to_owned()];

    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                // sled makes this one itself; its parent is closed.
                assert!(mode == 0o700 || entry.file_name() == "blobs", "{entry:?} {mode:o}");
            } else {
                assert_eq!(mode, 0o600, "{entry:?}");
            }
        }
    }
}

#[test]
fn what_a_killed_check_left_behind_is_removed() {
    let (dir, _) = filled(3);
    let left = dir.path().join("check-4000000000");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("db"), "somebody's memories").unwrap();

    let _store = open(dir.path());

    assert!(!left.exists());
}

#[test]
fn a_check_finds_damage_and_changes_nothing() {
    let (dir, _) = filled(30);
    let healthy = Store::check(dir.path()).unwrap();
    assert_eq!((healthy.problems.len(), healthy.sessions, healthy.keys), (0, 1, 31));
    let segment = journal_files(dir.path(), "0").remove(0);

    flip(&segment, 1_500);
    let with_bad_journal = Store::check(dir.path()).unwrap();
    flip(&segment, 1_500);
    flip(&sled_folder(dir.path()).join("db"), 3_000);
    let with_bad_sled = Store::check(dir.path()).unwrap();
    flip(&sled_folder(dir.path()).join("db"), 3_000);

    assert!(!with_bad_journal.is_healthy());
    assert!(!with_bad_sled.is_healthy());
    assert_eq!(Store::check(dir.path()).unwrap(), healthy);
}
