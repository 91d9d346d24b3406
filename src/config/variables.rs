//! Sorts variables, of the environment or of `.env`, by the settings that they set.

use log::Level;

use super::declare::Row;
use super::settings;
use super::source::{Given, Origin, Raw};
use super::{ConfigError, Notice, Surroundings, dotenv, file, secret_file};

/// A variable with its layer.
pub(super) struct Variable {
    name: String,
    value: String,
    origin: Origin,
}

pub(super) fn of_environment(around: &Surroundings) -> Vec<Variable> {
    let variable = |(name, value): &(String, String)| Variable {
        name: name.clone(),
        value: value.clone(),
        origin: Origin::Environment,
    };
    around.env.iter().map(variable).collect()
}

/// Reads `.env` in the working directory. Only `serve` may: see [`super::Reader`].
pub(super) fn of_dotenv(around: &Surroundings) -> Result<Vec<Variable>, ConfigError> {
    let path = around.cwd.join(".env");
    // Python programmers keep a folder of this name.
    if path.is_dir() {
        return Ok(Vec::new());
    }
    let text = file::read_text(&path)?.unwrap_or_default();
    let lines = dotenv::parse(&text)
        .map_err(|bad| ConfigError::NotDotEnv { line: bad.number, expected: bad.expected })?;
    let variable = |line: dotenv::Line| Variable {
        name: line.name,
        value: line.value,
        origin: Origin::DotEnv { line: line.number },
    };
    Ok(lines.into_iter().map(variable).collect())
}

/// Sorts one layer's variables by setting. An alias comes before its canonical name, so that the
/// canonical name is merged last and counts.
pub(super) fn sort(
    layer: &[Variable],
    around: &Surroundings,
    notices: &mut Vec<Notice>,
) -> Result<Vec<Given>, ConfigError> {
    let mut sorted = Vec::new();
    for setting in settings::table() {
        let start = sorted.len();
        for variable in setting.variables.iter().rev() {
            sorted.extend(given_by(variable, setting, layer));
            if setting.is_secret {
                // A name given twice counts once, and only what counts is read.
                let beside = secret_file::variable_beside(variable);
                let named = given_by(&beside, setting, layer).last();
                let secret = named.map(|named| secret_file::read(named, &around.cwd));
                sorted.extend(secret.transpose()?);
            }
        }
        let fresh = sorted.get(start..).unwrap_or_default();
        if let Some(winner) = fresh.last() {
            notices.extend(fresh.iter().filter_map(|other| disagreement(winner, other)));
        }
    }
    secret_file::refuse_two_values(&sorted)?;
    Ok(sorted)
}

/// What one name says of a setting; an empty value says nothing.
fn given_by(wanted: &str, setting: &Row, layer: &[Variable]) -> impl Iterator<Item = Given> {
    let of_name = layer.iter().filter(move |variable| variable.name == wanted);
    of_name.filter_map(move |Variable { name, value, origin }| {
        let (key, raw) = (setting.place_of(name), Raw::text(value));
        let origin = origin.clone();
        (!raw.is_unset()).then(|| Given { key, name: name.clone(), raw, origin })
    })
}

/// Mentions what other servers would have obeyed, each variable once.
pub(super) fn note_unused<'a>(
    variables: impl Iterator<Item = &'a Variable>,
    notices: &mut Vec<Notice>,
) {
    let mut said: Vec<&str> = Vec::new();
    for Variable { name, value, origin } in variables {
        let Some(why) = settings::unused(name) else { continue };
        if !value.trim().is_empty() && !said.contains(&name.as_str()) {
            said.push(name);
            let name = name.escape_debug();
            let text = format!("{name} ({origin}) is recognized and ignored: {why}");
            notices.push(Notice { level: Level::Info, text });
        }
    }
}

/// Values are left out: they may be keys.
fn disagreement(winner: &Given, other: &Given) -> Option<Notice> {
    let is_alias = winner.key == other.key && winner.name != other.name;
    let text = || {
        let (used, unused) = (&winner.name, &other.name);
        format!(
            "{unused} ({}) differs from {used} ({}); {used} counts",
            other.origin, winner.origin
        )
    };
    (is_alias && !winner.raw.same_as(&other.raw))
        .then(|| Notice { level: Level::Warn, text: text() })
}
