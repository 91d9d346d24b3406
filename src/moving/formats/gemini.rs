//! What Google gives out of Gemini: `MyActivity.json`, a list of `{header, title, time, safeHtmlItem}`, the
//! newest first. It knows no conversations: what lies within half an hour of each other is taken for one.
//!
//! The title is what was asked, behind a word such as `Prompted` in the language of the account.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{first_moment, text};
use super::html::text_of;
use super::turns::turn;
use crate::model::{EventTime, Timestamp};
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Look, Sniff};
use crate::moving::walk::{TakeObject, objects, sniffed};
use crate::moving::{Files, LinePart, MovingError};

/// How the products are called in every language.
const PRODUCTS: [&str; 2] = ["Gemini", "Bard"];
/// The word before a question in English.
const ASKED: &str = "Prompted";
const NOT_JSON: &str = "is HTML; ask Google Takeout for it again, with \"JSON\" as the format of \
                        \"My Activity\" (under \"Multiple formats\")";
/// A pause that ends a conversation, in milliseconds.
const PAUSE: i64 = 30 * 60 * 1_000;
/// A word with which more than one title of so many begins is no part of the questions.
const MOST_TITLES: usize = 2;
/// Fewer titles tell nothing about their first word.
const FEW_TITLES: usize = 4;

/// What was seen of all elements before any of them is taken.
#[derive(Default)]
struct Seen {
    times: Vec<Timestamp>,
    first_words: BTreeMap<String, usize>,
    titles: usize,
}

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let names_it = PRODUCTS.iter().any(|product| sniff.text.contains(product));
    let is_list = sniff.look == Look::List && sniff.lists_all(&["header", "title", "time"]);
    let is_page = sniff.path.ends_with(".html") && sniff.text.contains("mdl-typography");
    match (is_list && names_it, is_page && names_it) {
        (true, _) => Fit::Sure,
        (_, true) => Fit::Likely,
        _ => Fit::No,
    }
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    if !out.wants(LinePart::Conversations) {
        return each(files, out, &mut |out, _| {
            out.skip_part(LinePart::Conversations);
            Ok(())
        });
    }
    let mut seen = Seen::default();
    if files.can_be_read_again() {
        out.look_only(|out| {
            each(files, out, &mut |_, object| {
                seen.note(&object);
                Ok(())
            })
        })?;
    }
    let (word, starts) = (seen.first_word(), seen.starts());
    each(files, out, &mut |out, object| exchange(&object, &word, &starts, out))
}

/// Hands out what is of Gemini.
fn each(
    files: &mut Files<'_>,
    out: &mut Out<'_>,
    take: &mut TakeObject<'_>,
) -> Result<(), MovingError> {
    files.each(out, &mut |_, reader, out| {
        if sniffed(reader)?.text.trim_start().starts_with('<') {
            out.fail(NOT_JSON);
            return Ok(());
        }
        objects(reader, out, &mut |out, object| {
            let header = text(&object, "header").unwrap_or_default();
            if PRODUCTS.iter().any(|product| header.contains(product)) {
                return take(out, object);
            }
            out.skip("activities in other products");
            Ok(())
        })
    })
}

impl Seen {
    fn note(&mut self, object: &Map<String, Value>) {
        if let Some(at) = first_moment(object, &["time"]) {
            self.times.push(at.at);
        }
        if let Some((word, _)) = text(object, "title").and_then(|title| title.split_once(' ')) {
            *self.first_words.entry(word.to_owned()).or_default() += 1;
            self.titles += 1;
        }
    }

    /// The word before the questions, if one can be told.
    fn first_word(&self) -> String {
        let most = self.first_words.iter().max_by_key(|(_, count)| **count);
        let is_many = |count: usize| {
            self.titles >= FEW_TITLES && count.saturating_mul(MOST_TITLES) > self.titles
        };
        let found = most.filter(|(_, count)| is_many(**count)).map(|(word, _)| word.clone());
        found.unwrap_or_else(|| ASKED.to_owned())
    }

    /// When conversations begin, the earliest first.
    fn starts(&mut self) -> Vec<Timestamp> {
        self.times.sort_unstable();
        let mut starts: Vec<Timestamp> = Vec::new();
        let mut last: Option<Timestamp> = None;
        for at in &self.times {
            if last.is_none_or(|last| at.0.saturating_sub(last.0) > PAUSE) {
                starts.push(*at);
            }
            last = Some(*at);
        }
        starts
    }
}

/// A question and its answer.
fn exchange(
    object: &Map<String, Value>,
    word: &str,
    starts: &[Timestamp],
    out: &mut Out<'_>,
) -> Result<(), MovingError> {
    let title = text(object, "title").unwrap_or_default();
    // Of several answers the last is the one that was kept.
    let html = object.get("safeHtmlItem").and_then(Value::as_array).and_then(|all| all.last());
    let html = html.and_then(|item| item.get("html")?.as_str()).unwrap_or_default();
    let asked = match title.strip_prefix(word) {
        Some(asked) => asked.trim(),
        None if html.is_empty() => {
            out.skip("activities without a question");
            return Ok(());
        }
        None => title,
    };
    let at = first_moment(object, &["time"]);
    let talk = at.map(|at| format!("gemini {}", begin_of(at, starts)));
    let side = |role: &str, content: String| {
        let when = object.get("time").and_then(Value::as_str).unwrap_or_default();
        let line = turn(format!("{when}\0{title}\0{role}"), role, content, at);
        match &talk {
            Some(talk) => line.of_talk(talk),
            None => line,
        }
    };
    out.line(side("user", asked.to_owned()))?;
    out.line(side("assistant", text_of(html)))
}

/// When the conversation began in which something was said.
fn begin_of(at: EventTime, starts: &[Timestamp]) -> Timestamp {
    let behind = starts.partition_point(|start| *start <= at.at);
    behind.checked_sub(1).and_then(|before| starts.get(before)).copied().unwrap_or(at.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_of_half_an_hour_begins_a_conversation() {
        let minute = |n: i64| Timestamp(n * 60_000);
        let mut seen = Seen { times: [40, 0, 100, 20].map(minute).to_vec(), ..Seen::default() };

        let starts = seen.starts();

        assert_eq!(starts, [minute(0), minute(100)]);
        assert_eq!(begin_of(minute(40).into(), &starts), minute(0));
        assert_eq!(begin_of(minute(130).into(), &starts), minute(100));
        assert_eq!(begin_of(minute(5).into(), &[]), minute(5));
    }
}
