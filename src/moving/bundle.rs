//! The files of one import: those that were named, those of folders, and those within archives.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use super::MovingError;
use super::archive::{
    ArchiveEntry, GZIP_MARK, OpenArchive, Room, Seekable, is_zip, may_hold_text, unpacked,
};
use super::out::Out;
use crate::model::few;

/// What reads one file: its path, what is in it, and where its lines go.
pub type ReadFile<'a> =
    dyn FnMut(&str, &mut dyn BufRead, &mut Out<'_>) -> Result<(), MovingError> + 'a;

/// Everything that was given to be imported.
#[derive(Debug, Default)]
pub struct Bundle {
    entries: Vec<Entry>,
    archives: Vec<OpenArchive>,
    room: Room,
    /// Bytes of archives within others, which are in memory.
    held: u64,
    passed_over: usize,
    /// What cannot be read, beside what can.
    refused: Vec<MovingError>,
}

/// One file of it.
struct Entry {
    /// Where it lies in what was given, with `/` between folders.
    path: String,
    source: Origin,
}

enum Origin {
    Disk(PathBuf),
    Packed {
        archive: usize,
        entry: ArchiveEntry,
    },
    Memory(Vec<u8>),
    /// Can be read once; what was looked at of it is the beginning.
    Stream {
        head: Vec<u8>,
        rest: Option<Box<dyn Read + Send>>,
    },
}

/// The files of one format.
#[derive(Debug)]
pub struct Files<'a> {
    bundle: &'a mut Bundle,
    entries: &'a [usize],
}

/// How much of a file is looked at to know what it is.
pub(super) const HEAD_BYTES: usize = 64 << 10;
/// Files of a folder; more is a disk, and no notes.
const MOST_FILES: usize = 100_000;
/// How deep folders are looked into.
const MOST_DEPTH: usize = 32;
/// Folders in which programs keep what is theirs.
const NOT_OURS: [&str; 6] =
    [".git", ".obsidian", ".trash", "node_modules", "__MACOSX", ".DS_Store"];
/// An archive that comes as a stream is kept in memory, since it has to be read from its end.
const MOST_STREAMED: u64 = 64 << 20;

impl Bundle {
    /// Opens files, folders and archives.
    pub fn open(sources: &[PathBuf]) -> Result<Self, MovingError> {
        let mut bundle = Self::default();
        for source in sources {
            let name = source.file_name().map_or_else(
                || source.display().to_string(),
                |name| name.to_string_lossy().into_owned(),
            );
            let found = fs::metadata(source).map_err(|error| unreadable(&name, &error))?;
            if found.is_dir() {
                bundle.try_folder(source, "", 0)?;
            } else if found.is_file() {
                bundle.add_file(source, name)?;
            } else {
                // What is looked at of a pipe is gone from it.
                let pipe = File::open(source).map_err(|error| unreadable(&name, &error))?;
                bundle.add_stream(&name, Box::new(pipe))?;
            }
        }
        Ok(bundle)
    }

    /// Takes what comes as a stream, such as standard input.
    pub fn of_stream(name: &str, reader: Box<dyn Read + Send>) -> Result<Self, MovingError> {
        let mut bundle = Self::default();
        bundle.add_stream(name, reader)?;
        Ok(bundle)
    }

    fn add_stream(&mut self, name: &str, reader: Box<dyn Read + Send>) -> Result<(), MovingError> {
        let (mut head, mut rest) = (Vec::new(), reader);
        let limit = HEAD_BYTES as u64;
        let read = rest.by_ref().take(limit).read_to_end(&mut head);
        read.map_err(|error| unreadable(name, &error))?;
        if !is_zip(&head) {
            let source = Origin::Stream { head, rest: Some(rest) };
            self.entries.push(Entry { path: name.to_owned(), source });
            return Ok(());
        }
        let read = rest.take(MOST_STREAMED + 1).read_to_end(&mut head);
        read.map_err(|error| unreadable(name, &error))?;
        if head.len() as u64 > MOST_STREAMED {
            let problem = "an archive of more than 64 MiB has to be a file".to_owned();
            return Err(MovingError::Unreadable { file: name.to_owned(), problem });
        }
        self.add_archive(name, Box::new(Cursor::new(head)))
    }

