use log::Level;

use crate::model::{CredentialName, InvalidName, Scopes, Secret, TokenPrefix, UserId};

use super::layers::Layers;
use super::parse::{self, Parsed};
use super::source::{Given, Origin, Raw};
use super::{AuthSection, Config, ConfigError, Flags, Host, Notice, Reader};

/// A key from the settings, with whom it acts for and what it may do.
#[derive(Debug, Clone)]
pub struct ConfiguredKey {
    pub name: CredentialName,
    pub user: UserId,
    pub secret: Secret,
    pub scopes: Scopes,
}

/// Shorter keys can be guessed, whatever they look like.
const SHORTEST_KEY: usize = 16;

/// Text that only documentation puts into a key. Compared in lower case, letters and digits only.
const PLACEHOLDERS: &[&str] = &[
    "yourapikey",
    "yourmcpapikey",
    "yourkey",
    "yoursecret",
    "yoursecure",
    "yourtoken",
    "yourauthtoken",
    "yourgenerated",
    "yourrandom",
    "yourstrong",
    "yoursuper",
    "yourlong",
    "yourpassword",
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "replacewith",
    "placeholder",
    "insertyour",
    "supersecret",
    "examplekey",
    "exampleapikey",
    "exampletoken",
    "keyhere",
    "tokenhere",
    "secrethere",
    "passwordhere",
];

/// A key, and what to call its giver in an error line.
struct Found {
    key: ConfiguredKey,
    given: String,
}

/// One entry of `auth.api_keys`.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Nothing for a bare key.
    owner: Option<(CredentialName, UserId)>,
    secret: Secret,
}

/// Collects the keys of all layers and refuses what is ambiguous or, off loopback, too weak.
///
/// A flag is the highest layer: `--api-key` replaces the keys of the lower ones, unless
/// `--env-keys` asks for those as well.
pub(super) fn collect(
    config: &Config,
    layers: &Layers,
    flags: &Flags,
    reader: Reader,
    notices: &mut Vec<Notice>,
) -> Result<Vec<ConfiguredKey>, ConfigError> {
    let owner = &config.project.default_user;
    let mut found = settled(&config.auth, layers, owner)?;
    if flags.env_keys && !has_env_keys(layers) {
        return Err(ConfigError::NoEnvKeys);
    }
    if !flags.api_keys.is_empty() {
        if !flags.env_keys && !found.is_empty() {
            let text = "--api-key (flag) replaces the keys of the environment and of config.toml; \
                        add --env-keys to use both";
            notices.push(Notice { level: Level::Warn, text: text.to_owned() });
            found.clear();
        }
        let flagged = flagged(&flags.api_keys, &found, owner)?;
        found.extend(flagged);
    }
    if reader == Reader::Verb && config.auth.api_key.is_some() {
        forget_if_anothers(&mut found);
    }
    let found = without_repetition(found)?;
    check_strength(&found, &config.server.host, notices)?;
    Ok(found.into_iter().map(|found| found.key).collect())
}

/// The key that a verb acts with: of `--key`, else of `--api-key`, else of a variable.
pub(super) fn presented(layers: &Layers, flags: &Flags) -> Result<Option<Secret>, ConfigError> {
    if let Some(key) = &flags.key {
        let given = "--key (flag)".to_owned();
        let checked = single_key(&Raw::text(key.reveal()));
        let invalid = |expected| ConfigError::Invalid { given, expected };
        return checked.map(Some).map_err(invalid);
    }
    if let Some(key) = flags.api_keys.first() {
        return Ok(Some(key.clone()));
    }
    let is_variable = |given: &&Given| matches!(given.origin, Origin::Environment);
    let given = layers.given("auth.api_key").filter(is_variable).last();
    given.map(|given| given.parse(single_key)).transpose()
}

/// A verb shows its key in the variable by which a server would take it for the default user's. If
/// another setting says whose it is, that one is right; if it is a token, the store says so.
fn forget_if_anothers(found: &mut Vec<Found>) {
    let Some((first, others)) = found.split_first() else { return };
    let is_same = |other: &Found| other.key.secret.reveal() == first.key.secret.reveal();
    let is_token = TokenPrefix::of_token(first.key.secret.reveal()).is_some();
    if is_token || others.iter().any(is_same) {
        found.remove(0);
    }
}

