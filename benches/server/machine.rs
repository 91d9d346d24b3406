//! Where the figures come from, for a figure says nothing without its machine.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Names the processor, the cores, the memory, the kernel and the file system of the data.
pub(crate) fn describe(folder: &Path) -> Vec<(&'static str, String)> {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    vec![
        ("processor", line_of("/proc/cpuinfo", "model name")),
        ("cores", cores.to_string()),
        ("memory", line_of("/proc/meminfo", "MemTotal")),
        ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("file system", file_system(folder)),
        ("load average before", read("/proc/loadavg").trim().to_owned()),
    ]
}

/// How long this thread was ready to run and had no processor. Not every kernel counts that.
pub(crate) fn waited_for_processor() -> Option<Duration> {
    let text = read("/proc/thread-self/schedstat");
    text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

/// The value of the first `name: value` line of a file.
fn line_of(path: &str, name: &str) -> String {
    let text = read(path);
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(key, _)| key.trim() == name);
    found.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

/// The type of what is mounted nearest above the folder; of two at one place the later one counts.
fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = read("/proc/mounts");
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let place = Path::new(fields.next()?);
        let kind = fields.next()?;
        folder.starts_with(place).then(|| (place.components().count(), kind))
    });
    let nearest = mounts.max_by_key(|(depth, _)| *depth);
    nearest.map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
