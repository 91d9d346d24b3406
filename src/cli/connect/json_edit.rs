//! Changes one entry of a JSON file and not another character of it.

use std::ops::Range;

use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Value, json};

use super::edit::{Damage, line_start, newline_of};
use super::json_text::{Content, Member, Node, read};

/// A JSON file as a text, and where things are in it.
pub(super) struct JsonFile<'a> {
    text: &'a str,
    root: Node,
    is_lenient: bool,
    newline: &'static str,
    /// One step of indentation.
    step: String,
}

/// What takes the place of a piece of the text.
struct Change(Range<usize>, String);

/// Where nothing shows how its owner indents.
const USUAL_STEP: &str = "  ";

impl<'a> JsonFile<'a> {
    pub(super) fn read(text: &'a str, is_lenient: bool) -> Result<Self, Damage> {
        let root = read(text, is_lenient)?;
        let Content::Object(members) = &root.content else {
            return Err(Damage::at(text, root.span.start, "expected an object"));
        };
        let first = members.first().and_then(|first| indentation(text, first.start));
        let step = first.filter(|step| !step.is_empty()).unwrap_or(USUAL_STEP).to_owned();
        Ok(Self { text, root, is_lenient, newline: newline_of(text), step })
    }

    /// What stands in a section of the root; nothing if there is none.
    pub(super) fn section(&self, section: &str) -> Result<Option<Map<String, Value>>, Damage> {
        let Some(found) = self.find_section(section)? else { return Ok(None) };
        for member in members(&found.value) {
            self.find(members(&found.value), &member.key)?;
        }
        Ok(found.value.to_value().as_object().cloned())
    }

    /// The text with an entry in a section, in place of one of the same name.
    pub(super) fn with(&self, section: &str, name: &str, entry: &Value) -> Result<String, Damage> {
        let changes = match self.find_section(section)? {
            None => self.insert(&self.root, section, &json!({ name: entry })),
            Some(found) => match self.find(members(&found.value), name)? {
                None => self.insert(&found.value, name, entry),
                Some(old) => vec![Change(old.value.span.clone(), self.in_place_of(old, entry))],
            },
        };
        let mut expected = self.root.to_value();
        if let Some(root) = expected.as_object_mut() {
            let section = root.entry(section).or_insert_with(|| json!({}));
            if let Some(section) = section.as_object_mut() {
                section.insert(name.to_owned(), entry.clone());
            }
        }
        self.finish(changes, &expected)
    }

    /// The text without an entry, and without its section if that is then empty and `and_section` says so.
    pub(super) fn without(
        &self,
        section: &str,
        name: &str,
        and_section: bool,
    ) -> Result<String, Damage> {
        let mut expected = self.root.to_value();
        let Some(found) = self.find_section(section)? else { return Ok(self.text.to_owned()) };
        let inner = members(&found.value);
        if self.find(inner, name)?.is_none() {
            return Ok(self.text.to_owned());
        }
        let goes_whole = and_section && inner.len() == 1;
        let changes = match goes_whole {
            true => self.remove(&self.root, section),
            false => self.remove(&found.value, name),
        };
        if let Some(root) = expected.as_object_mut() {
            if goes_whole {
                root.remove(section);
            } else if let Some(section) = root.get_mut(section).and_then(Value::as_object_mut) {
                section.remove(name);
            }
        }
        self.finish(changes, &expected)
    }

    fn find_section(&self, section: &str) -> Result<Option<&Member>, Damage> {
        let found = self.find(members(&self.root), section)?;
        let wrong = found.filter(|found| !matches!(found.value.content, Content::Object(_)));
        match wrong {
            None => Ok(found),
            Some(wrong) => {
                let problem = format!("{section:?} is no object");
                Err(Damage::at(self.text, wrong.value.span.start, &problem))
            }
        }
    }

