use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::disk::{self, FileId, SocketPath};

/// The name of the socket in the run folder.
pub const SOCKET_FILE: &str = "memoryd.sock";

/// The socket by which programs of the same owner reach this process. Dropping it removes its file.
#[derive(Debug)]
pub(super) struct LocalSocket {
    path: PathBuf,
    /// So that a successor's is told from it.
    own: FileId,
}

impl LocalSocket {
    /// Listens, in place of a socket that a dead process left. Only who holds the lock of the data
    /// directory may call it, so that nobody is pushed aside.
    pub(super) fn bind(run_dir: &Path) -> io::Result<(Self, UnixListener)> {
        let path = run_dir.join(SOCKET_FILE);
        // Made aside and renamed when it is closed to others.
        let name = format!(".mcp_{}", std::process::id());
        let aside = run_dir.join(&name);
        disk::remove_file(&aside)?;
        let listener = UnixListener::bind(SocketPath::new(run_dir, &name)?.as_path())?;
        let placed = fs::set_permissions(&aside, Permissions::from_mode(disk::PRIVATE_FILE))
            .and_then(|()| fs::rename(&aside, &path))
            .and_then(|()| fs::symlink_metadata(&path));
        match placed {
            Ok(found) => Ok((Self { path, own: FileId::of(&found) }, listener)),
            Err(error) => {
                disk::remove_file(&aside)?;
                Err(error)
            }
        }
    }

    /// Removes the file now, if it is still the one that was made.
    pub(super) fn remove(&self) {
        if self.own.lies_at(&self.path)
            && let Err(error) = disk::remove_file(&self.path)
        {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_socket_is_private_and_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();

        let (socket, _listener) = LocalSocket::bind(dir.path()).unwrap();

        let mode = fs::metadata(&socket.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        UnixStream::connect(&socket.path).unwrap();
        drop(socket);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_dead_process_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        drop(UnixListener::bind(dir.path().join(SOCKET_FILE)).unwrap());

        let (socket, _listener) = LocalSocket::bind(dir.path()).unwrap();

        UnixStream::connect(&socket.path).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_successors_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (first, _listener) = LocalSocket::bind(dir.path()).unwrap();
        let (second, _other) = LocalSocket::bind(dir.path()).unwrap();

        drop(first);

        UnixStream::connect(&second.path).unwrap();
    }
}
