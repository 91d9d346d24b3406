//! Whole data directories as earlier versions wrote them.

use super::*;
use crate::model::{SecretKey, Status, Token};
use crate::store::{EncryptionKeys, PastVersion, SealingKey};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats")
}

/// A copy of an image, made by the program of its time.
fn image(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_into(&folder().join(name), dir.path());
    dir
}

/// The names of all images.
fn images() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut names: Vec<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// How to open an image: the key of an encrypted one lies beside it.
fn options_of(name: &str) -> StoreOptions {
    let key = fs::read_to_string(folder().join(format!("{name}.test-key"))).ok();
    let encryption = key.map(|text| {
        let key = SecretKey::parse(text.trim()).unwrap();
        EncryptionKeys { current: SealingKey::new(&key), previous: None }
    });
    StoreOptions { encryption, ..StoreOptions::default() }
}

/// Everything that somebody stored: memories, their earlier versions, tokens.
#[derive(Debug, PartialEq)]
struct Held {
    memories: Vec<Memory>,
    past: Vec<Memory>,
    tokens: Vec<Token>,
}

fn held(store: &Store) -> Held {
    let session = store.session(&user("default")).unwrap();
    let tokens = store.system().unwrap().scan::<Token>();
    Held {
        memories: session.scan::<Memory>().map(|entry| entry.unwrap().1).collect(),
        past: session.scan::<PastVersion>().map(|entry| entry.unwrap().1.0).collect(),
        tokens: tokens.map(|entry| entry.unwrap().1).collect(),
    }
}

fn versions(dir: &Path) -> Vec<u8> {
    let files = journal_files(dir, "");
    files.iter().map(|path| fs::read(path).unwrap()[8]).collect()
}

#[test]
fn every_image_is_opened_with_all_that_it_holds() {
    let names = images();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        let dir = image(&name);
        let open = || Store::open(dir.path(), options_of(&name)).unwrap();
        let store = open();
        let found = held(&store);
        store.close();

        let texts: Vec<_> = found.memories.iter().map(|memory| memory.content.as_str()).collect();
        assert!(texts.contains(&"Anna is allergic to penicillin and nuts"), "{name}: {texts:?}");
        assert_eq!(texts.len(), 5, "{name}");
        assert!(texts.iter().any(|text| text.len() > 4_096), "{name}: no long text");
        let deleted = found.memories.iter().filter(|memory| memory.status == Status::Deleted);
        assert_eq!(deleted.count(), 1, "{name}");
        let past: Vec<_> = found.past.iter().map(|memory| memory.content.as_str()).collect();
        assert_eq!(past, ["Anna is allergic to penicillin", "To be deleted"], "{name}");
        let tokens: Vec<_> = found.tokens.iter().map(|token| token.name.to_string()).collect();
        // There was none in the image of format 1.
        assert!(name == "1" || tokens == ["laptop"], "{name}: {tokens:?}");
        // The journal alone says the same, and so does what today's program makes of it.
        fs::remove_dir_all(sled_folder(dir.path())).unwrap();
        let store = open();
        assert_eq!(held(&store), found, "{name}");
        store.compact_now().unwrap();
        store.close();
        assert!(Store::check(dir.path()).unwrap().is_healthy(), "{name}");
        assert_eq!(held(&open()), found, "{name}");
    }
}

#[test]
fn the_image_of_an_encrypted_store_is_refused_without_its_key() {
    let dir = image("2-encrypted");

    let refusal = Store::open(dir.path(), StoreOptions::default()).unwrap_err();

    assert!(matches!(refusal, StoreError::Encrypted { .. }), "{refusal}");
    for text in ["Anna", "laptop"] {
        assert!(!is_on_disk(dir.path(), text), "{text}");
    }
}

#[test]
fn a_store_of_format_1_is_opened_and_brought_to_today() {
    let dir = image("1");
    assert_eq!(versions(dir.path()), [1]);

    let store = open(dir.path());
    let found = contents(&store, "default");
    store.compact_now().unwrap();
    store.close();

    assert!(versions(dir.path()).iter().all(|version| *version == 2));
    assert_eq!(contents(&open(dir.path()), "default"), found);
    // Whoever goes back to the old version finds what it can read.
    let kept = dir.path().join("before-format-2/journal");
    assert_eq!(fs::read_dir(kept).unwrap().count(), 1);
}

#[test]
fn an_upgrade_that_is_cut_off_is_gone_on_with() {
    let dir = image("1");
    let store = open(dir.path());
    let mut session = store.session(&user("default")).unwrap();
    put(&mut session, 1, "written beside files of format 1").unwrap();
    let found = contents(&store, "default");
    let cut_off = copy(dir.path());
    drop(session);
    store.close();

    assert_eq!(contents(&open(cut_off.path()), "default"), found);
}

#[test]
fn files_of_format_1_are_strangers_once_the_store_is_of_today() {
    let (dir, expected) = filled(10);
    let old = image("1");
    for file in journal_files(old.path(), "0") {
        fs::copy(&file, dir.path().join("journal/00000000000000000001.log")).unwrap();
    }

    let store = open(dir.path());

    assert_eq!(contents(&store, "ada"), expected);
}
