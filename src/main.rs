//! The program; everything is in the library.

use std::process::ExitCode;

/// Gives memory back to the system that threads of sessions and readers have freed. With glibc's a server
/// that was busy for ten minutes kept 192 MB for 49 MB that it used (`docs/RELIABILITY.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    memoryd::cli::run()
}
