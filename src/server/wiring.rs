use std::any::Any;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use actix_server::ServerBuilder;
use actix_web::dev::{Extensions, Server as ActixServer};
use actix_web::middleware::from_fn;
use actix_web::{App, rt, web};

use super::hand_over::{self, Wanted};
use super::handshakes::Tls;
use super::serving::{self, Patience, Served};
use super::{DRAIN, StartError, reload};
use crate::actors::{BackupSettings, Limiter, Quota, Quotas, SessionSettings, Sessions};
use crate::auth::oauth::GrantPolicy;
use crate::auth::{Credentials, InstanceToken, KeptKey, KeptKeyError, Keyring, RingKey, TokenBook};
use crate::config::Config;
use crate::embedding::{Embedder, EmbedderError};
use crate::engine::Limits;
use crate::hooks::Sittings;
use crate::http::body::BodyRules;
use crate::http::front::{
    ConnectionBounds, Connections, Front, LocalSocket, arrive, extractors, receive,
};
use crate::http::metrics::Metrics;
use crate::http::oauth::OauthFace;
use crate::http::ui::about::AboutServer;
use crate::http::ui::sessions::{BrowserSessions, SignInRules};
use crate::http::{self, Face, McpFace, OpenStreams, PagesFace};
use crate::mcp::{Protocol, ToolSets};
use crate::model::{Clock, CredentialName, InvalidName, Scopes, Secret};
use crate::outward::{Documents, Internet};
use crate::store::{EncryptionKeys, Progress, SealingKey, Store, StoreError, StoreOptions};

/// How long a client may take to read a refusal while it still sends what was refused.
const LINGER: Duration = Duration::from_secs(5);
/// An interval of nothing would spin.
const LEAST_IDLE: Duration = Duration::from_secs(1);

/// Opens the data directory of the settings, and makes it if there is none.
pub(crate) fn open_store(
    config: &Config,
    progress: Option<Arc<dyn Progress>>,
) -> Result<Store, StoreError> {
    Store::open(&config.server.data_dir, store_options(config, progress))
}

/// The same, waiting no longer than this for another process to let go of it.
pub(super) fn open_store_within(
    config: &Config,
    progress: Option<Arc<dyn Progress>>,
    lock_patience: Duration,
) -> Result<Store, StoreError> {
    let options = StoreOptions { lock_patience, ..serving_options(config, progress) };
    Store::open(&config.server.data_dir, options)
}

/// Opens the data directory of the settings for somebody who only reads.
pub(crate) fn open_existing_store(
    config: &Config,
    progress: Option<Arc<dyn Progress>>,
) -> Result<Store, StoreError> {
    let options = StoreOptions { create: false, ..store_options(config, progress) };
    Store::open(&config.server.data_dir, options)
}

/// How the settings want the data directory to be opened by somebody who serves it.
pub(super) fn serving_options(
    config: &Config,
    progress: Option<Arc<dyn Progress>>,
) -> StoreOptions {
    StoreOptions { compares_later: true, ..store_options(config, progress) }
}

/// How the settings want the data directory to be opened.
pub(crate) fn store_options(config: &Config, progress: Option<Arc<dyn Progress>>) -> StoreOptions {
    let storage = &config.storage;
    let current = storage.encryption_key.as_ref().map(SealingKey::new);
    let previous = storage.previous_encryption_key.as_ref().map(SealingKey::new);
    let encryption = current.map(|current| EncryptionKeys { current, previous });
    let cache_bytes = storage.cache_bytes;
    StoreOptions { cache_bytes, progress, encryption, ..StoreOptions::default() }
}

pub(crate) fn session_settings(config: &Config) -> Result<SessionSettings, EmbedderError> {
    let limits = Limits {
        content_bytes: config.limits.content_bytes,
        undo: config.storage.undo,
        recalls: config.storage.recalls,
        secrets: config.storage.secrets,
    };
    let embedder = Embedder::open(&config.embedding)?;
    let idle = config.session.idle.max(LEAST_IDLE);
    let backups = backup_settings(config);
    let oauth = &config.oauth;
    let grants = GrantPolicy { is_on: oauth.enabled, idle: oauth.idle, longest: oauth.longest };
    Ok(SessionSettings { limits, embedder, idle, keep_audit: config.auth.audit, grants, backups })
}

