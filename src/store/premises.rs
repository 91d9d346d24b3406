//! Decides whether a folder may be opened as a data directory. Looking changes nothing.
//!
//! A wrong `--data-dir` must not cost anybody anything: a folder in which something else lives is
//! refused and stays as it is, and whoever only wants to read does not make a store by accident.

use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::Path;

use super::{StoreError, aside, checkpoint};
use crate::disk;
use crate::journal;

/// What people, their machines and the program itself put beside a store. So may everything that
/// begins with a dot, unfinished drafts, exports, certificates, and log files of every age.
const BESIDE: &[&str] = &[
    "#recycle",
    "#snapshot",
    "$RECYCLE.BIN",
    "@eaDir",
    "System Volume Information",
    "Thumbs.db",
    "api_key",
    "backup.part",
    "certs",
    "config.toml",
    "dashboard_password",
    "desktop.ini",
    "lost+found",
    "memoryd.sock",
];
/// More than any process id and its line end need.
const LOCK_BYTES: u64 = 20;

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
        let path = entry.path();
        if is_of_a_store(&entry, &name).map_err(StoreError::disk("look at", &path))? {
            return Ok(Found::Store);
        }
        // A start that failed early leaves a lock, and only that.
        let is_lock =
            name == "lock" && is_lock(&entry).map_err(StoreError::disk("look at", &path))?;
        has_lock |= is_lock;
        if !is_lock && !may_lie_beside(&entry, &name).map_err(StoreError::disk("look at", &path))? {
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
        "checkpoint" => kind.is_file() && checkpoint::is_one(&entry.path())?,
        "journal" => kind.is_dir() && journal_holds(&entry.path())? == Some(true),
        _ => (kind.is_dir() && aside::is_generation(name)) || aside::is_aside(name),
    })
}

/// Whether a folder that is called so holds a journal. Nothing if it holds something else, as that
/// of systemd does in `/var/log`.
fn journal_holds(path: &Path) -> io::Result<Option<bool>> {
    let mut is_foreign = false;
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if journal::is_file_name(&name) {
            return Ok(Some(true));
        }
        is_foreign |= !name.starts_with('.');
    }
    Ok((!is_foreign).then_some(false))
}

/// A lock holds the number of a process, or nothing. It is not synced, so a power cut may leave of
/// the number as many zero bytes as it was long.
fn is_lock(entry: &DirEntry) -> io::Result<bool> {
    if !entry.file_type()?.is_file() {
        return Ok(false);
    }
    let mut text = Vec::new();
    File::open(entry.path())?.take(LOCK_BYTES + 1).read_to_end(&mut text)?;
    let is_short = text.len() <= usize::try_from(LOCK_BYTES).unwrap_or(usize::MAX);
    Ok(is_short && text.iter().all(|byte| byte.is_ascii_digit() || b"\n\0".contains(byte)))
}

fn may_lie_beside(entry: &DirEntry, name: &str) -> io::Result<bool> {
    if name == "journal" {
        return Ok(entry.file_type()?.is_dir() && journal_holds(&entry.path())?.is_some());
    }
    let is_log = name.ends_with(".log") || name.contains(".log.") || name.contains(".log-");
    let is_of_ours = name.starts_with("check-")
        || [".tmp", ".pem", ".jsonl"].iter().any(|end| name.ends_with(end));
    Ok(is_log || is_of_ours || name.starts_with('.') || BESIDE.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(names: &[&str]) -> Found {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            match name.strip_suffix('/') {
                Some(folder) => fs::create_dir_all(dir.path().join(folder)).unwrap(),
                None if *name == "checkpoint" => {
                    fs::write(dir.path().join(name), "MEMORYDC1").unwrap();
                }
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
            "@eaDir/",
            "memories.jsonl",
            "server-key.pem",
            "journal/",
        ];

        assert_eq!(look(&[]), Found::Nothing);
        assert_eq!(look(&names), Found::Nothing);
        assert_eq!(look_at(Path::new("/nowhere/at/all")).unwrap(), Found::Nothing);
    }

    #[test]
    fn a_folder_of_somebody_else_is_foreign() {
        for name in [
            "photos/",
            "sled.rs",
            "sled-0.34.7/",
            "sled-x.damaged-1/",
            "journal.txt",
            "checkpoint/",
            "lock/",
        ] {
            let found = Found::Foreign(name.trim_end_matches('/').to_owned());
            assert_eq!(look(&["config.toml", name]), found, "{name}");
        }
        for other in ["journal/0a1b2c/", "journal/app.log", "journal/page.tmp"] {
            assert_eq!(look(&["journal/", other]), Found::Foreign("journal".to_owned()), "{other}");
        }
    }

    #[test]
    fn files_that_only_have_our_names_are_foreign() {
        for (name, content) in [
            ("checkpoint", "model_checkpoint_path: \"model-7\""),
            ("lock", "{\"version\": 1}"),
            ("lock", "123456789012345678901234567890"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(name), content).unwrap();
            fs::write(dir.path().join("model.bin"), "").unwrap();

            let found = look_at(dir.path()).unwrap();

            assert!(matches!(found, Found::Foreign(_)), "{name}: {content}");
        }
    }

    #[test]
    fn a_lock_that_the_power_cut_tore_is_one() {
        for content in ["", "0", "12345\n", "\0\0\0\0\0\0", "12\0\0\0\0"] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("lock"), content).unwrap();
            fs::write(dir.path().join("api_key"), "").unwrap();

            assert_eq!(look_at(dir.path()).unwrap(), Found::Nothing, "{content:?}");
        }
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
