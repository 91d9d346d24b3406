//! The scratch directory, what lies in it, and how fast its disk is by itself.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::load::Load;
use crate::machine;
use crate::report::Report;

const PREFIX: &str = "memoryd-bench-";
/// `st_blocks` counts in these, whatever the block size of the file system.
const BLOCK_BYTES: u64 = 512;
/// About what a small memory takes in the journal.
const APPENDED: [u8; 400] = [b'm'; 400];

/// A folder that is removed with all that lies in it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn create(parent: &Path) -> Outcome<Self> {
        fs::create_dir_all(parent)?;
        remove_orphans(parent)?;
        let folder = parent.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A new folder in this one, which goes by itself when it is no longer needed.
    pub(crate) fn folder(&self, name: &str) -> Outcome<Self> {
        let folder = self.0.join(name);
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("warning: {} stays: {error}", self.0.display());
        }
    }
}

/// How much the files below a folder take on the disk.
pub(crate) fn used_bytes(folder: &Path) -> Outcome<u64> {
    let mut sum = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => folders.push(path),
                Ok(found) => sum += found.blocks() * BLOCK_BYTES,
                // The server may put a file away while it is being counted.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(sum)
}

/// Appends 400 bytes and waits for `fdatasync`, over and over: what one writer could do at most.
///
/// Nobody else of the benchmark is at work meanwhile, so what this thread waits for a processor is
/// the doing of others. The report hears of it: a starved loop makes the server look fast.
pub(crate) fn bare_loop(folder: &Path, length: Duration, report: &mut Report) -> Outcome<Load> {
    let path = folder.join("bare");
    let mut file = OpenOptions::new().append(true).create_new(true).open(&path)?;
    append(&mut file)?;
    let mut times = Vec::new();
    let waited_before = machine::waited_for_processor();
    let start = Instant::now();
    while start.elapsed() < length {
        let before = Instant::now();
        append(&mut file)?;
        times.push(before.elapsed());
    }
    let whole = start.elapsed();
    if let (Some(before), Some(after)) = (waited_before, machine::waited_for_processor()) {
        report.starved(after.saturating_sub(before).as_secs_f64() / whole.as_secs_f64());
    }
    let load = Load::of(whole, times);
    fs::remove_file(path)?;
    load
}

fn append(file: &mut File) -> Outcome<()> {
    file.write_all(&APPENDED)?;
    Ok(file.sync_data()?)
}

/// Removes what an interrupted run has left. Its folder bears the number of its process.
fn remove_orphans(parent: &Path) -> Outcome<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
