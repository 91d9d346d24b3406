//! What stands in front of every route: who calls, from where, how often, and whether it may.
//!
//! [`arrive`] is the outermost layer, [`receive`] the next, then actix-cors; then the route is
//! found, and its own guard ([`guarded`]) is the innermost. Together they keep the order of
//! docs/API.md: host and HTTPS, origin, rate limit, authentication, handler.

mod admit;
mod bounds;
mod caller;
mod client;
mod connection;
mod connections;
mod departure;
mod headers;
mod hosts;
mod log_line;
mod names;
mod origins;
mod outgoing;
mod place;
mod prefix;
mod proxy_signs;
mod public_host;
mod receive;
mod refusal;
mod request_id;
mod trusted;
mod typed;
mod unread;
mod wire;

#[cfg(test)]
mod budget_tests;
#[cfg(test)]
mod connection_tests;
#[cfg(test)]
mod proxy_tests;
#[cfg(test)]
pub(super) mod tests;

use std::collections::hash_map::RandomState;
use std::sync::Arc;

use actix_cors::Cors;
use actix_web::middleware::Condition;

use crate::actors::{Accounts, Limiter};
use crate::auth::{Credentials, PasswordFile, ProjectRule};
use crate::config::{self, Config};
use crate::http::metrics::Metrics;
use crate::model::{Project, UserId};
pub use admit::{Guard, guarded};
pub use bounds::ConnectionBounds;
pub use caller::program;
pub use client::{Client, LocalSocket};
pub use connections::Connections;
pub use departure::departure;
use headers::DefaultHeaders;
pub use headers::PAGE_POLICY;
use hosts::HostRule;
use origins::OriginRule;
pub use origins::origin_of_request;
pub use place::{PathId, extractors, no_route};
pub use prefix::Ingress;
use proxy_signs::ProxySigns;
pub use public_host::OnPublicHost;
use public_host::PublicHost;
pub use receive::{arrive, receive};
pub use request_id::RequestId;
use request_id::RequestIds;
use trusted::TrustedProxies;
pub use wire::Wire;

/// What the layers in front of the routes need to know. One for all workers.
#[derive(Debug)]
pub struct Front {
    is_tls: bool,
    requires_https: bool,
    proxies: TrustedProxies,
    /// What proxies take off a path that do not tell so.
    base_path: String,
    /// Whether one of them may have the pages shown in a frame.
    takes_ingress: bool,
    proxy_signs: ProxySigns,
    hosts: HostRule,
    /// Nothing where OAuth is off.
    public: Option<PublicHost>,
    origins: OriginRule,
    default_headers: DefaultHeaders,
    request_ids: RequestIds,
    credentials: Credentials,
    /// Nothing where a test has no store.
    accounts: Option<Accounts>,
    projects: ProjectRule,
    /// For people who come with a browser, and whom it stands for.
    password: PasswordFile,
    owner: UserId,
    limiter: Option<Limiter>,
    /// Hashes wrong credentials, to know them again.
    mistakes: RandomState,
    metrics: Arc<Metrics>,
}

impl Front {
    #[must_use]
    pub fn new(
        config: &Config,
        credentials: Credentials,
        accounts: Option<Accounts>,
        limiter: Option<Limiter>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let hosts = HostRule::new(config, credentials.is_disabled());
        Self {
            is_tls: config.tls.enabled,
            requires_https: config.tls.require,
            proxies: TrustedProxies::new(&config.http.trusted_proxies),
            base_path: config.dashboard.base_path.clone().unwrap_or_default(),
            takes_ingress: config.dashboard.ingress,
            proxy_signs: ProxySigns::new(config),
            hosts,
            public: PublicHost::new(config),
            origins: OriginRule::new(config),
            default_headers: DefaultHeaders::new(&config.server.header),
            request_ids: RequestIds::default(),
            credentials,
            accounts,
            projects: project_mode(config),
            password: PasswordFile::of(&config.server.data_dir),
            owner: config.project.default_user.clone(),
            limiter,
            mistakes: RandomState::new(),
            metrics,
        }
    }

    /// The project that a client's folder stands for, where folders name projects. One that cannot be read
    /// names none.
    #[must_use]
    pub fn project_of(&self, folder: Option<&str>) -> Option<Project> {
        self.projects.project(folder.map(str::as_bytes)).unwrap_or_default()
    }

    /// The layer between [`receive`] and the guards. It decides nothing about origins: those that
    /// are refused do not come so far.
    #[must_use]
    pub fn cors(&self) -> Condition<Cors> {
        self.origins.layer()
    }
}

/// Reads headers in which proxies tell whom they speak for.
#[cfg(feature = "fuzzing")]
pub fn read_forwarding(lines: &[u8]) {
    let _ = Client::told_by(lines);
}

fn project_mode(config: &Config) -> ProjectRule {
    match config.project.mode {
        config::ProjectMode::Manual => ProjectRule::Manual,
        config::ProjectMode::Auto => ProjectRule::Auto,
        config::ProjectMode::Global => {
            ProjectRule::Global { user: config.project.default_user.clone() }
        }
    }
}
