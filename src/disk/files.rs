use std::fmt;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::PRIVATE_FILE;
use super::folders::{folder_of, sync_opened};
use super::owner::leave_to_owner;

/// The bits of a mode that speak of anybody but the owner.
const OTHERS: u32 = 0o077;

/// Which file or folder it is, whatever paths lead to it: its device and its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn of(found: &Metadata) -> Self {
        Self { device: found.dev(), inode: found.ino() }
    }

    /// Whether it is what lies at a path. A link is not what it leads to.
    pub(crate) fn lies_at(self, path: &Path) -> bool {
        std::fs::symlink_metadata(path).is_ok_and(|found| Self::of(&found) == self)
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.device, self.inode)
    }
}

/// A synced file beside the place that it is meant for, under the same name with `.tmp` at its end.
///
/// Writing one proves that the disk takes writes, before anything else is done that would not
/// survive it.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    target: PathBuf,
    file: File,
}

impl Draft {
    /// Writes and syncs the content. Nothing is left of it if that fails.
    pub(crate) fn write(target: &Path, bytes: &[u8], mode: u32) -> io::Result<Self> {
        Self::fill(target, ".tmp", mode, |file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
    }

    /// The same with content that is written as it is made.
    pub(crate) fn fill_with(
        target: &Path,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<Self> {
        Self::fill(target, ".tmp", PRIVATE_FILE, |file| {
            fill(file)?;
            file.sync_all()
        })
    }

    /// The same with another end of its name, and whatever else is to be done before it is whole.
    fn fill(
        target: &Path,
        ending: &str,
        mode: u32,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut path = target.as_os_str().to_owned();
        path.push(ending);
        let path = PathBuf::from(path);
        let file = create_with_mode(&path, mode)?;
        let mut draft = Self { path, target: target.to_owned(), file };
        match fill(&mut draft.file) {
            Ok(()) => Ok(draft),
            Err(error) => {
                draft.discard();
                Err(error)
            }
        }
    }

    /// Replaces what is at the place, durably. Returns the file, open for reading and writing.
    pub(crate) fn put_in_place(self) -> io::Result<File> {
        match put_in_place(&self.path, &self.target) {
            Ok(()) => Ok(self.file),
            Err(error) => {
                self.discard();
                Err(error)
            }
        }
    }

    /// Removes it. A leftover would do no harm: the next draft takes its place.
    pub(crate) fn discard(self) {
        if let Err(error) = remove_file(&self.path) {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Replaces a small private file as a whole: after a crash it is the old one or the new one.
/// Returns the file, open for reading and writing.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<File> {
    Draft::write(path, bytes, PRIVATE_FILE)?.put_in_place()
}

/// Replaces a file of another program, or makes one, and gives it that mode whatever the umask says.
pub(crate) fn replace_with_mode(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let draft = Draft::fill(path, &foreign_ending(), PRIVATE_FILE, |file| {
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()
    })?;
    draft.put_in_place().map(drop)
}

/// Makes a file among those of other programs, with that mode less what the process masks.
pub(crate) fn make_with_mode(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let draft = Draft::fill(path, &foreign_ending(), mode, |file| {
        file.write_all(bytes)?;
        file.sync_all()
    })?;
    draft.put_in_place().map(drop)
}

/// What ends the name of a draft where others keep their files: a `.tmp` there may be somebody's.
fn foreign_ending() -> String {
    format!(".memoryd-{}", std::process::id())
}

/// Renames a finished file within its folder, and makes that durable.
///
/// Whatever needs a file descriptor comes before the rename, so that a process that has run out of
/// them finds the old file in its place.
pub(crate) fn put_in_place(draft: &Path, target: &Path) -> io::Result<()> {
    let folder = File::open(folder_of(target))?;
    std::fs::rename(draft, target)?;
    sync_opened(&folder)
}

/// Makes an empty private file for reading and writing. What was there is gone, a link included.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    create_with_mode(path, PRIVATE_FILE)
}

/// Quotes a path for a POSIX shell where it needs it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Copies a file durably to a place that is closed to others.
pub(crate) fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut copy = create_file(to)?;
    io::copy(&mut File::open(from)?, &mut copy)?;
    copy.sync_all()
}

/// Opens what a person named for writing from its start. It is private if it is made now. What is
/// there keeps its mode, and a link or a device is written to: the person may have meant it.
pub(crate) fn open_for_output(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(PRIVATE_FILE).open(path)
}

/// Opens a file to write at its end, and makes it if there is none. A link is followed.
pub(crate) fn open_for_appending(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    match options.append(true).mode(mode).create_new(true).open(path) {
        Ok(made) => {
            leave_to_owner(&made, path)?;
            Ok(made)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.create_new(false).create(true).open(path)
        }
        failed => failed,
    }
}

/// Takes from others what a library has given them in a file or folder of ours. A file system
/// that does not let us is told of once; its mount options decide who may read there.
pub(crate) fn close_to_others(path: &Path) -> io::Result<()> {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    let mode = std::fs::symlink_metadata(path)?.permissions().mode();
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let closed = std::fs::set_permissions(path, Permissions::from_mode(mode & 0o700));
    unless_refused(closed, &IS_TOLD, |error| {
        log::warn!("cannot close {} to others: {error}", path.display());
    })
}

/// Passes over that a file system does not let us do something, and tells of it once.
pub(super) fn unless_refused(
    done: io::Result<()>,
    is_told: &AtomicBool,
    tell: impl FnOnce(&io::Error),
) -> io::Result<()> {
    match done {
        Err(error) if is_refusal(&error) => {
            if !is_told.swap(true, Relaxed) {
                tell(&error);
            }
            Ok(())
        }
        done => done,
    }
}

/// Removes a file that may be gone already.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn create_with_mode(path: &Path, mode: u32) -> io::Result<File> {
    remove_file(path)?;
    // `create_new` fails on anything that is there, links included.
    let made = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)?;
    leave_to_owner(&made, path)?;
    Ok(made)
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_replaced_file_is_private_and_leaves_no_draft() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        fs::write(&path, "old and longer").unwrap();

        replace_file(&path, b"new").unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(mode(&path), PRIVATE_FILE);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_draft_that_is_discarded_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        fs::write(&path, "old").unwrap();

        Draft::write(&path, b"new", PRIVATE_FILE).unwrap().discard();

        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_draft_without_a_place_to_go_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        fs::create_dir(&path).unwrap();

        replace_file(&path, b"new").unwrap_err();

        assert!(path.is_dir());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, path) = (dir.path().join("victim"), dir.path().join("notes"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &path).unwrap();
        symlink(&victim, dir.path().join("notes.tmp")).unwrap();

        replace_file(&path, b"new").unwrap();
        drop(create_file(&path).unwrap());

        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn what_a_person_names_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        fs::write(&old, "something").unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o664)).unwrap();

        drop((open_for_output(&old).unwrap(), open_for_output(&new).unwrap()));

        assert_eq!((mode(&old), mode(&new)), (0o664, PRIVATE_FILE));
        assert_eq!(fs::read(&old).unwrap(), b"");
    }

    #[test]
    fn what_a_library_opened_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, folder) = (dir.path().join("file"), dir.path().join("folder"));
        fs::write(&file, "").unwrap();
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();

        close_to_others(&file).unwrap();
        close_to_others(&folder).unwrap();

        assert_eq!((mode(&file), mode(&folder)), (0o600, 0o700));
    }
}
