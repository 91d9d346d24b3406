//! Secrets that lie in files of their own, as containers and service managers hand them out.
//!
//! Nothing is listed here: a secret's key with `_file` and its variables with `_FILE` name the
//! file. `MCP_API_KEY_FILE=/run/secrets/key` says the same as `MCP_API_KEY` with that file's text.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::declare::Row;
use super::settings;
use super::source::{Given, Raw};
use super::{ConfigError, parse};

const AFTER_A_KEY: &str = "_file";
const AFTER_A_VARIABLE: &str = "_FILE";

/// A thousand long keys fit; a device or a disk image that was named by mistake does not.
const LIMIT_BYTES: u64 = 64 << 10;

/// The key or the variable beside a secret's own that names its file.
pub(super) fn key_beside(key: &str) -> String {
    format!("{key}{AFTER_A_KEY}")
}

pub(super) fn variable_beside(variable: &str) -> String {
    format!("{variable}{AFTER_A_VARIABLE}")
}

/// The secret whose file a key of `config.toml` names.
pub(super) fn secret_of(key: &str) -> Option<&'static Row> {
    let secret = key.strip_suffix(AFTER_A_KEY).and_then(settings::find);
    secret.filter(|setting| setting.is_secret)
}

/// Reads the file that a value names. A relative path counts from the folder. The secret is given
/// by whoever named its file.
pub(super) fn read(named: Given, folder: &Path) -> Result<Given, ConfigError> {
    let path = folder.join(named.parse(parse::path)?);
    let unusable = |problem: String| ConfigError::SecretFile {
        given: named.giver(),
        path: path.display().to_string().escape_debug().to_string(),
        problem,
    };
    let bytes = bytes_of(&path).map_err(|error| unusable(error.to_string()))?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > LIMIT_BYTES) {
        return Err(unusable(format!("longer than {LIMIT_BYTES} bytes")));
    }
    let text = str::from_utf8(&bytes).map_err(|_| unusable("not UTF-8".to_owned()))?;
    // Editors of one system put a mark there that nobody sees.
    let raw = Raw::text(text.trim_start_matches('\u{feff}'));
    // Whoever names a file wants a secret, so nothing in it is a mistake.
    if raw.is_unset() { Err(unusable("empty".to_owned())) } else { Ok(Given { raw, ..named }) }
}

/// Refuses a secret that one layer gives both ways, unless both say the same.
pub(super) fn refuse_two_values(layer: &[Given]) -> Result<(), ConfigError> {
    for by_file in layer.iter().filter(|given| settings::is_secret(&given.key)) {
        let name = &by_file.name;
        let own = name.strip_suffix(AFTER_A_VARIABLE).or_else(|| name.strip_suffix(AFTER_A_KEY));
        let itself = own.and_then(|own| layer.iter().rfind(|given| given.name == own));
        if let Some(itself) = itself.filter(|itself| !itself.raw.same_as(&by_file.raw)) {
            let (first, second) = (itself.giver(), by_file.giver());
            return Err(ConfigError::TwoValues { first, second });
        }
    }
    Ok(())
}

/// One byte more than the limit at most.
fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LIMIT_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
