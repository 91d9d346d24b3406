//! What sessions that sleep leave for those that wake: that it is of the very records that are found, and leaves the disk
//! with what it tells of.

use std::io::{self, Read, Write};

use super::*;
use crate::model::SecretKey;
use crate::store::{EncryptionKeys, SealingKey, StoredVector};

const MAKER: &[u8] = b"this program";
const PIECE: usize = 64 * 1024;

fn text(length: usize) -> Vec<u8> {
    b"Quittenmus ".iter().copied().cycle().take(length).collect()
}

fn keep(session: &mut SessionStore, text: &[u8]) {
    let write = |target: &mut dyn Write| target.write_all(text);
    session.keep_mind(MAKER, 0, &write).unwrap();
}

/// What whoever opens a session finds.
fn found(store: &Store, maker: &[u8]) -> Option<Vec<u8>> {
    let mut kept = store.session(&user("ada")).unwrap().kept_mind(maker)?;
    let mut bytes = Vec::new();
    kept.read_to_end(&mut bytes).ok()?;
    assert_eq!(bytes.len() as u64, kept.length());
    Some(bytes)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join(".minds")).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A store in which a session has left something, closed properly.
fn slept(length: usize) -> tempfile::TempDir {
    let (dir, _) = filled(10);
    let store = open(dir.path());
    keep(&mut store.session(&user("ada")).unwrap(), &text(length));
    store.close();
    dir
}

#[test]
fn what_was_kept_comes_back_however_long_it_is_and_however_often() {
    for length in [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 17] {
        let dir = slept(length);
        for _ in 0..2 {
            let store = open(dir.path());
            assert_eq!(found(&store, MAKER).as_deref(), Some(&text(length)[..]), "{length}");
            assert_eq!(found(&store, MAKER).as_deref(), Some(&text(length)[..]), "{length}");
            store.close();
        }
        assert!(Store::check(dir.path()).unwrap().is_healthy());
    }
}

#[test]
fn it_stays_until_a_memory_or_a_vector_is_touched_and_goes_before_that_is_acknowledged() {
    let vector = StoredVector { model: [1; 16], of_version: 1, codes: vec![1, 2, 3] };
    let all: [fn(&mut Batch, &StoredVector); 3] = [
        |batch, _| batch.put(&id(3), &memory(3, "changed")),
        |batch, _| batch.remove::<Memory>(&id(3)),
        |batch, vector| batch.put(&id(3), vector),
    ];
    for touches in all {
        let dir = slept(100);
        let store = open(dir.path());
        let mut session = store.session(&user("ada")).unwrap();
        let mut batch = Batch::new();
        batch.put(&id(3), &access(7));
        session.commit(batch).unwrap().wait().unwrap();
        assert!(found(&store, MAKER).is_some(), "what is counted changes no memory");

        let mut batch = Batch::new();
        touches(&mut batch, &vector);
        let receipt = session.commit(batch).unwrap();

        assert!(files(dir.path()).is_empty());
        receipt.wait().unwrap();
        assert_eq!(found(&store, MAKER), None);
        keep(&mut session, b"anew");
        assert_eq!(found(&store, MAKER).as_deref(), Some(&b"anew"[..]));
    }
}

#[test]
fn a_file_of_another_state_is_refused_wherever_it_comes_from() {
    let dir = slept(100);
    let (before, old) = (copy(dir.path()), fs::read(&files(dir.path())[0]).unwrap());
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    put(&mut session, 3, "changed").unwrap();
    let awake = copy(dir.path());
    keep(&mut session, b"of later");
    drop(session);
    store.close();
    let path = files(dir.path()).remove(0);
    let new = fs::read(&path).unwrap();
    let (of_another, _) = filled(10);

    for (dir, file) in [(&dir, &old), (&before, &new), (&awake, &old), (&of_another, &new)] {
        let path = dir.path().join(path.strip_prefix(path.ancestors().nth(2).unwrap()).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, file).unwrap();
        let store = open(dir.path());

        assert!(!path.exists(), "the start removes it");
        fs::write(&path, file).unwrap();
        assert_eq!(found(&store, MAKER), None);
        assert!(!path.exists(), "and so does whoever meets it");
    }
    // The older state with the older file is what it was.
    fs::write(before.path().join(".minds").join(path.file_name().unwrap()), &old).unwrap();
    assert!(found(&open(before.path()), MAKER).is_some());
}

