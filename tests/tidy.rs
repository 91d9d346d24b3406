//! Rules about the source itself: the layering, the size of files and functions, who may name which
//! crate, and what must not be written at all. `docs/ARCHITECTURE.md` has the table in prose.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may import, bottom first: a room may import only earlier ones.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("disk", &[]),
    ("config", &["model"]),
    ("logging", &["model", "disk"]),
    ("tls", &["model", "disk", "config"]),
    ("embedding", &["model", "config", "tls"]),
    ("journal", &["model", "disk"]),
    ("store", &["model", "disk", "journal"]),
    ("retrieval", &["model"]),
    ("engine", &["model", "store", "retrieval"]),
    ("auth", &["model", "disk", "store"]),
    (
        "actors",
        &["model", "config", "embedding", "journal", "store", "retrieval", "engine", "auth"],
    ),
    ("error", &["journal", "store", "engine", "auth", "actors"]),
    ("mcp", &["model", "engine", "actors", "error"]),
    ("http", &["model", "config", "engine", "auth", "actors", "error", "mcp"]),
    (
        "server",
        &[
            "model",
            "config",
            "logging",
            "tls",
            "embedding",
            "journal",
            "store",
            "engine",
            "auth",
            "actors",
            "error",
            "mcp",
            "http",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "disk",
            "config",
            "logging",
            "tls",
            "embedding",
            "journal",
            "store",
            "engine",
            "auth",
            "actors",
            "error",
            "mcp",
            "http",
            "server",
        ],
    ),
];

/// A crate that only these rooms may name, so that it can be replaced by rewriting them.
const KEPT_IN: &[(&str, &[&str])] = &[
    ("sled::", &["store"]),
    ("bincode::", &["store"]),
    ("actix::", &["actors"]),
    ("actix_web::", &["http", "server", "cli"]),
    ("actix_cors::", &["http"]),
    ("actix_tls::", &["cli"]),
    ("figment::", &["config"]),
    ("std::env::var", &["config"]),
    ("rustls::", &["tls"]),
    ("rustls_pemfile::", &["tls"]),
    ("rcgen::", &["tls"]),
    ("rmcp::", &["mcp", "http"]),
    ("clap::", &["cli"]),
    ("env_logger::", &["logging"]),
    ("subtle::", &["auth"]),
    ("ring::digest", &["auth", "embedding"]),
    ("ndarray::", &["embedding"]),
    ("awc::", &["cli", "embedding"]),
];

/// What no source may hold, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("do_send(", "it queues past every limit and drops errors"),
    ("todo!(", "the real thing or nothing"),
    ("unimplemented!(", "the real thing or nothing"),
    ("#[ignore", "a test that does not run proves nothing"),
    ("dbg!(", "it is for the moment only"),
];

const MAX_FILE_LINES: usize = 500;

#[test]
fn the_layers_have_no_way_back_up() {
    for (height, (room, allowed)) in LAYERS.iter().enumerate() {
        let below: Vec<_> = LAYERS[..height].iter().map(|(name, _)| *name).collect();
        for import in *allowed {
            assert!(below.contains(import), "{room} imports {import}, which is not below it");
        }
    }
}

#[test]
fn every_room_imports_only_what_lies_below_it() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    for source in sources("src") {
        let Some(room) = source.room() else { continue };
        let allowed = layers.get(room.as_str()).unwrap_or_else(|| panic!("{room} has no layer"));
        for (line, imported) in source.imports() {
            let fine = imported == room || allowed.contains(&imported.as_str());
            assert!(fine, "{}:{line}: {room} may not import {imported}", source.path.display());
        }
    }
}

#[test]
fn a_crate_is_named_only_in_its_rooms() {
    for source in sources("src") {
        let room = source.room().unwrap_or_default();
        for (krate, homes) in KEPT_IN.iter().filter(|(_, homes)| !homes.contains(&room.as_str())) {
            for (number, line) in source.shipped() {
                let fine = !names(line, krate);
                assert!(fine, "{}:{number}: {krate} belongs in {homes:?}", source.path.display());
            }
        }
    }
}

#[test]
fn nothing_forbidden_is_written() {
    for source in sources("src").into_iter().chain(sources("tests")) {
        if source.path.ends_with("tests/tidy.rs") {
            continue;
        }
        for (number, line) in source.code() {
            for (text, reason) in FORBIDDEN {
                let fine = !line.contains(text);
                assert!(fine, "{}:{number}: {text} {reason}", source.path.display());
            }
        }
    }
}

#[test]
fn no_file_outgrows_its_reader() {
    for source in sources("src").into_iter().chain(sources("tests")) {
        let len = source.text.lines().count();
        assert!(len <= MAX_FILE_LINES, "{} has {len} lines; split it", source.path.display());
    }
}

#[test]
fn every_room_says_what_it_is_for() {
    for source in sources("src").into_iter().filter(|source| source.path.ends_with("mod.rs")) {
        let fine = source.text.starts_with("//! ");
        assert!(fine, "{} has no first line", source.path.display());
    }
}

#[test]
fn the_documents_name_every_room() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    for (room, _) in LAYERS {
        assert!(text.contains(&format!("| `{room}` |")), "docs/ARCHITECTURE.md lacks {room}");
    }
}

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The first component under `src`: `src/http/guard.rs` and `src/http.rs` are both `http`.
    fn room(&self) -> Option<String> {
        let first = self.path.strip_prefix(root().join("src")).ok()?.components().next()?;
        let name = first.as_os_str().to_str()?.trim_end_matches(".rs");
        (!matches!(name, "lib" | "main" | "bin")).then(|| name.to_owned())
    }

    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(n, line)| (n + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The code without its unit tests, which stand at the end of a file or in files of their own.
    fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
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
    fn imports(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (number, line) in self.shipped() {
            for tail in line.split("crate::").skip(1) {
                let end = tail.find(|c: char| !c.is_lowercase() && c != '_').unwrap_or(tail.len());
                if end > 0 {
                    found.push((number, tail[..end].to_owned()));
                }
            }
        }
        found
    }
}

/// Whether a line names a crate, and not another one whose name ends the same way.
fn names(line: &str, krate: &str) -> bool {
    line.match_indices(krate).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<Source> {
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
