//! What was said in conversations, without what only their own programs can read.

use serde_json::{Map, Value};

use super::fields::text;
use crate::model::EventTime;
use crate::moving::{Line, LinePart};

/// Characters between which a citation stands in what ChatGPT says; they are of the private use area.
const CITATION_START: char = '\u{e200}';
const CITATION_END: char = '\u{e201}';
/// Around an older sort of citation, which has a dagger within.
const BRACKETS: (char, char) = ('\u{3010}', '\u{3011}');
const DAGGER: char = '\u{2020}';

/// What one speaker said in a conversation, and when.
pub(super) fn turn(native_id: String, role: &str, said: String, at: Option<EventTime>) -> Line {
    let mut line = Line {
        part: LinePart::Conversations,
        kind: Some("conversation"),
        created_at: at.map(|at| at.at),
        event_at: at,
        ..Line::new(native_id, said)
    };
    line.metadata.insert("role".to_owned(), role.into());
    line
}

impl Line {
    /// The same as a part of a conversation.
    pub(super) fn of_talk(mut self, id: &str) -> Self {
        self.metadata.insert("conversation_id".to_owned(), id.into());
        self
    }
}

/// The text of a message: its parts, of which some are pictures, or the text under another name.
pub(super) fn text_of_parts(content: &Map<String, Value>) -> String {
    let parts = content.get("parts").and_then(Value::as_array);
    let said = parts.into_iter().flatten().filter_map(|part| match part {
        Value::String(text) => Some(text.as_str()),
        Value::Object(object) => text(object, "text"),
        _ => None,
    });
    let said: Vec<&str> = said.filter(|text| !text.is_empty()).collect();
    match said.is_empty() {
        true => text(content, "text").unwrap_or_default().to_owned(),
        false => said.join("\n"),
    }
}

/// A text without marks of citations, and without white space around it.
pub(super) fn clean(text: &str) -> String {
    let plain = without_older_citations(&without_citations(text));
    let is_mark = |c: char| ('\u{e200}'..='\u{e2ff}').contains(&c);
    plain.replace(is_mark, "").trim().to_owned()
}

fn without_citations(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once(CITATION_START) {
        plain.push_str(before);
        // One that does not end is left as it is.
        let Some((_, after)) = behind.split_once(CITATION_END) else {
            rest = behind;
            break;
        };
        rest = after;
    }
    plain.push_str(rest);
    plain
}

fn without_older_citations(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once(BRACKETS.0) {
        plain.push_str(before);
        // What opens again before it ends is looked at from there, so that nothing is read twice.
        let end =
            behind.find([BRACKETS.0, BRACKETS.1]).and_then(|end| behind.split_at_checked(end));
        match end.and_then(|(inner, end)| Some((inner, end.strip_prefix(BRACKETS.1)?))) {
            Some((inner, after)) if inner.contains(DAGGER) => rest = after,
            _ => {
                plain.push(BRACKETS.0);
                rest = behind;
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_are_left_out_and_brackets_are_not() {
        for (text, plain) in [
            ("Tea is old.\u{e200}cite\u{e202}turn0search1\u{e201} So.", "Tea is old. So."),
            (
                "Tea\u{3010}12\u{2020}source\u{3011} is \u{3010}green\u{3011}",
                "Tea is \u{3010}green\u{3011}",
            ),
            ("half \u{e200}cite", "half cite"),
            ("\u{3010}\u{3010}1\u{2020}x\u{3011}", "\u{3010}"),
            (" plain ", "plain"),
        ] {
            assert_eq!(clean(text), plain);
        }
    }
}
