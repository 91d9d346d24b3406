use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of files and sockets that this process may have open as far as it is allowed
/// to, and returns the number that holds now.
///
/// The usual limit of 1,024 is there for programs that call `select`. Connections must be limited
/// below what is returned, so that the store can always open its files.
pub fn raise_open_files() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        log::warn!("cannot raise the limit of open files to {maximum:?}: {error}");
    }
    // No limit at all is written as nothing.
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Whether the process or the system has no file descriptor left. It says nothing about the file
/// that was to be opened.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    let known = [Errno::MFILE.raw_os_error(), Errno::NFILE.raw_os_error()];
    error.raw_os_error().is_some_and(|found| known.contains(&found))
}

/// Whether the error is about the process or the whole disk, and not about what this one file
/// holds: the file is as good as before, and the same call may succeed later.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let kinds = [PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull];
    is_out_of_files(error) || kinds.contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_raised_to_what_is_allowed() {
        let reached = raise_open_files();

        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current.unwrap_or(u64::MAX), reached);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(raise_open_files(), reached);
    }

    #[test]
    fn a_full_table_of_files_is_told_from_a_bad_file() {
        let full = io::Error::from(Errno::MFILE);
        let bad = io::Error::from(Errno::IO);

        assert!(is_out_of_files(&full) && is_passing(&full));
        assert!(!is_out_of_files(&bad) && !is_passing(&bad));
        assert!(is_passing(&io::Error::from(Errno::ROFS)));
    }
}
