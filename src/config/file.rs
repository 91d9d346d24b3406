//! Finds `config.toml` and takes it apart into one value per key.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::source::{Given, Origin, Raw};
use super::{ConfigError, Reader, Surroundings, parse, secret_file, settings};

/// What the file is called in every folder where it is looked for.
const NAME: &str = "config.toml";

/// Reads the file that was asked for, which has to exist, or else the first of the usual ones.
pub(super) fn read(
    asked: Option<&Path>,
    usual: impl FnOnce() -> Result<Vec<PathBuf>, ConfigError>,
    around: &Surroundings,
) -> Result<Vec<Given>, ConfigError> {
    let found = match asked {
        Some(path) => Some(asked_for(path, around)?),
        None => first_of(usual()?)?,
    };
    let Some((path, text)) = found else { return Ok(Vec::new()) };
    let mut written = Vec::new();
    walk("", parse_toml(&path, &text)?, &path, &mut written)?;
    let whole_path = around.cwd.join(path);
    let folder = whole_path.parent().unwrap_or(&around.cwd);
    let open = |one| open_secret(one, folder);
    let given = written.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
    secret_file::refuse_two_values(&given)?;
    Ok(given)
}

/// Where the file is looked for when nobody names it, the first place first.
///
/// A data directory that nobody named lies in the working directory, which may be a stranger's: a
/// verb takes no word from either. `serve` is started by a person, in a folder of their own.
pub(super) fn usual_places(
    reader: Reader,
    data_dir: Option<&Given>,
    around: &Surroundings,
) -> Result<Vec<PathBuf>, ConfigError> {
    let mut places = Vec::new();
    if reader == Reader::Serve {
        places.push(around.cwd.join(NAME));
    }
    if let Some(given) = data_dir.filter(|given| reader == Reader::Serve || !given.is_default()) {
        let place = around.cwd.join(given.parse(parse::path)?).join(NAME);
        // Whoever opens the data directory says that it is shut, and what to do.
        if !is_shut(&place) {
            places.push(place);
        }
    }
    places.push(around.system_file.clone());
    Ok(places)
}

/// Whether a folder on the way to a file lets this user not in.
fn is_shut(path: &Path) -> bool {
    std::fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// Nothing if there is no such file.
pub(super) fn read_text(path: &Path) -> Result<Option<String>, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        // Something else stands where a folder would be: whoever needs that folder will say so.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(ConfigError::Unreadable {
            path: path.display().to_string(),
            problem: error.to_string(),
        }),
    }
}

/// Puts the secret in the place of the path of its file.
fn open_secret(given: Given, folder: &Path) -> Result<Given, ConfigError> {
    if given.name == given.key { Ok(given) } else { secret_file::read(given, folder) }
}

fn asked_for(path: &Path, around: &Surroundings) -> Result<(PathBuf, String), ConfigError> {
    let missing = || ConfigError::Unreadable {
        path: format!("--config {} (flag)", path.display()),
        problem: "no such file".to_owned(),
    };
    let text = read_text(&around.cwd.join(path))?.ok_or_else(missing)?;
    Ok((path.to_owned(), text))
}

fn first_of(places: Vec<PathBuf>) -> Result<Option<(PathBuf, String)>, ConfigError> {
    for path in places {
        if let Some(text) = read_text(&path)? {
            return Ok(Some((path, text)));
        }
    }
    Ok(None)
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

/// Takes a table apart into one value per key; a key that no setting has is refused. Where the key
/// names the file of a secret, the value is still the path of that file.
fn walk(above: &str, table: Dict, path: &Path, given: &mut Vec<Given>) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = if above.is_empty() { name } else { format!("{above}.{name}") };
        let origin = Origin::File { path: path.to_owned() };
        if let Some(setting) = settings::find(&key).or_else(|| secret_file::secret_of(&key)) {
            let Some(raw) = Raw::of_value(&value) else {
                let given = format!("{key} ({origin})");
                let expected = "a text, a number, true, false, or a list of texts".to_owned();
                return Err(ConfigError::Invalid { given, expected });
            };
            if !raw.is_unset() {
                given.push(Given { key: setting.key.to_owned(), name: key, raw, origin });
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
