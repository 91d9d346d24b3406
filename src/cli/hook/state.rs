use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::spool::Spool;
use super::{HookArguments, said};
use crate::cli::elsewhere::named_data_dir;
use crate::cli::{Failed, unwritable};
use crate::config::Config;
use crate::disk;
use crate::hooks::{Hook, HookClient, Moment, Sitting};
use crate::model::few;
use crate::model::{Clock, Timestamp};

/// The folder in which hooks keep what the next one needs. Everything in it is closed to others.
#[derive(Debug, Clone)]
pub(super) struct State {
    folder: PathBuf,
}

/// What went wrong once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mishap {
    pub(super) at: Timestamp,
    pub(super) client: String,
    pub(super) event: String,
    pub(super) error: String,
}

/// Within the data directory, where everything that begins with a dot may lie.
const IN_DATA_DIR: &str = ".hooks";
const SITTINGS: &str = "sittings";
const SPOOL: &str = "spool";
const MISHAPS: &str = "errors.jsonl";
/// So many mishaps are told, the last ones.
const MOST_MISHAPS: usize = 20;
/// A longer one is told in part.
const MISHAP_CHARS: usize = 500;
/// Conversations that are known; those that were told of last stay.
const MOST_SITTINGS: usize = 64;
/// Far more than any of the small files has; who made it larger is not us.
const MOST_BYTES: u64 = 1 << 20;

impl State {
    /// The folder that was named, or one in the data directory if that was. Nothing is kept in a folder
    /// that nobody named: it would be that of a project, and whoever wrote that could put memories of his own there.
    pub(super) fn open(
        config: Option<&Config>,
        arguments: &HookArguments,
    ) -> Result<Option<Self>, Failed> {
        let folder = match (said(&arguments.state_dir), config.and_then(named_data_dir)) {
            (Some(folder), _) => {
                let folder = PathBuf::from(folder);
                disk::create_folder(&folder).map_err(unwritable(&folder))?;
                folder
            }
            (None, Some(data_dir)) if data_dir.is_dir() => {
                let folder = data_dir.join(IN_DATA_DIR);
                disk::create_folder_within(&folder).map_err(unwritable(&folder))?;
                folder
            }
            (None, _) => return Ok(None),
        };
        Ok(Some(Self { folder }))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn spool(&self) -> Spool {
        Spool::new(self.folder.join(SPOOL))
    }

    /// What is known of the conversation of a hook. What cannot be read is as if it were not there.
    pub(super) fn sitting(&self, hook: &Hook) -> Sitting {
        let text = read_small(&self.place(hook)).ok();
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    pub(super) fn keep_sitting(&self, hook: &Hook, sitting: &Sitting) -> Result<(), Failed> {
        let folder = self.folder.join(SITTINGS);
        disk::create_folder_within(&folder).map_err(unwritable(&folder))?;
        let text = serde_json::to_vec(sitting).map_err(Failed::because)?;
        let place = self.place(hook);
        disk::replace_file(&place, &text).map_err(unwritable(&place))?;
        forget_oldest(&folder, &place)
    }

    pub(super) fn forget_sitting(&self, hook: &Hook) -> Result<(), Failed> {
        let place = self.place(hook);
        disk::remove_file(&place).map_err(unwritable(&place))
    }

    /// Adds a mishap to the last ones.
    pub(super) fn note(
        &self,
        client: Option<HookClient>,
        moment: Moment,
        error: &str,
        clock: &dyn Clock,
    ) -> Result<(), Failed> {
        let client = client.map_or("-", HookClient::word).to_owned();
        let error = error.chars().take(MISHAP_CHARS).collect();
        let event = moment.word().to_owned();
        let mut mishaps = self.mishaps();
        mishaps.push(Mishap { at: clock.now(), client, event, error });
        let mut text = String::new();
        for mishap in mishaps.iter().rev().take(MOST_MISHAPS).rev() {
            text.push_str(&serde_json::to_string(mishap).map_err(Failed::because)?);
            text.push('\n');
        }
        let place = self.folder.join(MISHAPS);
        disk::replace_file(&place, text.as_bytes()).map_err(unwritable(&place))?;
        Ok(())
    }

    /// What went wrong, the last one last.
    pub(super) fn mishaps(&self) -> Vec<Mishap> {
        let text = read_small(&self.folder.join(MISHAPS)).unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n');
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// Clients choose the names of their sessions, and a name is no path.
    fn place(&self, hook: &Hook) -> PathBuf {
        let session = hook.session.as_deref().unwrap_or("none");
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let session: String = session.chars().map(plain).collect();
        self.folder.join(SITTINGS).join(format!("{}-{session}.json", hook.client.word()))
    }
}

/// The file by which a folder, with all below it, wants no hooks.
pub(super) const OFF: &str = ".memoryd-off";

/// The file that switches hooks off for a folder, if there is one in it or above it.
pub(super) fn switch(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(OFF)).find(|file| file.symlink_metadata().is_ok())
}

/// Reads a file of ours, and no more of it than one of ours has.
pub(super) fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(MOST_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// The files of a folder with their names, the first in order first. Unfinished drafts are none.
pub(super) fn files(folder: &Path) -> Vec<(String, fs::Metadata)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok().filter(|name| name.ends_with(".json"))?;
        Some((name, entry.metadata().ok().filter(fs::Metadata::is_file)?))
    });
    let mut files: Vec<_> = named.collect();
    few::sort_by(&mut files, |(one, _), (other, _)| one.cmp(other));
    files
}

