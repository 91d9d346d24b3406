//! The file of a client: read, replaced with care, and put back.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cli::{Failed, unwritable};
use crate::disk::{self, PRIVATE_FILE};

/// A file as it was when it was read.
#[derive(Debug)]
pub(super) struct ClientFile {
    /// What the client calls it.
    path: PathBuf,
    /// Where it lies, behind links.
    real: PathBuf,
    /// Empty where there is none.
    pub(super) text: String,
    /// Nothing where there is none.
    mode: Option<u32>,
}

/// Claude Code keeps histories in its file. Nobody has settings beyond this.
const LIMIT_BYTES: u64 = 64 << 20;

/// What the copy is called that is kept of a file as it was before memoryd was in it.
const BACKUP: &str = ".memoryd-backup";

/// The bits of a mode that let others read.
const OTHERS_READ: u32 = 0o044;

/// The bit of a mode that lets the owner write.
const OWNER_WRITES: u32 = 0o200;

impl ClientFile {
    /// Reads it. One that is not there is an empty one.
    pub(super) fn read(path: &Path) -> Result<Self, Failed> {
        let real = real_path(path)?;
        let (text, mode) = match read(&real)? {
            Some((text, mode)) => (text, Some(mode)),
            None => (String::new(), None),
        };
        Ok(Self { path: path.to_owned(), real, text, mode })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_there(&self) -> bool {
        self.mode.is_some()
    }

    /// Whether others of this machine can read what is in it.
    pub(super) fn is_open_to_others(&self) -> bool {
        self.mode.is_some_and(|mode| mode & OTHERS_READ != 0)
    }

    /// Keeps a copy beside it, in place of an older one. Nothing where there is no file.
    pub(super) fn back_up(&self) -> Result<Option<PathBuf>, Failed> {
        if !self.is_there() {
            return Ok(None);
        }
        let backup = self.backup_path();
        disk::replace_with_mode(&backup, self.text.as_bytes(), PRIVATE_FILE)
            .map_err(unwritable(&backup))?;
        Ok(Some(backup))
    }

    /// The copy that was kept; nothing if there is none that can be read.
    pub(super) fn backup(&self) -> Option<String> {
        read(&self.backup_path()).ok().flatten().map(|(text, _)| text)
    }

    pub(super) fn remove_backup(&self) -> Result<(), Failed> {
        let backup = self.backup_path();
        disk::remove_file(&backup).map_err(unwritable(&backup))
    }

    /// Writes another text in its place, unless somebody else has written there meanwhile. Links stay
    /// links, and the mode stays; a new file is private.
    pub(super) fn replace(&self, text: &str) -> Result<(), Failed> {
        self.refuse_if_changed()?;
        self.refuse_if_read_only()?;
        if let Some(folder) = self.real.parent() {
            disk::create_folder(folder).map_err(unwritable(folder))?;
        }
        let mode = self.mode.unwrap_or(PRIVATE_FILE);
        disk::replace_with_mode(&self.real, text.as_bytes(), mode).map_err(unwritable(&self.path))
    }

    /// A file that its owner may not write comes from elsewhere, such as a store of configurations.
    pub(super) fn refuse_if_read_only(&self) -> Result<(), Failed> {
        if self.mode.is_none_or(|mode| mode & OWNER_WRITES != 0) {
            return Ok(());
        }
        Err(Failed::new(format!(
            "{} is read-only, so somebody else keeps it; nothing was written. Take the lines of memoryd \
             client-config to where it comes from",
            self.path.display()
        )))
    }

    /// Removes it, with the same care.
    pub(super) fn remove(&self) -> Result<(), Failed> {
        self.refuse_if_changed()?;
        disk::remove_file(&self.real).map_err(unwritable(&self.path))
    }

    fn refuse_if_changed(&self) -> Result<(), Failed> {
        let now = read(&real_path(&self.path)?)?;
        let is_same = match &now {
            None => !self.is_there(),
            Some((text, _)) => self.is_there() && *text == self.text,
        };
        if is_same {
            return Ok(());
        }
        Err(Failed::new(format!(
            "{} was changed by somebody else meanwhile; nothing was written. Try again",
            self.path.display()
        )))
    }

    fn backup_path(&self) -> PathBuf {
        let mut name = self.real.clone().into_os_string();
        name.push(BACKUP);
        PathBuf::from(name)
    }
}

/// Where a file lies; the place itself where there is none yet.
fn real_path(path: &Path) -> Result<PathBuf, Failed> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(unreadable(path, &error)),
        Ok(found) if !found.is_symlink() => Ok(path.to_owned()),
        Ok(_) => fs::canonicalize(path).map_err(|error| {
            let path = path.display();
            Failed::new(format!(
                "{path} is a link that leads nowhere ({error}); nothing was written"
            ))
        }),
    }
}