/// The keys of `auth.api_key` and `auth.api_keys`.
fn settled(auth: &AuthSection, layers: &Layers, owner: &UserId) -> Result<Vec<Found>, ConfigError> {
    let mut found = Vec::new();
    if let Some(secret) = auth.api_key.clone() {
        let given = layers.subject("auth.api_key");
        found.push(Found { key: full("default", owner, secret, &given)?, given });
    }
    let mut bare = 0_usize;
    for (index, entry) in auth.api_keys.iter().cloned().enumerate() {
        let position = index.saturating_add(1);
        let given = format!("{}, key {position}", layers.subject("auth.api_keys"));
        let key = if let Some((name, user)) = entry.owner {
            ConfiguredKey { name, user, secret: entry.secret, scopes: Scopes::read_write() }
        } else {
            bare = bare.saturating_add(1);
            full(&format!("key{bare}"), owner, entry.secret, &given)?
        };
        found.push(Found { key, given });
    }
    Ok(found)
}

/// The keys of `--api-key`. Their numbers go on after those that have one already.
fn flagged(
    secrets: &[Secret],
    others: &[Found],
    owner: &UserId,
) -> Result<Vec<Found>, ConfigError> {
    let lone = secrets.len() == 1 && others.is_empty();
    let mut found = Vec::new();
    for (index, secret) in secrets.iter().enumerate() {
        let position = index.saturating_add(1);
        let given = format!("--api-key (flag), key {position}");
        let name = if lone {
            "default".to_owned()
        } else {
            format!("key{}", others.len().saturating_add(position))
        };
        let checked = single_key(&Raw::text(secret.reveal()));
        let secret =
            checked.map_err(|expected| ConfigError::Invalid { given: given.clone(), expected })?;
        found.push(Found { key: full(&name, owner, secret, &given)?, given });
    }
    Ok(found)
}

/// A key that names no user: it acts for the default one, with every scope.
fn full(
    name: &str,
    owner: &UserId,
    secret: Secret,
    given: &str,
) -> Result<ConfiguredKey, ConfigError> {
    let invalid = |error: InvalidName| ConfigError::Invalid {
        given: given.to_owned(),
        expected: error.to_string(),
    };
    let name = CredentialName::parse(name).map_err(invalid)?;
    Ok(ConfiguredKey { name, user: owner.clone(), secret, scopes: Scopes::all() })
}

fn has_env_keys(layers: &Layers) -> bool {
    let is_env = |origin: &Origin| matches!(origin, Origin::Environment | Origin::DotEnv { .. });
    ["auth.api_key", "auth.api_keys"].iter().any(|key| layers.given(key).any(|g| is_env(&g.origin)))
}

/// Keeps a key once. Neither a key nor a name may stand for two users or two sets of rights.
fn without_repetition(found: Vec<Found>) -> Result<Vec<Found>, ConfigError> {
    let mut kept: Vec<Found> = Vec::with_capacity(found.len());
    for next in found {
        // These are our own settings, so how long a comparison takes tells nobody anything.
        let is_same = |other: &&Found| other.key.secret.reveal() == next.key.secret.reveal();
        let (first, second) = (|other: &Found| other.given.clone(), next.given.clone());
        if let Some(other) = kept.iter().find(is_same) {
            if other.key.user != next.key.user || other.key.scopes != next.key.scopes {
                return Err(ConfigError::KeyOfTwo { first: first(other), second });
            }
            continue;
        }
        let takes_name =
            |other: &&Found| other.key.name == next.key.name && other.key.user != next.key.user;
        if let Some(other) = kept.iter().find(takes_name) {
            return Err(ConfigError::NameOfTwo { first: first(other), second });
        }
        kept.push(next);
    }
    Ok(kept)
}

fn check_strength(
    found: &[Found],
    host: &Host,
    notices: &mut Vec<Notice>,
) -> Result<(), ConfigError> {
    for Found { key, given } in found.iter().filter(|found| is_weak(found.key.secret.reveal())) {
        if !host.is_loopback() {
            return Err(ConfigError::WeakKey { given: given.clone(), host: host.to_string() });
        }
        let text = format!(
            "{given}: the key '{}' is a placeholder or shorter than {SHORTEST_KEY} characters; \
             memoryd will not start with it on a host that is not loopback",
            key.name
        );
        notices.push(Notice { level: Level::Warn, text });
    }
    Ok(())
}

