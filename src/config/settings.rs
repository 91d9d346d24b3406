//! The one table of settings. The environment mapping, the defaults, the refusal of unknown keys
//! and the test of the annotated `config.toml` all come from it.

use Fallback::{Unset, Value};

use super::secret_file;

/// One key of `config.toml`, with the variables that set it as well.
#[cfg_attr(not(test), expect(dead_code, reason = "only the test of config.toml reads the prose"))]
pub(super) struct Setting {
    pub(super) key: &'static str,
    /// The canonical name first, then its aliases.
    pub(super) variables: &'static [&'static str],
    pub(super) default: Fallback,
    /// Empty where the value says everything.
    pub(super) unit: &'static str,
    /// Why it exists, or why its default is what it is. One or more sentences.
    pub(super) reason: &'static str,
    /// Whether its value must never be shown. Such a value may also lie in a file of its own.
    pub(super) is_secret: bool,
}

/// What holds when nobody says anything.
#[cfg_attr(not(test), expect(dead_code, reason = "only the test of config.toml reads the prose"))]
pub(super) enum Fallback {
    /// This value, as one would write it.
    Value(&'static str),
    /// No value; the words say what happens then.
    Unset(&'static str),
}

const SECONDS: &str = "seconds";
const BYTES: &str = "bytes, or with KiB, MiB, GiB";

pub(super) const SETTINGS: &[Setting] = &[
    row("server.host", &["HOST", "MCP_HOST"], Value("127.0.0.1"), "")
        .because("Being reachable by others is a decision, not a default."),
    row("server.port", &["PORT", "MCP_PORT"], Value("3000"), "1 to 65535, or auto")
        .because("One listener serves everything; auto takes the first free port in 8501-8999."),
    row("server.data_dir", &["DATA_DIR", "MEMORYOS_DATA_PATH"], Value("./data"), "")
        .because("Everything that is kept lies in this one directory, open to its owner only."),
    row("server.run_dir", &["RUN_DIR"], Unset("the data directory"), "")
        .because("The place of .mcp_token and .mcp_port, for systems that keep such files in /run."),
    row("server.header", &["SERVER_HEADER"], Value("memoryd"), "")
        .because("Value of the Server header; a drop-in for another server may have to bear its name."),
    row("server.public_url", &["PUBLIC_URL"], Unset("none"), "")
        .because("Behind a proxy only you know the address that clients have to use."),
    row("tls.enabled", &["USE_HTTPS"], Unset("true when both paths are set"), "")
        .because("Asked for without both paths it stops the start: there is no fall-back to HTTP."),
    row("tls.cert_path", &["SSL_CERT_PATH"], Unset("none"), "")
        .because("PEM file with the certificate chain, the server's own first."),
    row("tls.key_path", &["SSL_KEY_PATH"], Unset("none"), "")
        .because("PEM file with the private key, PKCS#8, PKCS#1 or SEC1."),
    row("tls.require", &["REQUIRE_HTTPS"], Value("false"), "")
        .because("Refuses plain requests, unless a trusted proxy says that its client used HTTPS."),
    row("http.trusted_hosts", &["TRUSTED_HOSTS"], Value("*"), "comma list")
        .because("Naming your hosts stops DNS rebinding; *.example.com stands for every name below."),
    row("http.trusted_proxies", &["TRUSTED_PROXIES"], Value("127.0.0.0/8,::1"), "CIDRs, or none")
        .because("Only these may say whom they forward for; anybody else could lie."),
    row("http.read_timeout", &["READ_TIMEOUT"], Value("30"), SECONDS)
        .because("A body that trickles in would otherwise hold its connection for ever."),
    row("http.workers", &["HTTP_WORKERS"], Unset("number of cores, at most 8"), "threads")
        .because("They only parse and pass on, so more threads than cores bring nothing."),
    row("cors.enabled", &["ENABLE_CORS"], Value("true"), "")
        .because("Without it no CORS header is sent and every foreign origin gets 403."),
    row("cors.allowed_origins", &["ALLOWED_ORIGINS"], Unset("loopback and own origin"), "comma list")
        .because("Web pages that may call; * lets any page call, but never with credentials."),
    row("auth.api_key", &["MCP_API_KEY", "API_KEY", "MCP_MEMORY_TOKEN"], Unset("none"), "")
        .because("One key of the default user with every scope. Better in the environment than here.")
        .secret(),
    row("auth.api_keys", &["MCP_API_KEYS"], Unset("none"), "comma list")
        .because("Several keys: name:key gives each user a key, bare keys are the default user's.")
        .secret(),
    row("auth.disabled", &["DISABLE_AUTH"], Value("false"), "")
        .because("For trying things out; it stops the start on any host but loopback."),
    row("auth.fail_limit", &["AUTH_FAIL_LIMIT"], Value("10"), "failed attempts")
        .because("Per client address and window, so that nobody can try keys one by one."),
    row("auth.fail_window", &["AUTH_FAIL_WINDOW"], Value("60"), SECONDS)
        .because("Short enough for a person who mistyped, long enough to make guessing hopeless."),
    row(
        "rate_limit.requests",
        &["RATE_LIMIT_REQUESTS", "RATE_LIMIT_MAX_REQUESTS"],
        Value("100"),
        "requests; 0 = off",
    )
    .because("Per client address, so that one runaway client cannot starve the others."),
    row("rate_limit.window", &["RATE_LIMIT_WINDOW", "RATE_LIMIT_WINDOW_MS"], Value("60"), SECONDS)
        .because(
            "The window slides. RATE_LIMIT_REQUESTS goes with RATE_LIMIT_WINDOW (alone: 100, 3600 s), \
             RATE_LIMIT_MAX_REQUESTS with RATE_LIMIT_WINDOW_MS (alone: 100, 900000 ms).",
        ),
    row("project.mode", &["PROJECT_ID_MODE"], Value("manual"), "auto, manual or global")
        .because("Guessing the project from the client's directory is not everybody's wish."),
    row("project.default_user", &["DEFAULT_USER_ID", "MEMORYOS_USER_ID"], Value("default"), "")
        .because("Owner of what comes with a key that names nobody."),
    row("session.idle", &["SESSION_TTL"], Value("900"), SECONDS)
        .because("An idle session gives its memory back and wakes with the next call."),
    row("log.level", &["RUST_LOG", "LOG_LEVEL"], Value("info"), "")
        .because("A level, or pairs such as warn,memoryd=debug. RUST_LOG wins over LOG_LEVEL."),
    row("log.file", &["LOG_FILE"], Unset("standard error"), "")
        .because("Opened again when it is renamed away, so logrotate needs no copytruncate."),
    row("storage.cache_mb", &["CACHE_MB"], Value("32"), "MiB")
        .because("Indexes of awake sessions lie in memory anyway; a small machine needs the rest."),
    row("storage.undo_days", &["UNDO_DAYS"], Value("30"), "days")
        .because("A deleted memory can be restored for so long; then its text leaves the disk."),
    row("storage.encryption_key_file", &["ENCRYPTION_KEY_FILE"], Unset("none"), "")
        .because("Reserved: this version cannot encrypt, and refuses to start where it is asked to."),
    row("limits.body", &["MAX_BODY_BYTES"], Value("2 MiB"), BYTES)
        .because("A body is read into memory before it is parsed; larger ones get 413."),
    row("limits.content", &["MAX_CONTENT_BYTES"], Value("64 KiB"), BYTES)
        .because("One memory is a text to be recalled, not an archive."),
    row("tools.sets", &["TOOLSETS"], Value("core"), "comma list")
        .because("Every listed tool costs the model tokens. This version has core only."),
    row("embedding.url", &["EMBEDDING_URL"], Unset("none: nobody is called"), "")
        .because("A better embedder as a service, OpenAI's or Ollama's way; it sees every text."),
    row("embedding.model", &["EMBEDDING_MODEL"], Unset("none"), "")
        .because("The model to ask the service for."),
    row("embedding.key", &["EMBEDDING_KEY"], Unset("none"), "")
        .because("Sent to the service as a bearer token.")
        .secret(),
    row("embedding.authority", &["EMBEDDING_AUTHORITY"], Unset("those of the system"), "")
        .because("PEM file with one more authority to trust, for a service with its own certificate."),
    row("embedding.model_path", &["EMBEDDING_MODEL_PATH"], Unset("none"), "")
        .because("Folder of a BERT-family model to run here; needs a build with local-model."),
    row("embedding.query_prefix", &["EMBEDDING_QUERY_PREFIX"], Unset("what the folder says"), "")
        .because("Some models want questions marked, such as by query: and a space, which is added."),
    row("embedding.passage_prefix", &["EMBEDDING_PASSAGE_PREFIX"], Unset("what the folder says"), "")
        .because("And memories, such as by passage: and a space. A change embeds everything anew."),
    row("embedding.timeout", &["EMBEDDING_TIMEOUT"], Value("5"), SECONDS)
        .because("A search waits so long for its vector, then goes on with what it has."),
];

/// Finds the setting of a whole key such as `server.port`.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// Whether a value must never be shown.
pub(super) fn is_secret(key: &str) -> bool {
    find(key).is_some_and(|setting| setting.is_secret)
}

/// The names of all sections, in order.
pub(super) fn sections() -> Vec<&'static str> {
    let mut names: Vec<&str> = SETTINGS.iter().map(|setting| setting.split().0).collect();
    names.dedup();
    names
}

/// The names of the keys in a section, in order; none if there is no such section.
pub(super) fn names_in(section: &str) -> Vec<String> {
    let mut names = Vec::new();
    for setting in SETTINGS {
        let (of, name) = setting.split();
        if of == section {
            names.push(name.to_owned());
            names.extend(setting.is_secret.then(|| secret_file::key_beside(name)));
        }
    }
    names
}

/// A key and its variables, for an error line.
pub(super) fn describe(key: &str) -> String {
    let variables = find(key).map(|setting| setting.variables.join(", ")).unwrap_or_default();
    format!("{key} ({variables})")
}

/// What to tell about a variable that other servers know and memoryd has no use for.
pub(super) fn unused(variable: &str) -> Option<&'static str> {
    if variable == "SERVER_MODE" {
        return Some("one listener serves every transport");
    }
    let named = matches!(variable, "DATABASE_URL" | "MEMORYOS_LLM_MODEL");
    let service = ["OPENAI_", "OLLAMA_", "NEO4J_", "POSTGRES_"];
    let known = named || service.iter().any(|prefix| variable.starts_with(prefix));
    known.then_some("memoryd calls no other service unless a setting of its own asks for it")
}

impl Setting {
    /// The section and the name within it.
    pub(super) fn split(&self) -> (&'static str, &'static str) {
        self.key.split_once('.').unwrap_or(("", self.key))
    }

    /// Where a variable's value is kept while merging.
    ///
    /// The rate limit's variables are two pairs with defaults of their own, not aliases, so each
    /// has a place of its own until `rate` has made sense of them.
    pub(super) fn place_of(&self, variable: &str) -> String {
        if self.key.starts_with("rate_limit.") {
            place_in_rate_limit(variable)
        } else {
            self.key.to_owned()
        }
    }
}

/// Where one of the four variables of the rate limit is kept while merging.
pub(super) fn place_in_rate_limit(variable: &str) -> String {
    format!("variables.{variable}")
}

const fn row(
    key: &'static str,
    variables: &'static [&'static str],
    default: Fallback,
    unit: &'static str,
) -> Setting {
    Setting { key, variables, default, unit, reason: "", is_secret: false }
}

impl Setting {
    const fn because(self, reason: &'static str) -> Self {
        Self { reason, ..self }
    }

    const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }
}
