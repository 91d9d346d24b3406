use std::path::Path;
use std::time::Duration;

use log::Level;
use tempfile::TempDir;

use crate::model::{Scopes, Secret, ToolSet};

use super::{
    AllowedOrigins, Config, ConfigError, Flags, Host, Loaded, Port, ProjectMode, RateLimitSection,
    Reader, Surroundings,
};

const KEY: &str = "a-key-0123456789-abcdef";
const OTHER_KEY: &str = "b-key-0123456789-abcdef";

/// A working directory with its files, the variables, the flags, and who reads them.
pub(super) struct Start {
    pub(super) folder: TempDir,
    env: Vec<(&'static str, &'static str)>,
    flags: Flags,
    reader: Reader,
}

impl Start {
    /// A start of `serve`.
    pub(super) fn new(env: &[(&'static str, &'static str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, env: env.to_vec(), flags: Flags::default(), reader: Reader::Serve }
    }

    pub(super) fn of_verb(env: &[(&'static str, &'static str)]) -> Self {
        Self { reader: Reader::Verb, ..Self::new(env) }
    }

    pub(super) fn with_file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(super) fn with_flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    pub(super) fn load(&self) -> Result<Loaded, ConfigError> {
        let around = Surroundings::only(self.folder.path().to_owned(), &self.env);
        Config::load(&self.flags, &around, self.reader)
    }

    pub(super) fn config(&self) -> Config {
        self.load().unwrap_or_else(|error| panic!("{error}")).config
    }

    pub(super) fn notices(&self, level: Level) -> Vec<String> {
        let notices = self.load().unwrap_or_else(|error| panic!("{error}")).notices;
        let wanted = notices.into_iter().filter(|notice| notice.level == level);
        wanted.map(|notice| notice.text).collect()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.notices(Level::Warn)
    }

    /// The one line of a refusal, with the working directory taken out.
    pub(super) fn refusal(&self) -> String {
        let line = self.load().expect_err("it was accepted").to_string();
        assert!(!line.contains('\n') && line.is_ascii(), "{line:?}");
        let folder = format!("{}/", self.folder.path().display());
        line.replace(&folder, "")
    }
}

pub(super) fn keys_of(start: &Start) -> Vec<String> {
    let keys = start.config().keys();
    let told = keys.iter().map(|key| {
        let rights = if key.scopes == Scopes::all() { "all" } else { "rw" };
        format!("{} {} {} {rights}", key.name, key.user, key.secret.reveal())
    });
    told.collect()
}

fn rate_of(env: &[(&'static str, &'static str)]) -> (u32, u128) {
    let RateLimitSection { requests, window } = Start::new(env).config().rate_limit;
    (requests, window.as_millis())
}

#[test]
fn with_nothing_said_the_contract_s_defaults_hold() {
    let loaded = Start::new(&[]).load().unwrap();
    let config = loaded.config;

    assert!(loaded.notices.is_empty());
    assert_eq!(config.server.host.to_string(), "127.0.0.1");
    assert_eq!(config.server.port, Port::Number(3000));
    assert_eq!(config.server.data_dir, Path::new("./data"));
    assert_eq!(config.server.run_dir, Path::new("./data"));
    assert_eq!(config.server.header, "memoryd");
    assert!(config.tls.files().is_none() && !config.tls.require && config.cors.enabled);
    assert_eq!(config.cors.allowed_origins, AllowedOrigins::Own);
    assert_eq!((config.auth.fail_limit, config.auth.fail_window.as_secs()), (10, 60));
    assert_eq!((config.rate_limit.requests, config.rate_limit.window.as_secs()), (100, 60));
    assert_eq!(config.project.mode, ProjectMode::Manual);
    assert_eq!(config.session.idle, Duration::from_secs(900));
    assert_eq!(config.log.level, "info");
    assert_eq!(config.storage.cache_bytes, 8 << 20);
    assert_eq!(config.storage.undo, Duration::from_secs(30 * 86_400));
    assert_eq!((config.limits.body_bytes, config.limits.content_bytes), (2 << 20, 64 << 10));
    assert_eq!(config.tools.sets, [ToolSet::Core]);
    assert!((1..=8).contains(&config.http.workers) && config.keys().is_empty());
}

#[test]
fn each_layer_beats_the_one_below() {
    let file = "[server]\nport = 1001\nheader = 'file'\n[session]\nidle = 11\n[log]\nlevel='warn'";
    let dotenv = "PORT=1002\nSESSION_TTL=12\nSERVER_HEADER=\n";
    let start = Start::new(&[("PORT", "1003"), ("SESSION_TTL", "  ")])
        .with_file("config.toml", file)
        .with_file(".env", dotenv);

    assert_eq!(start.config().server.port, Port::Number(1003));
    assert_eq!(start.config().session.idle, Duration::from_secs(12));
    assert_eq!(start.config().server.header, "file", "an empty variable counts as not set");
    assert_eq!(start.config().log.level, "warn");

    let flags = Flags { port: Some("auto".to_owned()), ..Flags::default() };
    assert_eq!(start.with_flags(flags).config().server.port, Port::Auto);
}

#[test]
fn every_variable_sets_its_key() {
    for (name, value) in [("MCP_HOST", "::1"), ("HOST", "[::1]")] {
        let host = Start::new(&[(name, value)]).config().server.host;
        assert_eq!(host, Host::Address("::1".parse().unwrap()), "{name}");
    }
    // The rate limit has its own test.
    let others = super::settings::table();
    let others = others.iter().filter(|setting| !setting.key.starts_with("rate_limit."));
    for setting in others {
        for name in setting.variables {
            let line = Start::new(&[(name, "\u{7}")]).refusal();
            let begins = format!("{name}=\\u{{7}} (environment): expected ");
            let secret = format!("{name} (environment): expected ");
            assert!(line.starts_with(&begins) || line.starts_with(&secret), "{line}");
        }
    }
}

#[test]
fn a_canonical_name_beats_its_alias_and_says_so() {
    let start = Start::new(&[("MCP_PORT", "1002"), ("PORT", "1001")]);
    assert_eq!(start.config().server.port, Port::Number(1001));
    let told = "MCP_PORT (environment) differs from PORT (environment); PORT counts";
    assert_eq!(start.warnings(), [told]);

    let keys = Start::new(&[("API_KEY", OTHER_KEY), ("MCP_API_KEY", KEY)]);
    assert_eq!(keys_of(&keys), [format!("default default {KEY} all")]);
    assert!(keys.warnings().concat().contains("MCP_API_KEY counts"));
    assert!(!keys.warnings().concat().contains(OTHER_KEY));

    let agreeing = Start::new(&[("MCP_PORT", "1001"), ("PORT", "1001")]);
    assert!(agreeing.warnings().is_empty());
}

#[test]
fn a_layer_s_alias_beats_the_canonical_name_of_a_lower_layer() {
    let start = Start::new(&[("MCP_PORT", "1002")]).with_file(".env", "PORT=1001");

    assert_eq!(start.config().server.port, Port::Number(1002));
    assert!(start.warnings().is_empty());
}

#[test]
fn a_value_that_does_not_parse_names_itself_its_giver_and_what_is_accepted() {
    let environment = Start::new(&[("DISABLE_AUTH", "maybe")]);
    assert_eq!(environment.refusal(), "DISABLE_AUTH=maybe (environment): expected true or false");

    let file = Start::new(&[]).with_file("config.toml", "[storage]\ncache_mb = 0");
    let line = "storage.cache_mb = 0 (config.toml): expected a whole number from 1 to 65536";
    assert_eq!(file.refusal(), line);

    let dotenv = Start::new(&[]).with_file(".env", "# x\nSESSION_TTL=15m # quarter");
    let line =
        "SESSION_TTL=15m (.env line 2): expected a whole number from 1 to 31536000 (seconds)";
    assert_eq!(dotenv.refusal(), line);

    let flags = Flags { port: Some("99999".to_owned()), ..Flags::default() };
    let line = "--port 99999 (flag): expected a port from 1 to 65535, 0 for any free one, or auto";
    assert_eq!(Start::new(&[]).with_flags(flags).refusal(), line);
}

#[test]
fn a_value_that_is_overridden_must_parse_too() {
    let start = Start::new(&[("PORT", "3000")]).with_file(".env", "PORT=http");
    assert!(start.refusal().starts_with("PORT=http (.env line 1): expected a port"));

    let alias = Start::new(&[("PORT", "3000"), ("MCP_PORT", "http")]);
    assert!(alias.refusal().starts_with("MCP_PORT=http (environment)"));
}

#[test]
fn an_unknown_key_is_refused_with_its_neighbors() {
    let of = |text: &str| Start::new(&[]).with_file("config.toml", text).refusal();

    let line = "auth.fail_limits (config.toml): unknown key; expected one of \
                api_key, api_key_file, api_keys, api_keys_file, disabled, fail_limit, fail_window, \
                audit_days in [auth]";
    assert_eq!(of("[auth]\nfail_limits = 3"), line);
    assert!(
        of("[sever]\nport = 1").starts_with("sever (config.toml): unknown key; expected one of")
    );
    assert!(of("server = 1").contains("expected a section [server] with host, port"));
    assert!(of("[server.port]\na = 1").starts_with("server.port (config.toml): expected a text"));
    assert!(of("variables.RATE_LIMIT_WINDOW = 5").starts_with("variables (config.toml): unknown"));
}

#[test]
fn broken_files_are_named_without_their_text() {
    let toml = Start::new(&[]).with_file("config.toml", "[auth]\napi_key = 'secret-of-mine\n");
    assert!(toml.refusal().starts_with("config.toml line 2: "), "{}", toml.refusal());
    assert!(!toml.refusal().contains("secret-of-mine"));

    for text in ["api_key = secret-of-mine", "api_key = 'secret-of-mine' x", "secret-of-mine"] {
        let line = Start::new(&[]).with_file("config.toml", text).refusal();
        assert!(line.starts_with("config.toml line 1: ") && !line.contains("of-mine"), "{line}");
    }

    let dotenv = Start::new(&[]).with_file(".env", "A=1\nsecret-of-mine\n");
    assert_eq!(dotenv.refusal(), ".env line 2: expected NAME=value, or # before a comment");

    let flags = Flags { config: Some("nowhere.toml".into()), ..Flags::default() };
    let line = "--config nowhere.toml (flag): cannot be read (no such file)";
    assert!(Start::new(&[]).with_flags(flags).refusal().starts_with(line));
}

#[test]
fn the_file_that_is_asked_for_comes_before_the_usual_ones() {
    let folder = Start::new(&[]).with_file("other.toml", "server.port = 1");
    std::fs::create_dir_all(folder.folder.path().join("etc/memoryd")).unwrap();
    let folder = folder.with_file("etc/memoryd/config.toml", "server.port = 3");
    assert_eq!(folder.config().server.port, Port::Number(3));

    let folder = folder.with_file("config.toml", "server.port = 2");
    assert_eq!(folder.config().server.port, Port::Number(2));

    let flags = Flags { config: Some("other.toml".into()), ..Flags::default() };
    assert_eq!(folder.with_flags(flags).config().server.port, Port::Number(1));
}

#[test]
fn half_a_rate_limit_takes_the_documented_other_half() {
    assert_eq!(rate_of(&[("RATE_LIMIT_REQUESTS", "50")]), (50, 3_600_000));
    assert_eq!(rate_of(&[("RATE_LIMIT_WINDOW", "1800")]), (100, 1_800_000));
    assert_eq!(rate_of(&[("RATE_LIMIT_MAX_REQUESTS", "7")]), (7, 900_000));
    assert_eq!(rate_of(&[("RATE_LIMIT_WINDOW_MS", "500")]), (100, 500));
    assert_eq!(rate_of(&[("RATE_LIMIT_REQUESTS", "5"), ("RATE_LIMIT_WINDOW", "3")]), (5, 3_000));
    assert!(Start::new(&[("RATE_LIMIT_REQUESTS", "0")]).config().rate_limit.is_off());

    let of_file = |text: &str| {
        let rate = Start::new(&[]).with_file("config.toml", text).config().rate_limit;
        (rate.requests, rate.window.as_secs())
    };
    assert_eq!(of_file("rate_limit.requests = 7"), (7, 60));
    assert_eq!(of_file("rate_limit.window = 7"), (100, 7));
}

#[test]
fn two_rate_limits_that_disagree_are_refused_with_their_names() {
    let start = Start::new(&[("RATE_LIMIT_WINDOW_MS", "1000")])
        .with_file(".env", "RATE_LIMIT_REQUESTS=5\nRATE_LIMIT_WINDOW=3\n");
    let line = "RATE_LIMIT_REQUESTS=5 (.env line 1) and RATE_LIMIT_WINDOW_MS=1000 (environment) \
                set two different rate limits; expected only one pair of them";
    assert_eq!(start.refusal(), line);

    let same = [("RATE_LIMIT_WINDOW", "900"), ("RATE_LIMIT_WINDOW_MS", "900000")];
    assert_eq!(rate_of(&same), (100, 900_000));
}

#[test]
fn a_pair_of_variables_is_joined_across_layers() {
    let start = Start::new(&[("RATE_LIMIT_WINDOW_MS", "6000")])
        .with_file(".env", "RATE_LIMIT_WINDOW_MS=9\nRATE_LIMIT_MAX_REQUESTS=8\n")
        .with_file("config.toml", "rate_limit.requests = 1");

    let rate = start.config().rate_limit;

    assert_eq!((rate.requests, rate.window), (8, Duration::from_secs(6)));
}

#[test]
fn keys_have_the_user_and_the_rights_that_their_form_says() {
    let named = Start::new(&[("MCP_API_KEYS", "claude:k1,mobile:k2"), ("MCP_API_KEY", KEY)]);
    let expected = [
        format!("default default {KEY} all"),
        "claude claude k1 rw".into(),
        "mobile mobile k2 rw".into(),
    ];
    assert_eq!(keys_of(&named), expected);

    let bare = Start::new(&[("MCP_API_KEYS", "k1,k2"), ("DEFAULT_USER_ID", "ada")]);
    assert_eq!(keys_of(&bare), ["key1 ada k1 all", "key2 ada k2 all"]);

    let file = Start::new(&[]).with_file("config.toml", "auth.api_keys = ['claude:k1']");
    assert_eq!(keys_of(&file), ["claude claude k1 rw"]);
}

#[test]
fn flags_replace_the_keys_of_the_environment_unless_both_are_asked_for() {
    let keys = |keys: &[&str]| keys.iter().map(|key| Secret::new((*key).into())).collect();
    let flags = Flags { api_keys: keys(&["f1"]), ..Flags::default() };
    let start = Start::new(&[("MCP_API_KEYS", "k1,k2")]).with_flags(flags);
    assert_eq!(keys_of(&start), ["default default f1 all"]);
    assert!(start.warnings().concat().contains("--env-keys"));

    let flags = Flags { env_keys: true, ..start.flags.clone() };
    let both = start.with_flags(flags);
    assert_eq!(
        keys_of(&both),
        ["key1 default k1 all", "key2 default k2 all", "key3 default f1 all"]
    );

    let flags = Flags { api_keys: keys(&["f1", "f2"]), ..Flags::default() };
    let two = Start::new(&[]).with_flags(flags);
    assert_eq!(keys_of(&two), ["key1 default f1 all", "key2 default f2 all"]);

    let flags = Flags { env_keys: true, ..Flags::default() };
    let none = Start::new(&[]).with_file("config.toml", "auth.api_key = 'k'").with_flags(flags);
    assert!(none.refusal().starts_with("--env-keys (flag): expected MCP_API_KEYS"));
}

#[test]
fn a_key_or_a_name_of_two_owners_is_refused_and_a_repeated_key_is_not() {
    let shared = Start::new(&[("MCP_API_KEYS", "claude:k1,mobile:k1")]);
    let line = "MCP_API_KEYS (environment), key 1 and MCP_API_KEYS (environment), key 2 \
                give one key to two owners; expected every key only once";
    assert_eq!(shared.refusal(), line);

    let weaker =
        Start::new(&[("MCP_API_KEY", KEY), ("MCP_API_KEYS", "default:a-key-0123456789-abcdef")]);
    assert!(weaker.refusal().contains("one key to two owners"));

    let name = Start::new(&[
        ("MCP_API_KEY", "k0"),
        ("MCP_API_KEYS", "default:k1"),
        ("DEFAULT_USER_ID", "ada"),
    ]);
    assert!(name.refusal().contains("one name for two users"));

    let rotated = Start::new(&[("MCP_API_KEYS", "claude:k1,claude:k2,claude:k1")]);
    assert_eq!(keys_of(&rotated), ["claude claude k1 rw", "claude claude k2 rw"]);
}

#[test]
fn a_weak_key_warns_on_loopback_and_stops_the_start_elsewhere() {
    let weak = [("MCP_API_KEY", "changeme"), ("HOST", "localhost")];
    assert!(Start::new(&weak).warnings().concat().contains("placeholder"));
    assert!(!Start::new(&weak).warnings().concat().contains("changeme"));

    let open = Start::new(&[("MCP_API_KEY", "changeme"), ("HOST", "0.0.0.0")]).refusal();
    assert!(open.starts_with("MCP_API_KEY (environment): a placeholder or too short"), "{open}");
    assert!(!open.contains("changeme"));

    let strong = Start::new(&[("MCP_API_KEY", KEY), ("HOST", "0.0.0.0")]);
    assert!(strong.warnings().is_empty());
}

#[test]
fn a_key_that_cannot_be_read_is_not_shown() {
    for (name, value) in [
        ("MCP_API_KEY", "two words-of-secret"),
        ("MCP_API_KEY", "one,two-of-secret"),
        ("MCP_API_KEYS", "claude:one,two-of-secret"),
        ("MCP_API_KEYS", "bad name:one-of-secret"),
    ] {
        let line = Start::new(&[(name, value)]).refusal();
        assert!(line.starts_with(&format!("{name} (environment): expected ")), "{line}");
        assert!(!line.contains("secret"), "{line}");
    }
}

#[test]
fn auth_is_disabled_on_loopback_only() {
    let inside = Start::new(&[("DISABLE_AUTH", "true"), ("SERVER_MODE", "streamable-http")]);
    assert!(inside.config().auth.disabled);
    assert_eq!(inside.warnings().len(), 1);

    let outside =
        Start::new(&[("HOST", "0.0.0.0")]).with_file("config.toml", "auth.disabled = true");
    let line = outside.refusal();
    let begins = "auth.disabled = true (config.toml) together with HOST=0.0.0.0 (environment): ";
    assert!(line.starts_with(begins), "{line}");
}

#[test]
fn tls_is_on_with_both_paths_and_refused_with_one() {
    let both = [("SSL_CERT_PATH", "c.pem"), ("SSL_KEY_PATH", "k.pem")];
    let config = Start::new(&both).config();
    assert_eq!(config.tls.files(), Some((Path::new("c.pem"), Path::new("k.pem"))));

    let off = Start::new(&[both[0], both[1], ("USE_HTTPS", "false")]).config();
    assert!(off.tls.files().is_none() && !off.tls.enabled);

    let line =
        "SSL_CERT_PATH=c.pem (environment): expected tls.key_path (SSL_KEY_PATH) to be set as well";
    assert_eq!(Start::new(&[both[0]]).refusal(), line);
    assert!(Start::new(&[both[1]]).refusal().contains("tls.cert_path (SSL_CERT_PATH)"));
    let neither = Start::new(&[("USE_HTTPS", "1")]).refusal();
    assert!(neither.contains("tls.cert_path (SSL_CERT_PATH) and tls.key_path (SSL_KEY_PATH)"));
}

#[test]
fn a_key_that_is_to_be_replaced_needs_the_one_that_replaces_it() {
    let key = "000102030405060708090A0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let line = Start::new(&[("ENCRYPTION_PREVIOUS_KEY", key)]).refusal();
    assert!(line.contains("storage.encryption_key (ENCRYPTION_KEY) to be set"), "{line}");
    assert!(!line.contains(key), "{line}");
}

#[test]
fn a_key_of_256_bits_is_taken_as_hexadecimal_digits_or_in_base64() {
    const HEX: &str = "000102030405060708090A0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let bytes = [HEX, BASE64].map(|key| {
        let config = Start::new(&[("ENCRYPTION_KEY", key)]).config();
        assert!(!format!("{config:?}").contains(key));
        *config.storage.encryption_key.unwrap().reveal()
    });
    assert_eq!(bytes[0], bytes[1]);
    for bad in ["ab", &HEX[1..], &BASE64[4..]] {
        let line = Start::new(&[("ENCRYPTION_KEY", bad)]).refusal();
        assert!(line.starts_with("ENCRYPTION_KEY (environment): expected 32 random"), "{line}");
        assert!(!line.contains(&BASE64[4..]), "{line}");
    }
}