/// Removes what was written longest ago of more than may be there, but not what was written just now.
fn forget_oldest(folder: &Path, newest: &Path) -> Result<(), Failed> {
    let others = files(folder).into_iter();
    let others = others.map(|(name, found)| (found.modified().ok(), folder.join(name)));
    let mut others: Vec<_> = others.filter(|(_, path)| path != newest).collect();
    others.sort_unstable();
    let over = others.len().saturating_sub(MOST_SITTINGS - 1);
    for (_, path) in others.iter().take(over) {
        disk::remove_file(path).map_err(unwritable(path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::SystemClock;

    fn state() -> (tempfile::TempDir, State) {
        let dir = tempfile::tempdir().unwrap();
        let state = State { folder: dir.path().to_owned() };
        (dir, state)
    }

    fn prompt(session: &str) -> Hook {
        let told: Value = json!({ "session_id": session, "prompt": "which?" });
        Hook::read(HookClient::ClaudeCode, Some("prompt"), told.as_object().unwrap())
    }

    #[test]
    fn a_conversation_is_known_again_whatever_its_client_calls_it() {
        let (dir, state) = state();
        let mut names: Vec<String> = (0..MOST_SITTINGS).map(|n| format!("s{n}")).collect();
        names.extend(["../../etc/passwd".to_owned(), "/".repeat(300)]);

        for name in &names {
            let hook = prompt(name);
            let mut sitting = Sitting::default();
            sitting.note(&hook);
            state.keep_sitting(&hook, &sitting).unwrap();
            assert_eq!(state.sitting(&hook), sitting, "{name}");
        }

        assert_eq!(files(&dir.path().join(SITTINGS)).len(), MOST_SITTINGS);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let last = prompt(names.last().unwrap());
        state.forget_sitting(&last).unwrap();
        state.forget_sitting(&last).unwrap();
        assert_eq!(state.sitting(&last), Sitting::default());
    }

    #[test]
    fn the_last_mishaps_are_told_and_what_is_no_mishap_is_passed_over() {
        let (dir, state) = state();
        fs::write(dir.path().join(MISHAPS), "no mishap\n\u{0}").unwrap();

        for n in 0..MOST_MISHAPS + 3 {
            let told = format!("{n} \n{}", "x".repeat(2 * MISHAP_CHARS));
            state.note(Some(HookClient::Codex), Moment::Stop, &told, &SystemClock).unwrap();
        }

        let mishaps = state.mishaps();
        assert_eq!(mishaps.len(), MOST_MISHAPS);
        let last = mishaps.last().unwrap();
        assert!(last.error.starts_with("22 ") && last.error.len() == MISHAP_CHARS);
        assert_eq!((last.client.as_str(), last.event.as_str()), ("codex", "stop"));
    }

    #[test]
    fn a_file_switches_hooks_off_in_its_folder_and_below() {
        let dir = tempfile::tempdir().unwrap();
        let (project, below) = (dir.path().join("boat"), dir.path().join("boat/src"));
        fs::create_dir_all(&below).unwrap();
        assert_eq!(switch(&below), None);

        fs::write(project.join(OFF), "").unwrap();

        assert_eq!(switch(&below), Some(project.join(OFF)));
        assert_eq!(switch(dir.path()), None);
    }
}