    /// Takes what is in memory already.
    pub fn of_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, MovingError> {
        let mut bundle = Self::default();
        if is_zip(&bytes) {
            bundle.add_archive(name, Box::new(Cursor::new(bytes)))?;
        } else {
            bundle.entries.push(Entry { path: name.to_owned(), source: Origin::Memory(bytes) });
        }
        Ok(bundle)
    }

    /// How many files are nothing that anybody could read.
    #[must_use]
    pub fn passed_over(&self) -> usize {
        self.passed_over
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Whether it is one file, and in no archive.
    pub(super) fn is_plain(&self) -> bool {
        let is_packed = |entry: &Entry| matches!(entry.source, Origin::Packed { .. });
        self.is_alone() && !self.entries.iter().any(is_packed)
    }

    /// Whether it is one file: what is wrong with that is wrong with all of it.
    pub(super) fn is_alone(&self) -> bool {
        self.entries.len() == 1 && self.refused.is_empty()
    }

    /// Notes what cannot be read, for whoever tells of it.
    pub(super) fn refuse(&mut self, error: MovingError) {
        self.refused.push(error);
    }

    /// What could not be read, as far as that was seen before reading began.
    pub(super) fn refused(&self) -> &[MovingError] {
        &self.refused
    }

    /// Whether a file comes as a stream, which can be read once.
    pub(super) fn is_stream(&self, n: usize) -> bool {
        let entry = self.entries.get(n);
        entry.is_some_and(|entry| matches!(entry.source, Origin::Stream { .. }))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn path(&self, n: usize) -> &str {
        self.entries.get(n).map_or("", |entry| entry.path.as_str())
    }

    /// The beginning of a file.
    pub(super) fn head(&mut self, n: usize) -> Result<Vec<u8>, MovingError> {
        let (path, mut head) = (self.path(n).to_owned(), Vec::new());
        if let Some(Entry { source: Origin::Stream { head, .. }, .. }) = self.entries.get(n)
            && !head.starts_with(GZIP_MARK)
        {
            return Ok(head.clone());
        }
        if let Some(Entry { source: Origin::Stream { head: packed, .. }, .. }) = self.entries.get(n)
        {
            let reader = unpacked(Box::new(Cursor::new(packed.clone())), &self.room);
            let mut reader =
                reader.map_err(|error| unreadable(&path, &error))?.take(HEAD_BYTES as u64);
            // What is looked at ends in the middle, so the end is no error here.
            let _ = reader.read_to_end(&mut head);
            return Ok(head);
        }
        let reader = self.reader(n)?;
        let read = reader.take(HEAD_BYTES as u64).read_to_end(&mut head);
        read.map_err(|error| unreadable(&path, &error))?;
        Ok(head)
    }

    /// The one file there is, unpacked. Fails if that has more bytes than the limit.
    pub fn into_bytes(mut self, limit: usize) -> Result<Vec<u8>, MovingError> {
        let file = self.path(0).to_owned();
        if let [Entry { source: Origin::Memory(bytes), .. }] = self.entries.as_mut_slice()
            && !bytes.starts_with(GZIP_MARK)
            && bytes.len() <= limit
        {
            // As it is: a second copy may be as large.
            return Ok(std::mem::take(bytes));
        }
        let mut bytes = Vec::new();
        let read = self.into_reader()?.take(limit as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(&file, &error))?;
        if bytes.len() > limit {
            return Err(MovingError::TooLarge { file, limit });
        }
        Ok(bytes)
    }

    /// The one file there is, to be read as it is.
    pub fn into_reader(mut self) -> Result<Box<dyn BufRead>, MovingError> {
        if let Some(refused) = self.refused.pop() {
            return Err(refused);
        }
        let entry = self.entries.pop().filter(|_| self.entries.is_empty());
        let Some(Entry { path, source }) = entry else { return Err(MovingError::OwnLines) };
        let reader: Box<dyn BufRead> = match source {
            Origin::Disk(at) => {
                let file = File::open(at).map_err(|error| unreadable(&path, &error))?;
                Box::new(BufReader::new(file))
            }
            Origin::Memory(bytes) => Box::new(Cursor::new(bytes)),
            Origin::Stream { head, rest } => {
                let rest = rest.unwrap_or_else(|| Box::new(io::empty()));
                Box::new(BufReader::new(Cursor::new(head).chain(rest)))
            }
            Origin::Packed { .. } => return Err(MovingError::OwnLines),
        };
        unpacked(reader, &self.room).map_err(|error| unreadable(&path, &error))
    }

    pub(super) fn reader(&mut self, n: usize) -> Result<Box<dyn BufRead + '_>, MovingError> {
        let Self { entries, archives, room, .. } = self;
        let Some(Entry { path, source }) = entries.get_mut(n) else {
            return Ok(Box::new(io::empty()));
        };
        let reader: Box<dyn BufRead + '_> = match source {
            Origin::Disk(at) => {
                let file = File::open(at).map_err(|error| unreadable(path, &error))?;
                Box::new(BufReader::with_capacity(HEAD_BYTES, file))
            }
            Origin::Packed { archive, entry } => match archives.get_mut(*archive) {
                Some(archive) => archive.read(path, entry, room)?,
                None => Box::new(io::empty()),
            },
            Origin::Memory(bytes) => Box::new(Cursor::new(bytes.as_slice())),
            Origin::Stream { head, rest } => {
                let rest = rest.take().unwrap_or_else(|| Box::new(io::empty()));
                let whole = Cursor::new(std::mem::take(head)).chain(rest);
                Box::new(BufReader::with_capacity(HEAD_BYTES, whole))
            }
        };
        unpacked(reader, room).map_err(|error| unreadable(path, &error))
    }

