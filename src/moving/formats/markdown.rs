//! Folders of notes in Markdown: those of Obsidian and of basic-memory, and any other. A file is a note;
//! what its head says becomes names and times, and the text stays as it is. Where notes name each other,
//! they are linked once all of them are known.
//!
//! Times without a zone are read as UTC, so that a note has the same id on every machine.

use std::collections::HashMap;

use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::fields::{kind_of, moment};
use super::front_matter::{Parted, find, listed, part, said};
use super::paths::{id_of_path, is_markdown, last, stem};
use super::wiki::{Observation, key, links, observations};
use super::{claude_code, cursor};
use crate::model::{EventTime, MemoryId, Metadata};
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Look, Sniff, is_dated_list};
use crate::moving::walk::text;
use crate::moving::{Files, Line, MovingError, Wanted};

/// What `--format` calls it, which is a part of the ids.
pub(super) const NAME: &str = "markdown";

const CREATED: [&str; 6] =
    ["created", "created_at", "created-at", "date", "date created", "creation date"];
const MODIFIED: [&str; 6] =
    ["modified", "updated", "updated_at", "updated-at", "date modified", "last_modified"];
/// Names of a head that have a place of their own here.
const TAKEN: [&str; 7] = ["title", "type", "kind", "tags", "tag", "permalink", "project"];
/// Folders in which notes are patterns for others, if they have places to fill in.
const TEMPLATES: [&str; 3] = ["templates", "_templates", "template"];
const PLACES: [&str; 2] = ["{{", "<%"];

/// One file, taken apart.
struct Note {
    native_id: String,
    title: String,
    head: Metadata,
    body: String,
    created: Option<EventTime>,
    is_odd: bool,
}

/// Which note is meant by a name.
type Names = HashMap<String, MemoryId>;

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let others = cursor::is_of_it(&sniff.path) || claude_code::is_of_it(&sniff.path);
    let begins = sniff.text.trim_start();
    if others || (sniff.look == Look::Text && is_dated_list(&sniff.text)) {
        Fit::No
    } else if is_markdown(&sniff.path) {
        Fit::Likely
    } else if sniff.look == Look::Text && (begins.starts_with("# ") || begins.starts_with("---\n"))
    {
        Fit::Perhaps
    } else {
        Fit::No
    }
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    let names = match files.can_be_read_again() {
        true => names_of(files, out)?,
        false => Names::new(),
    };
    files.each(out, &mut |path, reader, out| {
        let Some(text) = text(reader, out)? else { return Ok(()) };
        if is_template(path, &text) {
            out.skip("templates of notes");
            return Ok(());
        }
        let note = Note::read(path, &text, out.wanted());
        if note.is_odd {
            out.skip("heads that are no YAML, which stay in the text");
        }
        note.send(path, &names, out)
    })
}

fn is_template(path: &str, text: &str) -> bool {
    let is_theirs = |folder: &str| TEMPLATES.contains(&folder.to_lowercase().as_str());
    let mut folders = path.split('/').rev().skip(1);
    folders.any(is_theirs) && PLACES.iter().any(|place| text.contains(place))
}

