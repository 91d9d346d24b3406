use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::disk;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open_to_others() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

#[test]
fn a_folder_of_somebody_else_is_refused_and_stays_as_it_is() {
    let dir = open_to_others();
    fs::write(dir.path().join("photo.jpg"), "precious").unwrap();

    let refusal = Store::open(dir.path(), StoreOptions::default()).unwrap_err();

    assert!(matches!(&refusal, StoreError::Foreign { found, .. } if found == "photo.jpg"));
    assert!(refusal.to_string().contains("--data-dir"), "{refusal}");
    assert_eq!(mode(dir.path()), 0o755);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_that_is_there_keeps_its_mode_and_what_is_made_in_it_is_private() {
    let dir = open_to_others();
    fs::write(dir.path().join("config.toml"), "").unwrap();

    let store = open(dir.path());
    put(&mut store.session(&user("ada")).unwrap(), 1, "private").unwrap();
    store.close();

    let made = |name: &str| mode(&dir.path().join(name));
    assert_eq!(mode(dir.path()), 0o755);
    assert_eq!((made("journal"), made("sled-1")), (0o700, 0o700));
    assert_eq!((made("lock"), made("checkpoint")), (0o600, 0o600));
}

#[test]
fn whoever_only_reads_makes_no_store() {
    let reading = || StoreOptions { create: false, ..StoreOptions::default() };
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let (filled, expected) = filled(3);

    for folder in [dir.path(), &missing] {
        let refusal = Store::open(folder, reading()).unwrap_err();
        assert!(matches!(refusal, StoreError::NoStore { .. }), "{refusal}");
        assert!(matches!(Store::check(folder), Err(StoreError::NoStore { .. })));
    }
    let store = Store::open(filled.path(), reading()).unwrap();

    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(contents(&store, "ada"), expected);
}

#[test]
fn a_folder_of_another_user_is_refused_with_the_line_that_hands_it_over() {
    let dir = tempfile::tempdir().unwrap();
    let (user, group) = disk::own_ids();
    // Only root can give a folder away; for anybody else there is one of root's.
    let theirs = if user == 0 {
        std::os::unix::fs::chown(dir.path(), Some(12_345), Some(12_345)).unwrap();
        dir.path().to_owned()
    } else {
        PathBuf::from("/etc")
    };
    let refused = |folder: &Path| {
        let denied = std::io::ErrorKind::PermissionDenied.into();
        StoreError::disk("open", &folder.join("lock"))(denied).in_directory(folder)
    };
    let ours = tempfile::tempdir().unwrap();

    let told = refused(&theirs).to_string();

    assert!(told.contains(&format!("chown -R {user}:{group} {}", theirs.display())), "{told}");
    assert!(matches!(refused(ours.path()), StoreError::Disk { .. }));
    assert!(matches!(refused(Path::new("/nowhere/at/all")), StoreError::Disk { .. }));
}