fn backup_settings(config: &Config) -> BackupSettings {
    let backup = &config.backup;
    BackupSettings {
        dir: backup.dir.clone(),
        every: backup.every,
        keep: usize::try_from(backup.keep).unwrap_or(usize::MAX),
        key: backup_key(config),
    }
}

/// The key that seals backups.
pub(crate) fn backup_key(config: &Config) -> Option<SealingKey> {
    config.backup.key.as_ref().map(SealingKey::new)
}

/// The pages, and OAuth, if there are any.
type ForPeople = (Option<PagesFace>, Option<web::Data<OauthFace>>);

/// What the wire is made of.
pub(super) struct Parts<'a> {
    pub(super) config: &'a Config,
    pub(super) token: &'a InstanceToken,
    pub(super) kept: Option<&'a KeptKey>,
    pub(super) sessions: &'a Sessions,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) internet: &'a Arc<dyn Internet>,
    /// Woken when a server asks for the store; nothing where it is a server's already.
    pub(super) wanted: Option<&'a Wanted>,
}

/// Where requests come in.
pub(super) struct Listeners {
    pub(super) port: Option<TcpListener>,
    /// For programs of the same owner on this machine.
    pub(super) socket: Option<UnixListener>,
}

/// The listeners with everything in front of the routes and behind them. Of the files that may be
/// open, they leave more than half to the store.
pub(super) fn http(
    parts: &Parts<'_>,
    listeners: Listeners,
    certificates: Option<&reload::Certificates>,
    open_files: u64,
) -> Result<ActixServer, StartError> {
    let Parts { config, token, kept, sessions, clock, wanted, .. } = *parts;
    let accounts = sessions.accounts();
    let credentials = credentials(config, token, kept, accounts.book())?;
    let metrics = Arc::new(Metrics::default());
    let is_guarded = !credentials.is_disabled();
    let (pages, oauth) = for_people(parts, is_guarded)?;
    let front = web::Data::new(Front::new(
        config,
        credentials,
        Some(accounts.clone()),
        limiter(config),
        Arc::clone(&metrics),
    ));
    let certificate = certificates.map(reload::Certificates::source);
    let face = web::Data::new(Face { is_guarded, clock: Arc::clone(clock), certificate });
    let metrics = web::Data::from(metrics);
    let listed = ToolSets::new(&config.tools.sets);
    let protocol = Protocol::new(sessions.clone(), listed, token.secret());
    let streams = OpenStreams::new(accounts.clone());
    let mcp = web::Data::new(McpFace { protocol, streams: streams.clone() });
    let streams = web::Data::new(streams);
    let sessions = web::Data::new(sessions.clone());
    let sittings = web::Data::new(Sittings::default());
    let bounds = ConnectionBounds::new(&config.http, open_files);
    let connections = Connections::new(bounds, &config.http.trusted_proxies, sessions.stopping());
    let token = web::Data::new(token.clone());
    let wanted = wanted.cloned();
    let rules = BodyRules { limit: config.limits.body_bytes, timeout: config.http.read_timeout };

    let app = move || {
        App::new()
            .configure(hand_over::route(wanted.clone()))
            .configure(http::sign_in(oauth.clone()))
            .app_data(front.clone())
            .app_data(face.clone())
            .app_data(metrics.clone())
            .app_data(mcp.clone())
            .app_data(sessions.clone())
            .app_data(sittings.clone())
            .app_data(streams.clone())
            .app_data(token.clone())
            .configure(extractors(rules))
            .configure(http::routes)
            .configure(http::pages(pages.clone()))
            .wrap(front.cors())
            .wrap(from_fn(receive))
            .wrap_fn(arrive)
    };
    let builder = builder(config.http.workers, bounds);
    let tls = certificates.map(|certificates| certificates.reloader().server_config());
    let tls = tls
        .transpose()?
        .map(|tls| Tls::new(tls, Arc::clone(&connections), config.http.handshake_timeout));
    let http = &config.http;
    let served = Served {
        app,
        welcome: move |stream: &dyn Any, data: &mut Extensions| welcome(&connections, stream, data),
        patience: Patience { keep_alive: http.keep_alive, head: http.head_timeout, linger: LINGER },
    };
    let port = listeners.port.map(|port| (port, tls));
    serving::listen(builder, &served, port, listeners.socket).map_err(StartError::listening)
}

