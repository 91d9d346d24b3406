//! Reads every setting into the tree, and checks what only several settings together can break.

use std::thread::available_parallelism;

use log::Level;

use crate::model::{Secret, UserId};

use super::layers::Layers;
use super::parse::{self, Parsed};
use super::source::Raw;
use super::{
    AllowedOrigins, Auth, Config, ConfigError, Cors, Embedding, Flags, Host, HostPattern, Http,
    Limits, Log, Notice, Port, ProjectMode, Projects, Server, Sessions, Storage, Tls, ToolSet,
    Tools, keys, rate, settings, web,
};

/// More threads than this only wait for the store.
const MOST_DEFAULT_WORKERS: usize = 8;

const BYTES_PER_MIB: u64 = 1 << 20;

/// An hour: a client that needs longer for one body is gone.
const LONGEST_READ_S: u32 = 3_600;

/// A day: who waits longer after a failed key has been locked out, not slowed down.
const LONGEST_FAIL_WINDOW_S: u32 = 86_400;

/// A year, beyond which a session is as good as never put to sleep.
const LONGEST_IDLE_S: u32 = 31_536_000;

/// Ten years; 0 lets nothing be restored.
const LONGEST_UNDO_DAYS: u32 = 3_650;

pub(super) fn config(
    layers: &Layers,
    flags: &Flags,
    notices: &mut Vec<Notice>,
) -> Result<Config, ConfigError> {
    refuse_encryption(layers)?;
    let server = server(layers)?;
    let projects = projects(layers)?;
    let owner = (&projects.default_user, &server.host);
    let auth = auth(layers, flags, owner, notices)?;
    let asked_sets = layers.value("tools.sets", ToolSet::parse_list)?;
    Ok(Config {
        tls: tls(layers)?,
        http: http(layers)?,
        cors: Cors {
            enabled: layers.value("cors.enabled", parse::boolean)?,
            allowed_origins: layers
                .read("cors.allowed_origins", AllowedOrigins::parse)?
                .unwrap_or(AllowedOrigins::Own),
        },
        rate_limit: rate::limit(layers)?,
        session: Sessions {
            idle: layers.value("session.idle", |raw| parse::seconds(raw, 1..=LONGEST_IDLE_S))?,
        },
        log: Log {
            level: layers.value("log.level", parse::log_filter)?,
            file: layers.read("log.file", parse::path)?,
        },
        storage: storage(layers)?,
        limits: Limits {
            body_bytes: layers.value("limits.body", parse::size_bytes)?,
            content_bytes: layers.value("limits.content", parse::size_bytes)?,
        },
        tools: Tools { sets: ToolSet::keep_available(asked_sets, notices) },
        embedding: embedding(layers, notices)?,
        server,
        auth,
        project: projects,
    })
}

fn server(layers: &Layers) -> Result<Server, ConfigError> {
    let data_dir = layers.value("server.data_dir", parse::path)?;
    Ok(Server {
        host: layers.value("server.host", Host::parse)?,
        port: layers.value("server.port", Port::parse)?,
        run_dir: layers.read("server.run_dir", parse::path)?.unwrap_or_else(|| data_dir.clone()),
        data_dir,
        header: layers.value("server.header", parse::header)?,
        public_url: layers.read("server.public_url", web::public_url)?,
    })
}

fn tls(layers: &Layers) -> Result<Tls, ConfigError> {
    let cert_path = layers.read("tls.cert_path", parse::path)?;
    let key_path = layers.read("tls.key_path", parse::path)?;
    let asked = layers.read("tls.enabled", parse::boolean)?;
    let half = |given: &str, missing: &[&str]| {
        let missing: Vec<String> = missing.iter().map(|key| settings::describe(key)).collect();
        Err(ConfigError::HalfTls { given: layers.subject(given), missing: missing.join(" and ") })
    };
    match (&cert_path, &key_path) {
        (Some(_), None) => return half("tls.cert_path", &["tls.key_path"]),
        (None, Some(_)) => return half("tls.key_path", &["tls.cert_path"]),
        (None, None) if asked == Some(true) => {
            return half("tls.enabled", &["tls.cert_path", "tls.key_path"]);
        }
        _ => {}
    }
    Ok(Tls {
        enabled: asked.unwrap_or(cert_path.is_some()),
        cert_path,
        key_path,
        require: layers.value("tls.require", parse::boolean)?,
    })
}

