//! Every setting, section by section, in the order of `config.toml`; those of the wire are in `wire`,
//! those of better vectors in `embedding`. What several settings only break together is checked in
//! `assemble`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{Secret, SecretKey, SecretScreen, ToolSet, UserId};

use super::choices::{self, ProjectMode};
use super::declare::{Row, optional, section, setting};
use super::keys::{self, Entry};
use super::layers::Layers;
use super::parse::{self, Parsed};
use super::source::Raw;
use super::{AllowedOrigins, ConfigError, Host, Port, rate, web};

pub(super) const SECONDS: &str = "seconds";
pub(super) const BYTES: &str = "bytes, or with KiB, MiB, GiB";

/// A day: who waits longer after a failed key has been locked out, not slowed down.
const LONGEST_FAIL_WINDOW_S: u32 = 86_400;

/// A year, beyond which a session is as good as never put to sleep.
const LONGEST_IDLE_S: u32 = 31_536_000;

/// Ten years.
const LONGEST_AUDIT_DAYS: u32 = 3_650;

/// A year.
const LONGEST_BACKUP_HOURS: u32 = 8_784;

/// Ten years.
const LONGEST_GRANT_DAYS: u32 = 3_650;

/// Ten years; 0 lets nothing be restored.
const LONGEST_UNDO_DAYS: u32 = 3_650;

section! {
    /// Where the process listens and keeps its files.
    #[derive(Debug, Clone)]
    pub struct ServerSection {
        pub host: Host = setting("server.host", &["HOST", "MCP_HOST"], "127.0.0.1", Host::parse)
            .because("Being reachable by others is a decision, not a default."),

        pub port: Port = setting("server.port", &["PORT", "MCP_PORT"], "3000", Port::parse)
            .unit("1 to 65535, or auto")
            .because(
                "One listener serves everything; auto takes the first free port in 8501-8999.",
            ),

        /// Relative paths stay so: they count from the working directory.
        pub data_dir: PathBuf = setting(
            "server.data_dir", &["DATA_DIR", "MEMORYOS_DATA_PATH"], "./data", parse::path,
        )
        .because("Everything that is kept lies in this one directory, open to its owner only."),

        /// Where the files go by which others find the server.
        pub run_dir: PathBuf = optional(
            "server.run_dir", &["RUN_DIR"], "the data directory", parse::path,
        )
        .or_else(|layers| layers.value("server.data_dir", parse::path))
        .because(
            "The place of .mcp_token, .mcp_port, .mcp_server and memoryd.sock, by which programs \
             of this machine find the server. Some systems keep such files in /run.",
        ),

        /// A value fit for the `Server` header.
        pub header: String = setting(
            "server.header", &["SERVER_HEADER"], "memoryd", parse::header,
        )
        .because(
            "Value of the Server header; a drop-in for another server may have to bear its name.",
        ),

        /// As clients compare it: see [`web::web_address`].
        pub public_url: Option<String> = optional(
            "server.public_url", &["PUBLIC_URL"], "none", web::public_url,
        )
        .because("Behind a proxy only you know the address that clients have to use."),
    }
}

section! {
    /// How the listener speaks TLS. When it is enabled, both paths are there.
    #[derive(Debug, Clone)]
    pub struct TlsSection {
        pub enabled: bool = optional(
            "tls.enabled", &["USE_HTTPS"], "true when both paths are set", parse::boolean,
        )
        .or_else(|layers| Ok(layers.read("tls.cert_path", parse::path)?.is_some()))
        .because("Asked for without both paths it stops the start: there is no fall-back to HTTP."),

        pub cert_path: Option<PathBuf> = optional(
            "tls.cert_path", &["SSL_CERT_PATH"], "none", parse::path,
        )
        .because("PEM file with the certificate chain, the server's own first."),

        pub key_path: Option<PathBuf> = optional(
            "tls.key_path", &["SSL_KEY_PATH"], "none", parse::path,
        )
        .because("PEM file with the private key, PKCS#8, PKCS#1 or SEC1."),

        /// For verbs that go to a server by its URL, beside the authorities of the system.
        pub authority: Option<PathBuf> = optional(
            "tls.authority", &["SSL_CERT_FILE"], "those of the system", parse::path,
        )
        .because(
            "PEM file with more authorities, which stdio and other verbs trust with --url.",
        ),

        /// Refuse what did not come over HTTPS.
        pub require: bool = setting("tls.require", &["REQUIRE_HTTPS"], "false", parse::boolean)
            .because(
                "Refuses plain requests, unless a trusted proxy says that its client used HTTPS.",
            ),
    }
}