fn builder(workers: usize, bounds: ConnectionBounds) -> ServerBuilder {
    ActixServer::build()
        .workers(workers)
        // actix counts for each worker.
        .max_concurrent_connections((bounds.total / workers.max(1)).max(1))
        .shutdown_timeout(DRAIN.as_secs())
        .disable_signals()
}

/// Who has signed in with a browser, and whom they let in: each where the settings have it.
fn for_people(parts: &Parts<'_>, is_guarded: bool) -> Result<ForPeople, StartError> {
    let Parts { config, kept, sessions, internet, .. } = *parts;
    let accounts = sessions.accounts();
    let rules = SignInRules { is_guarded, allows_http: config.dashboard.allow_http };
    let pages = config.dashboard.enabled.then(|| PagesFace {
        browsers: BrowserSessions::new(accounts.clone(), rules),
        about: web::Data::new(AboutServer::new(config, kept.is_some())),
    });
    let public_url = config.server.public_url.as_deref().filter(|_| config.oauth.enabled);
    let Some(url) = public_url else { return Ok((pages, None)) };
    let fetches = config.oauth.fetch_clients;
    let documents = fetches.then(|| Documents::new(Arc::clone(internet))).transpose()?;
    let oauth = OauthFace::new(url, accounts.clone(), documents);
    Ok((pages, Some(web::Data::new(oauth))))
}

/// Only the owner of the run directory comes over its socket, and nobody needs to be bounded.
fn welcome(connections: &Arc<Connections>, stream: &dyn Any, data: &mut Extensions) {
    if stream.is::<rt::net::UnixStream>() {
        data.insert(LocalSocket);
    } else {
        connections.welcome(stream, data);
    }
}

/// The key that the first start made, where nobody configured one.
pub(crate) fn kept_key(config: &Config) -> Result<Option<KeptKey>, KeptKeyError> {
    if config.keys().is_empty() { KeptKey::read(&config.server.data_dir) } else { Ok(None) }
}

/// The keys that open this server, besides the token of its run.
pub(crate) fn keyring(config: &Config, kept: Option<&KeptKey>) -> Result<Keyring, InvalidName> {
    let mut keyring = Keyring::default();
    for key in config.keys() {
        keyring.add(RingKey {
            name: key.name,
            user: key.user,
            secret: key.secret,
            scopes: key.scopes,
        });
    }
    if let Some(kept) = kept {
        keyring.add(of_default_user(config, "default", &kept.secret)?);
    }
    Ok(keyring)
}

fn credentials(
    config: &Config,
    token: &InstanceToken,
    kept: Option<&KeptKey>,
    tokens: &Arc<TokenBook>,
) -> Result<Credentials, InvalidName> {
    if config.auth.disabled {
        return Credentials::disabled(config.project.default_user.clone());
    }
    let mut keyring = keyring(config, kept)?;
    keyring.add(of_default_user(config, "instance", token.secret())?);
    Ok(Credentials::new(keyring, Arc::clone(tokens)))
}

fn of_default_user(config: &Config, name: &str, secret: &Secret) -> Result<RingKey, InvalidName> {
    Ok(RingKey {
        name: CredentialName::parse(name)?,
        user: config.project.default_user.clone(),
        secret: secret.clone(),
        scopes: Scopes::all(),
    })
}

fn limiter(config: &Config) -> Option<Limiter> {
    let requests = Quota { limit: config.rate_limit.requests, window: config.rate_limit.window };
    let failures = Quota { limit: config.auth.fail_limit, window: config.auth.fail_window };
    Limiter::start(Quotas { requests, failures })
}
