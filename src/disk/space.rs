use std::io;
use std::path::Path;

use rustix::fs::StatVfsMountFlags;

/// Fails as a full disk would, if less than this is free. Whoever writes a lot asks before the disk
/// is full: there must be room left to clean up in.
pub(crate) fn require_free(folder: &Path, bytes: u64) -> io::Result<()> {
    if free_bytes(folder)? < bytes { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

/// Whether the file system says that it takes no writes at all.
pub(crate) fn is_read_only(folder: &Path) -> bool {
    let flags = rustix::fs::statvfs(folder).map(|stats| stats.f_flag);
    flags.is_ok_and(|flags| flags.contains(StatVfsMountFlags::RDONLY))
}

/// What an unprivileged process may still take.
fn free_bytes(folder: &Path) -> io::Result<u64> {
    let stats = rustix::fs::statvfs(folder)?;
    Ok(stats.f_bavail.saturating_mul(stats.f_frsize))
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
    }
}
