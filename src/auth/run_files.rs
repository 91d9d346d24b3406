//! The files by which programs of this machine find the one that has the store open.
//!
//! A server keeps `.mcp_port`, `.mcp_token`, `.mcp_server` and the socket. A stdio process that has
//! the store open keeps `.mcp_stdio` and the socket, so that nobody takes it for a server. Only who
//! holds the lock of the data directory writes them, and they go before that lock does: whatever is
//! found in their place by the next owner was left by a dead process.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::InstanceToken;
use super::local_socket::LocalSocket;
use super::whereabouts::{PORT_FILE, SERVER_FILE, STDIO_FILE, ServerFile, StdioFile, TOKEN_FILE};
use crate::disk::{self, FileId};

/// Why the files by which clients find the server could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunFileError {
    #[error(
        "another memoryd is running: it holds {}; stop it, or set server.run_dir (RUN_DIR) to \
         another directory",
        path.display()
    )]
    AlreadyRunning { path: PathBuf },

    #[error("cannot {doing} {}: {source}", path.display())]
    Disk { doing: &'static str, path: PathBuf, source: io::Error },
}

/// Where a server listens.
#[derive(Debug, Clone)]
pub struct Listening {
    pub address: SocketAddr,
    /// The file with the certificate that is shown, if it speaks TLS.
    pub certificate: Option<PathBuf>,
}

/// The files of a running process. Dropping them removes them.
#[derive(Debug)]
pub struct RunFiles {
    run_dir: PathBuf,
    /// In the order of their making; a reader that sees the last one sees all.
    files: Vec<OwnFile>,
    socket: Option<LocalSocket>,
    listener: Option<UnixListener>,
}

/// A file that this process made. It stays open, so that its inode cannot become another's.
#[derive(Debug)]
struct OwnFile {
    path: PathBuf,
    file: File,
}

impl RunFiles {
    /// Writes the files of a server, in place of those that a dead process left. The folder is made
    /// if there is none; one that is there, such as `/run/user/1000`, stays as it is.
    pub fn create(
        run_dir: &Path,
        token: &InstanceToken,
        listening: &Listening,
    ) -> Result<Self, RunFileError> {
        disk::create_folder(run_dir).map_err(failed("create", run_dir))?;
        let port_path = run_dir.join(PORT_FILE);
        refuse_if_alive(&port_path)?;
        let mut files = Self::open(run_dir);
        let port = OwnFile::create(port_path, listening.address.port().to_string().as_bytes())?;
        // Whoever starts next meets this lock. It ends with the process, however that ends. Where
        // the file system has no locks, the lock of the data directory still stands.
        let _ = port.file.try_lock();
        files.files.push(port);
        remove(&run_dir.join(STDIO_FILE));
        files.write(SERVER_FILE, &ServerFile::new(token, listening).to_json())?;
        files.bind();
        // The last one: scripts wait for it.
        files.write(TOKEN_FILE, token.secret().reveal().as_bytes())?;
        Ok(files)
    }

    /// Writes the files of a stdio process that lets others in. Nothing where it cannot: where
    /// there can be no socket, or where a server on other data has the folder.
    pub fn create_for_stdio(
        run_dir: &Path,
        token: &InstanceToken,
    ) -> Result<Option<Self>, RunFileError> {
        disk::create_folder(run_dir).map_err(failed("create", run_dir))?;
        if refuse_if_alive(&run_dir.join(PORT_FILE)).is_err() {
            return Ok(None);
        }
        let mut files = Self::open(run_dir);
        files.write(STDIO_FILE, &StdioFile::new(token).to_json())?;
        files.bind();
        Ok(files.socket.is_some().then_some(files))
    }

    /// The socket to serve on, once; nothing where there can be none.
    #[must_use]
    pub fn take_listener(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }

    #[cfg(test)]
    fn token_path(&self) -> PathBuf {
        self.run_dir.join(TOKEN_FILE)
    }

    #[cfg(test)]
    fn port_path(&self) -> PathBuf {
        self.run_dir.join(PORT_FILE)
    }

    /// Removes the files now, if they are still the ones that were written.
    pub fn remove(&self) {
        self.files.iter().rev().for_each(OwnFile::remove);
        self.socket.iter().for_each(LocalSocket::remove);
    }

    fn open(run_dir: &Path) -> Self {
        Self { run_dir: run_dir.to_owned(), files: Vec::new(), socket: None, listener: None }
    }

    fn write(&mut self, name: &str, content: &[u8]) -> Result<(), RunFileError> {
        self.files.push(OwnFile::create(self.run_dir.join(name), content)?);
        Ok(())
    }

    /// A path that is too long for a socket, or a file system without sockets, leaves the port.
    fn bind(&mut self) {
        match LocalSocket::bind(&self.run_dir) {
            Ok((socket, listener)) => {
                self.socket = Some(socket);
                self.listener = Some(listener);
            }
            Err(error) => {
                let dir = self.run_dir.display();
                log::warn!("no local socket in {dir}, so programs here use the port: {error}");
            }
        }
    }
}

impl Drop for RunFiles {
    fn drop(&mut self) {
        self.remove();
    }
}