section! {
    /// Which web pages may call.
    #[derive(Debug, Clone)]
    pub struct CorsSection {
        pub enabled: bool = setting("cors.enabled", &["ENABLE_CORS"], "true", parse::boolean)
            .because("Without it no CORS header is sent and every foreign origin gets 403."),

        pub allowed_origins: AllowedOrigins = optional(
            "cors.allowed_origins", &["ALLOWED_ORIGINS"], "loopback and own origin",
            AllowedOrigins::parse,
        )
        .or_else(|_| Ok(AllowedOrigins::Own))
        .unit("comma list")
        .because("Web pages that may call; * lets any page call, but never with credentials."),
    }
}

section! {
    /// Who may call. The keys themselves are in [`Config::keys`](super::Config::keys).
    #[derive(Debug, Clone)]
    pub struct AuthSection {
        pub(super) api_key: Option<Secret> = optional(
            "auth.api_key", &["MCP_API_KEY", "API_KEY", "MCP_MEMORY_TOKEN"], "none",
            keys::single_key,
        )
        .secret()
        .because(
            "One key of the default user with every scope. Better in the environment than here.",
        ),

        pub(super) api_keys: Vec<Entry> = optional(
            "auth.api_keys", &["MCP_API_KEYS"], "none", keys::entries,
        )
        .or_else(|_| Ok(Vec::new()))
        .secret()
        .unit("comma list")
        .because("Several keys: name:key gives each user a key, bare keys are the default user's."),

        /// Only ever true on a loopback host, and without what else `pairs` refuses.
        pub disabled: bool = setting("auth.disabled", &["DISABLE_AUTH"], "false", parse::boolean)
            .because(
                "For trying things out; it stops the start where others than you could come in.",
            ),

        /// Failed attempts per client address and window; 0 turns the limit off.
        pub fail_limit: u32 = setting(
            "auth.fail_limit", &["AUTH_FAIL_LIMIT"], "10",
            |raw| parse::limit(raw, 1_000_000),
        )
        .unit("failed attempts; 0 = off")
        .because(
            "Wrong keys per client address and window, so that nobody can try keys one by one; the \
             same wrong key again counts once, and right keys always pass.",
        ),

        pub fail_window: Duration = setting(
            "auth.fail_window", &["AUTH_FAIL_WINDOW"], "60",
            |raw| parse::seconds(raw, 1..=LONGEST_FAIL_WINDOW_S),
        )
        .unit(SECONDS)
        .because("Short enough for a person who mistyped, long enough to make guessing hopeless."),

        /// How long the audit remembers.
        pub audit: Duration = setting(
            "auth.audit_days", &["AUDIT_DAYS"], "90",
            |raw| parse::days(raw, 1..=LONGEST_AUDIT_DAYS),
        )
        .unit("days")
        .because(
            "Who came, who was turned away, and what was done to credentials and memories is kept \
             for so long; memoryd audit shows it.",
        ),
    }
}

section! {
    /// How clients come in that take no key.
    #[derive(Debug, Clone, Copy)]
    pub struct OauthSection {
        /// Only ever true with a public URL of this server's own.
        pub enabled: bool = setting("oauth.enabled", &["OAUTH_ENABLED"], "false", parse::boolean)
            .because(
                "For claude.ai, ChatGPT and other clients that take no key: you sign in on a page of this \
                 server and allow them in. It needs server.public_url, and changes nothing for keys.",
            ),

        /// Whether a client may name itself by the address of a description that is fetched.
        pub fetch_clients: bool = setting(
            "oauth.fetch_clients", &["OAUTH_FETCH_CLIENTS"], "false", parse::boolean,
        )
        .because(
            "With true a client may give the address of its description instead of registering, and it is \
             fetched from there (https, public hosts only) once you have signed in. Without it nobody is called; \
             the usual clients are known or register.",
        ),

        /// Without being used.
        pub idle: Duration = setting(
            "oauth.idle_days", &["OAUTH_IDLE_DAYS"], "90",
            |raw| parse::days(raw, 1..=LONGEST_GRANT_DAYS),
        )
        .unit("days")
        .because("What you allowed a client ends when it was not used for so long."),

        /// However much it is used.
        pub longest: Duration = setting(
            "oauth.longest_days", &["OAUTH_LONGEST_DAYS"], "365",
            |raw| parse::days(raw, 1..=LONGEST_GRANT_DAYS),
        )
        .unit("days")
        .because("After so long at most a client has to ask you again, however much it is used."),
    }
}

