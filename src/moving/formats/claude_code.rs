//! What Claude Code keeps in files: `CLAUDE.md`, `CLAUDE.local.md` and `.claude/rules/*.md`, which tell it
//! what to do, and what it remembered by itself, in `~/.claude/projects/<project>/memory/`.
//!
//! Where a text names another file to be read with it (`@docs/style.md`), that is noted and never
//! followed: it may name any file of the disk.

use std::collections::BTreeSet;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::front_matter::{part, said};
use super::paths::{id_of_path, last, stem};
use super::wiki::lines;
use super::{cursor, own_notes};
use crate::model::Metadata;
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Sniff};
use crate::moving::walk::text;
use crate::moving::{Files, Line, MovingError};

const TOLD: [&str; 2] = ["CLAUDE.md", "CLAUDE.local.md"];
const RULES: &str = ".claude/rules/";
/// The list of what else is in its folder.
const INDEX: &str = "MEMORY.md";
const FOLDER: &str = "/memory/";
const SORTS: [&str; 4] = ["user", "feedback", "project", "reference"];
/// Names of other files that are kept of one text.
const MOST_NAMED: usize = 32;

/// Whether a file is known by its place.
pub(super) fn is_of_it(path: &str) -> bool {
    let name = last(path);
    TOLD.contains(&name) || name == INDEX || is_rule(path)
}

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let is_memory = sort_of(&part(&sniff.text).head).is_some();
    let is_of_others = cursor::fit(sniff) > Fit::No || own_notes::fit(sniff) > Fit::No;
    Fit::sure_if(is_of_it(&sniff.path) || (is_memory && !is_of_others))
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    let paths: BTreeSet<String> = files.paths().map(str::to_owned).collect();
    files.each(out, &mut |path, reader, out| {
        let Some(text) = text(reader, out)? else { return Ok(()) };
        let name = last(path);
        if TOLD.contains(&name) || is_rule(path) {
            return out.line(told(path, &text));
        }
        if name == INDEX {
            let rest = without_index(path, &text, &paths);
            if rest.lines().all(|line| line.trim().is_empty() || line.starts_with('#')) {
                out.skip("lists of files that are taken themselves");
                return Ok(());
            }
            return out.line(remembered(path, &rest));
        }
        out.line(remembered(path, &text))
    })
}

fn is_rule(path: &str) -> bool {
    let is_there = path.starts_with(RULES) || path.contains("/.claude/rules/");
    is_there && path.ends_with(".md")
}

/// What sort of memory a head says it is, if it says so as Claude Code does.
fn sort_of(head: &Metadata) -> Option<String> {
    let nested = head.get("metadata").and_then(Value::as_object);
    let sort = nested.and_then(|inner| said(inner, &["type"])).or_else(|| said(head, &["type"]))?;
    let is_one = SORTS.contains(&sort.as_str()) && head.contains_key("name");
    (is_one && head.contains_key("description")).then_some(sort)
}

/// A text that tells it what to do.
fn told(path: &str, text: &str) -> Line {
    let parted = part(text);
    let mut extras = parted.head;
    let named = named_files(parted.body);
    if !named.is_empty() {
        extras.insert("imports".to_owned(), named.into());
    }
    let title = if is_rule(path) { stem(path) } else { path.nfc().collect() };
    Line {
        title: Some(title),
        is_candidate: true,
        extras,
        ..Line::new(id_of_path(path, text), parted.body.trim())
    }
}

/// A text that it remembered.
fn remembered(path: &str, text: &str) -> Line {
    let parted = part(text);
    let (project, native_id) = match slug_of(path) {
        Some((slug, rest)) => (Some(slug.trim_start_matches('-').to_owned()), rest.nfc().collect()),
        None => (None, id_of_path(path, text)),
    };
    let sort = sort_of(&parted.head).unwrap_or_default();
    let is_of_user = matches!(sort.as_str(), "user" | "feedback");
    let is_of_project = sort == "project" || sort.is_empty();
    let mut extras = parted.head;
    let title = said(&extras, &["name"]).unwrap_or_else(|| stem(path));
    for name in ["name", "type"] {
        extras.remove(name);
    }
    if let Some(slug) = project.as_deref().filter(|_| !is_of_project) {
        extras.insert("project".to_owned(), slug.into());
    }
    Line {
        title: Some(title),
        kind: is_of_user.then_some("preference"),
        category: Some(sort).filter(|sort| !sort.is_empty()),
        project: project.filter(|_| is_of_project),
        extras,
        ..Line::new(native_id, parted.body.trim())
    }
}

/// The folder that stands for a project, `-home-ada-garden`, and the path from there on.
fn slug_of(path: &str) -> Option<(&str, &str)> {
    let at = path.rfind(FOLDER)?;
    let start = path.get(..at)?.rfind('/').map_or(0, |slash| slash + 1);
    let slug = path.get(start..at).filter(|slug| slug.starts_with('-'))?;
    Some((slug, path.get(start..)?))
}

/// A list without the items that lead to files which are there.
fn without_index(path: &str, text: &str, paths: &BTreeSet<String>) -> String {
    let folder = path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    let leads_to_one = |line: &str| {
        let item = line.trim_start().strip_prefix(['-', '*']).map(str::trim_start);
        let link =
            item.and_then(|item| item.strip_prefix('[')?.split_once("](")?.1.split_once(')'));
        link.is_some_and(|(file, _)| paths.contains(&format!("{folder}{file}")))
    };
    let rest: Vec<&str> = text.lines().filter(|line| !leads_to_one(line)).collect();
    rest.join("\n")
}

/// The files that a text asks to be read with it, outside of code.
fn named_files(text: &str) -> Vec<String> {
    let mut named = Vec::new();
    for line in lines(text) {
        // What stands between two marks is code, too.
        let plain = line.split('`').step_by(2);
        for word in plain.flat_map(str::split_whitespace) {
            let word = word.trim_end_matches(['.', ',', ';', ':', ')']);
            let file = word.strip_prefix('@').filter(|file| file.contains(['/', '.']));
            if let Some(file) = file.filter(|_| named.len() < MOST_NAMED) {
                named.push(file.to_owned());
            }
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_named_are_noted_outside_of_code_alone() {
        let text = "See @docs/style.md and @~/.ssh/id_rsa, ask @ada.\n`@code/a.md`\n\
                    ```\n@b/c.md\n```\n~~~\n@d/e.md\n~~~";

        assert_eq!(named_files(text), ["docs/style.md", "~/.ssh/id_rsa"]);
    }

    #[test]
    fn a_project_is_known_by_its_folder() {
        let path = "projects/-home-ada-garden/memory/roses.md";

        assert_eq!(slug_of(path), Some(("-home-ada-garden", "-home-ada-garden/memory/roses.md")));
        assert_eq!(slug_of("garden/memory/roses.md"), None);
    }
}