    fn add_file(&mut self, at: &Path, path: String) -> Result<(), MovingError> {
        if self.entries.len() >= MOST_FILES {
            return Err(MovingError::TooMany { file: path, limit: MOST_FILES });
        }
        let opened = File::open(at).and_then(|mut file| {
            let mut mark = Vec::new();
            file.by_ref().take(4).read_to_end(&mut mark)?;
            Ok((file, mark))
        });
        match opened {
            Ok((file, mark)) if is_zip(&mark) => {
                self.try_archive(&path, Box::new(BufReader::new(file)));
            }
            Ok(_) => self.entries.push(Entry { path, source: Origin::Disk(at.to_owned()) }),
            Err(error) => self.refuse(unreadable(&path, &error)),
        }
        Ok(())
    }

    /// Adds an archive whole or not at all: one that is damaged, or made to hurt, costs itself alone.
    fn try_archive(&mut self, file: &str, reader: Box<dyn Seekable>) {
        let (entries, archives) = (self.entries.len(), self.archives.len());
        let (held, passed_over) = (self.held, self.passed_over);
        if let Err(error) = self.add_archive(file, reader) {
            self.entries.truncate(entries);
            self.archives.truncate(archives);
            (self.held, self.passed_over) = (held, passed_over);
            self.refuse(error);
        }
    }

