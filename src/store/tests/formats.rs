//! Whole data directories as earlier versions wrote them.

use super::*;

/// A copy of the image of a format, made by the program of that time.
fn image(format: u32) -> tempfile::TempDir {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats");
    let dir = tempfile::tempdir().unwrap();
    copy_into(&images.join(format.to_string()), dir.path());
    dir
}

fn versions(dir: &Path) -> Vec<u8> {
    let files = journal_files(dir, "");
    files.iter().map(|path| fs::read(path).unwrap()[8]).collect()
}

#[test]
fn a_store_of_format_1_is_opened_and_brought_to_today() {
    let dir = image(1);
    assert_eq!(versions(dir.path()), [1]);

    let store = open(dir.path());
    let found = contents(&store, "default");
    store.compact_now().unwrap();
    store.close();

    let texts: Vec<_> = found.values().map(String::as_str).collect();
    assert!(texts.contains(&"Anna is allergic to penicillin and nuts"), "{texts:?}");
    assert_eq!(texts.len(), 5);
    assert!(texts.iter().any(|text| text.len() > 4_096), "no long text");
    assert!(versions(dir.path()).iter().all(|version| *version == 2));
    assert_eq!(contents(&open(dir.path()), "default"), found);
    // Whoever goes back to the old version finds what it can read.
    let kept = dir.path().join("before-format-2/journal");
    assert_eq!(fs::read_dir(kept).unwrap().count(), 1);
}

#[test]
fn an_upgrade_that_is_cut_off_is_gone_on_with() {
    let dir = image(1);
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
    let old = image(1);
    for file in journal_files(old.path(), "0") {
        fs::copy(&file, dir.path().join("journal/00000000000000000001.log")).unwrap();
    }

    let store = open(dir.path());

    assert_eq!(contents(&store, "ada"), expected);
}
