//! Turns that the server does not have yet: a file each, in the order in which they were told.
//!
//! A turn is put here before it is sent, and removed when the server has it: neither a server that is
//! away nor a hook that is ended costs one. Several hooks may send the same turn at once; it is stored
//! once.

use std::path::PathBuf;
use std::{fs, io};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::state::{files, read_small};
use crate::cli::{Failed, unwritable};
use crate::disk;
use crate::hooks::{Hook, HookClient};

/// The folder of the turns that wait.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
}

/// Which server a turn is for. What was said to one is not for another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Goal {
    /// The one at this address.
    Url(String),
    /// The one on this data directory, or the store itself.
    Store(String),
    /// Nobody said. A data directory of one's own may have it.
    #[default]
    Unsaid,
}

/// One hook on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) hook: Hook,
    pub(super) project: Option<String>,
    pub(super) goal: Goal,
}

/// A parcel as it lies there.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    client: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(default)]
    goal: Goal,
    told: Map<String, Value>,
}

/// Of all files together. Behind that the oldest turns go.
const MOST_BYTES: u64 = 10 << 20;
/// A file takes a block of the disk, however short it is.
const MOST_FILES: usize = 2_000;

impl Goal {
    /// Whether a turn that is for another goal may go here.
    pub(super) fn takes(&self, other: &Self) -> bool {
        self == other || matches!((self, other), (Self::Store(_), Self::Unsaid))
    }
}

impl Spool {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Adds a turn, and says how many older ones had to go for it.
    pub(super) fn add(&self, parcel: &Parcel) -> Result<usize, Failed> {
        disk::create_folder_within(&self.folder).map_err(unwritable(&self.folder))?;
        let Value::Object(told) = parcel.hook.to_json() else { return Ok(0) };
        let client = parcel.hook.client.word().to_owned();
        let (project, goal) = (parcel.project.clone(), parcel.goal.clone());
        let written = Written { client, project, goal, told };
        let text = serde_json::to_vec(&written).map_err(Failed::because)?;
        let gone = self.make_room(u64::try_from(text.len()).unwrap_or(u64::MAX))?;
        // A hook tells of one turn, so its process and the time name it.
        let at = parcel.hook.at.map_or(0, |at| at.0);
        let place = self.folder.join(format!("{at:020}-{}.json", std::process::id()));
        disk::replace_file(&place, &text).map_err(unwritable(&place))?;
        Ok(gone)
    }

    /// The names of what waits, the oldest first.
    pub(super) fn names(&self) -> Vec<String> {
        files(&self.folder).into_iter().map(|(name, _)| name).collect()
    }

    /// Bytes of all that waits.
    pub(super) fn bytes(&self) -> u64 {
        files(&self.folder).iter().map(|(_, found)| found.len()).sum()
    }

    /// Reads one; nothing where it is gone, or is none of ours.
    pub(super) fn read(&self, name: &str) -> Result<Option<Parcel>, Failed> {
        let path = self.folder.join(name);
        match read_small(&path) {
            Ok(text) => Ok(parcel(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failed::new(format!("cannot read {}: {error}", path.display()))),
        }
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), Failed> {
        let path = self.folder.join(name);
        disk::remove_file(&path).map_err(unwritable(&path))
    }

    fn make_room(&self, bytes: u64) -> Result<usize, Failed> {
        let files = files(&self.folder);
        let mut held: u64 = files.iter().map(|(_, found): &(_, fs::Metadata)| found.len()).sum();
        let mut gone = 0;
        for (name, found) in &files {
            let fits = held.saturating_add(bytes) <= MOST_BYTES;
            if fits && files.len() - gone < MOST_FILES {
                break;
            }
            self.remove(name)?;
            held = held.saturating_sub(found.len());
            gone += 1;
        }
        Ok(gone)
    }
}

fn parcel(text: &[u8]) -> Option<Parcel> {
    let written: Written = serde_json::from_slice(text).ok()?;
    let client = HookClient::parse(&written.client)?;
    let hook = Hook::read(client, None, &written.told);
    Some(Parcel { hook, project: written.project, goal: written.goal })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;
    use crate::model::Timestamp;

    fn turn(at: i64, prompt: &str) -> Parcel {
        let told = json!({ "session_id": "s", "prompt": prompt, "last_assistant_message": "red" });
        let hook = Hook::read(HookClient::Gemini, Some("AfterAgent"), told.as_object().unwrap());
        let hook = Hook { at: Some(Timestamp(at)), ..hook };
        let goal = Goal::Url("https://nas.lan".to_owned());
        Parcel { hook, project: Some("boat".to_owned()), goal }
    }

    #[test]
    fn what_waits_is_read_as_it_was_in_its_order_and_by_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path().join("spool"));
        assert!(spool.names().is_empty() && spool.bytes() == 0);

        for at in [3, 20, 100] {
            assert_eq!(spool.add(&turn(at, &format!("{at}?"))).unwrap(), 0);
        }
        fs::write(dir.path().join("spool/0-x.json"), "none of ours").unwrap();
        fs::write(dir.path().join("spool/0-x.json.tmp"), "a draft").unwrap();

        let names = spool.names();
        let read: Vec<_> = names.iter().filter_map(|name| spool.read(name).unwrap()).collect();
        assert_eq!(read, [turn(3, "3?"), turn(20, "20?"), turn(100, "100?")]);
        assert_eq!(names.len(), 4);
        let mode =
            |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("spool"), 0o700);
        assert_eq!(mode(&format!("spool/{}", names[1])), 0o600);
        spool.remove(&names[1]).unwrap();
        spool.remove(&names[1]).unwrap();
        assert_eq!(spool.read(&names[1]).unwrap(), None);
    }

    #[test]
    fn a_turn_goes_to_the_server_that_it_is_for_and_to_no_other() {
        let url = |name: &str| Goal::Url(name.to_owned());
        let store = |name: &str| Goal::Store(name.to_owned());

        assert!(url("http://a").takes(&url("http://a")) && store("/a").takes(&store("/a")));
        assert!(store("/a").takes(&Goal::Unsaid), "what was kept before it was written down");
        assert!(!url("http://a").takes(&url("http://b")) && !store("/a").takes(&store("/b")));
        assert!(!url("http://a").takes(&Goal::Unsaid) && !url("http://a").takes(&store("/a")));
        assert!(!store("/a").takes(&url("http://a")));
    }

    #[test]
    fn what_is_too_much_goes_the_oldest_first() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path().to_owned());
        spool.add(&turn(1, "old")).unwrap();
        spool.add(&turn(2, "newer")).unwrap();
        let large = fs::File::create(dir.path().join("00000000000000000001-0.json")).unwrap();
        large.set_len(MOST_BYTES).unwrap();

        let gone = spool.add(&turn(3, "new")).unwrap();

        assert_eq!(gone, 1, "the large one is enough");
        let kept: Vec<_> =
            spool.names().iter().filter_map(|name| spool.read(name).unwrap()).collect();
        assert_eq!(kept.len(), 3);
        assert!(spool.bytes() < MOST_BYTES);
    }
}
