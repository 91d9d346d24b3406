//! An entry in the file of a client, read, written and taken out again, however the file is written.

use std::fmt;

use serde_json::{Map, Value};

use super::json_edit::JsonFile;
use super::toml_text;
use crate::clients::{ClientSyntax, KnownClient};

/// The place in a file of a client where one server stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) client: &'a KnownClient,
    /// What the client calls the server.
    pub(super) name: &'a str,
}

/// Why a file cannot be edited, and where that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    line: usize,
    /// In characters, from 1.
    column: usize,
    problem: String,
}

impl Slot<'_> {
    /// All servers of the file by their names; nothing if it has no place for servers yet.
    pub(super) fn servers(&self, text: &str) -> Result<Option<Map<String, Value>>, Damage> {
        let section = self.client.section;
        match self.client.syntax {
            _ if is_blank(text) => Ok(None),
            ClientSyntax::Toml => toml_text::section(text, section),
            ClientSyntax::Json | ClientSyntax::JsonWithComments => {
                self.json(text)?.section(section)
            }
            ClientSyntax::ByHand => Ok(None),
        }
    }

    /// What stands there.
    pub(super) fn entry(&self, text: &str) -> Result<Option<Value>, Damage> {
        Ok(self.servers(text)?.and_then(|servers| servers.get(self.name).cloned()))
    }

    /// The text with that entry.
    pub(super) fn with(&self, text: &str, entry: &Value) -> Result<String, Damage> {
        let Self { client, name } = *self;
        match client.syntax {
            _ if is_blank(text) => Ok(client.file_with(name, entry)),
            ClientSyntax::Toml => toml_text::with(text, client, name, entry),
            ClientSyntax::Json | ClientSyntax::JsonWithComments => {
                self.json(text)?.with(client.section, name, entry)
            }
            ClientSyntax::ByHand => Ok(text.to_owned()),
        }
    }

    /// The text without it. The place for servers goes with the last of them if `and_section` says so.
    pub(super) fn without(&self, text: &str, and_section: bool) -> Result<String, Damage> {
        let Self { client: KnownClient { section, syntax, .. }, name } = *self;
        match syntax {
            _ if is_blank(text) => Ok(text.to_owned()),
            ClientSyntax::Toml => toml_text::without(text, section, name),
            ClientSyntax::Json | ClientSyntax::JsonWithComments => {
                self.json(text)?.without(section, name, and_section)
            }
            ClientSyntax::ByHand => Ok(text.to_owned()),
        }
    }

    fn json<'t>(&self, text: &'t str) -> Result<JsonFile<'t>, Damage> {
        JsonFile::read(text, self.client.syntax == ClientSyntax::JsonWithComments)
    }
}

impl Damage {
    /// At a byte of the text.
    pub(super) fn at(text: &str, at: usize, problem: &str) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let column = before.get(line_start(text, at)..).unwrap_or_default().chars().count();
        let line = before.matches('\n').count();
        Self {
            line: line.saturating_add(1),
            column: column.saturating_add(1),
            problem: problem.to_owned(),
        }
    }

    /// What would be written is not what was meant.
    pub(super) fn unfit(text: &str, at: usize) -> Self {
        Self::at(text, at, "written in a way that cannot be edited here; do it by hand")
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.problem)
    }
}

/// Where the line of a place begins.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    before.rfind('\n').map_or(0, |newline| newline.saturating_add(1))
}

/// How the lines of a file end.
pub(super) fn newline_of(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

fn is_blank(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim().is_empty()
}
