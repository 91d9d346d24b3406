//! Settings, read once: defaults < `config.toml` < `.env` < environment < flags.
//!
//! Of the working directory only `serve` reads anything: assistants start the other verbs in
//! folders that strangers wrote, and a stranger's `embedding.url` would be sent every memory.
//!
//! After [`Config::load`] nothing reads a settings file, a variable or a flag again.
//!
//! It refuses unknown keys, values that do not parse and settings that are dangerous together, in one
//! line that names the key, its giver and what is accepted.
//!
//! Begin reading at `sections.rs`, which declares every setting.

mod assemble;
mod choices;
mod declare;
mod dotenv;
mod effective;
mod embedding;
mod error;
mod file;
mod keys;
mod layers;
mod pairs;
mod parse;
mod rate;
mod secret_file;
mod sections;
mod settings;
mod source;
mod supervisor;
mod variables;
mod web;
mod wire;

#[cfg(test)]
mod annotated;
#[cfg(test)]
mod place_tests;
#[cfg(test)]
mod secret_tests;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use crate::model::Secret;

pub use choices::{BuiltIn, ProjectMode};
pub use effective::EffectiveSetting;
pub use embedding::EmbeddingSection;
pub use error::ConfigError;
pub use keys::ConfiguredKey;
pub use sections::{
    AuthSection, BackupSection, CorsSection, LimitsSection, LogSection, OauthSection,
    ProjectsSection, RateLimitSection, ServerSection, SessionsSection, StorageSection, TlsSection,
    ToolsSection,
};
pub use supervisor::Supervisor;
pub use web::{AllowedOrigins, Host, HostPattern, Port, base_path, is_on_loopback, web_address};
pub use wire::{DashboardSection, HttpSection, MetricsSection};

/// Everything the server can be told. One field of a section, one key in `config.toml`.
#[derive(Debug, Clone)]
pub struct Config {
    pub server: ServerSection,
    pub tls: TlsSection,
    pub http: HttpSection,
    pub metrics: MetricsSection,
    pub dashboard: DashboardSection,
    pub cors: CorsSection,
    pub auth: AuthSection,
    pub oauth: OauthSection,
    pub rate_limit: RateLimitSection,
    pub project: ProjectsSection,
    pub session: SessionsSection,
    pub log: LogSection,
    pub storage: StorageSection,
    pub backup: BackupSection,
    pub limits: LimitsSection,
    pub tools: ToolsSection,
    pub embedding: EmbeddingSection,
    /// From `auth.api_key`, `auth.api_keys` and the flags, each key once.
    keys: Vec<ConfiguredKey>,
    /// What a verb shows of itself.
    presented: Option<Secret>,
    effective: effective::EffectiveSettings,
}

/// Who reads the settings. It decides whether the files of the working directory have a say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// `memoryd serve`, which a person starts: `./config.toml` and `./.env` count.
    Serve,
    /// Every other verb: nothing of the working directory counts that nobody named.
    Verb,
}

/// What the command line says about settings, as it was typed.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    pub host: Option<String>,
    /// A number or `auto`.
    pub port: Option<String>,
    pub data_dir: Option<PathBuf>,
    /// Has to exist, unlike the usual places of `config.toml`.
    pub config: Option<PathBuf>,
    /// Replaces the keys of the lower layers, unless `env_keys` is set.
    pub api_keys: Vec<Secret>,
    /// The key that a verb acts with.
    pub key: Option<Secret>,
    /// There must be keys in the environment or in `.env`.
    pub env_keys: bool,
    pub log_level: Option<String>,
    pub log_file: Option<PathBuf>,
}

/// What surrounds the process. Tests bring their own.
#[derive(Clone)]
pub struct Surroundings {
    pub env: Vec<(String, String)>,
    /// What relative paths count from. Only [`Reader::Serve`] looks for files here.
    pub cwd: PathBuf,
    /// The `config.toml` of the machine.
    pub system_file: PathBuf,
}

/// The settings, and what there is to say about them.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// For the log, which is not open yet while settings are read.
    pub notices: Vec<Notice>,
}

/// One line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub level: log::Level,
    pub text: String,
}

impl Config {
    /// Merges every layer. An unknown key and a value that does not parse stop the start, in
    /// whichever layer they stand.
    pub fn load(
        flags: &Flags,
        surroundings: &Surroundings,
        reader: Reader,
    ) -> Result<Loaded, ConfigError> {
        let mut notices = Vec::new();
        let layers = layers::Layers::gather(flags, surroundings, reader, &mut notices)?;
        let config = assemble::config(&layers, flags, reader, &mut notices)?;
        Ok(Loaded { config, notices })
    }

    /// The keys that open the server besides its tokens, each once.
    #[must_use]
    pub fn keys(&self) -> Vec<ConfiguredKey> {
        self.keys.clone()
    }

    /// The key that was given to this verb: by a flag, else by a variable. One that only lies in a
    /// file of settings opens the server, but was given to nobody.
    #[must_use]
    pub fn presented_key(&self) -> Option<&Secret> {
        self.presented.as_ref()
    }

    /// Every setting as it counts, with who said so, in the order of `config.toml`. No secret is in it.
    #[must_use]
    pub fn effective(&self) -> &[EffectiveSetting] {
        &self.effective.0
    }
}

impl Surroundings {
    /// Looks at the process. What is not UTF-8 in a variable is marked, and refused if it is used.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self {
            env: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            system_file: PathBuf::from("/etc/memoryd/config.toml"),
        }
    }

    /// The value of a variable that is no setting, such as one that names a folder of another program.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Nothing but these variables and what lies in the folder.
    #[must_use]
    pub fn only(cwd: PathBuf, env: &[(&str, &str)]) -> Self {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { env: env.collect(), system_file: cwd.join("etc/memoryd/config.toml"), cwd }
    }
}

/// Leaves the variables out: some are keys.
impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("cwd", &self.cwd).finish_non_exhaustive()
    }
}
