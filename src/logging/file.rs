use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::disk::{self, FileId};

/// The owner writes, the group may read (logrotate, a log shipper), others may not.
const MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;

/// A log file that follows its path: what was renamed away or deleted is left behind.
pub(super) struct LogFile {
    path: PathBuf,
    open: Option<File>,
    /// Takes the lines while the file cannot be written: standard error, save in tests.
    fallback: Box<dyn Write + Send>,
    /// Whether the present trouble has been told.
    told: bool,
}

impl LogFile {
    /// Makes the folder if there is none. One that is there stays as it is.
    pub(super) fn open(path: &Path, fallback: Box<dyn Write + Send>) -> Self {
        let mut file = Self { path: path.to_owned(), open: None, fallback, told: false };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
            && let Err(error) = disk::create_folder_with_mode(folder, FOLDER_MODE)
        {
            file.tell("make the folder of", &error);
        }
        file.reopen();
        file
    }

    pub(super) fn reopen(&mut self) {
        self.open = None;
        if let Err(error) = self.follow() {
            self.tell("open", &error);
        }
    }

    /// Writes one line where it can be written. There is nobody left to tell if it cannot.
    pub(super) fn append(&mut self, line: &[u8]) {
        let written = match self.follow() {
            Ok(file) => file.write_all(line).map_err(|error| ("write to", error)),
            Err(error) => Err(("open", error)),
        };
        match written {
            Ok(()) => self.told = false,
            Err((act, error)) => {
                self.tell(act, &error);
                let _ = self.fallback.write_all(line);
            }
        }
    }

    /// The file that the path names now. Asked at every line, because a `stat` costs a microsecond
    /// and a line written to the old file may come after logrotate has compressed it.
    fn follow(&mut self) -> io::Result<&mut File> {
        let current = match self.open.take() {
            Some(file) if is_at(&file, &self.path) => file,
            _ => disk::open_for_appending(&self.path, MODE)?,
        };
        Ok(self.open.insert(current))
    }

    fn tell(&mut self, act: &str, error: &io::Error) {
        if !self.told {
            self.told = true;
            let path = self.path.display();
            let warning = format!(
                "WARNING: cannot {act} the log file {path}: {error}; \
                 the log goes to standard error until that works\n"
            );
            let _ = self.fallback.write_all(warning.as_bytes());
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(theirs)) = (file.metadata(), path.metadata()) else { return false };
    FileId::of(&ours) == FileId::of(&theirs)
}

impl fmt::Debug for LogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogFile").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use tempfile::TempDir;

    use super::*;

    struct Ear(Sender<String>);

    impl Write for Ear {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8(line.to_vec()).unwrap()).unwrap();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn open(folder: &TempDir, name: &str) -> (LogFile, PathBuf, Receiver<String>) {
        let (mouth, ear) = channel();
        let path = folder.path().join(name);
        (LogFile::open(&path, Box::new(Ear(mouth))), path, ear)
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_renamed_file_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, path, ear) = open(&folder, "server.log");
        let rotated = folder.path().join("server.log.1");
        log.append(b"one\n");

        fs::rename(&path, &rotated).unwrap();
        log.append(b"two\n");

        assert_eq!((read(&rotated), read(&path)), ("one\n".to_owned(), "two\n".to_owned()));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, MODE);
        assert!(ear.try_recv().is_err());
    }

    #[test]
    fn a_file_that_logrotate_created_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, path, _ear) = open(&folder, "server.log");
        log.append(b"one\n");

        fs::rename(&path, folder.path().join("server.log.1")).unwrap();
        fs::write(&path, "created\n").unwrap();
        log.append(b"two\n");

        assert_eq!(read(&path), "created\ntwo\n");
    }

    #[test]
    fn a_truncated_file_is_written_from_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, path, _ear) = open(&folder, "server.log");
        log.append(b"one\n");

        fs::write(&path, "").unwrap();
        log.append(b"two\n");

        assert_eq!(read(&path), "two\n");
    }

    #[test]
    fn reopening_makes_the_file_before_there_is_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, path, _ear) = open(&folder, "server.log");

        fs::remove_file(&path).unwrap();
        log.reopen();

        assert_eq!(read(&path), "");
    }

    #[test]
    fn a_missing_folder_is_made_and_one_that_is_there_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();

        let (mut log, path, _ear) = open(&folder, "logs/server.log");
        log.append(b"one\n");

        assert_eq!(read(&path), "one\n");
        assert_eq!(mode(folder.path()), 0o755);
        assert_eq!(mode(path.parent().unwrap()) & 0o027, 0);
    }

    #[test]
    fn trouble_is_told_once_and_ends_when_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("missing");
        fs::write(&in_the_way, "").unwrap();
        let (mut log, path, ear) = open(&folder, "missing/server.log");

        log.append(b"one\n");
        log.append(b"two\n");
        fs::remove_file(&in_the_way).unwrap();
        fs::create_dir(&in_the_way).unwrap();
        log.append(b"three\n");

        let heard: Vec<String> = ear.try_iter().collect();
        assert!(heard[0].contains("WARNING: cannot make the folder of the log"), "{heard:?}");
        assert_eq!(heard.get(1..).unwrap(), ["one\n", "two\n"]);
        assert_eq!(read(&path), "three\n");
    }

    #[test]
    fn new_trouble_is_told_anew() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("logs"), "in the way").unwrap();
        let (mut log, path, ear) = open(&folder, "logs/server.log");
        fs::remove_file(folder.path().join("logs")).unwrap();
        fs::create_dir(path.parent().unwrap()).unwrap();
        log.append(b"one\n");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();

        log.append(b"two\n");

        assert_eq!(ear.try_iter().filter(|line| line.starts_with("WARNING")).count(), 2);
    }
}