fn is_weak(key: &str) -> bool {
    let letters: String =
        key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let is_placeholder = PLACEHOLDERS.iter().any(|placeholder| letters.contains(placeholder));
    // `xxxxxxxxxxxxxxxxxxxx` and its like.
    let first = key.chars().next();
    let is_monotone = key.chars().all(|c| Some(c) == first);
    key.len() < SHORTEST_KEY || is_placeholder || is_monotone
}

pub(super) fn single_key(raw: &Raw) -> Parsed<Secret> {
    let given = parse::text(raw).map_err(|_| "one key".to_owned())?;
    if given.contains(',') {
        return Err("one key without a comma; several keys go into MCP_API_KEYS".to_owned());
    }
    secret(given).ok_or_else(|| "a key of printable ASCII characters without spaces".to_owned())
}

/// Reads `name:key,...` or bare `key,...`. The two do not mix: a name forgotten in a list of named
/// keys would hand out a key with every scope.
pub(super) fn entries(raw: &Raw) -> Parsed<Vec<Entry>> {
    let expected = "name:key pairs or bare keys separated by commas, either all named or all bare";
    let entries = parse::list(raw, expected, |item| match item.split_once(':') {
        Some((name, key)) => {
            let owner = CredentialName::parse(name).ok().zip(UserId::parse(name).ok())?;
            Some(Entry { owner: Some(owner), secret: secret(key.trim())? })
        }
        None => Some(Entry { owner: None, secret: secret(item)? }),
    })?;
    let named = entries.iter().filter(|entry| entry.owner.is_some()).count();
    if named == 0 || named == entries.len() { Ok(entries) } else { Err(expected.to_owned()) }
}

/// A client has to be able to send it in a header.
fn secret(text: &str) -> Option<Secret> {
    let is_sendable = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    is_sendable.then(|| Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::Start;

    #[test]
    fn keys_out_of_guides_are_weak_and_random_ones_are_not() {
        for weak in [
            "k1",
            "changeme",
            "your-secure-api-key",
            "your-secure-api-key-here",
            "YOUR_MCP_API_KEY_1234",
            "<your-token-goes-in-here>",
            "please-change-me-please",
            "xxxxxxxxxxxxxxxxxxxxxxxx",
            "fifteen-letters",
        ] {
            assert!(is_weak(weak), "{weak}");
        }
        for strong in [
            "acceptance-key-0123456789abcdef-0123456789",
            "bare-key-0-0123456789abcdef",
            "pK3v9Q-x2LmT8nR_w5Yc7Zb1",
        ] {
            assert!(!is_weak(strong), "{strong}");
        }
    }

    #[test]
    fn a_token_that_a_verb_is_given_is_no_key_of_the_owner() {
        let token = "mcp_0123456789abcdefghijklmnopqrstuvwxyz0123456";
        let env = [("MCP_API_KEY", token)];

        let verb = Start::of_verb(&env).config();

        assert!(verb.keys().is_empty());
        assert_eq!(verb.presented_key().unwrap().reveal(), token);
        assert_eq!(Start::new(&env).config().keys().len(), 1, "a server has the keys it is given");
    }

    #[test]
    fn a_list_of_keys_is_all_named_or_all_bare() {
        let names = |text: &str| -> Parsed<Vec<String>> {
            let owner =
                |entry: Entry| entry.owner.map_or("-".to_owned(), |(name, _)| name.to_string());
            Ok(entries(&Raw::text(text))?.into_iter().map(owner).collect())
        };

        assert_eq!(names("claude:k1, mobile : k2,").unwrap(), ["claude", "mobile"]);
        assert_eq!(names("k1,k2").unwrap(), ["-", "-"]);
        for odd in ["claude:k1,k2", "claude:", ":k1", "a b:k1", "k 1", ","] {
            assert!(names(odd).is_err(), "{odd}");
        }
    }
}