#[test]
fn a_tool_set_that_does_not_exist_is_refused_with_those_that_do() {
    assert_eq!(Start::new(&[("TOOLSETS", "Core,core")]).config().tools.sets, [ToolSet::Core]);

    let sets = "core, admin, memoryos, ai-memory, remember, mem0, graph, files, chatgpt";
    let line = format!("TOOLSETS=core,cor (environment): expected one or more of {sets}");
    assert_eq!(Start::new(&[("TOOLSETS", "core,cor")]).refusal(), line);
    let none = Start::new(&[]).with_file("config.toml", "tools.sets = []");
    assert!(
        none.refusal().ends_with(&format!("expected one or more of {sets}")),
        "{}",
        none.refusal()
    );
}

#[test]
fn variables_of_other_servers_are_mentioned_once_and_without_their_values() {
    let start = Start::new(&[("OPENAI_API_KEY", "sk-secret"), ("POSTGRES_URL", "")])
        .with_file(".env", "OPENAI_API_KEY=sk-other\nNEO4J_URI=bolt://x\nUNRELATED=1\n");

    let notices = start.load().unwrap().notices;

    let told: Vec<&str> = notices.iter().map(|notice| notice.text.as_str()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("OPENAI_API_KEY (.env line 1) is recognized and ignored"));
    assert!(notices.iter().all(|notice| notice.level == Level::Info));
    assert!(!told.concat().contains("sk-"));
}

#[test]
fn no_trusted_proxy_can_be_said() {
    for (name, text) in
        [("config.toml", "http.trusted_proxies = []"), (".env", "TRUSTED_PROXIES=none")]
    {
        let start = Start::new(&[]).with_file(name, text);
        assert!(start.config().http.trusted_proxies.is_empty(), "{text}");
    }
}

#[test]
fn nothing_that_is_printed_shows_a_key() {
    let start = Start::new(&[("MCP_API_KEY", KEY)]);
    let surroundings = Surroundings::only(start.folder.path().to_owned(), &start.env);

    let shown = format!("{:?} {surroundings:?}", start.load().unwrap());

    assert!(!shown.contains(KEY), "{shown}");
}
