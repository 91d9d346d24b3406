use std::io;
use std::path::Path;

use rustix::fs::StatVfsMountFlags;
#[cfg(target_os = "linux")]
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Fails as a full disk would, if less than this is free. Whoever writes a lot asks before the disk
/// is full: there must be room left to clean up in.
pub(crate) fn require_free(folder: &Path, bytes: u64) -> io::Result<()> {
    if free_bytes(folder)? < bytes { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

/// Whether the file system takes no writes at all: by what it says of itself, or by what it says to a write.
pub(crate) fn is_read_only(folder: &Path) -> bool {
    let flags = rustix::fs::statvfs(folder).map(|stats| stats.f_flag);
    let says_so = flags.is_ok_and(|flags| flags.contains(StatVfsMountFlags::RDONLY));
    says_so || is_refusal(&try_to_write(folder))
}

/// ext4 that shut itself after an error (`emergency_ro`) is mounted for writing as before, and only a write
/// tells. A file without a name leaves nothing behind.
#[cfg(target_os = "linux")]
fn try_to_write(folder: &Path) -> Result<(), Errno> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR).map(drop)
}

/// Elsewhere there are no files without a name, and no such file system.
#[cfg(not(target_os = "linux"))]
fn try_to_write(_: &Path) -> Result<(), Errno> {
    Ok(())
}

/// Any other failure is about the folder or the moment, not about the file system.
fn is_refusal(tried: &Result<(), Errno>) -> bool {
    matches!(tried, Err(error) if *error == Errno::ROFS)
}

/// What an unprivileged process may still take.
pub(crate) fn free_bytes(folder: &Path) -> io::Result<u64> {
    size_and_free(folder).map(|(_, free)| free)
}

/// How large the file system is, and what an unprivileged process may still take of it.
pub(crate) fn size_and_free(folder: &Path) -> io::Result<(u64, u64)> {
    let stats = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stats.f_frsize);
    Ok((bytes(stats.f_blocks), bytes(stats.f_bavail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_looks_like_a_full_disk() {
        let dir = tempfile::tempdir().unwrap();

        let refusal = require_free(dir.path(), u64::MAX).unwrap_err();

        assert_eq!(refusal.kind(), io::ErrorKind::StorageFull);
        require_free(dir.path(), 0).unwrap();
        let (size, free) = size_and_free(dir.path()).unwrap();
        assert!(size > 0 && free <= size, "{free} of {size}");
    }

    #[test]
    fn a_write_that_is_refused_tells_of_a_file_system_that_does_not_say_so_itself() {
        let dir = tempfile::tempdir().unwrap();

        assert!(!is_read_only(dir.path()));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(is_refusal(&Err(Errno::ROFS)));
        for passing in [Errno::NOSPC, Errno::ACCESS, Errno::OPNOTSUPP, Errno::NOENT] {
            assert!(!is_refusal(&Err(passing)), "{passing}");
        }
        assert!(!is_read_only(&dir.path().join("nothing")));
    }
}
