use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::PRIVATE_FOLDER;
use super::files::remove_file;
use super::owner::leave_path_to_owner;

/// Makes a folder and its parents, closed to everyone else, and makes their names durable. One
/// that is there stays as it is.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    create_folder_with_mode(path, PRIVATE_FOLDER)
}

/// The same for a folder within one of ours: it belongs to whom that one belongs to.
pub(crate) fn create_folder_within(path: &Path) -> io::Result<()> {
    create(path, PRIVATE_FOLDER, leave_path_to_owner)
}

/// The same for a folder that others are meant to look into.
pub(crate) fn create_folder_with_mode(path: &Path, mode: u32) -> io::Result<()> {
    create(path, mode, |_| Ok(()))
}

fn create(path: &Path, mode: u32, finish: fn(&Path) -> io::Result<()>) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let create_one = |path: &Path, mode| create_one(path, mode).and_then(|()| finish(path));
    match create_one(path, mode) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
                return Err(error);
            };
            create(parent, mode, finish)?;
            create_one(path, mode)
        }
        // Somebody was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        created => created,
    }
}

/// Removes a folder with all it holds; it may be gone already.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a file, or a folder with all it holds; it may be gone already. A link is removed itself.
pub(crate) fn remove_any(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => remove_folder(path),
        Ok(_) => remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes creations, renames and removals in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    sync_opened(&File::open(path)?)
}

/// Some file systems of networks cannot sync a folder. More than asking cannot be done there.
pub(super) fn sync_opened(folder: &File) -> io::Result<()> {
    match folder.sync_all() {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// The folder that a file lies in, also for a bare name.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn create_one(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().mode(mode).create(path)?;
    match sync_folder(folder_of(path)) {
        // A folder may be writable for us and not readable; then its owner vouches for its names.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_what_is_made_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let deep = dir.path().join("a/b");

        create_folder(&deep).unwrap();
        create_folder(&deep).unwrap();
        create_folder(dir.path()).unwrap();

        assert_eq!((mode(&deep), mode(&dir.path().join("a"))), (0o700, 0o700));
        assert_eq!(mode(dir.path()), 0o755);
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();

        create_folder(&path).unwrap_err();
        create_folder(&path.join("below")).unwrap_err();

        assert!(path.is_file());
    }
}