fn read(path: &Path) -> Result<Option<(String, u32)>, Failed> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found.map_err(|error| unreadable(path, &error))?,
    };
    if !found.is_file() || found.len() > LIMIT_BYTES {
        let path = path.display();
        return Err(Failed::new(format!("{path} is no file of settings; nothing was written")));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
        Failed::new(format!("{} line {line}: not UTF-8; nothing was written", path.display()))
    })?;
    Ok(Some((text, found.permissions().mode() & 0o7777)))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failed {
    Failed::new(format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_behind_a_link_is_replaced_there_and_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("dotfiles.json"), dir.path().join("mcp.json"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o664)).unwrap();
        symlink("dotfiles.json", &link).unwrap();

        ClientFile::read(&link).unwrap().replace("new").unwrap();

        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!((fs::read_to_string(&real).unwrap().as_str(), mode(&real)), ("new", 0o664));
    }

    #[test]
    fn a_file_that_is_new_is_private_and_its_folder_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/mcp.json");
        let file = ClientFile::read(&path).unwrap();

        assert!(!file.is_there() && file.back_up().unwrap().is_none());
        file.replace("new").unwrap();

        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", 0o600));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_somebody_else_wrote_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mcp.json");
        let none = ClientFile::read(&path).unwrap();
        fs::write(&path, "one").unwrap();
        let one = ClientFile::read(&path).unwrap();
        fs::write(&path, "two").unwrap();

        for file in [none, one] {
            let told = file.replace("mine").unwrap_err().to_string();
            assert!(told.contains("meanwhile"), "{told}");
            file.remove().unwrap_err();
        }

        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    }

    #[test]
    fn what_is_no_file_of_settings_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (odd, nowhere) = (dir.path().join("odd"), dir.path().join("nowhere"));
        fs::write(&odd, b"{\n\xff}").unwrap();
        symlink("gone", &nowhere).unwrap();
        let locked = dir.path().join("locked");
        fs::write(&locked, "{}").unwrap();
        fs::set_permissions(&locked, Permissions::from_mode(0o444)).unwrap();

        let told = |path: &Path| ClientFile::read(path).unwrap_err().to_string();

        assert!(told(&odd).contains("line 2: not UTF-8"), "{}", told(&odd));
        assert!(told(&nowhere).contains("leads nowhere"), "{}", told(&nowhere));
        assert!(told(dir.path()).contains("no file of settings"), "{}", told(dir.path()));
        let read_only = ClientFile::read(&locked).unwrap().replace("x").unwrap_err().to_string();
        assert!(read_only.contains("read-only"), "{read_only}");
    }

    #[test]
    fn a_copy_is_private_and_can_be_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mcp.json");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let file = ClientFile::read(&path).unwrap();

        let backup = file.back_up().unwrap().unwrap();

        assert_eq!(backup, dir.path().join("mcp.json.memoryd-backup"));
        assert_eq!((file.backup().as_deref(), mode(&backup)), (Some("old"), 0o600));
        assert!(file.is_open_to_others());
        file.remove_backup().unwrap();
        assert_eq!(file.backup(), None);
    }
}
