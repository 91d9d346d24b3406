//! Stops before the disk is full, while sled can still write what it holds.

use std::io;
use std::path::Path;

/// Fails as a full disk would, if less than this is free.
pub(crate) fn require_free(folder: &Path, bytes: u64) -> io::Result<()> {
    if free_bytes(folder)? < bytes { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

/// What an unprivileged process may still take.
fn free_bytes(folder: &Path) -> io::Result<u64> {
    let stats = rustix::fs::statvfs(folder)?;
    Ok(stats.f_bavail.saturating_mul(stats.f_frsize))
}
