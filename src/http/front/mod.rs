//! What stands in front of every route: who calls, from where, how often, and whether it may.
//!
//! [`receive`] is the outermost layer, actix-cors the next, [`admit`] the innermost. Together they
//! keep the order of docs/API.md: host and HTTPS, origin, rate limit, authentication, handler.

mod admit;
mod caller;
mod client;
mod headers;
mod hosts;
mod log_line;
mod origins;
mod place;
mod receive;
mod refusal;
mod request_id;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use actix_cors::Cors;
use actix_web::middleware::Condition;
use ipnet::IpNet;

use crate::actors::Limiter;
use crate::auth::{Credentials, ProjectMode};
use crate::config::{self, Config};
use crate::http::metrics::Metrics;
pub use admit::admit;
pub use client::{Client, LocalSocket};
use headers::Attire;
use hosts::HostRule;
use origins::OriginRule;
pub use place::{PathId, extractors, no_route, place};
pub use receive::receive;
pub use request_id::RequestId;
use request_id::RequestIds;

/// What the layers in front of the routes need to know. One for all workers.
#[derive(Debug)]
pub struct Front {
    is_tls: bool,
    requires_https: bool,
    proxies: Vec<IpNet>,
    hosts: HostRule,
    origins: OriginRule,
    attire: Attire,
    request_ids: RequestIds,
    credentials: Credentials,
    projects: ProjectMode,
    limiter: Option<Limiter>,
    metrics: Arc<Metrics>,
}

impl Front {
    #[must_use]
    pub fn new(
        config: &Config,
        credentials: Credentials,
        limiter: Option<Limiter>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let hosts = HostRule::new(config, credentials.is_disabled());
        Self {
            is_tls: config.tls.enabled,
            requires_https: config.tls.require,
            proxies: config.http.trusted_proxies.clone(),
            hosts,
            origins: OriginRule::new(config),
            attire: Attire::new(&config.server.header),
            request_ids: RequestIds::default(),
            credentials,
            projects: project_mode(config),
            limiter,
            metrics,
        }
    }

    /// The layer between [`receive`] and [`admit`]. It decides nothing about origins: those that
    /// are refused do not come so far.
    #[must_use]
    pub fn cors(&self) -> Condition<Cors> {
        self.origins.layer()
    }
}

fn project_mode(config: &Config) -> ProjectMode {
    match config.project.mode {
        config::ProjectMode::Manual => ProjectMode::Manual,
        config::ProjectMode::Auto => ProjectMode::Auto,
        config::ProjectMode::Global => {
            ProjectMode::Global { user: config.project.default_user.clone() }
        }
    }
}