    /// A name that stands there twice means whatever the client thinks.
    fn find<'m>(&self, members: &'m [Member], key: &str) -> Result<Option<&'m Member>, Damage> {
        let mut found = members.iter().filter(|member| member.key == key);
        let first = found.next();
        match found.next() {
            None => Ok(first),
            Some(second) => {
                let problem = format!("{key:?} stands there a second time");
                Err(Damage::at(self.text, second.start, &problem))
            }
        }
    }

    fn insert(&self, object: &Node, key: &str, value: &Value) -> Vec<Change> {
        let closing = object.span.end.saturating_sub(1);
        let start = object.span.start.saturating_add(1);
        let inner = self.text.get(start..closing).unwrap_or_default();
        let filled = start.saturating_add(inner.trim_end().len());
        let own = self.line_indentation(object.span.start);
        let Some(last) = members(object).last() else {
            let child = format!("{own}{}", self.step);
            let member = self.member(key, value, &child);
            let newline = self.newline;
            return vec![Change(
                filled..closing,
                format!("{newline}{child}{member}{newline}{own}"),
            )];
        };
        // A comma at the end is kept at the end.
        let (before, after) = if last.comma.is_some() { ("", ",") } else { (",", "") };
        let end = last.value.span.end;
        let mut changes = vec![Change(end..end, before.to_owned())];
        let text = if inner.contains('\n') {
            let first = members(object).first();
            let first = first.and_then(|first| indentation(self.text, first.start));
            let child = first.map_or_else(|| format!("{own}{}", self.step), str::to_owned);
            format!("{}{child}{}{after}", self.newline, self.member(key, value, &child))
        } else {
            format!(" {}: {value}{after}", json!(key))
        };
        changes.push(Change(filled..filled, text));
        changes
    }

    /// Takes a member out with its line, its comma, and the comma before it where it was the last.
    fn remove(&self, object: &Node, key: &str) -> Vec<Change> {
        let members = members(object);
        let Some(index) = members.iter().position(|member| member.key == key) else {
            return Vec::new();
        };
        let Some(member) = members.get(index) else { return Vec::new() };
        let start = object.span.start.saturating_add(1);
        let closing = object.span.end.saturating_sub(1);
        let end = member.comma.map_or(member.value.span.end, |comma| comma.saturating_add(1));
        let is_blank =
            |span: Range<usize>| self.text.get(span).is_some_and(|text| text.trim().is_empty());
        if members.len() == 1 && is_blank(start..member.start) && is_blank(end..closing) {
            return vec![Change(start..closing, String::new())];
        }
        let before = self.text.get(..member.start).unwrap_or_default();
        let line = before.trim_end_matches([' ', '\t']);
        let line = line.strip_suffix('\n').map_or(line, |line| line.trim_end_matches('\r'));
        let mut changes = Vec::new();
        let earlier = index.checked_sub(1).and_then(|index| members.get(index));
        if let Some(comma) = earlier.and_then(|earlier| earlier.comma)
            && member.comma.is_none()
        {
            changes.push(Change(comma..comma.saturating_add(1), String::new()));
        }
        changes.push(Change(line.len()..end, String::new()));
        changes
    }

    /// As the other was written: on its line, or on several.
    fn in_place_of(&self, old: &Member, entry: &Value) -> String {
        let was = self.text.get(old.value.span.clone()).unwrap_or_default();
        if indentation(self.text, old.start).is_none() && !was.contains('\n') {
            return entry.to_string();
        }
        self.pretty(entry, self.line_indentation(old.start))
    }

    fn member(&self, key: &str, value: &Value, indent: &str) -> String {
        format!("{}: {}", json!(key), self.pretty(value, indent))
    }

    fn pretty(&self, value: &Value, indent: &str) -> String {
        let mut bytes = Vec::new();
        let formatter = PrettyFormatter::with_indent(self.step.as_bytes());
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
        // Neither a value of JSON nor a vector can fail; and what is no JSON is refused by `finish`.
        let _ = value.serialize(&mut serializer);
        let text = String::from_utf8(bytes).unwrap_or_default();
        text.replace('\n', &format!("{}{indent}", self.newline))
    }

    /// The white space with which the line of a place begins.
    fn line_indentation(&self, at: usize) -> &'a str {
        let line = self.text.get(line_start(self.text, at)..).unwrap_or_default();
        let length = line.len() - line.trim_start_matches([' ', '\t']).len();
        line.get(..length).unwrap_or_default()
    }

    /// Makes the changes, which are in order, and looks whether they are what was meant.
    fn finish(&self, changes: Vec<Change>, expected: &Value) -> Result<String, Damage> {
        let mut edited = String::with_capacity(self.text.len().saturating_add(1024));
        let mut at = 0;
        for Change(span, text) in changes {
            edited.push_str(self.text.get(at..span.start).unwrap_or_default());
            edited.push_str(&text);
            at = span.end;
        }
        edited.push_str(self.text.get(at..).unwrap_or_default());
        let is_meant =
            read(&edited, self.is_lenient).is_ok_and(|root| root.to_value() == *expected);
        if is_meant { Ok(edited) } else { Err(Damage::unfit(self.text, self.root.span.start)) }
    }
}

fn members(node: &Node) -> &[Member] {
    match &node.content {
        Content::Object(members) => members,
        Content::Array(_) | Content::Scalar(_) => &[],
    }
}

/// The white space before something that begins its line.
fn indentation(text: &str, at: usize) -> Option<&str> {
    let before = text.get(..at)?;
    let line = before.get(before.rfind('\n')?.saturating_add(1)..)?;
    line.chars().all(|c| c == ' ' || c == '\t').then_some(line)
}
