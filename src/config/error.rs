/// Why the settings cannot be used. Each is one line, names its giver, and never shows a secret.
///
/// A field `given` says what was set and where: `DISABLE_AUTH=maybe (environment)`.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: cannot be read ({problem}); expected a file that this user may read")]
    Unreadable { path: String, problem: String },

    #[error("{path} line {line}: {problem}; expected TOML: [section] and key = value")]
    NotToml { path: String, line: usize, problem: String },

    #[error(".env line {line}: expected {expected}")]
    NotDotEnv { line: usize, expected: &'static str },

    #[error("{key} ({path}): unknown key; expected {expected}")]
    UnknownKey { key: String, path: String, expected: String },

    #[error("{given}: expected {expected}")]
    Invalid { given: String, expected: String },

    #[error(
        "{given}: {path} cannot be used ({problem}); expected a file with the secret as its text, \
         which this user may read"
    )]
    SecretFile { given: String, path: String, problem: String },

    #[error("{first} and {second} give different values; expected only one of them")]
    TwoValues { first: String, second: String },

    #[error("{given}: expected {missing} to be set as well")]
    Half { given: String, missing: String },

    #[error("{first} and {second} set two different rate limits; expected only one pair of them")]
    TwoRateLimits { first: String, second: String },

    #[error("{first} together with {second}: {because}; expected {instead}")]
    Dangerous { first: String, second: String, because: &'static str, instead: &'static str },

    #[error(
        "{given}: a placeholder or too short, and server.host {host} is not loopback; \
         expected a random key of 16 characters or more, as memoryd --generate-key makes it"
    )]
    WeakKey { given: String, host: String },

    #[error("{first} and {second} give one key to two owners; expected every key only once")]
    KeyOfTwo { first: String, second: String },

    #[error("{first} and {second} use one name for two users; expected a name for each user")]
    NameOfTwo { first: String, second: String },

    #[error(
        "--env-keys (flag): expected MCP_API_KEYS or MCP_API_KEY in the environment, \
         or for serve in .env"
    )]
    NoEnvKeys,
}

impl ConfigError {
    /// Whether the command line itself is to blame, and not what surrounds it.
    #[must_use]
    pub fn is_of_a_flag(&self) -> bool {
        match self {
            Self::Invalid { given, .. } => given.contains("(flag)"),
            Self::NoEnvKeys => true,
            Self::Unreadable { .. }
            | Self::NotToml { .. }
            | Self::NotDotEnv { .. }
            | Self::UnknownKey { .. }
            | Self::SecretFile { .. }
            | Self::TwoValues { .. }
            | Self::Half { .. }
            | Self::TwoRateLimits { .. }
            | Self::Dangerous { .. }
            | Self::WeakKey { .. }
            | Self::KeyOfTwo { .. }
            | Self::NameOfTwo { .. } => false,
        }
    }
}