impl OwnFile {
    /// Writes aside and renames, so that a reader never sees half of it. The name aside has the
    /// process id in it, because two servers may start in one folder at once.
    fn create(path: PathBuf, content: &[u8]) -> Result<Self, RunFileError> {
        let mut aside = path.clone().into_os_string();
        aside.push(format!(".{}", std::process::id()));
        let aside = PathBuf::from(aside);
        match Self::write(&aside, &path, content) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => {
                if let Err(error) = disk::remove_file(&aside) {
                    log::warn!("cannot remove {}: {error}", aside.display());
                }
                Err(failed("write", &path)(source))
            }
        }
    }

    fn write(aside: &Path, path: &Path, content: &[u8]) -> io::Result<File> {
        let mut file = disk::create_file(aside)?;
        file.write_all(content)?;
        // Not synced: after a crash it would be the file of a dead process.
        fs::rename(aside, path)?;
        Ok(file)
    }

    fn remove(&self) {
        if !self.is_in_place() {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }

    /// Whether the path still leads to the file that was written, and not to a later one.
    fn is_in_place(&self) -> bool {
        self.file.metadata().is_ok_and(|own| FileId::of(&own).lies_at(&self.path))
    }
}

/// Removes what a dead process left.
fn remove(path: &Path) {
    if let Err(error) = disk::remove_file(path) {
        log::warn!("cannot remove {}: {error}", path.display());
    }
}

fn refuse_if_alive(port_path: &Path) -> Result<(), RunFileError> {
    // A link, a directory, or nothing at all: none of them is a server's.
    if !fs::symlink_metadata(port_path).is_ok_and(|found| found.is_file()) {
        return Ok(());
    }
    let Ok(file) = File::open(port_path) else {
        return Ok(());
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            Err(RunFileError::AlreadyRunning { path: port_path.to_owned() })
        }
        Err(TryLockError::Error(_)) | Ok(()) => Ok(()),
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunFileError {
    move |source| RunFileError::Disk { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn token() -> InstanceToken {
        InstanceToken::generate(Path::new(".")).unwrap()
    }

    fn on(port: u16) -> Listening {
        Listening { address: SocketAddr::from(([127, 0, 0, 1], port)), certificate: None }
    }

    #[test]
    fn the_files_come_private_and_go_with_their_owner() {
        let dir = tempfile::tempdir().unwrap();
        let token = token();

        let files = RunFiles::create(&dir.path().join("run"), &token, &on(8501)).unwrap();

        let mode = fs::metadata(files.token_path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_to_string(files.token_path()).unwrap(), token.secret().reveal());
        assert_eq!(fs::read_to_string(files.port_path()).unwrap(), "8501");
        let told = ServerFile::read(&dir.path().join("run")).unwrap();
        assert_eq!((told.scheme.as_str(), told.address()), ("http", on(8501).address));
        drop(files);
        assert_eq!(fs::read_dir(dir.path().join("run")).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_there_keeps_its_mode_and_its_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("of another program"), "").unwrap();

        drop(RunFiles::create(dir.path(), &token(), &on(1)).unwrap());

        let mode = fs::metadata(dir.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_replaced_and_its_target_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        fs::write(&target, "precious").unwrap();
        symlink(&target, dir.path().join(TOKEN_FILE)).unwrap();
        symlink(&target, dir.path().join(PORT_FILE)).unwrap();

        let files = RunFiles::create(dir.path(), &token(), &on(1)).unwrap();

        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert!(fs::symlink_metadata(files.token_path()).unwrap().is_file());
    }

    #[test]
    fn a_stale_pair_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(TOKEN_FILE), "old").unwrap();
        fs::write(dir.path().join(PORT_FILE), "1").unwrap();

        let live = RunFiles::create(dir.path(), &token(), &on(2)).unwrap();
        let second = RunFiles::create(dir.path(), &token(), &on(3));

        assert!(matches!(second, Err(RunFileError::AlreadyRunning { .. })), "{second:?}");
        assert_eq!(fs::read_to_string(live.port_path()).unwrap(), "2");
    }

    #[test]
    fn files_of_a_successor_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let files = RunFiles::create(dir.path(), &token(), &on(1)).unwrap();
        fs::remove_file(files.token_path()).unwrap();
        fs::write(files.token_path(), "a successor's").unwrap();

        drop(files);

        let left = fs::read_to_string(dir.path().join(TOKEN_FILE)).unwrap();
        assert_eq!(left, "a successor's");
    }

    #[test]
    fn a_stdio_process_is_not_taken_for_a_server() {
        let dir = tempfile::tempdir().unwrap();
        let token = token();

        let files = RunFiles::create_for_stdio(dir.path(), &token).unwrap().unwrap();

        assert_eq!(StdioFile::read(dir.path()).unwrap().token.reveal(), token.secret().reveal());
        assert!(!files.token_path().exists() && !files.port_path().exists());
        assert!(ServerFile::read(dir.path()).is_none());
        drop(files);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_server_sweeps_away_what_a_stdio_process_left() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(STDIO_FILE), "{}").unwrap();

        let _files = RunFiles::create(dir.path(), &token(), &on(1)).unwrap();

        assert!(!dir.path().join(STDIO_FILE).exists());
    }
}
