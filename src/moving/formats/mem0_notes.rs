//! What the plugin of mem0 writes as Markdown, `mem0-export-<project>-<date>.md`: blocks of a head
//! between two lines `---` and a text, which may hold such a line itself.

use super::fields::kind_of;
use super::paths::last;
use crate::model::EventTime;
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Look, Sniff};
use crate::moving::walk::text;
use crate::moving::{Files, Line, MovingError};

const FENCE: &str = "---";
/// Lines of a head; those that were seen have eight.
const HEAD_LINES: usize = 16;
const FILE_START: &str = "mem0-export-";
/// `-2026-01-02.md` behind the name of the project.
const DATE_CHARS: usize = 14;

/// What stands between the two fences of a block, by name.
type Head<'a> = Vec<(&'a str, &'a str)>;

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let lines: Vec<&str> = sniff.text.trim_start().lines().take(HEAD_LINES + 2).collect();
    let is_one = sniff.look == Look::Text
        && head(&lines).is_some_and(|(head, _)| {
            let has = |name: &str| head.iter().any(|(own, _)| *own == name);
            has("id") && has("created_at") && (has("confidence") || has("categories"))
        });
    Fit::sure_if(is_one)
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    files.each(out, &mut |path, reader, out| {
        let Some(text) = text(reader, out)? else { return Ok(()) };
        let project = project_of(path);
        let lines: Vec<&str> = text.lines().collect();
        let mut rest = lines.as_slice();
        let mut number = 0;
        while let Some((_, behind)) = rest.split_first() {
            let Some((head, body)) = head(rest) else {
                rest = behind;
                continue;
            };
            let length = (0..body.len())
                .find(|at| body.get(*at..).is_some_and(|rest| self::head(rest).is_some()))
                .unwrap_or(body.len());
            let (text, next) = body.split_at(length);
            number += 1;
            out.at(number);
            out.line(line(&head, text.join("\n").trim(), project))?;
            rest = next;
        }
        Ok(())
    })
}

/// The head with which some lines begin, and what stands behind it. Its first name is `id`, so that a
/// line in a text does not look like one.
fn head<'a, 'l>(lines: &'l [&'a str]) -> Option<(Head<'a>, &'l [&'a str])> {
    let (first, rest) = lines.split_first()?;
    let length = rest.iter().take(HEAD_LINES).position(|line| line.trim_end() == FENCE)?;
    let (inner, body) = rest.split_at(length);
    let pairs = inner.iter().map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim(), value.trim()))
    });
    let head: Head<'a> = pairs.collect::<Option<_>>()?;
    let is_head = first.trim_end() == FENCE && head.first().is_some_and(|(name, _)| *name == "id");
    is_head.then_some((head, body.get(1..).unwrap_or_default()))
}

fn line(head: &Head<'_>, content: &str, project: Option<&str>) -> Line {
    let value = |name: &str| {
        let found = head.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
        found.filter(|value| !value.is_empty())
    };
    let names = |name: &str| {
        let listed = value(name).unwrap_or_default().trim_matches(['[', ']']).split(',');
        listed.map(|one| one.trim().to_owned()).collect::<Vec<String>>()
    };
    let word = value("type").unwrap_or_default();
    let extras = head.iter().filter(|(name, _)| !["id", "created_at", "type"].contains(name));
    Line {
        kind: kind_of(word),
        category: kind_of(word).is_none().then(|| word.to_owned()),
        tags: names("categories"),
        project: project.map(str::to_owned),
        created_at: value("created_at").and_then(|at| EventTime::read(at).ok()).map(|time| time.at),
        extras: extras.map(|(name, value)| ((*name).to_owned(), (*value).into())).collect(),
        ..Line::new(value("id").unwrap_or(content), content)
    }
}

/// The project that the name of a file says.
fn project_of(path: &str) -> Option<&str> {
    let name = last(path).strip_prefix(FILE_START)?;
    let length = name.len().checked_sub(DATE_CHARS)?;
    name.get(..length).filter(|project| !project.is_empty())
}
