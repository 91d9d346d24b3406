use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rustix::fs::{AtFlags, CWD, Gid, Uid, chownat, fchown};
use rustix::process::{getegid, geteuid};

use super::files::unless_refused;
use super::folders::folder_of;

/// Gives a file that was just made to the owner of its folder, so that a service goes on reading
/// its own data after root has written there. For anybody but root nothing is to be done.
pub(super) fn leave_to_owner(file: &File, path: &Path) -> io::Result<()> {
    let Some((user, group)) = heir(path, || file.metadata())? else { return Ok(()) };
    told(path, fchown(file.as_fd(), Some(user), Some(group)))
}

/// The same for a folder, or for what a library has made. A link is not followed.
pub(crate) fn leave_path_to_owner(path: &Path) -> io::Result<()> {
    let Some((user, group)) = heir(path, || std::fs::symlink_metadata(path))? else {
        return Ok(());
    };
    told(path, chownat(CWD, path, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW))
}

/// The numbers of the user and of the group as which this process acts.
pub(crate) fn own_ids() -> (u32, u32) {
    (geteuid().as_raw(), getegid().as_raw())
}

/// Whether something is another user's than the one as whom this process acts. What is not there, or
/// cannot be looked at, belongs to whom the folder around it does.
pub(crate) fn is_of_another(path: &Path) -> bool {
    let found = std::fs::metadata(path).or_else(|_| std::fs::metadata(folder_of(path)));
    found.is_ok_and(|found| found.uid() != own_ids().0)
}

/// Who is to own it, if that is somebody else than now.
fn heir(
    path: &Path,
    made: impl FnOnce() -> io::Result<Metadata>,
) -> io::Result<Option<(Uid, Gid)>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let folder = std::fs::metadata(folder_of(path))?;
    let (user, group) = (folder.uid(), folder.gid());
    let is_theirs = made()?.uid() == user;
    Ok((!is_theirs).then(|| (Uid::from_raw(user), Gid::from_raw(group))))
}

/// There are file systems without owners, and roots that may not give anything away.
fn told(path: &Path, given: rustix::io::Result<()>) -> io::Result<()> {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    unless_refused(given.map_err(io::Error::from), &IS_TOLD, |error| {
        log::warn!("cannot give {} to the owner of its folder: {error}", path.display());
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{create_file, create_folder_within};
    use super::*;

    /// Anybody else cannot give files away, so there the first half is all there is to see.
    #[test]
    fn what_root_makes_belongs_to_the_owner_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let is_root = geteuid().is_root();
        if is_root {
            std::os::unix::fs::chown(dir.path(), Some(12_345), Some(23_456)).unwrap();
        }
        let expected = fs::metadata(dir.path()).unwrap();

        let (file, folder) = (dir.path().join("file"), dir.path().join("a/b"));
        create_file(&file).unwrap();
        create_folder_within(&folder).unwrap();

        for made in [&file, &folder, &dir.path().join("a")] {
            let found = fs::metadata(made).unwrap();
            assert_eq!((found.uid(), found.gid()), (expected.uid(), expected.gid()), "{made:?}");
        }
    }
}
