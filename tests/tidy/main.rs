//! Rules about the source itself: the layering, the size of files and functions, who may name which
//! crate, and what must not be written at all. `docs/ARCHITECTURE.md` has the table in prose.

#![allow(unreachable_pub, reason = "nothing in a test binary is reachable")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod circles;
mod layers;
mod names;
mod source;

use std::fs;

use layers::LAYERS;
use source::{names, root, sources};

/// A crate that only these rooms may name, so that it can be replaced by rewriting them.
const KEPT_IN: &[(&str, &[&str])] = &[
    ("sled::", &["store"]),
    ("bincode::", &["store"]),
    ("actix::", &["actors"]),
    ("actix_web::", &["http", "server", "cli"]),
    ("actix_tls::", &["http", "server", "cli"]),
    ("actix_http::", &["server"]),
    ("actix_server::", &["server"]),
    ("actix_service::", &["server"]),
    ("actix_cors::", &["http"]),
    ("askama::", &["http"]),
    ("pulldown_cmark::", &["http"]),
    ("argon2::", &["auth"]),
    ("figment::", &["config"]),
    ("std::env::var", &["config"]),
    ("rustls::", &["tls"]),
    ("rustls_pemfile::", &["tls"]),
    ("rcgen::", &["tls"]),
    ("rmcp::", &["mcp", "http"]),
    ("clap::", &["cli"]),
    ("if_addrs::", &["cli", "outward"]),
    ("env_logger::", &["logging"]),
    ("subtle::", &["auth"]),
    ("ring::digest", &["auth", "embedding", "moving", "store"]),
    ("zip::", &["moving"]),
    ("flate2::", &["moving"]),
    ("ndarray::", &["embedding"]),
    ("awc::", &["cli", "embedding", "outward"]),
    ("toml_edit::", &["cli"]),
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
        if source.path.starts_with(root().join("tests/tidy")) {
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

/// What no template may hold: text that is not escaped, and whatever the policy of the pages refuses.
const NOT_IN_TEMPLATES: &[(&str, &str)] = &[
    ("|safe", "everything is escaped"),
    ("| safe", "everything is escaped"),
    ("|escape", "it is escaped already, for HTML"),
    ("| escape", "it is escaped already, for HTML"),
    (" style=", "the policy of the pages drops it"),
    ("<style", "the policy of the pages drops it"),
    ("<script>", "the policy of the pages refuses it"),
    (" on", "no handler stands in a page, and no other attribute begins so"),
    ("http://", "nothing comes from elsewhere"),
    ("https://", "nothing comes from elsewhere"),
];

#[test]
fn every_template_escapes_everything_and_loads_nothing_from_elsewhere() {
    let mut count = 0;
    for entry in fs::read_dir(root().join("templates/ui")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        count += 1;
        let tags: String =
            text.split('<').skip(1).filter_map(|tag| tag.split('>').next()).collect();
        for (forbidden, reason) in NOT_IN_TEMPLATES {
            // Words between the tags may be any.
            let within = if forbidden.starts_with([' ', 'h']) { &tags } else { &text };
            let is_there = match *forbidden {
                " on" => {
                    within.split(" on").skip(1).any(|rest| rest.contains('=') && is_handler(rest))
                }
                forbidden => within.contains(forbidden),
            };
            assert!(!is_there, "{}: {forbidden} {reason}", path.display());
        }
    }
    assert!(count > 10, "only {count} templates");
}

/// Whether letters and an equals sign follow.
fn is_handler(rest: &str) -> bool {
    let end = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
    end > 0 && rest[end..].starts_with('=')
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
        let path = source.path.display();
        assert!(source.text.starts_with("//! "), "{path} has no first line");
        let is_room = source.path.parent().and_then(|folder| folder.parent());
        if is_room == Some(&root().join("src")) {
            let head = source.head();
            for word in ["refuses", "Begin reading"] {
                assert!(head.contains(word), "the head of {path} lacks what it {word}");
            }
        }
    }
}

/// What holds by name must be held by something.
#[test]
fn every_test_that_the_documents_name_is_there() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let everything: String =
        sources("src").into_iter().chain(sources("tests")).map(|source| source.text).collect();
    let quoted = text.split('`').skip(1).step_by(2);
    let tests = quoted.filter(|word| word.len() > 30 && word.bytes().all(is_name));
    let mut count = 0;
    for test in tests {
        count += 1;
        assert!(everything.contains(&format!("fn {test}(")), "there is no test {test}");
    }
    assert!(count > 10, "only {count} tests are named");
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

#[test]
fn the_documents_name_every_room() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    for (room, _) in LAYERS {
        assert!(text.contains(&format!("| `{room}` |")), "docs/ARCHITECTURE.md lacks {room}");
    }
}

#[test]
fn every_document_stands_in_the_index() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_listed = name == "README.md" || index.contains(&format!("({name})"));
        assert!(is_listed, "docs/README.md does not name {name}");
    }
}
