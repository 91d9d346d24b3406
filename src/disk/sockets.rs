use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// How long the path of a socket may be, with room for what systems other than Linux take off.
const LONGEST: usize = 100;

/// The path by which a socket is made or reached. The system takes only some 100 bytes of it, so a
/// longer one leads over the folder, which this holds open.
#[derive(Debug)]
pub(crate) struct SocketPath {
    path: PathBuf,
    _folder: Option<File>,
}

impl SocketPath {
    /// The path of a socket in a folder. Where the system has no names for open files, a long path
    /// stays as it is, and is refused by whoever uses it.
    pub(crate) fn new(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(name);
        let open_files = Path::new("/proc/self/fd");
        if path.as_os_str().len() <= LONGEST || !open_files.is_dir() {
            return Ok(Self { path, _folder: None });
        }
        let folder = File::open(folder)?;
        let path = open_files.join(folder.as_raw_fd().to_string()).join(name);
        Ok(Self { path, _folder: Some(folder) })
    }

    pub(crate) fn as_path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_socket_is_made_and_reached_however_deep_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(200));
        std::fs::create_dir(&deep).unwrap();

        let _listener =
            UnixListener::bind(SocketPath::new(&deep, "socket").unwrap().as_path()).unwrap();

        assert!(deep.join("socket").exists());
        UnixStream::connect(SocketPath::new(&deep, "socket").unwrap().as_path()).unwrap();
    }

    #[test]
    fn a_short_path_stays_as_it_is() {
        let path = SocketPath::new(Path::new("/run/user/1000"), "memoryd.sock").unwrap();

        assert_eq!(path.as_path(), Path::new("/run/user/1000/memoryd.sock"));
    }
}
