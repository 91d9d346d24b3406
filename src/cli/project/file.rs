use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::block::{Layout, Pin, with_block};
use crate::cli::Failed;
use crate::disk;

/// A file that assistants read in a project.
pub(super) struct ProjectFile {
    /// As it is called within the project.
    pub(super) name: &'static str,
    /// Where it really lies.
    path: PathBuf,
    /// Nothing where there is none yet.
    mode: Option<u32>,
    pub(super) bytes: Vec<u8>,
}

/// Where assistants look, and what a new file begins with.
pub(super) const FILES: [(&str, &str); 5] = [
    ("CLAUDE.md", ""),
    ("AGENTS.md", ""),
    ("GEMINI.md", ""),
    (
        ".cursor/rules/memoryd.mdc",
        "---\ndescription: What is pinned of this project in memoryd\nalwaysApply: true\n---\n",
    ),
    (".github/copilot-instructions.md", ""),
];

/// No assistant reads so much of one.
const MOST_BYTES: u64 = 4 << 20;
/// Others of the project read them too.
const NEW_FILE: u32 = 0o644;
const NEW_FOLDER: u32 = 0o755;
const MODE_BITS: u32 = 0o777;

impl ProjectFile {
    /// Looks for a file in a folder, whose path is absolute and without links. A link is followed as long
    /// as it stays within: one file under two names is usual, and one that leads out is not ours to write.
    /// Nothing where there is none and none is to be made.
    pub(super) fn find(
        folder: &Path,
        (name, head): (&'static str, &str),
        creates: bool,
    ) -> Result<Option<Self>, Failed> {
        let told = |problem: &str| Failed::new(format!("{name}: {problem}"));
        let failed = |error: io::Error| told(&error.to_string());
        let place = folder.join(name);
        match place.symlink_metadata() {
            Ok(_) => {}
            Err(error) if is_missing(&error) && !creates => return Ok(None),
            Err(error) if is_missing(&error) => {
                let bytes = head.as_bytes().to_owned();
                return Ok(Some(Self { name, path: place, mode: None, bytes }));
            }
            Err(error) => return Err(failed(error)),
        }
        let path = fs::canonicalize(&place).map_err(failed)?;
        if !path.starts_with(folder) {
            return Err(told("leads out of the project"));
        }
        if !is_text_for_assistants(&path) {
            return Err(told("is a link to a file whose name does not end with .md or .mdc"));
        }
        let found = fs::metadata(&path).map_err(failed)?;
        if !found.is_file() {
            return Err(told("is no file"));
        }
        if found.len() > MOST_BYTES {
            return Err(told(&format!("is longer than {MOST_BYTES} bytes")));
        }
        let mode = Some(found.permissions().mode() & MODE_BITS);
        let bytes = fs::read(&path).map_err(failed)?;
        Ok(Some(Self { name, path, mode, bytes }))
    }

    /// Whether there is none yet.
    pub(super) fn is_new(&self) -> bool {
        self.mode.is_none()
    }

    /// Whether another name leads to the same file.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.path == other.path
    }

    pub(super) fn layout(&self) -> Result<Layout<'_>, Failed> {
        match Layout::of(&self.bytes) {
            Layout::Broken => Err(Failed::new(format!(
                "{}: has a marker of memoryd without the other, or one twice; mend that by hand",
                self.name
            ))),
            layout => Ok(layout),
        }
    }

    /// What it is to become; nothing if it is that already.
    pub(super) fn wanted(&self, pins: &[Pin]) -> Result<Option<Vec<u8>>, Failed> {
        let wanted = with_block(&self.bytes, &self.layout()?, pins);
        let is_new = |wanted: &Vec<u8>| self.is_new() || *wanted != self.bytes;
        Ok(wanted.filter(is_new))
    }

    /// Replaces it as a whole, unless somebody has changed it meanwhile.
    pub(super) fn write(&self, folder: &Path, bytes: &[u8]) -> Result<(), Failed> {
        let told = |problem: &str| Failed::new(format!("{}: {problem}", self.name));
        let failed = |error: io::Error| told(&error.to_string());
        let present = match fs::read(&self.path) {
            Ok(present) => Some(present),
            Err(error) if is_missing(&error) => None,
            Err(error) => return Err(failed(error)),
        };
        if present.as_ref() != self.mode.map(|_| &self.bytes) {
            return Err(told("was changed meanwhile; run this again"));
        }
        if let (None, Some(parent)) = (self.mode, self.path.parent()) {
            // Looked at first, since a folder would be made out there as well.
            let there = parent.ancestors().find_map(|known| fs::canonicalize(known).ok());
            if !there.is_some_and(|there| there.starts_with(folder)) {
                return Err(told("leads out of the project"));
            }
            disk::create_folder_with_mode(parent, NEW_FOLDER).map_err(failed)?;
        }
        match self.mode {
            Some(mode) => disk::replace_with_mode(&self.path, bytes, mode).map_err(failed),
            // A new one has the mode less what the process masks.
            None => disk::make_with_mode(&self.path, bytes, NEW_FILE).map_err(failed),
        }
    }
}

/// A link of a stranger's project may lead to what programs obey, such as `.git/config`.
fn is_text_for_assistants(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "md" || ending == "mdc")
}

