//! Gathers what every layer gives, lets figment merge it, and reads the result key by key.

use std::path::PathBuf;

use figment::Figment;

use super::declare::{Fallback, Row};
use super::parse::Parsed;
use super::settings;
use super::source::{Given, Origin, Raw};
use super::{ConfigError, Flags, Notice, Reader, Surroundings, file, variables};

/// All values of all layers, and which of them count.
pub(super) struct Layers {
    /// From the lowest layer to the highest.
    given: Vec<Given>,
    merged: Figment,
}

impl Layers {
    /// Reads files and variables: defaults < `config.toml` < `.env` < environment < flags.
    ///
    /// The layers above the file come first, because they say where the data directory is, and the
    /// file may lie there.
    pub(super) fn gather(
        flags: &Flags,
        surroundings: &Surroundings,
        reader: Reader,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, ConfigError> {
        let dotenv = match reader {
            Reader::Serve => variables::of_dotenv(surroundings)?,
            Reader::Verb => Vec::new(),
        };
        let environment = variables::of_environment(surroundings);
        let mut above = variables::sort(&dotenv, surroundings, notices)?;
        above.extend(variables::sort(&environment, surroundings, notices)?);
        variables::note_unused(dotenv.iter().chain(&environment), notices);
        above.extend(from_flags(flags));

        let mut given: Vec<Given> = settings::table().iter().filter_map(default_of).collect();
        let data_dir = given.iter().chain(&above).rfind(|one| one.key == "server.data_dir");
        let places = || file::usual_places(reader, data_dir, surroundings);
        let of_file = file::read(flags.config.as_deref(), places, surroundings)?;
        given.extend(of_file);
        given.extend(above);
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
        for given in self.given(key) {
            given.parse(&parse)?;
        }
        let Some(raw) = self.merged(key) else { return Ok(None) };
        parse(&raw).map(Some).map_err(|expected| self.invalid(key, expected))
    }

    fn merged(&self, key: &str) -> Option<Raw> {
        Raw::of_value(&self.merged.find_value(key).ok()?)
    }

    fn invalid(&self, key: &str, expected: String) -> ConfigError {
        ConfigError::Invalid { given: self.subject(key), expected }
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

    /// What was given and where, of the value that counts, for an error line.
    pub(super) fn subject(&self, key: &str) -> String {
        let giver = self.merged.find_metadata(key);
        giver.map_or_else(|| settings::describe(key), |giver| giver.name.clone().into_owned())
    }

    /// Where the value that counts was given, without the value.
    pub(super) fn giver(&self, key: &str) -> String {
        let giver = self.given.iter().rfind(|given| given.key == key);
        giver.map_or_else(|| settings::describe(key), Given::giver)
    }

    /// Whether somebody said anything of a key.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.given(key).any(|given| !given.is_default())
    }

    /// The values of a key, from the lowest layer to the highest.
    pub(super) fn given(&self, key: &str) -> impl Iterator<Item = &Given> {
        self.given.iter().filter(move |given| given.key == key)
    }
}

fn default_of(setting: &Row) -> Option<Given> {
    let Fallback::Value(default) = setting.default else { return None };
    let (key, name) = (setting.key.to_owned(), setting.key.to_owned());
    Some(Given { key, name, raw: Raw::text(default), origin: Origin::Default })
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
