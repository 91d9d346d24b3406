//! What the server counts about itself, for `/admin/stats` and `/metrics`.

mod exposition;
mod histogram;
mod memory;
mod tally;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::model::Timestamp;
use histogram::Histogram;
use memory::resident_memory;
use tally::Tally;

/// The label of requests that no route took, or that were refused before one was looked for.
const NO_ROUTE: &str = "none";

/// What the metrics show that is counted or known elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Others<'a> {
    /// By client.
    pub tokens_given: &'a BTreeMap<String, u64>,
    pub is_writable: bool,
    pub journal_bytes: u64,
    pub tree_bytes: u64,
    /// Of the file system of the data directory: its size, and what is free of it.
    pub disk: Option<(u64, u64)>,
    /// Of the newest backup, if there is one.
    pub backup_age: Option<Duration>,
    pub certificate_ends: Option<Timestamp>,
    /// Of the certificate and of those who signed it that a client needs, whichever ends first.
    pub chain_ends: Option<Timestamp>,
}

/// Counts since the start. Shared by all workers, and cheap to add to.
#[derive(Debug)]
pub struct Metrics {
    started: Instant,
    /// By the hundreds: 1xx to 5xx.
    statuses: [AtomicU64; 5],
    failed_authentications: AtomicU64,
    rate_limit_violations: AtomicU64,
    cors_violations: AtomicU64,
    routes: Tally,
    tools: Tally,
    credentials: Tally,
    response_times: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            statuses: Default::default(),
            failed_authentications: AtomicU64::default(),
            rate_limit_violations: AtomicU64::default(),
            cors_violations: AtomicU64::default(),
            routes: Tally::default(),
            tools: Tally::default(),
            credentials: Tally::default(),
            response_times: Histogram::default(),
        }
    }
}

impl Metrics {
    /// Counts an answered request. `route` is the pattern of the route, not the path.
    pub fn record_request(
        &self,
        route: Option<&str>,
        credential: Option<&str>,
        status: u16,
        took: Duration,
    ) {
        let hundreds = usize::from(status / 100).saturating_sub(1);
        if let Some(count) = self.statuses.get(hundreds) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.routes.add(route.unwrap_or(NO_ROUTE));
        if let Some(credential) = credential {
            self.credentials.add(credential);
        }
        self.response_times.record(took);
    }

    /// Counts a call of a tool. The name must be that of a tool there is.
    pub fn record_tool(&self, name: &str) {
        self.tools.add(name);
    }

    pub fn record_failed_authentication(&self) {
        self.failed_authentications.fetch_add(1, Ordering::Relaxed);
    }

    pub fn record_rate_limit_violation(&self) {
        self.rate_limit_violations.fetch_add(1, Ordering::Relaxed);
    }

    pub fn record_cors_violation(&self) {
        self.cors_violations.fetch_add(1, Ordering::Relaxed);
    }

    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Everything, for an administrator.
    #[must_use]
    pub fn stats_json(&self) -> Value {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let times = &self.response_times;
        json!({
            "total_requests": times.count(),
            "failed_authentications": load(&self.failed_authentications),
            "rate_limit_violations": load(&self.rate_limit_violations),
            "cors_violations": load(&self.cors_violations),
            "requests_by_route": self.routes.counts(),
            "requests_by_tool": self.tools.counts(),
            "requests_by_credential": self.credentials.counts(),
            "responses_by_status": self.by_status(),
            "response_time_ms": {
                "p50": times.quantile(0.50).as_secs_f64() * 1000.0,
                "p99": times.quantile(0.99).as_secs_f64() * 1000.0,
            },
            "resident_memory_bytes": resident_memory(),
            "uptime_seconds": self.uptime().as_secs(),
        })
    }

    /// How often one credential called, for those who may see no more than that.
    #[must_use]
    pub fn requests_of(&self, credential: &str) -> u64 {
        self.credentials.of(credential)
    }

    /// The counts in the text format of Prometheus, with what others count.
    #[must_use]
    pub fn prometheus(&self, others: &Others<'_>) -> String {
        exposition::write(self, others)
    }

    fn by_status(&self) -> BTreeMap<String, u64> {
        let counts = self.statuses.iter().zip(1..);
        counts.map(|(count, n)| (format!("{n}xx"), count.load(Ordering::Relaxed))).collect()
    }
}