    /// Adds a folder, unless it cannot be looked into.
    fn try_folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), MovingError> {
        match self.add_folder(folder, prefix, depth) {
            Err(error @ MovingError::Unreadable { .. }) => self.refuse(error),
            done => done?,
        }
        Ok(())
    }

    /// Adds the files of a folder in the order of their names. Links are not followed: they may lead
    /// round in a circle, or out of it.
    fn add_folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), MovingError> {
        let failed = |error: &io::Error| unreadable(&folder.display().to_string(), error);
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?;
            let kind = entry.file_type().map_err(|error| failed(&error))?;
            found.push((entry.file_name().to_string_lossy().into_owned(), entry.path(), kind));
        }
        few::sort_by(&mut found, |one, other| one.0.cmp(&other.0));
        for (name, at, kind) in found {
            let path = format!("{prefix}{name}");
            if NOT_OURS.contains(&name.as_str()) || kind.is_symlink() {
                self.passed_over += 1;
            } else if kind.is_dir() && depth < MOST_DEPTH {
                self.try_folder(&at, &format!("{path}/"), depth + 1)?;
            } else if kind.is_file() && may_hold_text(&name) {
                self.add_file(&at, path)?;
            } else {
                self.passed_over += 1;
            }
        }
        Ok(())
    }

    /// Adds the files of an archive, and those of the archives that lie in it, but no deeper.
    fn add_archive(&mut self, file: &str, reader: Box<dyn Seekable>) -> Result<(), MovingError> {
        let archive = OpenArchive::open(file, reader)?;
        self.add_opened(file, "", archive, true)
    }

    fn add_opened(
        &mut self,
        file: &str,
        prefix: &str,
        mut archive: OpenArchive,
        may_nest: bool,
    ) -> Result<(), MovingError> {
        let (entries, others) = archive.entries(file)?;
        self.passed_over += others;
        let (inner, plain): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| entry.path.to_ascii_lowercase().ends_with(".zip"));
        if !inner.is_empty() && !may_nest {
            return Err(MovingError::Nested { file: file.to_owned() });
        }
        let mut opened = Vec::new();
        for entry in &inner {
            let within = archive.inner(file, entry, &self.room, &mut self.held)?;
            opened.push((format!("{}/", entry.path), within));
        }
        let place = self.archives.len();
        self.archives.push(archive);
        for entry in plain {
            let path = format!("{prefix}{}", entry.path);
            self.entries.push(Entry { path, source: Origin::Packed { archive: place, entry } });
        }
        for (prefix, archive) in opened {
            self.add_opened(file, &prefix, archive, false)?;
        }
        Ok(())
    }
}

impl<'a> Files<'a> {
    pub(super) fn new(bundle: &'a mut Bundle, entries: &'a [usize]) -> Self {
        Self { bundle, entries }
    }

    /// Where each of them lies in what was given, in the order in which [`Files::each`] reads them.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| self.bundle.path(*entry))
    }

    /// Whether they can be read a second time.
    #[must_use]
    pub fn can_be_read_again(&self) -> bool {
        !self.entries.iter().any(|entry| self.bundle.is_stream(*entry))
    }

    /// Reads one after another.
    pub fn each(&mut self, out: &mut Out<'_>, work: &mut ReadFile<'_>) -> Result<(), MovingError> {
        self.each_of(|_| true, out, work)
    }

    /// The same for those whose path is one that is meant. One that cannot be read is told, and costs none
    /// of the others.
    pub fn each_of(
        &mut self,
        is_meant: impl Fn(&str) -> bool,
        out: &mut Out<'_>,
        work: &mut ReadFile<'_>,
    ) -> Result<(), MovingError> {
        let is_alone = self.bundle.is_alone();
        for entry in self.entries {
            let path = self.bundle.path(*entry).to_owned();
            if !is_meant(&path) {
                continue;
            }
            out.file(&path);
            let done = match self.bundle.reader(*entry) {
                Ok(mut reader) => work(&path, &mut reader, out),
                Err(error) => Err(error),
            };
            match done.map_err(|error| named(error, &path)) {
                Err(error @ MovingError::Unreadable { .. }) if !is_alone => out.refuse(&error),
                done => done?,
            }
        }
        Ok(())
    }
}

/// Names the file, where whoever failed did not know it.
fn named(error: MovingError, path: &str) -> MovingError {
    match error {
        MovingError::Unreadable { file, problem } if file.is_empty() => {
            MovingError::Unreadable { file: path.to_owned(), problem }
        }
        error => error,
    }
}

fn unreadable(file: &str, error: &io::Error) -> MovingError {
    MovingError::Unreadable { file: file.to_owned(), problem: error.to_string() }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("path", &self.path).finish_non_exhaustive()
    }
}
