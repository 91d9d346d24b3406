//! What lies in the journal's folder, by name and by header, before any frame is read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::folder::{Blemish, Stranger};
use super::frame::{FRAMES_START, Header};
use super::{JournalError, Ownership, Seq, StoreId};

#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The oldest first, as are the segments.
    pub(super) snapshots: Vec<(Seq, PathBuf)>,
    pub(super) segments: Vec<(Seq, PathBuf)>,
    pub(super) drafts: Vec<PathBuf>,
    /// Of the files whose headers can be read.
    headers: BTreeMap<PathBuf, Header>,
    blemished: Vec<PathBuf>,
}

impl Listing {
    pub(super) fn read(folder: &Path) -> Result<Self, JournalError> {
        let mut listing = Self::default();
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
            entries => entries.map_err(JournalError::disk("list", folder))?,
        };
        for entry in entries {
            let path = entry.map_err(JournalError::disk("list", folder))?.path();
            listing.sort_in(path)?;
        }
        listing.snapshots.sort();
        listing.segments.sort();
        Ok(listing)
    }

    /// Whose files these are: those of the newest snapshot, since it holds the most, else those of
    /// the store that most segments name.
    pub(super) fn identity(&self) -> Option<Ownership> {
        let store = |(_, path): &(Seq, PathBuf)| self.headers.get(path).map(|header| header.store);
        let newest = self.snapshots.iter().rev().find_map(store);
        let most = || {
            let mut counted = BTreeMap::<StoreId, usize>::new();
            self.segments
                .iter()
                .filter_map(store)
                .for_each(|id| *counted.entry(id).or_default() += 1);
            counted.into_iter().max_by_key(|(_, count)| *count).map(|(id, _)| id)
        };
        newest.or_else(most).map(Ownership::of)
    }

    pub(super) fn stores(&self) -> Vec<StoreId> {
        let mut stores: Vec<_> = self.headers.values().map(|header| header.store).collect();
        stores.sort_unstable();
        stores.dedup();
        stores
    }

    /// Nothing if it cannot be read.
    pub(super) fn header(&self, path: &Path) -> Option<Header> {
        self.headers.get(path).copied()
    }

    /// Takes out what belongs to another store, and what a name says otherwise than its content.
    pub(super) fn set_apart(&mut self, identity: Ownership) -> Vec<Stranger> {
        let mut strangers = Vec::new();
        let headers = &self.headers;
        let mut keep = |seq: Seq, path: &PathBuf| {
            let problem = headers.get(path).and_then(|header| {
                if !identity.owns(header.store) {
                    let (theirs, ours) = (header.store, identity.store);
                    Some(format!("it belongs to another store ({theirs}; this one is {ours})"))
                } else if header.first != seq {
                    Some(format!("it holds what belongs under the number {}", header.first))
                } else {
                    None
                }
            });
            let is_ours = problem.is_none();
            strangers.extend(problem.map(|problem| Stranger { path: path.clone(), problem, seq }));
            is_ours
        };
        self.snapshots.retain(|(seq, path)| keep(*seq, path));
        self.segments.retain(|(seq, path)| keep(*seq, path));
        strangers
    }

    pub(super) fn blemishes(&self) -> Vec<Blemish> {
        let problem = "one of the two copies of its header is damaged";
        self.blemished.iter().map(|path| Blemish { path: path.clone(), problem }).collect()
    }

    /// Files that are not ours are left alone.
    fn sort_in(&mut self, path: PathBuf) -> Result<(), JournalError> {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
        let (list, seq) = match JournalFile::of(name) {
            Some(JournalFile::Segment(seq)) => (&mut self.segments, seq),
            Some(JournalFile::Snapshot(seq)) => (&mut self.snapshots, seq),
            Some(JournalFile::Draft) => {
                self.drafts.push(path);
                return Ok(());
            }
            None => return Ok(()),
        };
        list.push((seq, path.clone()));
        let start = read_start(&path).map_err(JournalError::disk("read", &path))?;
        // What cannot be read, or is newer, is judged where the whole file is read.
        if let Ok(header) = Header::parse(&start) {
            if !Header::is_unblemished(&start) {
                self.blemished.push(path.clone());
            }
            self.headers.insert(path, header);
        }
        Ok(())
    }
}

fn read_start(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(FRAMES_START);
    File::open(path)?.take(FRAMES_START as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// What the name of a file in the folder says.
enum JournalFile {
    Segment(Seq),
    Snapshot(Seq),
    /// A snapshot that was not finished.
    Draft,
}

impl JournalFile {
    fn of(name: &str) -> Option<Self> {
        let (stem, end) = name.rsplit_once('.')?;
        let snapshot = stem.strip_prefix("snapshot-");
        let seq = Seq(snapshot.unwrap_or(stem).parse().ok()?);
        match (snapshot, end) {
            (None, "log") => Some(Self::Segment(seq)),
            (Some(_), "log") => Some(Self::Snapshot(seq)),
            (Some(_), "tmp") => Some(Self::Draft),
            _ => None,
        }
    }
}

/// Whether a journal names its files so.
pub(crate) fn is_file_name(name: &str) -> bool {
    JournalFile::of(name).is_some()
}
