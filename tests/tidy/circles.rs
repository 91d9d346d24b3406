//! Files of a room that know each other in a circle can only be read all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::source::{Source, root, sources};

/// Rooms that have no circle, and must not get one.
const ROUND_FREE: &[&str] = &["mcp", "embedding"];

type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_files_know_each_other_in_a_circle() {
    for room in ROUND_FREE {
        let files: BTreeMap<String, Source> = sources("src")
            .into_iter()
            .filter(|source| source.room().as_deref() == Some(*room) && !is_test(&source.path))
            .map(|source| (module(&source.path), source))
            .collect();
        let graph: Graph = files
            .iter()
            .map(|(module, source)| (module.clone(), known(module, source, &files)))
            .collect();
        for start in graph.keys() {
            let mut path = Vec::new();
            if let Some(circle) = circle(start, &graph, &mut path) {
                panic!("a circle in {room}: {circle:?}");
            }
        }
    }
}

fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("tests.rs"))
}

/// `crate::mcp::tools` of `src/mcp/tools/mod.rs`.
fn module(path: &Path) -> String {
    let inner = path.strip_prefix(root().join("src")).unwrap().with_extension("");
    let parts: Vec<_> = inner.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let parts = parts.strip_suffix(&["mod".to_owned()]).unwrap_or(&parts);
    format!("crate::{}", parts.join("::"))
}

/// The files that a file names. What a parent only hands on counts as what it is handed on from.
fn known(own: &str, source: &Source, files: &BTreeMap<String, Source>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let is_parent = source.path.ends_with("mod.rs");
    for statement in uses(source) {
        let (is_handed_on, statement) = match statement.strip_prefix("pub") {
            Some(rest) => (true, rest.split_once("use ").map_or("", |(_, path)| path)),
            None => (false, statement.strip_prefix("use ").unwrap_or_default()),
        };
        if is_parent && is_handed_on {
            continue;
        }
        for path in expanded(statement) {
            let path = absolute(own, is_parent, &path);
            // What begins with neither is a child of this file, or another crate.
            let is_ours = path.starts_with("crate::");
            if let Some(target) = target(&path, files).filter(|target| is_ours && target != own) {
                found.insert(target);
            }
        }
    }
    found
}

/// The import statements of a file, each on one line and without its semicolon.
fn uses(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for (_, line) in source.shipped() {
        let starts =
            line.starts_with("use ") || (line.starts_with("pub") && line.contains(" use "));
        if starts {
            open = Some(String::new());
        }
        if let Some(statement) = &mut open {
            statement.push_str(line);
            if line.ends_with(';') {
                found.push(statement.trim_end_matches(';').to_owned());
                open = None;
            }
        }
    }
    found
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn expanded(path: &str) -> Vec<String> {
    let path = path.trim();
    let Some(open) = path.find('{') else {
        let plain = path.split(" as ").next().unwrap_or_default().trim();
        return vec![plain.to_owned()];
    };
    let (before, inner) = (&path[..open], path[open + 1..].trim_end().trim_end_matches('}'));
    let (mut depth, mut item, mut items) = (0, String::new(), Vec::new());
    for c in inner.chars() {
        match c {
            ',' if depth == 0 => items.push(std::mem::take(&mut item)),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                item.push(c);
            }
        }
    }
    items.push(item);
    let items = items.iter().filter(|item| !item.trim().is_empty());
    items.flat_map(|item| expanded(&format!("{before}{}", item.trim()))).collect()
}

fn absolute(own: &str, is_parent: bool, path: &str) -> String {
    let mut base: Vec<&str> = own.split("::").collect();
    if !is_parent {
        base.pop();
    }
    let mut rest = path;
    if rest.starts_with("crate::") {
        return rest.to_owned();
    }
    let is_relative = rest.starts_with("super::") || rest.starts_with("self::");
    if !is_relative {
        return if is_parent { format!("{own}::{rest}") } else { rest.to_owned() };
    }
    if let Some(inner) = rest.strip_prefix("super::") {
        rest = inner;
        if is_parent {
            base.pop();
        }
        while let Some(inner) = rest.strip_prefix("super::") {
            rest = inner;
            base.pop();
        }
    }
    format!("{}::{}", base.join("::"), rest.trim_start_matches("self::"))
}

/// The file in which a path ends, seen through what parents hand on.
fn target(path: &str, files: &BTreeMap<String, Source>) -> Option<String> {
    let mut module = path;
    while !files.contains_key(module) {
        module = module.rsplit_once("::")?.0;
    }
    let item = path[module.len()..].trim_start_matches("::").split("::").next()?;
    let source = &files[module];
    if item.is_empty() || !source.path.ends_with("mod.rs") {
        return Some(module.to_owned());
    }
    for statement in uses(source).iter().filter(|statement| statement.starts_with("pub")) {
        let (_, statement) = statement.split_once("use ")?;
        let paths = expanded(statement);
        if let Some(path) = paths.iter().find(|path| path.rsplit("::").next() == Some(item)) {
            return target(&absolute(module, true, path), files);
        }
    }
    Some(module.to_owned())
}

fn circle(at: &str, graph: &Graph, path: &mut Vec<String>) -> Option<Vec<String>> {
    if let Some(start) = path.iter().position(|known| known == at) {
        return Some(path[start..].to_vec());
    }
    path.push(at.to_owned());
    let next = graph.get(at).into_iter().flatten();
    let found = next.into_iter().find_map(|next| circle(next, graph, path));
    path.pop();
    found
}
