#![no_main]

use std::cell::LazyCell;

use memoryd::config::{Config, Flags, Reader, Surroundings};
use tempfile::TempDir;

thread_local! {
    static FOLDER: LazyCell<TempDir> =
        LazyCell::new(|| tempfile::tempdir_in("/dev/shm").expect("a folder in memory"));
}

// The first byte chooses the file: `config.toml` or `.env`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((which, text)) = data.split_first() else { return };
    FOLDER.with(|folder| {
        let names = [".env", "config.toml"];
        let (name, other) = if which % 2 == 0 { (names[0], names[1]) } else { (names[1], names[0]) };
        let _ = std::fs::remove_file(folder.path().join(other));
        std::fs::write(folder.path().join(name), text).expect("memory takes writes");
        let around = Surroundings::only(folder.path().to_owned(), &[]);
        let _ = Config::load(&Flags::default(), &around, Reader::Serve);
    });
});
