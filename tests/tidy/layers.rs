//! Which room may import which.

use std::collections::{BTreeMap, BTreeSet};

use super::source::sources;

/// Each room and the rooms it may import, bottom first: a room may import only earlier ones.
pub const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("disk", &[]),
    ("clients", &[]),
    ("config", &["model"]),
    ("logging", &["model", "disk"]),
    ("tls", &["model", "disk"]),
    ("outward", &["model", "tls"]),
    ("journal", &["disk"]),
    ("store", &["model", "disk", "journal"]),
    ("retrieval", &["model"]),
    ("embedding", &["model", "config", "tls", "outward", "retrieval"]),
    ("engine", &["model", "store", "retrieval"]),
    ("moving", &["model", "engine"]),
    ("auth", &["model", "disk"]),
    ("actors", &["model", "embedding", "store", "retrieval", "engine", "auth"]),
    ("error", &["store", "engine", "auth", "actors"]),
    ("older", &["model", "engine", "actors"]),
    ("hooks", &["model", "engine", "actors"]),
    ("mcp", &["model", "engine", "actors", "error", "older"]),
    (
        "http",
        &[
            "model", "clients", "config", "outward", "engine", "moving", "auth", "actors", "error",
            "older", "hooks", "mcp",
        ],
    ),
    (
        "server",
        &[
            "model",
            "disk",
            "config",
            "tls",
            "outward",
            "embedding",
            "store",
            "engine",
            "auth",
            "actors",
            "error",
            "hooks",
            "mcp",
            "http",
        ],
    ),
    (
        "cli",
        &[
            "model", "disk", "clients", "config", "logging", "tls", "store", "engine", "moving",
            "auth", "actors", "hooks", "mcp", "server",
        ],
    ),
];

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
fn every_room_imports_only_what_lies_below_it_and_is_allowed_no_more() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources("src") {
        let Some(room) = source.room() else { continue };
        let allowed = layers.get(room.as_str()).unwrap_or_else(|| panic!("{room} has no layer"));
        for (line, imported) in source.imports() {
            let fine = imported == room || allowed.contains(&imported.as_str());
            assert!(fine, "{}:{line}: {room} may not import {imported}", source.path.display());
            used.entry(room.clone()).or_default().insert(imported);
        }
    }
    for (room, allowed) in LAYERS {
        for import in *allowed {
            let is_used = used.get(*room).is_some_and(|used| used.contains(*import));
            assert!(is_used, "{room} may import {import} and does not: take it out of the table");
        }
    }
}
