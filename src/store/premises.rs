//! Decides whether a folder may be opened as a data directory. Looking changes nothing.
//!
//! A wrong `--data-dir` must not cost anybody anything: a folder in which something else lives is
//! refused and stays as it is, and whoever only wants to read does not make a store by accident.

use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;

use super::StoreError;
use crate::disk;

/// What people and the program itself put beside a store. So may everything that begins with a dot,
/// unfinished drafts, and log files of every age.
const BESIDE: &[&str] = &["api_key", "certs", "config.toml", "lost+found", "memoryd.sock"];

/// What a folder holds, seen from outside.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Store,
    /// A store can be made here.
    Nothing,
    /// The name of something that does not belong to a store.
    Foreign(String),
}

/// Lets a store in, and a folder in which one can be made. Makes the folder if there is none.
pub(super) fn enter_or_create(dir: &Path) -> Result<(), StoreError> {
    match look_at(dir)? {
        Found::Store | Found::Nothing => {
            disk::create_folder(dir).map_err(StoreError::disk("create", dir))
        }
        Found::Foreign(found) => Err(StoreError::Foreign { dir: dir.to_owned(), found }),
    }
}

/// Lets only a store in.
pub(super) fn enter(dir: &Path) -> Result<(), StoreError> {
    match look_at(dir)? {
        Found::Store => Ok(()),
        Found::Nothing | Found::Foreign(_) => Err(StoreError::NoStore { dir: dir.to_owned() }),
    }
}

fn look_at(dir: &Path) -> Result<Found, StoreError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        entries => entries.map_err(StoreError::disk("list", dir))?,
    };
    let mut foreign = None;
    let mut has_lock = false;
    for entry in entries {
        let entry = entry.map_err(StoreError::disk("list", dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_of_a_store(&entry, &name).map_err(StoreError::disk("look at", &entry.path()))? {
            return Ok(Found::Store);
        }
        // A start that failed early leaves a lock, and only that.
        has_lock |= name == "lock" && entry.file_type().is_ok_and(|kind| kind.is_file());
        if !may_lie_beside(&name) {
            foreign.get_or_insert(name);
        }
    }
    Ok(match foreign {
        Some(name) if !has_lock => Found::Foreign(name),
        _ => Found::Nothing,
    })
}

fn is_of_a_store(entry: &DirEntry, name: &str) -> io::Result<bool> {
    let kind = entry.file_type()?;
    Ok(match name {
        "checkpoint" => kind.is_file(),
        "journal" => kind.is_dir() && is_journal(&entry.path())?,
        _ if name.starts_with("sled-") || name.starts_with("journal.damaged-") => kind.is_dir(),
        _ => false,
    })
}

/// The journal of systemd, in `/var/log`, has the same name and holds folders.
fn is_journal(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".log") || name.ends_with(".tmp") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn may_lie_beside(name: &str) -> bool {
    let is_log = name.ends_with(".log") || name.contains(".log.") || name.contains(".log-");
    let is_ours = name == "journal" || name.starts_with("check-") || name.ends_with(".tmp");
    is_log || is_ours || name.starts_with('.') || BESIDE.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(names: &[&str]) -> Found {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            match name.strip_suffix('/') {
                Some(folder) => fs::create_dir_all(dir.path().join(folder)).unwrap(),
                None => fs::write(dir.path().join(name), "").unwrap(),
            }
        }
        look_at(dir.path()).unwrap()
    }

    #[test]
    fn a_folder_with_what_may_lie_beside_a_store_is_as_good_as_empty() {
        let names = [
            "config.toml",
            "api_key",
            ".mcp_token",
            ".mcp_port",
            ".gitignore",
            "memoryd.sock",
            "lost+found/",
            "certs/",
            "server.log",
            "server.log.2.gz",
        ];

        assert_eq!(look(&[]), Found::Nothing);
        assert_eq!(look(&names), Found::Nothing);
        assert_eq!(look_at(Path::new("/nowhere/at/all")).unwrap(), Found::Nothing);
    }

    #[test]
    fn a_folder_of_somebody_else_is_foreign() {
        for name in ["photos/", "sled.rs", "journal.txt", "checkpoint/", "lock/"] {
            let found = Found::Foreign(name.trim_end_matches('/').to_owned());
            assert_eq!(look(&["config.toml", name]), found, "{name}");
        }
        let var_log = ["journal/", "journal/0a1b2c/", "syslog"];
        assert_eq!(look(&var_log), Found::Foreign("syslog".to_owned()));
    }

    #[test]
    fn one_file_of_ours_makes_it_a_store_whatever_lies_beside() {
        for names in [
            ["photos", "checkpoint", "lock"],
            ["photos", "sled-3/", "lock"],
            ["journal/", "journal/00000000000000000001.log", "photos"],
        ] {
            assert_eq!(look(&names), Found::Store, "{names:?}");
        }
        assert_eq!(look(&["photos", "lock"]), Found::Nothing);
    }
}
