//! The source as the rules see it.

use std::fs;
use std::path::{Path, PathBuf};

pub struct Source {
    pub path: PathBuf,
    pub text: String,
}

impl Source {
    /// The text above the code.
    pub fn head(&self) -> String {
        let lines = self.text.lines().take_while(|line| line.starts_with("//!"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The first component under `src`: `src/http/guard.rs` and `src/http.rs` are both `http`.
    pub fn room(&self) -> Option<String> {
        let first = self.path.strip_prefix(root().join("src")).ok()?.components().next()?;
        let name = first.as_os_str().to_str()?.trim_end_matches(".rs");
        // The doors of `fuzz/` open into every room, and are in no build that is shipped.
        (!matches!(name, "lib" | "main" | "bin" | "fuzzing")).then(|| name.to_owned())
    }

    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(n, line)| (n + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The code without its unit tests, which stand at the end of a file or in files of their own.
    pub fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = self.path.file_name().is_some_and(|name| {
            name.to_str().is_some_and(|name| name == "tests.rs" || name.ends_with("_tests.rs"))
        });
        let lines = self.code();
        let mut in_tests = is_test;
        let mut was_cfg_test = false;
        lines.filter(move |(_, line)| {
            if was_cfg_test && line.starts_with("mod ") && line.ends_with('{') {
                in_tests = true;
            }
            was_cfg_test = line.starts_with("#[cfg(test)]");
            !in_tests
        })
    }

    /// Every `crate::room` that is named, in an import or in passing, outside of unit tests.
    pub fn imports(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (number, line) in self.shipped() {
            for tail in line.split("crate::").skip(1) {
                let rooms = match tail.strip_prefix('{') {
                    // `use crate::{actors, engine::Verb};`
                    Some(list) => list.split(',').map(str::trim).collect(),
                    None => vec![tail],
                };
                for tail in rooms {
                    let end = tail.find(|c: char| !c.is_lowercase() && c != '_');
                    let name = &tail[..end.unwrap_or(tail.len())];
                    if !name.is_empty() {
                        found.push((number, name.to_owned()));
                    }
                }
            }
        }
        found
    }
}

/// Whether a line names a crate, and not another one whose name ends the same way.
pub fn names(line: &str, krate: &str) -> bool {
    line.match_indices(krate).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
    })
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path, text });
            }
        }
    }
    assert!(!found.is_empty());
    found
}