section! {
    /// How often one client address may call. The variables are pairs, which `rate` makes sense of.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct RateLimitSection {
        /// 0 turns the limit off.
        pub requests: u32 = setting(
            "rate_limit.requests", &["RATE_LIMIT_REQUESTS", "RATE_LIMIT_MAX_REQUESTS"], "100",
            rate::requests,
        )
        .unit("requests; 0 = off")
        .because("Per client address, so that one runaway client cannot starve the others."),

        /// It slides.
        pub window: Duration = setting(
            "rate_limit.window", &["RATE_LIMIT_WINDOW", "RATE_LIMIT_WINDOW_MS"], "60",
            rate::window,
        )
        .unit(SECONDS)
        .because(
            "The window slides. RATE_LIMIT_REQUESTS goes with RATE_LIMIT_WINDOW (alone: 100, \
             3600 s), RATE_LIMIT_MAX_REQUESTS with RATE_LIMIT_WINDOW_MS (alone: 100, 900000 ms).",
        ),
    }
}

section! {
    /// How memories are grouped.
    #[derive(Debug, Clone)]
    pub struct ProjectsSection {
        pub mode: ProjectMode = setting(
            "project.mode", &["PROJECT_ID_MODE"], "manual", ProjectMode::parse,
        )
        .unit("auto, manual or global")
        .because("Guessing the project from the client's directory is not everybody's wish."),

        /// Whom keys without a user of their own act for, and the one pool of the mode `global`.
        pub default_user: UserId = setting(
            "project.default_user", &["DEFAULT_USER_ID", "MEMORYOS_USER_ID"], "default", user_id,
        )
        .because("Owner of what comes with a key that names nobody."),
    }
}

section! {
    /// How sessions live.
    #[derive(Debug, Clone)]
    pub struct SessionsSection {
        /// After so long without a call a session is put to sleep.
        pub idle: Duration = setting(
            "session.idle", &["SESSION_TTL"], "900",
            |raw| parse::seconds(raw, 1..=LONGEST_IDLE_S),
        )
        .unit(SECONDS)
        .because("An idle session gives its memory back and wakes with the next call. Where more than 128 are awake, so does the quietest."),
    }
}

section! {
    /// What is logged, and where.
    #[derive(Debug, Clone)]
    pub struct LogSection {
        /// A filter in the language of `env_logger`.
        pub level: String = setting(
            "log.level", &["RUST_LOG", "LOG_LEVEL"], "info", parse::log_filter,
        )
        .because("A level, or pairs such as warn,memoryd=debug. RUST_LOG wins over LOG_LEVEL."),

        /// Standard error when there is none.
        pub file: Option<PathBuf> = optional(
            "log.file", &["LOG_FILE"], "standard error", parse::path,
        )
        .because("Opened again when it is renamed away, so logrotate needs no copytruncate."),
    }
}

section! {
    /// How the store behaves.
    #[derive(Debug, Clone)]
    pub struct StorageSection {
        pub cache_bytes: u64 = setting(
            "storage.cache_mb", &["CACHE_MB"], "8", |raw| parse::mebibytes(raw, 1..=65_536),
        )
        .unit("MiB")
        .because("Indexes of awake sessions lie in memory anyway, and what is read of the trees is read by whole sessions: more was not faster."),

        /// How long a deleted memory can be restored.
        pub undo: Duration = setting(
            "storage.undo_days", &["UNDO_DAYS"], "30",
            |raw| parse::days(raw, 0..=LONGEST_UNDO_DAYS),
        )
        .unit("days")
        .because("A deleted memory can be restored for so long; then its text leaves the disk."),

        /// How long it is kept what was given to whom. 0 turns it off.
        pub recalls: Duration = setting(
            "storage.recall_days", &["RECALL_DAYS"], "30",
            |raw| parse::days(raw, 0..=LONGEST_UNDO_DAYS),
        )
        .unit("days; 0 = off")
        .because(
            "Which client was given which memories, and for what question, is kept for so long, in \
             8 MiB a user; memoryd why shows it.",
        ),

        /// What is done about secrets in what is to be stored.
        pub secrets: SecretScreen = setting(
            "storage.secrets", &["SECRET_SCREEN"], "warn", choices::secret_screen,
        )
        .unit("off, warn, mask or refuse")
        .because(
            "Every assistant of a user reads what one of them stored: keys of known services, private \
             keys, JSON web tokens, passwords in URLs and card numbers are told, masked or refused.",
        ),

        /// A store that is not encrypted yet becomes so at the start.
        pub encryption_key: Option<SecretKey> = optional(
            "storage.encryption_key", &["ENCRYPTION_KEY"], "none: whoever has the disk can read it",
            parse::key_of_256_bits,
        )
        .secret()
        .because(
            "Encrypts everything in the data directory that somebody wrote. Keep the key elsewhere: \
             without it nothing can be read again.",
        ),

        pub previous_encryption_key: Option<SecretKey> = optional(
            "storage.previous_encryption_key", &["ENCRYPTION_PREVIOUS_KEY"], "none",
            parse::key_of_256_bits,
        )
        .secret()
        .because(
            "The key that the store is still encrypted with, where another is to take its place; \
             needed for one start.",
        ),
    }
}

