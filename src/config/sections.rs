use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use crate::model::{Secret, UserId};

use super::{AllowedOrigins, ConfiguredKey, Host, HostPattern, Port, ToolSet};

/// Where the process listens and keeps its files.
#[derive(Debug, Clone)]
pub struct Server {
    pub host: Host,
    pub port: Port,
    /// Relative paths stay so: they count from the working directory.
    pub data_dir: PathBuf,
    /// Where `.mcp_token` and `.mcp_port` go.
    pub run_dir: PathBuf,
    /// A value fit for the `Server` header.
    pub header: String,
    /// Without a final slash.
    pub public_url: Option<String>,
}

/// How the listener speaks TLS. When it is enabled, both paths are there.
#[derive(Debug, Clone)]
pub struct Tls {
    pub enabled: bool,
    pub cert_path: Option<PathBuf>,
    pub key_path: Option<PathBuf>,
    /// Refuse what did not come over HTTPS.
    pub require: bool,
}

/// Whom the wire believes, and how long it waits.
#[derive(Debug, Clone)]
pub struct Http {
    pub trusted_hosts: Vec<HostPattern>,
    pub trusted_proxies: Vec<IpNet>,
    /// How long a request's body may take to arrive.
    pub read_timeout: Duration,
    pub workers: usize,
}

/// Which web pages may call.
#[derive(Debug, Clone)]
pub struct Cors {
    pub enabled: bool,
    pub allowed_origins: AllowedOrigins,
}

/// Who may call.
#[derive(Debug, Clone)]
pub struct Auth {
    /// From `auth.api_key`, `auth.api_keys` and the flags, each key once.
    pub keys: Vec<ConfiguredKey>,
    /// Only ever true on a loopback host.
    pub disabled: bool,
    /// Failed attempts per client address and window.
    pub fail_limit: u32,
    pub fail_window: Duration,
}

/// How often one client address may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// 0 turns the limit off.
    pub requests: u32,
    /// It slides.
    pub window: Duration,
}

/// How memories are grouped.
#[derive(Debug, Clone)]
pub struct Projects {
    pub mode: ProjectMode,
    /// Whom keys without a user of their own act for, and the one pool of the mode `global`.
    pub default_user: UserId,
}

/// Where a call's project comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectMode {
    /// From the directory that the client says it stands in.
    Auto,
    /// From what the client names.
    Manual,
    /// One pool for all users.
    Global,
}

/// How sessions live.
#[derive(Debug, Clone)]
pub struct Sessions {
    /// After so long without a call a session is put to sleep.
    pub idle: Duration,
}

/// What is logged, and where.
#[derive(Debug, Clone)]
pub struct Log {
    /// A filter in the language of `env_logger`.
    pub level: String,
    /// Standard error when there is none.
    pub file: Option<PathBuf>,
}

/// How the store behaves.
#[derive(Debug, Clone)]
pub struct Storage {
    /// From `storage.cache_mb`.
    pub cache_bytes: u64,
    /// From `storage.undo_days`: how long a deleted memory can be restored.
    pub undo: Duration,
}

/// How much one request may bring.
#[derive(Debug, Clone)]
pub struct Limits {
    pub body_bytes: usize,
    /// The text of one memory.
    pub content_bytes: usize,
}

/// Which tools a client is shown.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Sets that this version has; at least one, none twice.
    pub sets: Vec<ToolSet>,
}

/// A better embedder than the built-in one. Off unless a URL or a folder is named.
#[derive(Debug, Clone)]
pub struct Embedding {
    pub url: Option<String>,
    pub model: Option<String>,
    pub key: Option<Secret>,
    pub authority: Option<PathBuf>,
    pub model_path: Option<PathBuf>,
    pub query_prefix: Option<String>,
    pub passage_prefix: Option<String>,
    /// How long a search waits.
    pub timeout: Duration,
}

impl Tls {
    /// The certificate chain and the private key to serve with; nothing when TLS is off.
    #[must_use]
    pub fn files(&self) -> Option<(&Path, &Path)> {
        let files = self.cert_path.as_deref().zip(self.key_path.as_deref());
        files.filter(|_| self.enabled)
    }
}

impl RateLimit {
    #[must_use]
    pub fn is_off(self) -> bool {
        self.requests == 0
    }
}