/// A folder on the way that is a file is as good as none.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::model::MemoryId;

    fn find(
        folder: &Path,
        name: &'static str,
        creates: bool,
    ) -> Result<Option<ProjectFile>, Failed> {
        ProjectFile::find(folder, (name, ""), creates)
    }

    fn found(folder: &Path, name: &'static str) -> ProjectFile {
        find(folder, name, true).unwrap().unwrap_or_else(|| panic!("{name}"))
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(dir.path()).unwrap().join("boat");
        fs::create_dir(&path).unwrap();
        (dir, path)
    }

    #[test]
    fn a_link_is_followed_within_the_project_and_not_out_of_it() {
        let (_dir, folder) = folder();
        let outside = folder.with_file_name("precious");
        fs::write(&outside, "mine").unwrap();
        fs::write(folder.join("AGENTS.md"), "ours").unwrap();
        symlink("AGENTS.md", folder.join("CLAUDE.md")).unwrap();
        symlink(&outside, folder.join("GEMINI.md")).unwrap();
        symlink(folder.with_file_name("nowhere"), folder.join(".github")).unwrap();

        let (one, other) = (found(&folder, "AGENTS.md"), found(&folder, "CLAUDE.md"));
        assert!(one.is_same(&other));
        other.write(&folder, b"more").unwrap();
        assert_eq!(fs::read(folder.join("AGENTS.md")).unwrap(), b"more");
        assert!(folder.join("CLAUDE.md").symlink_metadata().unwrap().is_symlink());
        assert!(find(&folder, "GEMINI.md", true).is_err());
        let new = found(&folder, ".github/copilot-instructions.md");
        assert!(new.write(&folder, b"x").is_err());
        assert_eq!(fs::read(&outside).unwrap(), b"mine");
        assert!(!folder.with_file_name("nowhere").join("copilot-instructions.md").exists());
    }

    #[test]
    fn a_link_to_what_is_no_text_for_assistants_is_not_written_through() {
        let (_dir, folder) = folder();
        fs::create_dir(folder.join(".git")).unwrap();
        fs::create_dir(folder.join("docs")).unwrap();
        for (link, target) in [
            ("CLAUDE.md", ".git/config"),
            ("AGENTS.md", "Makefile"),
            ("GEMINI.md", "docs/rules.mdc"),
        ] {
            fs::write(folder.join(target), "mine").unwrap();
            symlink(target, folder.join(link)).unwrap();
        }

        for name in ["CLAUDE.md", "AGENTS.md"] {
            let told = find(&folder, name, true).err().unwrap().to_string();
            assert!(told.contains(name) && told.contains(".mdc"), "{told}");
        }
        found(&folder, "GEMINI.md").write(&folder, b"ours").unwrap();
        assert_eq!(fs::read(folder.join("docs/rules.mdc")).unwrap(), b"ours");
    }

    #[test]
    fn no_folder_is_made_outside_and_no_file_of_another_name_is_touched() {
        let (_dir, folder) = folder();
        let outside = folder.with_file_name("elsewhere");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, folder.join(".cursor")).unwrap();
        fs::write(folder.join("CLAUDE.md"), "# Boat").unwrap();
        for name in ["CLAUDE.md.tmp", "AGENTS.md.tmp"] {
            fs::write(folder.join(name), "mine").unwrap();
        }

        let rules = found(&folder, ".cursor/rules/memoryd.mdc");
        assert!(rules.write(&folder, b"rule").is_err());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        for name in ["CLAUDE.md", "AGENTS.md"] {
            found(&folder, name).write(&folder, b"new").unwrap();
            assert_eq!(fs::read(folder.join(name)).unwrap(), b"new");
            assert_eq!(fs::read(folder.join(format!("{name}.tmp"))).unwrap(), b"mine");
        }
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_new_one_is_made_with_its_folders() {
        let (_dir, folder) = folder();
        let old = folder.join("CLAUDE.md");
        fs::write(&old, "# Boat").unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o664)).unwrap();

        found(&folder, "CLAUDE.md").write(&folder, b"new").unwrap();
        assert!(matches!(find(&folder, "AGENTS.md", false), Ok(None)));
        let rules = ".cursor/rules/memoryd.mdc";
        found(&folder, rules).write(&folder, b"rule").unwrap();

        assert_eq!(fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o664);
        assert_eq!(fs::read(folder.join(rules)).unwrap(), b"rule");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "no draft stays behind");
    }

    #[test]
    fn what_somebody_changed_meanwhile_is_not_written_over() {
        let (_dir, folder) = folder();
        fs::write(folder.join("CLAUDE.md"), "# Boat").unwrap();
        let (there, new) = (found(&folder, "CLAUDE.md"), found(&folder, "AGENTS.md"));

        fs::write(folder.join("CLAUDE.md"), "# Ship").unwrap();
        fs::write(folder.join("AGENTS.md"), "# Ship").unwrap();

        assert!(there.write(&folder, b"x").is_err() && new.write(&folder, b"x").is_err());
        assert_eq!(fs::read(folder.join("CLAUDE.md")).unwrap(), b"# Ship");
        assert_eq!(fs::read(folder.join("AGENTS.md")).unwrap(), b"# Ship");
    }

    #[test]
    fn a_file_that_is_as_it_should_be_is_left_alone() {
        let (_dir, folder) = folder();
        fs::write(folder.join("CLAUDE.md"), "# Boat\n").unwrap();
        let content = "the boat is red".to_owned();
        let pins = [Pin { id: MemoryId::LAST, is_instruction: false, content }];

        let file = found(&folder, "CLAUDE.md");
        assert_eq!(file.wanted(&[]).unwrap(), None);
        let wanted = file.wanted(&pins).unwrap().unwrap();
        file.write(&folder, &wanted).unwrap();

        assert_eq!(found(&folder, "CLAUDE.md").wanted(&pins).unwrap(), None);
        assert_eq!(found(&folder, "GEMINI.md").wanted(&[]).unwrap(), None);
    }
}