/// Reads all notes once for what they are called. What is wrong with them is told the second time.
fn names_of(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<Names, MovingError> {
    let mut names = Names::new();
    out.look_only(|out| {
        files.each(out, &mut |path, reader, out| {
            let Some(text) = text(reader, out)? else { return Ok(()) };
            let note = Note::read(path, &text, out.wanted());
            let id =
                Line { created_at: note.created.map(|at| at.at), ..Line::new(note.native_id, "") }
                    .id(NAME);
            let own = [path.to_owned(), stem(path), note.title];
            let aliases = listed(find(&note.head, "aliases"));
            let permalink = said(&note.head, &["permalink"]);
            for name in own.into_iter().chain(permalink).chain(aliases) {
                names.entry(key(&name)).or_insert(id);
            }
            Ok(())
        })
    })?;
    Ok(names)
}

impl Note {
    fn read(path: &str, text: &str, wanted: &Wanted) -> Self {
        let Parted { head, body, is_odd } = part(text);
        let body = body.trim_start_matches('\n').trim_end();
        let heading = body.lines().find_map(|line| line.strip_prefix("# ")).map(str::trim);
        let heading = heading.filter(|heading| !heading.is_empty()).map(str::to_owned);
        let title = said(&head, &["title"]).or(heading).unwrap_or_else(|| stem(path));
        let permalink = said(&head, &["permalink"]).map(|name| name.nfc().collect());
        let native_id = permalink.unwrap_or_else(|| id_of_path(path, text));
        let native_id = match &wanted.vault {
            // Whichever way its accents are typed, as with the paths.
            Some(vault) => format!("{}:{native_id}", vault.trim().nfc()),
            None => native_id,
        };
        let created = time_of(&head, &CREATED);
        Self { native_id, title, body: body.to_owned(), created, is_odd, head }
    }

    fn send(mut self, path: &str, names: &Names, out: &mut Out<'_>) -> Result<(), MovingError> {
        let linked = self.linked(names);
        let (facts, rest) = match out.wanted().splits {
            true => observations(&self.body),
            false => (Vec::new(), Vec::new()),
        };
        let says_more = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
        let is_whole = facts.is_empty();
        let is_told = is_whole || rest.iter().any(says_more);
        let rest = rest.join("\n").trim().to_owned();
        let line = self.line(path, out.wanted().folders_are_projects);
        for fact in facts {
            out.line(fact_of(fact, &line, &self.title))?;
        }
        if !is_told {
            return Ok(());
        }
        let content = if is_whole { std::mem::take(&mut self.body) } else { rest };
        let mut line = Line { content, ..line };
        if !linked.is_empty() {
            line.metadata.insert("links".to_owned(), Value::Array(linked));
        }
        out.line(line)
    }

    /// All but the text.
    fn line(&mut self, path: &str, folder_is_project: bool) -> Line {
        let head = std::mem::take(&mut self.head);
        let folder = path.split_once('/').map(|(folder, _)| folder.nfc().collect::<String>());
        let word = said(&head, &["type", "kind"]);
        let mut tags = listed(find(&head, "tags"));
        tags.extend(listed(find(&head, "tag")));
        Line {
            title: Some(self.title.clone()),
            kind: said(&head, &["kind"]).as_deref().and_then(kind_of),
            category: word.filter(|word| word != "note"),
            tags,
            project: said(&head, &["project"]).or(folder.filter(|_| folder_is_project)),
            created_at: self.created.map(|at| at.at),
            updated_at: time_of(&head, &MODIFIED).map(|at| at.at),
            extras: head.into_iter().filter(|(name, _)| !is_taken(name)).collect(),
            ..Line::new(self.native_id.clone(), "")
        }
    }

    /// The links to notes that are there, as our own are written.
    fn linked(&self, names: &Names) -> Vec<Value> {
        let found = links(&self.body).into_iter().filter_map(|link| {
            let id = names.get(&link.target).or_else(|| names.get(last(&link.target)))?;
            Some(json!({ "to": id, "relation": link.relation }))
        });
        found.collect()
    }
}

/// An observation as a fact of its own, which needs the title to be understood.
fn fact_of(fact: Observation, note: &Line, title: &str) -> Line {
    let Observation { category, text, tags, context } = fact;
    let mut line = Line {
        native_id: format!("{}\0{category}\0{text}", note.native_id),
        content: format!("{title}: {text}"),
        kind: Some("fact"),
        tags: tags.into_iter().chain(note.tags.iter().cloned()).collect(),
        extras: Metadata::new(),
        category: Some(category),
        ..note.clone()
    };
    if let Some(context) = context {
        line.extras.insert("context".to_owned(), context.into());
    }
    line
}

fn time_of(head: &Metadata, names: &[&str]) -> Option<EventTime> {
    names.iter().find_map(|name| moment(find(head, name)?))
}

fn is_taken(name: &str) -> bool {
    let mut taken = TAKEN.iter().chain(&CREATED).chain(&MODIFIED);
    taken.any(|own| own.eq_ignore_ascii_case(name))
}
