//! Gathers what every layer gives, lets figment merge it, and reads the result key by key.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};
use log::Level;

use super::parse::Parsed;
use super::settings::{self, Fallback, SETTINGS};
use super::source::{Given, Origin, Raw};
use super::{ConfigError, Flags, Notice, Surroundings, dotenv};

/// All values of all layers, and which of them count.
pub(super) struct Layers {
    /// From the lowest layer to the highest.
    given: Vec<Given>,
    merged: Figment,
}

/// A variable, its value, and the layer that has it.
type Variable = (String, String, Origin);

impl Layers {
    /// Reads files and variables: defaults < `config.toml` < `.env` < environment < flags.
    pub(super) fn gather(
        flags: &Flags,
        surroundings: &Surroundings,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, ConfigError> {
        let mut given: Vec<Given> = SETTINGS.iter().filter_map(default_of).collect();
        given.extend(from_file(flags.config.as_deref(), surroundings)?);
        let dotenv = read_dotenv(surroundings)?;
        let environment = surroundings.env.iter();
        let environment: Vec<Variable> = environment
            .map(|(name, value)| (name.clone(), value.clone(), Origin::Environment))
            .collect();
        for layer in [&dotenv, &environment] {
            given.extend(from_variables(layer, notices));
        }
        note_unused(dotenv.iter().chain(&environment), notices);
        given.extend(from_flags(flags));
        let merged = given.iter().fold(Figment::new(), |merged, given| merged.merge(given));
        Ok(Self { given, merged })
    }

    /// Reads a key that has a value or not. Every layer's value must parse, not only the one that
    /// counts: what is overridden today may count tomorrow.
    pub(super) fn read<T>(
        &self,
        key: &str,
        parse: impl Fn(&Raw) -> Parsed<T>,
    ) -> Result<Option<T>, ConfigError> {
        let refuse =
            |given: &Given, expected| ConfigError::Invalid { given: given.subject(), expected };
        for given in self.given(key) {
            if !given.raw.is_plain() {
                return Err(refuse(given, "UTF-8 text without control characters".to_owned()));
            }
            parse(&given.raw).map_err(|expected| refuse(given, expected))?;
        }
        let Some(raw) = self.merged.find_value(key).ok().as_ref().and_then(Raw::of_value) else {
            return Ok(None);
        };
        let invalid = |expected| ConfigError::Invalid { given: self.subject(key), expected };
        parse(&raw).map(Some).map_err(invalid)
    }

    /// Reads a key that always has a value, because the table has a default for it.
    pub(super) fn value<T>(
        &self,
        key: &str,
        parse: impl Fn(&Raw) -> Parsed<T>,
    ) -> Result<T, ConfigError> {
        let missing =
            || ConfigError::Invalid { given: settings::describe(key), expected: "a value".into() };
        self.read(key, parse)?.ok_or_else(missing)
    }

    /// Who gave the value that counts, for an error line.
    pub(super) fn subject(&self, key: &str) -> String {
        let giver = self.merged.find_metadata(key);
        giver.map_or_else(|| settings::describe(key), |giver| giver.name.clone().into_owned())
    }

    /// The values of a key, from the lowest layer to the highest.
    pub(super) fn given(&self, key: &str) -> impl Iterator<Item = &Given> {
        self.given.iter().filter(move |given| given.key == key)
    }
}

fn default_of(setting: &settings::Setting) -> Option<Given> {
    let Fallback::Value(default) = setting.default else { return None };
    let (key, name) = (setting.key.to_owned(), setting.key.to_owned());
    Some(Given { key, name, raw: Raw::text(default), origin: Origin::Default })
}

/// Only a file that was asked for has to exist.
fn from_file(asked: Option<&Path>, around: &Surroundings) -> Result<Vec<Given>, ConfigError> {
    let usual = [around.cwd.join("config.toml"), around.system_file.clone()];
    let (path, text) = if let Some(path) = asked {
        let read = read_text(&around.cwd.join(path))?;
        let missing = || ConfigError::Unreadable {
            path: format!("--config {} (flag)", path.display()),
            problem: "no such file".to_owned(),
        };
        (path.to_owned(), read.ok_or_else(missing)?)
    } else {
        let mut found = None;
        for path in usual {
            if let Some(text) = read_text(&path)? {
                found = Some((path, text));
                break;
            }
        }
        let Some(found) = found else { return Ok(Vec::new()) };
        found
    };
    let mut given = Vec::new();
    walk("", parse_toml(&path, &text)?, &path, &mut given)?;
    Ok(given)
}

fn parse_toml(path: &Path, text: &str) -> Result<Dict, ConfigError> {
    let text = text.trim_start_matches('\u{feff}');
    Toml::from_str::<Dict>(text).map_err(|error| {
        // The error's own text quotes the line, which may hold a key.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        let problem = error.message().lines().collect::<Vec<_>>().join(", ");
        ConfigError::NotToml { path: path.display().to_string(), line, problem }
    })
}

/// Takes a table apart into one value per key; a key that no setting has is refused.
fn walk(above: &str, table: Dict, path: &Path, given: &mut Vec<Given>) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = if above.is_empty() { name } else { format!("{above}.{name}") };
        let origin = Origin::File { path: path.to_owned() };
        if settings::find(&key).is_some() {
            let Some(raw) = Raw::of_value(&value) else {
                let given = format!("{key} ({origin})");
                let expected = "a text, a number, true, false, or a list of texts".to_owned();
                return Err(ConfigError::Invalid { given, expected });
            };
            if !raw.is_unset() {
                given.push(Given { name: key.clone(), key, raw, origin });
            }
            continue;
        }
        let names = settings::names_in(&key);
        match value {
            Value::Dict(_, table) if !names.is_empty() => walk(&key, table, path, given)?,
            _ => return Err(unknown(above, &key, path)),
        }
    }
    Ok(())
}