section! {
    /// Copies of the whole store.
    #[derive(Debug, Clone)]
    pub struct BackupSection {
        /// Beside the data directory unless somebody says where.
        pub dir: PathBuf = optional(
            "backup.dir", &["BACKUP_DIR"], "the data directory with -backups at its end", parse::path,
        )
        .or_else(|layers| layers.value("server.data_dir", parse::path).map(|dir| beside(&dir)))
        .because(
            "On another disk, if there is one. Not in the data directory: what is erased there leaves \
             it at once, and a backup keeps it until it is removed.",
        ),

        /// 0 turns it off.
        pub every: Duration = setting(
            "backup.every", &["BACKUP_EVERY"], "0", |raw| parse::hours(raw, 0..=LONGEST_BACKUP_HOURS),
        )
        .unit("hours; 0 = off")
        .because("A running server then makes a backup by itself, verified by reading it back."),

        pub keep: u32 = setting("backup.keep", &["BACKUP_KEEP"], "7", |raw| parse::count(raw, 1..=10_000))
            .because("Of the backups that the server makes by itself the newest are kept, so many."),

        pub key: Option<SecretKey> = optional(
            "backup.key", &["BACKUP_KEY"], "none: backups can be read by whoever has them",
            parse::key_of_256_bits,
        )
        .secret()
        .because("Seals backups, so that they can lie where others can read. Without it none is opened again."),
    }
}

section! {
    /// How much one request may bring.
    #[derive(Debug, Clone)]
    pub struct LimitsSection {
        pub body_bytes: usize = setting(
            "limits.body", &["MAX_BODY_BYTES"], "2 MiB", parse::size_bytes,
        )
        .unit(BYTES)
        .because("A body is read into memory before it is parsed; larger ones get 413."),

        /// The text of one memory.
        pub content_bytes: usize = setting(
            "limits.content", &["MAX_CONTENT_BYTES"], "64 KiB", parse::record_bytes,
        )
        .unit(BYTES)
        .because("One memory is a text to be recalled, not an archive; 4 MiB at most."),
    }
}

section! {
    /// Which tools a client is shown.
    #[derive(Debug, Clone)]
    pub struct ToolsSection {
        /// At least one, none twice.
        pub sets: Vec<ToolSet> = setting("tools.sets", &["TOOLSETS"], "core", tool_sets)
            .unit("comma list")
            .because("Every listed tool costs the model tokens. docs/API.md has the sets, those of older servers too."),
    }
}

impl TlsSection {
    /// The certificate chain and the private key to serve with; nothing when TLS is off.
    #[must_use]
    pub fn files(&self) -> Option<(&Path, &Path)> {
        let files = self.cert_path.as_deref().zip(self.key_path.as_deref());
        files.filter(|_| self.enabled)
    }
}

impl RateLimitSection {
    #[must_use]
    pub fn is_off(self) -> bool {
        self.requests == 0
    }
}

/// A folder of nearly the same name.
fn beside(data_dir: &Path) -> PathBuf {
    let mut name = data_dir.components().as_path().as_os_str().to_owned();
    name.push("-backups");
    PathBuf::from(name)
}

fn user_id(raw: &Raw) -> Parsed<UserId> {
    let expected = || "a user id of 1 to 128 characters without control characters".to_owned();
    UserId::parse(parse::text(raw)?).map_err(|_| expected())
}

fn tool_sets(raw: &Raw) -> Parsed<Vec<ToolSet>> {
    let expected = format!("one or more of {}", ToolSet::ALL.map(ToolSet::name).join(", "));
    let mut sets: Vec<ToolSet> = Vec::new();
    for set in parse::list(raw, &expected, ToolSet::parse)? {
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    if sets.is_empty() { Err(expected) } else { Ok(sets) }
}