#[test]
fn what_another_program_has_made_is_not_read() {
    let dir = slept(100);
    let store = open(dir.path());

    assert_eq!(found(&store, b"that program"), None);
    assert_eq!(found(&store, MAKER), None, "it is gone");
}

#[test]
fn damage_is_noticed_wherever_it_is() {
    let dir = slept(2 * PIECE + 50);
    let path = files(dir.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let store = open(dir.path());
    let is_refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        found(&store, MAKER).is_none()
    };

    for at in (0..140).chain([PIECE, PIECE + 200, 2 * PIECE, whole.len() - 5, whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        assert!(is_refused(&bytes), "{at}");
    }
    for length in [0, 7, 60, 110, 200, PIECE, 2 * PIECE, whole.len() - 60, whole.len() - 1] {
        assert!(is_refused(&whole[..length]), "{length}");
    }
    let head = whole.len() - 3 * 4 - (2 * PIECE + 50);
    let (first, second) = (head..head + PIECE + 4, head + PIECE + 4..head + 2 * (PIECE + 4));
    let mixed = [&whole[..head], &whole[second], &whole[first], &whole[head + 2 * (PIECE + 4)..]];
    assert!(is_refused(&mixed.concat()), "pieces that changed places");
    assert!(is_refused(&[&whole[..], b"x".as_slice()].concat()));
    assert!(!is_refused(&whole));
}

#[test]
fn what_could_not_be_written_is_not_there() {
    let (dir, _) = filled(10);
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    let fails = |target: &mut dyn Write| -> io::Result<()> {
        target.write_all(&text(3 * PIECE))?;
        Err(io::ErrorKind::StorageFull.into())
    };

    session.keep_mind(MAKER, 0, &fails).unwrap_err();
    session.keep_mind(MAKER, u64::MAX / 4, &|_| Ok(())).unwrap_err();

    assert!(files(dir.path()).is_empty());
    assert_eq!(found(&store, MAKER), None);
    put(&mut session, 90, "it goes on").unwrap();
}

#[test]
fn what_a_crash_leaves_is_cleared_and_what_is_not_ours_stays() {
    let dir = slept(100);
    let path = files(dir.path()).remove(0);
    let draft = path.with_extension("tmp");
    fs::write(&draft, "half").unwrap();
    fs::copy(&path, path.with_file_name("4711")).unwrap();
    let strange = path.with_file_name("notes.txt");
    fs::write(&strange, "somebody's").unwrap();

    let store = open(dir.path());

    assert_eq!(files(dir.path()), [path.clone(), strange.clone()]);
    fs::write(&draft, "of a session that is about to sleep").unwrap();
    fs::copy(&path, path.with_file_name("4711")).unwrap();
    store.scrub().unwrap();
    assert_eq!(files(dir.path()), [path, draft, strange]);
}

#[test]
fn half_a_file_goes_with_the_first_change() {
    let dir = slept(100);
    let store = open(dir.path());
    let draft = files(dir.path()).remove(0).with_extension("tmp");
    fs::write(draft, "half").unwrap();

    put(&mut store.session(&user("ada")).unwrap(), 3, "changed").unwrap();

    assert!(files(dir.path()).is_empty());
}

#[test]
fn what_cannot_be_removed_keeps_nothing_else_from_leaving_the_disk() {
    let dir = slept(100);
    let in_the_way = dir.path().join(".minds").join("4711");
    // No file, so that it cannot be removed as one.
    fs::create_dir(&in_the_way).unwrap();
    let store = open(dir.path());
    put(&mut store.session(&user("ada")).unwrap(), 70, "a text that was regretted").unwrap();

    store.erase_user(&user("ada")).unwrap();
    store.scrub().unwrap_err();

    assert!(!is_on_disk(dir.path(), "that was regretted"));
    fs::remove_dir(&in_the_way).unwrap();
    store.scrub().unwrap();
}

#[test]
fn who_is_erased_leaves_nothing_in_it() {
    let dir = slept(1_000);
    let path = files(dir.path()).remove(0);
    let kept = fs::read(&path).unwrap();
    assert!(is_on_disk(dir.path(), "Quittenmus"));
    let store = open(dir.path());

    store.erase_user(&user("ada")).unwrap();

    assert!(!is_on_disk(dir.path(), "Quittenmus"));
    // As a power cut would that brings it back.
    fs::write(&path, kept).unwrap();
    store.scrub().unwrap();
    assert!(!is_on_disk(dir.path(), "Quittenmus"));
}

fn sealed() -> StoreOptions {
    let current = SealingKey::new(&SecretKey::new([1; 32]));
    let encryption = Some(EncryptionKeys { current, previous: None });
    StoreOptions { encryption, ..StoreOptions::default() }
}

#[test]
fn of_an_encrypted_store_nothing_in_it_can_be_read() {
    let dir = slept(1_000);
    let plain = fs::read(&files(dir.path())[0]).unwrap();
    let path = files(dir.path()).remove(0);

    let store = Store::open(dir.path(), sealed()).unwrap();

    assert!(!is_on_disk(dir.path(), "Quittenmus"), "what was kept before is gone");
    fs::write(&path, plain).unwrap();
    assert_eq!(found(&store, MAKER), None, "and is not taken");
    let long = text(2 * PIECE + 9);
    keep(&mut store.session(&user("ada")).unwrap(), &long);
    store.close();
    assert!(!is_on_disk(dir.path(), "Quittenmus"));
    let store = Store::open(dir.path(), sealed()).unwrap();
    assert_eq!(found(&store, MAKER).as_deref(), Some(&long[..]));
    let whole = fs::read(&path).unwrap();
    for at in (0..190).chain([PIECE, whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(found(&store, MAKER), None, "{at}");
    }
    fs::write(&path, &whole[..whole.len() - 9 - 16]).unwrap();
    assert_eq!(found(&store, MAKER), None, "it was cut off");
    fs::write(&path, whole).unwrap();
    assert!(found(&store, MAKER).is_some());
}

#[test]
fn a_check_passes_over_it_whatever_became_of_it() {
    let dir = slept(100);
    let path = files(dir.path()).remove(0);
    let healthy = Store::check(dir.path()).unwrap();
    assert!(healthy.is_healthy());

    for bytes in [&b""[..], b"no such file"] {
        fs::write(&path, bytes).unwrap();

        assert_eq!(Store::check(dir.path()).unwrap(), healthy);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_salvage_keeps_none() {
    let dir = slept(100);
    flip(&journal_files(dir.path(), "0").remove(0), 2_000);
    fs::remove_dir_all(sled_folder(dir.path())).unwrap();

    assert!(!Store::salvage(dir.path()).unwrap().is_whole);

    assert!(files(dir.path()).is_empty());
    assert_eq!(found(&open(dir.path()), MAKER), None);
}

#[test]
fn what_a_salvage_has_left_is_of_no_file_that_was_kept() {
    let dir = slept(100);
    let path = files(dir.path()).remove(0);
    let kept = fs::read(&path).unwrap();
    let store = open(dir.path());
    let mut session = store.session(&user("ada")).unwrap();
    put(&mut session, 3, "what is lost took the mark along").unwrap();
    put(&mut session, 4, "what came later stays").unwrap();
    drop(session);
    store.close();
    let segment = journal_files(dir.path(), "0").pop().unwrap();
    let bytes = fs::read(&segment).unwrap();
    flip(&segment, bytes.windows(7).position(|window| window == b"is lost").unwrap());
    fs::remove_dir_all(sled_folder(dir.path())).unwrap();

    assert!(!Store::salvage(dir.path()).unwrap().is_whole);

    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, kept).unwrap();
    let store = open(dir.path());
    assert_eq!(contents(&store, "ada")[&id(4)], "what came later stays");
    assert_eq!(found(&store, MAKER), None);
}