fn unknown(above: &str, key: &str, path: &Path) -> ConfigError {
    let within = settings::names_in(above);
    let expected = if settings::sections().contains(&key) {
        format!("a section [{key}] with {}", settings::names_in(key).join(", "))
    } else if within.is_empty() {
        format!("one of the sections {}", settings::sections().join(", "))
    } else {
        format!("one of {} in [{above}]", within.join(", "))
    };
    // A key may hold anything when it is quoted, and the line has to stay one.
    let key = key.escape_debug().to_string();
    ConfigError::UnknownKey { key, path: path.display().to_string(), expected }
}

fn read_dotenv(around: &Surroundings) -> Result<Vec<Variable>, ConfigError> {
    let path = around.cwd.join(".env");
    // Python programmers keep a folder of this name.
    if path.is_dir() {
        return Ok(Vec::new());
    }
    let text = read_text(&path)?.unwrap_or_default();
    let lines = dotenv::parse(&text)
        .map_err(|bad| ConfigError::NotDotEnv { line: bad.number, expected: bad.expected })?;
    let variable = |line: dotenv::Line| {
        let origin = Origin::DotEnv { line: line.number };
        (line.name, line.value, origin)
    };
    Ok(lines.into_iter().map(variable).collect())
}

/// Sorts one layer's variables by setting. An alias comes before its canonical name, so that the
/// canonical name is merged last and counts.
fn from_variables(layer: &[Variable], notices: &mut Vec<Notice>) -> Vec<Given> {
    let mut sorted = Vec::new();
    for setting in SETTINGS {
        let start = sorted.len();
        for variable in setting.variables.iter().rev() {
            let of_name = layer.iter().filter(|(name, ..)| name == variable);
            for (name, value, origin) in of_name {
                let (key, raw) = (setting.place_of(name), Raw::text(value));
                if !raw.is_unset() {
                    sorted.push(Given { key, name: name.clone(), raw, origin: origin.clone() });
                }
            }
        }
        let fresh = sorted.get(start..).unwrap_or_default();
        if let Some(winner) = fresh.last() {
            notices.extend(fresh.iter().filter_map(|other| disagreement(winner, other)));
        }
    }
    sorted
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

fn note_unused<'a>(variables: impl Iterator<Item = &'a Variable>, notices: &mut Vec<Notice>) {
    let mut said: Vec<&str> = Vec::new();
    for (name, value, origin) in variables {
        let Some(why) = settings::unused(name) else { continue };
        if !value.trim().is_empty() && !said.contains(&name.as_str()) {
            said.push(name);
            let name = name.escape_debug();
            let text = format!("{name} ({origin}) is recognized and ignored: {why}");
            notices.push(Notice { level: Level::Info, text });
        }
    }
}

/// An empty flag is kept, to be refused: whoever types a flag wants something.
fn from_flags(flags: &Flags) -> Vec<Given> {
    let path = |path: &PathBuf| path.to_string_lossy().into_owned();
    let flagged = [
        ("server.host", "--host", flags.host.clone()),
        ("server.port", "--port", flags.port.clone()),
        ("server.data_dir", "--data-dir", flags.data_dir.as_ref().map(path)),
        ("log.level", "--log-level", flags.log_level.clone()),
        ("log.file", "--log-file", flags.log_file.as_ref().map(path)),
    ];
    let given = |(key, name, text): (&str, &str, Option<String>)| {
        let (key, name) = (key.to_owned(), name.to_owned());
        text.map(|text| Given { key, name, raw: Raw::text(&text), origin: Origin::Flag })
    };
    flagged.into_iter().filter_map(given).collect()
}

/// Nothing if there is no such file.
fn read_text(path: &Path) -> Result<Option<String>, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError::Unreadable {
            path: path.display().to_string(),
            problem: error.to_string(),
        }),
    }
}