fn http(layers: &Layers) -> Result<Http, ConfigError> {
    let workers = layers.read("http.workers", |raw| parse::count(raw, 1..=256))?;
    let workers = workers.and_then(|workers| usize::try_from(workers).ok());
    let cores = || available_parallelism().map_or(1, usize::from).min(MOST_DEFAULT_WORKERS);
    Ok(Http {
        trusted_hosts: layers.value("http.trusted_hosts", HostPattern::parse_list)?,
        trusted_proxies: layers.value("http.trusted_proxies", parse::networks)?,
        read_timeout: layers
            .value("http.read_timeout", |raw| parse::seconds(raw, 1..=LONGEST_READ_S))?,
        workers: workers.unwrap_or_else(cores),
    })
}

fn auth(
    layers: &Layers,
    flags: &Flags,
    (owner, host): (&UserId, &Host),
    notices: &mut Vec<Notice>,
) -> Result<Auth, ConfigError> {
    let disabled = layers.value("auth.disabled", parse::boolean)?;
    if disabled {
        let given = layers.subject("auth.disabled");
        if !host.is_loopback() {
            return Err(ConfigError::AuthDisabled { given, host: host.to_string() });
        }
        let text = format!("{given}: everybody on this machine may read and change every memory");
        notices.push(Notice { level: Level::Warn, text });
    }
    Ok(Auth {
        keys: keys::collect(layers, flags, (owner, host), notices)?,
        disabled,
        fail_limit: layers.value("auth.fail_limit", |raw| parse::count(raw, 1..=1_000_000))?,
        fail_window: layers
            .value("auth.fail_window", |raw| parse::seconds(raw, 1..=LONGEST_FAIL_WINDOW_S))?,
    })
}

fn projects(layers: &Layers) -> Result<Projects, ConfigError> {
    Ok(Projects {
        mode: layers.value("project.mode", ProjectMode::parse)?,
        default_user: layers.value("project.default_user", |raw| {
            UserId::parse(parse::text(raw)?).map_err(|_| {
                "a user id of 1 to 128 characters without control characters".to_owned()
            })
        })?,
    })
}

fn storage(layers: &Layers) -> Result<Storage, ConfigError> {
    let cache_mb = layers.value("storage.cache_mb", |raw| parse::count(raw, 1..=65_536))?;
    Ok(Storage {
        cache_bytes: u64::from(cache_mb).saturating_mul(BYTES_PER_MIB),
        undo: layers.value("storage.undo_days", |raw| parse::days(raw, 0..=LONGEST_UNDO_DAYS))?,
    })
}

fn embedding(layers: &Layers, notices: &mut Vec<Notice>) -> Result<Embedding, ConfigError> {
    let text = |raw: &Raw| parse::text(raw).map(str::to_owned);
    // White space at the end of a value is cut, and every model wants some there.
    let prefix = |raw: &Raw| parse::text(raw).map(|text| format!("{text} "));
    let url = layers.read("embedding.url", text)?;
    if url.is_some() {
        let giver = layers.giver("embedding.url");
        let text = format!("{giver}: every memory and every question is sent there");
        notices.push(Notice { level: Level::Info, text });
    }
    Ok(Embedding {
        url,
        model: layers.read("embedding.model", text)?,
        key: layers.read("embedding.key", text)?.map(Secret::new),
        authority: layers.read("embedding.authority", parse::path)?,
        model_path: layers.read("embedding.model_path", parse::path)?,
        query_prefix: layers.read("embedding.query_prefix", prefix)?,
        passage_prefix: layers.read("embedding.passage_prefix", prefix)?,
        timeout: layers
            .value("embedding.timeout", |raw| parse::seconds(raw, 1..=LONGEST_READ_S))?,
    })
}

/// The setting has its place already, so that nobody believes an older server to have obeyed it.
fn refuse_encryption(layers: &Layers) -> Result<(), ConfigError> {
    let key = "storage.encryption_key_file";
    match layers.read(key, parse::path)? {
        Some(_) => Err(ConfigError::NoEncryption { given: layers.subject(key) }),
        None => Ok(()),
    }
}

impl ProjectMode {
    fn parse(raw: &Raw) -> Parsed<Self> {
        match parse::text(raw).unwrap_or_default().to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "manual" => Ok(Self::Manual),
            "global" => Ok(Self::Global),
            _ => Err("auto, manual or global".to_owned()),
        }
    }
}
