//! The files of MemoryOS: `short_term.json`, a list of `{user_input, agent_response, timestamp}`;
//! `mid_term.json`, sessions of the same; `long_term_user.json` and `long_term_assistant.json` with what it
//! made of them. Vectors are dropped.

use serde_json::{Map, Value};

use super::fields::{first_moment, first_time, text};
use super::turns::turn;
use crate::model::Metadata;
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Sniff};
use crate::moving::walk::pieces;
use crate::moving::{Files, Line, MovingError};

/// What it writes where it has found nothing.
const NOTHING: &str = "none";
const SIDES: [(&str, &str); 2] = [("user", "user_input"), ("assistant", "agent_response")];

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let has = |name: &str| sniff.names.contains(name);
    let is_short = sniff.lists_all(&["user_input", "agent_response"]);
    let is_mid = has("sessions") && sniff.text.contains("\"user_input\"");
    let is_long = has("knowledge_base") && (has("user_profiles") || has("assistant_knowledge"));
    Fit::sure_if(is_short || is_mid || is_long)
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    files.each(out, &mut |path, reader, out| {
        let user = user_of(path).map(str::to_owned);
        pieces(reader, out, &mut |out, piece| match (piece.name.as_str(), piece.value) {
            ("", Value::Object(page)) => say(&page, None, out),
            ("sessions", Value::Object(sessions)) => talks(&sessions, out),
            ("user_profiles", Value::Object(profiles)) => {
                read_profiles(&profiles, user.as_deref(), out)
            }
            ("knowledge_base", Value::Object(one)) => {
                out.line(knowledge(&one, "knowledge", user.as_deref()))
            }
            ("assistant_knowledge", Value::Object(one)) => {
                out.line(knowledge(&one, "assistant", user.as_deref()))
            }
            ("" | "knowledge_base" | "assistant_knowledge", _) | (_, Value::Object(_)) => {
                out.skip("elements of no known sort");
                Ok(())
            }
            // Vectors, and what it reckons with.
            _ => Ok(()),
        })
    })
}

/// Whose file it is, by the folder in which it lies.
fn user_of(path: &str) -> Option<&str> {
    let (folder, _) = path.rsplit_once('/')?;
    let (above, name) = folder.rsplit_once('/').unwrap_or(("", folder));
    above.ends_with("users").then_some(name)
}

fn talks(sessions: &Map<String, Value>, out: &mut Out<'_>) -> Result<(), MovingError> {
    for (n, (id, session)) in sessions.iter().enumerate() {
        out.at(n + 1);
        let Some(session) = session.as_object() else {
            out.skip("elements of no known sort");
            continue;
        };
        let talk = Talk { id, title: text(session, "summary") };
        let pages = session.get("details").and_then(Value::as_array);
        for page in pages.into_iter().flatten().filter_map(Value::as_object) {
            say(page, Some(&talk), out)?;
        }
    }
    Ok(())
}

/// The session of some pages.
struct Talk<'a> {
    id: &'a str,
    title: Option<&'a str>,
}

/// Both sides of a page. A page moves from one file to the other and gets an id on its way, so it is known
/// by when it was said, and what.
fn say(
    page: &Map<String, Value>,
    talk: Option<&Talk<'_>>,
    out: &mut Out<'_>,
) -> Result<(), MovingError> {
    let at = first_moment(page, &["timestamp"]);
    for (role, name) in SIDES {
        let said = text(page, name).unwrap_or_default();
        let when = at.map_or(0, |at| at.at.0);
        let line = turn(format!("page\0{when}\0{role}\0{said}"), role, said.to_owned(), at);
        out.line(match talk {
            Some(talk) => Line { title: talk.title.map(str::to_owned), ..line.of_talk(talk.id) },
            None => line,
        })?;
    }
    Ok(())
}

/// Each line of a profile is a preference. When it was last written says nothing about a line, and goes
/// into no id.
fn read_profiles(
    profiles: &Map<String, Value>,
    user: Option<&str>,
    out: &mut Out<'_>,
) -> Result<(), MovingError> {
    for (id, profile) in profiles {
        let (told, updated_at) = match profile {
            Value::Object(profile) => (
                profile.get("data").and_then(Value::as_str).unwrap_or_default(),
                first_time(profile, &["last_updated"]),
            ),
            other => (other.as_str().unwrap_or_default(), None),
        };
        for said in told.lines().map(bare).filter(|said| !is_nothing(said)) {
            out.line(Line {
                kind: Some("preference"),
                updated_at,
                extras: of_user(user.unwrap_or(id)),
                ..Line::new(format!("profile\0{id}\0{said}"), said)
            })?;
        }
    }
    Ok(())
}

fn knowledge(one: &Map<String, Value>, sort: &str, user: Option<&str>) -> Line {
    let said = bare(text(one, "knowledge").unwrap_or_default());
    let said = if is_nothing(said) { "" } else { said };
    Line {
        kind: Some("fact"),
        category: (sort == "assistant").then(|| sort.to_owned()),
        created_at: first_time(one, &["timestamp"]),
        extras: user.map(of_user).unwrap_or_default(),
        ..Line::new(format!("{sort}\0{said}"), said)
    }
}

fn of_user(user: &str) -> Metadata {
    Metadata::from_iter([("user".to_owned(), user.into())])
}

/// A line without the mark of a list.
fn bare(line: &str) -> &str {
    let line = line.trim();
    line.strip_prefix("- ").unwrap_or(line).trim()
}

fn is_nothing(said: &str) -> bool {
    let said = said.trim_end_matches('.');
    said.is_empty() || said.eq_ignore_ascii_case(NOTHING)
}
